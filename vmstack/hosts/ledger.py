"""The ledger of a stack on a host, kept in the description of a libvirt secret (docs/architecture.md, "Identity").

It is JSON in plain ASCII, so that XML carries every value; facts and digests, never a secret value.
"""

import json
from typing import Any, Final, Protocol

import msgspec

from vmstack.errors import DocumentError, HostError, NotFoundError
from vmstack.hosts.driver import Driver, SecretRecord
from vmstack.model.identity import StackId, derive_ledger_uuid
from vmstack.model.ownership import LEDGER_FORMAT, Ledger, LedgerEntry

USAGE_PREFIX: Final = "vmstack:"
LOCK_PREFIX: Final = "vmstack:lock:"
# libvirt's protocol refuses strings above 4 MiB (VIR_NET_MESSAGE_STRING_MAX); the rest of the secret's XML is small.
_MAX_BYTES: Final = 4 * 1024 * 1024 - 4096


class LedgerStore(Protocol):
    """Where the ledger of one stack on one host is kept."""

    def read(self) -> Ledger | None: ...
    def write(self, ledger: Ledger) -> None: ...
    def remove(self) -> None: ...


class HostLedger:
    """The default store: the host itself."""

    def __init__(self, driver: Driver, stack: StackId) -> None:
        self._driver = driver
        self._stack = stack

    def read(self) -> Ledger | None:
        """The ledger, or `None` when the host has none. Raises `DocumentError` for one that cannot be understood."""
        usage = ledger_usage(self._stack)
        for record in self._driver.secrets(usage_prefix=usage):
            if record.usage == usage:
                return decode_ledger(record.description, usage=usage)
        return None

    def write(self, ledger: Ledger) -> None:
        """Replace the whole ledger. Raises `HostError` when it is larger than libvirt carries."""
        description = encode_ledger(ledger)
        if len(description) > _MAX_BYTES:
            raise HostError(
                f"the ledger of {self._stack} needs {len(description)} bytes, and libvirt carries {_MAX_BYTES}",
                resolution="split the stack, or put its resources on more hosts",
            )
        self._driver.define_secret(
            uuid=derive_ledger_uuid(self._stack), usage=ledger_usage(self._stack), description=description
        )

    def remove(self) -> None:
        """Remove the ledger; already gone is done."""
        try:
            self._driver.undefine_secret(derive_ledger_uuid(self._stack))
        except NotFoundError:
            return


def ledger_usage(stack: StackId) -> str:
    """The usage id of the stack's ledger secret."""
    return f"{USAGE_PREFIX}{stack}"


def encode_ledger(ledger: Ledger) -> str:
    """The ledger as one line of ASCII JSON; entries' fields that say nothing (null, false, "") are left out."""
    data: dict[str, Any] = msgspec.to_builtins(ledger)
    data["entries"] = [
        {name: value for name, value in entry.items() if value not in (None, False, "")} for entry in data["entries"]
    ]
    return json.dumps(data, ensure_ascii=True, sort_keys=True, separators=(",", ":"))


def decode_ledger(text: str, *, usage: str, only_read: bool = False) -> Ledger:
    """Read what `encode_ledger` wrote; `usage` names the ledger in the `DocumentError`.

    One that is `only_read` may hold fields that this vmstack does not know, if its format is known: another stack may
    be kept by a newer one. The stack's own must be understood whole, since it is written again.
    """
    try:
        data = json.loads(text)
        form = data.get("format") if isinstance(data, dict) else None
        if isinstance(form, int) and form > LEDGER_FORMAT:
            raise DocumentError(
                f"the ledger {usage!r} has format {form}; this vmstack knows {LEDGER_FORMAT}",
                resolution="use the newer vmstack that wrote it",
            )
        return msgspec.convert(_only_known(data) if only_read and isinstance(data, dict) else data, Ledger)
    except (ValueError, RecursionError, msgspec.ValidationError) as error:
        raise DocumentError(
            f"the ledger {usage!r} cannot be read: {error}",
            resolution="look at it with `virsh secret-dumpxml`; it says which pools and volumes are the stack's",
        ) from error


def split_ledgers(records: list[SecretRecord], *, stack: StackId) -> tuple[Ledger | None, tuple[Ledger, ...]]:
    """The stack's own ledger and those of other stacks, from all secrets with vmstack's prefix."""
    own: Ledger | None = None
    others = []
    for record in sorted(records, key=lambda record: record.usage):
        if record.usage.startswith(LOCK_PREFIX):
            continue
        ours = record.usage == ledger_usage(stack)
        ledger = decode_ledger(record.description, usage=record.usage, only_read=not ours)
        if ours:
            own = ledger
        else:
            others.append(ledger)
    return own, tuple(others)


def _only_known(data: dict[str, Any]) -> dict[str, Any]:
    known = {name: value for name, value in data.items() if name in Ledger.__struct_fields__}
    entries = known.get("entries")
    if isinstance(entries, list):
        known["entries"] = [
            {name: value for name, value in entry.items() if name in LedgerEntry.__struct_fields__}
            if isinstance(entry, dict)
            else entry
            for entry in entries
        ]
    return known
