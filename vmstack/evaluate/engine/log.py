"""The engine's other side: what programs say with `pulumi.log`."""

import sys
from collections.abc import Callable
from typing import Any

from google.protobuf import empty_pb2
from pulumi.runtime.proto import engine_pb2


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
        return engine_pb2.RequirePulumiVersionResponse()
