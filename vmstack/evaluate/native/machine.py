"""`VirtualMachine`."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Literal

import msgspec

from vmstack.errors import ConflictError, InputError
from vmstack.evaluate.cloudinit.network import network_config
from vmstack.evaluate.native.base import Native, validated
from vmstack.evaluate.native.cloud_init import CloudInit, seed_cache
from vmstack.evaluate.native.compute import (
    MAX_VCPUS,
    Boot,
    Clock,
    Cpu,
    CrashAction,
    NumaCell,
    RebootAction,
    Tpm,
    boot_fields,
    check_max_memory,
    check_maximum,
    check_secure_boot,
    choose_mode,
    compute_spec,
)
from vmstack.evaluate.native.devices import MAX_IOTHREADS, Cdrom, Disk, Graphics, Nic
from vmstack.evaluate.native.drives import check_ide, check_threads, loaded, read_root
from vmstack.evaluate.native.fields import (
    check_choice,
    check_flag,
    check_host_name,
    check_host_path,
    check_int,
    check_label,
    check_list,
    check_seconds,
    check_size,
    check_type,
)
from vmstack.evaluate.native.hosts import Host, choose_host
from vmstack.evaluate.native.images import Image
from vmstack.evaluate.native.networks import Attachment, Network
from vmstack.evaluate.native.options import OnDrift, read_options
from vmstack.evaluate.native.peripherals import Device, read_devices
from vmstack.evaluate.native.storage import StoragePool, Volume
from vmstack.evaluate.native.stylesheets import Patch, read_sheet
from vmstack.evaluate.native.upkeep import HealthCheck, RestartPolicy, RollingGroup, restart_spec
from vmstack.evaluate.native.wiring import Wiring, wire
from vmstack.evaluate.places import find_place
from vmstack.evaluate.recorder import Entry, Wishes
from vmstack.model.graph import Options
from vmstack.model.hardware import HardwareSpec, MediumSpec
from vmstack.model.identity import Key, Kind
from vmstack.model.sizes import KIB
from vmstack.model.specs import DiskSpec, Power, SeedPolicy, SeedSpec, VmSpec
from vmstack.model.text import check_text

CpuMode = Literal["host-passthrough", "host-model", "maximum"]

_FIRMWARES: Final[tuple[Literal["bios", "uefi"], ...]] = ("bios", "uefi")
_DOMAIN_TYPES: Final[tuple[Literal["kvm", "qemu"], ...]] = ("kvm", "qemu")
# A guest boots, runs cloud-init and installs packages, perhaps without hardware virtualisation.
_READY_SECONDS: Final = 600


class VirtualMachine(Native):
    """A virtual machine with a root disk cloned from `image`, further `disks`, NICs and cloud-init documents.

    `disk` is the root disk's size (default: the image's) or a `Disk`. `wait` is how long apply waits for the guest's
    report after start (default: 10 minutes with cloud_init; False: not at all). `restart="defer"` leaves it to
    others to restart the guest for what cannot change while it runs. `on_image_change` is what another image does to
    the disks that were made from one: `keep` them as they are, or `replace` what they hold.
    """

    __slots__ = ("_nics", "disks", "host", "label")
    kind = Kind.VM

    @validated
    def __init__(
        self,
        name: str,
        *,
        host: Host | None = None,
        pool: StoragePool | None = None,
        image: Image | None = None,
        vcpus: int = 1,
        memory: str = "1GiB",
        disk: str | Disk | None = None,
        disks: Sequence[Disk | Cdrom] = (),
        networks: Sequence[Network | Attachment | Nic] = (),
        cloud_init: CloudInit | None = None,
        full_copy: bool = False,
        max_vcpus: int | None = None,
        max_memory: str | None = None,
        cpu_mode: CpuMode | None = None,
        cpu: Cpu | None = None,
        numa: Sequence[NumaCell] = (),
        hugepages: bool | str = False,
        clock: Clock | None = None,
        hyperv: Sequence[str] = (),
        boot: Boot | None = None,
        tpm: Tpm | None = None,
        on_reboot: RebootAction | None = None,
        on_crash: CrashAction | None = None,
        title: str | None = None,
        domain_type: Literal["kvm", "qemu"] | None = None,
        machine: str | None = None,
        firmware: Literal["bios", "uefi"] = "bios",
        secure_boot: bool = False,
        graphics: Graphics | None = None,
        devices: Sequence[Device] = (),
        iothreads: int | None = None,
        xml: Sequence[Patch] = (),
        xslt: str | None = None,
        serial_log: str | None = None,
        description: str | None = None,
        autostart: bool = False,
        running: bool = True,
        wait: str | int | bool | None = None,
        shutdown_timeout: str | int = 120,
        power_off_after_timeout: bool = False,
        restart: RestartPolicy = "now",
        group: RollingGroup | None = None,
        health: HealthCheck | None = None,
        on_seed_change: Literal["report", "reseed", "replace"] = "report",
        on_image_change: Literal["keep", "replace"] = "keep",
        on_drift: OnDrift = None,
        label: str | None = None,
        opts: Any = None,
    ) -> None:
        super().__init__(name)
        self.recorder.check_free(self.key)  # before its disks, which would be found to be defined twice
        wishes = read_options(opts, on_drift=on_drift)
        storage = None if pool is None else check_type(pool, StoragePool, field="pool")
        documents = None if cloud_init is None else check_type(cloud_init, CloudInit, field="cloud_init")
        wanted = check_list(networks, field="networks")
        self.host = _choose_host(host, pool=storage, networks=wanted, vm=self)
        self.label = self.name if label is None else check_label(label, field="label")
        count = check_int(vcpus, field="vcpus", low=1, high=MAX_VCPUS)
        size = check_size(memory, field="memory", multiple=KIB)
        spec = VmSpec(
            name=self.name,
            label=self.label,
            uuid=self.uuid,
            host=self.host.name,
            vcpus=count,
            max_vcpus=check_maximum(max_vcpus, low=count),
            memory=size,
            max_memory=check_max_memory(max_memory, low=size),
            seed_policy=SeedPolicy(
                check_choice(on_seed_change, field="on_seed_change", allowed=[str(item) for item in SeedPolicy])
            ),
            domain_type=None
            if domain_type is None
            else check_choice(domain_type, field="domain_type", allowed=_DOMAIN_TYPES),
            cpu_mode=choose_mode(cpu_mode, cpu=cpu),
            machine=None if machine is None else check_label(machine, field="machine"),
            firmware=check_choice(firmware, field="firmware", allowed=_FIRMWARES),
            graphics=None if graphics is None else check_type(graphics, Graphics, field="graphics").spec,
            serial_log=None if serial_log is None else check_host_path(serial_log, field="serial_log"),
            description=None if description is None else check_text(description, field="description", multiline=True),
            autostart=check_flag(autostart, field="autostart"),
            power=Power.RUNNING if check_flag(running, field="running") else Power.STOPPED,
            ready_timeout=_read_wait(wait, default=_READY_SECONDS if documents else None),
            shutdown_timeout=check_seconds(shutdown_timeout, field="shutdown_timeout"),
            power_off_after_timeout=check_flag(power_off_after_timeout, field="power_off_after_timeout"),
        )
        spec = msgspec.structs.replace(
            spec,
            compute=compute_spec(
                cpu=cpu,
                clock=clock,
                numa=numa,
                hugepages=hugepages,
                hyperv=hyperv,
                secure_boot=check_secure_boot(secure_boot, firmware=firmware),
                title=title,
                on_reboot=on_reboot,
                on_crash=on_crash,
                max_vcpus=spec.max_vcpus,
                max_memory=spec.max_memory,
            ),
        )
        hardware = boot_fields(boot=boot, tpm=tpm) | read_devices(devices)
        if iothreads is not None:
            hardware["iothreads"] = check_int(iothreads, field="iothreads", low=1, high=MAX_IOTHREADS)
        wiring = wire(wanted, stack=self.recorder.stack, vm=self.key, has_cloud_init=documents is not None)
        for network in wiring.networks:
            self._check_host(network.host, field="networks", other=network)
        further = check_list(disks, field="disks")
        root = read_root(disk, image=image, full_copy=full_copy)
        given = [item if isinstance(item, Cdrom) else check_type(item, Disk, field="disks") for item in further]
        drives = [item for item in given if isinstance(item, Cdrom)]
        parts = [*([root] if root else []), *(item for item in given if isinstance(item, Disk))]
        volumes = self._make_disks(
            parts, image=image, pool=storage, root=root, on_image_change=on_image_change, wishes=wishes
        )
        self.disks: Mapping[str, Volume] = MappingProxyType(volumes)
        self._nics = wiring.specs
        if documents and root is not None and root.volume is None and root.image is None and image is None:
            waits = ", and apply would wait for a report that never comes" if spec.ready_timeout is not None else ""
            self.recorder.warn(
                f"{self.key}: its root disk is blank, so nothing boots from it and nobody reads cloud_init{waits}; "
                "give the VM an image=..."
            )
        media = self._take_drives(drives, volumes=volumes, place=len(parts))
        check_threads(parts, iothreads=iothreads)
        check_ide((*parts, *drives), machine=spec.machine)
        display = graphics if isinstance(graphics, Graphics) else None
        if display is not None and display.password is None and display.spec.listen in ("0.0.0.0", "::"):  # noqa: S104
            self.recorder.warn(
                f"{self.key}: its display listens on all addresses of {self.host.key} without a password"
            )
        needs = [self.host.key, *(volume.key for volume in volumes.values()), *(item.key for item in wiring.networks)]
        if documents:
            needs.append(
                self._make_seed(
                    documents, pool=storage, wiring=wiring, wishes=wishes, waits=spec.ready_timeout is not None
                )
            )
        spec = msgspec.structs.replace(
            spec,
            nics=wiring.specs,
            password=None if display is None else display.password,
            hardware=HardwareSpec(
                **hardware,
                video=None if display is None else display.video,
                media=media,
                stylesheet=read_sheet(xml, xslt),
            ),
            seed=self.name if documents else None,
            restarts=restart_spec(
                restart,
                group=group,
                health=health,
                addresses=[address for nic in wiring.specs for address in nic.addresses],
                folder=self.recorder.folder,
            ),
            disks=tuple(
                DiskSpec(
                    name=part.name,
                    volume=volumes[part.name].name,
                    bus=part.bus,
                    cache=part.cache,
                    discard=part.discard,
                    readonly=part.readonly,
                    iothread=part.iothread,
                    iotune=part.iotune,
                )
                for part in parts
            )
            + tuple(loaded(drive, drive.volume) for drive in drives if drive.volume is not None),
        )
        self.record(spec, needs=tuple(dict.fromkeys(needs)), wishes=wishes)

    def _check_host(self, host: Host, *, field: str, other: Native) -> None:
        if host is not self.host:
            raise InputError(
                f"{field}: {other.key} is on {host.key}, and the VM is on {self.host.key}",
                resolution="use one that is on the same host",
            )

    def _make_disks(
        self,
        parts: Sequence[Disk],
        *,
        image: Image | None,
        pool: StoragePool | None,
        root: Disk | None,
        on_image_change: object,
        wishes: Wishes,
    ) -> dict[str, Volume]:
        volumes: dict[str, Volume] = {}
        for part in parts:
            if part.name in volumes:
                raise InputError(f"disks: two disks are called {part.name!r}", resolution="give one another name")
            if part.volume is not None:
                self._attach(part.volume, readonly=part.readonly)
                self._check_host(part.volume.pool.host, field="disks", other=part.volume)
                volumes[part.name] = part.volume
                continue
            storage = part.pool or pool
            if storage is None:
                raise InputError(
                    f"pool: it is missing, and the disk {part.name!r} needs one", resolution="give the VM pool=..."
                )
            self._check_host(storage.host, field="pool", other=storage)
            base = part.image or (image if part is root else None)
            protect = part.protect
            if protect is None and wishes.options.protect:
                protect = True
            volumes[part.name] = Volume.of_vm(
                f"{self.name}-{part.name}",
                pool=storage,
                size=part.size,
                image=base,
                full_copy=part.full_copy,
                format=part.format,
                on_image_change=on_image_change,
                label=part.label,
                # A root disk can be made again from its image; what has no image cannot.
                data=part is not root or base is None,
                wishes=Wishes(
                    options=Options(
                        protect=protect,
                        aliases=tuple(f"{alias}-{part.name}" for alias in wishes.options.aliases),
                        retain=wishes.options.retain,
                    ),
                    parent=wishes.parent,
                ),
            )
        return volumes

    def _take_drives(
        self, drives: Sequence[Cdrom], *, volumes: dict[str, Volume], place: int
    ) -> tuple[MediumSpec, ...]:
        """Take the volumes that are in drives, and return the drives that hold a file of the host, or nothing.

        Drives come after all disks, from `place` on.
        """
        media: list[MediumSpec] = []
        for drive in drives:
            if drive.name in volumes or any(drive.name == medium.name for medium in media):
                raise InputError(f"disks: two disks are called {drive.name!r}", resolution="give one another name")
            if drive.volume is not None:
                self._attach(drive.volume, readonly=True)
                self._check_host(drive.volume.pool.host, field="disks", other=drive.volume)
                volumes[drive.name] = drive.volume
                continue
            media.append(
                MediumSpec(
                    name=drive.name,
                    kind="file",
                    source=drive.source or "",
                    bus=drive.bus,
                    device="cdrom",
                    readonly=True,
                    place=place + len(media),
                )
            )
        return tuple(media)

    def _attach(self, volume: Volume, *, readonly: bool) -> None:
        mode = "read-only" if readonly else "writable"
        other = self.recorder.attached.setdefault(volume.name, (f"{self.key} ({mode})", find_place()))
        if other[0] != f"{self.key} ({mode})" and not (readonly and other[0].endswith("(read-only)")):
            raise ConflictError(
                f"disks: {volume.key} is a disk of {other[0]} already" + (f" (at {other[1]})" if other[1] else ""),
                resolution="two guests that write to one volume destroy it: use two volumes, or readonly=True for both",
            )

    def _make_seed(
        self, documents: CloudInit, *, pool: StoragePool | None, wiring: Wiring, wishes: Wishes, waits: bool
    ) -> Key:
        if pool is None:
            raise InputError("pool: it is missing, and cloud_init needs one for its seed", resolution="give pool=...")
        self._check_host(pool.host, field="pool", other=pool)
        cache = seed_cache(self.recorder)
        if waits and cache.silences_vendor(documents.user_data):
            raise InputError(
                "cloud_init: its user-data switches vendor-data off, so the guest would never report that it is ready",
                resolution="leave out vendor_data: {enabled: false}, or say wait=False",
            )
        network = documents.network_config
        if network is None and wiring.needs_config:
            network = network_config(wiring.plans)
        meta: dict[str, object] = {"local-hostname": documents.hostname or self._host_name()}
        spec = SeedSpec(
            name=self.name,
            pool=pool.name,
            user_data=documents.user_data,
            vendor_data=cache.vendor(documents.vendor_data),
            network_config=network,
            meta_data=meta | documents.meta_data,
        )
        key = Key(Kind.SEED, self.name)
        own = Wishes(options=Options(aliases=wishes.options.aliases), parent=wishes.parent)
        self.recorder.add(Entry(key, spec, (pool.key,), own, find_place()))
        return key

    def _host_name(self) -> str:
        return check_host_name(self.name.replace("_", "-"), field="name, as the guest's host name")

    @property
    def uuid(self) -> str:
        """The domain's UUID, the same wherever the VM is."""
        return self._uuid()

    @property
    def ips(self) -> tuple[str, ...]:
        """All fixed addresses, NIC by NIC."""
        return tuple(address for nic in self._nics for address in nic.addresses)

    @property
    def ip(self) -> str:
        """The first fixed address, IPv4 if there is one."""
        known = self.ips
        if not known:
            raise InputError(
                f"{self.key}: its address is not known: DHCP of a network that vmstack does not serve gives it",
                resolution='give it a fixed one: networks=[lan.at("10.20.0.10")]',
                place=find_place(),
            )
        return next((address for address in known if ":" not in address), known[0])

    @property
    def macs(self) -> tuple[str, ...]:
        """The MAC addresses of all NICs."""
        return tuple(nic.mac for nic in self._nics)

    @property
    def mac(self) -> str:
        """The MAC address of the first NIC."""
        if not self._nics:
            raise InputError(f"{self.key}: it has no NIC", place=find_place())
        return self._nics[0].mac


def _choose_host(host: object, *, pool: StoragePool | None, networks: Sequence[object], vm: Native) -> Host:
    if host is None and pool is not None:
        return pool.host
    if host is None and networks:
        first = networks[0].attachment if isinstance(networks[0], Nic) else networks[0]
        network = first.network if isinstance(first, Attachment) else first
        if isinstance(network, Network):
            return network.host
    return choose_host(host, recorder=vm.recorder)


def _read_wait(value: object, *, default: int | None) -> int | None:
    if value is None or value is True:
        return default if value is None else default or _READY_SECONDS
    return None if value is False else check_seconds(value, field="wait")
