"""Pool, Volume and CloudInitDisk: what they answer, and what they are in the graph."""

import uuid
from pathlib import Path
from typing import Any, Final

from vmstack.errors import InputError
from vmstack.evaluate.classic.declared import Declared, label_of
from vmstack.evaluate.classic.inputs import read_inputs
from vmstack.evaluate.classic.scene import Scene
from vmstack.evaluate.classic.schema import CLOUD_INIT_DISK, POOL, VOLUME
from vmstack.evaluate.cloudinit.documents import load_yaml
from vmstack.evaluate.engine.inputs import PLACEHOLDER
from vmstack.evaluate.engine.registration import Registration
from vmstack.evaluate.engine.values import UNKNOWN
from vmstack.evaluate.native.fields import check_host_path, check_label
from vmstack.evaluate.native.stylesheets import read_stylesheet
from vmstack.model.facts import Question
from vmstack.model.identity import Key, Kind, derive_uuid
from vmstack.model.sizes import MAX_BYTES

Outputs = dict[str, Any]

_DEFAULT_POOL: Final = "default"
_LOGICAL: Final = "logical"
_POOL_TYPES: Final = ("dir", _LOGICAL)
_DEVICES: Final = "/dev"
_FORMATS: Final = ("qcow2", "raw")
_QCOW2: Final = b"QFI\xfb"


def declare_pool(registration: Registration, *, uri: str, scene: Scene) -> tuple[Declared, Outputs]:
    """A pool is known by its UUID; how much is in it only the host knows."""
    values = read_inputs(registration, POOL)
    kind = values.get("type")
    if kind not in _POOL_TYPES:
        raise InputError(f"type: {kind!r} is not one of {', '.join(_POOL_TYPES)}")
    key = Key(Kind.POOL, registration.name)
    label = check_label(label_of(registration, stack=scene.stack, kind=Kind.POOL, values=values), field="name")
    target = values.get("target", {}).get("path")
    given = target or values.get("path")
    if kind == _LOGICAL:
        given = _read_group(values, given=given, label=label)
        target = given if target or not values.get("path") else None
    elif any(values.get("source", {}).values()):
        raise InputError("source: a directory pool has none", resolution="leave it out")
    if not given:
        raise InputError("target.path: it is missing", resolution="name the directory on the host")
    values["directory"] = check_host_path(given, field="target.path" if target else "path")
    values["stylesheet"] = read_stylesheet(values.get("xml", {}).get("xslt"), field="xml.xslt")
    declared = Declared(registration, key, uri, label, derive_uuid(scene.stack, key), values)
    told = scene.recorder.ask(Question(uri=uri, subject="pool", id=declared.id))
    unknown = {name: told.get(name, UNKNOWN) for name in ("capacity", "allocation", "available")}
    where = {"target": {"path": given}} if target or not values.get("path") else {"path": given}
    return declared, {"name": label, **where, **unknown}


def _read_group(values: dict[str, Any], *, given: str | None, label: str) -> str:
    """Read the volume group of a logical pool, by default the one of its name; return where libvirt has it."""
    source = values.get("source", {})
    group = check_label(source.get("name") or label, field="source.name")
    path = f"{_DEVICES}/{group}"
    if given and check_host_path(given, field="target.path") != path:
        raise InputError(f"target.path: the volume group {group} is at {path}", resolution="leave it out")
    values["group"] = group
    values["devices"] = tuple(
        check_host_path(block.get("path"), field=f"source.devices[{index}].path")
        for index, block in enumerate(source.get("devices", ()))
    )
    return path


def declare_volume(registration: Registration, *, uri: str, scene: Scene) -> tuple[Declared, Outputs]:
    """A volume's id is its path; where only the host knows the pool's directory, a mark that stands for it."""
    values = read_inputs(registration, VOLUME)
    values["pool"] = values.get("pool") or _DEFAULT_POOL
    key = Key(Kind.VOLUME, registration.name)
    label = check_label(label_of(registration, stack=scene.stack, kind=Kind.VOLUME, values=values), field="name")
    based = bool(values.get("baseVolumeId")) or bool(values.get("baseVolumeName"))
    size = values.get("size") or None
    _check_volume(values, size=size, based=based)
    values["stylesheet"] = read_stylesheet(values.get("xml", {}).get("xslt"), field="xml.xslt")
    declared = Declared(registration, key, uri, label, "", values)
    path = scene.volume_path(declared)
    declared = Declared(registration, key, uri, label, path or f"{PLACEHOLDER}{scene.stack.path(key)}", values)
    told = scene.recorder.ask(Question(uri=uri, subject="volume", id=path)) if path else {}
    outputs: Outputs = {"name": label, "pool": values["pool"], "size": size or told.get("size", UNKNOWN)}
    unsaid = told.get("format", UNKNOWN) if values.get("source") else "qcow2"
    outputs["format"] = values.get("format") or unsaid
    if values.get("baseVolumeName"):
        outputs["baseVolumePool"] = values.get("baseVolumePool") or values["pool"]
    return declared, outputs


def _check_volume(values: dict[str, Any], *, size: int | None, based: bool) -> None:
    format_ = values.get("format")
    if format_ and format_ not in _FORMATS:
        raise InputError(f"format: {format_!r} is not one of {', '.join(_FORMATS)}")
    if values.get("source"):
        for name in ("size", "baseVolumeId", "baseVolumeName"):
            if values.get(name):
                raise InputError(f"source: it is given, and so is {name}", resolution="leave one of them out")
    if values.get("baseVolumeId") and values.get("baseVolumeName"):
        raise InputError("baseVolumeId: it is given, and so is baseVolumeName", resolution="leave one of them out")
    if based and format_ == "raw":
        raise InputError("format: an overlay over a base volume is always qcow2", resolution="leave format out")
    if not based and not values.get("source") and size is None:
        raise InputError("size: a blank volume needs one", resolution="give its size in bytes")
    if size is not None and not 0 < size <= MAX_BYTES:
        raise InputError(f"size: {size} bytes make no volume")


def declare_cloud_init_disk(registration: Registration, *, uri: str, scene: Scene) -> tuple[Declared, Outputs]:
    """Every domain that has it gets a seed of its own; the id only tells domains which one they have."""
    values = read_inputs(registration, CLOUD_INIT_DISK)
    values["pool"] = values.get("pool") or _DEFAULT_POOL
    values["meta"] = _read_meta_data(values.get("metaData") or "")
    for name in ("userData", "networkConfig"):
        if "\0" in values.get(name, ""):
            raise InputError(f"{name}: it holds a NUL character")
    key = Key(Kind.SEED, registration.name)
    label = check_label(label_of(registration, stack=scene.stack, kind=Kind.SEED, values=values), field="name")
    directory = scene.pool_path(values["pool"], uri=uri)
    where = f"{directory or PLACEHOLDER + scene.stack.path(key)}/{label}"
    mark = uuid.UUID(derive_uuid(scene.stack, key))
    return Declared(registration, key, uri, label, f"{where};{mark}", values), {"name": label, "pool": values["pool"]}


def _read_meta_data(text: str) -> dict[str, Any]:
    document = load_yaml(text, what="metaData")
    if document is None:
        return {}
    if not isinstance(document, dict) or not all(isinstance(name, str) for name in document):
        raise InputError("metaData is not a mapping of names to values")
    return document


def image_format(source: str, *, wanted: str | None) -> str:
    """The format of an image: as declared, else by the first bytes of a local file, as the old provider found it.

    Whatever is found here is verified before the file is used.
    """
    if wanted:
        return wanted
    if "://" in source:
        return "qcow2" if source.rsplit("?", 1)[0].endswith((".qcow2", ".img")) else "raw"
    try:
        with Path(source).open("rb") as file:
            return "qcow2" if file.read(len(_QCOW2)) == _QCOW2 else "raw"
    except OSError as error:
        raise InputError(f"source: {source} cannot be read: {error.strerror}") from None
