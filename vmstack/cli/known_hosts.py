"""The SSH host keys that guests reported, kept on this machine for `vmstack ssh`.

A convenience, not state: where the file is missing, `ssh` asks the guest on the first connection. Keys are filed under
an alias of the VM, so that an address that moves to another VM never meets an old key.
"""

import os
import re
import tempfile
from pathlib import Path

from vmstack.apply.result import ApplyResult
from vmstack.model.identity import Key, Kind, StackId
from vmstack.model.plan import Operation

# What may stand in known_hosts: the type and the base64 of the key (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT).
_PUBLIC_KEY = re.compile(r"(?P<key>[a-z0-9@.-]{1,64} [A-Za-z0-9+/]{16,4096}={0,3})(?: .*)?")


def known_hosts_file(stack: StackId) -> Path:
    """The stack's file (https://specifications.freedesktop.org/basedir-spec)."""
    root = os.environ.get("XDG_STATE_HOME")
    base = Path(root) if root else Path.home() / ".local" / "state"
    return base / "vmstack" / stack.project / stack.stack / "known_hosts"


def host_alias(stack: StackId, vm: str) -> str:
    """The name that a VM's keys are filed under."""
    return f"{vm}.{stack.stack}.{stack.project}.vmstack"


def remember_guests(result: ApplyResult) -> None:
    """File the keys of the guests that reported, and forget those of VMs that were made anew or destroyed.

    Failures are ignored: nothing depends on the file.
    """
    stack = result.plan.stack
    moved = {change.key for change in result.plan.changes if change.operation is not Operation.UPDATE}
    fresh = {key: report.host_keys for key, report in result.guests.items()}
    keys = {key for key in moved | fresh.keys() if key.kind is Kind.VM}
    try:
        _rewrite(known_hosts_file(stack), {host_alias(stack, key.name): fresh.get(key, ()) for key in keys})
    except OSError:
        return


def _rewrite(path: Path, keys: dict[str, tuple[str, ...]]) -> None:
    before = path.read_text().splitlines() if path.exists() else []
    after = [line for line in before if line.split(" ", 1)[0] not in keys]
    for alias, lines in sorted(keys.items()):
        # A guest says what it likes: only what is shaped like a public key goes into the file.
        matches = [_PUBLIC_KEY.fullmatch(line.strip()) for line in lines]
        after += [f"{alias} {match['key']}" for match in matches if match]
    if after == before:
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
        file.writelines(f"{line}\n" for line in after)
    Path(file.name).replace(path)


def vm_key(name: str) -> Key:
    """The key of a VM as users name it: `web-0` or `vm.web-0`."""
    return Key(Kind.VM, name.removeprefix(f"{Kind.VM.value}."))
