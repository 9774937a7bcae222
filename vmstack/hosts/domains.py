"""Domains over libvirt."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Final

import libvirt

from vmstack.errors import NotFoundError
from vmstack.hosts.driver import DomainRecord, State
from vmstack.hosts.link import Calls
from vmstack.hosts.passwords import keep_passwords
from vmstack.model.compute import parse_cpus
from vmstack.model.hardware import IoTuneSpec
from vmstack.xmlio.safe import Element, parse_xml, serialise
from vmstack.xmlio.stamp import PREFIX

_STATES: Final[dict[int, State]] = {
    libvirt.VIR_DOMAIN_RUNNING: "running",
    libvirt.VIR_DOMAIN_BLOCKED: "running",
    libvirt.VIR_DOMAIN_SHUTDOWN: "running",  # on its way down, and still there
    libvirt.VIR_DOMAIN_PAUSED: "paused",
    libvirt.VIR_DOMAIN_SHUTOFF: "shutoff",
    libvirt.VIR_DOMAIN_CRASHED: "crashed",
    libvirt.VIR_DOMAIN_PMSUSPENDED: "pmsuspended",
}
# One listing of each kind tells of all domains at once what would be five calls for each of them.
_LISTINGS: Final = (
    0,
    libvirt.VIR_CONNECT_LIST_DOMAINS_RUNNING,
    libvirt.VIR_CONNECT_LIST_DOMAINS_SHUTOFF,
    libvirt.VIR_CONNECT_LIST_DOMAINS_PAUSED,
    libvirt.VIR_CONNECT_LIST_DOMAINS_PERSISTENT,
    libvirt.VIR_CONNECT_LIST_DOMAINS_AUTOSTART,
    libvirt.VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE,
    libvirt.VIR_CONNECT_LIST_DOMAINS_HAS_SNAPSHOT,
    libvirt.VIR_CONNECT_LIST_DOMAINS_HAS_CHECKPOINT,
)
_UNDEFINE: Final = libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
_UNDEFINE_MOMENTS: Final = (
    libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
)
# How often a waiting caller looks by itself: events may be lost with a daemon's restart, and some have none.
_LOOK_WITH_EVENTS: Final = 2.0
_LOOK_WITHOUT_EVENTS: Final = (0.5, 1.0, 2.0)


class DomainCalls(Calls):
    """The domain part of `Driver`."""

    def domains(self) -> list[DomainRecord]:
        listings = self._link.together(*(partial(self._list_domains, flags) for flags in _LISTINGS))
        running, shutoff, paused, persistent, autostart, saved, snapped, checked = (
            frozenset(handle.UUID() for handle in listing) for listing in listings[1:]
        )

        def read(handle: Any) -> DomainRecord:
            key = handle.UUID()
            with self._link.doing(f"read domain {handle.name()}"):
                if key in running:
                    state: State = "running"
                elif key in shutoff:
                    state = "shutoff"
                else:
                    state = "paused" if key in paused else _state(handle)
                return _domain_record(
                    handle,
                    state=state,
                    persistent=key in persistent,
                    autostart=key in autostart,
                    has_managed_save=key in saved,
                    snapshots=handle.snapshotNum() if key in snapped else 0,
                    checkpoints=len(handle.listAllCheckpoints()) if key in checked else 0,
                )

        return self._link.each(read, listings[0])

    def domain(self, uuid: str) -> DomainRecord:
        with self._link.doing(f"read domain {uuid}"):
            handle = self._link.connection.lookupByUUIDString(uuid)
            return _domain_record(
                handle,
                state=_state(handle),
                persistent=bool(handle.isPersistent()),
                autostart=bool(handle.autostart()),
                has_managed_save=bool(handle.hasManagedSaveImage(0)),
                snapshots=handle.snapshotNum(),
                checkpoints=len(handle.listAllCheckpoints()),
            )

    def define_domain(self, xml: str, *, validate: bool = False) -> None:
        root = parse_xml(xml, what="a domain to define")
        name, uuid = root.findtext("name") or "", root.findtext("uuid") or ""
        if root.find("devices/graphics") is not None:
            xml = self._with_passwords(root, uuid=uuid, name=name) or xml
        with self._link.doing(f"define domain {name}", taken=lambda: self._is_other_domain(name, uuid)):
            self._link.connection.defineXMLFlags(xml, libvirt.VIR_DOMAIN_DEFINE_VALIDATE if validate else 0)

    def _with_passwords(self, root: Element, *, uuid: str, name: str) -> str | None:
        """The new definition with the passwords of the old one's displays; `None` where there are none to keep."""
        with suppress(NotFoundError):
            secure_xml = self._on_domain(
                f"read domain {name}",
                uuid,
                lambda handle: handle.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE),
            )
            if keep_passwords(root, secure_xml=secure_xml):
                return serialise(root)
        return None

    def rename_domain(self, uuid: str, *, name: str) -> None:
        def rename(handle: Any) -> None:
            if handle.name() != name:  # which libvirt refuses
                handle.rename(name)

        with self._link.doing(f"rename domain {uuid}", taken=lambda: self._is_other_domain(name, uuid)):
            rename(self._link.connection.lookupByUUIDString(uuid))

    def start_domain(self, uuid: str) -> None:
        self._on_domain("start domain", uuid, lambda handle: handle.create())

    def resume_domain(self, uuid: str) -> None:
        self._on_domain("resume domain", uuid, lambda handle: handle.resume())

    def shutdown_domain(self, uuid: str) -> None:
        # Without flags libvirt asks the guest's agent where one is connected, and presses the power button if there is
        # none or it does not answer (qemuDomainShutdownFlags).
        self._on_domain("shut down domain", uuid, lambda handle: handle.shutdownFlags(0))

    def power_off_domain(self, uuid: str) -> None:
        self._on_domain("power off domain", uuid, lambda handle: handle.destroyFlags(0))

    def set_domain_autostart(self, uuid: str, *, enabled: bool) -> None:
        self._on_domain("set autostart of domain", uuid, lambda handle: handle.setAutostart(int(enabled)))

    def set_vcpus(self, uuid: str, count: int, *, live: bool, config: bool) -> None:
        flags = affect(live=live, config=config)
        self._on_domain("set the vcpus of domain", uuid, lambda handle: handle.setVcpusFlags(count, flags))

    def set_memory(self, uuid: str, kib: int, *, live: bool, config: bool) -> None:
        flags = affect(live=live, config=config)
        self._on_domain("set the memory of domain", uuid, lambda handle: handle.setMemoryFlags(kib, flags))

    def set_description(self, uuid: str, text: str | None, *, live: bool) -> None:
        kind, flags = libvirt.VIR_DOMAIN_METADATA_DESCRIPTION, affect(live=live, config=True)
        self._on_domain(
            "set the description of domain", uuid, lambda handle: handle.setMetadata(kind, text, None, None, flags)
        )

    def set_title(self, uuid: str, text: str | None, *, live: bool) -> None:
        kind, flags = libvirt.VIR_DOMAIN_METADATA_TITLE, affect(live=live, config=True)
        self._on_domain(
            "set the title of domain", uuid, lambda handle: handle.setMetadata(kind, text, None, None, flags)
        )

    def tune_domain(self, uuid: str, values: Mapping[str, int], *, live: bool, config: bool) -> None:
        def tune(handle: Any) -> None:
            for wanted, flag in ((live, libvirt.VIR_DOMAIN_AFFECT_LIVE), (config, libvirt.VIR_DOMAIN_AFFECT_CONFIG)):
                if wanted:  # libvirt refuses both at once
                    handle.setSchedulerParametersFlags(dict(values), flag)

        self._on_domain("tune domain", uuid, tune)

    def pin_vcpu(self, uuid: str, vcpu: int, *, cpus: str, live: bool, config: bool) -> None:
        members, flags = parse_cpus(cpus), affect(live=live, config=config)
        mask = tuple(number in members for number in range(max(members) + 1))
        self._on_domain("pin a vcpu of domain", uuid, lambda handle: handle.pinVcpuFlags(vcpu, mask, flags))

    def attach_device(self, uuid: str, xml: str, *, live: bool, config: bool) -> None:
        flags = affect(live=live, config=config)
        self._on_domain("attach a device to domain", uuid, lambda handle: handle.attachDeviceFlags(xml, flags))

    def detach_device(self, uuid: str, xml: str, *, live: bool, config: bool) -> None:
        flags = affect(live=live, config=config)
        self._on_domain("detach a device from domain", uuid, lambda handle: handle.detachDeviceFlags(xml, flags))

    def update_device(self, uuid: str, xml: str, *, live: bool, config: bool) -> None:
        flags = affect(live=live, config=config)
        self._on_domain("change a device of domain", uuid, lambda handle: handle.updateDeviceFlags(xml, flags))

    def set_io_tune(self, uuid: str, target: str, *, limits: IoTuneSpec, live: bool, config: bool) -> None:
        flags = affect(live=live, config=config)
        values = {f"{name}_sec": getattr(limits, name) for name in limits.__struct_fields__}
        self._on_domain("limit a disk of domain", uuid, lambda handle: handle.setBlockIoTune(target, values, flags))

    def add_io_thread(self, uuid: str, number: int, *, live: bool, config: bool) -> None:
        flags = affect(live=live, config=config)
        self._on_domain("add an I/O thread to domain", uuid, lambda handle: handle.addIOThread(number, flags))

    def remove_io_thread(self, uuid: str, number: int, *, live: bool, config: bool) -> None:
        flags = affect(live=live, config=config)
        self._on_domain("take an I/O thread from domain", uuid, lambda handle: handle.delIOThread(number, flags))

    def resize_disk(self, uuid: str, path: str, *, capacity: int) -> None:
        flags = libvirt.VIR_DOMAIN_BLOCK_RESIZE_BYTES
        self._on_domain("resize a disk of domain", uuid, lambda handle: handle.blockResize(path, capacity, flags))

    def set_domain_metadata(
        self, uuid: str, *, xml: str | None, namespace: str, live: bool, config: bool = True
    ) -> None:
        kind, flags = libvirt.VIR_DOMAIN_METADATA_ELEMENT, affect(live=live, config=config)
        prefix = PREFIX if xml is not None else None
        try:
            self._on_domain(
                "set the metadata of domain",
                uuid,
                lambda handle: handle.setMetadata(kind, xml, prefix, namespace, flags),
            )
        except NotFoundError:
            if xml is not None:
                raise

    def undefine_domain(self, uuid: str, *, moments: bool = False) -> None:
        flags = _UNDEFINE | (_UNDEFINE_MOMENTS if moments else 0)
        self._on_domain("undefine domain", uuid, lambda handle: handle.undefineFlags(flags))

    def wait_for_domain(
        self, uuid: str, *, until: Callable[[DomainRecord | None], bool], timeout: float
    ) -> DomainRecord | None:
        deadline = time.monotonic() + timeout
        looks = 0
        while True:
            since = self._link.events.count(uuid)
            record = self._domain_or_none(uuid)
            if until(record):
                return record
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"domain {uuid} is not as wanted after {timeout:g} s")
            pause = _LOOK_WITHOUT_EVENTS[min(looks, len(_LOOK_WITHOUT_EVENTS) - 1)]
            if self._link.events.working:
                pause = _LOOK_WITH_EVENTS
            self._link.events.wait(uuid, since=since, timeout=min(left, pause))
            looks += 1

    def _domain_or_none(self, uuid: str) -> DomainRecord | None:
        try:
            return self.domain(uuid)
        except NotFoundError:
            return None

    def _list_domains(self, flags: int) -> list[Any]:
        with self._link.doing("list domains"):
            return list(self._link.connection.listAllDomains(flags))

    def _on_domain(self, what: str, uuid: str, call: Callable[[Any], Any]) -> Any:
        with self._link.doing(f"{what} {uuid}"):
            return call(self._link.connection.lookupByUUIDString(uuid))

    def _is_other_domain(self, name: str, uuid: str) -> bool:
        try:
            return bool(self._link.connection.lookupByName(name).UUIDString() != uuid)
        except libvirt.libvirtError:
            return False


def affect(*, live: bool, config: bool) -> int:
    """libvirt's flags for what a change applies to; the same numbers for domains and their devices."""
    flags: int = libvirt.VIR_DOMAIN_AFFECT_LIVE if live else 0
    return flags | (libvirt.VIR_DOMAIN_AFFECT_CONFIG if config else 0)


def _state(handle: Any) -> State:
    return _STATES.get(handle.state()[0], "other")


def _domain_record(
    handle: Any,
    *,
    state: State,
    persistent: bool,
    autostart: bool,
    has_managed_save: bool,
    snapshots: int,
    checkpoints: int,
) -> DomainRecord:
    """Read the definitions; a guest that stopped since its state was read is off in the whole record."""
    live_xml = None if state == "shutoff" else handle.XMLDesc(0)
    if live_xml is not None and " id=" not in live_xml[: live_xml.index(">")]:
        state, live_xml = "shutoff", None
    return DomainRecord(
        uuid=handle.UUIDString(),
        name=handle.name(),
        state=state,
        persistent=persistent,
        autostart=autostart,
        has_managed_save=has_managed_save,
        xml=handle.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE),
        live_xml=live_xml,
        snapshots=snapshots,
        checkpoints=checkpoints,
    )
