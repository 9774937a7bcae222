"""NoCloud seeds: the ISO image that cloud-init reads on first boot.

The contract is cloud-init's (https://docs.cloud-init.io/en/latest/reference/datasources/nocloud.html): a volume
labelled `cidata` with `user-data` and `meta-data`, and maybe `vendor-data` and `network-config`, in its root. Rock
Ridge and Joliet both carry the lower-case names with a dash that plain ISO 9660 cannot.
"""

import io
import struct
from collections.abc import Iterator
from typing import Final

import pycdlib

from vmstack.errors import InternalError
from vmstack.model.plan import SeedDocuments

LABEL: Final = "cidata"
# Plain ISO 9660 names, which nobody reads but which must be unique.
_ISO_NAMES: Final = {
    "user-data": "/USERDATA.;1",
    "meta-data": "/METADATA.;1",
    "vendor-data": "/VENDDATA.;1",
    "network-config": "/NETCONF.;1",
}
_REQUIRED: Final = ("user-data", "meta-data")

# ECMA-119: 2048-byte sectors, volume descriptors from sector 16 on, ended by one of type 255.
_SECTOR: Final = 2048
_FIRST_DESCRIPTOR: Final = 16
_TERMINATOR: Final = 255
# Offsets in a primary or supplementary descriptor: its four dates (8.4.26 to 8.4.29) and its root directory record.
_DESCRIPTOR_DATES: Final = (813, 830, 847, 864)
_ROOT_RECORD: Final = 156
# 1980-01-01 00:00:00 UTC, the eldest time that every file system can hold, in the long and the short form.
_LONG_DATE: Final = b"1980010100000000\x00"
_SHORT_DATE: Final = bytes((80, 1, 1, 0, 0, 0, 0))


def build_seed(documents: SeedDocuments) -> bytes:
    """Return the ISO image; equal documents give equal bytes, whenever and wherever it is built.

    Raises `InternalError` for file names that NoCloud does not know, or when a required one is missing. Documents that
    are no ISO are returned as they are.
    """
    if documents.raw is not None:
        return documents.raw.encode()
    strange = documents.files.keys() - _ISO_NAMES.keys()
    missing = [name for name in _REQUIRED if name not in documents.files]
    if strange or missing:
        raise InternalError(f"a seed has the wrong files: {sorted(strange)} unknown, {missing} missing")
    iso = pycdlib.PyCdlib()
    iso.new(interchange_level=3, vol_ident=LABEL, joliet=3, rock_ridge="1.09")
    for name in sorted(documents.files):
        content = documents.files[name].encode()
        iso.add_fp(
            io.BytesIO(content),
            len(content),
            _ISO_NAMES[name],
            rr_name=name,
            joliet_path=f"/{name}",
            file_mode=0o100444,
        )
    image = io.BytesIO()
    iso.write_fp(image)
    iso.close()
    data = bytearray(image.getvalue())
    _fix_dates(data)
    return bytes(data)


def _fix_dates(data: bytearray) -> None:
    """Replace every date that pycdlib took from the clock: it has no way to be told one."""
    sector = _FIRST_DESCRIPTOR
    while data[sector * _SECTOR] != _TERMINATOR:
        descriptor = sector * _SECTOR
        if data[descriptor] in (1, 2):
            for offset in _DESCRIPTOR_DATES:
                data[descriptor + offset : descriptor + offset + len(_LONG_DATE)] = _LONG_DATE
            extent, length = _extent(data, descriptor + _ROOT_RECORD)
            for record in (descriptor + _ROOT_RECORD, *_records(data, extent * _SECTOR, length)):
                _fix_record(data, record)
        sector += 1


def _extent(data: bytearray, record: int) -> tuple[int, int]:
    """The location (sector) and length (bytes) of what a directory record describes."""
    return struct.unpack_from("<I", data, record + 2)[0], struct.unpack_from("<I", data, record + 10)[0]


def _records(data: bytearray, start: int, length: int) -> Iterator[int]:
    """Offsets of the directory records in a directory extent; a record never crosses a sector (ECMA-119 6.8.1.1)."""
    position = start
    while position < start + length:
        if data[position]:
            yield position
            position += data[position]
        else:
            position += _SECTOR - position % _SECTOR


def _fix_record(data: bytearray, record: int) -> None:
    """Set the record's own date and those of its Rock Ridge `TF` entries (RRIP 4.1.6), all in the short form."""
    data[record + 18 : record + 18 + len(_SHORT_DATE)] = _SHORT_DATE
    name_length = data[record + 32]
    entry = record + 33 + name_length + (1 - name_length % 2)
    end = record + data[record]
    while entry + 4 <= end and data[entry + 2]:
        if data[entry : entry + 2] == b"TF":
            stamps = range(entry + 5, entry + data[entry + 2], len(_SHORT_DATE))
            for stamp in stamps:
                data[stamp : stamp + len(_SHORT_DATE)] = _SHORT_DATE
        entry += data[entry + 2]
