"""Observing a host on which others are at work."""

import pytest

from tests.contract import documents
from tests.fake.faults import Call, Faults
from tests.fake.host import FakeHost
from vmstack.errors import HostError, PermissionDeniedError
from vmstack.hosts.observe import observe_host
from vmstack.model.identity import StackId
from vmstack.model.observed import HostSnapshot, Scope

STACK = StackId("shop", "prod")


def make_host() -> FakeHost:
    host = FakeHost()
    for number, name in enumerate(("a", "b")):
        host.define_pool(documents.pool(name, f"7c3f5f0e-0000-4000-8000-00000000000{number}", f"/pools/{name}"))
        host.build_pool(name)
        host.start_pool(name)
        host.create_volume(name, documents.volume("v.qcow2"))
    return host


def look(host: FakeHost, *, before: object) -> HostSnapshot:
    driver = host.connect(faults=Faults(before=before))  # type: ignore[arg-type]
    return observe_host("kvm1", driver, stack=STACK, scope=Scope(pools=frozenset("ab")))


def test_a_pool_that_goes_away_meanwhile_is_not_there() -> None:
    host = make_host()

    def remove(call: Call) -> None:
        if call.method == "volumes" and call.arguments["pool"] == "a":
            host.stop_pool("a")
            host.undefine_pool("a")

    snapshot = look(host, before=remove)
    assert [(pool.name, len(pool.volumes or ())) for pool in snapshot.pools] == [("b", 1)]


def test_a_pool_that_stops_meanwhile_is_unknown_and_not_empty() -> None:
    host = make_host()

    def stop(call: Call) -> None:
        if call.method == "volumes" and call.arguments["pool"] == "a":
            host.stop_pool("a")

    snapshot = look(host, before=stop)
    assert [(pool.name, pool.active, pool.volumes is None) for pool in snapshot.pools] == [
        ("a", False, True),
        ("b", True, False),
    ]


@pytest.mark.parametrize("error", [HostError("broken"), PermissionDeniedError("no")])
def test_a_pool_that_cannot_be_read_is_an_error(error: HostError) -> None:
    def refuse(call: Call) -> None:
        if call.method == "volumes":
            raise error

    with pytest.raises(HostError):
        look(make_host(), before=refuse)
