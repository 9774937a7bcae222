"""The fingerprint of an object as observed: whatever a plan was made from, and nothing that moves by itself.

A volume's allocation and its files' times and a pool's free space move by themselves, so pools and volumes are taken
by their configs.
"""

import msgspec

from vmstack.hosts.driver import NetworkRecord, PoolRecord, VolumeRecord
from vmstack.model.configs import PoolConfig, VolumeConfig
from vmstack.xmlio.fingerprint import fingerprint
from vmstack.xmlio.pool import read_pool
from vmstack.xmlio.volume import read_volume


def network_fingerprint(record: NetworkRecord) -> str:
    """Of both definitions and the marks that libvirt keeps beside them."""
    return fingerprint(record.xml, record.live_xml, *map(str, (record.active, record.persistent, record.autostart)))


def pool_fingerprint(record: PoolRecord, config: PoolConfig | None = None) -> str:
    """Of what the pool is, not of what is in it. `config` spares reading the XML again."""
    config = msgspec.structs.replace(config or read_pool(record.xml), permissions=None)
    return fingerprint(_encode(config), str(record.active), str(record.autostart))


def volume_fingerprint(record: VolumeRecord, config: VolumeConfig | None = None) -> str:
    """Of format, size and backing file. `config` spares reading the XML again."""
    return fingerprint(_encode(msgspec.structs.replace(config or read_volume(record.xml), allocation=None)))


def _encode(config: PoolConfig | VolumeConfig) -> str:
    return msgspec.json.encode(config).decode()
