"""The file of a saved plan: one line that says what it is, and JSON that anybody may read.

    vmstack-plan 1 SHA256 SEAL
    {...}

SHA256 is over the seal and the JSON: no byte can change by accident. SEAL is `-`, or what only somebody with the
passphrase of the stack can make.
"""

import hashlib
import os
import re
import secrets
import stat
from pathlib import Path
from typing import Final

import msgspec

from vmstack import __version__
from vmstack.apply.seal import Seal
from vmstack.errors import InputError
from vmstack.evaluate.config.passphrase import FILE_VARIABLE, VARIABLE
from vmstack.plan.saved import SavedPlan

FORMAT: Final = 1
_MAGIC: Final = b"vmstack-plan "
_HEAD: Final = re.compile(rb"vmstack-plan ([1-9][0-9]*) ([0-9a-f]{64}) (-|[0-9a-f]{64})")
_UNSEALED: Final = "-"
_MODE: Final = 0o600
# Far more than a fleet of ten thousand guests needs.
_MAX_BYTES: Final = 512 * 1024 * 1024
_PLAN_AGAIN: Final = "make the plan again: vmstack plan -o FILE"


class _Origin(msgspec.Struct):
    """Who wrote a file: what is read before anything else of it is understood."""

    version: str


def check_destination(path: Path) -> None:
    """Raise `InputError` where no plan file can be written, before the work of planning."""
    try:
        if path.exists() and not path.is_file():
            raise InputError(f"{path} is no file", resolution="name a file to write the plan to: -o plan.vmp")
        if not path.parent.is_dir():
            raise InputError(f"the plan cannot be written to {path}: {path.parent} is no folder")
    except OSError as error:
        raise InputError(f"the plan cannot be written to {path}: {error.strerror}") from error


def write_plan_file(path: Path, saved: SavedPlan, *, seal: Seal) -> None:
    """Write the file at once or not at all, readable by its owner only. Raises `InputError`."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(encode_plan_file(saved, seal=seal))
                file.flush()
                os.fsync(descriptor)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise InputError(f"the plan cannot be written to {path}: {error.strerror}") from None


def encode_plan_file(saved: SavedPlan, *, seal: Seal) -> bytes:
    """The bytes of the file."""
    body = msgspec.json.encode(saved, order="deterministic") + b"\n"
    signature = seal.sign(body) if seal.keyed else _UNSEALED
    return b"%s%d %s %s\n%s" % (_MAGIC, FORMAT, _digest(signature, body), signature.encode(), body)


def read_plan_file(path: Path, *, passphrase: str | None, strict: bool) -> SavedPlan:
    """Read and check a plan file. Raises `InputError` for any other file, and for one with a single other byte.

    `strict`: it is to be applied, so that a seal must be there if and only if there is a passphrase. Otherwise a seal
    is checked where that can be.
    """
    return decode_plan_file(_read(path), name=str(path), passphrase=passphrase, strict=strict)


def decode_plan_file(content: bytes, *, name: str, passphrase: str | None, strict: bool) -> SavedPlan:
    """Take the bytes of a plan file apart; `name` names it in errors. Raises as `read_plan_file`."""
    line, _, body = content.partition(b"\n")
    if not line.startswith(_MAGIC):
        what = "a plan of Terraform or OpenTofu" if content.startswith(b"PK\x03\x04") else "no saved plan of vmstack"
        raise InputError(f"{name} is {what}", resolution="name a file that vmstack plan -o wrote")
    head = _HEAD.fullmatch(line)
    if head is not None and int(head[1]) > FORMAT:
        raise InputError(
            f"{name} has the format {int(head[1])}, and vmstack {__version__} reads {FORMAT}",
            resolution="use the vmstack that made it, or make the plan again with this one",
        )
    if head is None or int(head[1]) != FORMAT or _digest(head[3].decode(), body) != head[2]:
        raise InputError(f"{name} is damaged: it was cut off or altered after it was written", resolution=_PLAN_AGAIN)
    try:
        version = msgspec.json.decode(body, type=_Origin).version
        if version != __version__:
            raise InputError(
                f"{name} was made by vmstack {version}, and this is {__version__}",
                resolution="use that version, or make the plan again with this one",
            )
        saved = msgspec.json.decode(body, type=SavedPlan)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        raise InputError(f"{name} was not written by vmstack {__version__}", resolution=_PLAN_AGAIN) from None
    _check_seal(head[3].decode(), body, name=name, seal=Seal(salt=saved.salt, passphrase=passphrase), strict=strict)
    return saved


def _check_seal(signature: str, body: bytes, *, name: str, seal: Seal, strict: bool) -> None:
    if signature == _UNSEALED:
        if seal.keyed and strict:
            raise InputError(
                f"{name} is not sealed, and the stack has a passphrase: anybody may have written it",
                resolution=f"make the plan again with {VARIABLE} set",
            )
        return
    if not seal.keyed:
        if strict:
            raise InputError(
                f"{name} is sealed with the stack's passphrase, and no passphrase is given",
                resolution=f"set {VARIABLE}, or {FILE_VARIABLE} to a file that holds it",
            )
        return
    if not seal.verify(body, signature):
        raise InputError(
            f"the seal of {name} is not right: it was made with another passphrase, or forged",
            resolution=f"check {VARIABLE} or {FILE_VARIABLE}, or make the plan again",
        )


def _digest(signature: str, body: bytes) -> bytes:
    return hashlib.sha256(signature.encode() + b"\n" + body).hexdigest().encode()


def _read(path: Path) -> bytes:
    try:
        # What is no regular file could keep a command waiting for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            facts = os.fstat(descriptor)
            if not stat.S_ISREG(facts.st_mode):
                raise InputError(f"{path} is no file")
            if facts.st_size > _MAX_BYTES:
                raise InputError(f"{path} is too large for a saved plan")
            return file.read()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
