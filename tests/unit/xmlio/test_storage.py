import msgspec
import pytest

from vmstack.errors import DocumentError
from vmstack.model.configs import PoolConfig, VolumeConfig
from vmstack.xmlio.pool import read_pool, write_pool
from vmstack.xmlio.volume import read_volume, write_volume

POOL = PoolConfig(name="p", uuid="6ddf2f4b-9d52-5e1b-8f4b-0d6a3f1c2b11", type="dir", path="/srv/p")
VOLUME = VolumeConfig(name="v.qcow2", format="qcow2", capacity=1 << 30)
replace = msgspec.structs.replace


@pytest.mark.parametrize("config", [replace(POOL, type="rbd"), replace(POOL, path=None), replace(POOL, name="\0")])
def test_pool_that_cannot_be_written(config: PoolConfig) -> None:
    with pytest.raises(DocumentError):
        write_pool(config)


@pytest.mark.parametrize(
    "config",
    [
        replace(VOLUME, format=None),
        replace(VOLUME, backing_path="/b"),
        replace(VOLUME, backing_format="raw"),
        replace(VOLUME, capacity=-1),
    ],
)
def test_volume_that_cannot_be_written(config: VolumeConfig) -> None:
    with pytest.raises(DocumentError):
        write_volume(config)


@pytest.mark.parametrize("xml", ["<pool/>", "<pool type='dir'><name>p</name></pool>", "<volume/>", "nothing"])
def test_pool_without_the_essentials_is_refused(xml: str) -> None:
    with pytest.raises(DocumentError):
        read_pool(xml)


@pytest.mark.parametrize("xml", ["<volume/>", "<volume><name>v</name></volume>", "<pool/>"])
def test_volume_without_the_essentials_is_refused(xml: str) -> None:
    with pytest.raises(DocumentError):
        read_volume(xml)
