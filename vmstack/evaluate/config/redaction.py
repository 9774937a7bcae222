"""Keeping decrypted values out of texts for people, as Pulumi does with its own messages."""

import re
from collections.abc import Iterable
from typing import Final

from vmstack.errors import ErrorGroup, VmstackError
from vmstack.evaluate.config.values import Tree

MASK: Final = "[secret]"
# Shorter ones are looked for as whole words: they would be found in any text.
_LONG: Final = 4
# A line of a longer text, such as a key in PEM, that means nothing without the others but should not be seen either.
_LINE: Final = 12


def gather_texts(tree: Tree) -> frozenset[str]:
    """The texts of a decrypted value, at any depth, that must not be seen."""
    if isinstance(tree, str):
        lines = {line for line in tree.splitlines() if len(line) >= _LINE} if "\n" in tree else set()
        return frozenset({tree, tree.strip(), *lines} - {""})
    members: Iterable[Tree] = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ()
    return frozenset().union(*map(gather_texts, members))


class Redactor:
    """Replaces secret texts by `[secret]`."""

    def __init__(self, texts: Iterable[str]) -> None:
        # As they are, and as `repr` shows them; the longest first, since one may be part of another.
        shapes = {shape for text in texts for shape in (text, repr(text)[1:-1]) if shape}
        parts = [
            re.escape(shape) if len(shape) >= _LONG else rf"(?<!\w){re.escape(shape)}(?!\w)"
            for shape in sorted(shapes, key=lambda shape: (-len(shape), shape))
        ]
        self._pattern = re.compile("|".join(parts)) if parts else None

    def clean(self, text: str) -> str:
        """Return the text without secrets."""
        return self._pattern.sub(MASK, text) if self._pattern else text

    def clean_error(self, error: VmstackError) -> None:
        """Take secrets out of all that an error says."""
        if isinstance(error, ErrorGroup):
            for one in error.errors:
                self.clean_error(one)
            return
        error.brief = self.clean(error.brief)
        error.details = tuple(map(self.clean, error.details))
        error.resolution = None if error.resolution is None else self.clean(error.resolution)
        error.args = (error.brief,)
