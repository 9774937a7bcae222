"""Storage pools."""

from typing import Any, Final

from vmstack.errors import DocumentError
from vmstack.model.configs import PoolConfig
from vmstack.xmlio.codec import LOWER
from vmstack.xmlio.safe import Element, add, as_root, serialise
from vmstack.xmlio.table import Field, Table, new_root

_POOL: Final = Table(
    "pool",
    Field("type", "@type"),
    Field("name", "name"),
    Field("uuid", "uuid", LOWER),
    Field("group", "source/name"),
    Field("path", "target/path"),
)
_LOGICAL: Final = "logical"


def read_pool(xml: str | Element) -> PoolConfig:
    """Read a pool of any type; `path` is `None` where it has no place in the file system. Raises `DocumentError`."""
    root = as_root(xml, what="a pool's XML", tag="pool")
    values: dict[str, Any] = {"path": None} | _POOL.read(root)
    if not {"type", "name", "uuid"} <= values.keys():
        raise DocumentError(f"pool {values.get('name', '')!r} has no type, name or UUID in its XML")
    if values["type"] != _LOGICAL:
        values.pop("group", None)
        return PoolConfig(**values)
    return PoolConfig(devices=tuple(node.get("path") or "" for node in root.iterfind("source/device")), **values)


def write_pool(config: PoolConfig) -> str:
    """Write the XML of a directory or logical pool. Raises `DocumentError` for any other type or a missing path."""
    if config.type not in ("dir", _LOGICAL) or not config.path:
        raise DocumentError(f"pool {config.name} must be of type dir or logical and have a path")
    root = new_root("pool")
    _POOL.write(root, config)
    if config.type == _LOGICAL:
        source = root.find("source")
        if source is None:
            raise DocumentError(f"the logical pool {config.name} names no volume group")
        for path in config.devices:
            add(source, "device", path=path)
        add(source, "format", type="lvm2")
    return serialise(root, indent=True)
