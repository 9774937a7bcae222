"""What `pulumi stack export` says exists (the deployment's third version, since Pulumi 1.0).

Secrets in it are objects with a mark and a ciphertext. Nothing of them is needed: an object is known by its id.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from vmstack.errors import InputError
from vmstack.evaluate.adoption.attributes import expect, read_claim
from vmstack.model.claims import Claim, ForeignState, Unclaimed

_VERSION: Final = 3
_PACKAGE: Final = "libvirt:"
# `libvirt:index/cloudInitDisk:CloudInitDisk` is the provider's `cloudinit_disk`.
_TYPES: Final = {
    "domain": "domain", "network": "network", "pool": "pool", "volume": "volume", "cloudInitDisk": "cloudinit_disk",
    "ignition": "ignition", "combustion": "combustion",
}  # fmt: skip
_TYPE: Final = re.compile(r"libvirt:index/(\w+):\w+")
_PROVIDERS: Final = "pulumi:providers:"
_STACK: Final = "pulumi:pulumi:Stack"
# The SDK's mark of a secret (sdk/go/common/resource/sig.go).
_SIGNATURE: Final = "4dabf18193072939515e22adb298388d"


def read_pulumi_export(text: str, *, where: str) -> ForeignState:
    """Read an export; `where` names the file in the `InputError` for what is none."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{where}: it is not JSON: {error}", resolution="write it with: pulumi stack export --file FILE"
        ) from error
    if not isinstance(data, dict) or "deployment" not in data:
        raise InputError(
            f"{where}: it is no export of a Pulumi stack", resolution="write it with: pulumi stack export --file FILE"
        )
    if data.get("version") != _VERSION:
        raise InputError(
            f"{where}: the export has version {data.get('version')!r}, and vmstack knows {_VERSION}",
            resolution="export it with a Pulumi of the third or fourth generation",
        )
    deployment = expect(data["deployment"], dict, what="the deployment", where=where)
    resources = expect(deployment.get("resources") or [], list, what="the list of resources", where=where)
    pending = expect(deployment.get("pending_operations") or [], list, what="pending_operations", where=where)
    claims: list[Claim] = []
    unclaimed: list[Unclaimed] = []
    origins: set[str] = set()
    for number, item in enumerate(resources):
        resource = expect(item, dict, what=f"resource {number}", where=where)
        urn = expect(resource.get("urn"), str, what=f"the URN of resource {number}", where=where)
        origins.add(_origin(urn))
        found = _read(resource, urn=urn)
        if isinstance(found, Claim):
            claims.append(found)
        elif found is not None:
            unclaimed.append(found)
    unclaimed += _pending(pending)
    origin = ", ".join(sorted(origins - {""}))
    return ForeignState(
        origin=f"Pulumi stack {origin}" if origin else "an empty Pulumi stack",
        claims=tuple(sorted(claims, key=lambda claim: claim.address)),
        unclaimed=tuple(sorted(unclaimed, key=lambda item: item.address)),
    )


def _read(resource: dict[str, Any], *, urn: str) -> Claim | Unclaimed | None:
    """A resource of the export; `None` for what exists in Pulumi alone (stacks, providers, components)."""
    type_ = str(resource.get("type") or urn.split("::")[2].rpartition("$")[2] if urn.count("::") >= 3 else "")
    if type_ == _STACK or type_.startswith(_PROVIDERS) or resource.get("custom") is False:
        return None
    match = _TYPE.fullmatch(type_)
    what = _TYPES.get(match[1]) if match is not None else None
    if what is None:
        of_package = type_.startswith(_PACKAGE)
        return Unclaimed(address=urn, why=f"the type {type_} is not known" if of_package else "it is not of libvirt")
    if resource.get("external"):
        return Unclaimed(address=urn, why="the program only read it; it was never the stack's")
    if resource.get("delete"):
        return Unclaimed(address=urn, why="it was replaced, and its deletion is pending")
    values = {**_plain(resource.get("inputs")), **_plain(resource.get("outputs"))}
    return read_claim(
        what,
        values,
        id=resource.get("id"),
        address=urn,
        name=urn.rpartition("::")[2],
        protect=resource.get("protect") is True,
    )


def _plain(values: object) -> dict[str, Any]:
    """The values that can be read: a secret's ciphertext says nothing, its plain text (`--show-secrets`) does."""
    if not isinstance(values, Mapping):
        return {}
    found = {}
    for name, value in values.items():
        if isinstance(value, Mapping) and _SIGNATURE in value:
            text = value.get("plaintext")
            try:
                value = json.loads(text) if isinstance(text, str) else None
            except ValueError:
                value = None
        if value is not None:
            found[str(name)] = value
    return found


def _pending(operations: list[Any]) -> Iterator[Unclaimed]:
    for operation in operations:
        resource = operation.get("resource") if isinstance(operation, dict) else None
        if isinstance(resource, dict) and isinstance(resource.get("urn"), str):
            yield Unclaimed(
                address=resource["urn"],
                why=f"an interrupted run was {operation.get('type')} it: whether it is there, nobody noted",
            )


def _origin(urn: str) -> str:
    """`project/stack` of a URN: `urn:pulumi:<stack>::<project>::<types>::<name>`."""
    parts = urn.split("::")
    if len(parts) < 4 or not parts[0].startswith("urn:pulumi:"):
        return ""
    return f"{parts[1]}/{parts[0].removeprefix('urn:pulumi:')}"
