"""A plan in the JSON plan representation of Terraform and OpenTofu, format 1.2, for the tools that read it.

https://developer.hashicorp.com/terraform/internals/json-format tells the format; `docs/ci.md` what stands where the two
tools' notions differ. Deterministic, and without secrets: those have no value, and are marked as sensitive.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from vmstack.model.base import Data
from vmstack.model.graph import DesiredGraph, Resource
from vmstack.model.identity import Key, Kind
from vmstack.model.observed import Observed
from vmstack.model.ownership import StoredOutput
from vmstack.model.plan import HIDDEN, Change, Disruption, FieldChange, Operation, Plan
from vmstack.model.sizes import parse_size
from vmstack.model.specs import HostSpec, PoolSpec
from vmstack.plan.ignore import ignored_fields, is_ignored
from vmstack.plan.outputs import stored_outputs
from vmstack.plan.remaking import ASKED
from vmstack.plan.terraform_address import Address, address_of
from vmstack.plan.terraform_values import SEED_SECRETS, Holdings, host_of, is_managed, wanted_values

FORMAT_VERSION: Final = "1.2"
# The Terraform whose formats these are: tools tell plans by this member, and choose by it how to read them.
TERRAFORM_VERSION: Final = "1.9.8"
PROVIDER: Final = "registry.terraform.io/dmacvicar/libvirt"
_STATE_FORMAT: Final = "1.0"
_SIZES: Final = frozenset({"memory", "max_memory", "capacity"})
_ACTIONS: Final = {
    Operation.CREATE: ["create"],
    Operation.UPDATE: ["update"],
    Operation.REPLACE: ["delete", "create"],
    Operation.DELETE: ["delete"],
    Operation.ADOPT: ["no-op"],
    Operation.NOOP: ["no-op"],
}
_NOTHING: Final[frozenset[str]] = frozenset()


class Circumstances(Data, frozen=True, kw_only=True):
    """What a plan was made from, as far as its JSON shows it.

    `made` is RFC 3339, UTC, or nothing, so that equal inputs give equal documents; `variables` are configuration values
    that are no secrets; `destroy`: all was to go.
    """

    desired: DesiredGraph
    observed: Observed
    made: str | None = None
    variables: Mapping[str, str] = {}
    destroy: bool = False


class _Values(Data, frozen=True, kw_only=True):
    """One side of a change, and which members of it are secret."""

    values: dict[str, Any]
    sensitive: dict[str, bool]


class _Row(Data, frozen=True, kw_only=True):
    """One resource on one host: what happens to it (`None`: nothing), and both sides."""

    key: Key
    host: str
    change: Change | None
    before: _Values | None
    after: _Values | None
    depends_on: tuple[str, ...] = ()
    deposed: str | None = None

    @property
    def address(self) -> Address:
        return address_of(self.key)


def terraform_plan(plan: Plan, circumstances: Circumstances) -> dict[str, Any]:
    """Return the document, ready to be encoded. All resources of the program are in it, changed or not."""
    rows = sorted(_rows(plan, circumstances), key=lambda row: (str(row.address), row.deposed or ""))
    before = {name: _as_output(output) for name, output in plan.outputs_before.items()}
    stored = stored_outputs(plan.outputs)
    return {
        "format_version": FORMAT_VERSION,
        "terraform_version": TERRAFORM_VERSION,
        "variables": {name: {"value": value} for name, value in sorted(circumstances.variables.items())},
        "planned_values": {
            "outputs": {name: _as_output(output) for name, output in stored.items()},
            "root_module": {"resources": [_state(row, row.after) for row in rows if row.after is not None]},
        },
        "resource_changes": [_resource_change(row, destroy=circumstances.destroy) for row in rows],
        "output_changes": _output_changes(plan.outputs_before, stored),
        "prior_state": {
            "format_version": _STATE_FORMAT,
            "terraform_version": TERRAFORM_VERSION,
            "values": {
                "outputs": before,
                "root_module": {
                    "resources": [
                        _state(row, row.before) for row in rows if row.before is not None and row.deposed is None
                    ]
                },
            },
        },
        "configuration": _configuration(rows, circumstances.desired),
        **({} if circumstances.made is None else {"timestamp": circumstances.made}),
        "applyable": not plan.empty,
        "complete": plan.whole and not plan.partial,
        "errored": False,
    }


def _rows(plan: Plan, circumstances: Circumstances) -> Iterator[_Row]:
    desired, holdings = circumstances.desired, Holdings(circumstances.observed, stack=plan.stack)
    pools = {resource.spec.name: resource.spec for resource in desired.resources if isinstance(resource.spec, PoolSpec)}
    wanted = {} if circumstances.destroy else {one.key: one for one in desired.resources if is_managed(one)}
    stays = {change.key for change in plan.changes if change.operation is not Operation.DELETE} | wanted.keys()
    changed: set[tuple[str, Key]] = set()
    for change in plan.changes:
        changed.add((change.host, change.key))
        resource = wanted.get(change.key)
        hidden = _NOTHING if resource is None else ignored_fields(resource.options.hide_diffs)
        known = (
            holdings.values(change.key, host=change.host)
            if resource is None or change.operation is Operation.DELETE
            else wanted_values(resource, pools=pools)
        )
        before, after = _sides(change, known, hidden=hidden)
        # What leaves one host and is wanted on another is there twice, under one address.
        moved = change.operation is Operation.DELETE and change.key in stays
        yield _Row(
            key=change.key,
            host=change.host,
            change=change,
            before=before,
            after=after,
            depends_on=_needs(resource),
            deposed=change.host if moved else None,
        )
    # Of what a partial plan leaves out it does not say whether it is as the program has it.
    for resource in () if plan.partial else wanted.values():
        host = host_of(resource, pools=pools)
        if host is not None and (host, resource.key) not in changed:
            hidden = ignored_fields(resource.options.hide_diffs)
            same = _mask(wanted_values(resource, pools=pools), hidden=hidden)
            yield _Row(key=resource.key, host=host, change=None, before=same, after=same, depends_on=_needs(resource))


def _needs(resource: Resource | None) -> tuple[str, ...]:
    kinds = (Kind.HOST, Kind.IMAGE)
    needs = () if resource is None else resource.needs
    return tuple(sorted(address_of(key).resource for key in needs if key.kind not in kinds))


def _sides(change: Change, known: dict[str, Any], *, hidden: frozenset[str]) -> tuple[_Values | None, _Values | None]:
    """Both sides of a change. Fields that are no attribute by that name are members by their paths."""
    after = known | {field.path: field.after for field in change.fields if field.path not in known}
    before = after | {field.path: _native(field.path, field.before) for field in change.fields}
    masked = hidden | {field.path for field in change.fields if HIDDEN in (field.before, field.after)}
    gone, new = change.operation is Operation.DELETE, change.operation is Operation.CREATE
    return (
        None if new else _mask(before, hidden=masked),
        None if gone else _mask(after, hidden=masked),
    )


def _native(path: str, value: object) -> object:
    """Sizes as numbers of bytes, as attributes have them."""
    return parse_size(value, field=path) if path in _SIZES and isinstance(value, str) and value != HIDDEN else value


def _mask(values: dict[str, Any], *, hidden: frozenset[str]) -> _Values:
    """The values without those that are secret. What holds a hidden part is hidden as a whole."""
    holders = {path.partition(".")[0].partition("[")[0] for path in hidden}
    secret = {
        name: True for name in values if name in SEED_SECRETS or name in holders or is_ignored(name, ignored=hidden)
    }
    return _Values(values={name: None if name in secret else value for name, value in values.items()}, sensitive=secret)


def _resource_change(row: _Row, *, destroy: bool) -> dict[str, Any]:
    change, before, after = row.change, row.before, row.after
    operation = Operation.NOOP if change is None else change.operation
    described: dict[str, Any] = {
        "actions": _ACTIONS[operation],
        "before": None if before is None else before.values,
        "after": None if after is None else after.values,
        "after_unknown": {},
        "before_sensitive": False if before is None else before.sensitive,
        "after_sensitive": False if after is None else after.sensitive,
    }
    reason = None if change is None else action_reason(change, destroy=destroy)
    paths = _replace_paths(() if change is None else change.fields, operation=operation)
    if paths:
        described["replace_paths"] = paths
    if operation is Operation.ADOPT and after is not None:
        described["importing"] = {"id": str(after.values.get("uuid") or after.values.get("name") or row.key.name)}
    return {
        **_head(row.address),
        **({} if row.deposed is None else {"deposed": row.deposed}),
        "provider_name": PROVIDER,
        "change": described,
        **({} if reason is None else {"action_reason": reason}),
        "vmstack": {
            "address": str(row.key),
            "host": row.host,
            "disruption": (Disruption.NONE if change is None else change.disruption).value,
            "reasons": [] if change is None else change.reasons,
        },
    }


def action_reason(change: Change, *, destroy: bool) -> str | None:
    """Why a resource is replaced or deleted, in Terraform's words; `None` where nothing needs saying."""
    if change.operation is Operation.DELETE and not destroy:
        return "delete_because_no_resource_config"
    if change.operation is not Operation.REPLACE:
        return None
    asked = {field.path for field in change.fields} & ASKED
    if "--replace" in asked:
        return "replace_by_request"
    return "replace_by_triggers" if asked else "replace_because_cannot_update"


def _replace_paths(fields: Iterable[FieldChange], *, operation: Operation) -> list[list[str]]:
    if operation is not Operation.REPLACE:
        return []
    return [[field.path] for field in fields if field.disruption.rank >= Disruption.REPLACE.rank]


def _head(address: Address) -> dict[str, Any]:
    return {
        "address": str(address),
        "mode": "managed",
        "type": address.type,
        "name": address.name,
        **({} if address.index is None else {"index": address.index}),
    }


def _state(row: _Row, side: _Values) -> dict[str, Any]:
    """A resource in a values representation."""
    return {
        **_head(row.address),
        "provider_name": PROVIDER,
        "schema_version": 0,
        "values": side.values,
        "sensitive_values": side.sensitive,
        **({"depends_on": row.depends_on} if row.depends_on else {}),
    }


def _configuration(rows: Iterable[_Row], desired: DesiredGraph) -> dict[str, Any]:
    """The program's resources and what each needs. A program has no expressions that could be shown."""
    hosts = sorted(resource.spec.name for resource in desired.resources if isinstance(resource.spec, HostSpec))
    resources: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row.after is None:
            continue
        resources[row.address.resource] = {
            "address": row.address.resource,
            "mode": "managed",
            "type": row.address.type,
            "name": row.address.name,
            "provider_config_key": f"libvirt.{row.host}",
            "expressions": {},
            "schema_version": 0,
            **({"depends_on": row.depends_on} if row.depends_on else {}),
        }
    outputs = {name: {"sensitive": output.secret} for name, output in sorted(desired.outputs.items())}
    return {
        "provider_config": {
            f"libvirt.{host}": {"name": "libvirt", "full_name": PROVIDER, "alias": host} for host in hosts
        },
        "root_module": {"outputs": outputs, "resources": [resources[name] for name in sorted(resources)]},
    }


def output_action(before: StoredOutput | None, after: StoredOutput | None) -> str:
    """What happens to an output. Of a secret one no value is stored, so that only its coming and going are seen."""
    if before is None:
        return "create"
    if after is None:
        return "delete"
    return "no-op" if before == after else "update"


def _output_changes(before: Mapping[str, StoredOutput], after: Mapping[str, StoredOutput]) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        changes[name] = {
            "actions": [output_action(old, new)],
            "before": None if old is None else old.value,
            "after": None if new is None else new.value,
            "after_unknown": new is not None and not new.known,
            "before_sensitive": old is not None and old.secret,
            "after_sensitive": new is not None and new.secret,
        }
    return changes


def _as_output(output: StoredOutput) -> dict[str, Any]:
    """An output in a values representation; a secret or unknown one has no value."""
    shown: dict[str, Any] = {"sensitive": output.secret}
    if not output.secret and output.known:
        shown |= {"type": type_of(output.value), "value": output.value}
    return shown


def type_of(value: object) -> Any:
    """The type of a JSON value as Terraform writes types."""
    match value:
        case bool():
            return "bool"
        case int() | float():
            return "number"
        case str():
            return "string"
        case dict():
            return ["object", {str(name): type_of(member) for name, member in sorted(value.items())}]
        case list() | tuple():
            return ["tuple", [type_of(member) for member in value]]
        case _:
            return "dynamic"


def encode_document(document: object) -> bytes:
    """The document as indented UTF-8 JSON, ended by a newline."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
