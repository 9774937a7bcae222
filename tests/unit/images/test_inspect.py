"""What is accepted as an image, and what the errors say about the rest."""

import os
import struct
import subprocess
from pathlib import Path

import pytest

from tests.unit.images.corpus import MIB, Craft, be32, be64
from vmstack.errors import ImageError
from vmstack.images.inspect import inspect_image, open_image
from vmstack.images.limits import Limits
from vmstack.model.sizes import GIB


def inspect(path: Path, declared: str = "qcow2", limits: Limits | None = None) -> int:
    descriptor = open_image(path, what="image debian")
    try:
        return inspect_image(descriptor, declared=declared, limits=limits or Limits(), what="image debian")
    finally:
        os.close(descriptor)


def refusal(path: Path, declared: str = "qcow2", limits: Limits | None = None) -> str:
    with pytest.raises(ImageError) as caught:
        inspect(path, declared, limits)
    assert "image debian" in str(caught.value)
    assert caught.value.resolution
    return str(caught.value)


def test_a_sound_image_tells_its_virtual_size(qcow2: Path) -> None:
    assert inspect(qcow2) == 16 * MIB


@pytest.mark.parametrize("options", [["compat=0.10"], ["cluster_size=512"], ["cluster_size=2M"], ["lazy_refcounts=on"]])
def test_variants_of_qcow2_are_sound(tmp_path: Path, qcow2: Path, options: list[str]) -> None:
    path = tmp_path / "variant.qcow2"
    flags = [flag for option in options for flag in ("-o", option)]
    subprocess.run(["qemu-img", "convert", "-f", "qcow2", "-O", "qcow2", *flags, str(qcow2), str(path)], check=True)
    assert inspect(path) == 16 * MIB


def test_a_compressed_qcow2_is_sound(tmp_path: Path, qcow2: Path) -> None:
    path = tmp_path / "compressed.qcow2"
    subprocess.run(["qemu-img", "convert", "-c", "-f", "qcow2", "-O", "qcow2", str(qcow2), str(path)], check=True)
    assert inspect(path) == 16 * MIB


@pytest.mark.parametrize(
    "head", [b"", b"\x00" * 510 + b"\x55\xaa", os.urandom(510) + b"\x00\x00"], ids=["zeros", "boot sector", "noise"]
)
def test_raw_data_is_raw(tmp_path: Path, head: bytes) -> None:
    path = tmp_path / "disk.raw"
    path.write_bytes(head.ljust(MIB, b"\0"))
    assert inspect(path, "raw") == MIB


QCOW2_ATTACKS = {
    "backing file": ({8: be64(0x200), 16: be32(11), 0x200: b"/etc/shadow"}, "backing file"),
    "backing file by protocol": ({8: be64(0x200), 16: be32(17), 0x200: b"nbd://evil/secret"}, "backing file"),
    "backing file without a name": ({8: be64(0x200)}, "backing file"),
    "external data file": ({0x48: be64(1 << 2)}, "another file"),
    "extended L2 entries": ({0x48: be64(1 << 4)}, "features"),
    "unknown feature": ({0x48: be64(1 << 40)}, "features"),
    "unknown feature 63": ({0x48: be64(1 << 63)}, "features"),
    "encryption": ({32: be32(1)}, "encrypted"),
    "LUKS encryption": ({32: be32(2)}, "encrypted"),
    "version 1": ({4: be32(1)}, ""),
    "version 4": ({4: be32(4)}, ""),
    "cluster bits 0": ({20: be32(0)}, "cluster size"),
    "cluster bits 31": ({20: be32(31)}, "cluster size"),
    "cluster bits 255": ({20: be32(255)}, "cluster size"),
    "no size": ({24: be64(0)}, "virtual size of 0"),
    "size of 1 EiB": ({24: be64(1 << 60)}, "L1 table"),
    "size of 2^63": ({24: be64(1 << 63)}, "L1 table"),
    "L1 table beyond the end": ({40: be64(1 << 40)}, "truncated"),
    "L1 table at the header": ({40: be64(0)}, "L1 table"),
    "L1 table of 32 GiB": ({36: be32(0xFFFFFFFF)}, "L1 table"),
    "L1 size overflow": ({36: be32(0x80000000), 40: be64(1 << 63)}, "L1 table"),
    "L1 not aligned": ({40: be64(0x30001)}, "L1 table"),
    "refcount table beyond the end": ({48: be64(1 << 50)}, "refcount"),
    "no refcount table": ({56: be32(0)}, "refcount"),
}


@pytest.mark.parametrize(("changes", "said"), QCOW2_ATTACKS.values(), ids=QCOW2_ATTACKS.keys())
def test_a_crafted_header_is_refused(craft: Craft, changes: dict[int, bytes], said: str) -> None:
    assert said in refusal(craft(changes))


def test_a_large_enough_table_does_not_make_any_size_good(craft: Craft) -> None:
    assert "virtual size" in refusal(craft({}), limits=Limits(virtual=16 * MIB - 1))
    assert inspect(craft({}), limits=Limits(virtual=16 * MIB)) == 16 * MIB


@pytest.mark.parametrize("length", [0, 40, 104, 511, 512, 65_535])
def test_what_is_too_short_to_be_an_image_is_refused(tmp_path: Path, qcow2: Path, length: int) -> None:
    path = tmp_path / "short"
    path.write_bytes(qcow2.read_bytes()[:length])
    assert "is not a disk image" in refusal(path)
    assert "is not a disk image" in refusal(path, "raw")


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7, 0.8])
def test_a_truncated_image_is_refused(tmp_path: Path, qcow2: Path, share: float) -> None:
    path = tmp_path / "truncated.qcow2"
    data = qcow2.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    assert "truncated" in refusal(path)


def iso(_size: int = 0) -> bytes:
    return bytes(32 * 1024) + b"\x01CD001\x01" + bytes(100_000)


FOREIGN = {
    "vmdk": (b"KDMV" + struct.pack("<II", 1, 3) + bytes(MIB), "vmdk"),
    "vmdk descriptor": (b'# Disk DescriptorFile\nRW 1 FLAT "/dev/sda" 0\n'.ljust(MIB, b"\0"), "vmdk"),
    "vdi": (bytes(0x40) + struct.pack("<I", 0xBEDA107F) + bytes(MIB), "vdi"),
    "vhdx": (b"vhdxfile" + bytes(MIB), "vhdx"),
    "vhd": (b"conectix" + bytes(MIB), "vhd"),
    "qed": (b"QED\x00" + bytes(MIB), "qed"),
    "luks": (b"LUKS\xba\xbe\x00\x01" + bytes(MIB), "luks"),
    "iso": (iso(), "iso"),
}  # fmt: skip


@pytest.mark.parametrize("declared", ["qcow2", "raw"])
@pytest.mark.parametrize(("content", "real"), FOREIGN.values(), ids=FOREIGN.keys())
def test_other_formats_are_refused_whatever_is_declared(
    tmp_path: Path, content: bytes, real: str, declared: str
) -> None:
    path = tmp_path / "foreign"
    path.write_bytes(content)
    said = refusal(path, declared)
    assert f"declared as {declared}" in said
    assert real in said


def test_an_iso_that_is_a_partitioned_disk_too_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "hybrid"
    path.write_bytes(bytes(510) + b"\x55\xaa" + iso()[512:])
    assert "several formats" in refusal(path, "raw")


def test_a_qcow2_that_is_an_iso_too_is_refused(craft: Craft) -> None:
    assert "several formats" in refusal(craft({32 * 1024: b"\x01CD001\x01"}))


def test_the_real_format_is_named(tmp_path: Path, qcow2: Path) -> None:
    assert 'format="qcow2"' in refusal(qcow2, "raw")
    raw = tmp_path / "disk.raw"
    raw.write_bytes(bytes(MIB))
    assert 'format="raw"' in refusal(raw)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x1f\x8b\x08", 'compression="gz"'),
        (b"\xfd7zXZ\0", 'compression="xz"'),
        (b"\x28\xb5\x2f\xfd", 'compression="zst"'),
        (b"<!DOCTYPE html><html>", "a web page"),
    ],
)
def test_what_is_no_image_at_all_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "download"
    path.write_bytes(content.ljust(MIB, b"."))
    assert said in refusal(path)


def test_a_sparse_file_of_exbibytes_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "huge"
    with path.open("wb") as file:
        try:
            file.truncate(1 << 43)
        except OSError:
            pytest.fail("the file system of the tests knows no large sparse files")
    assert "virtual size" in refusal(path, "raw", Limits(virtual=1024 * GIB))


def test_only_files_are_opened(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path, said in [
        (tmp_path, "a directory"),
        (fifo, "a FIFO"),
        (Path("/dev/null"), "a character device"),
        (tmp_path / "nothing", "does not exist"),
    ]:
        assert said in refusal(path)
