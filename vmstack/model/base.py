"""The base of all frozen data."""

import msgspec


class Data(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """Frozen, compared with `==`, strictly decoded: an unknown or mistyped field is an error.

    Every subclass repeats `frozen=True, kw_only=True`: msgspec applies `kw_only` to a class's own fields only, and
    type checkers want `frozen` said again. `gc=False`: frozen trees hold no cycles, and a fleet of ten thousand has a
    million of them for the collector to walk in vain.
    """
