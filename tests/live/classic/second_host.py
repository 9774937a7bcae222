"""A second libvirt daemon on this machine, with directories and an identity of its own."""

import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# What a daemon keeps to itself, by the name of the directory that stands in for it.
_PLACES = {
    "run": "/run",
    "etc": "/etc/libvirt",
    "lib": "/var/lib/libvirt",
    "cache": "/var/cache/libvirt",
    "log": "/var/log/libvirt",
}
_START = """
set -e
for pair in "$@"; do mount --bind "${pair%%:*}" "${pair#*:}"; done
virtlogd -d -p /run/virtlogd.pid
libvirtd -d -p /run/libvirtd.pid
"""


@contextmanager
def second_host(folder: Path) -> Iterator[str]:
    """Start it, give its URI, and end it. `folder` must have a short name, for the sockets' sake."""
    for name in _PLACES:
        (folder / name).mkdir(parents=True)
    for name in ("qemu", "network"):
        (folder / "run" / "libvirt" / name).mkdir(parents=True)
        (folder / "etc" / name).mkdir()
    (folder / "etc" / "libvirtd.conf").write_text(f'host_uuid = "{uuid.uuid4()}"\n')
    pairs = [f"{folder / name}:{place}" for name, place in _PLACES.items()]
    try:
        subprocess.run(["unshare", "-m", "sh", "-c", _START, "sh", *pairs], check=True, timeout=60)
        yield f"qemu+unix:///system?socket={folder}/run/libvirt/libvirt-sock"
    finally:
        for name in ("libvirtd", "virtlogd"):
            file = folder / "run" / f"{name}.pid"
            if file.exists():
                subprocess.run(["kill", file.read_text().strip()], check=False)
