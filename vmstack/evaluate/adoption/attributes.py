"""The attributes of the old provider's resources that say which object of a host they are."""

from collections.abc import Mapping
from typing import Any, Final

from vmstack.errors import InputError
from vmstack.model.claims import Claim, Unclaimed
from vmstack.model.identity import Kind

# What the provider calls its resources in Terraform; Pulumi's names follow from them.
KINDS: Final = {
    "domain": Kind.VM,
    "network": Kind.NETWORK,
    "pool": Kind.POOL,
    "volume": Kind.VOLUME,
    "cloudinit_disk": Kind.SEED,
    "ignition": Kind.SEED,
    "combustion": Kind.SEED,
}
# Their ids are a path and a mark that says which version of it: `/pool/disk.iso;<uuid>`.
_MARKED: Final = frozenset({"cloudinit_disk", "ignition", "combustion"})
# What only resources of the rewritten provider (0.9) have.
_REWRITTEN: Final = {
    "domain": "devices", "network": "ips", "volume": "capacity", "cloudinit_disk": "path", "ignition": "path",
    "combustion": "path",
}  # fmt: skip
_STORED: Final = frozenset({Kind.VOLUME, Kind.SEED})
_DEFAULT_POOL: Final = "default"


def read_claim(
    what: str, values: Mapping[str, Any], *, id: object, address: str, name: str | None, protect: bool
) -> Claim | Unclaimed:
    """The claim of one resource of the provider. `values` are its attributes, `None` where they are not to be read."""
    if not isinstance(id, str) or not id:
        return Unclaimed(address=address, why="it has no id, so it was never made")
    if _REWRITTEN.get(what) in values:
        return Unclaimed(address=address, why="it is of the provider 0.9 or later, whose resources are others")
    kind = KINDS[what]
    label, pool = values.get("name"), values.get("pool")
    return Claim(
        address=address,
        kind=kind,
        id=id.partition(";")[0] if what in _MARKED else id if kind in _STORED else id.lower(),
        name=name,
        label=label if isinstance(label, str) and label else None,
        pool=(pool if isinstance(pool, str) and pool else _DEFAULT_POOL) if kind in _STORED else None,
        protect=protect,
    )


def expect(value: object, kind: type, *, what: str, where: str) -> Any:
    """Return the value. Raises `InputError` when it is not of the kind that the format wants."""
    if not isinstance(value, kind):
        raise InputError(f"{where}: {what} is not what it must be", resolution="give the file as the tool wrote it")
    return value
