"""The documents of a seed, and the digest that names it."""

import hashlib
from typing import Final

import msgspec

from vmstack.model.configs import DiskConfig
from vmstack.model.identity import StackId
from vmstack.model.plan import SeedDocuments
from vmstack.model.specs import SeedSpec

# The seed's identity among the disks of a domain, and what the guest sees as its serial.
SEED_SERIAL: Final = "cidata"
# What NoCloud takes for the instance-id where meta-data has none (cloudinit/sources/DataSourceNoCloud.py).
_NO_INSTANCE: Final = "nocloud"
_SECTOR: Final = 2048
# Volume descriptors, path tables and directories of ISO 9660 with Joliet and Rock Ridge, with much room to spare.
_OVERHEAD: Final = 256 * 1024


def instance_id(stack: StackId, vm: str, *, generation: int, adopted: bool = False) -> str:
    """cloud-init's instance-id: a new one makes it run again as on first boot.

    A guest that was taken over has met a seed without one, and keeps what cloud-init took it for then.
    """
    if adopted and generation == 1:
        return _NO_INSTANCE
    return f"{stack.project}-{stack.stack}-{vm}-{generation}"


def seed_documents(spec: SeedSpec, *, instance: str) -> SeedDocuments:
    """The files of the seed ISO and the digest over their sorted names and contents, instance-id included.

    meta-data is written as JSON, which is YAML too (its strings hold no control characters). An instance-id of the
    program's own goes before the plan's. A raw seed is its text and nothing else.
    """
    if spec.raw is not None:
        return SeedDocuments(digest=hashlib.sha256(spec.raw.encode()).hexdigest(), files={}, raw=spec.raw)
    meta = {"instance-id": instance, **spec.meta_data}
    files = {"meta-data": msgspec.json.encode(meta, order="deterministic").decode(), "user-data": spec.user_data}
    if spec.vendor_data is not None:
        files["vendor-data"] = spec.vendor_data
    if spec.network_config is not None:
        files["network-config"] = spec.network_config
    digest = hashlib.sha256()
    for name in sorted(files):
        content = files[name].encode()
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return SeedDocuments(digest=digest.hexdigest(), files=files)


def seed_capacity(documents: SeedDocuments) -> int:
    """Bytes that surely hold the ISO of the documents: each file in whole sectors, and the ISO's own structures.

    A raw seed has no byte more than its text, which whoever reads it takes whole.
    """
    if documents.raw is not None:
        return len(documents.raw.encode())
    content = sum(-(-len(text.encode()) // _SECTOR) * _SECTOR for text in documents.files.values())
    return content + _OVERHEAD


def seed_disk(*, path: str, target: str) -> DiskConfig:
    """The seed as a disk. virtio, because a cloud kernel may have no AHCI driver and would never see a CD-ROM."""
    return DiskConfig(serial=SEED_SERIAL, path=path, format="raw", target=target, readonly=True)
