"""Where text goes and how it looks: colours only where wanted, and nothing from outside can command the terminal."""

import io
import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TextIO

_CODES: Final = {"bold": 1, "dim": 2, "red": 31, "green": 32, "yellow": 33, "cyan": 36}
# Marks that reorder or hide text on a terminal (https://www.unicode.org/reports/tr9/), beside the control characters.
_INVISIBLE: Final = frozenset([0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFEFF])


def escape(text: str) -> str:
    """Make control characters, bidirectional overrides and lone surrogates visible, newlines and tabs included."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if _harmless(char) else char.encode("unicode_escape").decode() for char in text)


def escape_lines(text: str) -> str:
    """Like `escape`, and newlines stay."""
    return "\n".join(escape(line) for line in text.split("\n"))


def _harmless(char: str) -> bool:
    code = ord(char)
    return code >= 0x20 and not 0x7F <= code <= 0x9F and not 0xD800 <= code <= 0xDFFF and code not in _INVISIBLE


@dataclass(frozen=True, kw_only=True)
class Terminal:
    """The two streams of a command: `out` for results, `err` for progress and errors."""

    out: TextIO
    err: TextIO
    colour: bool
    colour_err: bool
    interactive: bool
    """Somebody is there to be asked."""
    animated: bool = False
    """`err` can redraw what it shows."""

    def say(self, text: str = "") -> None:
        """Print a result. The text is already escaped."""
        self.out.write(text + "\n")

    def tell(self, text: str = "") -> None:
        """Print progress or a remark for people, apart from results. The text is already escaped."""
        with suppress(OSError, ValueError):  # nobody reads on: no reason to stop what is being done
            self.out.flush()  # where both go to one place, what was said before stands before
        self.err.write(text + "\n")
        self.err.flush()

    def paint(self, text: str, *styles: str) -> str:
        """Style text that goes to `out`."""
        return _paint(text, styles) if self.colour else text

    def paint_err(self, text: str, *styles: str) -> str:
        """Style text that goes to `err`."""
        return _paint(text, styles) if self.colour_err else text


def open_terminal(*, no_color: bool = False) -> Terminal:
    """The process's terminal. `NO_COLOR` (https://no-color.org), a dumb terminal and a pipe mean no colours."""
    capable = os.environ.get("TERM") != "dumb"
    wanted = capable and not no_color and not os.environ.get("NO_COLOR")
    return Terminal(
        out=sys.stdout,
        err=sys.stderr,
        colour=wanted and sys.stdout.isatty(),
        colour_err=wanted and sys.stderr.isatty(),
        interactive=sys.stdin.isatty() and sys.stderr.isatty(),
        animated=capable and sys.stderr.isatty(),
    )


def separate_output() -> None:
    """Have `sys.stdout` write by a descriptor of its own. For whole processes, not for libraries.

    While a stack program or a hook of it runs, that of the process leads to stderr, for the sake of its child
    processes (`evaluate/isolation.py`), and what other threads say must still come to stdout.
    """
    before = sys.stdout
    try:
        descriptor = os.dup(before.fileno())
    except (AttributeError, OSError):  # stdout is closed
        return
    before.flush()
    unbuffered = getattr(before, "write_through", False)  # as PYTHONUNBUFFERED has it
    binary = os.fdopen(descriptor, "wb", 0 if unbuffered else -1)
    sys.stdout = io.TextIOWrapper(
        binary,
        encoding=before.encoding,
        errors=before.errors,
        line_buffering=before.isatty(),
        write_through=unbuffered,
    )


def _paint(text: str, styles: tuple[str, ...]) -> str:
    codes = ";".join(str(_CODES[style]) for style in styles)
    return f"\x1b[{codes}m{text}\x1b[0m" if codes and text else text
