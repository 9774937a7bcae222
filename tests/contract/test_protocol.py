"""Both drivers have the protocol's methods, with its parameters."""

import inspect

import pytest

from tests.contract.conftest import Site
from tests.fake.host import FakeHost
from vmstack.hosts.driver import Driver

METHODS = sorted(name for name, member in vars(Driver).items() if inspect.isfunction(member) and name[0] != "_")


@pytest.mark.parametrize("name", METHODS)
def test_fake_has_the_protocol_s_parameters(name: str) -> None:
    wanted, given = (inspect.signature(getattr(owner, name)).parameters for owner in (Driver, FakeHost))
    assert [(item.name, item.kind) for item in given.values()] == [(item.name, item.kind) for item in wanted.values()]


def test_facts(site: Site) -> None:
    facts = site.driver.facts()
    assert facts.arch
    assert facts.cpus > 0
    assert facts.memory > 1 << 28
    assert facts.libvirt_version >= 9_000_000
    assert "bios" in facts.firmwares
