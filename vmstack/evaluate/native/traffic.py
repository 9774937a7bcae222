"""`Rate`, `Bandwidth` and `PortGroup`: how much a network lets through."""

from vmstack.errors import InputError
from vmstack.evaluate.native.base import validated
from vmstack.evaluate.native.fields import check_flag, check_int, check_label, check_list, check_type
from vmstack.model.traffic import Bandwidth as BandwidthSpec
from vmstack.model.traffic import PortGroup as PortGroupSpec
from vmstack.model.traffic import Rate as RateSpec

# libvirt keeps rates in 32 bits, and tc counts in bytes.
_MOST = 2**32 // 1024 - 1


class Rate:
    """A limit: `average` and `peak` in KiB a second, `burst` in KiB."""

    __slots__ = ("spec",)

    @validated
    def __init__(self, average: int, *, peak: int | None = None, burst: int | None = None) -> None:
        self.spec = RateSpec(
            average=check_int(average, field="average", low=1, high=_MOST),
            peak=None if peak is None else check_int(peak, field="peak", low=1, high=_MOST),
            burst=None if burst is None else check_int(burst, field="burst", low=1, high=_MOST),
        )
        if self.spec.peak is not None and self.spec.peak < self.spec.average:
            raise InputError(f"peak: {peak} is less than the average of {average}")


class Bandwidth:
    """Limits as the machines see them: `inbound` is what they receive. A number is an average in KiB a second."""

    __slots__ = ("spec",)

    @validated
    def __init__(self, *, inbound: int | Rate | None = None, outbound: int | Rate | None = None) -> None:
        if inbound is None and outbound is None:
            raise InputError("inbound: a bandwidth limits one direction at least", resolution="give inbound=1024")
        self.spec = BandwidthSpec(
            inbound=_read_rate(inbound, field="inbound"), outbound=_read_rate(outbound, field="outbound")
        )


class PortGroup:
    """Settings for some NICs of a network; `default` for those that name no group."""

    __slots__ = ("spec",)

    @validated
    def __init__(self, name: str, *, bandwidth: Bandwidth | None = None, default: bool = False) -> None:
        self.spec = PortGroupSpec(
            name=check_label(name, field="name"),
            default=check_flag(default, field="default"),
            bandwidth=read_bandwidth(bandwidth),
        )


def read_bandwidth(value: object) -> BandwidthSpec | None:
    """Check the bandwidth of a network or a port group."""
    return None if value is None else check_type(value, Bandwidth, field="bandwidth").spec


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


def _read_rate(value: object, *, field: str) -> RateSpec | None:
    if value is None or isinstance(value, Rate):
        return None if value is None else value.spec
    return RateSpec(average=check_int(value, field=field, low=1, high=_MOST))
