"""What others changed and apply leaves alone, because the program says so (`on_drift`)."""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from vmstack.model.configs import DomainConfig, NetworkConfig
from vmstack.model.drift import DriftKind
from vmstack.model.identity import Key, Kind
from vmstack.model.observed import ObservedDomain, ObservedNetwork
from vmstack.model.ownership import Stamp
from vmstack.model.specs import NetworkSpec, VmSpec
from vmstack.plan.applied import AppliedDomain, AppliedNetwork, read_applied
from vmstack.plan.context import Context
from vmstack.plan.domain_diff import differences
from vmstack.plan.drift_policy import Policy, left_so, policies_of, policy_of, policy_of_extra
from vmstack.plan.foreign_values import foreign_values
from vmstack.plan.ignore import ignored_fields
from vmstack.plan.machine_drift import Found, find_machine_drift
from vmstack.plan.network_diff import compare_networks
from vmstack.plan.network_drift import find_network_drift

# What has a value that the program chose, in whose place others put another.
_VALUES: Final = frozenset({DriftKind.FIELD, DriftKind.POWER, DriftKind.AUTOSTART, DriftKind.PENDING})


class Spared(NamedTuple):
    """`fields` are treated as if `ignore_changes` named them; `unwanted` are devices of others that are to go, as a
    stamp would list them."""

    fields: frozenset[str] = frozenset()
    unwanted: frozenset[str] = frozenset()


def spare_of_machine(
    spec: VmSpec, found: ObservedDomain, *, design: DomainConfig, made: DomainConfig, stamp: Stamp, context: Context
) -> Spared:
    """What of a VM is left as others made it, remarked on where the policy is to report. `made` is all that the design
    and its stylesheet say.

    A field that the program changed since it was applied goes by the program, whatever others did to it meanwhile.
    """
    key = Key(Kind.VM, spec.name)
    policies = policies_of(key, context=context)
    if not policies:
        return Spared()
    unwanted = frozenset(
        path
        for path in _devices(found)
        if policy_of_extra(path, policies) == "repair" and path not in _devices_of(design)
    )
    names = {nic.mac: nic.name for nic in spec.nics}
    ignored = ignored_fields(context.catalog.options(Kind.VM, spec.name).ignore_changes)
    values = foreign_values(made, found.config, ignored=ignored, nic_names=names)
    unwanted |= {value.listed for value in values if policy_of_extra(value.path, policies) == "repair"}
    applied = read_applied(_standing_in(found.stamp, stamp), AppliedDomain)
    if applied is None:
        return Spared(unwanted=unwanted)
    drifted = find_machine_drift(found, applied, ignored=ignored, nic_names=names)
    ours = {item.path for item in differences(design, applied.config, nic_names=names)}
    ours |= {"power"} if spec.power is not applied.power else set()
    ours |= {"autostart"} if spec.autostart != applied.autostart else set()
    return Spared(_spare(key, drifted, ours=ours, policies=policies, context=context), unwanted)


def spare_of_network(
    spec: NetworkSpec,
    found: ObservedNetwork,
    *,
    design: NetworkConfig,
    stamp: Stamp,
    ignored: frozenset[str],
    context: Context,
) -> frozenset[str]:
    """The fields of a network that are left as others made them, as of a VM; lists are left as a whole."""
    key = Key(Kind.NETWORK, spec.name)
    policies = policies_of(key, context=context)
    applied = read_applied(_standing_in(found.stamp, stamp), AppliedNetwork) if policies else None
    if applied is None:
        return frozenset()
    drifted = find_network_drift(found, applied, ignored=ignored)
    diff = compare_networks(design, applied.config, live=None, owned=frozenset(stamp.fields), ignored=ignored)
    ours = {path for path, _, _ in diff.fields} | {_list_of(update.path) for update in diff.updates}
    ours |= {"autostart"} if spec.autostart != applied.autostart else set()
    whole = (item._replace(path=_list_of(item.path)) for item in drifted)
    return _spare(key, whole, ours=ours, policies=policies, context=context)


def _standing_in(old: Stamp | None, new: Stamp) -> Stamp | None:
    """The stamp that tells what was applied: the new one for an old one of the same program without a record."""
    return new if old is not None and old.applied is None and old.digest == new.digest else old


def _spare(
    key: Key, drifted: Iterable[Found], *, ours: set[str], policies: Mapping[str, Policy], context: Context
) -> frozenset[str]:
    spared: dict[str, Found] = {}
    for item in drifted:
        if item.kind in _VALUES and item.path not in ours and policy_of(item.path, policies) != "repair":
            spared[item.path] = item
    reported = [path for path in sorted(spared) if policy_of(path, policies) == "report"]
    if reported:
        told = ", ".join(f"{path} ({_say(spared[path].was)} -> {_say(spared[path].now)})" for path in reported)
        context.draft.note(left_so(told), key=key)
    return frozenset(spared)


def _say(value: object) -> str:
    return "absent" if value is None else str(value)


def _list_of(path: str) -> str:
    return path.partition("[")[0]


def _devices(found: ObservedDomain) -> frozenset[str]:
    live = _devices_of(found.live) if found.live is not None else frozenset()
    return _devices_of(found.config) | live


def _devices_of(config: DomainConfig) -> frozenset[str]:
    disks = (f"disks[{disk.serial}]" for disk in config.disks if disk.serial is not None)
    return frozenset((*disks, *(f"nics[{nic.mac}]" for nic in config.nics)))
