"""Volumes: the steps that make them what was decided, with guests stopped where they must be."""

from collections.abc import Mapping

import msgspec

from vmstack.model.effects import (
    AnyEffect,
    CopyVolume,
    CreateVolume,
    DeleteVolume,
    ResizeDisk,
    ResizeVolume,
    UploadImage,
)
from vmstack.model.identity import Key, Kind
from vmstack.model.ownership import EntryState
from vmstack.model.plan import Disruption, FieldChange, LedgerMark, Operation
from vmstack.model.sizes import format_size
from vmstack.model.specs import VolumeSource
from vmstack.plan.changes.row import Case, Noun, VmState
from vmstack.plan.changes.table import disruption_of
from vmstack.plan.context import Context
from vmstack.plan.draft import freed
from vmstack.plan.entries import pending, resumes
from vmstack.plan.handovers import letting_go
from vmstack.plan.index import files_of, stamped_name
from vmstack.plan.machine_decision import MachineDecision
from vmstack.plan.machine_steps import stop_step
from vmstack.plan.volume_fate import Fate, VolumeFate
from vmstack.xmlio.volume import write_volume


def plan_volumes(fates: Mapping[str, VolumeFate], *, machines: Mapping[str, MachineDecision], context: Context) -> None:
    """Make the steps of all volumes of the program."""
    for fate in fates.values():
        if fate.fate is Fate.REFER:
            continue
        if fate.fate is Fate.KEEP:
            _keep(fate, context=context)
        elif fate.fate is Fate.GROW:
            _grow(fate, machines=machines, context=context)
        else:
            _make(fate, machines=machines, context=context)


def _keep(fate: VolumeFate, *, context: Context) -> None:
    """Complete what an interrupted run left pending, and note what the program says of the volume now."""
    draft = context.draft
    entry = context.indexes[fate.host].entries.get(fate.slot)
    if entry == fate.entry:
        draft.unchanged += 1
        return
    draft.intend(fate.entry, host=fate.host)
    fields = []
    if entry is not None and entry.state is EntryState.READY:
        fields = [
            FieldChange(path=path, before=before, after=after, disruption=Disruption.NONE)
            for path, before, after in (
                ("protect", entry.protect, fate.entry.protect),
                ("data", entry.data, fate.entry.data),
            )
            if before != after
        ]
    if not fields:
        draft.unchanged += 1
        return
    draft.change(
        fate.key,
        host=fate.host,
        operation=Operation.UPDATE,
        fields=fields,
        place=context.catalog.place(Kind.VOLUME, fate.spec.name),
    )


def _grow(fate: VolumeFate, *, machines: Mapping[str, MachineDecision], context: Context) -> None:
    draft, (pool, label) = context.draft, fate.slot
    capacity = fate.config.capacity
    effect: AnyEffect = ResizeVolume(pool=pool, volume=label, capacity=capacity)
    stops, freeing = _let_go(fate, machines=machines, context=context)
    state = VmState.STOPPED
    for machine in _users(fate, machines=machines, context=context):
        found = machine.observed
        if found is None or not found.active:
            continue
        stops.append(stop_step(machine))
        if not machine.stops and _has_disk(machine, fate.path):
            state = machine.state
            effect = ResizeDisk(uuid=found.uuid, name=found.name, disk=fate.path, capacity=capacity)
            draft.expect(fate.host, found)
    if fate.old is not None:
        draft.expect(fate.host, fate.old)
    id_ = draft.step(
        fate.key,
        "resize",
        effect,
        host=fate.host,
        needs=stops,
        after=(Key(Kind.POOL, fate.spec.pool), *context.needs(Kind.VOLUME, fate.spec.name), *freeing),
        marks=(LedgerMark(action="ready", entry=fate.entry),),
    )
    draft.finish(fate.key, id_)
    draft.change(
        fate.key,
        host=fate.host,
        operation=Operation.UPDATE,
        fields=[
            FieldChange(
                path=path,
                before=before,
                after=after,
                disruption=disruption_of(path, case=Case.DISK_GROW, state=state, noun=Noun.VOLUME),
            )
            for path, before, after in fate.fields
        ],
        place=context.catalog.place(Kind.VOLUME, fate.spec.name),
    )


def _make(fate: VolumeFate, *, machines: Mapping[str, MachineDecision], context: Context) -> None:
    draft, (pool, label), host = context.draft, fate.slot, fate.host
    index = context.indexes[host]
    after = [Key(Kind.POOL, fate.spec.pool), *context.needs(Kind.VOLUME, fate.spec.name)]
    if fate.base is not None:
        after.append(fate.base.key)
        if fate.base.slot in index.volumes:
            draft.expect(host, index.volumes[fate.base.slot])
    if fate.spec.base is not None:
        after.append(Key(Kind.VOLUME, fate.spec.base))
        below = context.catalog.volumes[fate.spec.base]
        slot = (context.catalog.pools[below.pool].label, below.label)
        if slot in index.volumes:
            draft.expect(host, index.volumes[slot])
    replaced = fate.fate is Fate.REPLACE and fate.moved is None
    entry = index.entries.get(fate.slot)
    anew = (entry is not None and entry.anew) or any(index.own_users(fate.path))
    begun = pending(fate.entry, anew=anew)
    stops: list[str | None] = []
    if fate.disturbs and fate.moved is None:
        stops, freeing = _let_go(fate, machines=machines, context=context)
        stops += [stop_step(machine) for machine in _users(fate, machines=machines, context=context)]
        after += freeing
    first: str | None = None
    if replaced or fate.fate is Fate.REDO:
        effect = DeleteVolume(pool=pool, volume=label)
        unused = draft.expect_unused(host, fate.slot, path=fate.path)
        first = draft.step(
            fate.key,
            "delete",
            effect,
            host=host,
            needs=stops,
            after=after,
            # With a pending entry before the deletion, a run that is interrupted would take the old content for the
            # new; with the ready one after it, a half-made copy for a whole one.
            marks=(LedgerMark(action="pending", entry=begun),) if replaced else (),
            flush=replaced,
            guards=(unused,),
        )
        if fate.old is not None:
            draft.expect(host, fate.old)
    elif index.readable(pool) or pool not in index.pools:
        draft.expect_absent(host, "volume", id=f"{pool}/{label}", name=label)
    uploads = fate.spec.source is VolumeSource.UPLOAD
    if not replaced:
        draft.intend(begun, host=host)
    create = draft.step(
        fate.key,
        "create",
        _creation(fate, resume=resumes(index.entries.get(fate.slot))),
        host=host,
        needs=(*stops, first),
        after=after,
        marks=() if uploads else (LedgerMark(action="ready", entry=fate.entry),),
        # Nothing else proves that it is whole, and a guest may write to it from now on.
        flush=(replaced or anew) and not uploads,
    )
    if uploads and fate.base is not None:
        create = draft.step(
            fate.key,
            "upload",
            UploadImage(pool=pool, volume=label, image=fate.base.facts.name),
            host=host,
            needs=(create,),
            marks=(LedgerMark(action="ready", entry=fate.entry),),
            flush=True,
        )
        draft.images[fate.base.facts.name] = fate.base.facts
    draft.finish(fate.key, create)
    state = next((machine.state for machine in _users(fate, machines=machines, context=context)), VmState.STOPPED)
    # What is missing may only be out of sight, on a file system that is not mounted.
    lost = fate.fate is Fate.REPLACE or (fate.fate is Fate.REMAKE and (fate.spec.data or fate.entry.protect))
    case = Case.VOLUME_REPLACE

    def loss(path: str) -> Disruption:
        return disruption_of(path, case=case, state=state, noun=Noun.VOLUME) if lost else Disruption.NONE

    fields = [
        FieldChange(path=path, before=before, after=value, disruption=loss(path)) for path, before, value in fate.fields
    ]
    draft.change(
        fate.key,
        host=host,
        operation=Operation.REPLACE if fate.fate is Fate.REPLACE else Operation.CREATE,
        fields=fields or list(_created(fate)),
        reasons=[*fate.reasons, *(["What it holds is lost."] if fate.fate is Fate.REPLACE else [])],
        disruption=loss("content"),
        place=context.catalog.place(Kind.VOLUME, fate.spec.name),
    )


def _creation(fate: VolumeFate, *, resume: bool) -> AnyEffect:
    pool, label = fate.slot
    xml = fate.document or write_volume(msgspec.structs.replace(fate.config, path=None, allocation=None))
    if fate.spec.source is VolumeSource.FULL_COPY and fate.base is not None:
        return CopyVolume(
            pool=pool,
            volume=label,
            xml=xml,
            source_pool=fate.base.slot[0],
            source_volume=fate.base.slot[1],
            capacity=fate.config.capacity,
        )
    return CreateVolume(pool=pool, volume=label, xml=xml, resume=resume)


def _created(fate: VolumeFate) -> list[FieldChange]:
    values: list[tuple[str, object]] = [
        ("capacity", format_size(fate.config.capacity)),
        ("format", fate.config.format),
        ("source", fate.spec.source.value),
    ]
    if fate.base is not None:
        values.append(("image", fate.base.facts.name))
    return [FieldChange(path=path, before=None, after=value, disruption=Disruption.NONE) for path, value in values]


def _users(fate: VolumeFate, *, machines: Mapping[str, MachineDecision], context: Context) -> list[MachineDecision]:
    """The VMs of the program that have the volume, or what is over it, as a disk."""
    names = [fate.spec.name]
    for name in names:
        names += context.catalog.overlays.get(name, ())
    users = dict.fromkeys(vm for name in names for vm, _ in context.catalog.disk_users.get(name, ()))
    return [machines[vm] for vm in users if vm in machines]


def _let_go(
    fate: VolumeFate, *, machines: Mapping[str, MachineDecision], context: Context
) -> tuple[list[str | None], list[Key]]:
    """The steps after which guests have let go of a volume that the program gives them no more, and the keys to wait
    for of those that are deleted."""
    index = context.indexes[fate.host]
    steps: list[str | None] = []
    freeing: list[Key] = []
    for domain in index.own_users(fate.path) if fate.moved is None else ():
        if domain.live is None or fate.path not in files_of(domain.live):
            continue
        name = stamped_name(domain.stamp, stack=context.stack, kind=Kind.VM) or ""
        machine = machines.get(name)
        if machine is None or machine.observed is not domain:
            freeing.append(freed(Kind.VM, domain.name, host=fate.host))
            continue
        steps.append(stop_step(machine))
        steps += () if machine.stops else letting_go(machine, path=fate.path)
    return steps, freeing


def _has_disk(machine: MachineDecision, path: str) -> bool:
    live = machine.observed.live if machine.observed is not None else None
    return live is not None and any(disk.path == path for disk in live.disks)
