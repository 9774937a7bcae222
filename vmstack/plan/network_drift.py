"""What others changed of one network since it was applied last."""

from collections.abc import Iterator

from vmstack.model.drift import DriftKind
from vmstack.model.observed import ObservedNetwork
from vmstack.plan.applied import AppliedNetwork
from vmstack.plan.changes.row import Case, VmState
from vmstack.plan.ignore import is_ignored
from vmstack.plan.machine_drift import Found
from vmstack.plan.network_diff import NetworkDiff, compare_networks
from vmstack.plan.network_fields import update_fields


def find_network_drift(
    network: ObservedNetwork, applied: AppliedNetwork, *, ignored: frozenset[str]
) -> Iterator[Found]:
    """Yield what of a network is not as it was applied last. `ignored` as of a VM."""
    diff = network_diff(network, applied, ignored=ignored)
    if not network.persistent:
        yield Found(DriftKind.DEFINITION, "definition", "present", "removed", note="the network still runs")
    if not network.active:
        yield Found(DriftKind.INACTIVE, "active", "active", "inactive")
    state = VmState.RUNNING if network.active else VmState.STOPPED
    for path, now, was in diff.fields:
        yield Found(DriftKind.FIELD, path, was, now)
    for change in update_fields(diff, case=Case.NETWORK_UPDATE, state=state):
        yield Found(DriftKind.FIELD, change.path, change.after, change.before)
    for extra in diff.extras:
        yield Found(DriftKind.EXTRA, extra, None, "present")
    if network.autostart != applied.autostart and not is_ignored("autostart", ignored=ignored):
        yield Found(DriftKind.AUTOSTART, "autostart", applied.autostart, network.autostart)
    for path in diff.waiting:
        yield Found(DriftKind.PENDING, path, None, None, note="its definition says otherwise; it is not started anew")


def network_diff(network: ObservedNetwork, applied: AppliedNetwork, *, ignored: frozenset[str]) -> NetworkDiff:
    """The network as it was applied against the one that is there; what differs is drift."""
    owned = frozenset(network.stamp.fields if network.stamp is not None else ())
    return compare_networks(applied.config, network.config, live=network.live, owned=owned, ignored=ignored)
