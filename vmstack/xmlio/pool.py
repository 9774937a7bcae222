"""Storage pools."""

from typing import Any, Final

from vmstack.errors import DocumentError
from vmstack.model.configs import PoolConfig
from vmstack.xmlio.codec import LOWER
from vmstack.xmlio.safe import Element, as_root, serialise
from vmstack.xmlio.table import Field, Table, new_root

_POOL: Final = Table(
    "pool",
    Field("type", "@type"),
    Field("name", "name"),
    Field("uuid", "uuid", LOWER),
    Field("path", "target/path"),
)


def read_pool(xml: str | Element) -> PoolConfig:
    """Read a pool of any type; `path` is `None` where it has no place in the file system. Raises `DocumentError`."""
    values: dict[str, Any] = {"path": None} | _POOL.read(as_root(xml, what="a pool's XML", tag="pool"))
    if not {"type", "name", "uuid"} <= values.keys():
        raise DocumentError(f"pool {values.get('name', '')!r} has no type, name or UUID in its XML")
    return PoolConfig(**values)


def write_pool(config: PoolConfig) -> str:
    """Write the XML of a directory pool. Raises `DocumentError` for any other type or a missing path."""
    if config.type != "dir" or not config.path:
        raise DocumentError(f"pool {config.name} must be of type dir and have a path")
    root = new_root("pool")
    _POOL.write(root, config)
    return serialise(root, indent=True)
