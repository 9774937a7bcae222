"""Who holds a lock: this process, in words for people and in facts that tell whether it still lives."""

import getpass
import os
import socket
from pathlib import Path

from vmstack.model.base import Data


class Holder(Data, frozen=True, kw_only=True):
    """A process. `machine` is equal only for processes that see each other's pids; `pid_start` tells reused pids."""

    who: str
    where: str
    machine: str
    pid: int
    pid_start: str


def this_process() -> Holder:
    """The holder that this process is."""
    pid = os.getpid()
    return Holder(who=_user(), where=socket.gethostname(), machine=_machine(), pid=pid, pid_start=start_of(pid) or "")


def start_of(pid: int) -> str | None:
    """When the process started, in clock ticks since boot; `None` when there is no such process or it is a zombie.

    Fields 3 and 22 of /proc/PID/stat (proc_pid_stat(5)); the command in field 2 may hold spaces and parentheses.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 and fields[0] not in ("Z", "X") else None


def is_dead(*, machine: str, pid: int, pid_start: str) -> bool:
    """Whether that process has surely ended; `False` when this process cannot know."""
    return bool(pid_start) and machine == _machine() and start_of(pid) != pid_start


def _machine() -> str:
    """The machine, its boot and the namespace of its pids: containers share the first two with their host."""
    return " ".join(
        (
            _read("/etc/machine-id") or socket.gethostname(),
            _read("/proc/sys/kernel/random/boot_id"),
            _link("/proc/self/ns/pid"),
        )
    )


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def _link(path: str) -> str:
    try:
        return str(Path(path).readlink())
    except OSError:
        return ""


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"uid {os.getuid()}"
