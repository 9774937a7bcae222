"""Local images: digests, the cache, decompression, and several users at once."""

import gzip
import hashlib
import lzma
import os
import shutil
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import zstandard

from tests.unit.images.corpus import MIB, sha256_of, silent, spec_of
from vmstack.errors import ImageError
from vmstack.images.limits import Limits
from vmstack.images.store import ImageStore
from vmstack.model.observed import ImageFacts
from vmstack.model.specs import ImageSpec

PACK = {"gz": gzip.compress, "xz": lzma.compress, "zst": zstandard.compress}


def resolve(store: ImageStore, spec: ImageSpec) -> ImageFacts:
    return store.resolve(spec, need_file=True, progress=silent)


def refusal(store: ImageStore, spec: ImageSpec) -> str:
    with pytest.raises(ImageError) as caught:
        resolve(store, spec)
    assert caught.value.resolution
    return str(caught.value)


@pytest.fixture
def image(qcow2: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(qcow2, tmp_path / "debian.qcow2"))


def test_a_local_image_stays_where_it_is(store: ImageStore, image: Path) -> None:
    facts = resolve(store, spec_of(image))
    assert facts == ImageFacts(
        name="debian", sha256=sha256_of(image), format="qcow2", virtual_size=16 * MIB, path=str(image)
    )
    assert resolve(store, spec_of(f"file://{image}", sha256=sha256_of(image).upper())) == facts


def test_a_symlink_is_resolved(store: ImageStore, image: Path, tmp_path: Path) -> None:
    link = tmp_path / "current"
    link.symlink_to(image)
    assert resolve(store, spec_of(link)).path == str(image)


def test_a_wrong_digest_is_refused(store: ImageStore, image: Path) -> None:
    said = refusal(store, spec_of(image, sha256="0" * 64))
    assert sha256_of(image) in said


@pytest.mark.parametrize(
    "source", ["images/debian.qcow2", "~/debian.qcow2", "http://host/x", "ftp://host/x", "nbd://x"]
)
def test_sources_that_are_no_path_and_no_https_are_refused(store: ImageStore, source: str) -> None:
    refusal(store, spec_of(source, sha256="0" * 64))


def test_an_unchanged_file_is_read_once(store: ImageStore, image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time_ns", lambda: 2**62)
    labels: list[str] = []

    def note(label: str, _done: int, _total: int | None) -> None:
        labels.append(label)

    first = store.resolve(spec_of(image), need_file=True, progress=note)
    assert labels == ["verifying debian"]
    assert store.resolve(spec_of(image), need_file=True, progress=note) == first
    assert labels == ["verifying debian"]
    with image.open("r+b") as file:
        file.seek(image.stat().st_size - 1)
        file.write(b"!")
    assert store.resolve(spec_of(image), need_file=True, progress=note).sha256 == sha256_of(image) != first.sha256


def test_a_file_that_changed_just_now_is_not_trusted(store: ImageStore, image: Path) -> None:
    resolve(store, spec_of(image))
    assert not list((image.parent / "cache/records").glob("file-*"))


def test_a_file_that_changed_after_it_was_verified_is_noticed(store: ImageStore, image: Path) -> None:
    facts = resolve(store, spec_of(image))
    store.check_file(facts)
    with image.open("ab") as file:
        file.write(b"!")
    with pytest.raises(ImageError, match="changed since"):
        store.check_file(facts)


@pytest.mark.parametrize("compression", PACK)
def test_a_compressed_image_is_decompressed_once(
    store: ImageStore, qcow2: Path, tmp_path: Path, compression: str
) -> None:
    packed = tmp_path / f"debian.{compression}"
    packed.write_bytes(PACK[compression](qcow2.read_bytes()))
    facts = resolve(store, spec_of(packed, compression=compression, sha256=sha256_of(packed)))
    assert facts.path is not None
    assert Path(facts.path).read_bytes() == qcow2.read_bytes()
    assert facts.sha256 == sha256_of(packed)
    before = Path(facts.path).stat().st_mtime_ns
    assert resolve(store, spec_of(packed, compression=compression)) == facts
    assert Path(facts.path).stat().st_mtime_ns == before


@pytest.mark.parametrize("compression", PACK)
def test_damaged_compressed_data_is_refused(store: ImageStore, qcow2: Path, tmp_path: Path, compression: str) -> None:
    packed = tmp_path / "packed"
    good = PACK[compression](os.urandom(200_000) + qcow2.read_bytes())
    for content in (good[:-20], good[: len(good) // 2], good + b"garbage", b"no such thing" * 10_000, b""):
        packed.write_bytes(content)
        refusal(store, spec_of(packed, compression=compression))
    assert not [*(tmp_path / "cache/objects").iterdir()]


@pytest.mark.parametrize("compression", PACK)
def test_concatenated_streams_and_padding_are_one(
    store: ImageStore, qcow2: Path, tmp_path: Path, compression: str
) -> None:
    data = qcow2.read_bytes()
    packed = tmp_path / "packed"
    padding = bytes(1024) if compression != "zst" else b""
    packed.write_bytes(PACK[compression](data[:100_000]) + PACK[compression](data[100_000:]) + padding)
    path = resolve(store, spec_of(packed, compression=compression)).path
    assert path is not None
    assert Path(path).read_bytes() == data


@pytest.mark.parametrize("compression", PACK)
def test_bombs_are_refused(tmp_path: Path, compression: str) -> None:
    store = ImageStore(tmp_path / "cache", limits=Limits(payload=MIB, unpacked=8 * MIB, ratio=50))
    packed = tmp_path / "bomb"
    for content in (b"x" * (4 * MIB), bytes(9 * MIB)):
        packed.write_bytes(PACK[compression](content))
        assert "bomb" in refusal(store, spec_of(packed, format="raw", compression=compression))
    packed.write_bytes(PACK[compression](bytes(8 * MIB)))
    facts = resolve(store, spec_of(packed, format="raw", compression=compression))
    assert facts.virtual_size == 8 * MIB
    assert facts.path is not None
    assert Path(facts.path).stat().st_blocks * 512 < MIB


def test_the_wrong_format_inside_is_refused_before_the_end(tmp_path: Path, store: ImageStore) -> None:
    packed = tmp_path / "packed.gz"
    packed.write_bytes(gzip.compress(bytes(5 * MIB) + os.urandom(8 * MIB), compresslevel=1))
    seen: list[int] = []
    with pytest.raises(ImageError, match="raw data"):
        store.resolve(
            spec_of(packed, compression="gz"),
            need_file=True,
            progress=lambda label, done, _total: seen.append(done) if "decompressing" in label else None,
        )
    assert max(seen) < packed.stat().st_size


def test_the_cache_is_made_private(tmp_path: Path, image: Path) -> None:
    folder = tmp_path / "cache"
    folder.mkdir(mode=0o755)
    resolve(ImageStore(folder), spec_of(image))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_cache_that_others_can_write_is_not_used(
    tmp_path: Path, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "cache"
    folder.mkdir()
    folder.chmod(0o777)
    assert "not this user's alone" in refusal(ImageStore(folder), spec_of(image))
    folder.chmod(0o700)
    resolve(ImageStore(folder), spec_of(image))
    monkeypatch.setattr("os.geteuid", lambda: folder.stat().st_uid + 1)
    assert "not this user's alone" in refusal(ImageStore(folder), spec_of(image))


def test_a_tampered_object_is_made_again(store: ImageStore, qcow2: Path, tmp_path: Path) -> None:
    packed = tmp_path / "packed.gz"
    packed.write_bytes(gzip.compress(qcow2.read_bytes()))
    facts = resolve(store, spec_of(packed, compression="gz"))
    assert facts.path is not None
    Path(facts.path).write_bytes(b"evil")
    assert resolve(store, spec_of(packed, compression="gz")) == facts
    assert Path(facts.path).read_bytes() == qcow2.read_bytes()


def test_garbled_records_are_no_obstacle(store: ImageStore, image: Path, tmp_path: Path) -> None:
    facts = resolve(store, spec_of(image))
    for record in (tmp_path / "cache/records").iterdir():
        record.write_bytes(b'{"digest": 1')
    assert resolve(store, spec_of(image)) == facts


def test_what_was_accepted_in_one_format_is_not_in_another(store: ImageStore, image: Path) -> None:
    resolve(store, spec_of(image))
    assert 'format="qcow2"' in refusal(store, spec_of(image, format="raw"))


def test_a_full_disk_is_a_clear_error(
    store: ImageStore, qcow2: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = tmp_path / "packed.gz"
    packed.write_bytes(gzip.compress(qcow2.read_bytes()))

    def full(_descriptor: int, _data: bytes, _position: int) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.pwrite", full)
        assert "No space left" in refusal(store, spec_of(packed, compression="gz"))
    assert not [*(tmp_path / "cache/objects").iterdir()]
    resolve(store, spec_of(packed, compression="gz"))


def test_many_threads_decompress_once(store: ImageStore, qcow2: Path, tmp_path: Path) -> None:
    packed = tmp_path / "packed.gz"
    packed.write_bytes(gzip.compress(qcow2.read_bytes()))
    labels: list[str] = []
    guard = threading.Lock()

    def note(label: str, done: int, _total: int | None) -> None:
        if label.startswith("decompressing") and done == packed.stat().st_size:
            with guard:
                labels.append(label)

    def work(_index: int) -> ImageFacts:
        return store.resolve(spec_of(packed, compression="gz"), need_file=True, progress=note)

    with ThreadPoolExecutor(8) as pool:
        facts = set(map(str, pool.map(work, range(16))))
    assert len(facts) == 1
    assert len(set(labels)) == 1


CHILD = """
import sys
from pathlib import Path
from vmstack.images.store import ImageStore
from vmstack.model.specs import ImageSpec
spec = ImageSpec(name="debian", source=sys.argv[2], sha256=None, format="qcow2", compression="gz")
facts = ImageStore(Path(sys.argv[1])).resolve(spec, need_file=True, progress=lambda *_: None)
print(facts.path)
"""


def test_processes_share_a_cache(qcow2: Path, tmp_path: Path) -> None:
    packed = tmp_path / "packed.gz"
    packed.write_bytes(gzip.compress(qcow2.read_bytes()))
    command = [sys.executable, "-c", CHILD, str(tmp_path / "cache"), str(packed)]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    paths = {child.communicate(timeout=30)[0].strip() for child in children}
    assert [child.returncode for child in children] == [0, 0, 0]
    (path,) = paths
    assert hashlib.sha256(Path(path).read_bytes()).hexdigest() == sha256_of(qcow2)


def test_what_a_killed_process_left_is_overwritten(store: ImageStore, qcow2: Path, tmp_path: Path) -> None:
    packed = tmp_path / "packed.gz"
    packed.write_bytes(gzip.compress(qcow2.read_bytes()))
    left = tmp_path / f"cache/objects/{sha256_of(packed)}.unpacked.partial"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half" * 1_000_000)
    path = resolve(store, spec_of(packed, compression="gz")).path
    assert path is not None
    assert Path(path).read_bytes() == qcow2.read_bytes()
    assert not left.exists()
