"""All tests: the garbage collector of a test process is as that of the command."""

import gc

import pytest

from vmstack.cli.collector import relax_collector


def pytest_collection_finish(session: pytest.Session) -> None:
    """What was imported and collected stays, and need not be walked again and again."""
    gc.freeze()
    relax_collector()
