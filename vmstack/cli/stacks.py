"""`vmstack stack`."""

from pathlib import Path

import msgspec

from vmstack.cli.terminal import Terminal, escape
from vmstack.errors import EXIT_DONE, InputError
from vmstack.evaluate.config.loader import find_file
from vmstack.evaluate.project import choose_stack, list_stacks, read_manifest


def list_project_stacks(folder: Path, terminal: Terminal, *, stack: str | None, json: bool) -> int:
    """Print the stacks that have a file, and which one commands would take."""
    manifest = read_manifest(folder)
    known = list_stacks(manifest.settings)
    try:
        chosen = choose_stack(manifest.settings, wanted=stack)
    except InputError:
        # Several stacks and no choice: that is what the list is for. A name that was given must be there.
        if stack is not None:
            raise
        chosen = None
    names = known or ((chosen,) if chosen else ())
    files = {name: find_file(manifest.settings, stem=f"Pulumi.{name}") for name in names}
    if json:
        shown = [{"name": name, "current": name == chosen, "file": file and str(file)} for name, file in files.items()]
        terminal.say(msgspec.json.format(msgspec.json.encode(shown), indent=2).decode())
        return EXIT_DONE
    width = max((len(name) for name in names), default=0)
    for name, file in files.items():
        mark = terminal.paint("*", "bold", "green") if name == chosen else " "
        terminal.say(f"{mark} {escape(name):<{width}}  {escape(str(file)) if file else '(no file yet)'}")
    if chosen is None:
        terminal.tell("None is chosen: name one with -s, or with the environment variable VMSTACK_STACK.")
    return EXIT_DONE
