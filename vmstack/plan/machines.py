"""VMs: what must happen to each, by what it is to be and how it compares. The steps of it are in `machine_steps`."""

from collections.abc import Collection
from typing import Final

import msgspec

from vmstack.errors import ConflictError
from vmstack.model.configs import DomainConfig
from vmstack.model.identity import Key, Kind
from vmstack.model.observed import ObservedDomain
from vmstack.model.plan import HIDDEN, Disruption
from vmstack.model.specs import Power, VmSpec
from vmstack.model.text import import_command
from vmstack.plan.adopted import adopted_of
from vmstack.plan.changes.row import Case, VmState
from vmstack.plan.changes.table import disruption_of
from vmstack.plan.context import Context
from vmstack.plan.domain_diff import Difference, disk_path
from vmstack.plan.drift_policy import policies_of, policy_of_extra
from vmstack.plan.foreign_values import foreign_values
from vmstack.plan.ignore import ignored_fields, is_ignored
from vmstack.plan.machine_comparison import Comparison, compare_machine
from vmstack.plan.machine_decision import MachineDecision, Mode, PowerMove
from vmstack.plan.machine_remarks import remark, remark_leases
from vmstack.plan.machine_state import readiness_after, seed_waits_for_boot, state_of
from vmstack.plan.machine_wish import Surroundings, Wish, wish_for
from vmstack.plan.neighbours import check_macs
from vmstack.plan.overwriting import find_overwritten, survives
from vmstack.plan.pending import tell_pending
from vmstack.plan.stamps import why_stamped_anew
from vmstack.plan.styling import bears_stylesheet
from vmstack.xmlio.losses import find_leaving, find_waiting

_WHY_WHOLE: Final = (
    "Its definition is written whole: of what others gave it by hand, disks, NICs, description and metadata stay{rest}."
)


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
    found, key = context.indexes[spec.host].own_domains.get(spec.name), Key(Kind.VM, spec.name)
    if not _name_is_free(spec, found, key=key, context=context):
        return None
    wish = wish_for(spec, found, around=around, context=context)
    if wish is None:
        return None
    if found is not None:
        return _decide_existing(spec, found, wish, around=around, context=context)
    check_macs(wish.styled.config.nics, uuid=spec.uuid, host=spec.host, key=key, context=context)
    starts = spec.power is Power.RUNNING
    return MachineDecision(
        spec=spec,
        key=key,
        state=VmState.STOPPED,
        mode=Mode.CREATE,
        move=PowerMove.START if starts else PowerMove.NONE,
        target=wish.styled.config,
        whole=wish.design,
        stamp=wish.stamp,
        differences=wish.styled.differences,
        autostart=True if spec.autostart else None,
        awaits=starts and spec.reports,
        instance=wish.instance,
    )


def _decide_existing(
    spec: VmSpec, found: ObservedDomain, wish: Wish, *, around: Surroundings, context: Context
) -> MachineDecision:
    key, state = Key(Kind.VM, spec.name), state_of(found)
    compared = compare_machine(spec, found, wish, around=around, context=context)
    search, ignored = compared.search, compared.ignored
    wants_running = compared.wants_running
    mode, define = _mode(search.found, found, state=state, wants_running=wants_running, remade=compared.remade)
    overwritten: tuple[Difference, ...] = ()
    written = mode in (Mode.DEFINE, Mode.RESTART) or define
    if compared.whole is not None and written:
        overwritten = _overwrite(spec, found, wish, compared, context=context)
    if mode is Mode.RESTART:
        _note_restart(found, whole=compared.whole is not None, key=key, context=context)
    changed = {item.path for item in (*search.found, *overwritten)}
    _note_values(spec, found, wish, changed=changed, ignored=ignored, context=context)
    move = _move(found, state=state, wants_running=wants_running, mode=mode)
    if is_ignored("power", ignored=ignored) and mode is not Mode.RESTART:
        move = PowerMove.NONE  # a guest that somebody paused stays so, too
    volumes = [around.volumes[disk.volume] for disk in spec.disks]
    rerooted = any(volume.made and not volume.spec.data for volume in volumes)
    reseeded = wish.seed is not None and wish.seed.reseeds
    anew = rerooted or reseeded or (mode is Mode.RESTART and wants_running)
    stamp = msgspec.structs.replace(wish.stamp, **readiness_after(found.stamp, spec=spec, anew=anew))
    waits_for_boot = seed_waits_for_boot(compared.target, found) and mode is not Mode.RESTART
    pending = stamp.ready == "pending" and found.active and not waits_for_boot
    awaits = wants_running and spec.reports and (move is PowerMove.START or pending)
    # What a definition that is written whole does not keep is told elsewhere.
    whole = mode is Mode.RESTART and compared.whole is not None
    waiting = tuple(item for item in search.waiting if not whole or item.defined is None)
    if waiting:
        context.draft.note(f"pending restart: {', '.join(map(tell_pending, waiting))}", key=key)
    starts, sought = move is PowerMove.START, (item.path for item in search.found)
    remark(spec, found, target=compared.target, stamp=stamp, starts=starts, changed=sought, context=context)
    autostart_differs = found.autostart != spec.autostart and not is_ignored("autostart", ignored=ignored)
    return MachineDecision(
        spec=spec,
        key=key,
        state=state,
        mode=mode,
        move=move,
        target=compared.target,
        stamp=stamp,
        observed=found,
        differences=tuple(sorted((*search.found, *overwritten), key=lambda item: item.path)),
        drop_disks=compared.drop_disks,
        drop_nics=compared.drop_nics,
        define=define,
        autostart=spec.autostart if autostart_differs else None,
        awaits=awaits,
        instance=wish.instance,
        reasons=(
            *why_stamped_anew(found.stamp),
            *compared.reasons,
            *((_why_whole(overwritten),) if compared.whole is not None and written else ()),
        ),
        whole=compared.whole,
        remade=compared.remade,
        plugs=compared.plugs,
    )


def _overwrite(
    spec: VmSpec, found: ObservedDomain, wish: Wish, compared: Comparison, *, context: Context
) -> tuple[Difference, ...]:
    """What goes and comes with a definition that is written whole, beside what is found to differ."""
    _check_slots(wish.styled.made, found, dropped=compared.dropped, key=Key(Kind.VM, spec.name), context=context)
    return find_overwritten(
        wish,
        found,
        stylesheet=spec.hardware.stylesheet,
        ignored=compared.ignored,
        dropped=compared.dropped,
        nic_names={nic.mac: nic.name for nic in spec.nics},
        known={item.path for item in compared.search.found},
    )


def _why_whole(overwritten: tuple[Difference, ...]) -> str:
    goes = ", ".join(item.path for item in overwritten if item.after is None)
    comes = ", ".join(item.path for item in overwritten if item.after is not None)
    rest = f", and this goes: {goes}" if goes else ""
    return _WHY_WHOLE.format(rest=f"{rest}; this is as vmstack writes it: {comes}" if comes else rest)


def _note_restart(found: ObservedDomain, *, whole: bool, key: Key, context: Context) -> None:
    """Tell what the restart of a guest brings from its definition and takes with the old process, whoever put it there.

    `whole`: its definition is written anew, and what goes from that is told elsewhere.
    """
    if found.live_xml is None or not found.persistent:
        return
    comes = () if whole else find_waiting(found.live_xml, held=found.xml)
    goes = find_leaving(found.live_xml, held=found.xml)
    for text, paths in (
        ("with the restart comes what its definition has already", comes),
        ("with the restart goes what only the running guest has", goes),
    ):
        if paths:
            context.draft.note(f"{text}: {', '.join(f'xml[{path}]' for path in paths)}", key=key)


def _note_values(
    spec: VmSpec,
    found: ObservedDomain,
    wish: Wish,
    *,
    changed: Collection[str],
    ignored: frozenset[str],
    context: Context,
) -> None:
    """Tell of values that others set where the program says nothing, and that this plan does not change."""
    key, styled = Key(Kind.VM, spec.name), bears_stylesheet(found) or spec.hardware.stylesheet is not None
    names = {nic.mac: nic.name for nic in spec.nics}
    hidden = ignored_fields(context.catalog.options(Kind.VM, spec.name).hide_diffs)
    if adopted_of(found) is not None:
        return  # nothing tells what it had before it was taken over
    for value in foreign_values(wish.styled.made, found.config, ignored=ignored, nic_names=names):
        if value.path in changed or policy_of_extra(value.path, policies_of(key, context=context)) == "ignore":
            continue
        until = "" if not styled or survives(value.path) else " until its definition is next written whole"
        shown = HIDDEN if is_ignored(value.path, ignored=hidden) else f"({value.value})"
        context.draft.note(f"{value.path} {shown} was set outside vmstack and is kept{until}", key=key)


def _check_slots(
    made: DomainConfig, found: ObservedDomain, *, dropped: frozenset[str], key: Key, context: Context
) -> None:
    """Refuse that a disk which a patch or stylesheet makes takes that of others out of its slot."""
    ours, slots = {disk.serial for disk in made.disks} | dropped, {disk.target for disk in made.disks}
    for disk in found.config.disks:
        if disk.serial not in ours and disk.target in slots:
            context.draft.errors.append(
                ConflictError(
                    f"{key}: a patch or stylesheet puts a disk at {disk.target}, where others gave the VM one",
                    details=[f"{disk_path(disk)}: {disk.path or disk.url or 'an empty drive'}"],
                    resolution=f"detach that one (virsh detach-disk {found.name} {disk.target} --config), or choose "
                    "another target in the program",
                    place=context.catalog.place(Kind.VM, key.name),
                )
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
        written = (Case.SEED, Case.IGNITION, Case.DEFERRED, Case.UNDONE)
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


def _leaves(name: str, *, host: str, context: Context) -> bool:
    spec = context.catalog.vms.get(name)
    return spec is None or spec.host != host
