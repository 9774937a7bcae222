"""Digests: of a config, as stamps hold it, and of a ledger, as expectations hold it."""

import hashlib
from typing import Final

import msgspec

from vmstack.model.configs import DomainConfig, NetworkConfig
from vmstack.model.ownership import Ledger

# Fields that the model got later count only where they say something: stamps out there were made without them.
_LATER: Final = (
    b'"virtio_console":null,', b'"kind":"file",', b'"url":null,', b'"wwn":null,', b'"device":null,', b'"mode":null,',
    b'"emulator":null,', b'"loader":null,', b'"nvram":null,', b'"nvram_template":null,', b'"kernel":null,',
    b'"initrd":null,', b'"cmdline":null,', b'"boot":[],', b'"video":null,', b'"tpm":null,', b'"fw_cfg":null,',
    b'"consoles":[],', b'"filesystems":[],', b'"metadata":[],', b',"how":"address","websocket":null',
    b'"domain_local":true,', b'"dns_enabled":null,', b'"dns_forwarders":[],',
    b'"dns_srvs":[],', b'"routes":[],', b'"dnsmasq_options":[],',
)  # fmt: skip


def digest_of(config: DomainConfig | NetworkConfig) -> str:
    """SHA-256 (hex, shortened) of a designed config: tells a changed program from a changed host."""
    text = msgspec.json.encode(config, order="deterministic")
    for unsaid in _LATER:
        text = text.replace(unsaid, b"")
    return hashlib.sha256(text).hexdigest()[:32]


def digest_of_ledger(ledger: Ledger | None) -> str | None:
    """SHA-256 (hex, shortened) of what the ledger lists, in any order; `None` of no ledger.

    Outputs and the last run do not count: nothing is decided by them.
    """
    if ledger is None:
        return None
    entries = sorted(ledger.entries, key=lambda entry: entry.slot)
    return hashlib.sha256(msgspec.json.encode(entries, order="deterministic")).hexdigest()[:32]
