"""How much a network lets through, and the port groups that NICs choose from."""

from vmstack.model.base import Data
from vmstack.model.hardware import BandwidthSpec


class Traffic(Data, frozen=True, kw_only=True, omit_defaults=True):
    """Limits as the machines see them: `inbound` is what they receive, `outbound` what they send."""

    inbound: BandwidthSpec | None = None
    outbound: BandwidthSpec | None = None


class PortGroup(Data, frozen=True, kw_only=True, omit_defaults=True):
    """Settings of a network that NICs choose by name; those that name none have the default one's.

    `more`: on the host it says more than this, such as VLANs.
    """

    name: str
    default: bool = False
    bandwidth: Traffic | None = None
    more: bool = False
