"""The packages whose resources programs register, by name."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from vmstack.evaluate.classic.address import find_default_uri
from vmstack.evaluate.engine.registration import Package
from vmstack.evaluate.recorder import Recorder

if TYPE_CHECKING:
    from vmstack.evaluate.classic.package import Classic


class Packages:
    """Each is loaded with the first resource that is of it: programs of native resources do not wait for the rest."""

    def __init__(self, recorder: Recorder, *, config: Mapping[str, str]) -> None:
        self._recorder = recorder
        self._config = config
        self.classic: Classic | None = None
        uri = find_default_uri(config)
        if uri:
            recorder.uris.add(uri)

    def find(self, name: str) -> Package | None:
        if name == "libvirt" and self.classic is None:
            from vmstack.evaluate.classic.package import Classic

            self.classic = Classic(self._recorder, config=self._config)
        return self.classic if name == "libvirt" else None
