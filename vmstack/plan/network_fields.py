"""Updates of a network as fields that people read."""

from vmstack.model.plan import Disruption, FieldChange
from vmstack.model.specs import DnsHost, DnsSrv, DnsTxt
from vmstack.model.traffic import PortGroup
from vmstack.plan.changes.row import Case, Noun, VmState
from vmstack.plan.changes.table import disruption_of
from vmstack.plan.network_diff import NetworkDiff, describe_port_group
from vmstack.plan.network_updates import Entry, Lease


def update_fields(diff: NetworkDiff, *, case: Case, state: VmState) -> list[FieldChange]:
    """The updates as fields: a removal and an addition of one path are one change."""
    befores: dict[str, object] = {}
    afters: dict[str, object] = {}
    for update in diff.updates:
        if update.before is not None:
            befores[update.path] = _shown(update.before)
        if update.after is not None:
            afters[update.path] = _shown(update.after)
    return [
        FieldChange(
            path=path,
            before=befores.get(path),
            after=afters.get(path),
            disruption=class_of(path, case=case, state=state),
        )
        for path in sorted(befores.keys() | afters.keys())
    ]


def class_of(path: str, *, case: Case, state: VmState) -> Disruption:
    """Look the class of a network's field up."""
    return disruption_of(path, case=case, state=state, noun=Noun.NETWORK)


def _shown(entry: Entry) -> str:
    match entry:
        case Lease(reservation=reservation):
            return " ".join(filter(None, (reservation.ip, reservation.name)))
        case DnsHost(hostnames=names):
            return " ".join(names)
        case DnsSrv():
            return f"priority {entry.priority or 0}, weight {entry.weight or 0}"
        case DnsTxt(value=value):
            return value
        case PortGroup():
            return describe_port_group(entry)
    return str(entry)
