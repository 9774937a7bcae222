"""Where the resources of `pulumi_libvirt` are when they do not say it."""

import os
from collections.abc import Mapping
from typing import Final

URI_VARIABLE: Final = "LIBVIRT_DEFAULT_URI"


def find_default_uri(config: Mapping[str, str]) -> str | None:
    """The libvirt URI of the default provider: of the stack's configuration, or else of the environment."""
    return config.get("libvirt:uri") or os.environ.get(URI_VARIABLE) or None
