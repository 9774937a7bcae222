"""Domain: what it answers, and what it is in the graph."""

import hashlib
import re
from typing import Any, Final, Literal

import msgspec

from vmstack.errors import InputError, Place
from vmstack.evaluate.classic.declared import Declared, label_of
from vmstack.evaluate.classic.hardware import check_machine, has_virtio_console, read_fw_cfg_name, read_hardware
from vmstack.evaluate.classic.inputs import read_inputs
from vmstack.evaluate.classic.scene import Scene
from vmstack.evaluate.classic.schema import DOMAIN
from vmstack.evaluate.engine.registration import Registration
from vmstack.evaluate.engine.values import UNKNOWN
from vmstack.evaluate.native.fields import (
    check_choice,
    check_host_name,
    check_int,
    check_interface,
    check_label,
    check_mac,
)
from vmstack.evaluate.native.subnets import read_address
from vmstack.model.facts import Answer, Question
from vmstack.model.hardware import MediumSpec
from vmstack.model.identity import Key, Kind, derive_mac, derive_uuid, ignition_name
from vmstack.model.sizes import MIB
from vmstack.model.specs import DiskSpec, GraphicsSpec, NicSpec, Power, VmSpec
from vmstack.model.text import check_text

_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_VCPUS: Final = 1
_MEMORY: Final = 512
# Seconds; what the old provider waits for a lease.
_LEASE_TIMEOUT: Final = 300
_SHUTDOWN_TIMEOUT: Final = 120
_MAX_VCPUS: Final = 4096
_MAX_MEMORY: Final = 16 * 1024 * 1024
_LOOPBACK: Final = "127.0.0.1"
_TYPES: Final[tuple[Literal["kvm", "qemu"], ...]] = ("kvm", "qemu")
_CPU_MODES: Final[tuple[Literal["host-passthrough", "host-model", "maximum", "custom"], ...]] = (
    "host-passthrough", "host-model", "maximum", "custom",
)  # fmt: skip
_LISTENS: Final[tuple[Literal["none", "address", "socket"], ...]] = ("none", "address", "socket")
_DISPLAYS: Final[tuple[Literal["vnc", "spice"], ...]] = ("vnc", "spice")
# What a NIC can be straight on, in the old provider's order of precedence, and how libvirt calls it.
_DIRECT: Final[dict[str, Literal["vepa", "bridge", "passthrough"]]] = {
    "vepa": "vepa", "macvtap": "bridge", "passthrough": "passthrough",
}  # fmt: skip
_MAX_PORT: Final = 65535
# A virtio-blk serial holds 20 bytes.
_SERIAL: Final = 20


def declare_domain(registration: Registration, *, uri: str, scene: Scene) -> tuple[Declared, dict[str, Any]]:
    """A domain's UUID and MACs are derived; what the hypervisor chooses, and leases, are not known."""
    values = read_inputs(registration, DOMAIN)
    key = Key(Kind.VM, registration.name)
    label = check_label(label_of(registration, stack=scene.stack, kind=Kind.VM, values=values), field="name")
    _check(values)
    values["nics"] = _read_interfaces(values, key=key, label=label, uri=uri, scene=scene, place=registration.place)
    declared = Declared(registration, key, uri, label, derive_uuid(scene.stack, key), values)
    _check_waits(values, uri=uri, scene=scene)
    agent, path = values.get("qemuAgent", False), scene.stack.path(key)
    question = Question(uri=uri, subject="domain", id=declared.id, agent=agent, path=path)
    told = scene.recorder.ask(question)
    return declared, {
        "name": label,
        "arch": values.get("arch") or told.get("arch", UNKNOWN),
        "autostart": values.get("autostart", False),
        "cpu": {"mode": values.get("cpu", {}).get("mode") or told.get("cpuMode", UNKNOWN)},
        "emulator": values.get("emulator") or told.get("emulator", UNKNOWN),
        "machine": values.get("machine") or told.get("machine", UNKNOWN),
        "nvram": values.get("nvram") or told.get("nvram", UNKNOWN),
        "memory": values["memory"],
        "vcpu": values["vcpu"],
        "running": values.get("running", True),
        "type": values.get("type") or told.get("type", UNKNOWN),
        "networkInterfaces": [
            _interface_output(nic, told=told, runs=values.get("running", True), uri=uri, scene=scene)
            for nic in values["nics"]
        ],
    }


def _check_waits(values: dict[str, Any], *, uri: str, scene: Scene) -> None:
    """Refuse to wait for a lease that nobody would ever see."""
    for index, nic in enumerate(values["nics"]):
        if not nic["waits"] or values.get("qemuAgent"):
            continue
        at = f"networkInterfaces[{index}].waitForLease"
        if nic["network"] is None:
            raise InputError(
                f"{at}: no DHCP of libvirt's serves the bridge {nic['bridge']!r}, so there is no lease to wait for",
                resolution="set qemu_agent=True, so that the guest agent tells of the addresses",
            )
        owner = scene.network(uri=uri, label=nic["network"])
        if owner is not None and not any(subnet.dhcp for subnet in owner.values["subnets"]):
            raise InputError(
                f"{at}: the network {nic['network']!r} serves no DHCP, so there is no lease to wait for",
                resolution="give it addresses and DHCP, or set qemu_agent=True",
            )


def _check(values: dict[str, Any]) -> None:
    values["vcpu"] = check_int(values.get("vcpu") or _VCPUS, field="vcpu", low=1, high=_MAX_VCPUS)
    values["memory"] = check_int(values.get("memory") or _MEMORY, field="memory", low=1, high=_MAX_MEMORY)
    if values.get("type"):
        check_choice(values["type"], field="type", allowed=_TYPES)
    if values.get("cpu", {}).get("mode"):
        check_choice(values["cpu"]["mode"], field="cpu.mode", allowed=_CPU_MODES)
    for index, disk in enumerate(values.get("disks", ())):
        given = [name for name in ("volumeId", "url", "file", "blockDevice") if disk.get(name)]
        if len(given) != 1:
            raise InputError(
                f"disks[{index}]: {' and '.join(given) or 'no source'}: a disk has one source",
                resolution="give it one of volumeId, file, url and blockDevice",
            )
    read_graphics(values.get("graphics"))
    values["hardware"] = read_hardware(values)
    read_fw_cfg_name(values)


def read_graphics(block: dict[str, Any] | None) -> GraphicsSpec:
    """The display; without a word about it, VNC for the host alone (the old provider's SPICE needs a QEMU with it)."""
    if not block:
        return GraphicsSpec(type="vnc", listen=_LOOPBACK)
    kind = check_choice(block.get("type") or "spice", field="graphics.type", allowed=_DISPLAYS)
    said = block.get("listenType") or None
    address = block.get("listenAddress") or _LOOPBACK
    if said != "address" and address != _LOOPBACK:
        raise InputError('graphics.listenAddress: it is given, and listenType is not "address"')
    # Where nothing is said, a display that nobody could look at would be of no use.
    how = "address" if said is None else check_choice(said, field="graphics.listenType", allowed=_LISTENS)
    websocket = block.get("websocket") or None
    if how == "address" and block.get("autoport") is False:
        raise InputError(
            "graphics.autoport: False leaves the port open, and there is no input to say it",
            resolution='leave it out, or use listenType="none" or "socket", which have no port',
        )
    if websocket is not None:
        check_int(websocket, field="graphics.websocket", low=-1, high=_MAX_PORT)
        if kind != "vnc" or how != "address":
            raise InputError(
                "graphics.websocket: only a VNC display that listens on an address has one",
                resolution='use type="vnc" and listenType="address"',
            )
    return GraphicsSpec(
        type=kind,
        listen=str(read_address(address, field="graphics.listenAddress")) if how == "address" else "",
        how=how,
        websocket=websocket,
    )


def _read_interfaces(
    values: dict[str, Any], *, key: Key, label: str, uri: str, scene: Scene, place: Place | None
) -> list[dict[str, Any]]:
    """The NICs with what can be known of them: name, network, MAC, addresses."""
    found: list[dict[str, Any]] = []
    for index, block in enumerate(values.get("networkInterfaces", ())):
        at = f"networkInterfaces[{index}]"
        network = _network_label(block, at=at, uri=uri, scene=scene, place=place)
        bridge, device, mode = (None, None, None) if network is not None else _host_interface(block, at=at)
        where = network or str(bridge or device)
        name, number = where, 2
        while name in {nic["name"] for nic in found}:
            name, number = f"{where}-{number}", number + 1
        given = block.get("mac")
        addresses = tuple(str(read_address(text, field=f"{at}.addresses")) for text in block.get("addresses", ()))
        hostname = block.get("hostname") or label
        found.append(
            {
                "name": name,
                "network": network,
                "bridge": bridge,
                "device": device,
                "mode": mode,
                "id": block.get("networkId"),
                "mac": check_mac(given, field=f"{at}.mac") if given else derive_mac(scene.stack, key, nic=name),
                "hostname": check_host_name(hostname, field=f"{at}.hostname") if block.get("hostname") else hostname,
                "addresses": addresses,
                "waits": block.get("waitForLease", False),
                "block": block,
            }
        )
    return found


def _network_label(block: dict[str, Any], *, at: str, uri: str, scene: Scene, place: Place | None) -> str | None:
    """The name in libvirt of the network, `None` for a bridge or an interface of the host.

    Its name goes before its id, and both go before those, as in the old provider.
    """
    if block.get("networkName"):
        return check_label(block["networkName"], field=f"{at}.networkName")
    wanted = block.get("networkId")
    if not wanted and any(block.get(name) for name in ("bridge", *_DIRECT)):
        return None
    if not wanted:
        raise InputError(
            f"{at}: it is on no network",
            resolution="give networkId, networkName, bridge, vepa, macvtap or passthrough",
        )
    declared = scene.find(wanted, kind=Kind.NETWORK)
    if declared is not None:
        if declared.uri != uri:
            raise InputError(f"{at}.networkId: the network is on another host ({declared.uri})")
        return declared.label
    native = scene.native_network(uri=uri, id=wanted)
    if native is not None:
        return native.label
    reference = scene.references.get(wanted)
    if reference is not None and reference.kind is Kind.NETWORK:
        return reference.label
    told: Answer | None = {}
    if _UUID.fullmatch(wanted):
        told = scene.recorder.need(Question(uri=uri, subject="network", id=wanted), place=place)
    if told is None:
        return str(wanted)  # nobody has asked the host yet, so this evaluation does not count
    if told.get("name"):
        return str(told["name"])
    raise InputError(
        f"{at}.networkId: there is no network with the id {wanted}, in the program or on {uri}",
        resolution="use the id of a Network, which is its UUID, or networkName",
    )


def _host_interface(
    block: dict[str, Any], *, at: str
) -> tuple[str | None, str | None, Literal["vepa", "bridge", "passthrough"] | None]:
    """A bridge of the host, or an interface of it with the mode of macvtap."""
    if block.get("bridge"):
        return check_interface(block["bridge"], field=f"{at}.bridge"), None, None
    name = next(name for name in _DIRECT if block.get(name))
    return None, check_interface(block[name], field=f"{at}.{name}"), _DIRECT[name]


def _interface_output(nic: dict[str, Any], *, told: Answer, runs: bool, uri: str, scene: Scene) -> dict[str, Any]:
    """Addresses that the program gives are known; others once the guest has them; a guest that is off has none."""
    addresses: Any = list(nic["addresses"]) or told.get(f"address/{nic['mac']}", UNKNOWN if runs else [])
    return {
        **nic["block"],
        "networkId": nic["id"] or _network_id(nic["network"], uri=uri, scene=scene),
        "networkName": nic["network"],
        "hostname": nic["hostname"],
        "mac": nic["mac"].upper(),
        "addresses": addresses,
    }


def _network_id(label: str | None, *, uri: str, scene: Scene) -> Any:
    if label is None:
        return None
    owner = scene.network(uri=uri, label=label)
    if owner is not None:
        return owner.id
    return scene.recorder.ask(Question(uri=uri, subject="network", id=label)).get("id", UNKNOWN)


def vm_spec(
    declared: Declared,
    *,
    host: str,
    disks: tuple[DiskSpec, ...],
    media: tuple[MediumSpec, ...],
    nics: tuple[NicSpec, ...],
) -> VmSpec:
    """The domain in the model's words."""
    values = declared.values
    memory = values["memory"] * MIB
    description = values.get("description") or None
    return VmSpec(
        name=declared.name,
        label=declared.label,
        uuid=declared.id,
        host=host,
        vcpus=values["vcpu"],
        max_vcpus=values["vcpu"],
        memory=memory,
        max_memory=memory,
        disks=disks,
        nics=nics,
        seed=declared.name if values.get("cloudinit") else None,
        ignition=ignition_name(declared.name) if values.get("coreosIgnition") else None,
        fw_cfg_name=read_fw_cfg_name(values),
        domain_type=values.get("type") or None,
        cpu_mode=values.get("cpu", {}).get("mode") or None,
        machine=check_machine(values),
        graphics=read_graphics(values.get("graphics")),
        virtio_console=has_virtio_console(values),
        hardware=msgspec.structs.replace(values["hardware"], media=media),
        description=check_text(description, field="description", multiline=True) if description else None,
        autostart=values.get("autostart", False),
        power=Power.RUNNING if values.get("running", True) else Power.STOPPED,
        lease_macs=tuple(nic["mac"] for nic in values["nics"] if nic["waits"]),
        lease_timeout=declared.registration.timeouts.get("create", _LEASE_TIMEOUT),
        shutdown_timeout=declared.registration.timeouts.get("delete", _SHUTDOWN_TIMEOUT),
        agent=values.get("qemuAgent", False),
        open=() if values.get("graphics") else ("graphics",),
    )


def medium_name(source: str) -> str:
    """The logical name of a disk that is no volume: it follows from its source, whatever other disks there are."""
    stem = re.sub(r"[^a-z0-9-]", "-", source.rpartition("/")[2].partition("?")[0].lower()).strip("-")
    digits = hashlib.sha256(source.encode()).hexdigest()[:7]
    return f"{stem[: _SERIAL - 8].strip('-') or 'disk'}-{digits}"


def disk_name(volume: str) -> str:
    """A disk's logical name, which the guest sees as its serial: the volume's, or a short form with seven digits."""
    plain = re.sub(r"[^a-z0-9-]", "-", volume.lower()).strip("-")
    if plain == volume and len(plain) <= _SERIAL:
        return plain
    digits = hashlib.sha256(volume.encode()).hexdigest()[:7]
    return f"{plain[: _SERIAL - 8].strip('-')}-{digits}"
