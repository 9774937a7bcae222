"""The digest of a config, as stamps hold it."""

import hashlib
from typing import Final

import msgspec

from vmstack.model.configs import DomainConfig, NetworkConfig

# Fields that the model got later count only where they say something: stamps out there were made without them.
_LATER: Final = (b'"virtio_console":null,',)


def digest_of(config: DomainConfig | NetworkConfig) -> str:
    """SHA-256 (hex, shortened) of a designed config: tells a changed program from a changed host."""
    text = msgspec.json.encode(config, order="deterministic")
    for unsaid in _LATER:
        text = text.replace(unsaid, b"")
    return hashlib.sha256(text).hexdigest()[:32]
