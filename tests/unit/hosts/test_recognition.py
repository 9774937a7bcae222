"""Whose an object is without a stamp that can be believed."""

import pytest

from vmstack.hosts.recognition import Recognition
from vmstack.model.identity import Key, Kind, StackId, derive_uuid
from vmstack.model.ownership import Ledger, Stamp

STACK = StackId("shop", "dev")
UUID = derive_uuid(STACK, Key(Kind.VM, "web-0"))
PATH = "shop/dev/vm/web-0"
KNOWN = Recognition(STACK, Ledger(stack=STACK, made={"vm.web-0": 3, "network.lan": 1}))
WHOLE = Stamp(path=PATH, digest="d", fields=("memory",), generation=3)
EDITED = Stamp(path="shop/dev/vm/other", digest="d", fields=("memory",), generation=9, protect=True, intact=False)


@pytest.mark.parametrize(
    ("known", "stamp", "uuid", "expected"),
    [
        (KNOWN, WHOLE, UUID, WHOLE),
        (KNOWN, None, UUID, Stamp(path=PATH, digest="", generation=3, intact=False)),
        (KNOWN, EDITED, UUID, Stamp(path=PATH, digest="d", generation=3, protect=True, intact=False)),
        (KNOWN, None, "another", None),
        (KNOWN, EDITED, "another", Stamp(path=EDITED.path, digest="d", generation=9, protect=True, intact=False)),
        (Recognition(STACK, None), None, UUID, None),
        (Recognition(STACK, Ledger(stack=STACK)), None, UUID, None),
    ],
)
def test_the_ledger_knows_better(known: Recognition, stamp: Stamp | None, uuid: str, expected: Stamp | None) -> None:
    assert known.recognise(stamp, uuid=uuid) == expected
