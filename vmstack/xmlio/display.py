"""The graphical side of a guest: its display and the video device behind it."""

from collections.abc import Sequence
from typing import Final, Literal

from vmstack.model.specs import GraphicsSpec
from vmstack.xmlio.safe import Element, add, drop_attributes, drop_children

_TYPES: Final[dict[str, Literal["vnc", "spice"]]] = {"vnc": "vnc", "spice": "spice"}


def read_graphics(displays: Sequence[Element]) -> GraphicsSpec | None:
    """Return the first VNC or SPICE display; `listen` is empty where it listens on no stated address."""
    for display in displays:
        kind = _TYPES.get(display.get("type", ""))
        if kind is not None:
            return GraphicsSpec(type=kind, listen=_read_listen(display))
    return None


def build_graphics(devices: Element, graphics: GraphicsSpec | None, *, video: str) -> None:
    """Add the display and its video device (`video` is its model); without a display, no video device at all."""
    if graphics is not None:
        _add_display(devices, graphics)
    add(add(devices, "video"), "model", type="none" if graphics is None else video)


def patch_graphics(devices: Element, graphics: GraphicsSpec | None, *, video: str) -> None:
    """Bring the first VNC or SPICE display to `graphics`, or remove it; other displays stay.

    A display gets a video device where there was none, and the last one takes the video devices with it, because a
    guest without a display needs none.
    """
    displays = devices.findall("graphics")
    before = read_graphics(displays)
    if before == graphics:
        return
    if before is not None and (graphics is None or before.type != graphics.type):
        devices.remove(next(display for display in displays if display.get("type") == before.type))
        if before.type == "spice":
            _remove_spice(devices)
    if graphics is not None:
        # A domain has at most one display of a type, and the wanted one may be the second that it has.
        same = devices.find(f"graphics[@type='{graphics.type}']")
        if same is None:
            _add_display(devices, graphics)
        else:
            _set_listen(same, graphics.listen)
    headless = devices.find("graphics") is None
    if headless or _has_no_video(devices):
        drop_children(devices, "video")
        add(add(devices, "video"), "model", type="none" if headless else video)


def _has_no_video(devices: Element) -> bool:
    return all(model.get("type") == "none" for model in devices.findall("video/model"))


def _add_display(devices: Element, graphics: GraphicsSpec) -> None:
    display = add(devices, "graphics", type=graphics.type, autoport="yes")
    _set_listen(display, graphics.listen)


def _set_listen(display: Element, address: str) -> None:
    drop_children(display, "listen")
    drop_attributes(display, "listen", "socket")
    add(display, "listen", type="address", address=address)


def _read_listen(display: Element) -> str:
    for listen in display.findall("listen"):
        if listen.get("type") == "address":
            return listen.get("address", "")
    return display.get("listen", "")


def _remove_spice(devices: Element) -> None:
    """Remove what libvirt and others add for SPICE alone, and what does not start without it."""
    for tag, kind in (("audio", "spice"), ("channel", "spicevmc"), ("redirdev", "spicevmc")):
        for node in devices.findall(tag):
            if node.get("type") == kind:
                devices.remove(node)
