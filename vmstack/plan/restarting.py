"""Whether a guest is restarted for what cannot change while it runs: the policy of each VM.

By `restart="now"` a guest is restarted for whatever needs it, also for what its definition has already and it waits
for, as after an apply that was interrupted. By `restart="defer"` such a change goes into the definition alone, and
whoever restarts the guest next brings it about.
"""

from typing import Final

from vmstack.model.observed import ObservedDomain
from vmstack.model.plan import Disruption
from vmstack.model.specs import VmSpec
from vmstack.plan.changes.row import Case, VmState
from vmstack.plan.changes.table import disruption_of
from vmstack.plan.domain_diff import Difference, is_optional, is_written
from vmstack.plan.ignore import is_ignored
from vmstack.plan.machine_diff import Search
from vmstack.plan.machine_state import state_of
from vmstack.plan.pending import Pending

# What is new in these is for the next start by design, whatever else happens.
_NEXT_BOOT: Final = frozenset({"cloud_init", "ignition"})
# What cannot wait for a start at another time: the guest is off while something is made anew under it.
_NOW: Final = frozenset({Case.VOLUME_UNDER, Case.NETWORK_REPLACE, Case.REMADE})


def settle_restart(
    search: Search, *, spec: VmSpec, domain: ObservedDomain, wants_running: bool, ignored: frozenset[str]
) -> Search:
    """What must be acted upon and what waits, by the policy. A guest that is off, or goes off, waits for nothing."""
    if not domain.active or not wants_running or domain.state == "crashed":
        return search
    if spec.restarts.policy == "defer":
        return Search(tuple(_deferred(item, state=state_of(domain)) for item in search.found), search.waiting)
    due = tuple(
        item
        for item in search.waiting
        if item.path not in _NEXT_BOOT and not is_ignored(item.path, ignored=ignored) and _is_ours(item, domain=domain)
    )
    found = (Difference(item.path, item.running, item.defined, Case.PENDING, item.device) for item in due)
    rest = tuple(item for item in search.waiting if item not in due)
    return Search(tuple(sorted((*search.found, *found), key=lambda item: item.path)), rest)


def _is_ours(item: Pending, *, domain: ObservedDomain) -> bool:
    """Whether to restart a guest for it, and not leave what others gave it or its definition to its next start."""
    owned = (*domain.stamp.fields, *domain.lingering) if domain.stamp is not None else ()
    if is_written(item.path, device=item.device, owned=owned):
        return True
    # A stamp lists only those fields of a device that may be left open.
    listed = any(f"{kind}[{item.device}]" in owned for kind in ("disks", "nics"))
    return item.defined is not None and listed and not is_optional(item.path)


def _deferred(item: Difference, *, state: VmState) -> Difference:
    needs_restart = disruption_of(item.path, case=item.case, state=state) is Disruption.RESTART
    waits = needs_restart and item.case not in _NOW and item.path != "label"
    return item._replace(case=Case.DEFERRED) if waits else item
