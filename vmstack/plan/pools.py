"""Storage pools: define, start, autostart; references to existing ones; free space."""

from vmstack.errors import ConflictError, InputError, RefusedError
from vmstack.model.effects import DefinePool, SetPoolAutostart, StartPool
from vmstack.model.identity import Key, Kind
from vmstack.model.observed import ObservedPool
from vmstack.model.ownership import EntryState, LedgerEntry
from vmstack.model.plan import Disruption, FieldChange, LedgerMark, Operation
from vmstack.model.specs import PoolSpec
from vmstack.model.text import import_command
from vmstack.plan.context import Context
from vmstack.plan.design import clean_path, design_pool
from vmstack.plan.entries import pending, resumes
from vmstack.plan.ignore import ignored_fields, is_ignored
from vmstack.plan.index import HostIndex, is_ready
from vmstack.plan.pool_definition import PoolDefinition, define_pool


def plan_pools(context: Context) -> None:
    """Plan every pool of the program."""
    for spec in context.catalog.pools.values():
        if spec.existing:
            _check_existing(spec, context=context)
        else:
            _plan_pool(spec, context=context)


def _check_existing(spec: PoolSpec, *, context: Context) -> None:
    found = context.indexes[spec.host].pools.get(spec.label)
    place = context.catalog.place(Kind.POOL, spec.name)
    if found is None:
        context.draft.errors.append(
            InputError(
                f"pool.{spec.name}: there is no storage pool {spec.label!r} on host {spec.host}",
                resolution="create it there, or let the stack make a pool of its own by giving it a path",
                place=place,
            )
        )
    elif not found.active:
        context.draft.errors.append(
            InputError(
                f"pool.{spec.name}: the storage pool {spec.label!r} on host {spec.host} is not active",
                resolution=f"start it: virsh pool-start {spec.label}",
                place=place,
            )
        )
    elif spec.path is not None and found.config.path is not None and clean_path(spec.path) != found.config.path:
        context.draft.errors.append(
            InputError(
                f"pool.{spec.name}: the storage pool {spec.label!r} is at {found.config.path}, not at {spec.path}",
                resolution=f"give {found.config.path} as its path, or none",
                place=place,
            )
        )
    elif context.indexes[spec.host].owns_pool(spec.label):
        context.draft.note(
            "this stack made the pool that the program calls an existing one; it goes when the stack is destroyed",
            key=Key(Kind.POOL, spec.name),
        )


def _plan_pool(spec: PoolSpec, *, context: Context) -> None:
    index, key = context.indexes[spec.host], Key(Kind.POOL, spec.name)
    place = context.catalog.place(Kind.POOL, spec.name)
    options = context.catalog.options(Kind.POOL, spec.name)
    found = index.pools.get(spec.label)
    entry = index.entries.get((spec.label, ""))
    if found is not None and not index.owns_pool(spec.label):
        context.draft.errors.append(
            ConflictError(
                f"{key}: a storage pool {spec.label!r} exists on host {spec.host}, and this stack did not make it",
                resolution="give yours another name, refer to that one as an existing pool, remove it there, "
                f"or take it over: {import_command('pool', spec.name, id=spec.label)}",
                place=place,
            )
        )
        return
    if entry is not None and entry.name != spec.name:
        context.draft.errors.append(
            RefusedError(
                f"{key}: this stack made the storage pool {spec.label!r} as pool.{entry.name}, "
                "and a pool keeps its name",
                resolution=f"call it {entry.name!r} in the program again",
                place=place,
            )
        )
        return
    _check_moved(spec, context=context)
    ignored = ignored_fields(options.ignore_changes)
    definition = define_pool(spec, found, entry=entry, ignored=ignored, context=context)
    if definition is None:
        return
    wanted = LedgerEntry(
        name=spec.name,
        role="pool",
        pool=spec.label,
        state=EntryState.READY,
        path=clean_path(spec.path),
        protect=options.protect is True,
        retain=options.retain,
        digest=definition.digest,
        built=entry.built if entry else False,
        adopted=found is not None and entry is not None and entry.adopted,
        renamed=entry is not None and entry.renamed,
        uuid=entry.uuid if found is not None and entry is not None else None,
    )
    if found is None:
        if entry is not None and is_ready(entry) and clean_path(entry.path) != wanted.path:
            _refuse_path(spec, entry.path, context=context)
            return
        _create(spec, wanted, context=context, entry=entry, xml=definition.xml)
        return
    if (found.config.type, found.config.group) != (spec.type, spec.group):
        _refuse_kind(spec, found, context=context)
        return
    if found.config.path != clean_path(spec.path) and not is_ignored("path", ignored=ignored):
        _refuse_path(spec, found.config.path, context=context)
        return
    _update(spec, found, wanted, context=context, index=index, ignored=ignored, definition=definition)


def _refuse_kind(spec: PoolSpec, found: ObservedPool, *, context: Context) -> None:
    before = " ".join(filter(None, (found.config.type, found.config.group)))
    context.draft.errors.append(
        RefusedError(
            f"pool.{spec.name}: it is a pool {before} and cannot become one "
            f"{' '.join(filter(None, (spec.type, spec.group)))}: all volumes in it would have to be made anew",
            resolution="add a pool of another name, and move the machines to it one by one",
            place=context.catalog.place(Kind.POOL, spec.name),
        )
    )


def _refuse_path(spec: PoolSpec, path: str | None, *, context: Context) -> None:
    context.draft.errors.append(
        RefusedError(
            f"pool.{spec.name}: its directory cannot change from {path} to {spec.path}: "
            "all volumes in it would have to be made anew",
            resolution="add a pool of another name at the new path, and move the machines to it one by one",
            place=context.catalog.place(Kind.POOL, spec.name),
        )
    )


def _create(spec: PoolSpec, wanted: LedgerEntry, *, context: Context, entry: LedgerEntry | None, xml: str) -> None:
    draft, key, host = context.draft, Key(Kind.POOL, spec.name), spec.host
    lost = entry is not None and is_ready(entry)
    config = design_pool(spec, stack=context.stack)
    for other in context.indexes[host].pools.values():
        if other.config.path is not None and clean_path(other.config.path) == config.path:
            draft.errors.append(
                ConflictError(
                    f"{key}: the storage pool {other.name!r} on host {host} has the directory {spec.path} already",
                    resolution="choose another path, or refer to that pool as an existing one",
                    place=context.catalog.place(Kind.POOL, spec.name),
                )
            )
    draft.expect_absent(host, "pool", id=spec.label, name=spec.label)
    # A pool that was there before keeps its ready entry: its directory was made, and a missing one is not mounted.
    draft.intend(wanted if lost else pending(wanted), host=host)
    define = draft.step(
        key,
        "define",
        DefinePool(pool=spec.label, xml=xml),
        host=host,
        after=context.needs(Kind.POOL, spec.name),
    )
    # The mark is made durable at once, because it alone says who made the directory.
    mark = LedgerMark(action="ready", entry=wanted)
    start = StartPool(pool=spec.label, build=not lost and spec.type == "dir")
    last = draft.step(key, "start", start, host=host, needs=(define,), marks=(mark,), flush=True)
    if spec.autostart:
        last = draft.step(key, "autostart", SetPoolAutostart(pool=spec.label, enabled=True), host=host, needs=(last,))
    draft.finish(key, last)
    draft.change(
        key,
        host=host,
        operation=Operation.CREATE,
        fields=(
            FieldChange(path="path", before=None, after=spec.path, disruption=Disruption.NONE),
            FieldChange(path="autostart", before=None, after=spec.autostart, disruption=Disruption.NONE),
        ),
        reasons=(
            ["It was removed outside vmstack and is made again; the files in its directory are kept."] if lost else ()
        ),
        place=context.catalog.place(Kind.POOL, spec.name),
    )


def _update(
    spec: PoolSpec,
    found: ObservedPool,
    wanted: LedgerEntry,
    *,
    context: Context,
    index: HostIndex,
    ignored: frozenset[str],
    definition: PoolDefinition,
) -> None:
    draft, key, host = context.draft, Key(Kind.POOL, spec.name), spec.host
    fields: list[FieldChange] = []
    reasons: list[str] = []
    last: str | None = None
    entry = index.entries[spec.label, ""]
    if definition.fields:
        define = DefinePool(pool=spec.label, xml=definition.xml)
        mark = LedgerMark(action="ready", entry=wanted)
        last = draft.step(
            key, "define", define, host=host, after=context.needs(Kind.POOL, spec.name), marks=(mark,), flush=True
        )
        fields += [
            FieldChange(path=path, before=before, after=after, disruption=Disruption.NONE)
            for path, before, after in definition.fields
        ]
        if found.active:
            reasons.append("The new definition counts from the pool's next start on.")
    if not found.active:
        # An interrupted run may have ended before the directory was built; then starting it builds what is missing.
        mark = LedgerMark(action="ready", entry=wanted)
        last = draft.step(
            key,
            "start",
            StartPool(pool=spec.label, build=resumes(entry) and spec.type == "dir"),
            host=host,
            needs=(last,),
            after=context.needs(Kind.POOL, spec.name),
            marks=(mark,),
            flush=True,
        )
        fields.append(FieldChange(path="active", before=False, after=True, disruption=Disruption.NONE))
        reasons.append("It is not active; the volumes in it could not be looked at.")
    elif entry != wanted:
        if last is None:
            draft.intend(wanted, host=host)
        if entry.protect != wanted.protect:
            fields.append(
                FieldChange(path="protect", before=entry.protect, after=wanted.protect, disruption=Disruption.NONE)
            )
    if found.autostart != spec.autostart and not is_ignored("autostart", ignored=ignored):
        effect = SetPoolAutostart(pool=spec.label, enabled=spec.autostart)
        last = draft.step(key, "autostart", effect, host=host, needs=(last,))
        fields.append(
            FieldChange(path="autostart", before=found.autostart, after=spec.autostart, disruption=Disruption.NONE)
        )
    if not fields:
        draft.unchanged += 1
        return
    if last is not None:
        draft.expect(host, found)
    draft.finish(key, last)
    draft.change(
        key,
        host=host,
        operation=Operation.UPDATE,
        fields=fields,
        reasons=reasons,
        place=context.catalog.place(Kind.POOL, spec.name),
    )


def _check_moved(spec: PoolSpec, *, context: Context) -> None:
    """Refuse a pool that only got another name in libvirt: that would be a new pool, without the old one's volumes."""
    key = Key(Kind.POOL, spec.name)
    for entry in context.indexes[spec.host].named_entries.get(key, ()):
        if entry.pool != spec.label:
            context.draft.errors.append(
                RefusedError(
                    f"{key}: its name in libvirt cannot change from {entry.pool!r} to {spec.label!r}: "
                    "all volumes in it would have to be made anew",
                    resolution="keep the name, or add a pool of another name and move the machines to it",
                    place=context.catalog.place(Kind.POOL, spec.name),
                )
            )
