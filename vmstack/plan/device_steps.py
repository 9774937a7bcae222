"""What is done to the devices of a running guest, and in which order: what goes, what comes, what changes in place."""

from collections.abc import Iterator
from typing import NamedTuple

from vmstack.model.configs import DomainConfig
from vmstack.model.effects import AnyEffect, AttachDevice, SetIoThreads, SetIoTune, UpdateDevice
from vmstack.model.hardware import FilesystemSpec, HostDeviceSpec, IoTuneSpec
from vmstack.model.observed import ObservedDomain
from vmstack.plan.adopted import adopted_of, real_disk
from vmstack.plan.changes.row import Case
from vmstack.plan.handovers import Handovers
from vmstack.plan.machine_decision import MachineDecision
from vmstack.plan.parts import keyed
from vmstack.xmlio.console import write_channel
from vmstack.xmlio.domain import rewrite_disk, rewrite_nic, write_disk, write_nic
from vmstack.xmlio.host_devices import write_host_device
from vmstack.xmlio.peripherals import KINDS, write_peripheral
from vmstack.xmlio.shares import write_filesystem


class DeviceStep(NamedTuple):
    """A step: its verb, its effect, and what must have happened elsewhere before."""

    verb: str
    effect: AnyEffect
    needs: tuple[str, ...] = ()


def leaving_devices(decision: MachineDecision, found: ObservedDomain) -> Iterator[tuple[str, str]]:
    """What the guest is asked to let go of, first what goes for good: what it is known by, and its XML."""
    adopted, now = adopted_of(found), _devices(decision, Case.HOT_UNPLUG)
    for disk in decision.drop_disks:
        if disk.serial in now:
            yield disk.serial or disk.target, write_disk(real_disk(disk, adopted=adopted))
    for nic in decision.drop_nics:
        if nic.mac in now:
            yield nic.mac, write_nic(nic)
    dropped = {disk.serial for disk in decision.drop_disks} | {nic.mac for nic in decision.drop_nics}
    for case in (Case.HOT_UNPLUG, Case.REPLUG):
        for device in _devices(decision, case):
            if device not in dropped:
                yield device, _write(device, found.config) or _write(device, found.live or found.config) or ""


def changing_devices(decision: MachineDecision, found: ObservedDomain) -> Iterator[DeviceStep]:
    """What changes in place. Threads come before the disks that they serve."""
    uuid, name, target, adopted = found.uuid, found.name, decision.target, adopted_of(found)
    if any(item.case is Case.IO_THREADS for item in decision.differences):
        yield DeviceStep("iothreads", SetIoThreads(uuid=uuid, name=name, count=target.iothreads or 0, live=True))
    media, moved = _devices(decision, Case.MEDIUM), _devices(decision, Case.DEVICE_UPDATE)
    limited, again = _devices(decision, Case.IO_LIMITS), _devices(decision, Case.REPLUG)
    for disk in target.disks:
        serial = disk.serial or ""
        if serial in media:
            xml = rewrite_disk(found.xml, disk, adopted=adopted) or write_disk(disk)
            yield DeviceStep(f"medium:{serial}", UpdateDevice(uuid=uuid, name=name, device=serial, xml=xml, live=True))
        if serial in limited:
            limits = disk.iotune or IoTuneSpec()
            effect = SetIoTune(uuid=uuid, name=name, device=serial, target=disk.target, limits=limits, live=True)
            yield DeviceStep(f"limits:{serial}", effect)
    for nic in target.nics:
        if nic.mac in moved and nic.mac not in again:
            xml = rewrite_nic(found.xml, nic) or write_nic(nic)
            yield DeviceStep(
                f"update:{nic.mac}", UpdateDevice(uuid=uuid, name=name, device=nic.mac, xml=xml, live=True)
            )


def coming_devices(decision: MachineDecision, found: ObservedDomain, *, handovers: Handovers) -> Iterator[DeviceStep]:
    """What is plugged in."""
    target = decision.target
    added = (*_devices(decision, Case.HOT_PLUG), *_devices(decision, Case.REPLUG))
    for disk in target.disks:
        if disk.serial in added:
            needs = handovers.before(decision, disks=(disk,))
            yield _attach(found, disk.serial or "", write_disk(disk), needs=needs)
    for nic in target.nics:
        if nic.mac in added:
            needs = handovers.before(decision, nics=(nic,))
            yield _attach(found, nic.mac, write_nic(nic), needs=needs)
    own = {disk.serial for disk in target.disks} | {nic.mac for nic in target.nics}
    for device in added:
        xml = _write(device, target)
        if device not in own and xml is not None:
            yield _attach(found, device, xml, needs=())


def _attach(found: ObservedDomain, device: str, xml: str, *, needs: tuple[str, ...]) -> DeviceStep:
    effect = AttachDevice(uuid=found.uuid, name=found.name, device=device, xml=xml, live=True)
    return DeviceStep(f"attach:{device}", effect, needs)


def _devices(decision: MachineDecision, case: Case) -> tuple[str, ...]:
    """What the changes of a case are of: serials, MACs and paths."""
    return tuple(dict.fromkeys(item.device for item in decision.differences if item.case is case and item.device))


def _write(device: str, config: DomainConfig) -> str | None:
    """The XML of the device as the config says it; `None` where it has no such device."""
    for nic in config.nics:
        if nic.mac == device:
            return write_nic(nic)
    if device in KINDS:
        spec = getattr(config, device)
        return None if spec is None else write_peripheral(device, spec)
    field, _, key = device.removesuffix("]").partition("[")
    if field == "channels":
        return write_channel(key)
    item = keyed(config, field).get(key) if field in ("host_devices", "filesystems") else None
    if isinstance(item, HostDeviceSpec):
        return write_host_device(item)
    return write_filesystem(item) if isinstance(item, FilesystemSpec) else None
