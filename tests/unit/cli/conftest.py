"""A command line by itself: an empty home, no colours, and one host that is not real."""

from pathlib import Path

import pytest

from tests.fake.host import FakeHost
from vmstack.apply import pipeline


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a stack program is to be written."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("VMSTACK_STACK", raising=False)
    monkeypatch.delenv("LIBVIRT_DEFAULT_URI", raising=False)
    return tmp_path / "stack"


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    """The one host of all stacks; every command gets a fresh connection to it."""
    fake = FakeHost()
    monkeypatch.setattr(pipeline, "connect", lambda spec, *, readonly, at_once=1: fake.connect(faults=fake.faults))
    return fake
