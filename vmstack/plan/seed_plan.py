"""Seeds: which content each VM is to see, under which instance-id, and the volumes that carry it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from vmstack.errors import ConflictError
from vmstack.model.configs import VolumeConfig
from vmstack.model.effects import CreateVolume, DeleteVolume, UploadSeed
from vmstack.model.identity import Key, Kind, ignition_volume_name, seed_volume_name
from vmstack.model.observed import ObservedDomain
from vmstack.model.ownership import EntryState, LedgerEntry
from vmstack.model.plan import Disruption, FieldChange, LedgerMark, Operation, SeedDocuments
from vmstack.model.specs import SeedPolicy, SeedSpec, VmSpec
from vmstack.plan.adopted import adopted_of
from vmstack.plan.context import Context
from vmstack.plan.design import IGNITION_SERIAL, whole_sectors
from vmstack.plan.entries import pending, resumes
from vmstack.plan.ignore import ignored_fields, is_ignored
from vmstack.plan.index import HostIndex, Slot, is_ready
from vmstack.plan.seeds import SEED_SERIAL, instance_id, seed_capacity, seed_documents
from vmstack.xmlio.volume import write_volume


@dataclass(frozen=True, slots=True)
class SeedDecision:
    """The seed of one VM.

    `changed` tells that the VM has one of other content. `made` tells that the volume must be created and uploaded,
    `again` that one must go first: of an interrupted upload, or (`spoilt`) one that others wrote into. `instance`
    is cloud-init's instance-id with it.
    """

    spec: SeedSpec
    vm: VmSpec
    key: Key
    host: str
    slot: Slot
    path: str
    documents: SeedDocuments
    generation: int
    instance: str
    changed: bool
    made: bool
    again: bool
    entry: LedgerEntry
    spoilt: bool = False

    @property
    def reseeds(self) -> bool:
        """Whether cloud-init is to run again as on first boot."""
        return self.changed and self.vm.seed_policy is SeedPolicy.RESEED


def decide_seeds(context: Context) -> dict[str, SeedDecision]:
    """Decide on the seed of every VM; the result is by VM name."""
    decisions: dict[str, SeedDecision] = {}
    for name, vm in context.catalog.vms.items():
        if vm.seed is None:
            continue
        spec = context.catalog.seeds[vm.seed]
        decision = _decide(spec, vm, context=context)
        if decision is not None:
            decisions[name] = decision
    return decisions


def decide_ignitions(context: Context) -> dict[str, SeedDecision]:
    """Decide on the file that the firmware of a VM shows to its guest; the result is by VM name."""
    decisions: dict[str, SeedDecision] = {}
    for name, vm in context.catalog.vms.items():
        if vm.ignition is None:
            continue
        spec = context.catalog.seeds[vm.ignition]
        domain = context.indexes[vm.host].own_domains.get(name)
        documents = seed_documents(spec, instance="")
        current, label = _current_ignition(domain), ignition_volume_name(name, digest=documents.digest)
        held = context.index_of_pool(spec.pool).entries.get((context.catalog.pools[spec.pool].label, current or ""))
        if held is not None and held.adopted and held.digest == documents.digest:
            label = held.label
        changed = current not in (None, label)
        ignored = ignored_fields(context.catalog.options(Kind.VM, name).ignore_changes)
        if current is not None and changed and is_ignored("ignition", ignored=ignored):
            label, changed = current, False
        decision = _carrier(
            spec, vm, label=label, documents=documents, generation=1, instance="", changed=changed, context=context
        )
        if decision is not None:
            decisions[name] = decision
    return decisions


def _current_ignition(domain: ObservedDomain | None) -> str | None:
    """The file name of what the firmware of the domain's persistent definition shows."""
    if domain is None:
        return None
    paths = [disk.path for disk in domain.config.disks if disk.serial == IGNITION_SERIAL]
    if domain.config.fw_cfg is not None:
        paths.insert(0, domain.config.fw_cfg.path)
    return paths[0].rpartition("/")[2] if paths and paths[0] else None


def reseeded_volumes(decisions: Mapping[str, SeedDecision], *, context: Context) -> frozenset[str]:
    """The volumes that are made anew because a seed with the policy `replace` changed: what came from an image."""
    volumes = context.catalog.volumes
    return frozenset(
        disk.volume
        for decision in decisions.values()
        if decision.changed and decision.vm.seed_policy is SeedPolicy.REPLACE
        for disk in decision.vm.disks
        if not volumes[disk.volume].data and volumes[disk.volume].image is not None and not disk.readonly
    )


def _decide(spec: SeedSpec, vm: VmSpec, *, context: Context) -> SeedDecision | None:
    domain = context.indexes[vm.host].own_domains.get(vm.name)
    generation = domain.stamp.generation if domain is not None and domain.stamp is not None else 1
    adopted = adopted_of(domain)
    name = (adopted.born if adopted is not None else None) or vm.name
    foreign = adopted is not None and adopted.born is None
    instance = instance_id(context.stack, name, generation=generation, adopted=foreign)
    documents = seed_documents(spec, instance=instance)
    current = _current_label(domain)
    label = seed_volume_name(spec.name, digest=documents.digest)
    held = context.index_of_pool(spec.pool).entries.get((context.catalog.pools[spec.pool].label, current or ""))
    if held is not None and (held.adopted or held.renamed) and held.digest == documents.digest:
        label = held.label  # it was named otherwise, and holds what it is to hold
    changed = current is not None and current != label
    ignored = ignored_fields(context.catalog.options(Kind.VM, vm.name).ignore_changes)
    if changed and is_ignored("cloud_init", ignored=ignored):
        changed = False
        label = current or ""
    else:
        if changed and vm.seed_policy is SeedPolicy.RESEED:
            generation += 1
            instance = instance_id(context.stack, name, generation=generation)
            documents = seed_documents(spec, instance=instance)
            label = seed_volume_name(spec.name, digest=documents.digest)
    return _carrier(
        spec,
        vm,
        label=label,
        documents=documents,
        generation=generation,
        instance=instance,
        changed=changed,
        context=context,
    )


def _carrier(
    spec: SeedSpec,
    vm: VmSpec,
    *,
    label: str,
    documents: SeedDocuments,
    generation: int,
    instance: str,
    changed: bool,
    context: Context,
) -> SeedDecision | None:
    """The decision on the volume of that name which carries the documents."""
    index = context.index_of_pool(spec.pool)
    slot = (context.catalog.pools[spec.pool].label, label)
    path = context.volume_path(spec.pool, label)
    key = Key(Kind.SEED, spec.name)
    entry, present = index.entries.get(slot), slot in index.volumes
    if entry is not None and index.is_displaced(entry):
        entry = None
    if present and entry is None:
        context.draft.errors.append(
            ConflictError(
                f"{key}: a volume {label!r} exists in pool {slot[0]!r} on host {index.host}, "
                "and this stack did not make it",
                resolution="find out whose that one is and move it away",
                place=context.catalog.place(Kind.VM, vm.name),
            )
        )
        return None
    capacity = seed_capacity(documents)
    complete = _complete(entry, path=path, index=index)
    return SeedDecision(
        spec=spec,
        vm=vm,
        key=key,
        host=index.host,
        slot=slot,
        path=path,
        documents=documents,
        generation=generation,
        instance=instance,
        changed=changed,
        made=not complete,
        again=not complete and entry is not None and (present or not index.readable(slot[0])),
        spoilt=entry is not None and is_spoilt(entry, index=index),
        entry=entry
        if complete and entry is not None and is_ready(entry)
        else LedgerEntry(
            name=spec.name,
            role="seed",
            pool=slot[0],
            label=label,
            state=EntryState.READY,
            path=path,
            format="raw",
            capacity=capacity if documents.raw is not None else whole_sectors(capacity),
            digest=documents.digest,
            upload=True,
        ),
    )


def _complete(entry: LedgerEntry | None, *, path: str, index: HostIndex) -> bool:
    """Whether the seed is there as a whole: by the ledger, or because a domain of ours was defined with it."""
    if entry is None:
        return False
    if not index.readable(entry.pool):
        return is_ready(entry)
    if entry.slot not in index.volumes or is_spoilt(entry, index=index):
        return False
    return is_ready(entry) or (not entry.anew and any(index.own_users(path)))


def is_spoilt(entry: LedgerEntry, *, index: HostIndex) -> bool:
    """Whether somebody wrote into a finished seed: guests only read theirs."""
    found = index.volumes.get(entry.slot)
    written = (entry.modified, found.modified if found is not None else None)
    return is_ready(entry) and None not in written and written[0] != written[1]


def _current_label(domain: ObservedDomain | None) -> str | None:
    """The file name of the seed that the domain's persistent definition has."""
    disks = domain.config.disks if domain is not None else ()
    path = next((disk.path for disk in disks if disk.serial == SEED_SERIAL), None)
    return path.rpartition("/")[2] if path else None


def plan_seeds(decisions: Iterable[SeedDecision], *, context: Context) -> None:
    """Make the steps of the seeds' volumes."""
    for decision in decisions:
        if decision.made:
            _make(decision, context=context)
            continue
        if context.indexes[decision.host].entries.get(decision.slot) != decision.entry:
            context.draft.intend(decision.entry, host=decision.host)
        context.draft.unchanged += 1


def _make(decision: SeedDecision, *, context: Context) -> None:
    draft, key, host, (pool, label) = context.draft, decision.key, decision.host, decision.slot
    index = context.indexes[host]
    config = VolumeConfig(name=label, format="raw", capacity=decision.entry.capacity or 0, allocation=0)
    after = (Key(Kind.POOL, decision.spec.pool), *context.needs(Kind.SEED, decision.spec.name))
    first: str | None = None
    reasons: list[str] = []
    if decision.again:
        first = draft.step(key, "delete", DeleteVolume(pool=pool, volume=label), host=host, after=after)
        reasons.append(
            "Its content was changed outside vmstack."
            if decision.spoilt
            else "An earlier upload was interrupted, so it is made again."
        )
        if decision.slot in index.volumes:
            draft.expect(host, index.volumes[decision.slot])
    else:
        draft.expect_absent(host, "volume", id=f"{pool}/{label}", name=label)
        lost = index.entries.get(decision.slot)
        if lost is not None and is_ready(lost):
            reasons.append("It was deleted outside vmstack.")
    entry = index.entries.get(decision.slot)
    anew = (entry is not None and entry.anew) or any(index.own_users(decision.path))
    draft.intend(pending(decision.entry, anew=anew), host=host)
    resume = resumes(index.entries.get(decision.slot))
    effect = CreateVolume(pool=pool, volume=label, xml=write_volume(config), resume=resume)
    create = draft.step(key, "create", effect, host=host, needs=(first,), after=after)
    upload = draft.step(
        key,
        "upload",
        UploadSeed(pool=pool, volume=label, digest=decision.documents.digest),
        host=host,
        needs=(create,),
        marks=(LedgerMark(action="ready", entry=decision.entry),),
    )
    draft.finish(key, upload)
    draft.seeds[decision.documents.digest] = decision.documents
    before = _previous(decision, index=index)
    draft.change(
        key,
        host=host,
        operation=Operation.UPDATE if before is not None and before != label else Operation.CREATE,
        fields=(FieldChange(path="volume", before=before, after=label, disruption=Disruption.NONE),),
        reasons=reasons,
        place=context.catalog.place(Kind.SEED, decision.spec.name) or context.catalog.place(Kind.VM, decision.vm.name),
    )


def _previous(decision: SeedDecision, *, index: HostIndex) -> str | None:
    entries = index.named_entries.get(decision.key, ())
    return next((entry.label for entry in entries if is_ready(entry) and entry.slot != decision.slot), None)
