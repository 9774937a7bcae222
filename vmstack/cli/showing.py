"""`vmstack show`."""

from collections.abc import Iterator

import msgspec

from vmstack.apply import pipeline
from vmstack.cli.holdings import Holding, HostHoldings, gather
from vmstack.cli.locks import tell_locks
from vmstack.cli.target import Target, study
from vmstack.cli.terminal import Terminal, escape
from vmstack.errors import EXIT_DONE
from vmstack.model.sizes import format_size
from vmstack.plan.pending import tell_pending

_SHOW_FORMAT = 1


def show_holdings(target: Target, terminal: Terminal, *, json: bool) -> int:
    """Print what the hosts hold of the stack."""
    desired = study(target, curious=False).desired
    with pipeline.connected(desired, open_host=pipeline.connect_to_host(readonly=True)) as drivers:
        observed = pipeline.observe_stack(desired, drivers)
    tell_locks(observed, terminal)
    hosts = gather(observed, desired=desired)
    if json:
        document = {"format": _SHOW_FORMAT, "stack": str(desired.stack), "hosts": hosts}
        terminal.say(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())
        return EXIT_DONE
    for host in hosts:
        for line in render_host(host, terminal):
            terminal.say(line)
    return EXIT_DONE


def render_host(host: HostHoldings, terminal: Terminal) -> Iterator[str]:
    """The lines of one host."""
    yield f"{terminal.paint(f'host.{escape(host.host)}', 'bold')}  {escape(host.uri)}"
    if host.last_run:
        run = host.last_run
        yield terminal.paint(f"  applied {escape(run.when)} by {escape(run.who)} on {escape(run.where)}", "dim")
    if host.locked_by:
        yield terminal.paint(f"  locked by {escape(host.locked_by)}", "yellow")
    if not host.resources:
        yield "  nothing of this stack"
    width = max((len(one.address) for one in host.resources), default=0)
    for one in host.resources:
        facts = "  ".join(_facts(one, terminal))
        yield f"  {escape(one.address):<{width}}  {facts}".rstrip()


def _facts(one: Holding, terminal: Terminal) -> Iterator[str]:
    fine = one.state in ("running", "active", "ready")
    yield terminal.paint(escape(one.state), "green" if fine else "yellow")
    if one.ready == "ok":
        yield terminal.paint("ready", "green")
    elif one.ready in ("pending", "failed"):
        words = {"pending": "not ready yet", "failed": "not ready: failed"}[one.ready]
        yield terminal.paint(words, "yellow" if one.ready == "pending" else "red")
    if one.report:
        yield f"({escape(one.report)})"
    if one.vcpus:
        yield f"{one.vcpus} vcpus"
    for size in (one.memory, one.capacity):
        if size:
            yield format_size(size)
    if one.addresses:
        yield escape(", ".join(one.addresses))
    if one.pending:
        yield terminal.paint(escape(f"pending restart: {', '.join(map(tell_pending, one.pending))}"), "yellow")
    if one.path:
        yield terminal.paint(escape(one.path), "dim")
