"""The local cache: verified files by the digest of their source, and what was found out about files.

    objects/<sha256>            a source as published
    objects/<sha256>.unpacked   what was decompressed from it
    records/                    small JSON documents: digests of files, verdicts on images
    locks/                      one advisory lock per object, so that several processes share the work

An object appears by an atomic rename and only when it was verified. Half-written files have one name per object and
are written under its lock, so that the next writer overwrites what a killed one left.
"""

import contextlib
import fcntl
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from vmstack.errors import ImageError
from vmstack.model.base import Data

RecordT = TypeVar("RecordT", bound=Data)
# Raised when what a verdict vouches for changes, so that older verdicts are made anew.
POLICY: Final = 1


class Identity(Data, frozen=True, kw_only=True):
    """What of a file changes with its content, times in nanoseconds. The change time cannot be set back by a user."""

    size: int
    modified: int
    changed: int
    inode: int
    device: int


class FileRecord(Data, frozen=True, kw_only=True):
    """A file that was read whole: `digest` is that of its content, or of the source it was decompressed from."""

    path: str
    identity: Identity
    digest: str


class Verdict(Data, frozen=True, kw_only=True):
    """An image that was inspected and accepted."""

    digest: str
    format: str
    compression: str | None
    virtual_size: int
    policy: int = POLICY


def identify(descriptor: int) -> Identity:
    status = os.fstat(descriptor)
    return Identity(
        size=status.st_size,
        modified=status.st_mtime_ns,
        changed=status.st_ctime_ns,
        inode=status.st_ino,
        device=status.st_dev,
    )


class Cache:
    """A private folder of the user. It is made when it is first written to."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def object_path(self, digest: str, *, unpacked: bool) -> Path:
        return self._folder / "objects" / (f"{digest}.unpacked" if unpacked else digest)

    @contextlib.contextmanager
    def locked(self, digest: str, *, on_wait: Callable[[], None]) -> Iterator[None]:
        """Hold the lock of an object; `on_wait` is called once when another holder has to be waited for."""
        path = self._prepare("locks") / digest
        with self._reporting(path), path.open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                on_wait()
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @contextlib.contextmanager
    def new_object(self, digest: str, *, unpacked: bool) -> Iterator[tuple[Path, int]]:
        """Write an object: gives the partial file's path and descriptor, and publishes it unless the block raises.

        The caller holds the object's lock.
        """
        final = self.object_path(digest, unpacked=unpacked)
        self._prepare("objects")
        partial = final.with_name(f"{final.name}.partial")
        with self._reporting(partial):
            descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                yield partial, descriptor
                os.fsync(descriptor)
                partial.rename(final)
                self.remember_file(final, identity=identify(descriptor), digest=digest)
            except BaseException:
                partial.unlink(missing_ok=True)
                raise
            finally:
                os.close(descriptor)

    def find_object(self, digest: str, *, unpacked: bool) -> Path | None:
        """The object's path when it is there as it was published."""
        self._check()
        path = self.object_path(digest, unpacked=unpacked)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            return path if self.recall_digest(path, identity=identify(descriptor)) == digest else None
        finally:
            os.close(descriptor)

    def remove_object(self, digest: str, *, unpacked: bool) -> None:
        self.object_path(digest, unpacked=unpacked).unlink(missing_ok=True)

    def remember_file(self, path: Path, *, identity: Identity, digest: str) -> None:
        self._write(_file_key(path), FileRecord(path=str(path), identity=identity, digest=digest))

    def recall_digest(self, path: Path, *, identity: Identity) -> str | None:
        record = self._read(_file_key(path), FileRecord)
        return record.digest if record and (record.path, record.identity) == (str(path), identity) else None

    def remember_verdict(self, verdict: Verdict) -> None:
        self._write(_verdict_key(verdict.digest, verdict.format, verdict.compression), verdict)

    def recall_verdict(self, *, digest: str, format: str, compression: str | None) -> Verdict | None:
        verdict = self._read(_verdict_key(digest, format, compression), Verdict)
        if verdict is None or verdict.policy != POLICY:
            return None
        same = (verdict.digest, verdict.format, verdict.compression) == (digest, format, compression)
        return verdict if same else None

    def _read(self, key: str, kind: type[RecordT]) -> RecordT | None:
        """A record; whatever is wrong with it makes it absent, since it can be found out again."""
        self._check()
        try:
            return msgspec.json.decode((self._folder / "records" / key).read_bytes(), type=kind)
        except (OSError, msgspec.MsgspecError, ValueError):
            return None

    def _write(self, key: str, record: Data) -> None:
        path = self._prepare("records") / key
        partial = path.with_name(f"{key}.{os.getpid()}.{id(record)}")
        with self._reporting(path):
            try:
                partial.write_bytes(msgspec.json.encode(record))
                partial.rename(path)
            except BaseException:
                partial.unlink(missing_ok=True)
                raise

    def _prepare(self, name: str) -> Path:
        """Make a folder of the cache."""
        path = self._folder / name
        with self._reporting(path):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._check()
        return path

    def _check(self) -> None:
        """Refuse a cache that somebody else could have written to: what lies in it is trusted."""
        try:
            status = self._folder.stat()
        except FileNotFoundError:
            return
        mode = stat.S_IMODE(status.st_mode)
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or mode & 0o022:
            raise ImageError(
                f"the image cache {self._folder} is not this user's alone",
                details=["others could have put images there"],
                resolution="remove it, or set XDG_CACHE_HOME to a folder of your own",
            )
        if mode & 0o055:
            self._folder.chmod(0o700)

    @contextlib.contextmanager
    def _reporting(self, path: Path) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ImageError(
                f"cannot write {path} in the image cache: {error.strerror or error}",
                resolution=f"free space in {self._folder}, or set XDG_CACHE_HOME to another folder",
            ) from error


def _file_key(path: Path) -> str:
    return f"file-{hashlib.sha256(os.fsencode(path)).hexdigest()}.json"


def _verdict_key(digest: str, format: str, compression: str | None) -> str:
    return f"verdict-{digest}-{format}-{compression or 'plain'}.json"
