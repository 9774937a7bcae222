"""`Bandwidth` and `PortGroup`: how much NICs and networks let through."""

from typing import Final

from vmstack.errors import InputError
from vmstack.evaluate.native.base import validated
from vmstack.evaluate.native.fields import check_flag, check_label, check_list, check_size, check_type
from vmstack.model.hardware import BandwidthSpec
from vmstack.model.sizes import KIB
from vmstack.model.traffic import PortGroup as PortGroupSpec
from vmstack.model.traffic import Traffic

# libvirt counts bandwidth in KiB, and in 64 bits.
_MOST: Final = 1 << 50


class Bandwidth:
    """Limits of one direction of a NIC, as sizes a second ("10MiB"): on average, at its peak, and `burst` in all."""

    __slots__ = ("spec",)

    @validated
    def __init__(self, average: str, *, peak: str | None = None, burst: str | None = None) -> None:
        self.spec = BandwidthSpec(
            average=_kib(average, field="average"),
            peak=None if peak is None else _kib(peak, field="peak"),
            burst=None if burst is None else _kib(burst, field="burst"),
        )


class PortGroup:
    """Settings for some NICs of a network, each for itself; `default` for those that name no group."""

    __slots__ = ("spec",)

    @validated
    def __init__(
        self,
        name: str,
        *,
        inbound: str | Bandwidth | None = None,
        outbound: str | Bandwidth | None = None,
        default: bool = False,
    ) -> None:
        self.spec = PortGroupSpec(
            name=check_label(name, field="name"),
            default=check_flag(default, field="default"),
            bandwidth=read_traffic(inbound, outbound),
        )


def read_traffic(inbound: object, outbound: object) -> Traffic | None:
    """Check the limits of both directions; none at all says nothing."""
    traffic = Traffic(
        inbound=read_bandwidth(inbound, field="inbound"), outbound=read_bandwidth(outbound, field="outbound")
    )
    return None if traffic == Traffic() else traffic


def read_port_groups(value: object) -> tuple[PortGroupSpec, ...]:
    """Check a network's port groups: names are unique, and one at most is the default."""
    groups = tuple(
        check_type(item, PortGroup, field="port_groups").spec for item in check_list(value, field="port_groups")
    )
    names = [group.name for group in groups]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"port_groups: two groups are called {name!r}", resolution="give one another name")
    defaults = [group.name for group in groups if group.default]
    if len(defaults) > 1:
        raise InputError(f"port_groups: {' and '.join(defaults)} are both the default", resolution="choose one of them")
    return groups


def _kib(value: object, *, field: str) -> int:
    size = check_size(value, field=field, multiple=KIB)
    if not 0 < size <= _MOST:
        raise InputError(f"{field}: {value!r} is no limit", resolution='such as "10MiB"')
    return size // KIB


def read_bandwidth(value: object, *, field: str) -> BandwidthSpec | None:
    """Check the limits of one direction: a size a second, or a `Bandwidth`."""
    if value is None or isinstance(value, Bandwidth):
        return None if value is None else value.spec
    return BandwidthSpec(average=_kib(value, field=field))
