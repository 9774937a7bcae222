"""What cannot be reached or found is told with the place in the program that asks for it."""

from pathlib import Path

import msgspec
import pytest

from tests.fake.host import FakeHost
from tests.unit.plan.builders import graph, host, image, look, pool, root
from vmstack.apply.pipeline import connected, resolve_images
from vmstack.errors import HostError, ImageError, Place
from vmstack.images.store import ImageStore
from vmstack.model.graph import DesiredGraph
from vmstack.model.specs import HostSpec, Spec


def placed(*specs: Spec) -> DesiredGraph:
    one = graph(*specs)
    resources = tuple(
        msgspec.structs.replace(resource, place=Place("__main__.py", line))
        for line, resource in enumerate(one.resources, start=1)
    )
    return msgspec.structs.replace(one, resources=resources)


def place_of(desired: DesiredGraph, kind: str) -> Place | None:
    return next(resource.place for resource in desired.resources if resource.key.kind == kind)


def test_a_host_that_cannot_be_reached_is_placed() -> None:
    def refuse(spec: HostSpec) -> FakeHost:
        raise HostError(f"{spec.name} is away")

    desired = placed(host(), pool())
    with pytest.raises(HostError) as caught, connected(desired, open_host=refuse):
        pass
    assert caught.value.place == place_of(desired, "host")


def test_an_image_that_is_not_there_is_placed(tmp_path: Path) -> None:
    desired = placed(pool(), image(source=str(tmp_path / "nope.qcow2"), sha256=None), root())
    observed = look(FakeHost(), desired)
    store = ImageStore(tmp_path / "cache")
    with pytest.raises(ImageError) as caught:
        resolve_images(desired, observed, store=store, need_files=False, progress=lambda *_: None)
    assert caught.value.place == place_of(desired, "image")
