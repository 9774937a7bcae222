"""Running a stack program under the Pulumi SDK, in this process and without any server.

The recipe is that of the SDK's own inline programs (pulumi/automation/_server.py): a copied context, fresh
`Settings`, a new event loop, `run_in_stack`. The caller provides the copied context.
"""

import asyncio
import contextlib
import dataclasses
import logging
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pulumi
import pulumi.runtime
from pulumi.runtime import settings
from pulumi.runtime.config import CONFIG, set_all_config
from pulumi.runtime.stack import Stack, run_in_stack

from vmstack.errors import InputError, Place, ProgramError
from vmstack.evaluate.engine.callbacks import watched
from vmstack.evaluate.engine.inputs import PLACEHOLDER
from vmstack.evaluate.engine.log import Engine
from vmstack.evaluate.engine.monitor import Monitor
from vmstack.evaluate.engine.packages import Packages
from vmstack.evaluate.engine.references import check_kept, find_text
from vmstack.evaluate.engine.transforms import no_callback_server
from vmstack.evaluate.engine.tuning import tuned
from vmstack.evaluate.isolation import execute
from vmstack.evaluate.native.base import Native
from vmstack.evaluate.project import Project
from vmstack.evaluate.recorder import Lineage, Recorder
from vmstack.model.facts import Gap
from vmstack.model.graph import Output
from vmstack.model.text import with_article


@dataclasses.dataclass(frozen=True, slots=True)
class Run:
    """What a finished program leaves besides its resources. `lineages` are by `id()` of the component object; `waiting`
    are those of them that wait for what is not known yet, or something in them does."""

    outputs: Mapping[str, Output]
    lineages: Mapping[int, Lineage]
    waiting: frozenset[int]


def run_program(project: Project, *, recorder: Recorder) -> Run:
    """Run the program to its end, callbacks of outputs included, and record the resources of its packages.

    Raises what it raised, or `ProgramError`.
    """
    packages = Packages(recorder, config=project.config)
    monitor = Monitor(recorder, packages=packages)
    engine = Engine(warn=recorder.warn)
    settings.ROOT.set(None)
    settings.Settings(
        project=project.stack.project,
        stack=project.stack.stack,
        organization="organization",  # what Pulumi calls it where there is none
        root_directory=str(project.folder),
        monitor=monitor,
        engine=engine,
        parallel=1,
        dry_run=False,  # in a dry run the SDK takes every value it does not see for unknown
    )
    _forget_environment()
    set_all_config(dict(project.config), sorted(project.secret_keys))
    CONFIG.set(_Watched(CONFIG.get(), asked=recorder.asked))

    async def program() -> None:
        module = execute(project.main)
        # Lets the registrations that the program scheduled start before outputs are gathered.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        _refuse_whole_resources()
        keep.append(module)

    keep: list[Any] = []  # callbacks run after the module's code, with its globals
    with tuned():
        with _loop() as loop, _preview(), no_callback_server(), watched(look=_look) as skipped:
            loop.run_until_complete(run_in_stack(program))
            objects = _named_objects(recorder, loop=loop)
        _check_end(engine, monitor=monitor)
        for place in skipped:
            recorder.leave_gap(Gap(what=f"the output that the function at {place} is for", hides=True, place=place))
        lineages = {identity: _lineage(urn, monitor=monitor, objects=objects) for urn, identity in objects.items()}
        outputs = monitor.outputs
        waiting: set[int] = set()
        if packages.classic is not None:
            for urn in packages.classic.deferred:
                waiting.update(_lineage(urn, monitor=monitor, objects=objects).ids)
            for entry, urn in packages.classic.entries():
                recorder.add(entry)
                if entry.wishes.parent is not None:
                    lineages[id(entry.wishes.parent)] = _lineage(urn, monitor=monitor, objects=objects)
            outputs = packages.classic.settle_outputs(outputs)
        for name, output in sorted(outputs.items()):
            if not output.known:
                recorder.leave_gap(Gap(what=f"the output {name!r}", hides=False))
        return Run(outputs=outputs, lineages=lineages, waiting=frozenset(waiting))


def _look(value: Any, place: Place) -> bool:
    """What a function is to get: not the mark of a volume whose path is not known, nor that of a secret."""
    check_kept(value, place=place, what="this function of an output")
    return find_text(value, PLACEHOLDER) is None


def _check_end(engine: Engine, *, monitor: Monitor) -> None:
    """Raise `ProgramError` unless the program came to its end without an error that it logged itself."""
    if engine.errors:
        raise ProgramError(
            f"the stack program logged an error: {engine.errors[0]}",
            details=engine.errors[1:],
            resolution="an error that a program logs stops everything, as in Pulumi; log a warning to go on",
        )
    if not monitor.finished:
        raise ProgramError("the stack program did not come to its end")


def _named_objects(recorder: Recorder, *, loop: asyncio.AbstractEventLoop) -> dict[str, int]:
    """The components and resources that native resources named, by URN."""
    names: dict[str, int] = {}
    for component in recorder.components():
        if not isinstance(component, pulumi.Resource):
            raise InputError(f"opts: {with_article(type(component).__name__)} is not a resource")
        names[loop.run_until_complete(component.urn.future()) or ""] = id(component)
    return names


def _lineage(urn: str, *, monitor: Monitor, objects: Mapping[str, int]) -> Lineage:
    """The components above a node, and which of those (and itself) native resources named."""
    path = monitor.lineage(urn)
    return Lineage(
        names=tuple(monitor.nodes[step].name for step in path if not monitor.nodes[step].custom),
        ids=tuple(objects[step] for step in path if step in objects),
    )


def _refuse_whole_resources() -> None:
    """`pulumi.export("vm", vm)` would export nothing of a native resource; say so instead."""
    root = settings.get_root_resource()
    if not isinstance(root, Stack):
        return
    for name, value in list(root.outputs.items()):
        members = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else [value]
        for member in members:
            if isinstance(member, Native):
                root.outputs.clear()  # the SDK would register them nevertheless, and fail on them in its own words
                raise InputError(
                    f"the output {name!r} is a resource: {member!r}",
                    resolution="export what is of interest of it, such as vm.ip or vm.uuid",
                )


def _forget_environment() -> None:
    """The SDK falls back to configuration in the environment, which would make plans depend on the shell."""
    for name in [name for name in os.environ if name.startswith("PULUMI_CONFIG")]:
        del os.environ[name]


class _Watched(dict[str, Any]):
    """A configuration that notes what it is asked for."""

    def __init__(self, values: Mapping[str, Any], *, asked: set[str]) -> None:
        super().__init__(values)
        self._asked = asked

    def __contains__(self, key: object) -> bool:
        self._asked.add(str(key))
        return super().__contains__(key)


class _InlineExecutor(ThreadPoolExecutor):
    """Runs calls at once in the caller's thread: the monitor never blocks, and the order is always the same."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001 - handed on by the future
            future.set_exception(error)
        return future


@contextlib.contextmanager
def _loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A new event loop, which is closed with whatever a failed program left in it."""
    loop = asyncio.new_event_loop()
    executor = _InlineExecutor(max_workers=1)
    loop.set_default_executor(executor)
    # Outputs that failed are reported by the program's own failure, not by the loop's logger too.
    loop.set_exception_handler(lambda _loop, _context: None)
    logger = logging.getLogger("asyncio")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield loop
    finally:
        pending = asyncio.all_tasks(loop)
        for task in pending:
            task.cancel()
        if pending:
            loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
        loop.close()
        executor.shutdown(wait=False)
        logger.setLevel(level)


@contextlib.contextmanager
def _preview() -> Iterator[None]:
    """Evaluating changes nothing, so programs that ask are told it is a preview."""
    asked = pulumi.runtime.is_dry_run
    setattr(pulumi.runtime, "is_dry_run", lambda: True)  # noqa: B010 - the SDK's name for users, not its own
    try:
        yield
    finally:
        setattr(pulumi.runtime, "is_dry_run", asked)  # noqa: B010
