"""What a network serves, as programs of `pulumi_libvirt` say it: made, changed in each direction, and taken away."""

import json
from pathlib import Path

import pytest

from tests.live.stack.test_networks import ask
from tests.live.stack.virsh import dump, virsh
from tests.live.stack.workbench import Stack

pytestmark = [pytest.mark.libvirt, pytest.mark.timeout(600)]

PROGRAM = """
import json
from pathlib import Path
import pulumi_libvirt as libvirt

inputs = {"name": "$prefix-lan", "mode": "none", "addresses": ["$subnet.0/25"]}
inputs |= json.loads(Path("inputs.json").read_text())
libvirt.Network("lan", **inputs)
"""
STYLESHEET = """
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:template match="@*|node()"><xsl:copy><xsl:apply-templates select="@*|node()"/></xsl:copy></xsl:template>
  <xsl:template match="ip">
    <xsl:copy><xsl:apply-templates select="@*"/><tftp root="%s"/><xsl:apply-templates select="node()"/></xsl:copy>
  </xsl:template>
</xsl:stylesheet>
"""
SRV = {"service": "ldap", "protocol": "tcp", "domain": "lv.test", "target": "db.lv.test", "port": "389"}
RANGE = "dhcp[{0}.1]"


def test_services_come_change_and_go(stack: Stack) -> None:
    stack.write(PROGRAM)
    _config(stack)
    network, subnet = stack.name("lan"), stack.subnet
    served = {
        "domain": "lv.test",
        "dns": {"enabled": True, "local_only": False, "forwarders": [{"domain": "x.test", "address": f"{subnet}.9"}],
                "srvs": [SRV], "hosts": [{"ip": f"{subnet}.7", "hostname": "db.lv.test"}]},
        "routes": [{"cidr": "10.235.0.0/24", "gateway": f"{subnet}.5"}],
        "dnsmasq_options": {"options": [{"option_name": "address", "option_value": f"/star.lv.test/{subnet}.8"}]},
        "mtu": 1400,
        "autostart": True,
    }  # fmt: skip
    _apply(stack, served)
    conf = _conf(network)
    assert f"server=/x.test/{subnet}.9" in conf
    assert "srv-host=_ldap._tcp.lv.test,db.lv.test,389" in conf
    assert "local=/lv.test/" not in conf
    assert ask(f"{subnet}.1", "any.star.lv.test") == f"{subnet}.8"
    assert "localOnly='no'" in dump("net", network)

    # Service records and ranges change while it runs.
    served["dns"]["srvs"] = [{**SRV, "weight": "7"}, {**SRV, "service": "sip"}]
    served["dhcp"] = {"enabled": False}
    change = _apply(stack, served)
    assert (change["actions"], change["disruption"]) == (["update"], "live")
    assert {field["path"] for field in change["fields"]} == {
        "dns_srvs[_ldap._tcp.lv.test/db.lv.test:389]",
        "dns_srvs[_sip._tcp.lv.test/db.lv.test:389]",
        RANGE.format(subnet),
    }
    conf = _conf(network)
    assert "srv-host=_ldap._tcp.lv.test,db.lv.test,389,0,7" in conf
    assert "_sip._tcp" in conf
    assert "dhcp-range" not in conf

    # Everything else needs a start; and what the program says no more is gone.
    served["dhcp"] = {"enabled": True}
    served["dns"] |= {"local_only": True, "forwarders": [{"address": f"{subnet}.9"}]}
    served["routes"][0]["gateway"] = f"{subnet}.6"
    served["dnsmasq_options"]["options"] = [{"option_name": "filterwin2k"}]
    served |= {"mtu": 1300, "autostart": False, "xml": {"xslt": STYLESHEET % "/tmp"}}
    change = _apply(stack, served)
    assert change["actions"] == ["delete", "create"]
    assert {field["path"] for field in change["fields"]} == {
        "domain_local", "dns_forwarders", "routes", "dnsmasq_options", "mtu", "xslt", RANGE.format(subnet),
    }  # fmt: skip
    conf, xml = _conf(network), dump("net", network)
    assert "local=/lv.test/" in conf
    assert "filterwin2k" in conf
    assert f"dhcp-range={subnet}.2" in conf
    for text in (f"gateway='{subnet}.6'", "<mtu size='1300'/>", "<tftp root='/tmp'/>"):
        assert xml.count(text) == 2, xml
    assert "no" in next(line for line in virsh("net-info", network).splitlines() if "Autostart" in line)

    # What the stylesheet wrote is looked after, and a harmless edit of it changes nothing.
    served["xml"] = {"xslt": STYLESHEET.replace("  <xsl", "\n<xsl") % "/tmp"}
    (stack.folder / "inputs.json").write_text(json.dumps(served))
    stack.is_converged()
    edited = stack.folder / "edited.xml"
    edited.write_text(virsh("net-dumpxml", network, "--inactive").replace("root='/tmp'", "root='/drifted'"))
    virsh("net-define", str(edited))
    assert {field["path"] for field in stack.plan()["changes"]["network.lan"]["fields"]} == {"xslt"}
    served["xml"] = {"xslt": STYLESHEET % "/var"}
    _apply(stack, served)
    xml = dump("net", network)
    assert xml.count("<tftp root='/var'") == 2
    assert "drifted" not in xml
    stack.is_converged()

    for name in ("dns", "domain", "routes", "dnsmasq_options", "mtu", "xml"):
        del served[name]
    served["dns"] = {"enabled": False}
    _apply(stack, served)
    xml, conf = dump("net", network), _conf(network)
    assert xml.count("<dns enable='no'/>") == 2, xml
    assert "port=0" in conf
    for text in ("tftp", "dnsmasq", "<route", "<domain", "<mtu"):
        assert text not in xml
    del served["dns"]
    _apply(stack, served)
    assert "<dns" not in dump("net", network)
    assert "port=0" not in _conf(network)
    stack.is_converged()
    stack.destroy()


def _apply(stack: Stack, inputs: dict) -> dict:
    """Apply the network's inputs; returns the planned change. The next plan tells whether anything was left."""
    (stack.folder / "inputs.json").write_text(json.dumps(inputs))
    change = stack.plan()["changes"]["network.lan"]
    stack.apply()
    return change


def _config(stack: Stack) -> None:
    (stack.folder / "Pulumi.dev.yaml").write_text("config:\n  libvirt:uri: qemu:///system\n")


def _conf(network: str) -> str:
    return Path(f"/var/lib/libvirt/dnsmasq/{network}.conf").read_text()
