"""Pulumi outputs as inputs of native resources: resolved when known; what has another one waits, or is refused."""

import sys
from collections.abc import Mapping
from typing import Any, Final

from vmstack.errors import InputError
from vmstack.evaluate.session import SESSION

# How the id of a volume begins whose pool's directory only the host knows.
PLACEHOLDER: Final = "vmstack-volume://"


class NotKnownError(InputError):
    """An input whose value is not known yet: `path` names it."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"{path}: the value is not known before apply",
            resolution="use a value that the program knows, such as an address that it gives itself",
        )
        self.path = path


def is_output(value: object) -> bool:
    """Tell whether a value is a `pulumi.Output`; never imports Pulumi."""
    pulumi = sys.modules.get("pulumi")
    output: Any = getattr(pulumi, "Output", None)
    return output is not None and isinstance(value, output)


def make_output(value: str) -> Any:
    """Wrap a known value as an Output. Only where Pulumi is loaded already."""
    return sys.modules["pulumi"].Output.from_input(value)


def settle(value: Any, *, field: str, secrets_welcome: bool = False) -> Any:
    """Return the value with every Output in it replaced by what it holds.

    Waits for outputs (the running event loop is pumped meanwhile). Raises `NotKnownError` for one that is unknown, or
    for something of the vocabulary that was given such a one; and `InputError` for a secret one where secrets would end
    up in plain sight.
    """
    recorder = SESSION.get()
    if recorder is not None and recorder.waits(value):
        raise NotKnownError(field)
    if is_output(value):
        from vmstack.evaluate.engine.references import check_kept, find_text

        known, secret, content = _await_output(value)
        check_kept(content, place=None, what=field)
        if not known or find_text(content, PLACEHOLDER) is not None:
            raise NotKnownError(field)
        if secret and not secrets_welcome:
            raise InputError(
                f"{field}: the value is a secret and would be shown in plans",
                resolution="secrets may go into cloud-init content and Graphics(password=...) only",
            )
        return settle(content, field=field, secrets_welcome=secrets_welcome)
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        settled = [settle(item, field=field, secrets_welcome=secrets_welcome) for item in value]
        if any(new is not old for new, old in zip(settled, value, strict=True)):
            return type(value)(settled)
    elif isinstance(value, dict):
        if any(is_output(key) for key in value):
            raise InputError(f"{field}: an Output cannot be a key")
        changed = {key: settle(item, field=field, secrets_welcome=secrets_welcome) for key, item in value.items()}
        if any(changed[key] is not value[key] for key in value):
            return changed
    return value


def settle_arguments(
    args: tuple[Any, ...], kwargs: Mapping[str, Any], *, secrets_welcome: bool
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Settle the arguments of a call; of `opts`, whose outputs are resources, only whether one of these waits."""
    _check_waits(kwargs.get("opts"))
    known = tuple(
        settle(value, field=f"argument {index}", secrets_welcome=secrets_welcome) for index, value in enumerate(args)
    )
    named = {
        name: value if name == "opts" else settle(value, field=name, secrets_welcome=secrets_welcome)
        for name, value in kwargs.items()
    }
    return known, named


def _check_waits(opts: Any) -> None:
    recorder = SESSION.get()
    if recorder is None or opts is None:
        return
    for name in ("parent", "depends_on"):
        value = getattr(opts, name, None)
        for item in value if isinstance(value, list | tuple | set) else (value,):
            if recorder.waits(item):
                raise NotKnownError(f"opts: {name}")


def _await_output(output: Any) -> tuple[bool, bool, Any]:
    """Wait for an Output the way the SDK's own blocking invokes do."""
    from pulumi.runtime.sync_await import _sync_await

    async def read() -> tuple[bool, bool, Any]:
        known = await output.is_known()
        secret = await output.is_secret()
        return known, secret, await output.future(with_unknowns=True)

    return _sync_await(read())
