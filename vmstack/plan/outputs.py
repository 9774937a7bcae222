"""The exported values as the ledger keeps them."""

from collections.abc import Mapping

import msgspec

from vmstack.model.graph import Output
from vmstack.model.ownership import StoredOutput


def stored_outputs(outputs: Mapping[str, Output]) -> dict[str, StoredOutput]:
    """What the ledger holds of the outputs, as it reads back from JSON: never a secret's value."""
    return {
        name: StoredOutput(value=None if output.secret else _plain(output.value), secret=output.secret)
        for name, output in sorted(outputs.items())
    }


def _plain(value: object) -> object:
    return msgspec.json.decode(msgspec.json.encode(value))
