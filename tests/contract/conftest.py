"""Where the contract tests run: on the FakeHost, and on the real daemon of this machine."""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from tests.contract import documents
from tests.fake.guests import Guest
from tests.fake.host import FakeHost
from tests.fake.machine import Content, File
from vmstack.errors import VmstackError
from vmstack.hosts.driver import Driver
from vmstack.model.specs import HostSpec

_URI = "qemu:///system"


@dataclass
class Site:
    """A host with room for one test: names, addresses and a directory that nobody else uses, and a clean-up."""

    driver: Driver
    real: bool
    folder: str
    prefix: str
    third: int
    made: list[tuple[str, str]] = field(default_factory=list)

    def name(self, part: str) -> str:
        return f"{self.prefix}-{part}"

    def uuid(self, part: str) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_OID, self.name(part)))

    def usage(self, part: str) -> str:
        return f"{self.prefix}:{part}"

    def path(self, part: str) -> str:
        return f"{self.folder}/{part}"

    def subnet(self, number: int) -> str:
        """The first three bytes of a network, 10.214.x."""
        return f"10.214.{self.third + number}"

    def bridge(self, number: int) -> str:
        return f"ctr{self.third + number}br{os.getpid() % 10000}"

    def pool(self, part: str = "pool") -> str:
        """A running pool; returns its name."""
        name = self.name(part)
        self.driver.define_pool(documents.pool(name, self.uuid(part), self.path(part)))
        self.driver.build_pool(name)
        self.driver.start_pool(name)
        return name

    def volume(self, pool: str, name: str, *, capacity: int = 1 << 20, backing: str | None = None) -> str:
        """A qcow2 volume; returns its path."""
        self.driver.create_volume(pool, documents.volume(name, capacity=capacity, backing=backing))
        return f"{self.path(pool.removeprefix(self.prefix + '-'))}/{name}"

    def place_file(self, part: str, content: bytes) -> None:
        """A file that somebody puts there behind libvirt's back."""
        if isinstance(self.driver, FakeHost):
            path = self.path(part)
            self.driver.machine.files[path] = File(path, "raw", len(content), Content.of([content]))
        else:
            Path(self.path(part)).write_bytes(content)

    def network(self, part: str = "net", *, number: int = 0, start: bool = False, **more: object) -> str:
        """An isolated network; returns its UUID."""
        xml = documents.network(
            self.name(part), self.uuid(part), bridge=self.bridge(number), subnet=self.subnet(number), **more
        )
        self.driver.define_network(xml)
        if start:
            self.driver.start_network(self.uuid(part))
        return self.uuid(part)

    def domain(self, part: str = "vm", *devices: object, start: bool = False, **more: object) -> str:
        """A domain; returns its UUID."""
        self.driver.define_domain(documents.domain(self.name(part), self.uuid(part), *devices, **more))
        if start:
            self.driver.start_domain(self.uuid(part))
        return self.uuid(part)

    def snapshot(self, uuid: str) -> None:
        """A snapshot of a domain that is off, by whoever takes one."""
        if isinstance(self.driver, FakeHost):
            self.driver.machine.domains[uuid].snapshots += 1
            return
        import libvirt

        connection = libvirt.open(_URI)
        try:
            domain = connection.lookupByUUIDString(uuid)
            # Its record alone: there is no disk that a real one could be of.
            xml = documents.snapshot(domain.XMLDesc(0))
            domain.snapshotCreateXML(xml, libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE)
        finally:
            connection.close()

    def clean(self) -> None:
        """Remove whatever has the prefix, in whatever state."""
        for domain in self.driver.domains():
            if domain.name.startswith(self.prefix):
                self._try(self.driver.power_off_domain, domain.uuid)
                self._try(partial(self.driver.undefine_domain, moments=True), domain.uuid)
        for network in self.driver.networks():
            if network.name.startswith(self.prefix):
                self._try(self.driver.stop_network, network.uuid)
                self._try(self.driver.undefine_network, network.uuid)
        for pool in self.driver.pools():
            if pool.name.startswith(self.prefix):
                self._try(self.driver.stop_pool, pool.name)
                self._try(self.driver.undefine_pool, pool.name)
        for secret in self.driver.secrets(usage_prefix=self.prefix):
            self._try(self.driver.undefine_secret, secret.uuid)
        shutil.rmtree(self.folder, ignore_errors=True)

    @staticmethod
    def _try(call: object, argument: str) -> None:
        with suppress(VmstackError):
            call(argument)


def _worker() -> int:
    return int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))


def _libvirt_is_required() -> bool:
    return bool(os.environ.get("CI")) or shutil.which("libvirtd") is not None


@pytest.fixture(params=["fake", pytest.param("libvirt", marks=pytest.mark.libvirt)])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """The host under test. A real daemon is required where one is installed, and in CI."""
    prefix = f"ctr-{os.getpid()}"
    third = 10 + _worker() * 20
    if request.param == "fake":
        host = FakeHost()
        # Nothing boots on these domains: whoever asks them gets no answer.
        host.machine.default_guest = Guest(silent=True, lease_after=None, obeys_shutdown=False, releases_devices=False)
        yield Site(host, False, "/var/lib/libvirt/ctr", prefix, third)
        return
    if not _libvirt_is_required():
        pytest.skip("no libvirtd is installed")
    from vmstack.hosts.connection import connect

    driver = connect(HostSpec(name="here", uri=_URI), readonly=False)
    # pytest's own folders are closed to QEMU's user.
    folder = f"/var/tmp/{prefix}-{tmp_path.name[:40]}"
    found = Site(driver, True, folder, prefix, third)
    found.clean()
    try:
        yield found
    finally:
        found.clean()
        driver.close()
