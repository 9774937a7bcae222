"""A key pair of the test's own, and ssh with it and without anybody's configuration."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class KeyPair:
    """A private key's file and the text of the public one."""

    file: Path
    public: str


def make_keys(folder: Path) -> KeyPair:
    """Make an ed25519 key pair without a passphrase."""
    file = folder / "key"
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "boot-test", "-f", str(file)]
    subprocess.run(command, check=True)
    return KeyPair(file, file.with_suffix(".pub").read_text().strip())


def ssh(keys: KeyPair, target: str, *command: str) -> str:
    """Run a command in a guest and return what it printed."""
    options = [
        "-F", "/dev/null", "-i", str(keys.file), "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes",
        "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "ConnectTimeout=120",
        "-o", "LogLevel=ERROR",
    ]  # fmt: skip
    done = subprocess.run(
        ["ssh", *options, target, "--", *command], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done
    return done.stdout


@contextmanager
def agent(keys: KeyPair) -> Iterator[None]:
    """Have ssh find the key as a user's ssh does: in an agent, which the environment names."""
    before = dict(os.environ)
    text = subprocess.run(["ssh-agent", "-s"], capture_output=True, text=True, check=True).stdout
    found = dict(part.split("=", 1) for part in text.replace("\n", ";").split(";") if "=" in part)
    os.environ.update({name: found[name] for name in ("SSH_AUTH_SOCK", "SSH_AGENT_PID")})
    try:
        subprocess.run(["ssh-add", "-q", str(keys.file)], check=True)
        yield
    finally:
        subprocess.run(["ssh-agent", "-k"], stdout=subprocess.DEVNULL, check=True)
        os.environ.clear()
        os.environ.update(before)
