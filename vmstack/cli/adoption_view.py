"""The preview of a takeover: what becomes the stack's, what does not, and what a plan after it would do."""

from collections.abc import Iterable, Iterator

from vmstack.cli.changes import render_diagnostics, render_plan
from vmstack.cli.failures import render_failure
from vmstack.cli.terminal import Terminal, escape
from vmstack.plan.adoption import Adoption


def render_adoption(adoption: Adoption, terminal: Terminal, *, origin: str, alone: bool = False) -> Iterator[str]:
    """The lines of a preview: what is taken over, what is not and why, and what a plan after it would do.

    `alone`: one object is taken over, and nothing is said of the rest of the program.
    """
    if adoption.takings:
        yield f"vmstack will take over what {escape(origin)} holds. It notes on the hosts that these objects are the"
        yield "stack's, and changes nothing else of them; no guest is touched."
        yield ""
        for taking in adoption.takings:
            what = f"{taking.key}  {taking.thing.name!r} on {taking.host}"
            yield f"{terminal.paint('  =', 'cyan')} {escape(what)}  ({escape(taking.claim.address)})"
        yield ""
    yield from _listed("The stack's already:", (str(key) for key in adoption.held))
    absent = (f"{key}  {claim.id}  ({claim.address})" for key, claim in adoption.absent)
    yield from _listed("Not found on its host; the next apply makes it:", absent)
    missing = (str(key) for key in adoption.missing if key not in set(adoption.held) and not alone)
    yield from _listed("In the program and not in the state; the next apply makes it:", missing)
    strangers = (f"{claim.address}  {claim.label or claim.id}" for claim in adoption.strangers)
    yield from _listed("In the state and not in the program; left as it is:", strangers)
    unclaimed = (f"{item.address}  {item.why}" for item in adoption.unclaimed)
    yield from _listed("Not taken over; left as it is:", unclaimed)
    yield from _render_after(adoption, terminal)
    yield (
        f"{terminal.paint('Import:', 'bold')} {len(adoption.takings)} to take over, {len(adoption.held)} held already, "
        f"{len(adoption.absent)} not found, {len(adoption.strangers) + len(adoption.unclaimed)} left as they are."
    )


def _listed(title: str, items: Iterable[str]) -> Iterator[str]:
    lines = [f"      {escape(item)}" for item in items]
    if lines:
        yield title
        yield from lines
        yield ""


def _render_after(adoption: Adoption, terminal: Terminal) -> Iterator[str]:
    if adoption.trouble is not None:
        what = "Nothing can be taken over" if adoption.blocked else "A plan after it is refused"
        yield terminal.paint(f"{what} until this is mended:", "bold", "yellow")
        yield from (f"      {line}" for line in render_failure(adoption.trouble, terminal))
        yield ""
    elif adoption.after is not None and adoption.after.empty:
        yield "A plan after it is empty: the program says what is there."
        yield ""
    elif adoption.after is not None:
        yield terminal.paint("A plan after it, which import does not carry out:", "bold", "yellow")
        for line in render_diagnostics(adoption.after.diagnostics, terminal):
            yield f"      {line}"
        yield from (f"      {line}".rstrip() for line in render_plan(adoption.after, terminal))
        yield ""
