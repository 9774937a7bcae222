"""Domains under a stylesheet: what it makes of the definition, what a host lacks of that, and the XML to write.

A stylesheet is a function of the XML that vmstack would write, not of what libvirt holds; applied to that it might add
a thing twice. So such a domain is always written whole, from the program, and never patched or changed live.
"""

from typing import Final, NamedTuple, TypeVar

import msgspec

from vmstack.errors import DocumentError
from vmstack.model.compute import ComputeSpec
from vmstack.model.configs import DiskConfig, DomainConfig, NicConfig
from vmstack.model.observed import ObservedDomain
from vmstack.model.ownership import Adopted, Stamp
from vmstack.plan.changes.row import Case, Outcome, VmState
from vmstack.plan.changes.table import row_of
from vmstack.plan.domain_diff import Difference, settle_target
from vmstack.xmlio.carrying import carry_foreign
from vmstack.xmlio.domain import read_domain, write_domain
from vmstack.xmlio.overlay import compare
from vmstack.xmlio.stylesheet import transform

DeviceT = TypeVar("DeviceT", DiskConfig, NicConfig)
_OVERLAID: Final = ("iothreads", "shared_memory", "rng", "watchdog", "balloon", "vsock", "panic")
_OVERLAID_DISK: Final = ("iothread", "iotune")
_OVERLAID_NIC: Final = ("portgroup", "link", "queues", "inbound", "outbound", "filter", "filter_parameters")
# How a stamp's fields tell whose work a domain carries.
_WORD: Final = "stylesheet="
# libvirt has calls of their own for these, which leave all else of a definition as a stylesheet made it.
_WITHOUT_XML: Final = frozenset({
    Case.VCPUS_UP, Case.MEMORY_WITHIN, Case.IO_LIMITS, Case.IO_THREADS, Case.DISPLAY_PASSWORD,
})  # fmt: skip
# What follows from something else, or what no guest notices, stays what it is.
_AS_THEY_ARE: Final = frozenset(
    {
        Case.NOTE,
        Case.SEED,
        Case.IGNITION,
        Case.VOLUME_UNDER,
        Case.NETWORK_REPLACE,
        Case.NETWORK_REPLUG,
        Case.UNPLUGGED,
        Case.UNDONE,
    }
)


class Styled(NamedTuple):
    """A design after its stylesheet. `word` goes into the stamp; `differences` is what the host lacks of it; `config`
    is what is compared field by field, and `made` is all that it says.
    """

    config: DomainConfig
    made: DomainConfig
    word: str | None
    differences: tuple[Difference, ...]


class _Everything(frozenset[str]):
    """The fields of a definition that is written whole: all of it is ours."""

    def __contains__(self, item: object) -> bool:
        return True


def style(design: DomainConfig, *, stylesheet: str | None, path: str, found: ObservedDomain | None) -> Styled:
    """The design as the stylesheet makes it; as it is without one. Raises `DocumentError`."""
    old = _word_of(found)
    if stylesheet is None:
        gone = (Difference("stylesheet", _digest(old), None, Case.DEFINITION),) if old is not None else ()
        return Styled(design, design, None, gone)
    plain = write_domain(design, stamp=Stamp(path=path, digest="-"))
    styled = transform(plain, stylesheet, what=f"domain {design.name}")
    try:
        config = read_domain(styled)
    except DocumentError as error:
        raise DocumentError(
            f"the stylesheet or patch of domain {design.name} makes a definition that cannot be read",
            details=(error.brief, *error.details),
            resolution="mend it in the program",
        ) from error
    overlay = compare(plain, styled, held=found.xml if found is not None else None)
    word = f"{_WORD}{overlay.digest}"
    differences = [
        Difference(f"stylesheet[{fact.path}]", held, fact.value, Case.DEFINITION) for fact, held in overlay.missing
    ]
    taken_over = found is not None and found.stamp is not None and found.stamp.adopted is not None
    if found is not None and old != word and not (taken_over and old is None):
        differences.append(Difference("stylesheet", _digest(old), overlay.digest, Case.DEFINITION))
    # Two lacks may be called the same; the plan shows each path once.
    unique = {item.path: item for item in differences}
    return Styled(
        _typed(config, design=design),
        config,
        word,
        tuple(unique[path] for path in sorted(unique)),
    )


def _typed(config: DomainConfig, *, design: DomainConfig) -> DomainConfig:
    """The config that a stylesheet made, without the things that the program leaves open and `Overlay` compares."""
    open_: dict[str, object] = {name: None for name in _OVERLAID if getattr(design, name) is None}
    compute = ((name, getattr(design, name)) for name in ComputeSpec.__struct_fields__)
    open_ |= {name: value for name, value in compute if value in (None, ())}
    disks = {disk.serial: disk for disk in design.disks}
    nics = {nic.mac: nic for nic in design.nics}
    return msgspec.structs.replace(
        config,
        **open_,
        host_devices=design.host_devices,
        disks=tuple(_as_designed(disk, disks.get(disk.serial), _OVERLAID_DISK) for disk in config.disks),
        nics=tuple(_as_designed(nic, nics.get(nic.mac), _OVERLAID_NIC) for nic in config.nics),
        pcie_ports=design.pcie_ports,
    )


def _as_designed(device: DeviceT, designed: DeviceT | None, names: tuple[str, ...]) -> DeviceT:
    open_ = {name: getattr(designed, name, None) for name in names if not getattr(designed, name, None)}
    open_ |= {"filter_parameters": ()} if open_.get("filter_parameters", ()) is None else {}
    return msgspec.structs.replace(device, **open_)


def kept_word(found: ObservedDomain) -> str | None:
    """The word of the stylesheet that the domain was made with."""
    return _word_of(found)


def bears_stylesheet(found: ObservedDomain) -> bool:
    """Whether the domain was made with a stylesheet."""
    return _word_of(found) is not None


def is_written_whole(design: DomainConfig, found: ObservedDomain, *, stylesheet: str | None) -> bool:
    """Whether a change of the domain is not a patch of what is there.

    Another architecture is another machine, of which nothing that libvirt filled in fits.
    """
    return stylesheet is not None or _word_of(found) is not None or design.arch != found.config.arch


def hardened(differences: tuple[Difference, ...], *, state: VmState) -> tuple[Difference, ...]:
    """The differences of a domain that is written whole: none is made live, unless all are by calls without XML. What a
    saved guest could not be resumed with is refused all the same."""
    if all(item.case in _AS_THEY_ARE or item.case in _WITHOUT_XML for item in differences):
        return differences
    return tuple(
        item
        if item.case in _AS_THEY_ARE or _is_refused(item, state=state)
        else item._replace(case=Case.WHOLE, device=None)
        for item in differences
    )


def _is_refused(item: Difference, *, state: VmState) -> bool:
    return state is VmState.SAVED and row_of(item.path, case=item.case).classes.of(state) is Outcome.REFUSED


def whole_target(
    design: DomainConfig, found: ObservedDomain, *, ignored: frozenset[str], nic_names: dict[str, str]
) -> DomainConfig:
    """The config to write a domain anew from: the design, with the version of its machine and what is ignored."""
    target = settle_target(design, observed=found.config, owned=_Everything(), ignored=ignored, nic_names=nic_names)
    return msgspec.structs.replace(target, pcie_ports=design.pcie_ports)


def write_whole(
    config: DomainConfig,
    *,
    stamp: Stamp,
    stylesheet: str | None,
    held: str | None = None,
    dropped: frozenset[str] = frozenset(),
    adopted: Adopted | None = None,
) -> str:
    """The complete XML. Of what is `held`, other people's disks, NICs, description and metadata stay, but for what is
    `dropped` (by serial, MAC, namespace, or as `description`). Raises `DocumentError`."""
    xml = write_domain(config, stamp=stamp)
    if stylesheet is not None:
        xml = transform(xml, stylesheet, what=f"domain {config.name}")
    return xml if held is None else carry_foreign(xml, held=held, dropped=dropped, adopted=adopted)


def _word_of(found: ObservedDomain | None) -> str | None:
    fields = found.stamp.fields if found is not None and found.stamp is not None else ()
    return next((field for field in fields if field.startswith(_WORD)), None)


def _digest(word: str | None) -> str | None:
    return None if word is None else word.removeprefix(_WORD)
