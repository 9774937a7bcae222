"""`vmstack ssh`."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import yaml

from vmstack.apply import pipeline
from vmstack.cli.holdings import addresses_of, find_domain
from vmstack.cli.known_hosts import host_alias, known_hosts_file, vm_key
from vmstack.cli.target import Target, is_stack, study
from vmstack.cli.terminal import Terminal, escape
from vmstack.errors import InputError
from vmstack.model.graph import DesiredGraph
from vmstack.model.identity import Key, Kind
from vmstack.model.specs import SeedSpec, VmSpec

# What the guest's stamp says, as it reads on after its name.
_UNREADY: Final = {"pending": "has not reported ready yet", "failed": "reported that its setup failed"}


def split_folder(vm: str, command: Sequence[str], *, folder: Path | None) -> tuple[Path, str, tuple[str, ...]]:
    """The stack's folder, which may come before the VM, the VM, and the command. `folder` is what `-C` says."""
    if folder is None and command and is_stack(vm) and not command[0].startswith("-"):
        return Path(vm), command[0], tuple(command[1:])
    return folder or Path(), vm, tuple(command)


def open_ssh(
    target: Target,
    terminal: Terminal,
    *,
    vm: str,
    command: tuple[str, ...],
    user: str | None,
    identity: Path | None,
) -> int:
    """Become `ssh` to the VM. Does not return but by an error. `identity` is a private key's file."""
    if vm.startswith("-"):
        raise InputError(
            f"ssh: there is no option {vm.partition('=')[0]}",
            resolution="see `vmstack ssh --help`; options of the command to run go after `--`",
        )
    if identity is not None and not identity.is_file():
        raise InputError(
            f"--identity: there is no file {identity}",
            resolution="name the file of a private key; options of the command to run go after `--`",
        )
    program = shutil.which("ssh")
    if program is None:
        raise InputError("there is no `ssh` on this machine", resolution="install an OpenSSH client")
    desired = study(target, curious=False).desired
    key = vm_key(vm)
    with pipeline.connected(desired, open_host=pipeline.connect_to_host(readonly=True)) as drivers:
        observed = pipeline.observe_stack(desired, drivers)
    found = find_domain(observed, stack=desired.stack, key=key)
    if found is None:
        names = sorted(resource.key.name for resource in desired.resources if resource.key.kind is Kind.VM)
        raise InputError(
            f"no host holds a VM {key.name} of stack {desired.stack}",
            details=[f"VMs of the program: {', '.join(names) or 'none'}"],
            resolution="run `vmstack apply` first, or check the name",
        )
    snapshot, domain = found
    if not domain.active:
        raise InputError(f"VM {key.name} is not running", resolution="start it, or set its power to running and apply")
    addresses = addresses_of(domain, snapshot, desired=desired)
    if not addresses:
        raise InputError(f"VM {key.name} has no fixed address", resolution="give it one with network.at(...) and apply")
    arguments = ssh_arguments(
        desired,
        key=key,
        address=addresses[0],
        user=user or login_user(desired, key=key),
        identity=identity,
        jump=jump_host(pipeline.hosts_of(desired)[snapshot.host].uri),
        command=command,
    )
    if domain.stamp is not None and domain.stamp.ready in _UNREADY:
        head = terminal.paint_err("Warning:", "bold", "yellow")
        terminal.tell(f"{head} {escape(str(key))} {_UNREADY[domain.stamp.ready]}, so a login may not work")
    known_hosts_file(desired.stack).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    terminal.out.flush()
    os.execv(program, arguments)  # noqa: S606 - no shell, and ssh must own the terminal


def ssh_arguments(
    desired: DesiredGraph,
    *,
    key: Key,
    address: str,
    user: str | None,
    jump: str | None,
    command: tuple[str, ...],
    identity: Path | None = None,
) -> list[str]:
    """The command line of ssh. Keys are looked up under the VM's alias in the stack's own file."""
    options = {
        "HostKeyAlias": host_alias(desired.stack, key.name),
        "UserKnownHostsFile": f'"{known_hosts_file(desired.stack)}"',
        "StrictHostKeyChecking": "accept-new",
    }
    arguments = ["ssh"]
    for name, value in options.items():
        arguments += ["-o", f"{name}={value}"]
    if jump:
        arguments += ["-J", jump]
    if identity:
        arguments += ["-i", str(identity.absolute())]  # so that it is no option, whatever its name is
    if user:
        arguments += ["-l", user]
    return [*arguments, "--", address, *command]


def jump_host(uri: str) -> str | None:
    """The hypervisor to go through: guests on its networks are seldom reachable from elsewhere."""
    parts = urlsplit(uri)
    if not parts.scheme.endswith("+ssh") or not parts.hostname:
        return None
    return f"ssh://{parts.netloc}"


def login_user(desired: DesiredGraph, *, key: Key) -> str | None:
    """The user that the VM's cloud-init makes: `user`, or the first of `users`; `None` leaves it to ssh."""
    specs = {resource.key: resource.spec for resource in desired.resources}
    vm = specs.get(key)
    if not isinstance(vm, VmSpec) or vm.seed is None:
        return None
    seed = specs.get(Key(Kind.SEED, vm.seed))
    if not isinstance(seed, SeedSpec):
        return None
    try:
        document = yaml.safe_load(seed.user_data)
    except yaml.YAMLError:
        return None
    if not isinstance(document, dict):
        return None
    users = document.get("users")
    candidates = [document.get("user"), *(users if isinstance(users, list) else ())]
    for candidate in candidates:
        name = candidate.get("name") if isinstance(candidate, dict) else candidate
        if isinstance(name, str) and name != "default" and not name.startswith("-"):
            return name
    return None
