"""What a Terraform or OpenTofu state says exists (format 4, since Terraform 0.12), of the provider 0.6 to 0.8.

These versions of the provider name the identifying attributes alike: `id`, `name`, `pool`.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from vmstack.errors import InputError
from vmstack.evaluate.adoption.attributes import KINDS, expect, read_claim
from vmstack.model.claims import Claim, ForeignState, Unclaimed

_VERSION: Final = 4
_PREFIX: Final = "libvirt_"


def read_tfstate(text: str, *, where: str) -> ForeignState:
    """Read a state; `where` names the file in the `InputError` for what is none."""
    resolution = "write it with: terraform state pull > FILE"
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: it is not JSON: {error}", resolution=resolution) from error
    if isinstance(data, dict) and "encrypted_data" in data:
        raise InputError(f"{where}: the state is encrypted", resolution="write it with: tofu state pull > FILE")
    if not isinstance(data, dict) or "version" not in data or "resources" not in data:
        raise InputError(f"{where}: it is no state of Terraform", resolution=resolution)
    if data["version"] != _VERSION:
        raise InputError(
            f"{where}: the state has version {data['version']!r}, and vmstack knows {_VERSION}",
            resolution="bring it up to date with a newer Terraform: terraform apply -refresh-only",
        )
    claims: list[Claim] = []
    unclaimed: list[Unclaimed] = []
    for number, item in enumerate(expect(data["resources"], list, what="the list of resources", where=where)):
        resource = expect(item, dict, what=f"resource {number}", where=where)
        for found in _read(resource, where=where):
            if isinstance(found, Claim):
                claims.append(found)
            else:
                unclaimed.append(found)
    return ForeignState(
        origin=f"Terraform state {data.get('lineage') or where}",
        claims=tuple(sorted(claims, key=lambda claim: claim.address)),
        unclaimed=tuple(sorted(unclaimed, key=lambda found: found.address)),
    )


def _read(resource: dict[str, Any], *, where: str) -> Iterator[Claim | Unclaimed]:
    """The instances of one resource block."""
    if resource.get("mode") == "data":
        return  # data sources are read, and nothing of a host
    type_ = expect(resource.get("type"), str, what="the type of a resource", where=where)
    name = expect(resource.get("name"), str, what="the name of a resource", where=where)
    module = resource.get("module")
    block = ".".join(part for part in (module, type_, name) if part)
    for item in expect(resource.get("instances") or [], list, what=f"the instances of {block}", where=where):
        instance = expect(item, dict, what=f"an instance of {block}", where=where)
        address = block + _index(instance.get("index_key"))
        values = instance.get("attributes")
        what = type_.removeprefix(_PREFIX)
        if not type_.startswith(_PREFIX):
            yield Unclaimed(address=address, why="it is not of libvirt")
        elif what not in KINDS:
            yield Unclaimed(address=address, why=f"the type {type_} is not known")
        elif instance.get("deposed"):
            yield Unclaimed(address=address, why="it was replaced, and its deletion is pending")
        elif not isinstance(values, Mapping):
            yield Unclaimed(address=address, why="its attributes are not there")
        else:
            yield read_claim(what, values, id=values.get("id"), address=address, name=None, protect=False)


def _index(key: object) -> str:
    """`[0]` of a count, `["a"]` of a for_each, as Terraform writes addresses."""
    if key is None:
        return ""
    return f"[{json.dumps(key, ensure_ascii=False)}]"
