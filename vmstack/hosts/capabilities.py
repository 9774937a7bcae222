"""What a host can do, from its capabilities.

Formats: https://libvirt.org/formatcaps.html, https://libvirt.org/formatdomaincaps.html.
"""

import re
from pathlib import Path
from typing import Final, Literal, NamedTuple

from vmstack.errors import HostError, PermissionDeniedError
from vmstack.hosts.link import Calls
from vmstack.hosts.uris import is_local
from vmstack.model.observed import HostFacts
from vmstack.model.sizes import MIB
from vmstack.xmlio.safe import Element, parse_xml

_X86: Final = frozenset({"x86_64", "i686"})
# Models that libvirt falls back to when the real processor's ones do not fit, as in a guest without nesting.
_GENERIC_CPUS: Final = frozenset({"kvm64", "kvm32", "qemu64", "qemu32", "pentium", "pentium2", "pentium3"})
_VIRTUALISATION: Final = frozenset({"vmx", "svm"})


class Offers(NamedTuple):
    """What domain capabilities tell; `None` is what they do not."""

    firmwares: tuple[str, ...]
    emulates_tpm: bool | None
    secure_boot: bool | None


class CapabilityCalls(Calls):
    """The facts part of `Driver`."""

    def facts(self) -> HostFacts:
        connection = self._link.connection
        with self._link.doing("read the host's capabilities"):
            root = parse_xml(connection.getCapabilities(), what="the host's capabilities")
            info = connection.getInfo()
            arch = root.findtext("host/cpu/arch") or info[0]
            flags = _processor_flags() if is_local(self._link.uri) else None
            kind = choose_domain_type(root, arch=arch, flags=flags)
            offers = self._offers(arch, kind=kind)
            return HostFacts(
                uri=self._link.uri,
                hostname=connection.getHostname(),
                arch=arch,
                domain_type=kind,
                libvirt_version=connection.getLibVersion(),
                hypervisor_version=connection.getVersion(),
                cpus=info[2],
                memory=info[1] * MIB,
                firmwares=offers.firmwares,
                uuid=root.findtext("host/uuid") or "",
                machines=read_machines(root),
                cpu_models=self._cpu_models(arch),
                emulates_tpm=offers.emulates_tpm,
                secure_boot=offers.secure_boot,
            )

    def _offers(self, arch: str, *, kind: str) -> Offers:
        """What the host has for domains of this kind on the machine that vmstack chooses.

        A read-only connection may not ask; UEFI is then assumed, and a host without it refuses the definition.
        """
        legacy = ("bios",) if arch in _X86 else ()
        machine = "q35" if arch in _X86 else None
        try:
            with self._link.doing("read the domain capabilities"):
                xml = self._link.connection.getDomainCapabilities(None, arch, machine, kind, 0)
        except PermissionDeniedError:
            return Offers((*legacy, "uefi"), None, None)
        except HostError:
            return Offers(legacy, None, None)  # the test driver, and hosts whose emulator is missing
        return read_offers(parse_xml(xml, what="domain capabilities"), legacy=legacy)

    def _cpu_models(self, arch: str) -> tuple[str, ...]:
        """The names of processors; none where the driver or the architecture has no list."""
        try:
            with self._link.doing("list the CPU models"):
                return tuple(sorted(self._link.connection.getCPUModelNames(arch, 0)))
        except HostError:
            return ()


def read_offers(root: Element, *, legacy: tuple[str, ...]) -> Offers:
    """What domain capabilities tell of firmware and TPM. A libvirt that does not speak of TPMs leaves that open."""

    def values(path: str, name: str) -> set[str | None]:
        return {value.text for value in root.findall(f"{path}/enum[@name='{name}']/value")}

    tpm = root.find("devices/tpm")
    return Offers(
        firmwares=(*legacy, "uefi") if "efi" in values("os", "firmware") else legacy,
        emulates_tpm=None if tpm is None else "emulator" in values("devices/tpm", "backendModel"),
        secure_boot="yes" in values("os/loader", "secure"),
    )


def read_machines(root: Element) -> dict[str, dict[str, int]]:
    """The machine types by architecture, aliases too, each with the most vcpus that it takes."""
    found: dict[str, dict[str, int]] = {}
    for arch in root.findall("guest/arch"):
        machines = found.setdefault(arch.get("name", ""), {})
        for machine in arch.iterfind(".//machine"):  # a domain type may have machines of its own
            most = machine.get("maxCpus", "")
            if machine.text and most.isdigit():
                machines[machine.text] = max(int(most), machines.get(machine.text, 0))
    return found


def choose_domain_type(capabilities: Element, *, arch: str, flags: frozenset[str] | None) -> Literal["kvm", "qemu"]:
    """`kvm` only where it really works: a `/dev/kvm` can be there and still not run ordinary guests.

    libvirt must offer it for the architecture. On x86 the processor must have vmx or svm besides: by `flags` (those
    of /proc/cpuinfo) where this machine is the host; for a remote one by its capabilities, which leave out what the
    named processor model implies, so only a virtual machine with a generic model and neither flag is refused.
    """
    offered = {
        domain.get("type")
        for guest in capabilities.findall("guest/arch")
        if guest.get("name") == arch
        for domain in guest.findall("domain")
    }
    if "kvm" not in offered:
        return "qemu"
    if arch not in _X86:
        return "kvm"
    if flags is not None:
        return "kvm" if flags & _VIRTUALISATION else "qemu"
    features = {feature.get("name") for feature in capabilities.findall("host/cpu/feature")}
    generic = capabilities.findtext("host/cpu/model") in _GENERIC_CPUS
    if generic and "hypervisor" in features and not features & _VIRTUALISATION:
        return "qemu"
    return "kvm"


def _processor_flags() -> frozenset[str] | None:
    """The flags of this machine's processor, or `None` where the system does not tell (proc_cpuinfo(5))."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    match = re.search(r"^flags\s*:(.*)$", text, re.MULTILINE)
    return frozenset(match[1].split()) if match else None
