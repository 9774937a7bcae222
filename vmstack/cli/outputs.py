"""`vmstack output`."""

from pathlib import Path

import msgspec

from vmstack.apply import pipeline
from vmstack.cli.changes import render_outputs
from vmstack.cli.target import Target, study
from vmstack.cli.terminal import Terminal, escape
from vmstack.errors import EXIT_DONE, InputError
from vmstack.evaluate.config.loader import find_file
from vmstack.model.graph import DesiredGraph, Output


def check_name(name: str | None, *, folder: Path) -> None:
    """Raise `InputError` for the folder of a stack in place of an output's name, as other commands take it."""
    if name is not None and not find_file(folder, stem="Pulumi") and find_file(Path(name), stem="Pulumi"):
        raise InputError(
            f"{name} is a stack's folder, and `output` takes the name of an output there",
            resolution=f"name the folder with -C: vmstack output -C {name}",
        )


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
