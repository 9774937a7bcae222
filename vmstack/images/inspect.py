"""Is this file the image that the program says it is, and safe to hand to QEMU?

Formats are declared and verified, never guessed: a guest that can choose how its disk is read can read the host's
files (CVE-2010-2237, CVE-2024-32498). The detection is OpenStack's, `oslo_utils.imageutils.format_inspector`; on top
of it: exactly one format, equal to the declared one; only qcow2 and raw; nothing outside the file; caps on sizes.
"""

import io
import logging
import os
import stat
from pathlib import Path
from typing import Final

from vmstack.errors import ImageError
from vmstack.images import qcow2
from vmstack.images.limits import MIN_IMAGE, Limits
from vmstack.model.sizes import MIB, format_size
from vmstack.model.specs import ImageFormat

# All headers and descriptors of the known formats lie in here (VHDX's metadata region comes last, at 1 MiB or after).
HEAD: Final = 4 * MIB
_STEP: Final = 64 * 1024
_VMDK_TEXT: Final = b"# disk descriptorfile"
# A partition table is no image format: it is what a raw disk starts with. Its content matters to the guest only.
_RAW_LIKE: Final = frozenset({"raw", "gpt"})
_PARTS: Final = {
    "backing_file": "it has a backing file: another file that QEMU would open on the host",
    "data_file": "its data is in another file, which QEMU would open on the host",
    "unknown_features": "it uses features that are unknown or not accepted (such as extended L2 entries)",
}


def open_image(path: Path, *, what: str) -> int:
    """Open a regular file for reading and return its descriptor; a symlink is followed.

    Raises `ImageError` for a missing file, a directory, a FIFO or a device (without blocking on it). `what` names the
    image in errors.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise ImageError(f"{what}: {path} does not exist", resolution="correct the path, or fetch the file") from None
    except OSError as error:
        raise ImageError(f"{what}: cannot open {path}: {error.strerror}", resolution="make it readable") from error
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        kind = next((name for test, name in _KINDS if test(mode)), "no file")
        raise ImageError(f"{what}: {path} is {kind}, not a file", resolution="give the path of an image file")
    return descriptor


_KINDS: Final = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISBLK, "a block device"),
    (stat.S_ISCHR, "a character device"),
)


def inspect_image(descriptor: int, *, declared: ImageFormat, limits: Limits, what: str) -> int:
    """Verify an open image file and return its virtual size in bytes. `what` names the image in errors.

    Raises `ImageError` when it is not of the declared format, not safe, damaged, too small or too large.
    """
    length = os.fstat(descriptor).st_size
    head = os.pread(descriptor, HEAD, 0)
    if length < MIN_IMAGE:
        raise ImageError(
            f"{what} is not a disk image: it has {length} bytes",
            details=[f"an image has at least {format_size(MIN_IMAGE)}"],
            resolution="check the source; a truncated download or an error page looks like this",
        )
    check_head(head, declared=declared, what=what)
    size = length
    if declared == "qcow2":
        header = qcow2.read_header(head)
        lies = qcow2.find_lies(descriptor, header, length=length)
        if lies:
            raise ImageError(f"{what} is not a sound qcow2 image", details=lies, resolution="fetch or make it again")
        size = header.size
    if not 0 < size <= limits.virtual:
        raise ImageError(
            f"{what} has a virtual size of {format_size(size)}",
            details=[f"accepted is more than 0 and at most {format_size(limits.virtual)}"],
            resolution="use another image",
        )
    return size


def check_head(head: bytes, *, declared: ImageFormat, what: str) -> None:
    """Check what the first bytes of an image tell: its format, and that it needs no other file.

    `head` is its first 4 MiB, or all of a shorter one; less is enough to refuse most. Raises `ImageError`.
    """
    # Loaded here because it takes longer than most plans, and a cached verdict does without it.
    from oslo_utils.imageutils import format_inspector

    # It warns of each violation on stderr, and each of them becomes an error of ours.
    logging.getLogger("oslo_utils").addHandler(logging.NullHandler())
    wrapper = format_inspector.InspectWrapper(io.BytesIO(head))
    while wrapper.read(_STEP):
        pass
    wrapper.close()  # only now do formats that look for more than the head count as not matching
    found = {str(inspector): inspector for inspector in wrapper.formats or ()}
    if len(found) > 1:
        raise ImageError(
            f"{what} looks like several formats at once: {', '.join(sorted(found))}",
            resolution="do not use it: a file that can be read in two ways can deceive",
        )
    (detected, inspector), *_ = found.items()
    if detected == "raw" and head[: len(_VMDK_TEXT)].lower() == _VMDK_TEXT:
        detected = "vmdk"  # the text form, which is detected only as part of the binary one
    expected = _RAW_LIKE if declared == "raw" else {declared}
    if detected not in expected:
        raise _wrong_format(head, declared=declared, detected=detected, what=what)
    if declared == "raw":
        return  # what a guest may write into a raw disk is its own business, as long as it is used as raw
    try:
        inspector.safety_check()
    except format_inspector.SafetyCheckFailed as error:
        raise ImageError(
            f"{what} is not safe to use",
            details=[_PARTS.get(name, str(failure)) for name, failure in sorted(error.failures.items())],
            resolution="flatten it where you trust it: `qemu-img convert -f qcow2 -O qcow2 IN OUT`, and use the result",
        ) from error
    except format_inspector.ImageFormatError as error:
        raise ImageError(f"{what} cannot be inspected: {error}", resolution="fetch it again") from error


def _wrong_format(head: bytes, *, declared: str, detected: str, what: str) -> ImageError:
    compression = next((name for magic, name in _COMPRESSIONS.items() if head.startswith(magic)), None)
    if compression:
        return ImageError(
            f"{what} is declared as {declared}, but it is {compression}-compressed",
            resolution=f'say compression="{compression}"',
        )
    if head.lstrip()[:1] == b"<":
        return ImageError(f"{what} is declared as {declared}, but it is a web page", resolution="check the URL")
    shown = "raw data" if detected in _RAW_LIKE else detected
    if detected in ("qcow2", "raw", "gpt"):
        return ImageError(
            f"{what} is declared as {declared}, but it is {shown}",
            resolution=f'say format="{"qcow2" if detected == "qcow2" else "raw"}" if that is the image you mean',
        )
    return ImageError(
        f"{what} is declared as {declared}, but it is {shown}",
        details=["only qcow2 and raw images are accepted"],
        resolution=f"convert it where you trust it: `qemu-img convert -f {detected} -O qcow2 IN OUT`",
    )


_COMPRESSIONS: Final = {b"\x1f\x8b": "gz", b"\xfd7zXZ\0": "xz", b"\x28\xb5\x2f\xfd": "zst"}
