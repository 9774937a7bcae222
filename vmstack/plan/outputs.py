"""The exported values as the ledger keeps them."""

from collections.abc import Iterable, Mapping

import msgspec

from vmstack.model.graph import Output
from vmstack.model.ownership import Ledger, StoredOutput


def stored_outputs(outputs: Mapping[str, Output]) -> dict[str, StoredOutput]:
    """What the ledger holds of the outputs, as it reads back from JSON: never a secret's value."""
    return {
        name: StoredOutput(
            value=None if output.secret or not output.known else _plain(output.value),
            secret=output.secret,
            known=output.known,
        )
        for name, output in sorted(outputs.items())
    }


def kept_outputs(outputs: Mapping[str, Output], *, ledgers: Iterable[Ledger]) -> dict[str, Output]:
    """The outputs, with the values that were applied last in place of those that are not known now."""
    held_before = last_outputs(ledgers)
    kept = dict(outputs)
    for name, output in outputs.items():
        held = held_before.get(name)
        if held is not None and held.known and not output.known and held.secret == output.secret:
            kept[name] = Output(value=held.value, secret=held.secret)
    return kept


def outputs_after(
    outputs: Mapping[str, Output], *, ledgers: Iterable[Ledger], partial: bool, destroy: bool
) -> dict[str, Output]:
    """What an apply leaves stored, by name. A partial one leaves the outputs of the last whole one as they are."""
    held = tuple(ledgers)
    if partial:
        return {
            name: Output(value=one.value, secret=one.secret, known=one.known)
            for name, one in last_outputs(held).items()
        }
    return dict(sorted(kept_outputs({} if destroy else outputs, ledgers=held).items()))


def last_outputs(ledgers: Iterable[Ledger]) -> dict[str, StoredOutput]:
    """What the last apply stored, by the ledgers of all hosts; nothing before the first one."""
    runs = [ledger for ledger in ledgers if ledger.last_run is not None]
    latest = max(runs, key=lambda ledger: ledger.last_run.when if ledger.last_run else "", default=None)
    return {} if latest is None else dict(sorted(latest.outputs.items()))


def _plain(value: object) -> object:
    return msgspec.json.decode(msgspec.json.encode(value))
