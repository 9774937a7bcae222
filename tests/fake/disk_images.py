"""Disk images small enough for tests: headers that libvirt and vmstack read as the real thing."""

import struct

_CLUSTER_BITS = 16
_CLUSTER = 1 << _CLUSTER_BITS


def qcow2(virtual_size: int, *, mark: bytes = b"") -> bytes:
    """An empty qcow2 (version 3) of that size; `mark` makes its content different from others'.

    Layout: header, refcount table, refcount block, L1 table, one cluster each
    (https://www.qemu.org/docs/master/interop/qcow2.html).
    """
    l1_entries = max(1, -(-virtual_size // (_CLUSTER * (_CLUSTER // 8))))
    first = (b"QFI\xfb", 3, 0, 0, _CLUSTER_BITS, virtual_size, 0, l1_entries, 3 * _CLUSTER, _CLUSTER, 1)
    header = struct.pack(">4sIQIIQIIQQIIQQQQII", *first, 0, 0, 0, 0, 0, 4, 104)
    header += struct.pack(">II", 0, 0) + mark[:256]
    refcount_table = struct.pack(">Q", 2 * _CLUSTER)
    refcount_block = struct.pack(">HHHH", 1, 1, 1, 1)
    clusters = (header, refcount_table, refcount_block, b"")
    return b"".join(part.ljust(_CLUSTER, b"\0") for part in clusters)


def raw(size: int, *, mark: bytes = b"raw") -> bytes:
    """A raw disk."""
    return mark.ljust(size, b"\0")
