"""What a plan says about a VM: fields, classes and reasons."""

from collections.abc import Iterable, Iterator
from typing import Final

from vmstack.model.configs import DomainConfig
from vmstack.model.identity import Kind
from vmstack.model.plan import Disruption, FieldChange, Operation
from vmstack.model.sizes import format_size
from vmstack.model.specs import SeedPolicy
from vmstack.plan.changes.row import Case, VmState
from vmstack.plan.changes.table import disruption_of
from vmstack.plan.context import Context
from vmstack.plan.domain_diff import Difference, disk_path, hardware_fields
from vmstack.plan.machine_decision import MachineDecision, Mode, PowerMove
from vmstack.plan.seeds import SEED_SERIAL

_KIB: Final = 1024
# A maximum that the program leaves open follows its field.
_MAXIMA: Final = {"vcpus": "max_vcpus", "memory": "max_memory"}
# Why a case is not done while the guest runs, or what follows from it. `{paths}` are the fields concerned.
_REASONS: Final = {
    Case.VCPUS_DOWN: "A running guest cannot give vcpus back.",
    Case.VCPUS_BEYOND: "The running guest was started with a smaller maximum of vcpus.",
    Case.MEMORY_BEYOND: "The running guest was started with a smaller maximum of memory.",
    Case.COLD_PLUG: "{paths} cannot be plugged in while the guest runs (no free port, or the bus cannot do it).",
    Case.COLD_UNPLUG: "{paths} cannot be removed while the guest runs.",
    Case.VOLUME_UNDER: "A volume it has as a disk is made anew, with the guest off.",
    Case.NETWORK_REPLACE: "A network it is on is made anew, with the guest off.",
    Case.NETWORK_REPLUG: "{paths} is started anew; its NICs are plugged back in, and get nothing until then.",
    Case.UNPLUGGED: "{paths} was stopped under it and let go of its NICs, which are plugged back in.",
    Case.DEFINITION: "{paths} can only change while the guest is off.",
    Case.WHOLE: "{paths} can only change while the guest is off.",
    Case.PENDING: "{paths}: its definition has it already, and the running guest waits for that.",
}
_FELT: Final = (Disruption.LIVE, Disruption.RESTART)
# The same beside the field.
_NOTES: Final = {
    Case.VCPUS_DOWN: "a running guest cannot give vcpus back",
    Case.VCPUS_BEYOND: "more than it was started for",
    Case.MEMORY_BEYOND: "more than it was started for",
    Case.COLD_PLUG: "cannot be plugged in while it runs",
    Case.COLD_UNPLUG: "cannot be removed while it runs",
    Case.DEFINITION: "can only change while it is off",
    Case.WHOLE: "can only change while it is off",
    Case.PENDING: "defined already",
}
_SEED_REASONS: Final = {
    SeedPolicy.REPORT: "The new cloud-init content is there at the next start; nothing of it runs again.",
    SeedPolicy.RESEED: "cloud-init runs again at the next start, as on first boot.",
    SeedPolicy.REPLACE: "The root disk is made anew, and cloud-init runs on it as on first boot.",
}
_MOVES: Final = {
    PowerMove.START: ("stopped", "running", Case.POWER_ON),
    PowerMove.STOP: ("running", "stopped", Case.POWER_OFF),
    PowerMove.RESUME: ("paused", "running", Case.RESUME),
}


def describe_machine(decision: MachineDecision, *, context: Context) -> None:
    """Add the VM's change to the draft."""
    place = context.catalog.place(Kind.VM, decision.spec.name)
    if decision.mode is Mode.CREATE:
        context.draft.change(
            decision.key,
            host=decision.host,
            operation=Operation.CREATE,
            fields=_created(decision.target, decision=decision),
            place=place,
        )
        return
    fields = [*_changed(decision)]
    reasons = [*decision.reasons, *_reasons(decision)]
    if not fields and _reports_again(decision):
        reasons.append(
            "The guest must report again, as after its first start."
            if _ready_before(decision) != "none"
            else "The guest is to report that it is ready, from its next start on."
        )
    if not fields and not reasons:
        before = decision.observed.stamp if decision.observed is not None else None
        notes_trigger = before is not None and before.trigger != decision.stamp.trigger
        what = "its replacement trigger" if notes_trigger else "which fields of it the program writes"
        reasons.append(f"vmstack notes {what}.")
    context.draft.change(
        decision.key,
        host=decision.host,
        operation=Operation.REPLACE if decision.remade else Operation.UPDATE,
        fields=fields,
        reasons=reasons,
        disruption=_whole_class(decision),
        place=place,
    )


def _whole_class(decision: MachineDecision) -> Disruption:
    """What the change does to the guest, whatever its fields do."""
    if decision.loses:
        return Disruption.DATA_LOSS
    return _rough(Disruption.RESTART, decision=decision) if decision.stops else Disruption.NONE


def _created(config: DomainConfig, *, decision: MachineDecision) -> Iterator[FieldChange]:
    values: list[tuple[str, object]] = [
        ("vcpus", config.vcpus),
        ("memory", format_size(config.memory_kib * _KIB)),
        ("domain_type", config.type),
        ("firmware", decision.spec.firmware),
    ]
    values += [(disk_path(disk), _file(disk.path) or disk.url) for disk in config.disks if disk.serial != SEED_SERIAL]
    values += [
        (f"nics[{nic.name}]", " ".join((nic.network or nic.bridge or nic.device or "", *nic.addresses)))
        for nic in decision.spec.nics
    ]
    values += [("cloud_init", _file(disk.path)) for disk in config.disks if disk.serial == SEED_SERIAL]
    values += hardware_fields(config)
    values += [(item.path, item.after) for item in decision.differences]
    values += [("autostart", decision.spec.autostart), ("power", decision.spec.power.value)]
    for path, value in values:
        yield FieldChange(path=path, before=None, after=value, disruption=Disruption.NONE)


def _changed(decision: MachineDecision) -> Iterator[FieldChange]:
    for item in _folded(decision.differences):
        disruption = disruption_of(item.path, case=item.case, state=decision.state)
        yield FieldChange(
            path=item.path,
            before=item.before,
            after=item.after,
            disruption=_rough(disruption, decision=decision),
            note=_NOTES.get(item.case) if disruption is Disruption.RESTART else None,
        )
    found = decision.observed
    if found is None:
        return
    if decision.autostart is not None:
        yield _noted("autostart", found.autostart, decision.autostart, decision=decision)
    move = _MOVES.get(decision.move)
    if move is not None and not (decision.move is PowerMove.START and found.active):
        before, after, case = move
        yield FieldChange(
            path="power", before=before, after=after, disruption=disruption_of("power", case=case, state=decision.state)
        )
    if not found.persistent:
        yield _noted("persistent", False, True, decision=decision)  # noqa: FBT003 - values, not choices
    if found.stamp is not None and found.stamp.protect != decision.stamp.protect:
        yield _noted("protect", found.stamp.protect, decision.stamp.protect, decision=decision)
    if found.stamp is not None and found.stamp.retain != decision.stamp.retain:
        yield _noted("retain_on_delete", found.stamp.retain, decision.stamp.retain, decision=decision)
    if decision.awaits and found.active and not decision.stops:
        yield _noted("ready", _ready_before(decision), "ok", decision=decision)


def _noted(path: str, before: object, after: object, *, decision: MachineDecision) -> FieldChange:
    disruption = disruption_of(path, case=Case.NOTE, state=decision.state)
    return FieldChange(path=path, before=before, after=after, disruption=disruption)


def _folded(differences: Iterable[Difference]) -> Iterator[Difference]:
    """The differences, with a maximum that only follows its field (the same values) told by that field alone."""
    by_path = {item.path: item for item in differences}
    for path, maximum in _MAXIMA.items():
        item, top = by_path.get(path), by_path.get(maximum)
        if item is not None and top is not None and (item.before, item.after) == (top.before, top.after):
            harder = item if disruption_of(path, case=item.case, state=VmState.RUNNING) is Disruption.RESTART else top
            by_path[path] = item._replace(case=harder.case)
            del by_path[maximum]
    yield from by_path.values()


def _rough(disruption: Disruption, *, decision: MachineDecision) -> Disruption:
    """The class as this guest meets it: one that is wanted off is not started again."""
    if decision.remade and decision.stops and disruption in (Disruption.LIVE, Disruption.NEXT_BOOT):
        disruption = Disruption.RESTART
    stays_off = decision.move is PowerMove.STOP and disruption is Disruption.RESTART
    return Disruption.STOP if stays_off else disruption


def _reasons(decision: MachineDecision) -> Iterator[str]:
    folded = list(_folded(decision.differences))
    for case, text in _REASONS.items():
        paths = [
            item.path
            for item in folded
            if item.case is case and disruption_of(item.path, case=case, state=decision.state) in _FELT
        ]
        if paths:
            yield text.format(paths=", ".join(paths))
    if any(item.case is Case.SEED for item in decision.differences):
        yield _SEED_REASONS[decision.spec.seed_policy]
    if any(item.case is Case.IGNITION for item in decision.differences):
        yield "The new content is there at the next start; a guest that took the old one at its first boot ignores it."
    if any(item.case is Case.DEFERRED for item in decision.differences):
        yield 'What needs a restart waits for the next one that others make (restart="defer").'
    if decision.remade:
        yield "Its definition is removed and made anew, which leaves its volumes alone."
        if decision.loses:
            yield f"With the old definition goes for good: {', '.join(decision.loses)}."
    found = decision.observed
    if found is not None and found.active and found.state == "crashed":
        yield "The guest has crashed."
    if found is not None and not found.persistent:
        yield "Its definition was removed outside vmstack while it ran."


def _reports_again(decision: MachineDecision) -> bool:
    return decision.stamp.ready == "pending" and _ready_before(decision) not in (None, "pending")


def _ready_before(decision: MachineDecision) -> str | None:
    old = decision.observed.stamp if decision.observed is not None else None
    return None if old is None else old.ready


def _file(path: str | None) -> str | None:
    return path.rpartition("/")[2] if path else None
