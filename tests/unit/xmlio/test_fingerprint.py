from pathlib import Path

import pytest

from vmstack.errors import DocumentError
from vmstack.xmlio.fingerprint import fingerprint

CASES = Path(__file__).parents[2] / "cases" / "xml" / "read"
DOMAIN = (CASES / "domain-everything.xml").read_text()
RUNNING = (CASES / "domain-running.xml").read_text()
NETWORK = (CASES / "network-everything.xml").read_text()
ISOLATED = (CASES / "network-isolated.xml").read_text()
POOL = (CASES / "pool-dir.xml").read_text()
VOLUME = (CASES / "volume-overlay.xml").read_text()
SEED = (CASES / "volume-seed-after-refresh.xml").read_text()

MOVES_BY_ITSELF = [
    (DOMAIN, "<name>", "\n\n   <name>"),
    (DOMAIN, "<genid>", "<!-- x --><genid>"),
    (DOMAIN, "offset='utc'", "offset=\"utc\""),
    (DOMAIN, "average='1000'/>", "average='1000'></inbound>"),
    (DOMAIN, "<target dev='vda' bus='virtio'/>", "<target bus='virtio' dev='vda'/>"),
    (DOMAIN, "<address type='pci' domain='0x0000' bus='0x0a' slot='0x00' function='0x0'/>", ""),
    (RUNNING, "type='qemu' id='", "type='qemu' id='9"),
    (RUNNING, "<currentMemory unit='KiB'>5", "<currentMemory unit='KiB'>4"),
    (RUNNING, "<alias name='net0'/>", "<alias name='net1'/>"),
    (RUNNING, "state='disconnected'", "state='connected'"),
    (RUNNING, "/dev/pts/0", "/dev/pts/7"),
    (RUNNING, "r.qcow2' index='3'", "r.qcow2' index='5'"),
    (RUNNING, "vnet", "vnet1"),
    (RUNNING, "port='5900'", "port='5907'"),
    (RUNNING, "portid='2", "portid='3"),
    (RUNNING, "/target/domain-", "/target/domain-9"),
    (RUNNING, "<label>+64055", "<label>+1"),
    (ISOLATED, "connections='2'", "connections='3'"),
    (POOL, "249130405888", "1"),
    (POOL, "21330247680", "1"),
    (VOLUME, "200704", "999999"),
    (VOLUME, "1795451912.307009631", "1795451913.1"),
    (VOLUME, "<owner>64055", "<owner>0"),
    (VOLUME, "<mode>0600", "<mode>0644"),
    (SEED, "'iso'", "'raw'"),
]  # fmt: skip
USB = "<controller type='usb' index='0' model='qemu-xhci'/>"
SATA = "<controller type='sata' index='0'/>"


MOVED = [
    (DOMAIN, "<name>zoo", "<name>zoon"),
    (DOMAIN, "<currentMemory unit='KiB'>512000", "<currentMemory unit='KiB'>512001"),
    (DOMAIN, "Everything &amp; more", "Everything"),
    (DOMAIN, "debian/12", "debian/13"),
    (DOMAIN, "<address domain='0x0000' bus='0x01'", "<address domain='0x0000' bus='0x02'"),
    (DOMAIN, "average='1000'", "average='1001'"),
    (DOMAIN, "<seclabel type='none' model='none'/>", ""),
    (DOMAIN, "<boot order='1'/>", ""),
    (RUNNING, "generation=\"1\"", "generation=\"2\""),
    (RUNNING, "current='1'", "current='2'"),
    (RUNNING, "images/r.qcow2", "images/x.qcow2"),
    (RUNNING, "network='net'", "network='other'"),
    (NETWORK, "192.168.122.10", "192.168.122.13"),
    (NETWORK, "<tftp root='/var/lib/tftproot'/>", ""),
    (POOL, "<path>/var", "<path>/srv"),
    (VOLUME, "20971520", "20971521"),
    (VOLUME, "/srv/pool/b.qcow2", "/srv/pool/c.qcow2"),
    (SEED, "'iso'", "'qcow2'"),
]  # fmt: skip


@pytest.mark.parametrize(("xml", "old", "new"), MOVES_BY_ITSELF)
def test_what_moves_by_itself_does_not_count(xml: str, old: str, new: str) -> None:
    assert old in xml
    assert fingerprint(xml.replace(old, new)) == fingerprint(xml)


@pytest.mark.parametrize(("xml", "old", "new"), MOVED)
def test_what_was_changed_counts(xml: str, old: str, new: str) -> None:
    assert old in xml
    assert fingerprint(xml.replace(old, new)) != fingerprint(xml)


def test_order_of_controllers_does_not_count() -> None:
    domain = "<domain><devices>{}{}</devices></domain>"
    assert fingerprint(domain.format(USB, SATA)) == fingerprint(domain.format(SATA, USB))
    assert fingerprint(domain.format(USB, SATA)) != fingerprint(domain.format(USB, USB))


def test_domain_without_devices_has_a_fingerprint() -> None:
    assert fingerprint("<domain id='1'/>") == fingerprint("<domain/>") != fingerprint("<network/>")


def test_parts_do_not_run_together() -> None:
    prints = [
        fingerprint(), fingerprint(None), fingerprint(""), fingerprint("a"), fingerprint("a", None),
        fingerprint(None, "a"), fingerprint("ab"), fingerprint("a", "b"), fingerprint("<a/>"),
        fingerprint("<a/>", "<a/>"),
    ]  # fmt: skip
    assert len(set(prints)) == len(prints)
    assert all(len(found) == 64 for found in prints)


def test_broken_xml_has_no_fingerprint() -> None:
    with pytest.raises(DocumentError):
        fingerprint("<domain>")


def test_hostile_words_have_a_fingerprint() -> None:
    assert fingerprint("\ud800") != fingerprint("?")
