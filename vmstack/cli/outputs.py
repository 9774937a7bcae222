"""`vmstack output`."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from vmstack.apply import pipeline
from vmstack.cli.changes import render_outputs
from vmstack.cli.target import Target, is_stack, study
from vmstack.cli.terminal import Terminal, escape
from vmstack.errors import EXIT_DONE, InputError
from vmstack.model.graph import DesiredGraph, Output


def read_words(words: Sequence[str], *, folder: Path | None) -> tuple[Path, str | None]:
    """The stack's folder, which may come first, and the name of an output. `folder` is what `-C` says."""
    rest = list(words)
    # A word may be both: in a stack's folder it is a name, unless it is written as a path.
    if folder is None and rest and is_stack(rest[0]) and (len(rest) > 1 or not is_stack(".") or _is_path(rest[0])):
        folder = Path(rest.pop(0))
    if len(rest) > 1:
        raise InputError(
            f"`output` takes the name of one output, not {', '.join(rest)}",
            resolution="name one, or none for all of them; a stack's folder comes first, or after -C",
        )
    return folder or Path(), rest[0] if rest else None


def _is_path(word: str) -> bool:
    return word in (".", "..") or "/" in word


def show_outputs(
    target: Target, terminal: Terminal, *, name: str | None, json: bool, raw: bool, show_secrets: bool
) -> int:
    """Print the stored outputs. The hosts hold no secret value, so those come from the program."""
    if raw and name is None:
        raise InputError("--raw needs the name of an output")
    desired = study(target).desired
    with pipeline.connected(desired, open_host=pipeline.connect_to_host(readonly=True)) as drivers:
        outputs = pipeline.read_outputs(drivers, stack=desired.stack)
    if outputs is None:
        raise InputError(f"stack {desired.stack} was not applied yet", resolution="run `vmstack apply` first")
    if show_secrets:
        outputs = _fill_secrets(outputs, desired)
    if name is None:
        if json:
            shown = {key: _describe(one, show_secrets=show_secrets) for key, one in sorted(outputs.items())}
            terminal.say(msgspec.json.format(msgspec.json.encode(shown), indent=2).decode())
        else:
            for line in render_outputs(outputs, terminal, show_secrets=show_secrets):
                terminal.say(line)
        return EXIT_DONE
    if name not in outputs:
        raise InputError(f"there is no output {name!r}", details=[f"outputs: {', '.join(sorted(outputs)) or 'none'}"])
    output = outputs[name]
    if output.secret and not show_secrets:
        raise InputError(f"output {name} is secret", resolution="add --show-secrets to see it")
    if raw:
        value = output.value
        terminal.out.write(value if isinstance(value, str) else msgspec.json.encode(value).decode())
    elif json:
        terminal.say(msgspec.json.encode(output.value).decode())
    else:
        value = output.value
        terminal.say(escape(value) if isinstance(value, str) else msgspec.json.encode(value).decode())
    return EXIT_DONE


def _fill_secrets(outputs: dict[str, Output], desired: DesiredGraph) -> dict[str, Output]:
    return {
        name: desired.outputs[name] if one.secret and name in desired.outputs else one for name, one in outputs.items()
    }


def _describe(output: Output, *, show_secrets: bool) -> dict[str, object]:
    """Terraform's shape of `output -json`, but that a secret value stays out unless asked for."""
    described: dict[str, object] = {"sensitive": output.secret}
    if not output.secret or show_secrets:
        described["value"] = output.value
    return described
