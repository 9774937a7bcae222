"""Pools and volumes: what every driver does, and refuses."""

import hashlib

import pytest
from lxml import etree

from tests.contract import documents
from tests.contract.conftest import Site
from tests.fake.disk_images import qcow2, raw
from vmstack.errors import ExistsError, HostError, NotFoundError
from vmstack.xmlio.pool import read_pool
from vmstack.xmlio.volume import read_volume

MIB = 1 << 20


def test_pool_lives_from_definition_to_undefinition(site: Site) -> None:
    name, path = site.name("pool"), site.path("a/b/pool")
    site.driver.define_pool(documents.pool(name, site.uuid("pool"), path))
    record = site.driver.pool(name)
    assert (record.active, record.autostart, record.available) == (False, False, None)
    assert (read_pool(record.xml).path, read_pool(record.xml).uuid) == (path, site.uuid("pool"))
    with pytest.raises(NotFoundError):
        site.driver.start_pool(name)
    site.driver.build_pool(name)
    site.driver.build_pool(name)
    site.driver.start_pool(name)
    site.driver.set_pool_autostart(name, enabled=True)
    record = site.driver.pool(name)
    assert record.active
    assert record.autostart
    assert record.available is not None
    assert record.available > 0
    assert name in {pool.name for pool in site.driver.pools()}
    site.driver.stop_pool(name)
    site.driver.delete_pool_directory(name)
    site.driver.undefine_pool(name)
    with pytest.raises(NotFoundError):
        site.driver.pool(name)


def test_pool_redefinition_keeps_it(site: Site) -> None:
    name = site.pool()
    site.driver.define_pool(documents.pool(name, site.uuid("pool"), site.path("pool")))
    assert site.driver.pool(name).active


@pytest.mark.parametrize(
    ("name", "uuid", "path"), [("pool", "other", "else"), ("other", "pool", "else")], ids=["name taken", "uuid taken"]
)
def test_pool_definition_that_clashes(site: Site, name: str, uuid: str, path: str) -> None:
    site.pool()
    with pytest.raises(ExistsError):
        site.driver.define_pool(documents.pool(site.name(name), site.uuid(uuid), site.path(path)))


def test_two_pools_cannot_share_a_directory(site: Site) -> None:
    site.pool()
    with pytest.raises(HostError):
        site.driver.define_pool(documents.pool(site.name("other"), site.uuid("other"), site.path("pool")))


@pytest.mark.parametrize(
    "call",
    [
        "pool", "build_pool", "start_pool", "refresh_pool", "stop_pool", "delete_pool_directory", "undefine_pool",
        "volumes",
    ],
)  # fmt: skip
def test_pool_that_is_not_there(site: Site, call: str) -> None:
    with pytest.raises(NotFoundError):
        getattr(site.driver, call)(site.name("nothing"))


def test_active_pool_refuses(site: Site) -> None:
    name = site.pool()
    for call in (site.driver.start_pool, site.driver.delete_pool_directory, site.driver.undefine_pool):
        with pytest.raises(HostError):
            call(name)
    assert site.driver.pool(name).active


def test_inactive_pool_refuses(site: Site) -> None:
    name = site.pool()
    site.driver.stop_pool(name)
    for call in (site.driver.stop_pool, site.driver.refresh_pool, site.driver.volumes):
        with pytest.raises(HostError):
            call(name)


def test_directory_with_content_is_not_deleted(site: Site) -> None:
    name = site.pool()
    site.volume(name, "a.qcow2")
    site.driver.stop_pool(name)
    with pytest.raises(HostError):
        site.driver.delete_pool_directory(name)
    site.driver.start_pool(name)
    assert [volume.name for volume in site.driver.volumes(name)] == ["a.qcow2"]


def test_volume_and_its_clone(site: Site) -> None:
    pool = site.pool()
    base = site.volume(pool, "base.qcow2", capacity=MIB)
    site.driver.create_volume(pool, documents.volume("top.qcow2", capacity=2 * MIB, backing=base))
    config = read_volume(site.driver.volume(pool, "top.qcow2").xml)
    assert (config.name, config.format, config.capacity) == ("top.qcow2", "qcow2", 2 * MIB)
    assert (config.backing_path, config.backing_format) == (base, "qcow2")
    assert config.path == f"{site.path('pool')}/top.qcow2"
    assert sorted(volume.name for volume in site.driver.volumes(pool)) == ["base.qcow2", "top.qcow2"]


def test_volume_is_not_made_twice(site: Site) -> None:
    pool = site.pool()
    site.volume(pool, "a.qcow2", capacity=MIB)
    with pytest.raises(ExistsError):
        site.driver.create_volume(pool, documents.volume("a.qcow2", capacity=2 * MIB))
    assert read_volume(site.driver.volume(pool, "a.qcow2").xml).capacity == MIB


def test_clone_of_nothing(site: Site) -> None:
    pool = site.pool()
    with pytest.raises(HostError):
        site.driver.create_volume(pool, documents.volume("a.qcow2", backing=site.path("pool/none.qcow2")))
    assert site.driver.volumes(pool) == []


@pytest.mark.parametrize("call", ["volume", "delete_volume"])
def test_volume_that_is_not_there(site: Site, call: str) -> None:
    with pytest.raises(NotFoundError):
        getattr(site.driver, call)(site.pool(), "none.qcow2")


def test_volume_goes(site: Site) -> None:
    pool = site.pool()
    site.volume(pool, "a.qcow2")
    site.driver.delete_volume(pool, "a.qcow2")
    assert site.driver.volumes(pool) == []


def test_libvirt_does_not_guard_a_base(site: Site) -> None:
    """Why the planner has to: a base that overlays need can be deleted."""
    pool = site.pool()
    base = site.volume(pool, "base.qcow2")
    site.volume(pool, "top.qcow2", backing=base)
    site.driver.delete_volume(pool, "base.qcow2")
    assert [volume.name for volume in site.driver.volumes(pool)] == ["top.qcow2"]


def test_volume_grows_and_never_shrinks(site: Site) -> None:
    pool = site.pool()
    site.volume(pool, "a.qcow2", capacity=MIB)
    site.driver.resize_volume(pool, "a.qcow2", capacity=4 * MIB)
    with pytest.raises(HostError):
        site.driver.resize_volume(pool, "a.qcow2", capacity=2 * MIB)
    assert read_volume(site.driver.volume(pool, "a.qcow2").xml).capacity == 4 * MIB


@pytest.mark.parametrize("copied", [False, True], ids=["made", "copied"])
@pytest.mark.parametrize("form", ["qcow2", "raw"])
def test_volume_onto_a_file_that_is_not_listed(site: Site, form: str, copied: bool) -> None:
    pool = site.pool()
    site.volume(pool, "source.qcow2")
    site.place_file("pool/a", b"precious")
    with pytest.raises(ExistsError):
        if copied:
            site.driver.copy_volume(pool, documents.volume("a", form=form), source_pool=pool, source="source.qcow2")
        else:
            site.driver.create_volume(pool, documents.volume("a", form=form))
    site.driver.refresh_pool(pool)
    assert b"".join(site.driver.download_volume(pool, "a", length=8)) == b"precious"


def test_copy_is_independent_and_keeps_the_source_size(site: Site) -> None:
    pool = site.pool()
    base = site.volume(pool, "base.qcow2", capacity=MIB)
    site.volume(pool, "top.qcow2", capacity=2 * MIB, backing=base)
    site.driver.copy_volume(
        pool, documents.volume("copy.qcow2", capacity=8 * MIB), source_pool=pool, source="top.qcow2"
    )
    config = read_volume(site.driver.volume(pool, "copy.qcow2").xml)
    assert (config.capacity, config.format, config.backing_path) == (2 * MIB, "qcow2", None)


def test_copy_onto_an_existing_volume(site: Site) -> None:
    pool = site.pool()
    site.volume(pool, "a.qcow2")
    site.volume(pool, "b.qcow2")
    with pytest.raises(ExistsError):
        site.driver.copy_volume(pool, documents.volume("b.qcow2"), source_pool=pool, source="a.qcow2")


def test_copy_of_nothing(site: Site) -> None:
    pool = site.pool()
    with pytest.raises(NotFoundError):
        site.driver.copy_volume(pool, documents.volume("b.qcow2"), source_pool=pool, source="none.qcow2")


ISO = bytes(32768) + b"\x01CD001\x01" + bytes(60000)


@pytest.mark.parametrize(
    ("form", "created", "content", "expected"),
    [
        ("qcow2", MIB, qcow2(5 * MIB), ("qcow2", 5 * MIB)),
        ("raw", len(ISO), ISO, ("iso", len(ISO))),
        ("raw", 100_000, raw(100_000), ("raw", 100_000)),
    ],
    ids=["qcow2 takes the size of its header", "a seed is seen as iso", "raw"],
)
def test_upload_is_what_a_refresh_finds(
    site: Site, form: str, created: int, content: bytes, expected: tuple[str, int]
) -> None:
    pool = site.pool()
    site.driver.create_volume(pool, documents.volume("up", capacity=created, form=form))
    site.driver.upload_volume(pool, "up", chunks=iter([content]), length=len(content))
    site.driver.refresh_pool(pool)
    xml = site.driver.volume(pool, "up").xml
    found = etree.fromstring(xml).find("target/format")
    assert found is not None
    assert (found.get("type"), read_volume(xml).capacity) == expected
    assert _digest(site, pool, "up", len(content)) == hashlib.sha256(content).hexdigest()


def test_upload_replaces_longer_content_whole(site: Site) -> None:
    pool = site.pool()
    site.driver.create_volume(pool, documents.volume("up", capacity=MIB, form="raw"))
    site.driver.upload_volume(pool, "up", chunks=iter([b"x" * MIB]), length=MIB)
    pieces: list[bytes | int] = [b"a" * 1000, 5000, b"b" * 1000]
    site.driver.upload_volume(pool, "up", chunks=iter(pieces), length=7000)
    site.driver.refresh_pool(pool)
    assert read_volume(site.driver.volume(pool, "up").xml).capacity == 7000
    expected = b"a" * 1000 + bytes(5000) + b"b" * 1000
    assert b"".join(site.driver.download_volume(pool, "up", length=7000)) == expected


def test_upload_to_nothing(site: Site) -> None:
    with pytest.raises(NotFoundError):
        site.driver.upload_volume(site.pool(), "none", chunks=iter([b"x"]), length=1)


def test_upload_that_breaks_off_leaves_the_volume_usable(site: Site) -> None:
    pool = site.pool()
    site.driver.create_volume(pool, documents.volume("up", capacity=MIB, form="raw"))

    def broken() -> object:
        yield b"x" * 1000
        raise OSError("the disk of the reader failed")

    with pytest.raises(OSError, match="reader"):
        site.driver.upload_volume(pool, "up", chunks=broken(), length=MIB)
    content = b"y" * 2000
    site.driver.upload_volume(pool, "up", chunks=iter([content]), length=2000)
    assert b"".join(site.driver.download_volume(pool, "up", length=2000)) == content


def _digest(site: Site, pool: str, name: str, length: int) -> str:
    digest = hashlib.sha256()
    for chunk in site.driver.download_volume(pool, name, length=length):
        digest.update(chunk)
    return digest.hexdigest()
