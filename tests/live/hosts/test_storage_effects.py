"""Effects on pools and volumes, on the real daemon."""

import hashlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from tests.contract import documents
from tests.live.hosts.conftest import Corner
from vmstack.errors import ExistsError, HostBusyError, HostError
from vmstack.model.configs import PoolConfig
from vmstack.model.effects import (
    CopyVolume,
    CreateVolume,
    DefinePool,
    DeleteVolume,
    RemovePool,
    ResizeVolume,
    SetPoolAutostart,
    StartPool,
    UploadImage,
    UploadSeed,
)
from vmstack.xmlio.pool import read_pool, write_pool
from vmstack.xmlio.volume import read_volume

pytestmark = pytest.mark.libvirt
MIB = 1 << 20


class Content:
    """A supply of one image and one seed."""

    def __init__(self, *chunks: bytes | int, length: int | None = None) -> None:
        self.chunks = chunks
        self.length = length or sum(chunk if isinstance(chunk, int) else len(chunk) for chunk in chunks)

    def open_image(self, name: str) -> tuple[tuple[bytes | int, ...], int]:
        return self.chunks, self.length

    def seed(self, digest: str) -> bytes:
        return b"".join(chunk for chunk in self.chunks if isinstance(chunk, bytes))

    def password(self, name: str) -> str:
        raise AssertionError(name)

    @property
    def bytes(self) -> bytes:
        return b"".join(chunk if isinstance(chunk, bytes) else bytes(chunk) for chunk in self.chunks)


def pool_of(corner: Corner) -> tuple[str, Path]:
    name = corner.pool()
    return name, Path(corner.path("pool"))


def test_a_volume_group_that_is_not_there_is_not_made(corner: Corner) -> None:
    name, group = corner.name("pool"), corner.name("group")
    config = PoolConfig(
        name=name, uuid=corner.uuid("pool"), type="logical", path=f"/dev/{group}", group=group, devices=("/dev/null",)
    )
    corner.do(DefinePool(pool=name, xml=write_pool(config)))
    assert read_pool(corner.driver.pool(name).xml) == config
    with pytest.raises(HostError, match="the volume group of pool") as caught:
        corner.do(StartPool(pool=name))
    assert f"vgs {group}" in (caught.value.resolution or "")
    corner.do(RemovePool(pool=name, remove_directory=False))


def test_pool_is_made_and_removed_twice(corner: Corner) -> None:
    name, folder = corner.name("pool"), Path(corner.path("pool"))
    define = DefinePool(pool=name, xml=documents.pool(name, corner.uuid("pool"), str(folder)))
    for round_ in range(2):
        corner.do(define)
        assert corner.do(StartPool(pool=name, build=True)).built == (round_ == 0)
        corner.do(SetPoolAutostart(pool=name, enabled=True))
    record = corner.driver.pool(name)
    assert record.active
    assert record.autostart
    for _ in range(2):
        assert corner.do(RemovePool(pool=name, remove_directory=True)).notes == ()
    assert not folder.exists()


def test_pool_with_foreign_files_keeps_its_directory(corner: Corner) -> None:
    name, folder = pool_of(corner)
    (folder / "theirs.txt").write_text("keep me")
    result = corner.do(RemovePool(pool=name, remove_directory=True))
    assert (folder / "theirs.txt").read_text() == "keep me"
    assert "kept" in result.notes[0]
    assert name not in {pool.name for pool in corner.driver.pools()}


def test_volume_creation_may_be_repeated(corner: Corner) -> None:
    name, folder = pool_of(corner)
    base = corner.volume(name, "base.qcow2")
    xml = documents.volume("v.qcow2", capacity=2 * MIB, backing=base)
    effect = CreateVolume(pool=name, volume="v.qcow2", xml=xml, resume=True)
    corner.do(effect)
    before = (folder / "v.qcow2").read_bytes()
    corner.do(effect)
    assert (folder / "v.qcow2").read_bytes() == before
    with pytest.raises(ExistsError):
        corner.do(msgspec.structs.replace(effect, xml=documents.volume("v.qcow2", capacity=3 * MIB)))
    with pytest.raises(ExistsError, match="did not make"):
        corner.do(msgspec.structs.replace(effect, resume=False))
    assert (folder / "v.qcow2").read_bytes() == before


def test_pool_without_its_directory_is_not_built_unasked(corner: Corner) -> None:
    name, folder = pool_of(corner)
    corner.driver.stop_pool(name)
    folder.rmdir()
    with pytest.raises(HostError, match="is missing") as caught:
        corner.do(StartPool(pool=name))
    assert "mounted" in str(caught.value)
    assert not folder.exists()


def test_equal_volume_that_somebody_put_there_is_not_taken(corner: Corner) -> None:
    name, folder = pool_of(corner)
    effect = CreateVolume(pool=name, volume="v.qcow2", xml=documents.volume("v.qcow2"))
    corner.do(effect)
    content = (folder / "v.qcow2").read_bytes()
    corner.driver.delete_volume(name, "v.qcow2")
    (folder / "v.qcow2").write_bytes(content)
    with pytest.raises(ExistsError, match="did not make"):
        corner.do(effect)
    assert (folder / "v.qcow2").read_bytes() == content


def test_volume_whose_file_vanished_is_made_again(corner: Corner) -> None:
    name, folder = pool_of(corner)
    effect = CreateVolume(pool=name, volume="v.qcow2", xml=documents.volume("v.qcow2"))
    corner.do(effect)
    (folder / "v.qcow2").unlink()
    assert "v.qcow2" not in {volume.name for volume in corner.driver.volumes(name)}
    corner.do(effect)
    assert (folder / "v.qcow2").exists()


def test_file_that_libvirt_does_not_know_is_never_overwritten(corner: Corner) -> None:
    name, folder = pool_of(corner)
    (folder / "v.qcow2").write_bytes(b"precious" * 1000)
    with pytest.raises(ExistsError):
        corner.do(CreateVolume(pool=name, volume="v.qcow2", xml=documents.volume("v.qcow2")))
    assert (folder / "v.qcow2").read_bytes() == b"precious" * 1000


@pytest.mark.parametrize(
    "content",
    [
        Content(b"a" * MIB, 6 * MIB, b"b" * MIB),
        Content(3 * MIB, b"b" * (5 * MIB)),
        Content(b"a" * (3 * MIB), 5 * MIB),
        Content(b"a" * (8 * MIB)),
    ],
    ids=["hole between", "hole first", "hole last", "no hole"],
)
@pytest.mark.parametrize("old", [b"", b"x" * MIB, b"x" * (8 * MIB)], ids=["fresh", "partial", "full"])
def test_upload_leaves_nothing_of_what_was_there(corner: Corner, content: Content, old: bytes) -> None:
    name, folder = pool_of(corner)
    corner.driver.create_volume(name, documents.volume("v.raw", capacity=8 * MIB, form="raw"))
    with (folder / "v.raw").open("r+b") as file:
        file.write(old)
    corner.driver.refresh_pool(name)
    seen: list[tuple[str, int, int]] = []
    corner.do(UploadImage(pool=name, volume="v.raw", image="i"), supply=content, report=lambda *line: seen.append(line))
    found = (folder / "v.raw").read_bytes()
    assert hashlib.sha256(found).hexdigest() == hashlib.sha256(content.bytes).hexdigest()
    assert seen[-1] == (f"{name}/v.raw", 8 * MIB, 8 * MIB)
    assert b"".join(corner.driver.download_volume(name, "v.raw", length=8 * MIB)) == content.bytes


def test_fresh_upload_is_sparse(corner: Corner) -> None:
    name, folder = pool_of(corner)
    corner.driver.create_volume(
        name,
        documents.volume("v.raw", capacity=256 * MIB, form="raw").replace(
            "<target>", "<allocation>0</allocation><target>"
        ),
    )
    corner.do(UploadImage(pool=name, volume="v.raw", image="i"), supply=Content(b"a" * MIB, 254 * MIB, b"b" * MIB))
    assert (folder / "v.raw").stat().st_size == 256 * MIB
    assert (folder / "v.raw").stat().st_blocks * 512 < 4 * MIB


def test_seed_shorter_than_what_was_there(corner: Corner) -> None:
    name, folder = pool_of(corner)
    corner.driver.create_volume(name, documents.volume("s.iso", capacity=8192, form="raw"))
    corner.do(UploadSeed(pool=name, volume="s.iso", digest="d"), supply=Content(b"l" * 8192))
    corner.do(UploadSeed(pool=name, volume="s.iso", digest="d"), supply=Content(b"s" * 4096))
    assert (folder / "s.iso").read_bytes() == b"s" * 4096


def test_upload_that_breaks_can_be_done_again(corner: Corner) -> None:
    name, folder = pool_of(corner)
    corner.driver.create_volume(name, documents.volume("v.raw", capacity=2 * MIB, form="raw"))

    def broken() -> Iterator[bytes | int]:
        yield b"a" * MIB
        raise RuntimeError("the source is gone")

    with pytest.raises(RuntimeError):
        corner.driver.upload_volume(name, "v.raw", chunks=broken(), length=2 * MIB)
    corner.driver.upload_volume(name, "v.raw", chunks=[b"b" * (2 * MIB)], length=2 * MIB)
    assert (folder / "v.raw").read_bytes() == b"b" * (2 * MIB)


def test_content_that_does_not_fit_is_an_error(corner: Corner) -> None:
    name, _ = pool_of(corner)
    corner.driver.create_volume(name, documents.volume("v.raw", capacity=MIB, form="raw"))
    with pytest.raises(HostError):
        corner.driver.upload_volume(name, "v.raw", chunks=[b"b" * (2 * MIB)], length=MIB)


def test_copy_grows_and_is_independent(corner: Corner) -> None:
    name, folder = pool_of(corner)
    corner.volume(name, "base.qcow2", capacity=MIB)
    corner.do(
        CopyVolume(
            pool=name,
            volume="c.qcow2",
            xml=documents.volume("c.qcow2", capacity=MIB),
            source_pool=name,
            source_volume="base.qcow2",
            capacity=4 * MIB,
        )
    )
    config = read_volume(corner.driver.volume(name, "c.qcow2").xml)
    assert (config.capacity, config.backing_path) == (4 * MIB, None)
    (folder / "base.qcow2").unlink()
    corner.do(ResizeVolume(pool=name, volume="c.qcow2", capacity=2 * MIB))
    assert read_volume(corner.driver.volume(name, "c.qcow2").xml).capacity == 4 * MIB
    for _ in range(2):
        corner.do(DeleteVolume(pool=name, volume="c.qcow2"))
    assert not (folder / "c.qcow2").exists()


def test_work_in_one_pool_goes_on_beside_refreshes(corner: Corner) -> None:
    """ "Pool has asynchronous jobs running" must not reach a user."""
    name, folder = pool_of(corner)
    done = threading.Event()

    def refresh() -> None:
        while not done.is_set():
            corner.do(DefinePool(pool=name, xml=documents.pool(name, corner.uuid("pool"), str(folder))))
            try:
                corner.driver.refresh_pool(name)
            except HostBusyError:
                continue

    def make(number: int) -> None:
        label = f"v{number}.qcow2"
        corner.do(CreateVolume(pool=name, volume=label, xml=documents.volume(label)))
        if number % 2:
            corner.do(DeleteVolume(pool=name, volume=label))

    with ThreadPoolExecutor(9) as threads:
        refreshing = threads.submit(refresh)
        list(threads.map(make, range(60)))
        done.set()
        refreshing.result()
    corner.driver.refresh_pool(name)
    assert {volume.name for volume in corner.driver.volumes(name)} == {f"v{number}.qcow2" for number in range(0, 60, 2)}
