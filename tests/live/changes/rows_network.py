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
    NetworkChange(
        fields=dict.fromkeys(_ENTRIES, "live") | {"autostart": "none"}, state="running", keeps_bridge=True,
        before=f"{_BEFORE}, autostart=True", after=f"{_AFTER}, autostart=False",
    ),
    NetworkChange(fields=dict.fromkeys(_ENTRIES, "live"), state="stopped", before=_BEFORE, after=_AFTER),
    NetworkChange(fields=dict.fromkeys(_ENTRIES, "none"), state="inactive", before=_BEFORE, after=_AFTER),
    *(
        NetworkChange(
            fields=dict.fromkeys(fields, outcome), state=state, before=_together(fields)[0], after=_together(fields)[1]
        )
        for fields, state, outcome in (
            (("dns_enabled", "xslt"), "running", "live"),
            (("domain", "dns_forwarders", "routes", "dnsmasq_options"), "running", "live"),
            (("domain", "dns_forwarders", "routes", "dnsmasq_options"), "paused", "live"),
            (("domain", "dns_forwarders", "routes", "dnsmasq_options"), "inactive", "none"),
        )
    ),
    NetworkChange(fields={"domain_local": "live", "mode": "live"}, state="running",
                  before='domain="x.test", mode="isolated"', after='domain="x.test", domain_local=False, mode="route"'),
    NetworkChange(fields={"mode": "none", "mtu": "none"}, state="stopped", before='mode="open"',
                  after='mode="isolated", mtu=1400'),
    NetworkChange(fields={"bridge": "live", "subnets": "live"}, state="running",
                  before='bridge="$prefix-o", gateway="{net}.1"', after='bridge="$prefix-n", gateway="{net}.2"'),
    NetworkChange(fields={"mtu": "restart", "domain": "restart"}, state="running", before="",
                  after='mtu=1400, domain="x.test"'),
    NetworkChange(fields={"label": "restart"}, state="running", before='label="$prefix-{name}-old"',
                  after='label="$prefix-{name}"'),
)  # fmt: skip
