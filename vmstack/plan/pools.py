"""Storage pools: define, start, autostart; references to existing ones; free space."""

import msgspec

from vmstack.errors import ConflictError, InputError, RefusedError
from vmstack.model.effects import AnyEffect, DefinePool, RebuildPool, RemovePool, SetPoolAutostart, StartPool
from vmstack.model.identity import Key, Kind
from vmstack.model.observed import ObservedPool
from vmstack.model.ownership import EntryState, LedgerEntry
from vmstack.model.plan import Disruption, FieldChange, LedgerMark, Operation
from vmstack.model.specs import PoolSpec
from vmstack.model.text import import_command
from vmstack.plan.changes.row import Case, Noun, VmState
from vmstack.plan.changes.table import disruption_of
from vmstack.plan.context import Context
from vmstack.plan.design import clean_path
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
    if _is_renamed(spec, context=context):
        return
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
        if _is_empty(found, index=index, context=context):
            _move(spec, found, wanted, context=context, entry=index.entries[spec.label, ""], xml=definition.xml)
        else:
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


def _is_empty(found: ObservedPool, *, index: HostIndex, context: Context) -> bool:
    """Whether it is known that nothing is in the pool, and nothing of the stack is to be."""
    entries = [entry for entry in index.entries.values() if entry.pool == found.name and entry.label]
    return found.volumes == () and not entries and not any(pool == found.name and label for pool, label in index.others)


def _move(
    spec: PoolSpec, found: ObservedPool, wanted: LedgerEntry, *, context: Context, entry: LedgerEntry, xml: str
) -> None:
    """An empty pool is another one at its new path: the old directory goes if vmstack made it and it is empty."""
    draft, key, host = context.draft, Key(Kind.POOL, spec.name), spec.host
    _check_path_is_free(spec, context=context)
    draft.expect(host, found)
    moved = msgspec.structs.replace(wanted, built=False)
    draft.intend(pending(moved), host=host)
    remove = RemovePool(pool=spec.label, remove_directory=entry.built and found.config.path == entry.path)
    gone = draft.step(key, "remove", remove, host=host, after=context.needs(Kind.POOL, spec.name))
    define = draft.step(key, "define", DefinePool(pool=spec.label, xml=xml), host=host, needs=(gone,))
    mark = LedgerMark(action="ready", entry=moved)
    start = StartPool(pool=spec.label, build=spec.type == "dir")
    last = draft.step(key, "start", start, host=host, needs=(define,), marks=(mark,), flush=True)
    if spec.autostart:
        last = draft.step(key, "autostart", SetPoolAutostart(pool=spec.label, enabled=True), host=host, needs=(last,))
    draft.finish(key, last)
    draft.change(
        key,
        host=host,
        operation=Operation.REPLACE,
        fields=(FieldChange(path="path", before=found.config.path, after=spec.path, disruption=_class("path")),),
        reasons=("There is nothing in it: it is defined anew at the other path.",),
        place=context.catalog.place(Kind.POOL, spec.name),
    )


def _class(path: str) -> Disruption:
    return disruption_of(path, case=Case.POOL_DEFINITION, state=VmState.STOPPED, noun=Noun.POOL)


def _check_path_is_free(spec: PoolSpec, *, context: Context) -> None:
    for other in context.indexes[spec.host].pools.values():
        if other.name == spec.label or other.config.path is None:
            continue
        if clean_path(other.config.path) == clean_path(spec.path):
            context.draft.errors.append(
                ConflictError(
                    f"pool.{spec.name}: the storage pool {other.name!r} on host {spec.host} has the directory "
                    f"{spec.path} already",
                    resolution="choose another path, or refer to that pool as an existing one",
                    place=context.catalog.place(Kind.POOL, spec.name),
                )
            )


def _create(spec: PoolSpec, wanted: LedgerEntry, *, context: Context, entry: LedgerEntry | None, xml: str) -> None:
    draft, key, host = context.draft, Key(Kind.POOL, spec.name), spec.host
    lost = entry is not None and is_ready(entry)
    _check_path_is_free(spec, context=context)
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
        # Building another kind of pool could make a new one over what is there.
        rebuilds = (
            spec.type == "dir" and found.active and any(path == "permissions" for path, _, _ in definition.fields)
        )
        define: AnyEffect = DefinePool(pool=spec.label, xml=definition.xml)
        if rebuilds:
            define = RebuildPool(pool=spec.label, xml=definition.xml)
            reasons.append("The pool is off for a moment while its directory gets them; guests do not notice.")
        mark = LedgerMark(action="ready", entry=wanted)
        last = draft.step(
            key,
            "rebuild" if rebuilds else "define",
            define,
            host=host,
            after=context.needs(Kind.POOL, spec.name),
            marks=(mark,),
            flush=True,
        )
        fields += [
            FieldChange(path=path, before=before, after=after, disruption=_class(path))
            for path, before, after in definition.fields
        ]
        if found.active and not rebuilds:
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


def _is_renamed(spec: PoolSpec, *, context: Context) -> bool:
    """Refuse a pool that only got another name in libvirt: that would be a new pool, without the old one's volumes."""
    key = Key(Kind.POOL, spec.name)
    renamed = False
    for entry in context.indexes[spec.host].named_entries.get(key, ()):
        if entry.pool != spec.label:
            renamed = True
            context.draft.errors.append(
                RefusedError(
                    f"{key}: its name in libvirt cannot change from {entry.pool!r} to {spec.label!r}: "
                    "all volumes in it would have to be made anew",
                    resolution="keep the name, or add a pool of another name and move the machines to it",
                    place=context.catalog.place(Kind.POOL, spec.name),
                )
            )
    return renamed
