"""Directories of the host in a guest, its TPM, and other people's metadata."""

from typing import Final

from lxml import etree

from vmstack.model.hardware import FilesystemSpec, MetadataSpec, TpmSpec
from vmstack.xmlio.canonical import canonicalise
from vmstack.xmlio.safe import Element, add, parse_xml, replace_children, serialise, set_attribute
from vmstack.xmlio.stamp import NAMESPACE
from vmstack.xmlio.table import new_root

_BACKENDS: Final = {"emulator": "emulator", "passthrough": "passthrough"}


def read_filesystems(devices: Element) -> tuple[FilesystemSpec, ...]:
    """Return the directories that are shared, by their tags in order."""
    found = []
    for element in devices.findall("filesystem"):
        source, target = element.find("source"), element.find("target")
        path = None if source is None else source.get("dir")
        tag = None if target is None else target.get("dir")
        if path and tag:
            mode = element.get("accessmode") or "passthrough"
            readonly = element.find("readonly") is not None
            driver = element.find("driver")
            fast = driver is not None and driver.get("type") == "virtiofs"
            found.append(
                FilesystemSpec(
                    source=path,
                    target=tag,
                    accessmode=mode,
                    readonly=readonly,
                    driver="virtiofs" if fast else None,
                )
            )
    return tuple(sorted(found, key=lambda item: item.target))


def write_filesystem(spec: FilesystemSpec) -> str:
    """Write a shared directory, as for attaching it."""
    return serialise(build_filesystem(spec))


def build_filesystem(spec: FilesystemSpec) -> Element:
    filesystem = new_root("filesystem", type="mount", accessmode=spec.accessmode)
    if spec.driver is not None:
        add(filesystem, "driver", type=spec.driver)
    add(filesystem, "source", dir=spec.source)
    add(filesystem, "target", dir=spec.target)
    if spec.readonly:
        add(filesystem, "readonly")
    return filesystem


def patch_filesystems(devices: Element, wanted: tuple[FilesystemSpec, ...]) -> None:
    """Share these directories and no others; one that is shared as it should be is not touched."""
    if read_filesystems(devices) == wanted:
        return
    missing = list(wanted)
    for element in devices.findall("filesystem"):
        holder = new_root("devices")
        holder.append(etree.fromstring(etree.tostring(element)))
        found = read_filesystems(holder)
        if found and found[0] in missing:
            missing.remove(found[0])
        elif found:
            devices.remove(element)
    devices.extend([build_filesystem(spec) for spec in missing])


def read_tpm(devices: Element) -> TpmSpec | None:
    """Return the TPM, where it is one that can be described."""
    tpm, backend = devices.find("tpm"), devices.find("tpm/backend")
    if tpm is None or backend is None or backend.get("type") not in _BACKENDS:
        return None
    device, encryption = backend.find("device"), backend.find("encryption")
    return TpmSpec(
        model=tpm.get("model") or "",
        backend="passthrough" if backend.get("type") == "passthrough" else "emulator",
        version=backend.get("version"),
        persistent_state=backend.get("persistent_state") == "yes",
        device=None if device is None else device.get("path"),
        secret=None if encryption is None else encryption.get("secret"),
    )


def patch_tpm(devices: Element, wanted: TpmSpec | None) -> None:
    """Have this TPM in place of the one that is there, or none."""
    if read_tpm(devices) == wanted:
        return
    replace_children(devices, devices.findall("tpm"), [] if wanted is None else [_build_tpm(wanted)])


def _build_tpm(spec: TpmSpec) -> Element:
    tpm = new_root("tpm", model=spec.model)
    backend = add(tpm, "backend", type=spec.backend)
    if spec.version is not None:
        set_attribute(backend, "version", spec.version)
    if spec.persistent_state:
        backend.set("persistent_state", "yes")
    if spec.device is not None:
        add(backend, "device", path=spec.device)
    if spec.secret is not None:
        add(backend, "encryption", secret=spec.secret)
    return tpm


def read_metadata(root: Element) -> tuple[MetadataSpec, ...]:
    """Return the elements under `<metadata>` that are not vmstack's own, by their namespaces in order."""
    metadata = root.find("metadata")
    found = []
    for element in () if metadata is None else metadata.iterchildren(etree.Element):
        namespace = etree.QName(element).namespace
        if namespace and namespace != NAMESPACE:
            found.append(MetadataSpec(namespace=namespace, xml=canonical(element)))
    return tuple(sorted(found, key=lambda item: item.namespace))


def canonical(element: Element) -> str:
    """The element in a form that does not depend on layout, on the order of attributes and on unused prefixes."""
    text = etree.tostring(element, encoding="unicode", with_tail=False)
    root = parse_xml(text, what="metadata", compact=True)
    return canonicalise(root)


def put_metadata(root: Element, wanted: tuple[MetadataSpec, ...]) -> None:
    """Have these elements beside vmstack's own, and no others; those that are so are not touched."""
    if read_metadata(root) == wanted:
        return
    metadata = root.find("metadata")
    if metadata is None:
        metadata = new_root("metadata")
        anchor = root.find("uuid")
        root.insert(0 if anchor is None else root.index(anchor) + 1, metadata)
    missing = {item.namespace: item.xml for item in wanted}
    for element in metadata.findall("*"):
        namespace = etree.QName(element).namespace
        if not namespace or namespace == NAMESPACE:
            continue
        if missing.get(namespace) == canonical(element):
            del missing[namespace]
        else:
            metadata.remove(element)
    for text in missing.values():
        metadata.append(parse_xml(text, what="metadata"))
