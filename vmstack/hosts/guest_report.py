"""Reading the report lines of a guest (format: vmstack/model/readiness.py). A guest may write anything."""

import base64
import binascii
import ipaddress
import json
from typing import Any, Final

from vmstack.model.readiness import GuestReport

# Texts of a guest end up in terminals and in the stamp; more of one error helps nobody.
_MAX_TEXT: Final = 2000
_MAX_ITEMS: Final = 50
_MAX_STATUS: Final = 16 * 1024
_MAX_BUFFER: Final = 1024 * 1024
# `cloud-init status --wait` ends with 2 when it is done with recoverable errors (cloud-init 23.4 and later).
_DONE: Final = frozenset({0, 2})


class LineBuffer:
    """Cuts a stream into lines and holds at most 1 MiB of an unfinished one; a longer line is dropped whole."""

    def __init__(self) -> None:
        self._rest = b""
        self._dropping = False

    def feed(self, data: bytes) -> list[bytes]:
        """Take what was read; return the lines that it completed, without their ends."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if self._dropping and lines:
            del lines[0]
            self._dropping = False
        if len(self._rest) > _MAX_BUFFER:
            self._rest, self._dropping = b"", True
        elif self._dropping:
            self._rest = b""
        return [line for line in lines if len(line) <= _MAX_BUFFER]

    def restart(self) -> None:
        """Forget an unfinished line: the stream begins anew."""
        self._rest, self._dropping = b"", False


def decode_report(line: bytes) -> GuestReport | None:
    """Read one line; `None` for anything that is not a whole report."""
    try:
        data = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(data, dict) or data.get("vmstack") != 1:
        return None
    boot, instance, code = data.get("boot"), data.get("instance"), data.get("exit")
    if not isinstance(boot, str) or not isinstance(instance, str):
        return None
    if not isinstance(code, int) or isinstance(code, bool):
        return None
    try:
        status, result, keys, addresses = (
            _unpack(data.get(name)) for name in ("status", "result", "keys", "addresses")
        )
    except ValueError:
        return None
    return GuestReport(
        boot=_plain(boot),
        instance=_plain(instance),
        exit=code,
        status=_plain_lines(status),
        errors=_errors(result),
        host_keys=_lines(keys),
        addresses=_addresses(addresses),
    )


def failure_of(report: GuestReport) -> str | None:
    """What cloud-init says went wrong, in one line; `None` when it is content."""
    if report.errors:
        return report.errors[0]
    if report.exit not in _DONE:
        return _plain(report.status) or f"cloud-init ended with exit status {report.exit}"
    return None


def _unpack(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError("not a string")
    try:
        return base64.b64decode(value, validate=True).decode("utf-8", errors="replace")
    except binascii.Error as error:
        raise ValueError("not base64") from error


def _errors(result: str) -> tuple[str, ...]:
    """`v1.errors` of cloud-init's result.json."""
    try:
        data = json.loads(result) if result.strip() else {}
    except (ValueError, RecursionError):
        return ()
    first = data.get("v1") if isinstance(data, dict) else None
    errors = first.get("errors") if isinstance(first, dict) else None
    if not isinstance(errors, list):
        return ()
    return tuple(_plain(error if isinstance(error, str) else json.dumps(error)) for error in errors[:_MAX_ITEMS])


def _lines(text: str) -> tuple[str, ...]:
    return tuple(_plain(line) for line in text.splitlines()[:_MAX_ITEMS] if line.strip())


def _addresses(text: str) -> tuple[str, ...]:
    """Canonical addresses; a prefix length is cut off, and what is no address is left out."""
    found = []
    for word in text.split()[:_MAX_ITEMS]:
        try:
            found.append(str(ipaddress.ip_address(word.partition("/")[0])))
        except ValueError:
            continue
    return tuple(dict.fromkeys(found))


def _plain_lines(text: str) -> str:
    """As `_plain`, with its lines kept."""
    return "\n".join(_plain(line) for line in text[:_MAX_STATUS].splitlines()).strip()


def _plain(text: str) -> str:
    """Printable characters only: a guest must not be able to steer the terminal of whoever reads its errors."""
    words = "".join(char if char.isprintable() else " " for char in text[: _MAX_TEXT * 2]).split()
    return " ".join(words)[:_MAX_TEXT]
