"""Rows of networks. `running` is one that running guests are on; `stopped` one that none is on."""

from typing import Final

from vmstack.plan.changes.row import NOTHING, Case, Classes, Outcome, Row

# Guests on it are shut down, and started again once it is there.
_ANEW: Final = Classes(Outcome.RESTART, Outcome.RESTART, Outcome.NONE, Outcome.NONE)
_UPDATE: Final = Classes(Outcome.LIVE, Outcome.LIVE, Outcome.NONE, Outcome.NONE)
_AT_START: Final = "libvirt sets it up when the network starts, so that it is started anew, with its guests off."
_IN_PLACE: Final = "libvirt updates it in the running network."

ROWS: Final = (
    *(
        Row(field, Case.NETWORK_ANEW, _ANEW, _AT_START)
        for field in (
            "label", "mode", "bridge", "domain", "domain_local", "mtu", "dns_enabled", "dns_forwarders", "routes",
            "dnsmasq_options", "subnets", "xslt",
        )
    ),
    Row("dhcp[]", Case.NETWORK_UPDATE, _UPDATE, _IN_PLACE),
    Row("reservations[]", Case.NETWORK_UPDATE, _UPDATE, f"{_IN_PLACE} A guest keeps its lease until it asks again."),
    Row("dns_hosts[]", Case.NETWORK_UPDATE, _UPDATE, _IN_PLACE),
    Row("dns_srvs[]", Case.NETWORK_UPDATE, _UPDATE, _IN_PLACE),
    Row("dns_hosts", Case.NETWORK_ANEW, _ANEW, _AT_START, when="an entry that libvirt cannot update by itself"),
    Row("dns_srvs", Case.NETWORK_ANEW, _ANEW, _AT_START, when="an entry that libvirt cannot update by itself"),
    Row("autostart", Case.NOTE, NOTHING, "libvirt reads it when the host boots."),
    Row("active", Case.NOTE, NOTHING, "The network is started; nobody was on it."),
    Row("persistent", Case.NOTE, NOTHING, "A definition that was removed under a running network is written again."),
    Row("protect", Case.NOTE, NOTHING, "vmstack notes it."),
    Row("retain_on_delete", Case.NOTE, NOTHING, "vmstack notes it."),
    Row(
        "*",
        Case.NETWORK_ANEW,
        _ANEW,
        "It is removed and made anew, with its guests off.",
        when="replace_on_changes, replacement_trigger or replace_with ask for it",
    ),
    Row("*", Case.NETWORK_UPDATE, _UPDATE, _IN_PLACE, when="entries that others added"),
)  # fmt: skip
