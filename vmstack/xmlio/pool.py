"""Storage pools."""

from typing import Any, Final

from vmstack.errors import DocumentError
from vmstack.model.configs import PoolConfig
from vmstack.model.specs import Permissions
from vmstack.xmlio.codec import LOWER, TEXT, Codec
from vmstack.xmlio.safe import Element, add, as_root, serialise
from vmstack.xmlio.table import Field, Table, new_root

# libvirt writes an owner that was left open as -1.
_ID: Final = Codec(lambda text: int(text) if text.strip().isdecimal() else None, str)
_POOL: Final = Table(
    "pool",
    Field("type", "@type"),
    Field("name", "name"),
    Field("uuid", "uuid", LOWER),
    Field("group", "source/name"),
    Field("path", "target/path"),
)
_PERMISSIONS: Final = Table(
    "permissions",
    Field("mode", "mode", Codec(lambda text: text.strip().zfill(4)[-4:], TEXT.encode)),
    Field("owner", "owner", _ID),
    Field("group", "group", _ID),
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
        node = root.find("target/permissions")
        said = {} if node is None else _PERMISSIONS.read(node)
        return PoolConfig(permissions=Permissions(**said) if said else None, **values)
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
    target = root.find("target")
    if config.permissions is not None and target is not None:
        _PERMISSIONS.write(add(target, "permissions"), config.permissions)
    return serialise(root, indent=True)
