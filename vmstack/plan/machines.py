"""VMs: what must happen to each. The steps of it are in `machine_steps`."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from vmstack.errors import ConflictError, DocumentError, RefusedError
from vmstack.model.configs import DiskConfig, DomainConfig, NicConfig
from vmstack.model.identity import Key, Kind
from vmstack.model.observed import ObservedDomain
from vmstack.model.ownership import Stamp
from vmstack.model.plan import Disruption
from vmstack.model.specs import DiskSpec, Power, VmSpec
from vmstack.model.text import import_command
from vmstack.plan.adopted import adopted_of, as_found, own_fields
from vmstack.plan.applied import AppliedDomain, write_applied
from vmstack.plan.changes.row import Case, VmState
from vmstack.plan.changes.table import disruption_of
from vmstack.plan.context import Context
from vmstack.plan.design import design_disk, design_domain
from vmstack.plan.digest import digest_of
from vmstack.plan.domain_diff import Difference, Extra, leftovers, settle_target, written_fields
from vmstack.plan.drift_policy import policies_of, policy_of_extra
from vmstack.plan.ignore import ignored_fields, is_ignored
from vmstack.plan.machine_diff import Search, find_differences
from vmstack.plan.machine_remarks import remark, remark_leases
from vmstack.plan.machine_state import readiness_after, seed_waits_for_boot, state_of
from vmstack.plan.moments import moments_of
from vmstack.plan.neighbours import check_macs, check_serials
from vmstack.plan.networks import NetworkDecision
from vmstack.plan.passwords import mark_in, mark_of, password_difference
from vmstack.plan.pending import tell_pending
from vmstack.plan.plugs import Plug, find_plugs, plug_differences
from vmstack.plan.remaking import asked_anew, named_changes, why_named
from vmstack.plan.restarting import settle_restart
from vmstack.plan.seed_plan import SeedDecision
from vmstack.plan.sparing import spare_of_machine
from vmstack.plan.stamps import BY_HAND, why_stamped_anew
from vmstack.plan.styling import Styled, hardened, is_written_whole, kept_word, style, whole_target
from vmstack.plan.volume_fate import Fate, VolumeFate

# Differences that follow from a change of something else.
_CONSEQUENCES: Final = frozenset({
    Case.SEED, Case.IGNITION, Case.VOLUME_UNDER, Case.NETWORK_REPLACE, Case.NETWORK_REPLUG,
})  # fmt: skip
# What happens to the things around the VM is no change of what it is.
_AROUND: Final = frozenset({Case.VOLUME_UNDER, Case.NETWORK_REPLACE, Case.NETWORK_REPLUG, Case.UNPLUGGED})


class Mode(enum.StrEnum):
    """How a VM's definition gets to where it is to be.

    keep: it is there. create: it does not exist. define: written anew; the guest is off, or sees it at its next
    start. live: changed while the guest runs. restart: written anew while the guest is off.
    """

    KEEP = "keep"
    CREATE = "create"
    DEFINE = "define"
    LIVE = "live"
    RESTART = "restart"


class PowerMove(enum.StrEnum):
    NONE = "none"
    START = "start"
    RESUME = "resume"
    STOP = "stop"


_STAMPED = ("fields", "generation", "protect", "ready", "retain", "trigger")


@dataclass(frozen=True, slots=True)
class MachineDecision:
    """The decision on one VM of the program.

    `differences` hold their case; `drop_disks` and `drop_nics` are ours to remove. `define` asks for a new persistent
    definition beside live changes. `awaits` asks to wait until the guest is ready. `whole` is what the definition is
    written from, before its stylesheet, where it is not a patch of the one that is there. `remade`: the definition that
    is there goes before, with all that libvirt keeps beside it.
    """

    spec: VmSpec
    key: Key
    state: VmState
    mode: Mode
    move: PowerMove
    target: DomainConfig
    stamp: Stamp
    observed: ObservedDomain | None = None
    differences: tuple[Difference, ...] = ()
    drop_disks: tuple[DiskConfig, ...] = ()
    drop_nics: tuple[NicConfig, ...] = ()
    define: bool = False
    autostart: bool | None = None
    awaits: bool = False
    instance: str | None = None
    reasons: tuple[str, ...] = ()
    whole: DomainConfig | None = None
    remade: bool = False
    plugs: tuple[Plug, ...] = ()

    @property
    def host(self) -> str:
        return self.spec.host

    @property
    def stops(self) -> bool:
        """Whether a running guest is shut down in this plan."""
        active = self.observed is not None and self.observed.active
        return active and (self.mode is Mode.RESTART or self.move in (PowerMove.STOP, PowerMove.START))

    @property
    def defines_first(self) -> bool:
        """Whether the new definition is there before the guest is shut down, so that it still runs when the host
        refuses that. What is removed with its definition has it made anew after that."""
        return self.stops and self.mode is Mode.RESTART and not self.remade

    @property
    def loses(self) -> tuple[str, ...]:
        """What of the guest's own goes for good with a definition that is made anew."""
        found = self.observed
        if found is None or not self.remade:
            return ()
        moments = moments_of(found)
        if not found.persistent:
            return moments
        held = (
            ("the variables of its UEFI", found.config.firmware == "efi"),
            ("the state of its TPM", found.config.tpm),
            ("its saved state", found.has_managed_save),
        )
        return (*(what for what, there in held if there), *moments)

    @property
    def starts(self) -> bool:
        """Whether the guest is started in this plan."""
        return self.move is PowerMove.START

    @property
    def busy(self) -> bool:
        """Whether there is anything to do at all."""
        restamp = (
            self.observed is not None and self.observed.stamp is not None and _restamps(self.observed.stamp, self.stamp)
        )
        return (
            self.mode is not Mode.KEEP
            or self.move is not PowerMove.NONE
            or self.autostart is not None
            or self.awaits
            or restamp
        )


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What was decided on the things that VMs are made of."""

    volumes: Mapping[str, VolumeFate]
    seeds: Mapping[str, SeedDecision]
    ignitions: Mapping[str, SeedDecision]
    networks: Mapping[str, NetworkDecision]


def decide_machines(context: Context, *, around: Surroundings) -> dict[str, MachineDecision]:
    """Decide on every VM of the program."""
    decisions: dict[str, MachineDecision] = {}
    for name, spec in context.catalog.vms.items():
        decision = _decide(spec, around=around, context=context)
        if decision is not None:
            decisions[name] = decision
    going_on = {
        name: decision.observed
        for name, decision in decisions.items()
        if decision.observed is not None and decision.observed.active and not decision.stops
    }
    remark_leases(going_on, networks=around.networks, context=context)
    return decisions


def _decide(spec: VmSpec, *, around: Surroundings, context: Context) -> MachineDecision | None:
    index, key = context.indexes[spec.host], Key(Kind.VM, spec.name)
    found = index.own_domains.get(spec.name)
    if not _name_is_free(spec, found, key=key, context=context):
        return None
    seed = around.seeds.get(spec.name)
    ignition = around.ignitions.get(spec.name)

    def disk_config(disk: DiskSpec) -> DiskConfig:
        volume = around.volumes[disk.volume].config
        return design_disk(
            disk,
            path=volume.path or "",
            format=volume.format or "raw",
            block=context.is_logical(context.catalog.volumes[disk.volume].pool),
            backing_path=volume.backing_path,
            backing_format=volume.backing_format,
        )

    def network_label(network: str) -> str:
        return context.catalog.networks[network].label

    design = design_domain(
        spec,
        facts=index.facts,
        disks=disk_config,
        seed_path=seed.path if seed else None,
        ignition_path=ignition.path if ignition else None,
        network_label=network_label,
        observed=found.config if found else None,
        live=found.live if found else None,
        written=frozenset(found.stamp.fields if found is not None and found.stamp is not None else ()),
    )
    adopted = adopted_of(found)
    if found is not None and adopted is not None:
        before = frozenset(found.stamp.fields if found.stamp is not None else ())
        design = as_found(design, spec=spec, observed=found.config, adopted=adopted, written=before)
    ignored = ignored_fields(context.catalog.options(Kind.VM, spec.name).ignore_changes)
    try:
        styled = style(design, stylesheet=spec.hardware.stylesheet, path=context.stack.path(key), found=found)
    except DocumentError as error:
        error.place = context.catalog.place(Kind.VM, spec.name)
        context.draft.errors.append(error)
        return None
    word = styled.word
    if found is not None and is_ignored("stylesheet", ignored=ignored):
        styled, word = Styled(styled.config, None, ()), kept_word(found)
    mark = mark_of(spec)
    if found is not None and is_ignored("graphics", ignored=ignored):
        mark = mark_in(found.stamp)
    words = [item for item in (word, mark) if item is not None]
    fields = written_fields(styled.config, arch=spec.hardware.arch is not None)
    if adopted is not None:
        fields = own_fields(fields, spec=spec)
    stamp = Stamp(
        path=context.stack.path(key),
        digest=digest_of(styled.config),
        fields=tuple(sorted((*fields, *words))),
        generation=seed.generation if seed else _generation(found),
        protect=context.catalog.options(Kind.VM, spec.name).protect is True,
        retain=context.catalog.options(Kind.VM, spec.name).retain,
        trigger=context.catalog.options(Kind.VM, spec.name).replacement_trigger,
        ready="pending" if spec.reports else "none",
        adopted=adopted,
        applied=write_applied(AppliedDomain(config=styled.config, autostart=spec.autostart, power=spec.power)),
    )
    if found is None:
        check_macs(styled.config.nics, uuid=spec.uuid, host=spec.host, key=key, context=context)
        starts = spec.power is Power.RUNNING
        return MachineDecision(
            spec=spec,
            key=key,
            state=VmState.STOPPED,
            mode=Mode.CREATE,
            move=PowerMove.START if starts else PowerMove.NONE,
            target=styled.config,
            whole=design,
            stamp=stamp,
            autostart=True if spec.autostart else None,
            awaits=starts and spec.reports,
            instance=seed.instance if seed else None,
        )
    return _decide_existing(spec, found, design, stamp, styled=styled, seed=seed, around=around, context=context)


def _decide_existing(
    spec: VmSpec,
    found: ObservedDomain,
    design: DomainConfig,
    stamp: Stamp,
    *,
    styled: Styled,
    seed: SeedDecision | None,
    around: Surroundings,
    context: Context,
) -> MachineDecision:
    key, state = Key(Kind.VM, spec.name), state_of(found)
    ignored = ignored_fields(context.catalog.options(Kind.VM, spec.name).ignore_changes)
    names = {nic.mac: nic.name for nic in spec.nics}
    owned = frozenset(found.stamp.fields if found.stamp else ())
    spared = spare_of_machine(spec, found, design=styled.config, stamp=stamp, context=context)
    ignored |= spared.fields
    owned |= spared.unwanted
    check_serials(styled.config, found, owned=owned, host=spec.host, key=key, context=context)
    target = settle_target(styled.config, observed=found.config, owned=owned, ignored=ignored, nic_names=names)
    _check_rename(target, found, key=key, context=context)
    drop_disks, drop_nics, extras = _leftovers(target, found, owned=owned, ignored=ignored)
    known = adopted_of(found)
    for extra in extras:
        silent = policy_of_extra(extra.path, policies_of(key, context=context)) == "ignore"
        if silent or (known is not None and extra.path in known.left):
            continue
        context.draft.note(f"{extra.path} ({extra.what}) was added outside vmstack and is kept", key=key)
    plugs = find_plugs(found, networks=around.networks, host=spec.host, context=context)
    under = (*_disturbances(spec, found, around=around), *plug_differences(plugs, networks=around.networks))
    search = find_differences(
        target, found, drop_disks=drop_disks, drop_nics=drop_nics, under=under, nic_names=names, ignored=ignored
    )
    secret = password_difference(found, stamp=stamp)
    search = Search(tuple(sorted((*search.found, *secret), key=lambda item: item.path)), search.waiting)
    whole = None
    stylesheet = None if is_ignored("stylesheet", ignored=ignored) else spec.hardware.stylesheet
    reasons: list[str] = []
    if is_written_whole(target, found, stylesheet=stylesheet) and not is_ignored("stylesheet", ignored=ignored):
        whole = whole_target(design, found, ignored=ignored, nic_names=names)
        everything = {item.path: item for item in (*search.found, *styled.differences)}
        search = Search(hardened(tuple(everything[path] for path in sorted(everything))), search.waiting)
        if search.found:
            reasons.append("Its definition is written whole; of what others added to it by hand, disks and NICs stay.")
    check_macs(
        (nic for nic in target.nics if any(item.device == nic.mac and item.before is None for item in search.found)),
        uuid=spec.uuid,
        host=spec.host,
        key=key,
        context=context,
    )
    wants_running = spec.power is Power.RUNNING
    if is_ignored("power", ignored=ignored):
        wants_running = found.active
    rerooted = any(
        around.volumes[disk.volume].made and not around.volumes[disk.volume].spec.data for disk in spec.disks
    )
    drifted = found.stamp is not None and found.stamp.digest == stamp.digest
    by_hand = drifted and any(item.case not in _CONSEQUENCES for item in search.found)
    asked = asked_anew(key, before=found.stamp.trigger if found.stamp is not None else None, context=context)
    changed = (item.path for item in search.found if item.case not in _AROUND)
    named = named_changes(key, changed, context=context)
    remade = bool(asked or named)
    reasons += why_named(named)
    search = Search((*search.found, *(Difference(*item, Case.REMADE) for item in asked)), search.waiting)
    search = settle_restart(search, spec=spec, domain=found, wants_running=wants_running, ignored=ignored)
    mode, define = _mode(search.found, found, state=state, wants_running=wants_running, remade=remade)
    move = _move(found, state=state, wants_running=wants_running, mode=mode)
    if is_ignored("power", ignored=ignored) and mode is not Mode.RESTART:
        move = PowerMove.NONE  # a guest that somebody paused stays so, too
    anew = rerooted or (seed is not None and seed.reseeds) or (mode is Mode.RESTART and wants_running)
    stamp = msgspec.structs.replace(stamp, **readiness_after(found.stamp, spec=spec, anew=anew))
    waits_for_boot = seed_waits_for_boot(target, found) and mode is not Mode.RESTART
    pending = stamp.ready == "pending" and found.active and not waits_for_boot
    awaits = wants_running and spec.reports and (move is PowerMove.START or pending)
    if search.waiting and mode is not Mode.RESTART:
        context.draft.note(f"pending restart: {', '.join(map(tell_pending, search.waiting))}", key=key)
    resumes_saved = mode is Mode.DEFINE or move is PowerMove.START
    remark(spec, found, target=target, stamp=stamp, resumes_saved=resumes_saved, context=context)
    autostart_differs = found.autostart != spec.autostart and not is_ignored("autostart", ignored=ignored)
    return MachineDecision(
        spec=spec,
        key=key,
        state=state,
        mode=mode,
        move=move,
        target=target,
        stamp=stamp,
        observed=found,
        differences=search.found,
        drop_disks=drop_disks,
        drop_nics=drop_nics,
        define=define,
        autostart=spec.autostart if autostart_differs else None,
        awaits=awaits,
        instance=seed.instance if seed else None,
        reasons=(*why_stamped_anew(found.stamp), *((BY_HAND,) if by_hand else ()), *reasons),
        whole=whole,
        remade=remade,
        plugs=plugs,
    )


def _mode(
    found: tuple[Difference, ...], domain: ObservedDomain, *, state: VmState, wants_running: bool, remade: bool
) -> tuple[Mode, bool]:
    """The mode, and whether a live one also writes the definition anew."""
    if not domain.active:
        return (Mode.DEFINE if found else Mode.KEEP), False
    classes = [disruption_of(item.path, case=item.case, state=state) for item in found]
    if remade or Disruption.RESTART in classes or (found and not wants_running):
        return Mode.RESTART, False
    if not domain.persistent:
        return Mode.LIVE, True
    if found:
        written = (Case.SEED, Case.IGNITION, Case.DEFERRED)
        return Mode.LIVE, any(item.case in written or item.path.startswith("metadata[") for item in found)
    return Mode.KEEP, False


def _move(found: ObservedDomain, *, state: VmState, wants_running: bool, mode: Mode) -> PowerMove:
    if not found.active:
        return PowerMove.START if wants_running else PowerMove.NONE
    if not wants_running:
        return PowerMove.STOP
    if mode is Mode.RESTART or found.state == "crashed":
        return PowerMove.START
    return PowerMove.RESUME if state is VmState.PAUSED else PowerMove.NONE


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


def _name_is_free(spec: VmSpec, found: ObservedDomain | None, *, key: Key, context: Context) -> bool:
    index = context.indexes[spec.host]
    for holder in (index.domain_names.get(spec.label), index.domains.get(spec.uuid)):
        if holder is None or holder is found:
            continue
        owner = next((name for name, domain in index.own_domains.items() if domain is holder), None)
        if owner is not None and _leaves(owner, host=spec.host, context=context):
            continue
        context.draft.errors.append(
            ConflictError(
                f"{key}: a domain {holder.name!r} ({holder.uuid}) exists on host {spec.host}, "
                + ("and it is another VM of this stack" if owner else "and this stack did not make it"),
                resolution="give the VM another name in the program, rename or remove that domain on the host, "
                f"or take it over: {import_command('vm', spec.name, id=holder.name)}",
                place=context.catalog.place(Kind.VM, spec.name),
            )
        )
        return False
    return True


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


def _leaves(name: str, *, host: str, context: Context) -> bool:
    spec = context.catalog.vms.get(name)
    return spec is None or spec.host != host


def _generation(found: ObservedDomain | None) -> int:
    return found.stamp.generation if found is not None and found.stamp is not None else 1


def _restamps(old: Stamp, new: Stamp) -> bool:
    """Whether the stamp must be written though nothing else is: the digest alone is no reason."""
    return not old.intact or not old.digest or any(getattr(old, name) != getattr(new, name) for name in _STAMPED)
