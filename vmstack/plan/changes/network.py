"""Rows of networks. `running` is one that running guests are on; `stopped` one that none is on."""

from typing import Final

from vmstack.plan.changes.row import NOTHING, Case, Classes, Outcome, Row

# Guests on it are shut down, and started again once it is there.
_ANEW: Final = Classes(Outcome.RESTART, Outcome.RESTART, Outcome.NONE, Outcome.NONE)
_UPDATE: Final = Classes(Outcome.LIVE, Outcome.LIVE, Outcome.NONE, Outcome.NONE)
_AT_START: Final = (
    "libvirt sets it up when the network starts, so that it is started anew; the NICs of running guests are plugged "
    "back in, and get nothing for a moment."
)
_ENTRY: Final = "an entry that libvirt cannot update by itself"
_IN_PLACE: Final = "libvirt updates it in the running network."
_LISTS: Final = ("dns_hosts", "dns_srvs", "port_groups")

ROWS: Final = (
    *(
        Row(field, Case.NETWORK_REPLUG, _UPDATE, _AT_START)
        for field in (
            "mode", "bridge", "domain", "domain_local", "dns_enabled", "dns_forwarders", "routes", "dnsmasq_options",
            "subnets", "bandwidth", "xslt",
        )
    ),
    Row(
        "label",
        Case.NETWORK_ANEW,
        _ANEW,
        "libvirt does not rename networks: it is made anew, and guests are on the new one from their next start on.",
    ),
    Row(
        "mtu",
        Case.NETWORK_ANEW,
        _ANEW,
        "libvirt sets it up when the network starts, and guests are told of it when they start.",
    ),
    Row("dhcp[]", Case.NETWORK_UPDATE, _UPDATE, _IN_PLACE),
    Row("reservations[]", Case.NETWORK_UPDATE, _UPDATE, f"{_IN_PLACE} A guest keeps its lease until it asks again."),
    Row("dns_hosts[]", Case.NETWORK_UPDATE, _UPDATE, _IN_PLACE),
    Row("dns_srvs[]", Case.NETWORK_UPDATE, _UPDATE, _IN_PLACE),
    Row("dns_txts[]", Case.NETWORK_UPDATE, _UPDATE, _IN_PLACE),
    Row("port_groups[]", Case.NETWORK_UPDATE, _UPDATE, f"{_IN_PLACE} NICs have it from their next start on."),
    *(Row(field, Case.NETWORK_REPLUG, _UPDATE, _AT_START, when=_ENTRY) for field in _LISTS),
    Row("autostart", Case.NOTE, NOTHING, "libvirt reads it when the host boots."),
    Row("active", Case.NOTE, NOTHING, "The network is started; nobody was on it."),
    Row("persistent", Case.NOTE, NOTHING, "A definition that was removed under a running network is written again."),
    Row("protect", Case.NOTE, NOTHING, "vmstack notes it."),
    Row("retain_on_delete", Case.NOTE, NOTHING, "vmstack notes it."),
    Row(
        "*",
        Case.NETWORK_ANEW,
        _ANEW,
        "It is made anew with another label or mtu, with its guests off.",
        when="together with another label or mtu",
    ),
    Row(
        "*",
        Case.NETWORK_REPLUG,
        _UPDATE,
        "It is started anew, and the NICs of running guests are plugged back in.",
        when="together with what needs a start, or replace_on_changes, replacement_trigger or replace_with ask for it",
    ),
    Row("*", Case.NETWORK_UPDATE, _UPDATE, _IN_PLACE, when="entries that others added"),
)  # fmt: skip
