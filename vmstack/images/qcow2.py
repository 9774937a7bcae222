"""What a qcow2 header promises, held against the file behind it.

The layout is QEMU's (https://www.qemu.org/docs/master/interop/qcow2.html). Only lies and truncation are looked for:
whether the features in use are acceptable is judged in `vmstack.images.inspect`.
"""

import os
import struct
import sys
from array import array
from typing import Final

from vmstack.model.base import Data
from vmstack.model.sizes import MIB

MAGIC: Final = b"QFI\xfb"
HEADER_LENGTH: Final = 104  # of version 3, without the optional tail
_FIELDS: Final = struct.Struct(">4sIQIIQIIQQIIQ")
_OFFSET: Final = 0x00FF_FFFF_FFFF_FE00
_COMPRESSED: Final = 1 << 62
_MAX_TABLE: Final = 32 * MIB  # QEMU's own limit for an L1 table


class Header(Data, frozen=True, kw_only=True):
    """The fields of a header that are looked at; sizes in bytes, `l1_size` in entries."""

    version: int
    cluster_bits: int
    size: int
    crypt_method: int
    l1_size: int
    l1_offset: int
    refcount_offset: int
    refcount_clusters: int


def read_header(data: bytes) -> Header:
    """Decode the fixed part of a header; `data` holds at least its first `HEADER_LENGTH` bytes."""
    fields = _FIELDS.unpack_from(data)
    _magic, version, _backing, _backing_length, bits, size, crypt, l1_size, l1, refcount, clusters, _n, _snapshots = (
        fields
    )
    return Header(
        version=version,
        cluster_bits=bits,
        size=size,
        crypt_method=crypt,
        l1_size=l1_size,
        l1_offset=l1,
        refcount_offset=refcount,
        refcount_clusters=clusters,
    )


def find_lies(descriptor: int, header: Header, *, length: int) -> list[str]:
    """Return what is wrong with the header and its tables in a file of `length` bytes, as sentences; empty is good.

    Every cluster that the tables point to must lie within the file: a truncated image would read as zeros where its
    data is missing.
    """
    if header.version not in (2, 3):
        return [f"its version is {header.version}, and only 2 and 3 are known"]
    if not 9 <= header.cluster_bits <= 21:
        return [f"its cluster size of 2^{header.cluster_bits} bytes is out of bounds"]
    if header.crypt_method:
        return ["it is encrypted"]
    cluster = 1 << header.cluster_bits
    l2_entries = cluster // 8
    if header.l1_size * 8 > _MAX_TABLE or header.l1_size * l2_entries * cluster < header.size:
        return ["its L1 table does not fit its size"]
    if _outside(header.l1_offset, header.l1_size * 8, cluster=cluster, length=length):
        return ["its L1 table is not within the file: the file is truncated or damaged"]
    refcount_length = header.refcount_clusters * cluster
    if not refcount_length or _outside(header.refcount_offset, refcount_length, cluster=cluster, length=length):
        return ["its refcount table is not within the file: the file is truncated or damaged"]
    if _data_end(descriptor, header, length=length) > length:
        return ["it points to data beyond the end of the file: the file is truncated"]
    return []


def _outside(offset: int, size: int, *, cluster: int, length: int) -> bool:
    return size > 0 and (offset == 0 or offset % cluster != 0 or offset + size > length)


def _data_end(descriptor: int, header: Header, *, length: int) -> int:
    """The lowest file length that holds (at least the start of) everything the tables point to."""
    cluster = 1 << header.cluster_bits
    shift = 62 - (header.cluster_bits - 8)
    end = 0
    for entry in _table(descriptor, header.l1_offset, header.l1_size):
        offset = entry & _OFFSET
        if not offset:
            continue
        if offset + cluster > length:
            return offset + cluster
        entries = _table(descriptor, offset, cluster // 8)
        plain = max((entry & _OFFSET for entry in entries if not entry & _COMPRESSED), default=0)
        packed = max((entry & ((1 << shift) - 1) for entry in entries if entry & _COMPRESSED), default=0)
        end = max(end, plain + 1, packed + 1)
    # The last cluster may be written in part: QEMU ends a file with its data, not with its cluster.
    return end


def _table(descriptor: int, offset: int, entries: int) -> "array[int]":
    table = array("Q", os.pread(descriptor, entries * 8, offset))
    if sys.byteorder == "little":
        table.byteswap()
    return table
