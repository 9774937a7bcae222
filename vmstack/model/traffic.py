"""How much a network lets through: rates, bandwidths, and the port groups that NICs choose from."""

from vmstack.model.base import Data


class Rate(Data, frozen=True, kw_only=True, omit_defaults=True):
    """A limit in one direction: `average` and `peak` in KiB a second, `burst` in KiB."""

    average: int
    peak: int | None = None
    burst: int | None = None


class Bandwidth(Data, frozen=True, kw_only=True, omit_defaults=True):
    """Limits as the machines see them: `inbound` is what they receive, `outbound` what they send."""

    inbound: Rate | None = None
    outbound: Rate | None = None


class PortGroup(Data, frozen=True, kw_only=True, omit_defaults=True):
    """Settings of a network that NICs choose by name; those that name none have the default one's.

    `more`: on the host it says more than this, such as VLANs.
    """

    name: str
    default: bool = False
    bandwidth: Bandwidth | None = None
    more: bool = False
