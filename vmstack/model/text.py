"""Strings that may enter XML, YAML, file names and terminals."""

import re
import shlex
from typing import Final

from vmstack.errors import InputError

_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
# A virtio-blk serial holds 20 bytes (VIRTIO_BLK_ID_BYTES), and the logical name of a disk is its serial.
_DISK_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,18}[a-z0-9])?")
MAX_NAME: Final = 63


def with_article(word: str) -> str:
    """The word with the article that goes before its first letter: "an Image", "a Network"."""
    return f"an {word}" if word[:1].lower() in "aeio" else f"a {word}"


def import_command(kind: str, name: str, *, id: str) -> str:
    """The command that takes over what is there already, as it is typed."""
    return shlex.join(["vmstack", "import", kind, name, id])


def check_name(text: object, *, field: str) -> str:
    """Return `text` when it is fit to name an object on a host, a file and a host name part.

    Letters, digits, `.`, `_` and `-`; starts and ends with a letter or digit; at most 63 characters (a DNS label).
    Raises `InputError` otherwise.
    """
    if not isinstance(text, str) or len(text) > MAX_NAME or not _NAME.fullmatch(text):
        raise InputError(
            f"{field}: {text!r} is not a name",
            resolution="use 1 to 63 letters, digits, '.', '_' or '-', starting and ending with a letter or digit",
        )
    return text


def check_disk_name(text: object, *, field: str) -> str:
    """Return `text` when it can be a disk's logical name, which the guest sees as the disk's serial."""
    if not isinstance(text, str) or not _DISK_NAME.fullmatch(text):
        raise InputError(
            f"{field}: {text!r} is not a disk name",
            resolution="use 1 to 20 lower-case letters, digits or '-' (the guest sees it as the disk's serial)",
        )
    return text


def check_text(text: object, *, field: str, multiline: bool = False) -> str:
    """Return `text` when it holds no control characters, lone surrogates or non-characters.

    Markup is allowed: it is data, and escaped wherever it is written. `multiline` admits newline and tab.
    Raises `InputError` otherwise.
    """
    if not isinstance(text, str):
        raise InputError(f"{field}: {text!r} is not a string")
    for index, char in enumerate(text):
        code = ord(char)
        if multiline and char in "\n\t":
            continue
        if code < 0x20 or 0x7F <= code <= 0x9F or 0xD800 <= code <= 0xDFFF or code & 0xFFFE == 0xFFFE:
            raise InputError(
                f"{field}: character {index + 1} is U+{code:04X}, a control character or no character at all",
                resolution="remove it",
            )
    return text
