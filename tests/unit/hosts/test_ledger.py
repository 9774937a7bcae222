"""Ledgers of other versions: another stack's is read as far as it is understood, the stack's own only whole."""

import json

import pytest

from vmstack.errors import DocumentError
from vmstack.hosts.driver import SecretRecord
from vmstack.hosts.ledger import encode_ledger, ledger_usage, split_ledgers
from vmstack.model.identity import StackId
from vmstack.model.ownership import Ledger, LedgerEntry

STACK = StackId(project="p", stack="s")
ENTRY = LedgerEntry(name="a", role="pool", pool="a", path="/a")


def record(stack: StackId, **more: object) -> SecretRecord:
    data = json.loads(encode_ledger(Ledger(stack=stack, entries=(ENTRY,))))
    data["entries"][0]["novel"] = 1
    return SecretRecord(uuid="u", usage=ledger_usage(stack), description=json.dumps(data | {"novel": 1} | more))


def test_another_stacks_newer_ledger_is_read_as_far_as_it_is_understood() -> None:
    other = StackId(project="q", stack="s")
    assert split_ledgers([record(other)], stack=STACK) == (None, (Ledger(stack=other, entries=(ENTRY,)),))


def test_the_stacks_own_newer_ledger_is_refused() -> None:
    with pytest.raises(DocumentError, match="unknown field"):
        split_ledgers([record(STACK)], stack=STACK)


def test_another_stacks_ledger_of_another_format_is_refused() -> None:
    other = StackId(project="q", stack="s")
    with pytest.raises(DocumentError, match="format 9"):
        split_ledgers([record(other, format=9)], stack=STACK)
