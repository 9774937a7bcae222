"""`vmstack doctor`: can this machine run stacks, and what to do where it cannot."""

import grp
import os
import shutil
import socket
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

import msgspec

from vmstack.apply import pipeline
from vmstack.cli.image_cache import image_cache
from vmstack.cli.terminal import Terminal, escape
from vmstack.errors import EXIT_DONE, EXIT_ERROR, VmstackError
from vmstack.evaluate.cloudinit.schema import CloudConfigSchema
from vmstack.model.base import Data
from vmstack.model.observed import HostFacts
from vmstack.model.sizes import GIB, format_size
from vmstack.model.specs import HostSpec

_OLDEST_PYTHON: Final = (3, 11)
# The libvirt that vmstack is tested with; in libvirt's own number form (major * 1,000,000 + minor * 1,000 + release).
_OLDEST_LIBVIRT: Final = 9_000_000
_KVM: Final = Path("/dev/kvm")
_LOG_SOCKET: Final = Path("/run/libvirt/virtlogd-sock")
_LITTLE_SPACE: Final = 2 * GIB
_DOCTOR_FORMAT: Final = 1
_MARKS: Final = {"ok": ("ok  ", "green"), "warning": ("warn", "yellow"), "failed": ("FAIL", "red")}


class Check(Data, frozen=True, kw_only=True):
    """One finding."""

    name: str
    status: Literal["ok", "warning", "failed"]
    text: str
    resolution: str | None = None


def examine(uri: str, terminal: Terminal, *, json: bool) -> int:
    """Run all checks and print them; fails when one of them failed."""
    checks = tuple(run_checks(uri))
    failed = any(check.status == "failed" for check in checks)
    if json:
        document = {"format": _DOCTOR_FORMAT, "ok": not failed, "checks": checks}
        terminal.say(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())
        return EXIT_ERROR if failed else EXIT_DONE
    for check in checks:
        mark, colour = _MARKS[check.status]
        terminal.say(f"{terminal.paint(mark, colour)}  {check.name}: {escape(check.text)}")
        if check.resolution:
            terminal.say(f"      To go on: {escape(check.resolution)}")
    return EXIT_ERROR if failed else EXIT_DONE


def run_checks(uri: str) -> Iterator[Check]:
    """All checks, in the order in which it helps to mend them."""
    local = not urlsplit(uri).hostname
    yield check_python(sys.version_info[:3])
    if local:
        yield check_kvm_device(_KVM)
    yield from check_libvirt(uri, connect=pipeline.connect_to_host(readonly=False))
    if local:
        yield check_log_daemon(_LOG_SOCKET)
    yield from check_tools(shutil.which)
    yield check_cache(image_cache())
    yield check_schema()


def check_python(version: tuple[int, int, int]) -> Check:
    text = ".".join(str(part) for part in version)
    if version < _OLDEST_PYTHON:
        wanted = ".".join(str(part) for part in _OLDEST_PYTHON)
        return Check(name="Python", status="failed", text=text, resolution=f"install Python {wanted} or later")
    return Check(name="Python", status="ok", text=text)


def check_kvm_device(device: Path) -> Check:
    """Find the trap of a /dev/kvm that QEMU's user cannot open: libvirt then probes QEMU anew at every call."""
    name = "KVM device"
    try:
        facts = device.stat()
    except OSError:
        return Check(name=name, status="warning", text=f"there is no {device}: guests are emulated, which is slow")
    mode = stat.S_IMODE(facts.st_mode)
    try:
        group = grp.getgrgid(facts.st_gid).gr_name
    except KeyError:
        group = str(facts.st_gid)
    text = f"{device} has mode {mode:04o} and group {group}"
    if mode & 0o006 == 0o006 or (mode & 0o060 == 0o060 and group != "root"):
        return Check(name=name, status="ok", text=text)
    return Check(
        name=name,
        status="failed",
        text=f"{text}: QEMU's user cannot open it, and libvirt takes seconds to find that out at every call",
        resolution=f"chgrp kvm {device} && chmod 0660 {device} (udev does it where it runs)",
    )


def check_libvirt(uri: str, *, connect: pipeline.Connect) -> Iterator[Check]:
    """Connect as apply does, and look at what the hypervisor can do."""
    name = "libvirt"
    try:
        driver = connect(HostSpec(name="doctor", uri=uri))
    except VmstackError as error:
        resolution = error.resolution or f"start libvirtd, and let your user use it ({_group_advice()})"
        text = "; ".join((error.brief, *error.details))
        yield Check(name=name, status="failed", text=text, resolution=resolution)
        return
    try:
        facts = driver.facts()
        driver.secrets(usage_prefix="vmstack:")
    except VmstackError as error:
        yield Check(name=name, status="failed", text=error.brief, resolution=error.resolution or _group_advice())
        return
    finally:
        driver.close()
    version = _dotted(facts.libvirt_version)
    text = f"{version} with QEMU {_dotted(facts.hypervisor_version)} at {uri} ({facts.hostname})"
    if facts.libvirt_version < _OLDEST_LIBVIRT:
        wanted = _dotted(_OLDEST_LIBVIRT)
        yield Check(name=name, status="warning", text=text, resolution=f"vmstack is tested with libvirt {wanted} on")
    else:
        yield Check(name=name, status="ok", text=text)
    yield check_acceleration(facts)


def check_acceleration(facts: HostFacts) -> Check:
    if facts.domain_type == "kvm":
        return Check(name="acceleration", status="ok", text=f"KVM, {facts.cpus} CPUs, {format_size(facts.memory)}")
    return Check(
        name="acceleration",
        status="warning",
        text="no usable KVM: guests run under TCG, about ten times slower",
        resolution="use a machine with VT-x or AMD-V for more than trials",
    )


def check_log_daemon(path: Path) -> Check:
    """QEMU's output and serial logs go through virtlogd; without it no guest starts."""
    name = "virtlogd"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        try:
            client.connect(str(path))
        except PermissionError:
            return Check(name=name, status="ok", text=f"{path} is there")
        except OSError as error:
            return Check(
                name=name,
                status="failed",
                text=f"nothing answers at {path} ({error.strerror})",
                resolution="start it: systemctl start virtlogd.socket, or `virtlogd -d` without systemd",
            )
    return Check(name=name, status="ok", text=f"answers at {path}")


def check_tools(which: Callable[[str], str | None]) -> Iterator[Check]:
    """The programs that single commands call."""
    for program, purpose, package in (
        ("ssh", "vmstack ssh and qemu+ssh hosts", "openssh-client"),
        ("dot", "vmstack graph --svg", "graphviz"),
    ):
        found = which(program)
        if found:
            yield Check(name=program, status="ok", text=found)
        else:
            yield Check(
                name=program,
                status="warning",
                text=f"not installed; needed for {purpose}",
                resolution=f"install {package}",
            )


def check_cache(path: Path) -> Check:
    """Images are kept here: is it writable, and is there room?"""
    name = "image cache"
    there = next((one for one in (path, *path.parents) if one.exists()), path)
    if not there.is_dir() or not os.access(there, os.W_OK):
        return Check(
            name=name,
            status="failed",
            text=f"{path} is not writable",
            resolution="set XDG_CACHE_HOME to a place that is",
        )
    free = shutil.disk_usage(there).free
    text = f"{path}, {free / GIB:.1f} GiB free"
    if free < _LITTLE_SPACE:
        return Check(name=name, status="warning", text=text, resolution="make room: a cloud image takes about 1 GiB")
    return Check(name=name, status="ok", text=text)


def check_schema() -> Check:
    """Whether user-data can be checked against cloud-init's own schema."""
    name = "cloud-init schema"
    try:
        found = CloudConfigSchema.find().path
    except VmstackError as error:
        return Check(name=name, status="failed", text=error.brief, resolution=error.resolution)
    if found is None:
        return Check(
            name=name,
            status="warning",
            text="not found: of user-data only the commonest keys are checked",
            resolution="install cloud-init's package for its schema (nothing needs to run)",
        )
    return Check(name=name, status="ok", text=str(found))


def _dotted(version: int) -> str:
    return f"{version // 1_000_000}.{version // 1_000 % 1_000}.{version % 1_000}"


def _group_advice() -> str:
    return "usermod -aG libvirt $USER, then log in again"
