"""What the cloud-init documents of one evaluation share: templates, the schema, and documents made before."""

import json
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmstack.errors import InputError
from vmstack.evaluate.cloudinit.documents import Content, dump_cloud_config, load_cloud_config, require_content
from vmstack.evaluate.cloudinit.keys import find_strangers
from vmstack.evaluate.cloudinit.schema import VARIABLE, CloudConfigSchema
from vmstack.evaluate.cloudinit.vendor import vendor_data
from vmstack.evaluate.places import find_place

if TYPE_CHECKING:
    from vmstack.evaluate.cloudinit.templates import Templates


class SeedCache:
    """Fleets repeat documents; each is made and checked once for an evaluation."""

    def __init__(self, project: Path, *, warn: Callable[[str], None]) -> None:
        self._project = project
        self._warn = warn
        self._written: dict[str, str] = {}
        self._checked: dict[str, bool] = {}
        self._vendor: dict[str | None, str] = {}

    @cached_property
    def templates(self) -> "Templates":
        """The project's templates; loading Jinja2 takes time that programs without templates do not pay."""
        from vmstack.evaluate.cloudinit.templates import Templates, template_folders

        return Templates(template_folders(self._project))

    @cached_property
    def schema(self) -> CloudConfigSchema:
        """cloud-init's schema."""
        return CloudConfigSchema.find()

    def write(self, document: Mapping[str, Any]) -> str:
        """Return a checked `#cloud-config` document with this content."""
        mark = json.dumps(document, default=repr)
        text = self._written.get(mark)
        if text is None:
            self._check_content(document, what="user-data")
            text = self._written[mark] = dump_cloud_config(document)
            self._checked[text] = _switches_vendor_off(document)
        return text

    def check(self, text: str, *, what: str) -> None:
        """Raise `InputError` where cloud-init would refuse or ignore the document."""
        if text in self._checked:
            return
        silenced = False
        if require_content(text, what=what) is Content.CLOUD_CONFIG:
            document = load_cloud_config(text, what=what)
            self._check_content(document, what=what)
            silenced = _switches_vendor_off(document)
        self._checked[text] = silenced

    def _check_content(self, document: Mapping[str, Any], *, what: str) -> None:
        """Raise `InputError` for what the schema refuses, and for a slip in a key; warn of other unknown keys."""
        self.schema.check(document, what=what)
        found = [one for one in find_strangers(document) if not self.schema.knows(one.path)]
        slips = [one for one in found if one.meant is not None]
        if slips:
            raise InputError(
                f"{what}: cloud-init knows no {slips[0].path!r}, and would ignore it",
                details=[f"neither does it know {one.path!r}: did you mean {one.meant!r}?" for one in slips[1:]],
                resolution=f"did you mean {slips[0].meant!r}? Where the guest's cloud-init knows it, name that one's "
                f"schema in {VARIABLE}",
            )
        for stranger in found:
            place = find_place()
            where = "" if place is None else f" (at {place})"
            self._warn(f"{what}: cloud-init knows no {stranger.path!r}, and will ignore it{where}")

    def silences_vendor(self, text: str) -> bool:
        """Tell whether user-data that was checked switches vendor-data off, and with it the readiness report."""
        return self._checked.get(text, False)

    def vendor(self, own: str | None) -> str:
        """Return vendor-data with the readiness script in it."""
        text = self._vendor.get(own)
        if text is None:
            text = self._vendor[own] = vendor_data(own)
        return text


def _switches_vendor_off(document: Mapping[str, Any]) -> bool:
    wish = document.get("vendor_data")
    return isinstance(wish, Mapping) and wish.get("enabled") is False
