"""Shell patterns that name resources on the command line."""

import difflib
from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase
from typing import Final

from vmstack.errors import InputError
from vmstack.model.identity import Key, Kind

LISTED: Final = 8


def list_keys(keys: Iterable[Key]) -> str:
    """Some of the addresses, sorted, for a sentence."""
    found = sorted(keys)
    more = f" and {len(found) - LISTED} more" if len(found) > LISTED else ""
    return ", ".join(map(str, found[:LISTED])) + more


def match_keys(patterns: Iterable[str], known: Collection[Key], *, option: str, strict: bool = True) -> frozenset[Key]:
    """The resources that shell patterns name, by address (`vm.web-*`) or name (`web-*`).

    Raises `InputError` for a pattern that names none, with what it may have meant, unless it is not to be `strict`.
    """
    found: set[Key] = set()
    for pattern in patterns:
        named = {key for key in known if any(fnmatchcase(name, pattern) for name in _names(key))}
        if not named and strict:
            raise _nothing(pattern, known, option=option)
        found |= named
    return frozenset(found)


def _names(key: Key) -> tuple[str, ...]:
    """How a resource may be called. A base image in a pool goes by the name of its image, too."""
    if key.kind is Kind.IMAGE and "@" in key.name:
        image = Key(key.kind, key.name.partition("@")[0])
        return (str(key), key.name, str(image), image.name)
    return (str(key), key.name)


def _nothing(pattern: str, known: Collection[Key], *, option: str) -> InputError:
    keys = [key for key in known if key.kind is not Kind.HOST]
    names = {name: str(key) for key in sorted(keys) for name in (key.name, str(key))}
    close = dict.fromkeys(names[name] for name in difflib.get_close_matches(pattern.strip("*"), names, n=3))
    if close:
        hint = f"did you mean {' or '.join(close)}?"
    elif keys:
        hint = f"the stack has {list_keys(keys)}"
    else:
        hint = "the stack has no resources"
    return InputError(f"{option} {pattern!r} matches nothing in the program or on its hosts", resolution=hint)
