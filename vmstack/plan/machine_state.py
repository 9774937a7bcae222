"""The state of a VM, and what becomes of its readiness."""

from vmstack.model.configs import DiskConfig, DomainConfig
from vmstack.model.observed import ObservedDomain
from vmstack.model.ownership import Stamp
from vmstack.model.specs import VmSpec
from vmstack.plan.changes.row import VmState
from vmstack.plan.seeds import SEED_SERIAL


def state_of(domain: ObservedDomain) -> VmState:
    """The state as the change table knows it; whatever else an active guest is in counts as running."""
    if not domain.active:
        return VmState.SAVED if domain.has_managed_save else VmState.STOPPED
    return VmState.PAUSED if domain.state == "paused" else VmState.RUNNING


def boot_disk(config: DomainConfig) -> DiskConfig | None:
    """The disk that the firmware boots from: of those it can write, the one in the first slot."""
    disks = [disk for disk in config.disks if disk.device == "disk" and not disk.readonly]
    return min(disks, key=lambda disk: (len(disk.target), disk.target), default=None)


def readiness_after(old: Stamp | None, *, spec: VmSpec, anew: bool) -> dict[str, object]:
    """The stamp's fields on readiness: pending where the guest must report again, else as they are."""
    if old is None or anew:
        return {"ready": "pending" if spec.reports else "none", "report": None}
    if not old.digest and not old.intact:
        # Its stamp was lost. It was ready when it was noted that it is there, and does not report a second time.
        return {"ready": "ok" if spec.reports else "none", "report": None}
    checked = spec.reports and spec.restarts.health is not None
    if old.ready == "none" and (checked or (spec.ready_timeout is not None and spec.seed is not None)):
        return {"ready": "pending", "report": None}
    if old.ready == "pending" and not spec.reports:
        return {"ready": "none", "report": None}
    return {"ready": old.ready, "report": old.report}


def seed_waits_for_boot(target: DomainConfig, domain: ObservedDomain) -> bool:
    """Whether the running guest still has another seed than it is to have, so that it cannot report for the new one.

    One that was plugged in without what cloud-init knows it by is for its next boot, too.
    """
    if domain.live is None:
        return False
    unmarked = target.smbios_serial is not None and domain.live.smbios_serial != target.smbios_serial
    return unmarked or _seed_path(target) != _seed_path(domain.live)


def _seed_path(config: DomainConfig) -> str | None:
    return next((disk.path for disk in config.disks if disk.serial == SEED_SERIAL), None)
