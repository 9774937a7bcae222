"""From what a program declared to entries of the graph, in an order that is always the same."""

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import unquote, urlsplit

from vmstack.errors import InputError
from vmstack.evaluate.classic.declared import Declared
from vmstack.evaluate.classic.domains import disk_name, medium_name, vm_spec
from vmstack.evaluate.classic.hardware import read_medium, read_wwn
from vmstack.evaluate.classic.inputs import placed
from vmstack.evaluate.classic.networks import network_spec
from vmstack.evaluate.classic.options import read_options
from vmstack.evaluate.classic.scene import NATIVE_URN, Scene
from vmstack.evaluate.classic.storage import image_format
from vmstack.evaluate.engine.registration import Registration
from vmstack.evaluate.recorder import Entry, Wishes
from vmstack.model.facts import Answer, Question
from vmstack.model.graph import Options
from vmstack.model.hardware import MediumSpec
from vmstack.model.identity import Key, Kind, ignition_name
from vmstack.model.specs import (
    DiskSpec,
    HostSpec,
    ImageFormat,
    ImageSpec,
    NetworkMode,
    NetworkSpec,
    NicSpec,
    PoolSpec,
    Reservation,
    SeedSpec,
    Spec,
    VolumeSource,
    VolumeSpec,
)

_DEFAULT_HOST: Final = "default"
# Whose digests the stack's configuration knows: a JSON object from a source to its sha256.
_DIGESTS: Final = "vmstack:sha256"


class Translation:
    """One pass over everything that was declared."""

    def __init__(self, scene: Scene, *, default_uri: str | None, digests: str | None = None) -> None:
        self._scene = scene
        self._default_uri = default_uri
        self._digests = _read_digests(digests)
        self._entries: list[tuple[Entry, str]] = []
        self._hosts: dict[str, str] = {}
        self._labels: dict[tuple[Kind, str, str], str] = {}
        self._existing: dict[Key, Entry] = {}
        self._reservations: dict[str, list[Reservation]] = defaultdict(list)

    def entries(self) -> Iterator[tuple[Entry, str]]:
        """Yield every entry with the URN that it belongs to."""
        items = [self._scene.declared[urn] for urn in sorted(self._scene.declared)]
        self._name_hosts(items)
        self._name_objects(items)
        steps = (
            (Kind.POOL, self._pool),
            (Kind.VOLUME, self._volume),
            (Kind.VM, self._domain),
            (Kind.NETWORK, self._network),
        )
        for kind, translate in steps:
            for declared in items:
                if declared.key.kind is kind:
                    with placed(declared.registration):
                        translate(declared)
        self._warn_of_unused(items)
        yield from self._entries
        yield from ((entry, "") for entry in self._existing.values())

    def _add(
        self,
        declared: Declared,
        spec: Spec,
        *,
        needs: list[Key],
        key: Key | None = None,
        options: Options | None = None,
    ) -> None:
        """Add an entry; one with a `key` is a part of what was declared, and does not wait for the rest of it."""
        registration = declared.registration
        own = key or declared.key
        wanted = needs if key else [*needs, *self._dependencies(registration)]
        entry = Entry(
            key=own,
            spec=spec,
            needs=tuple(need for need in dict.fromkeys(wanted) if need != own),
            wishes=Wishes(options=options or Options(), parent=registration),
            place=registration.place,
        )
        self._entries.append((entry, registration.urn))

    def _dependencies(self, registration: Registration) -> Iterator[Key]:
        """What the program says besides: keys of resources that `depends_on` or inputs name."""
        for urn in registration.dependencies:
            declared = self._scene.declared.get(urn)
            provider = self._scene.providers.get(urn)
            if declared is not None and declared.key.kind is Kind.SEED:
                yield self._pool_key(declared, label=declared.values["pool"])
            elif declared is not None:
                yield declared.key
            elif provider is not None:
                yield Key(Kind.HOST, self._hosts[provider.uri])
            elif urn.startswith(NATIVE_URN):
                kind, name = urn.split("/")[-2:]
                yield Key(Kind(kind), name)

    def _name_hosts(self, items: list[Declared]) -> None:
        """One host for each URI: the native one, or it is called as its first provider by name."""
        names: dict[str, list[tuple[str, Registration | None]]] = defaultdict(list)
        for provider in self._scene.providers.values():
            names[provider.uri].append((provider.registration.name, provider.registration))
        for uri in {item.uri for item in items} | ({self._default_uri} if self._default_uri else set()):
            names.setdefault(uri, [])
        natives = {uri: name for name, uri in self._scene.native_hosts().items()}
        connect = self._scene.recorder.connect
        if connect is not None and (len(names) > 1 or (natives and set(names) - {connect})):
            raise InputError(
                "the connection was given on the command line, and the program has more than one host",
                resolution="leave out --connect",
            )
        taken = set(natives.values())
        for uri in sorted(names):
            if uri in natives:
                self._hosts[uri] = natives[uri]
                continue
            known = sorted(names[uri], key=lambda item: item[0])
            name, registration = known[0] if known else (_DEFAULT_HOST, None)
            while name in taken:
                name = f"{name}-2"
            taken.add(name)
            self._hosts[uri] = name
            entry = Entry(
                key=Key(Kind.HOST, name),
                spec=HostSpec(name=name, uri=connect or uri),
                needs=(),
                wishes=Wishes(),
                place=registration.place if registration else None,
            )
            self._entries.append((entry, ""))

    def _name_objects(self, items: list[Declared]) -> None:
        """Which names in libvirt belong to which resources of the program."""
        uris = self._scene.native_hosts()
        for entry in self._scene.recorder.entries.values():
            if isinstance(entry.spec, PoolSpec | NetworkSpec):
                self._labels[entry.key.kind, uris[entry.spec.host], entry.spec.label] = entry.key.name
        for item in items:
            if item.key.kind in (Kind.POOL, Kind.NETWORK):
                self._labels[item.key.kind, item.uri, item.label] = item.name

    def _pool_key(self, declared: Declared, *, label: str) -> Key:
        """The pool of that name: one of the program, else one that is to be there."""
        name = self._labels.get((Kind.POOL, declared.uri, label))
        if name is not None:
            return Key(Kind.POOL, name)
        key = self._free_key(Kind.POOL, label)
        host = self._hosts[declared.uri]
        spec = PoolSpec(name=key.name, label=label, host=host, path=None, existing=True)
        self._labels[Kind.POOL, declared.uri, label] = key.name
        self._refer(key, spec, host=host, declared=declared)
        return key

    def _network_key(self, declared: Declared, *, label: str) -> Key:
        """The network of that name: one of the program, else one that is to be there."""
        name = self._labels.get((Kind.NETWORK, declared.uri, label))
        if name is not None:
            return Key(Kind.NETWORK, name)
        key = self._free_key(Kind.NETWORK, label)
        host = self._hosts[declared.uri]
        spec = NetworkSpec(name=key.name, label=label, host=host, mode=NetworkMode.EXISTING, bridge=None)
        self._labels[Kind.NETWORK, declared.uri, label] = key.name
        self._refer(key, spec, host=host, declared=declared)
        return key

    def _existing_volume(self, declared: Declared, *, pool: str, label: str) -> Key:
        """A volume that is there already, in a pool by its name in libvirt."""
        slot = (Kind.VOLUME, declared.uri, f"{pool}/{label}")
        name = self._labels.get(slot)
        if name is not None:
            return Key(Kind.VOLUME, name)
        key = self._free_key(Kind.VOLUME, label)
        storage = self._pool_key(declared, label=pool)
        spec = VolumeSpec(
            name=key.name, label=label, pool=storage.name, format="qcow2", source=VolumeSource.EXISTING, data=False
        )
        self._labels[slot] = key.name
        self._refer(key, spec, host=self._hosts[declared.uri], declared=declared, needs=(storage,))
        return key

    def _refer(self, key: Key, spec: Spec, *, host: str, declared: Declared, needs: tuple[Key, ...] = ()) -> None:
        place = declared.registration.place
        self._existing[key] = Entry(key, spec, (Key(Kind.HOST, host), *needs), Wishes(), place)

    def _free_key(self, kind: Kind, name: str) -> Key:
        taken = {item.key for item in self._scene.declared.values()} | set(self._scene.recorder.entries)
        key = Key(kind, name)
        while key in taken or key in self._existing:
            key = Key(kind, f"{key.name}-existing")
        return key

    def _pool(self, declared: Declared) -> None:
        host = self._hosts[declared.uri]
        values = declared.values
        spec = PoolSpec(
            name=declared.name,
            label=declared.label,
            host=host,
            path=values["directory"],
            type=values["type"],
            group=values.get("group"),
            devices=values.get("devices", ()),
            xslt=values["stylesheet"],
        )
        options = read_options(declared.registration, kind=Kind.POOL, scene=self._scene)
        self._add(declared, spec, needs=[Key(Kind.HOST, host)], options=options)

    def _volume(self, declared: Declared) -> None:
        values = declared.values
        pool = self._pool_key(declared, label=values["pool"])
        needs = [pool]
        image = base = None
        source = VolumeSource.BLANK
        format_: ImageFormat = "raw" if values.get("format") == "raw" else "qcow2"
        if values.get("source"):
            source = VolumeSource.UPLOAD
            made = self._image(declared)
            image, format_ = made.name, made.format
            needs.append(Key(Kind.IMAGE, image))
        elif values.get("baseVolumeId") or values.get("baseVolumeName"):
            source = VolumeSource.OVERLAY
            key = self._base(declared)
            base = key.name
            needs.append(key)
        spec = VolumeSpec(
            name=declared.name,
            label=declared.label,
            pool=pool.name,
            format=format_,
            source=source,
            image=image,
            base=base,
            capacity=values.get("size") or None,
            data=source is VolumeSource.BLANK,
            xslt=values["stylesheet"],
        )
        options = read_options(declared.registration, kind=Kind.VOLUME, scene=self._scene)
        self._add(declared, spec, needs=needs, options=options)

    def _image(self, declared: Declared) -> ImageSpec:
        text = declared.values["source"]
        parts = urlsplit(text) if "://" in text else None
        digest = self._digests.get(text)
        if parts is not None and parts.scheme == "file":
            source = unquote(parts.path)
        elif parts is not None:
            if parts.scheme != "https" or digest is None:
                raise InputError(
                    f"source: {text} cannot be verified: downloads are https, with a known digest",
                    resolution=f"put its digest into the stack's configuration: "
                    f'{_DIGESTS}: {{"{text}": "<64 digits>"}}',
                )
            source = text
        else:
            source = str((self._scene.recorder.folder / Path(text).expanduser()).resolve())
        spec = ImageSpec(
            name=declared.name,
            source=source,
            sha256=digest,
            format="qcow2" if image_format(source, wanted=declared.values.get("format")) == "qcow2" else "raw",
        )
        self._add(declared, spec, key=Key(Kind.IMAGE, declared.name), needs=[])
        return spec

    def _base(self, declared: Declared) -> Key:
        values = declared.values
        if values.get("baseVolumeId"):
            return self._volume_by_id(declared, id=values["baseVolumeId"], at="baseVolumeId")
        pool, label = values.get("baseVolumePool") or values["pool"], values["baseVolumeName"]
        for other in self._scene.volumes():
            if (other.uri, other.values["pool"], other.label) == (declared.uri, pool, label):
                return other.key
        return self._existing_volume(declared, pool=pool, label=label)

    def _volume_by_id(self, declared: Declared, *, id: str, at: str) -> Key:
        found = self._scene.find(id, kind=Kind.VOLUME)
        if found is not None:
            if found.uri != declared.uri:
                raise InputError(f"{at}: the volume is on another host ({found.uri})")
            return found.key
        native = self._native_volume(declared, path=id)
        if native is not None:
            return native
        reference = self._scene.references.get(id)
        if reference is not None and reference.pool is not None:
            return self._existing_volume(declared, pool=reference.pool, label=reference.label)
        told: Answer | None = {}
        if id.startswith("/"):
            question = Question(uri=declared.uri, subject="volume", id=id)
            told = self._scene.recorder.need(question, place=declared.registration.place)
        if told is None:
            return Key(Kind.VOLUME, declared.name)  # nobody has asked the host yet, so this evaluation does not count
        if told.get("pool"):
            return self._existing_volume(declared, pool=str(told["pool"]), label=str(told["name"]))
        raise InputError(
            f"{at}: there is no volume with the id {id!r}, in the program or on {declared.uri}",
            resolution="use the id of a Volume, which is the path of its file",
        )

    def _native_volume(self, declared: Declared, *, path: str) -> Key | None:
        entries = self._scene.recorder.entries
        for entry in entries.values():
            if isinstance(entry.spec, VolumeSpec):
                pool = entries[Key(Kind.POOL, entry.spec.pool)].spec
                same_host = isinstance(pool, PoolSpec) and pool.host == self._hosts[declared.uri]
                if isinstance(pool, PoolSpec) and same_host and f"{pool.path}/{entry.spec.label}" == path:
                    return entry.key
        return None

    def _domain(self, declared: Declared) -> None:
        host = self._hosts[declared.uri]
        values = declared.values
        needs = [Key(Kind.HOST, host)]
        disks: list[DiskSpec] = []
        media: list[MediumSpec] = []
        places: list[str] = []  # the names of all disks in the program's order
        for index, block in enumerate(values.get("disks", ())):
            at = f"disks[{index}]"
            if block.get("volumeId"):
                key = self._volume_by_id(declared, id=block["volumeId"], at=f"{at}.volumeId")
                needs.append(key)
                bus: Literal["scsi", "virtio"] = "scsi" if block.get("scsi") else "virtio"
                wwn = read_wwn(block, at=at)
                disks.append(DiskSpec(name=disk_name(key.name), volume=key.name, bus=bus, wwn=wwn))
                places.append(disks[-1].name)
                continue
            name = medium_name(block.get("file") or block.get("url") or block["blockDevice"])
            media.append(read_medium(block, name=name, place=index, at=at, machine=values.get("machine") or ""))
            places.append(name)
        nics: list[NicSpec] = []
        for index, nic in enumerate(values["nics"]):
            network = self._network_key(declared, label=nic["network"]) if nic["network"] else None
            if network is not None:
                needs.append(network)
            self._reserve(declared, nic, network=network, at=f"networkInterfaces[{index}]")
            nics.append(
                NicSpec(
                    name=nic["name"],
                    mac=nic["mac"],
                    network=network.name if network else None,
                    bridge=nic["bridge"],
                    device=nic["device"],
                    mode=nic["mode"],
                    addresses=nic["addresses"],
                )
            )
        if values.get("cloudinit"):
            needs.append(self._seed(declared))
        if values.get("coreosIgnition"):
            needs.append(self._ignition(declared))

        def member(group: str, position: int) -> str | None:
            named = places if group == "disks" else [nic.name for nic in nics]
            return named[position] if position < len(named) else None

        options = read_options(declared.registration, kind=Kind.VM, scene=self._scene, members=member)
        self._warn_of_ptys(declared)
        spec = vm_spec(declared, host=host, disks=tuple(disks), media=tuple(media), nics=tuple(nics))
        self._add(declared, spec, needs=needs, options=options)

    def _warn_of_ptys(self, declared: Declared) -> None:
        for index, block in enumerate(declared.values.get("consoles", ())):
            if block.get("type") == "pty" and block.get("sourcePath"):
                self._scene.recorder.warn(
                    f"vm.{declared.name}: consoles[{index}].source_path is not used: libvirt chooses the "
                    "pseudo-terminal itself, and shows it with virsh ttyconsole"
                )

    def _reserve(self, declared: Declared, nic: dict[str, Any], *, network: Key | None, at: str) -> None:
        """Fixed addresses are leases of the network, by MAC (IPv4) or by name (IPv6)."""
        where = nic["network"] or nic["bridge"] or nic["device"]
        if not nic["addresses"]:
            return
        owner = next(
            (item for item in self._scene.declared.values() if item.key == network and item.uri == declared.uri), None
        )
        subnets = owner.values["subnets"] if owner is not None else ()
        if network is None or not any(subnet.dhcp for subnet in subnets):
            raise InputError(
                f"{at}.addresses: nobody would give the guest {nic['addresses'][0]}: "
                f"the program serves no DHCP on {where!r}",
                resolution="use a Network of the program with addresses and DHCP, or set it by cloud-init",
            )
        fourth = [address for address in nic["addresses"] if ":" not in address]
        if len(fourth) > 1:
            raise InputError(f"{at}.addresses: DHCP gives one IPv4 address to a NIC, and there are {len(fourth)}")
        # libvirt refuses a host name that does not start with a letter, and the same one twice.
        name = nic["hostname"] if nic["name"] == nic["network"] else f"{nic['hostname']}-{nic['name']}"
        named = name if name[:1].isalpha() else None
        for address in nic["addresses"]:
            if ":" in address and named is None:
                raise InputError(f"{at}.hostname: a lease for IPv6 needs a name that starts with a letter")
            mac = None if ":" in address else nic["mac"]
            self._reservations[network.name].append(Reservation(ip=address, mac=mac, name=named))

    def _seed(self, declared: Declared) -> Key:
        disk = self._scene.find(declared.values["cloudinit"], kind=Kind.SEED)
        if disk is None or "content" in disk.values:
            raise InputError(
                "cloudinit: it is not the id of a CloudInitDisk of the program", resolution="pass the .id of one"
            )
        if disk.uri != declared.uri:
            raise InputError(f"cloudinit: the disk is on another host ({disk.uri})")
        # A seed is made of nothing but the program, so there is nothing in it to protect.
        if disk.registration.ignore_changes:
            raise InputError(
                f"cloudinit: ignore_changes of the CloudInitDisk {disk.name!r} is not supported",
                resolution='use ignore_changes=["cloudinit"] on the domain',
            )
        pool = self._pool_key(disk, label=disk.values["pool"])
        spec = SeedSpec(
            name=declared.name,
            pool=pool.name,
            user_data=disk.values.get("userData") or "",
            vendor_data=None,
            network_config=disk.values.get("networkConfig") or None,
            meta_data=disk.values["meta"],
        )
        key = Key(Kind.SEED, declared.name)
        self._add(declared, spec, key=key, needs=[pool, *self._dependencies(disk.registration)])
        return key

    def _ignition(self, declared: Declared) -> Key:
        """Every domain has a volume of its own with the content, which the ledger knows by the domain's name."""
        given = declared.values["coreosIgnition"]
        source = self._scene.find(given, kind=Kind.SEED)
        if source is None or "content" not in source.values:
            raise InputError(
                "coreosIgnition: it is not the id of an Ignition or Combustion of the program",
                resolution="pass the .id of one",
            )
        if source.uri != declared.uri:
            raise InputError(f"coreosIgnition: it is on another host ({source.uri})")
        if source.registration.ignore_changes:
            raise InputError(
                f"coreosIgnition: ignore_changes of {source.registration.title} is not supported",
                resolution='use ignore_changes=["coreosIgnition"] on the domain',
            )
        pool = self._pool_key(source, label=source.values["pool"])
        name = ignition_name(declared.name)
        spec = SeedSpec(
            name=name,
            pool=pool.name,
            user_data="",
            vendor_data=None,
            network_config=None,
            meta_data={},
            raw=source.values["content"],
        )
        key = Key(Kind.SEED, name)
        self._add(declared, spec, key=key, needs=[pool, *self._dependencies(source.registration)])
        return key

    def _network(self, declared: Declared) -> None:
        host = self._hosts[declared.uri]
        spec = network_spec(declared, host=host, reservations=self._reservations[declared.name])
        options = read_options(declared.registration, kind=Kind.NETWORK, scene=self._scene)
        self._add(declared, spec, needs=[Key(Kind.HOST, host)], options=options)

    def _warn_of_unused(self, items: list[Declared]) -> None:
        inputs = ("cloudinit", "coreosIgnition")
        used = {item.values.get(name) for item in items if item.key.kind is Kind.VM for name in inputs}
        for item in items:
            if item.key.kind is Kind.SEED and item.id not in used:
                self._scene.recorder.warn(f"{item.registration.title}: no domain has it, so nothing is made of it")


def _read_digests(text: str | None) -> dict[str, str]:
    if text is None:
        return {}
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise InputError(f"configuration: {_DIGESTS} is not an object from sources to digests")
    return {str(source): digest.strip().lower() for source, digest in found.items()}
