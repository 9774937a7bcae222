"""Storage volumes."""

from typing import Any, Final

from vmstack.errors import DocumentError
from vmstack.model.configs import VolumeConfig
from vmstack.xmlio.codec import BYTES, TEXT, Codec
from vmstack.xmlio.safe import Element, add, as_root, serialise
from vmstack.xmlio.table import Field, Table, new_root


def _decode_format(text: str) -> str | None:
    """The format as QEMU takes it: after a refresh libvirt calls a raw file with a file system of CDs `iso`."""
    return "raw" if text == "iso" else text or None


_VOLUME: Final = Table(
    "volume",
    Field("name", "name"),
    Field("capacity", "capacity", BYTES),
    Field("allocation", "allocation", BYTES),
    Field("path", "target/path"),
    Field("format", "target/format/@type", Codec(_decode_format, TEXT.encode)),
    Field("backing_path", "backingStore/path"),
    Field("backing_format", "backingStore/format/@type"),
)


def read_volume(xml: str | Element) -> VolumeConfig:
    """Read a volume of any pool. Raises `DocumentError`."""
    values: dict[str, Any] = {"format": None} | _VOLUME.read(as_root(xml, what="a volume's XML", tag="volume"))
    if not {"name", "capacity"} <= values.keys():
        raise DocumentError(f"volume {values.get('name', '')!r} has no name or no capacity in its XML")
    if "backing_path" not in values:
        values.pop("backing_format", None)  # an empty <backingStore> of libvirt's
    return VolumeConfig(**values)


def read_modified(xml: str | Element) -> str | None:
    """Return when the volume's file was written last, as libvirt says it; `None` where it does not."""
    return as_root(xml, what="a volume's XML", tag="volume").findtext("target/timestamps/mtime") or None


def write_volume(config: VolumeConfig) -> str:
    """Write the XML that creates a file's volume. An allocation of `None` is libvirt's choice (all of a raw volume).

    Raises `DocumentError` when its format, or that of its backing file, is not stated.
    """
    if not config.format:
        raise DocumentError(f"volume {config.name} does not state its format, which must never be probed")
    if bool(config.backing_path) != bool(config.backing_format):
        raise DocumentError(f"volume {config.name}: the path and the format of a backing file belong together")
    root = new_root("volume")
    _VOLUME.write(root, config)
    target = root.find("target")
    if config.format == "qcow2" and target is not None:
        add(target, "compat", text="1.1")  # QEMU 1.1's version 3, which every libvirt that we support can make
    return serialise(root, indent=True)
