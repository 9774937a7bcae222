"""What a guest under load says on its serial port (tests/guests/load), and what its disk must hold by that."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

START = 1 << 20  # the first area; each field here is as in tests/guests/load/write-and-compare
AREA = 512 << 10
RECORD = 512
_RECORDS = AREA // RECORD
_FIRST = 10**10
_PATIENCE = 90


@dataclass(frozen=True)
class Sight:
    """What the guest sees of itself. `disks` are sizes by serial, `nics` pairs of MTU and carrier by MAC."""

    boot: str
    cpus: int
    memory_kb: int
    disks: dict[str, int]
    nics: dict[str, tuple[int, str]]


@dataclass
class Witness:
    """Reads the log of the serial port. `rounds` are the last ones written by area, `written` is the last of all.

    `faults` are what the guest found wrong, `sights` what it saw since somebody cleared them.
    """

    log: Path
    rounds: dict[int, int] = field(default_factory=dict)
    written: int = -1
    compared: int = 0
    ended: bool = False
    faults: list[str] = field(default_factory=list)
    sights: list[Sight] = field(default_factory=list)
    _offset: int = 0

    def read(self) -> None:
        """Take in the lines that have come since."""
        with self.log.open("rb") as file:
            file.seek(self._offset)
            whole, _, _ = file.read().rpartition(b"\n")
        self._offset += len(whole) + bool(whole)
        for line in whole.decode(errors="replace").splitlines():
            self._take(line.strip())

    def wait(self, what: str, until: Callable[["Witness"], bool]) -> None:
        """Read until it is so; a fault, or too long a wait, is an error."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            self.read()
            assert not self.faults, self.faults
            if until(self):
                return
            assert time.monotonic() < deadline, f"{what}: not seen; round {self.written}, {self.sights[-1:]}"
            time.sleep(0.05)

    def await_fault(self) -> str:
        """Wait for the guest to find a fault; return what it said."""
        deadline = time.monotonic() + _PATIENCE
        while not self.faults:
            assert time.monotonic() < deadline, f"no fault was found; round {self.written}"
            time.sleep(0.05)
            self.read()
        return self.faults[0]

    def await_rounds(self, number: int = 1) -> None:
        """Wait until so many further rounds were begun and written, and something was compared in the meantime."""
        self.read()
        written, compared = self.written + 1 + number, self.compared
        self.wait(f"round {written}", lambda now: now.written >= written and now.compared > compared)

    def _take(self, line: str) -> None:
        kind, _, rest = line.removeprefix("load: ").partition(" ")
        words = dict(word.partition("=")[::2] for word in rest.split())
        if not line.startswith("load: "):
            return
        if kind == "FAULT":
            self.faults.append(rest)
        elif kind == "wrote":
            self.written = int(words["round"])
            self.rounds[int(words["area"])] = self.written
        elif kind == "compared":
            self.compared += 1
        elif kind == "ended":
            self.ended = True
        elif kind == "sees":
            self.sights.append(_sight(words))


def _sight(words: Mapping[str, str]) -> Sight:
    disks = [disk.partition(":") for disk in words["disks"].split(",")]
    nics = [nic.split("/") for nic in words["nics"].split(",") if nic]
    return Sight(
        boot=words["boot"],
        cpus=int(words["cpus"]),
        memory_kb=int(words["memory_kb"]),
        disks={serial: int(size) for serial, _, size in disks},
        nics={mac: (int(mtu), carrier) for mac, mtu, carrier in nics},
    )


def lost(disk: bytes, rounds: Mapping[int, int]) -> Iterator[tuple[str, str]]:
    """What of the rounds that the guest said it wrote is not on its disk, as place and fault: the first of each area.

    A later round than the one it said may have been under way.
    """
    for area, said in sorted(rounds.items()):
        for place in range(_RECORDS):
            where = START + area * AREA + place * RECORD
            number = _number(disk[where : where + RECORD])
            found, at = divmod(number - _FIRST, _RECORDS)
            if found < said or at != place:
                yield f"area {area}, record {place}", f"round {said} was written, and there is {number}"
                break


def _number(record: bytes) -> int:
    """The number of a record, or -1 where it is none."""
    text = record[:11]
    return int(text) if text.isdigit() and record == text.ljust(RECORD, b".") else -1
