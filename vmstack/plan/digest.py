"""Digests: of a config, as stamps hold it, and of a ledger, as expectations hold it."""

import hashlib

import msgspec

from vmstack.model.configs import DomainConfig, NetworkConfig
from vmstack.model.ownership import Ledger


def digest_of(config: DomainConfig | NetworkConfig) -> str:
    """SHA-256 (hex, shortened) of a designed config: tells a changed program from a changed host.

    What a config leaves open does not count, so that stamps outlive fields which the model gets later.
    """
    return hashlib.sha256(msgspec.json.encode(config, order="deterministic")).hexdigest()[:32]


def digest_of_ledger(ledger: Ledger | None) -> str | None:
    """SHA-256 (hex, shortened) of what the ledger lists, in any order; `None` of no ledger.

    Outputs and the last run do not count: nothing is decided by them.
    """
    if ledger is None:
        return None
    entries = sorted(ledger.entries, key=lambda entry: entry.slot)
    return hashlib.sha256(msgspec.json.encode(entries, order="deterministic")).hexdigest()[:32]
