"""The engine's other side: what programs say with `pulumi.log`."""

import re
import sys
from collections.abc import Callable
from importlib import metadata
from typing import Any

import semver
from google.protobuf import empty_pb2
from pulumi.runtime.proto import engine_pb2

from vmstack.errors import InputError
from vmstack.evaluate.places import find_caller


class Engine:
    """Implements the calls of Pulumi's `Engine` service. An error that is logged fails the evaluation."""

    def __init__(self, *, warn: Callable[[str], None]) -> None:
        self._warn = warn
        self.errors: list[str] = []

    def Log(self, request: Any) -> Any:
        if request.severity == engine_pb2.ERROR:
            self.errors.append(request.message)
        elif request.severity == engine_pb2.WARNING:
            self._warn(request.message)
        elif request.severity == engine_pb2.INFO:
            sys.stderr.write(f"{request.message}\n")
        return empty_pb2.Empty()

    def RequirePulumiVersion(self, request: Any) -> Any:
        """Compare with the version of the SDK that runs the program: there is no CLI."""
        wanted, have = request.pulumi_version_range, semver.Version.parse(metadata.version("pulumi"))
        try:
            fits = any(all(map(have.match, _comparisons(one))) for one in wanted.split("||"))
        except ValueError:
            raise InputError(
                f"require_pulumi_version: {wanted!r} is no range of versions",
                resolution='write it as ">=3.100.0 <4.0.0"',
                place=find_caller(),
            ) from None
        if not fits:
            raise InputError(
                f"the program requires Pulumi {wanted}, and this is {have}",
                resolution="install another version of the package pulumi beside vmstack",
                place=find_caller(),
            )
        return engine_pb2.RequirePulumiVersionResponse()


def _comparisons(text: str) -> list[str]:
    """The parts of a range that must all hold; a version alone is that version."""
    parts = [part for part in re.sub(r"([<>=!]+)\s+", r"\1", text).replace(",", " ").split() if part]
    return [part if part[0] in "<>=!" else f"=={part}" for part in parts]
