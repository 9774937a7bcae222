"""What `virsh` says of this machine's libvirt, and the clean-up of what tests made there."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from vmstack.errors import VmstackError
from vmstack.hosts.connection import connect
from vmstack.model.specs import HostSpec

URI = "qemu:///system"
PREFIX = "lv-"
# QEMU's user must get there, and pytest's own folders are closed to it.
POOLS = Path("/var/lib/libvirt")
_LISTS = ("list --all", "net-list --all", "pool-list --all", "secret-list")
# What a pool's file system has free moves with everything that anybody writes.
_SPACE = re.compile(r"<(capacity|allocation|available) unit='bytes'>\d+</\1>")


def virsh(*arguments: str, stdin: str | None = None) -> str:
    """Run virsh and return what it prints; its failure is an error."""
    done = subprocess.run(
        ["virsh", "-q", "-c", URI, *arguments], input=stdin, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"virsh {' '.join(arguments)}: {done.stderr}"
    return done.stdout


def listed(*prefixes: str) -> dict[str, list[str]]:
    """The rows of virsh's lists that hold one of the prefixes: other tests' objects come and go meanwhile."""
    found = {}
    for command in _LISTS:
        rows = (" ".join(row.split()) for row in virsh(*command.split()).splitlines())
        found[command] = sorted(row for row in rows if any(prefix in row for prefix in prefixes))
    return found


def volumes(pool: str) -> list[str]:
    """The names of the volumes that are really there."""
    virsh("pool-refresh", pool)
    return sorted(row.split()[0] for row in virsh("vol-list", pool).splitlines() if row.strip())


def dump(kind: str, *names: str) -> str:
    """The live and the inactive XML of an object (`domain`, `net`, `pool`), or of a volume."""
    if kind == "vol":
        return virsh("vol-dumpxml", *names)
    command = "dumpxml" if kind == "domain" else f"{kind}-dumpxml"
    return _SPACE.sub("", virsh(command, *names) + virsh(command, *names, "--inactive"))


def qemu_pid(name: str) -> int:
    """The QEMU process of a running domain."""
    return int(Path(f"/run/libvirt/qemu/{name}.pid").read_text())


def sweep(prefix: str) -> None:
    """Remove whatever has the prefix, in whatever state."""
    driver = connect(HostSpec(name="here", uri=URI), readonly=False)
    try:
        for domain in driver.domains():
            if domain.name.startswith(prefix):
                _try(driver.power_off_domain, domain.uuid)
                _try(driver.undefine_domain, domain.uuid)
        for network in driver.networks():
            if network.name.startswith(prefix):
                _try(driver.stop_network, network.uuid)
                _try(driver.undefine_network, network.uuid)
        for pool in driver.pools():
            if pool.name.startswith(prefix):
                _try(driver.stop_pool, pool.name)
                _try(driver.undefine_pool, pool.name)
        for usage in ("vmstack:", "vmstack:lock:"):
            for secret in driver.secrets(usage_prefix=usage + prefix):
                _try(driver.undefine_secret, secret.uuid)
    finally:
        driver.close()
    for folder in POOLS.glob(f"vmstack-{prefix}*"):
        shutil.rmtree(folder, ignore_errors=True)


def sweep_dead() -> None:
    """Remove what killed test runs left: the names hold the process that made them."""
    for pid in sorted(set(_pids())):
        if not Path(f"/proc/{pid}").exists():
            sweep(f"{PREFIX}{pid}-")


def _pids() -> Iterator[int]:
    pattern = re.compile(rf"{re.escape(PREFIX)}(\d+)-")
    names = [row for rows in listed(PREFIX).values() for row in rows]
    names += [folder.name for folder in POOLS.glob(f"vmstack-{PREFIX}*")]
    for name in names:
        yield from (int(found) for found in pattern.findall(name))


def _try(call: object, argument: str) -> None:
    with suppress(VmstackError):
        call(argument)
