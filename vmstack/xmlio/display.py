"""The graphical side of a guest: its display and the video device behind it."""

from collections.abc import Sequence
from typing import Any, Final, Literal

from vmstack.errors import DocumentError
from vmstack.model.hardware import GraphicsSpec
from vmstack.xmlio.safe import Element, add, drop_attributes, drop_children, set_attribute

_TYPES: Final[dict[str, Literal["vnc", "spice"]]] = {"vnc": "vnc", "spice": "spice"}


def read_graphics(displays: Sequence[Element]) -> GraphicsSpec | None:
    """Return the first VNC or SPICE display; `listen` is empty where it listens on no stated address."""
    for display in displays:
        kind = _TYPES.get(display.get("type", ""))
        if kind is not None:
            return GraphicsSpec(type=kind, **_read_listen(display))
    return None


def read_video(devices: Element) -> str | None:
    """Return the model of the first video device; `none` is one that is not there."""
    model = devices.find("video/model")
    return None if model is None else model.get("type")


def patch_video(devices: Element, model: str) -> None:
    """Have a first video device of this model. What stood beside the old one (memory, heads) was for that one."""
    if read_video(devices) == model:
        return
    video = devices.find("video")
    if video is None:
        add(add(devices, "video"), "model", type=model)
        return
    drop_children(video, "model", "address", "alias", "driver")
    add(video, "model", type=model)


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
            _settle_display(same, graphics)
    headless = devices.find("graphics") is None
    if headless or _has_no_video(devices):
        drop_children(devices, "video")
        add(add(devices, "video"), "model", type="none" if headless else video)


def _has_no_video(devices: Element) -> bool:
    return all(model.get("type") == "none" for model in devices.findall("video/model"))


def _add_display(devices: Element, graphics: GraphicsSpec) -> None:
    display = add(devices, "graphics", type=graphics.type)
    if graphics.how == "address":
        display.set("autoport", "yes")
    _settle_display(display, graphics)


def _settle_display(display: Element, graphics: GraphicsSpec) -> None:
    drop_children(display, "listen")
    drop_attributes(display, "listen", "socket", "websocket")
    listen = add(display, "listen", type=graphics.how)
    if graphics.how == "address":
        set_attribute(listen, "address", graphics.listen)
    else:
        drop_attributes(display, "port", "tlsPort", "autoport")
    if graphics.websocket is not None:
        display.set("websocket", str(graphics.websocket))


def _read_listen(display: Element) -> dict[str, Any]:
    """What a display says of where it listens, as fields of a spec."""
    found: dict[str, Any] = {"listen": display.get("listen", "")}
    text = display.get("websocket")
    if text is not None:
        try:
            found["websocket"] = int(text)
        except ValueError as error:
            raise DocumentError(f"graphics: websocket is not a number: {text[:60]!r}") from error
    for listen in display.findall("listen"):
        if listen.get("type") == "address":
            return found | {"listen": listen.get("address", "")}
    for listen in display.findall("listen"):
        if listen.get("type") in ("none", "socket"):
            return found | {"listen": "", "how": listen.get("type")}
    return found


def _remove_spice(devices: Element) -> None:
    """Remove what libvirt and others add for SPICE alone, and what does not start without it."""
    for tag, kind in (("audio", "spice"), ("channel", "spicevmc"), ("redirdev", "spicevmc")):
        for node in devices.findall(tag):
            if node.get("type") == kind:
                devices.remove(node)
