"""Whose a domain or network is, where its stamp does not say so any more: by its UUID and the stack's ledger."""

from collections.abc import Mapping
from functools import cached_property
from typing import Final

import msgspec

from vmstack.model.identity import Key, StackId, derive_uuid, parse_address
from vmstack.model.ownership import Ledger, Stamp

_NOTHING_MADE: Final[Mapping[str, int]] = {}


class Recognition:
    """What the ledger of a stack on one host says of the domains and networks that the stack made there."""

    def __init__(self, stack: StackId, ledger: Ledger | None) -> None:
        self._stack = stack
        self._made = ledger.made if ledger is not None else _NOTHING_MADE

    def recognise(self, stamp: Stamp | None, *, uuid: str) -> Stamp | None:
        """The stamp that counts. One that others took away or changed is put right as far as the ledger knows better:
        whose the object is and its generation. Its list of fields is not believed, so that nothing of others goes.
        """
        if stamp is not None and stamp.intact:
            return stamp
        key = self._keys.get(uuid)
        if key is None:
            return None if stamp is None else msgspec.structs.replace(stamp, fields=())
        path, generation = self._stack.path(key), self._made[str(key)]
        if stamp is None:
            return Stamp(path=path, digest="", generation=generation, intact=False)
        return msgspec.structs.replace(stamp, path=path, generation=generation, fields=())

    @cached_property
    def _keys(self) -> dict[str, Key]:
        """What the stack made, by the UUIDs that it derived; derived only once some stamp is amiss."""
        return {derive_uuid(self._stack, key): key for key in map(parse_address, self._made)}
