"""Changes of networks: what libvirt updates, what needs the network started anew, and what restarts its guests."""

from typing import Final

from tests.live.changes.networks import NetworkChange

_SRV: Final = 'DnsSrv("ldap", target="db.x.test", port={port}, weight={weight})'
_RESERVATION: Final = 'Reservation("{{net}}.{}", mac="52:54:00:00:0a:0{}")'
_ENTRIES: Final = {
    "dhcp[]": ('dhcp=("{net}.4", "{net}.5")', 'dhcp=("{net}.4", "{net}.6")'),
    "dns_hosts[]": (
        'dns_hosts={{"{net}.3": "a.x.test", "{net}.4": "b.x.test"}}',
        'dns_hosts={{"{net}.3": "c.x.test"}}',
    ),
    "dns_srvs[]": (f"dns_srvs=[{_SRV.format(port=389, weight=1)}]", f"dns_srvs=[{_SRV.format(port=389, weight=2)}]"),
    "dns_txts[]": (
        'dns_txts={{"a.x.test": "one", "gone.x.test": "x"}}',
        'dns_txts={{"a.x.test": "two", "new.x.test": "y"}}',
    ),
    "port_groups[]": (
        'port_groups=[PortGroup("a", default=True), PortGroup("gone")]',
        'port_groups=[PortGroup("a"), PortGroup("b", default=True, inbound="1MiB")]',
    ),
    "reservations[]": (
        f"reservations=[{_RESERVATION.format(2, 1)}, {_RESERVATION.format(3, 2)}]",
        f"reservations=[{_RESERVATION.format(2, 3)}, {_RESERVATION.format(3, 2)}]",
    ),
}
_BEFORE: Final = ", ".join(before for before, _ in _ENTRIES.values())
_AFTER: Final = ", ".join(after for _, after in _ENTRIES.values())
_STYLE: Final = (
    'xslt=\'<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">'
    '<xsl:template match="@*|node()"><xsl:copy><xsl:apply-templates select="@*|node()"/></xsl:copy></xsl:template>'
    '<xsl:template match="ip"><xsl:copy><xsl:apply-templates select="@*"/><tftp root="/tmp"/>'
    '<xsl:apply-templates select="node()"/></xsl:copy></xsl:template></xsl:stylesheet>\''
)
_STARTED: Final = {
    "domain": ("", 'domain="x.test"'),
    "dns_forwarders": ("", 'dns_forwarders=["{net}.3"]'),
    "routes": ("", 'routes={{"10.243.{number}.0/24": "{net}.4"}}'),
    "dnsmasq_options": ("", 'dnsmasq_options=["expand-hosts"]'),
    "dns_enabled": ("", "dns=False"),
    "xslt": ("", _STYLE),
}


def _together(fields: tuple[str, ...]) -> tuple[str, str]:
    found = [_STARTED[field] for field in fields]
    return ", ".join(filter(None, (one for one, _ in found))), ", ".join(two for _, two in found)


CHANGES: Final = (
    *(
        NetworkChange(
            fields=dict.fromkeys(_ENTRIES, outcome), state=state, before=before, after=after, keeps_bridge=True
        )
        for state, outcome in (("running", "live"), ("paused", "live"), ("stopped", "live"), ("inactive", "none"))
        for before, after in ((_BEFORE, _AFTER),)
    ),
    NetworkChange(
        fields=dict.fromkeys(("dns_hosts[]", "dns_srvs[]", "dns_txts[]", "port_groups[]"), "live"),
        state="running",
        before=", ".join(_ENTRIES[field][0] for field in ("dns_hosts[]", "dns_srvs[]", "dns_txts[]", "port_groups[]")),
        after="",
        keeps_bridge=True,
    ),
    *(
        NetworkChange(fields={field: outcome}, state=state, before=_STARTED[field][0], after=_STARTED[field][1])
        for field in ("domain", "dns_enabled", "xslt")
        for state, outcome in (("running", "live"),)
    ),
    *(
        NetworkChange(
            fields=dict.fromkeys(fields, outcome), state=state, before=_together(fields)[0], after=_together(fields)[1]
        )
        for fields in (("domain", "dns_forwarders", "routes", "dnsmasq_options"),)
        for state, outcome in (("running", "live"), ("paused", "live"), ("stopped", "none"), ("inactive", "none"))
    ),
    NetworkChange(fields={"domain_local": "live"}, state="running", before='domain="x.test"',
                  after='domain="x.test", domain_local=False'),
    NetworkChange(fields={"mode": "live"}, state="running", before='mode="isolated"', after='mode="route"'),
    NetworkChange(fields={"mode": "none"}, state="stopped", before='mode="open"', after='mode="isolated"'),
    NetworkChange(fields={"bridge": "live"}, state="running", before='bridge="$prefix-o"', after='bridge="$prefix-n"'),
    NetworkChange(fields={"subnets": "live"}, state="running", before='gateway="{net}.1"', after='gateway="{net}.2"'),
    NetworkChange(fields={"mtu": "restart"}, state="running", before="", after="mtu=1400"),
    NetworkChange(fields={"mtu": "none"}, state="stopped", before="mtu=1400", after="mtu=1300"),
    NetworkChange(fields={"mtu": "restart", "domain": "restart"}, state="running", before="",
                  after='mtu=1400, domain="x.test"'),
    NetworkChange(fields={"label": "restart"}, state="running", before='label="$prefix-{name}-old"',
                  after='label="$prefix-{name}"'),
    NetworkChange(fields={"autostart": "none"}, state="running", before="autostart=True", after="autostart=False",
                  keeps_bridge=True),
)  # fmt: skip
