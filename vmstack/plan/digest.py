"""The digest of a config, as stamps hold it."""

import hashlib

import msgspec

from vmstack.model.configs import DomainConfig, NetworkConfig


def digest_of(config: DomainConfig | NetworkConfig) -> str:
    """SHA-256 (hex, shortened) of a designed config: tells a changed program from a changed host."""
    return hashlib.sha256(msgspec.json.encode(config, order="deterministic")).hexdigest()[:32]
