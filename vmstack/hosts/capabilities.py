"""What a host can do, from its capabilities.

Formats: https://libvirt.org/formatcaps.html, https://libvirt.org/formatdomaincaps.html.
"""

import re
from pathlib import Path
from typing import Final, Literal

from lxml import etree

from vmstack.errors import HostError, PermissionDeniedError
from vmstack.hosts.link import Calls
from vmstack.hosts.uris import is_local
from vmstack.model.observed import HostFacts
from vmstack.model.sizes import MIB
from vmstack.xmlio.safe import parse_xml

_X86: Final = frozenset({"x86_64", "i686"})
# Models that libvirt falls back to when the real processor's ones do not fit, as in a guest without nesting.
_GENERIC_CPUS: Final = frozenset({"kvm64", "kvm32", "qemu64", "qemu32", "pentium", "pentium2", "pentium3"})
_VIRTUALISATION: Final = frozenset({"vmx", "svm"})


class CapabilityCalls(Calls):
    """The facts part of `Driver`."""

    def facts(self) -> HostFacts:
        connection = self._link.connection
        with self._link.doing("read the host's capabilities"):
            root = parse_xml(connection.getCapabilities(), what="the host's capabilities")
            info = connection.getInfo()
            arch = root.findtext("host/cpu/arch") or info[0]
            flags = _processor_flags() if is_local(self._link.uri) else None
            return HostFacts(
                uri=self._link.uri,
                hostname=connection.getHostname(),
                arch=arch,
                domain_type=choose_domain_type(root, arch=arch, flags=flags),
                libvirt_version=connection.getLibVersion(),
                hypervisor_version=connection.getVersion(),
                cpus=info[2],
                memory=info[1] * MIB,
                firmwares=self._firmwares(arch),
                uuid=root.findtext("host/uuid") or "",
            )

    def _firmwares(self, arch: str) -> tuple[str, ...]:
        """The loader kinds that libvirt can choose by itself.

        A read-only connection may not ask; UEFI is then assumed, and a host without it refuses the definition.
        """
        legacy = ("bios",) if arch in _X86 else ()
        try:
            with self._link.doing("read the domain capabilities"):
                xml = self._link.connection.getDomainCapabilities(None, arch, None, None, 0)
        except PermissionDeniedError:
            return (*legacy, "uefi")
        except HostError:
            return legacy  # the test driver, and hosts whose emulator is missing
        values = parse_xml(xml, what="domain capabilities").findall("os/enum[@name='firmware']/value")
        return (*legacy, "uefi") if any(value.text == "efi" for value in values) else legacy


def choose_domain_type(
    capabilities: etree._Element, *, arch: str, flags: frozenset[str] | None
) -> Literal["kvm", "qemu"]:
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
