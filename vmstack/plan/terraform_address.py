"""Resources under the names that Terraform's users and tools know them by: `libvirt_domain.web-0`."""

from typing import Any, Final

from vmstack.model.base import Data
from vmstack.model.identity import Key, Kind, ignition_name

_TYPES: Final = {
    Kind.VM: "libvirt_domain",
    Kind.VOLUME: "libvirt_volume",
    Kind.IMAGE: "libvirt_volume",
    Kind.POOL: "libvirt_pool",
    Kind.NETWORK: "libvirt_network",
    Kind.SEED: "libvirt_cloudinit_disk",
}
_IGNITION_SUFFIX: Final = ignition_name("")


class Address(Data, frozen=True, kw_only=True):
    """A resource instance as Terraform addresses it. `index` tells the base volumes of one image apart: the pool."""

    type: str
    name: str
    index: str | None = None

    @property
    def resource(self) -> str:
        """The address without the index."""
        return f"{self.type}.{self.name}"

    def __str__(self) -> str:
        return self.resource if self.index is None else f'{self.resource}["{self.index}"]'


def address_of(key: Key) -> Address:
    """The address of a resource that has one: hosts are no resources in Terraform.

    A base image is a volume in a pool, and has its pool as index, so that no volume of the program has its address.
    """
    if key.kind is Kind.IMAGE:
        name, _, pool = key.name.partition("@")
        return Address(type=_TYPES[key.kind], name=name, index=pool)
    if key.kind is Kind.SEED and key.name.endswith(_IGNITION_SUFFIX):
        return Address(type="libvirt_ignition", name=key.name.removesuffix(_IGNITION_SUFFIX))
    return Address(type=_TYPES[key.kind], name=key.name)


def resource_object(key: Key, *, host: str) -> dict[str, Any]:
    """The `resource` of an event. `vmstack` and `host` are ours: the address in vmstack's words, and where it is."""
    address = address_of(key)
    return {
        "addr": str(address),
        "module": "",
        "resource": address.resource,
        "implied_provider": "libvirt",
        "resource_type": address.type,
        "resource_name": address.name,
        "resource_key": address.index,
        "vmstack": str(key),
        "host": host,
    }
