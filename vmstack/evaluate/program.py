"""Evaluating a stack program: a project folder in, a desired graph out, and no host touched."""

import contextlib
import contextvars
import difflib
import functools
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

import msgspec

from vmstack.errors import ProgramError, VmstackError
from vmstack.evaluate.config.limits import limits_of
from vmstack.evaluate.config.redaction import Redactor
from vmstack.evaluate.config.secrets import Ask
from vmstack.evaluate.config.values import qualify
from vmstack.evaluate.failures import check_wanted, explain_failure, place_failure
from vmstack.evaluate.hooks import Hooks
from vmstack.evaluate.isolation import Habitat, PulumiWantedError, execute, tripwire
from vmstack.evaluate.policies import NO_POLICIES, Policies, forget_modules
from vmstack.evaluate.project import Project, read_project
from vmstack.evaluate.recorder import Notice, Recorder
from vmstack.evaluate.session import SESSION
from vmstack.model.facts import Facts
from vmstack.model.graph import DesiredGraph
from vmstack.plan.limits import NO_LIMITS, Limits
from vmstack.plan.validation import check_graph


@dataclass(frozen=True, slots=True)
class Rules:
    """What a stack says of its own plans: the limits of its configuration and the policies of its program."""

    limits: Limits = NO_LIMITS
    policies: Policies = NO_POLICIES

    def joined(self, earlier: "Rules") -> "Rules":
        """These, and the policies of an earlier evaluation that this one did not meet again: none gets lost."""
        known = {(one.name, one.place) for one in self.policies.rules}
        lost = tuple(one for one in earlier.policies.rules if (one.name, one.place) not in known)
        return replace(self, policies=replace(self.policies, rules=(*self.policies.rules, *lost)))


Heed = Callable[[Rules], None]
_Said = tuple[DesiredGraph, Recorder, Habitat]
_NO_FACTS: Final = Facts()
_NO_CONFIG: Final[Mapping[str, str]] = MappingProxyType({})
_IMPORTS_PULUMI: Final = re.compile(rb"^\s*(?:import|from)\s+pulumi\b", re.MULTILINE)


def evaluate(
    folder: Path,
    *,
    stack: str | None = None,
    config: Mapping[str, str] = _NO_CONFIG,
    connect: str | None = None,
    ask: Ask | None = None,
    facts: Facts = _NO_FACTS,
    notice: Notice | None = None,
    heed: Heed | None = None,
    hooks: Hooks | None = None,
) -> DesiredGraph:
    """Run the stack program of a project folder and return what it wants, whole or not at all.

    `stack` chooses the stack, `config` overrides its configuration, `connect` the URI of the only host, `ask` gets the
    passphrase of encrypted configuration where the environment has none, `facts` are what hosts told so far, `notice`
    is told early which hosts the program uses, `heed` what the stack says of its plans, `hooks` get its functions for
    apply. Raises `FactsWantedError` where the program cannot go on without asking one, and `InputError`,
    `ConflictError` or `ProgramError` (or a group of them); no text of theirs holds a secret of the configuration.
    """
    origin = Path.cwd()
    project = read_project(folder, stack=stack, overrides=config, ask=ask)
    redactor = Redactor(project.hidden)
    try:
        recorder = functools.partial(
            Recorder,
            project.stack,
            folder=project.main.parent,
            origin=origin,
            connect=connect,
            notice=notice,
            hooks=hooks,
        )
        limits = limits_of(project.config)
        scene = contextvars.copy_context()
        graph, said, habitat = scene.run(_evaluate, project, recorder=recorder, facts=facts)
        check_graph(graph)
    except VmstackError as error:
        redactor.clean_error(error)
        raise
    if hooks is not None:
        hooks.belong(habitat, redactor=redactor)
    if heed is not None:
        heed(Rules(limits=limits, policies=Policies(tuple(said.policies), project, scene, habitat)))
    idle = _unread(config, said.asked, project=project.stack.project)
    warnings = tuple(map(redactor.clean, (*project.notes, *idle, *graph.warnings)))
    return graph if warnings == graph.warnings else msgspec.structs.replace(graph, warnings=warnings)


def _evaluate(project: Project, *, recorder: Callable[..., Recorder], facts: Facts) -> _Said:
    """Pulumi takes longer to import than most programs to run, so it is set up only for those that import it."""
    if "pulumi" not in sys.modules and not _IMPORTS_PULUMI.search(project.main.read_bytes()):
        with contextlib.suppress(PulumiWantedError):
            return _attempt(project, recorder=recorder(), with_pulumi=False)
        # A module of the program or a library imports it: start over, with the runtime.
    return _attempt(project, recorder=recorder(facts=facts), with_pulumi=True)


def _attempt(project: Project, *, recorder: Recorder, with_pulumi: bool) -> _Said:
    token = SESSION.set(recorder)
    habitat = Habitat(project.main, libraries=project.libraries)
    try:
        with habitat.entered():
            graph = _run(project, recorder=recorder, with_pulumi=with_pulumi)
        if not recorder.policies and recorder.hooks.empty:
            habitat.forget_modules()  # so that one evaluation does not outlive itself
        return graph, recorder, habitat
    except (PulumiWantedError, KeyboardInterrupt):
        raise
    except VmstackError as error:
        check_wanted(recorder)  # what failed may have failed for want of an answer
        place_failure(error, folder=project.main.parent)
        raise
    except MemoryError:
        raise ProgramError("the stack program ran out of memory") from None
    except BaseException as error:
        check_wanted(recorder)
        raise explain_failure(error, folder=project.main.parent, project=project.stack.project) from error
    finally:
        SESSION.reset(token)
        forget_modules(recorder.policies)


def _run(project: Project, *, recorder: Recorder, with_pulumi: bool) -> DesiredGraph:
    if not with_pulumi:
        with tripwire():
            module = execute(project.main)
        graph = recorder.graph(outputs={}, lineages={})
        if not recorder.policies:
            module.__dict__.clear()  # functions and their globals hold each other, and all of the evaluation
        return graph
    from vmstack.evaluate.engine.runtime import run_program

    run = run_program(project, recorder=recorder)
    check_wanted(recorder)
    return recorder.graph(outputs=run.outputs, lineages=run.lineages, waiting=run.waiting)


def _unread(config: Mapping[str, str], asked: Collection[str], *, project: str) -> Iterator[str]:
    """Warnings of what the command line sets for the program and the program does not ask for."""
    own = f"{project}:"
    for given in config:
        key = qualify(given, project=project, what="-c")
        if key.startswith(own) and key not in asked:
            known = [name.removeprefix(own) for name in sorted(asked) if name.startswith(own)]
            close = difflib.get_close_matches(key.removeprefix(own), known, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            yield f"-c {given} has no effect: the program does not read it{hint}"
