"""A VM as it is to be, against the domain that is there: definition, devices, and what is made anew under it."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from vmstack.errors import RefusedError
from vmstack.model.configs import DiskConfig, DomainConfig, NicConfig
from vmstack.model.identity import Key, Kind
from vmstack.model.observed import ObservedDomain
from vmstack.model.specs import Power, VmSpec
from vmstack.plan.adopted import adopted_of
from vmstack.plan.changes.row import Case
from vmstack.plan.context import Context
from vmstack.plan.domain_diff import Difference, Extra, disk_path, leftovers, settle_target
from vmstack.plan.drift_policy import policies_of, policy_of_extra
from vmstack.plan.ignore import is_ignored
from vmstack.plan.machine_diff import Search, find_differences
from vmstack.plan.machine_state import state_of
from vmstack.plan.machine_wish import Surroundings, Wish
from vmstack.plan.neighbours import check_macs, check_serials
from vmstack.plan.passwords import password_difference
from vmstack.plan.plugs import Plug, find_plugs, plug_differences
from vmstack.plan.remaking import asked_anew, named_changes, why_named
from vmstack.plan.restarting import settle_restart
from vmstack.plan.sparing import spare_of_machine
from vmstack.plan.stamps import BY_HAND
from vmstack.plan.styling import hardened, is_written_whole, whole_target
from vmstack.plan.volume_fate import Fate

# Differences that follow from a change of something else.
_CONSEQUENCES: Final = frozenset({
    Case.SEED, Case.IGNITION, Case.VOLUME_UNDER, Case.NETWORK_REPLACE, Case.NETWORK_REPLUG,
})  # fmt: skip
# What happens to the things around the VM is no change of what it is.
_AROUND: Final = frozenset({Case.VOLUME_UNDER, Case.NETWORK_REPLACE, Case.NETWORK_REPLUG, Case.UNPLUGGED})


class Comparison(NamedTuple):
    """How a domain differs from what it is to be.

    `target` is the config to aim at, `whole` what it is written from where it is not a patch, `drop_disks` and
    `drop_nics` are ours to remove, `ignored` is left to others, and `remade` asks for a definition made anew.
    """

    target: DomainConfig
    search: Search
    ignored: frozenset[str]
    wants_running: bool
    drop_disks: tuple[DiskConfig, ...]
    drop_nics: tuple[NicConfig, ...]
    plugs: tuple[Plug, ...]
    whole: DomainConfig | None
    remade: bool
    reasons: tuple[str, ...]

    @property
    def dropped(self) -> frozenset[str]:
        """The serials and MACs of what is removed."""
        serials = (disk.serial for disk in self.drop_disks if disk.serial is not None)
        return frozenset((*serials, *(nic.mac for nic in self.drop_nics)))


def compare_machine(
    spec: VmSpec, found: ObservedDomain, wish: Wish, *, around: Surroundings, context: Context
) -> Comparison:
    """Compare; what must not be is an error in the draft, what others added to it a note there."""
    key, styled = Key(Kind.VM, spec.name), wish.styled
    names = {nic.mac: nic.name for nic in spec.nics}
    spared = spare_of_machine(spec, found, design=styled.config, made=styled.made, stamp=wish.stamp, context=context)
    ignored = wish.ignored | spared.fields
    owned = frozenset(found.stamp.fields if found.stamp else ()) | spared.unwanted
    check_serials(styled.config, found, owned=owned, host=spec.host, key=key, context=context)
    target = settle_target(styled.config, observed=found.config, owned=owned, ignored=ignored, nic_names=names)
    _check_rename(target, found, key=key, context=context)
    drop_disks, drop_nics, extras = _leftovers(target, found, owned=owned, ignored=ignored)
    _note_extras(extras, found, key=key, context=context)
    plugs = find_plugs(found, networks=around.networks, host=spec.host, context=context)
    under = (*_disturbances(spec, found, around=around), *plug_differences(plugs, networks=around.networks))
    search = find_differences(
        target,
        found,
        design=styled.config,
        drop_disks=drop_disks,
        drop_nics=drop_nics,
        under=under,
        nic_names=names,
        ignored=ignored,
    )
    secret = password_difference(found, stamp=wish.stamp)
    search = Search(tuple(sorted((*search.found, *secret), key=lambda item: item.path)), search.waiting)
    whole = _whole(wish, found, target=target, stylesheet=spec.hardware.stylesheet, ignored=ignored, names=names)
    if whole is not None:
        everything = {item.path: item for item in (*search.found, *styled.differences)}
        sought = tuple(everything[path] for path in sorted(everything))
        search = Search(hardened(sought, state=state_of(found)), search.waiting)
    check_macs(
        (nic for nic in target.nics if any(item.device == nic.mac and item.before is None for item in search.found)),
        uuid=spec.uuid,
        host=spec.host,
        key=key,
        context=context,
    )
    drifted = found.stamp is not None and found.stamp.digest == wish.stamp.digest
    by_hand = drifted and any(item.case not in _CONSEQUENCES for item in search.found)
    asked = asked_anew(key, before=found.stamp.trigger if found.stamp is not None else None, context=context)
    named = named_changes(key, (item.path for item in search.found if item.case not in _AROUND), context=context)
    wants_running = found.active if is_ignored("power", ignored=ignored) else spec.power is Power.RUNNING
    search = Search((*search.found, *(Difference(*item, Case.REMADE) for item in asked)), search.waiting)
    search = settle_restart(search, spec=spec, domain=found, wants_running=wants_running, ignored=ignored)
    return Comparison(
        target=target,
        search=search,
        ignored=ignored,
        wants_running=wants_running,
        drop_disks=drop_disks,
        drop_nics=drop_nics,
        plugs=plugs,
        whole=whole,
        remade=bool(asked or named),
        reasons=(*((BY_HAND,) if by_hand else ()), *why_named(named)),
    )


def _whole(
    wish: Wish,
    found: ObservedDomain,
    *,
    target: DomainConfig,
    stylesheet: str | None,
    ignored: frozenset[str],
    names: dict[str, str],
) -> DomainConfig | None:
    """What the definition is written from, where it is not a patch of the one that is there."""
    if is_ignored("stylesheet", ignored=ignored) or not is_written_whole(target, found, stylesheet=stylesheet):
        return None
    return whole_target(wish.design, found, ignored=ignored, nic_names=names)


def _note_extras(extras: Iterable[Extra], found: ObservedDomain, *, key: Key, context: Context) -> None:
    """Tell of devices that others added: not of those that the program or an adoption leaves alone, nor of what waits
    for a restart."""
    known = adopted_of(found)
    lasting = {disk_path(disk) for disk in found.config.disks} | {f"nics[{nic.mac}]" for nic in found.config.nics}
    for extra in extras:
        silent = policy_of_extra(extra.path, policies_of(key, context=context)) == "ignore"
        if silent or extra.path in found.lingering or (known is not None and extra.path in known.left):
            continue
        until = "" if extra.path in lasting else " until the guest stops, since its definition does not have it"
        context.draft.note(f"{extra.path} ({extra.what}) was added outside vmstack and is kept{until}", key=key)


def _disturbances(spec: VmSpec, found: ObservedDomain, *, around: Surroundings) -> tuple[Difference, ...]:
    """What is made anew under a guest that has it, so that it cannot go on running."""
    if not found.active:
        return ()
    result: list[Difference] = []
    live = found.live or found.config
    for disk in spec.disks:
        fate = around.volumes[disk.volume]
        if fate.disturbs:
            before = "gone" if fate.fate is Fate.REMAKE else "as it is"
            result.append(Difference(f"disks[{disk.name}].content", before, "made anew", Case.VOLUME_UNDER))
    for name, network in sorted(around.networks.items()):
        here = network.restarts and network.spec.host == spec.host
        if here and any(network.carries(nic) for nic in live.nics):
            before = "as it is" if network.observed and network.observed.active else "not active"
            result.append(Difference(f"network.{name}", before, "made anew", Case.NETWORK_REPLACE))
    return tuple(result)


def _leftovers(
    target: DomainConfig, found: ObservedDomain, *, owned: frozenset[str], ignored: frozenset[str]
) -> tuple[tuple[DiskConfig, ...], tuple[NicConfig, ...], tuple[Extra, ...]]:
    """Devices to remove and devices of other people, of the persistent and the live definition together."""
    disks: dict[str | None, DiskConfig] = {}
    nics: dict[str, NicConfig] = {}
    extras: dict[str, Extra] = {}
    for config in (found.live, found.config):
        if config is not None:
            removed_disks, removed_nics, others = leftovers(target, config, owned=owned, ignored=ignored)
            disks |= {disk.serial: disk for disk in removed_disks}
            nics |= {nic.mac: nic for nic in removed_nics}
            extras |= {extra.path: extra for extra in others}
    return tuple(disks.values()), tuple(nics.values()), tuple(extras[path] for path in sorted(extras))


def _check_rename(target: DomainConfig, found: ObservedDomain, *, key: Key, context: Context) -> None:
    """Report a new libvirt name where a rename would lose a saved state or the UEFI variables (kept by name)."""
    if target.name == found.name or not found.persistent:
        return
    what = resolution = None
    if found.has_managed_save:
        what = "it has a saved state, which is kept by its name"
        resolution = f"start it (virsh start {found.name}) or drop the state (virsh managedsave-remove {found.name})"
    elif found.config.firmware == "efi":
        what, resolution = "the variables of its UEFI are kept by its name", "keep the old name in the program"
    if what is not None:
        context.draft.errors.append(
            RefusedError(
                f"{key}: the domain {found.name!r} cannot be renamed to {target.name!r}: {what}",
                resolution=resolution,
                place=context.catalog.place(Kind.VM, key.name),
            )
        )
