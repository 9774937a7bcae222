"""What others changed of one VM since it was applied last."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from vmstack.model.drift import DriftKind
from vmstack.model.observed import ObservedDomain
from vmstack.model.specs import Power
from vmstack.plan.adopted import adopted_of
from vmstack.plan.applied import AppliedDomain
from vmstack.plan.domain_diff import Difference, differences, leftovers, settle_target
from vmstack.plan.foreign_values import foreign_values
from vmstack.plan.ignore import is_ignored
from vmstack.plan.machine_diff import find_differences
from vmstack.plan.pending import pending_restart


class Found(NamedTuple):
    """One thing that drifted: `Drift` but for what apply does about it, which the plan knows."""

    kind: DriftKind
    path: str
    was: object
    now: object
    note: str | None = None


def find_machine_drift(
    domain: ObservedDomain, applied: AppliedDomain, *, ignored: frozenset[str], nic_names: Mapping[str, str]
) -> Iterator[Found]:
    """Yield what of a VM is not as it was applied last. `ignored` are fields whose value the program leaves to others.

    Both definitions count, and what is kept beside them; what only waits for a restart is told as such.
    """
    if not domain.persistent:
        yield Found(DriftKind.DEFINITION, "definition", "present", "removed", note="the guest still runs")
    fields = field_drift(domain, applied, ignored=ignored, nic_names=nic_names)
    for item in fields:
        yield Found(DriftKind.FIELD, item.path, item.after, item.before)
    extras = tuple(_extras(domain, applied, ignored=ignored, nic_names=nic_names))
    yield from extras
    now = power_of(domain)
    if now != applied.power.value and not is_ignored("power", ignored=ignored):
        yield Found(DriftKind.POWER, "power", applied.power.value, now)
    if domain.autostart != applied.autostart and not is_ignored("autostart", ignored=ignored):
        yield Found(DriftKind.AUTOSTART, "autostart", applied.autostart, domain.autostart)
    told = {item.path for item in fields} | {item.path for item in extras}
    pending = pending_restart(domain, nic_names=nic_names)
    edited = _edited(domain, applied, nic_names=nic_names) if pending else frozenset()
    for waiting in pending:
        if waiting.path not in told and not is_ignored(waiting.path, ignored=ignored):
            note = f"from its next start on: {'absent' if waiting.defined is None else waiting.defined}"
            # What was changed is its definition, or else the guest.
            values = (waiting.defined, waiting.running)
            was, is_now = reversed(values) if waiting.path in edited else values
            yield Found(DriftKind.PENDING, waiting.path, was, is_now, note=note)


def _edited(domain: ObservedDomain, applied: AppliedDomain, *, nic_names: Mapping[str, str]) -> frozenset[str]:
    """The fields in which a definition is not as it was applied."""
    made = applied.made or applied.config
    return frozenset(item.path for item in differences(made, domain.config, nic_names=dict(nic_names)))


def field_drift(
    domain: ObservedDomain, applied: AppliedDomain, *, ignored: frozenset[str], nic_names: Mapping[str, str]
) -> tuple[Difference, ...]:
    """The fields that the stack wrote and that are otherwise now; `before` is what they are."""
    owned = frozenset(domain.stamp.fields if domain.stamp is not None else ())
    names = dict(nic_names)
    target = settle_target(applied.config, observed=domain.config, owned=owned, ignored=ignored, nic_names=names)
    return find_differences(
        target, domain, design=applied.config, drop_disks=(), drop_nics=(), under=(), nic_names=names
    ).found


def power_of(domain: ObservedDomain) -> str:
    """The power state in the words of a program, as far as it has one."""
    if domain.active:
        return domain.state
    return "stopped, with a saved state" if domain.has_managed_save else Power.STOPPED.value


def _extras(
    domain: ObservedDomain, applied: AppliedDomain, *, ignored: frozenset[str], nic_names: Mapping[str, str]
) -> Iterator[Found]:
    """Devices that others gave it, and values that they set where the stack says nothing."""
    owned, names = frozenset(domain.stamp.fields if domain.stamp is not None else ()), dict(nic_names)
    ours = settle_target(applied.config, observed=domain.config, owned=owned, ignored=ignored, nic_names=names)
    found: dict[str, Found] = {}
    adopted = adopted_of(domain)
    left = adopted.left if adopted is not None else ()
    for config in (domain.live, domain.config):
        if config is not None:
            for extra in leftovers(ours, config, owned=frozenset(), ignored=ignored)[2]:
                if extra.path in domain.lingering or extra.path in left:
                    continue  # that waits for a restart, or was there when the domain was taken over
                found[extra.path] = Found(DriftKind.EXTRA, extra.path, None, extra.what)
    known = {item.path for item in differences(ours, domain.config, nic_names=names)}
    if adopted is not None:
        yield from (found[path] for path in sorted(found))
        return  # nothing tells what it had before that
    for value in foreign_values(applied.made or applied.config, domain.config, ignored=ignored, nic_names=names):
        if value.path not in known:
            found[value.path] = Found(DriftKind.EXTRA, value.path, None, value.value)
    yield from (found[path] for path in sorted(found))
