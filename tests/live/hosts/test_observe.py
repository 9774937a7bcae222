"""Observing the real daemon, and the fence before executing."""

import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.contract import documents
from tests.live.hosts.conftest import URI, Corner
from vmstack.errors import HostError, HostUnreachableError, StalePlanError
from vmstack.hosts.connection import connect
from vmstack.hosts.driver import Driver
from vmstack.hosts.expectations import check_expectations
from vmstack.hosts.ledger import HostLedger
from vmstack.hosts.libvirt_driver import LibvirtDriver
from vmstack.hosts.link import Link
from vmstack.hosts.lock import HostLock
from vmstack.hosts.observe import observe, observe_host
from vmstack.model.identity import StackId
from vmstack.model.observed import HostSnapshot, Scope
from vmstack.model.ownership import Ledger, LedgerEntry, Stamp
from vmstack.model.plan import Expectation
from vmstack.model.specs import HostSpec
from vmstack.xmlio.fingerprint import domain_fingerprint
from vmstack.xmlio.stamp import NAMESPACE, write_stamp

pytestmark = pytest.mark.libvirt


@pytest.fixture
def stack(corner: Corner) -> Iterator[StackId]:
    found = StackId(corner.prefix, "dev")
    yield found
    HostLedger(corner.driver, found).remove()


@pytest.fixture
def readonly() -> Iterator[Driver]:
    driver = connect(HostSpec(name="here", uri=URI), readonly=True)
    yield driver
    driver.close()


def furnish(corner: Corner, stack: StackId) -> None:
    """A pool with an overlay, a network, and two domains: a running one of the stack and a foreign one."""
    pool = corner.pool()
    base = corner.volume(pool, "base.qcow2")
    path = corner.volume(pool, "root.qcow2", backing=base)
    corner.volume(pool, "data.qcow2")
    net, ours = corner.network(start=True), corner.domain("ours", documents.disk(path), ports=9, start=True)
    corner.domain("theirs", documents.nic("52:00:00:00:00:bb", corner.name("net")))
    stamp = Stamp(path=f"{stack}/vm/ours", digest="d")
    corner.driver.set_domain_metadata(ours, xml=write_stamp(stamp), namespace=NAMESPACE, live=True)
    stamp = Stamp(path=f"{stack}/network/net", digest="d")
    corner.driver.set_network_metadata(net, xml=write_stamp(stamp), namespace=NAMESPACE, live=True)
    corner.driver.power_off_domain(ours)
    corner.driver.start_domain(ours)


def mine(snapshot: HostSnapshot, prefix: str) -> HostSnapshot:
    """Without what others hold on this machine, and without what moves by itself."""
    pools = [
        msgspec.structs.replace(
            pool,
            available=None,
            volumes=tuple(
                msgspec.structs.replace(
                    volume, modified=None, config=msgspec.structs.replace(volume.config, allocation=None)
                )
                for volume in pool.volumes or ()
            ),
        )
        for pool in snapshot.pools
        if pool.name.startswith(prefix)
    ]
    return msgspec.structs.replace(
        snapshot,
        domains=tuple(found for found in snapshot.domains if found.name.startswith(prefix)),
        networks=tuple(found for found in snapshot.networks if found.name.startswith(prefix)),
        pools=tuple(pools),
        other_ledgers=(),
    )


def test_snapshot_tells_ours_from_theirs(corner: Corner, stack: StackId) -> None:
    furnish(corner, stack)
    pool = corner.name("pool")
    ledger = Ledger(stack=stack, entries=(LedgerEntry(name="pool", role="pool", pool=pool),))
    HostLedger(corner.driver, stack).write(ledger)
    lock = HostLock(corner.driver, stack, operation="test")
    held = lock.acquire()
    try:
        snapshot = observe_host("kvm1", corner.driver, stack=stack, scope=Scope())
    finally:
        lock.release()
    domains = {found.name: found for found in snapshot.domains}
    ours, theirs = domains[corner.name("ours")], domains[corner.name("theirs")]
    assert (ours.active, ours.state, ours.stamp.path) == (True, "running", f"{stack}/vm/ours")
    assert ours.xml
    assert ours.live_xml
    assert ours.free_ports > 0
    assert ours.live is not None
    assert (theirs.active, theirs.xml, theirs.live_xml, theirs.live) == (False, "", None, None)
    assert theirs.config.nics[0].mac == "52:00:00:00:00:bb"
    found = next(found for found in snapshot.pools if found.name == pool)
    assert [volume.name for volume in found.volumes] == ["base.qcow2", "data.qcow2", "root.qcow2"]
    assert found.volumes[2].config.backing_path == corner.path("pool/base.qcow2")
    assert found.available > 0
    assert all(other.volumes is None for other in snapshot.pools if other.name != pool)
    assert (snapshot.ledger, snapshot.lock) == (ledger, held)
    assert next(found for found in snapshot.networks if found.name == corner.name("net")).fingerprint


def test_readonly_connection_sees_the_same(corner: Corner, stack: StackId, readonly: Driver) -> None:
    furnish(corner, stack)
    scope = Scope(pools=frozenset({corner.name("pool")}))
    full = observe_host("kvm1", corner.driver, stack=stack, scope=scope)
    seen = observe_host("kvm1", readonly, stack=stack, scope=scope)
    # libvirt refuses a read-only connection the question for the capabilities of domains.
    asked = {"emulates_tpm": full.facts.emulates_tpm, "secure_boot": full.facts.secure_boot}
    assert (seen.facts.emulates_tpm, seen.facts.secure_boot) == (None, None)
    seen = msgspec.structs.replace(seen, facts=msgspec.structs.replace(seen.facts, **asked))
    assert mine(seen, corner.prefix) == mine(full, corner.prefix)


def test_nothing_moves_by_itself(corner: Corner, stack: StackId) -> None:
    furnish(corner, stack)
    scope = Scope(pools=frozenset({corner.name("pool")}))
    first = mine(observe_host("kvm1", corner.driver, stack=stack, scope=scope), corner.prefix)
    channel = corner.driver.read_channel(corner.uuid("ours"), "org.vmstack.ready.0", timeout=5)
    next(channel)
    (Path(corner.path("pool")) / "base.qcow2").touch()
    second = mine(observe_host("kvm1", corner.driver, stack=stack, scope=scope), corner.prefix)
    channel.close()
    assert second == first


def test_free_ports_are_those_that_a_device_can_take(corner: Corner, stack: StackId) -> None:
    furnish(corner, stack)

    def free() -> int:
        snapshot = observe_host("kvm1", corner.driver, stack=stack, scope=Scope())
        return next(found.free_ports for found in snapshot.domains if found.uuid == corner.uuid("ours"))

    count = free()
    for left in range(count - 1, -1, -1):
        nic = documents.text(documents.nic(f"52:00:00:00:02:{left:02x}", corner.name("net")))
        corner.driver.attach_device(corner.uuid("ours"), nic, live=True, config=False)
        assert free() == left
    with pytest.raises(HostError):
        nic = documents.text(documents.nic("52:00:00:00:02:ff", corner.name("net")))
        corner.driver.attach_device(corner.uuid("ours"), nic, live=True, config=False)


def test_unreachable_host_is_unknown_not_empty(corner: Corner, stack: StackId) -> None:
    broken = connect(HostSpec(name="here", uri=URI), readonly=True)
    broken._link.connection.close()
    with pytest.raises(HostUnreachableError):
        observe({"a": corner.driver, "b": broken}, stack=stack, scopes={})


def test_stale_plan_names_what_moved(corner: Corner, stack: StackId) -> None:
    furnish(corner, stack)
    scope = Scope(pools=frozenset({corner.name("pool")}))
    snapshot = mine(observe_host("kvm1", corner.driver, stack=stack, scope=scope), corner.prefix)
    ours = next(found for found in snapshot.domains if found.stamp)
    net, pool = snapshot.networks[0], snapshot.pools[0]
    expectations = [
        Expectation(host="kvm1", object="domain", id=ours.uuid, name="ours", fingerprint=domain_fingerprint(ours)),
        Expectation(host="kvm1", object="network", id=net.uuid, name="net", fingerprint=net.fingerprint),
        Expectation(host="kvm1", object="pool", id=pool.name, name="pool", fingerprint=pool.fingerprint),
        *(
            Expectation(
                host="kvm1",
                object="volume",
                id=f"{pool.name}/{volume.name}",
                name=volume.name,
                fingerprint=volume.fingerprint,
            )
            for volume in pool.volumes
        ),
        Expectation(host="kvm1", object="volume", id=f"{pool.name}/new", name="new", fingerprint=None),
        Expectation(host="kvm1", object="volume", id="hst-nowhere/new", name="nowhere", fingerprint=None),
        Expectation(host="kvm1", object="domain", id=corner.uuid("new"), name="new-vm", fingerprint=None),
    ]
    check_expectations({"kvm1": corner.driver}, expectations, stack=StackId("hst", "none"))
    corner.driver.set_vcpus(ours.uuid, 2, live=True, config=True)
    corner.driver.set_network_autostart(net.uuid, enabled=True)
    corner.driver.power_off_domain(ours.uuid)
    corner.driver.delete_volume(pool.name, "root.qcow2")
    corner.driver.resize_volume(pool.name, "data.qcow2", capacity=8 << 20)
    corner.volume(pool.name, "new")
    corner.domain("new")
    with pytest.raises(StalePlanError) as caught:
        check_expectations({"kvm1": corner.driver}, expectations, stack=StackId("hst", "none"))
    assert sorted(caught.value.details) == [
        "kvm1: domain new-vm has appeared",
        "kvm1: domain ours has changed",
        "kvm1: network net has changed",
        "kvm1: volume data.qcow2 has changed",
        "kvm1: volume new has appeared",
        "kvm1: volume root.qcow2 is gone",
    ]


def test_many_expectations_are_read_in_bulk(corner: Corner, stack: StackId) -> None:
    pool = corner.pool()
    for number in range(12):
        corner.volume(pool, f"v{number}")
    snapshot = observe_host("kvm1", corner.driver, stack=stack, scope=Scope(pools=frozenset({pool})))
    volumes = next(found for found in snapshot.pools if found.name == pool).volumes
    expectations = [
        Expectation(
            host="k", object="volume", id=f"{pool}/{found.name}", name=found.name, fingerprint=found.fingerprint
        )
        for found in volumes
    ]
    check_expectations({"k": corner.driver}, expectations, stack=StackId("hst", "none"))
    shutil.rmtree(corner.path("pool"))
    with pytest.raises(StalePlanError) as caught:
        check_expectations({"k": corner.driver}, expectations, stack=StackId("hst", "none"))
    assert len(caught.value.details) == 12


@pytest.mark.parametrize("kind", ["domains", "networks", "pools", "volumes", "secrets"])
def test_what_goes_away_between_list_and_read_is_left_out(
    corner: Corner, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    driver = corner.driver
    assert isinstance(driver, LibvirtDriver)
    pool = corner.pool()
    corner.volume(pool, "goes")
    corner.volume(pool, "stays")
    usage = f"{corner.prefix}:goes"
    for part in ("goes", "stays"):
        driver.define_secret(uuid=corner.uuid(part), usage=f"{corner.prefix}:{part}", description="x")
    driver.define_pool(documents.pool(corner.name("goes"), corner.uuid("goes"), corner.path("goes")))
    goes = {"domains": corner.domain("goes"), "networks": corner.network("goes")}
    removals = {
        "domains": lambda: driver.undefine_domain(goes["domains"]),
        "networks": lambda: driver.undefine_network(goes["networks"]),
        "pools": lambda: driver.undefine_pool(corner.name("goes")),
        "volumes": lambda: driver.delete_volume(pool, "goes"),
        "secrets": lambda: driver.undefine_secret(corner.uuid("goes")),
    }
    listings = {
        "domains": lambda: [found.name for found in driver.domains()],
        "networks": lambda: [found.name for found in driver.networks()],
        "pools": lambda: [found.name for found in driver.pools()],
        "volumes": lambda: [found.name for found in driver.volumes(pool)],
        "secrets": lambda: [found.usage for found in driver.secrets(usage_prefix=corner.prefix)],
    }
    gone = {"volumes": "goes", "secrets": usage}.get(kind, corner.name("goes"))
    assert gone in listings[kind]()
    each = Link.each

    def late(link: Link, function: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        handles = list(items)
        monkeypatch.setattr(Link, "each", each)
        removals[kind]()
        return each(link, function, handles)

    monkeypatch.setattr(Link, "each", late)
    assert gone not in listings[kind]()
