"""What a host tells of itself and of what its guests have, which programs may ask for."""

import pytest

from tests.contract.conftest import Site
from tests.contract.documents import nic
from vmstack.errors import HostError, NotFoundError
from vmstack.hosts.answers import answer
from vmstack.model.facts import Question

MAC = "52:aa:00:00:02:01"


def test_the_machine(site: Site) -> None:
    node = site.driver.node()
    assert node.memory_kib > 0
    assert node.cpus == node.nodes * node.sockets * node.cores * node.threads


def test_devices_have_names_kinds_and_parents(site: Site) -> None:
    try:
        devices = {device.name: device for device in site.driver.devices()}
    except HostError:
        return  # a daemon without a driver for devices says so
    assert "system" in devices["computer"].capabilities
    assert all(device.parent in devices for device in devices.values() if device.parent)


def test_how_full_a_pool_is(site: Site) -> None:
    name = site.pool()
    usage = site.driver.pool_usage(name)
    assert usage.capacity >= usage.allocation >= 0
    assert usage.available == site.driver.pool(name).available
    site.driver.stop_pool(name)
    with pytest.raises(HostError):
        site.driver.pool_usage(name)
    with pytest.raises(NotFoundError):
        site.driver.pool_usage(site.name("other"))


def test_a_guest_that_asked_for_no_lease_has_none(site: Site) -> None:
    site.network(start=True)
    uuid = site.domain("vm", nic(MAC, site.name("net")))
    assert site.driver.addresses(uuid, agent=False) == []
    site.driver.start_domain(uuid)
    assert site.driver.addresses(uuid, agent=False) == []
    assert site.driver.addresses(uuid, agent=True) == []
    with pytest.raises(NotFoundError):
        site.driver.addresses(site.uuid("other"), agent=False)


def test_answers(site: Site) -> None:
    pool = site.pool()
    path = site.volume(pool, "a.qcow2")
    network, domain = site.network(), site.domain()
    wanted = {
        "pool": Question(uri="u", subject="pool", id=pool),
        "volume": Question(uri="u", subject="volume", id=path),
        "network": Question(uri="u", subject="network", id=network),
        "domain": Question(uri="u", subject="domain", id=domain),
        "node": Question(uri="u", subject="node"),
        "nothing": Question(uri="u", subject="domain", id=site.uuid("other")),
        "nowhere": Question(uri="u", subject="volume", id=f"{path}.other"),
    }
    found = answer(site.driver, wanted.values())
    told = {name: found[question] for name, question in wanted.items()}
    assert (told["nothing"], told["nowhere"]) == (None, None)
    assert told["pool"] is not None
    assert told["pool"]["path"] == path.rpartition("/")[0]
    assert told["volume"] == {"name": "a.qcow2", "pool": pool, "size": 1 << 20, "format": "qcow2"}
    assert told["network"] is not None
    assert told["network"]["name"] == site.name("net")
    assert told["domain"] is not None
    assert (told["domain"]["arch"], told["domain"]["machine"]) == ("x86_64", "q35")
