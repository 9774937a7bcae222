"""`vmstack graph`."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from vmstack.cli.target import Target, load
from vmstack.cli.terminal import Terminal
from vmstack.errors import EXIT_DONE, InputError
from vmstack.model.graph import DesiredGraph
from vmstack.model.identity import Kind

_SHAPES = {
    Kind.HOST: "house",
    Kind.POOL: "folder",
    Kind.IMAGE: "note",
    Kind.VOLUME: "cylinder",
    Kind.SEED: "component",
    Kind.NETWORK: "hexagon",
    Kind.VM: "box3d",
}
_DRAWING_SECONDS = 120


def draw_graph(target: Target, terminal: Terminal, *, svg: Path | None) -> int:
    """Print the graph in DOT, or draw it with graphviz."""
    text = "\n".join(render_dot(load(target)))
    if svg is None:
        terminal.say(text)
        return EXIT_DONE
    program = shutil.which("dot")
    if program is None:
        raise InputError(
            "drawing needs graphviz, and there is no `dot` on this machine",
            resolution="install it (apt install graphviz), or use `vmstack graph` without --svg for the DOT text",
        )
    try:
        drawn = subprocess.run(  # noqa: S603 - the program is graphviz's, and the text goes to its standard input
            [program, "-Tsvg"], input=text.encode(), capture_output=True, timeout=_DRAWING_SECONDS, check=True
        )
        svg.write_bytes(drawn.stdout)
    except subprocess.CalledProcessError as error:
        raise InputError("graphviz failed", details=[error.stderr.decode(errors="replace").strip()]) from error
    except subprocess.TimeoutExpired as error:
        raise InputError(
            f"graphviz took longer than {_DRAWING_SECONDS} s", resolution="draw a smaller stack"
        ) from error
    except OSError as error:
        raise InputError(f"{svg} cannot be written: {error.strerror}") from error
    terminal.tell(f"wrote {svg}")
    return EXIT_DONE


def render_dot(desired: DesiredGraph) -> Iterator[str]:
    """The graph in DOT (https://graphviz.org/doc/info/lang.html): arrows point at what a resource needs."""
    yield f"digraph {_quote(str(desired.stack))} {{"
    yield '  rankdir = "RL";'
    for resource in desired.resources:
        label = _quote(str(resource.key))
        yield f"  {label} [shape = {_SHAPES[resource.key.kind]}];"
    for resource in desired.resources:
        for need in sorted(resource.needs):
            yield f"  {_quote(str(resource.key))} -> {_quote(str(need))};"
    yield "}"


def _quote(text: str) -> str:
    """A double-quoted ID; within one only the quote is special, and a backslash before it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
