"""Where images are kept on this machine."""

import os
from pathlib import Path

from vmstack.images.store import ImageStore


def image_cache() -> Path:
    """Where images are kept on this machine (https://specifications.freedesktop.org/basedir-spec)."""
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "vmstack" / "images"


def image_store() -> ImageStore:
    """This machine's images."""
    return ImageStore(image_cache())
