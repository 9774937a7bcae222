"""Hosts that a stack names twice without knowing."""

import msgspec
import pytest

from tests.fake.machine import DEFAULT_FACTS
from tests.unit.plan.builders import graph, host
from vmstack.errors import ConflictError
from vmstack.model.observed import HostSnapshot, Observed
from vmstack.plan.placement import place

ONE, OTHER = "0d706655-a4c0-440e-8867-dcb6ac916425", "0d706655-a4c0-440e-8867-dcb6ac916426"


def observed(*hosts: tuple[str, str]) -> Observed:
    """Hosts kvm1, kvm2, ... of these machines, reached by these URIs."""
    found = {}
    for number, (uuid, uri) in enumerate(hosts, start=1):
        facts = msgspec.structs.replace(DEFAULT_FACTS, uuid=uuid, uri=uri)
        found[f"kvm{number}"] = HostSnapshot(host=f"kvm{number}", facts=facts)
    return Observed(hosts=found)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((ONE, "qemu:///system"), (OTHER, "qemu+ssh://b/system")),
        ((ONE, "qemu:///system"), (ONE, "qemu:///session")),
        ((ONE, "qemu+ssh://a@h/session"), (ONE, "qemu+ssh://b@h/session")),
        (("", "fake://a/system"), ("", "fake://b/system")),
    ],
    ids=["two machines", "system and session", "two users", "machines without identity"],
)
def test_hosts_that_are_two(first: tuple[str, str], second: tuple[str, str]) -> None:
    desired = graph(host("kvm1"), host("kvm2"))
    assert place(desired, observed(first, second)) is desired


def test_two_names_of_one_host_are_refused() -> None:
    desired = graph(host("kvm1"), host("kvm2"))
    with pytest.raises(ConflictError, match=r"host.kvm1 and host.kvm2 are one") as caught:
        place(desired, observed((ONE, "qemu:///system"), (ONE, "qemu+ssh://localhost/system")))
    assert caught.value.place is not None
