"""What a probe guest sees of itself (tests/guests/probe/init), read from its readiness channel."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.live.stack.virsh import URI
from vmstack.hosts.connection import connect
from vmstack.hosts.guest_report import LineBuffer, decode_report
from vmstack.model.readiness import READY_CHANNEL
from vmstack.model.specs import HostSpec

_PATIENCE = 300


@dataclass(frozen=True)
class Facts:
    """One report. `disks` are by serial, `nics` by MAC, `seed` by file name; values as the guest wrote them."""

    boot: str
    instance: str
    addresses: tuple[str, ...]
    memory_kb: int
    cpus: int
    disks: dict[str, dict[str, str]]
    nics: dict[str, dict[str, str]]
    seed: dict[str, str]


def look_into(uuid: str, *, until: Callable[[Facts], bool] = lambda facts: True) -> Facts:
    """Read reports until one is as wanted. The first may be old: it waited for a reader, so it never counts."""
    driver = connect(HostSpec(name="here", uri=URI), readonly=False)
    buffer, facts, number = LineBuffer(), None, 0
    deadline = time.monotonic() + _PATIENCE
    stream = driver.read_channel(uuid, READY_CHANNEL, timeout=_PATIENCE)
    try:
        for data in stream:
            for line in buffer.feed(data):
                report = decode_report(line)
                number += report is not None
                if report is None or number == 1:
                    continue
                facts = _read(report)
                if until(facts):
                    return facts
            assert time.monotonic() < deadline, f"the guest never saw it; it sees {facts}"
    finally:
        stream.close()
        driver.close()
    raise AssertionError(f"the guest stopped reporting; it saw {facts}")


def _read(report: object) -> Facts:
    values, disks, nics, seed = {}, {}, {}, {}
    for line in report.status.splitlines():
        first, _, rest = line.partition(" ")
        words = dict(word.partition("=")[::2] for word in rest.split())
        if first == "disk":
            disks[words["serial"]] = words
        elif first == "nic":
            nics[rest.split()[0]] = words
        elif first == "seed":
            seed[rest.split()[0]] = words["sha256"]
        else:
            name, _, value = line.partition("=")
            values[name] = value
    return Facts(
        boot=report.boot,
        instance=report.instance,
        addresses=report.addresses,
        memory_kb=int(values["memtotal_kb"]),
        cpus=int(values["cpus"]),
        disks=disks,
        nics=nics,
        seed=seed,
    )
