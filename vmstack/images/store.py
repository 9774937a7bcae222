"""From the image that a program names to a verified local file and its facts."""

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from vmstack.errors import ImageError
from vmstack.images.cache import Cache, Identity, Verdict, identify
from vmstack.images.decompress import decompress
from vmstack.images.fetch import download
from vmstack.images.inspect import HEAD, check_head, inspect_image, open_image
from vmstack.images.limits import Limits
from vmstack.model.observed import ImageFacts
from vmstack.model.sizes import KIB, MIB
from vmstack.model.specs import ImageSpec

Progress = Callable[[str, int, int | None], None]

_CHUNK: Final = MIB
_BLOCK: Final = 64 * KIB
_ZEROS: Final = bytes(_BLOCK)
# A file that changed this recently (nanoseconds) may change again within the clock tick of its change time.
_SETTLED: Final = 2 * 10**9


class ImageStore:
    """Fetches, verifies, inspects and decompresses images; what was done once is kept in `cache`.

    Any number of threads and processes may use one cache.
    """

    def __init__(self, cache: Path, *, limits: Limits | None = None) -> None:
        self._cache = Cache(cache)
        self._limits = limits or Limits()

    def resolve(self, spec: ImageSpec, *, need_file: bool, progress: Progress) -> ImageFacts:
        """Return the facts of a verified image, with the path of its local, decompressed file if `need_file`.

        `progress` is called with a label, the bytes done and the total where known. Without `need_file` a remote
        image is fetched only if nothing is known of it yet. Raises `ImageError`.
        """
        if "://" in spec.source and not spec.source.startswith("file://"):
            return self._resolve_remote(spec, need_file=need_file, progress=progress)
        return self._resolve_local(spec, progress=progress)

    def check_file(self, facts: ImageFacts) -> None:
        """Make sure that the file of `facts` is still what was verified, before it is used some time later.

        Raises `ImageError` when it was touched meanwhile.
        """
        if facts.path is None:
            return
        path = Path(facts.path)
        descriptor = open_image(path, what=f"image {facts.name}")
        try:
            identity = identify(descriptor)
            if self._cache.recall_digest(path, identity=identity) == facts.sha256:
                return
            digest = self._hash(descriptor, path=path, label=facts.name, progress=_silent)
        finally:
            os.close(descriptor)
        if digest != facts.sha256:
            raise ImageError(
                f"image {facts.name}: {path} changed since it was verified", resolution="make the plan again"
            )

    def _resolve_remote(self, spec: ImageSpec, *, need_file: bool, progress: Progress) -> ImageFacts:
        digest = spec.sha256
        if digest is None:
            raise ImageError(
                f"image {spec.name} has no sha256, which a download needs",
                resolution="give the digest that the publisher of the image lists",
            )
        digest = digest.lower()
        verdict = self._recall(spec, digest=digest)
        if verdict is not None and not need_file:
            return _facts(spec, verdict, path=None)
        unpacked = spec.compression is not None
        with self._cache.locked(digest, on_wait=_waiting(spec, progress)):
            path = self._cache.find_object(digest, unpacked=unpacked)
            if path is None:
                if self._cache.find_object(digest, unpacked=False) is None:
                    self._fetch(spec, digest=digest, progress=progress)
                if unpacked:
                    source = self._cache.object_path(digest, unpacked=False)
                    self._unpack(spec, source=source, digest=digest, progress=progress)
                    self._cache.remove_object(digest, unpacked=False)
                path = self._cache.object_path(digest, unpacked=unpacked)
        return _facts(spec, self._judge(spec, digest=digest, path=path), path=path)

    def _resolve_local(self, spec: ImageSpec, *, progress: Progress) -> ImageFacts:
        what = _what(spec)
        path = Path(spec.source.removeprefix("file://"))
        if not path.is_absolute():
            raise ImageError(f"{what}: {spec.source} is not an absolute path", resolution="give the full path")
        path = Path(os.path.realpath(path))  # the target of a symlink is what counts, and what is remembered
        descriptor = open_image(path, what=what)
        try:
            digest = self._digest(descriptor, path=path, spec=spec, progress=progress)
            if spec.sha256 is not None and digest != spec.sha256.lower():
                raise _mismatch(spec, digest, resolution="correct the digest, or fetch the right file")
            if spec.compression is None:
                verdict = self._recall(spec, digest=digest) or self._inspect(spec, descriptor, digest=digest)
                return _facts(spec, verdict, path=path)
        finally:
            os.close(descriptor)
        with self._cache.locked(digest, on_wait=_waiting(spec, progress)):
            unpacked = self._cache.find_object(digest, unpacked=True)
            if unpacked is None:
                self._unpack(spec, source=path, digest=digest, progress=progress)
                unpacked = self._cache.object_path(digest, unpacked=True)
        return _facts(spec, self._judge(spec, digest=digest, path=unpacked), path=unpacked)

    def _digest(self, descriptor: int, *, path: Path, spec: ImageSpec, progress: Progress) -> str:
        """The digest of an open local file, from the cache while the file is unchanged."""
        identity = identify(descriptor)
        digest = self._cache.recall_digest(path, identity=identity)
        if digest is None:
            digest = self._hash(descriptor, path=path, label=spec.name, progress=progress)
            if time.time_ns() - max(identity.changed, identity.modified) > _SETTLED:
                self._cache.remember_file(path, identity=identity, digest=digest)
        return digest

    def _hash(self, descriptor: int, *, path: Path, label: str, progress: Progress) -> str:
        before: Identity = identify(descriptor)
        digest, position = hashlib.sha256(), 0
        while chunk := os.pread(descriptor, _CHUNK, position):
            digest.update(chunk)
            position += len(chunk)
            progress(f"verifying {label}", position, before.size)
        if identify(descriptor) != before:
            raise ImageError(f"image {label}: {path} changes while it is read", resolution="wait until it is complete")
        return digest.hexdigest()

    def _fetch(self, spec: ImageSpec, *, digest: str, progress: Progress) -> None:
        """Download into the cache. The caller holds the lock."""
        what = _what(spec)
        chunks, length = download(spec.source, limits=self._limits, what=what)
        found, done, head = hashlib.sha256(), 0, bytearray()
        with self._cache.new_object(digest, unpacked=False) as (_partial, descriptor):
            for chunk in chunks:
                _write(descriptor, chunk)
                found.update(chunk)
                done += len(chunk)
                if spec.compression is None and len(head) < HEAD:
                    head += chunk[: HEAD - len(head)]
                    if len(head) == HEAD:  # refuse the wrong thing early, not after gigabytes
                        check_head(bytes(head), declared=spec.format, what=what)
                progress(f"downloading {spec.name}", done, length)
            if found.hexdigest() != digest:
                raise _mismatch(
                    spec, found.hexdigest(), resolution="check the URL and the digest: it may be another release"
                )

    def _unpack(self, spec: ImageSpec, *, source: Path, digest: str, progress: Progress) -> None:
        """Decompress a verified source into the cache. The caller holds the lock."""
        if spec.compression is None:
            return
        what = _what(spec)
        descriptor = open_image(source, what=what)
        with os.fdopen(descriptor, "rb") as file:
            length = os.fstat(descriptor).st_size
            found = _Hashing(file.fileno())
            with self._cache.new_object(digest, unpacked=True) as (_partial, output):
                head, total = bytearray(), 0
                pieces = decompress(found, compression=spec.compression, limits=self._limits, what=what)
                for data in pieces:
                    _write_sparse(output, data, position=total)
                    total += len(data)
                    if len(head) < HEAD:
                        head += data[: HEAD - len(head)]
                        if len(head) == HEAD:
                            check_head(bytes(head), declared=spec.format, what=what)
                    progress(f"decompressing {spec.name}", found.position, length)
                os.ftruncate(output, total)
                if found.digest.hexdigest() != digest:
                    raise ImageError(f"{what}: {source} changes while it is read", resolution="run it again")
                self._inspect(spec, output, digest=digest)

    def _judge(self, spec: ImageSpec, *, digest: str, path: Path) -> Verdict:
        """The verdict on a file in the cache, remembered or made now."""
        verdict = self._recall(spec, digest=digest)
        if verdict is not None:
            return verdict
        descriptor = open_image(path, what=_what(spec))
        try:
            return self._inspect(spec, descriptor, digest=digest)
        finally:
            os.close(descriptor)

    def _inspect(self, spec: ImageSpec, descriptor: int, *, digest: str) -> Verdict:
        size = inspect_image(descriptor, declared=spec.format, limits=self._limits, what=_what(spec))
        verdict = Verdict(digest=digest, format=spec.format, compression=spec.compression, virtual_size=size)
        self._cache.remember_verdict(verdict)
        return verdict

    def _recall(self, spec: ImageSpec, *, digest: str) -> Verdict | None:
        verdict = self._cache.recall_verdict(digest=digest, format=spec.format, compression=spec.compression)
        return verdict if verdict is not None and verdict.virtual_size <= self._limits.virtual else None


class _Hashing:
    """A reader that hashes what passes through it, so that what was decompressed is what was verified."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.digest = hashlib.sha256()
        self.position = 0

    def read(self, size: int) -> bytes:
        data = os.pread(self._descriptor, size, self.position)
        self.digest.update(data)
        self.position += len(data)
        return data


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _write_sparse(descriptor: int, data: bytes, *, position: int) -> None:
    """Write `data` at `position`, leaving out runs of zeros: what is not written reads as zeros."""
    for start in range(0, len(data), _BLOCK):
        block = data[start : start + _BLOCK]
        if block != _ZEROS[: len(block)]:
            done = 0
            while done < len(block):
                done += os.pwrite(descriptor, block[done:], position + start + done)


def _facts(spec: ImageSpec, verdict: Verdict, *, path: Path | None) -> ImageFacts:
    return ImageFacts(
        name=spec.name,
        sha256=verdict.digest,
        format=spec.format,
        virtual_size=verdict.virtual_size,
        path=None if path is None else str(path),
    )


def _what(spec: ImageSpec) -> str:
    return f"image {spec.name}"


def _mismatch(spec: ImageSpec, found: str, *, resolution: str) -> ImageError:
    return ImageError(
        f"image {spec.name} does not have the sha256 that the program gives",
        details=[f"expected {(spec.sha256 or '').lower()}", f"found    {found}"],
        resolution=resolution,
    )


def _waiting(spec: ImageSpec, progress: Progress) -> Callable[[], None]:
    return lambda: progress(f"waiting for another process that prepares {spec.name}", 0, None)


def _silent(_label: str, _done: int, _total: int | None) -> None:
    """No progress."""
