"""`vmstack plan -o FILE` and `vmstack show FILE`: a plan to be looked at, and to be applied later."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from vmstack import __version__
from vmstack.apply.pipeline import Planned, hosts_of
from vmstack.apply.seal import Seal, new_salt
from vmstack.cli.changes import render_diagnostics, render_plan
from vmstack.cli.plan_document import plan_document
from vmstack.cli.plan_file import read_plan_file, write_plan_file
from vmstack.cli.target import Target
from vmstack.cli.terminal import Terminal, escape
from vmstack.errors import EXIT_DONE
from vmstack.evaluate.config.passphrase import find_passphrase
from vmstack.model.graph import DesiredGraph
from vmstack.model.plan import Plan
from vmstack.plan.limits import NO_LIMITS, Limits
from vmstack.plan.policy import PlanPolicy
from vmstack.plan.saved import HostMark, SavedPlan, program_content, view_of, work_content
from vmstack.plan.terraform import encode_document

_RFC3339: Final = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What was asked for: the program as it was evaluated, and what the command line said."""

    desired: DesiredGraph
    target: Target
    policy: PlanPolicy
    limits: Limits = NO_LIMITS


def save_plan(path: Path, planned: Planned, *, plan: Plan, wish: Wish, terminal: Terminal) -> None:
    """Write the plan of `planned`, as it was judged. Raises `InputError`."""
    seal = Seal(salt=new_salt(), passphrase=find_passphrase())
    made = datetime.now(UTC).strftime(_RFC3339)
    write_plan_file(path, record(planned, plan=plan, wish=wish, seal=seal, made=made), seal=seal)
    folder = wish.target.folder
    elsewhere = "" if folder == Path() else f" -C {folder}"
    terminal.tell(f"Saved the plan. To do exactly this: {escape(f'vmstack apply {path}{elsewhere}')}")


def record(planned: Planned, *, plan: Plan, wish: Wish, seal: Seal, made: str) -> SavedPlan:
    """What a plan file holds of a plan."""
    desired, target, policy = wish.desired, wish.target, wish.policy
    document = plan_document(
        plan, desired=planned.desired, observed=planned.observed, target=target, destroy=policy.destroy, made=made
    )
    return SavedPlan(
        version=__version__,
        made=made,
        stack=desired.stack,
        hosts={
            name: HostMark(uri=spec.uri, uuid=planned.observed.hosts[name].facts.uuid)
            for name, spec in sorted(hosts_of(desired).items())
        },
        policy=policy,
        limits=wish.limits,
        config=tuple(sorted(target.config)),
        connect=target.connect is not None,
        salt=seal.salt,
        program=seal.prove(program_content(desired)),
        work=seal.prove(work_content(plan, policy=policy, limits=wish.limits)),
        view=view_of(plan),
        document=document,
    )


def show_saved(path: Path, terminal: Terminal, *, json: bool) -> int:
    """Print a saved plan as `vmstack plan` printed it, from the file alone."""
    passphrase = find_passphrase()
    saved = read_plan_file(path, passphrase=passphrase, strict=False)
    for line in render_diagnostics(saved.view.diagnostics, terminal):
        terminal.tell(line)
    if json:
        terminal.say(encode_document(saved.document).decode().rstrip("\n"))
        return EXIT_DONE
    lines = render_plan(saved.view, terminal, destroy=saved.policy.destroy)
    for line in lines:
        terminal.say(line)
    terminal.tell(f"A plan of stack {escape(str(saved.stack))}, made {saved.made} by vmstack {saved.version}.")
    return EXIT_DONE
