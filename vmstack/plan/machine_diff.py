"""All that differs in one VM, persistent and live, with the case of each under the circumstances."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from vmstack.model.configs import DiskConfig, DomainConfig, NicConfig
from vmstack.model.observed import ObservedDomain
from vmstack.model.plan import Disruption
from vmstack.plan.changes.row import Case, VmState
from vmstack.plan.changes.table import disruption_of
from vmstack.plan.device_cases import can_hot_plug, can_hot_unplug, takes_port
from vmstack.plan.domain_diff import Difference, differences, disk_path, is_written, nic_path, nic_place
from vmstack.plan.ignore import is_ignored
from vmstack.plan.machine_state import boot_disk
from vmstack.plan.pending import Pending, pending_restart

# What is put right in place where only the running guest has it otherwise.
_IN_PLACE: Final = frozenset({
    Case.VCPUS_UP, Case.HOT_PLUG, Case.DEVICE_UPDATE, Case.MEDIUM, Case.IO_LIMITS, Case.IO_THREADS, Case.TUNED,
})  # fmt: skip
_RESTART: Final = Disruption.RESTART


class Search(NamedTuple):
    """`found` must be acted upon; `waiting` are fields that the running guest gets only at its next start."""

    found: tuple[Difference, ...]
    waiting: tuple[Pending, ...]


def find_differences(
    target: DomainConfig,
    domain: ObservedDomain,
    *,
    design: DomainConfig,
    drop_disks: tuple[DiskConfig, ...],
    drop_nics: tuple[NicConfig, ...],
    under: tuple[Difference, ...],
    nic_names: dict[str, str],
    ignored: frozenset[str] = frozenset(),
) -> Search:
    """Compare with the persistent definition and, where the guest runs, with the live one, but for `ignored` fields.

    `design` is what the program says, `target` that with the values of others where it says nothing.
    """
    live = (domain.live or domain.config) if domain.active else None
    # What others gave to the running guest alone is theirs.
    owned = domain.stamp.fields if domain.stamp is not None else ()
    found = list(differences(target, domain.config, nic_names=nic_names, live=live))
    if live is not None:
        known = {item.path for item in found}
        fixable = [
            item
            for item in differences(target, live, nic_names=nic_names, live=live)
            if item.path not in known
            and not is_ignored(item.path, ignored=ignored)
            and (item.after is not None or is_written(item.path, device=item.device, owned=owned))
            and _fixable(item, target=target, live=live)
        ]
        if fixable:  # what others gave to its definition alone is theirs, too, and waits for its next start
            of_ours = differences(design, live, nic_names=nic_names, live=live)
            said = {item.path for item in of_ours if item.after is not None}
            found += [item for item in fixable if item.after is None or item.path in said]
        found = _plug(found, target=target, live=live, ports=domain.free_ports or 0)
        found = list(_undone(found, target=target, live=live, nic_names=nic_names))
    for disk in drop_disks:
        found.append(
            Difference(disk_path(disk), disk.path or disk.url, None, _unplug(disk, domain=domain), disk.serial)
        )
    for nic in drop_nics:
        before = nic_place(nic)
        found.append(Difference(nic_path(nic, names=nic_names), before, None, Case.HOT_UNPLUG, nic.mac))
    known = {item.path for item in found}
    waiting = tuple(item for item in pending_restart(domain, nic_names=nic_names) if item.path not in known)
    return Search(tuple(sorted((*found, *under), key=_path)), waiting)


def _undone(
    found: list[Difference], *, target: DomainConfig, live: DomainConfig, nic_names: dict[str, str]
) -> Iterator[Difference]:
    """Have no restart for what the running guest has as it should be, and only its definition has otherwise."""
    needs = {item.path for item in found if disruption_of(item.path, case=item.case, state=VmState.RUNNING) is _RESTART}
    if needs:
        needs -= {item.path for item in differences(target, live, nic_names=nic_names, live=live)}
    for item in found:
        yield item._replace(case=Case.UNDONE) if item.path in needs else item


def _path(item: Difference) -> str:
    return item.path


def _fixable(item: Difference, *, target: DomainConfig, live: DomainConfig) -> bool:
    """Whether a field that only the running guest has otherwise can be put right while it runs.

    A guest that has more memory than it should is not: its balloon may not be inflated yet, or never be.
    """
    if item.case is Case.MEMORY_WITHIN:
        return live.memory_kib < target.memory_kib
    return item.case in _IN_PLACE


def _plug(found: list[Difference], *, target: DomainConfig, live: DomainConfig, ports: int) -> list[Difference]:
    """Decide which additions can be hot-plugged: all of them, or none, so that one restart serves all."""
    added = [item.device or "" for item in found if item.case is Case.HOT_PLUG]
    hot = sum(takes_port(device, target=target) for device in added) <= ports and all(
        can_hot_plug(device, target=target, live=live) for device in added
    )
    if hot:
        return found
    return [item._replace(case=Case.COLD_PLUG) if item.case is Case.HOT_PLUG else item for item in found]


def _unplug(disk: DiskConfig, *, domain: ObservedDomain) -> Case:
    """The disk that a guest booted from cannot be taken from under it; nor can one on a SATA bus."""
    boot = boot_disk(domain.live or domain.config)
    boots = boot is not None and boot.target == disk.target
    return Case.COLD_UNPLUG if boots or not can_hot_unplug(disk) else Case.HOT_UNPLUG
