"""Changes of pools and volumes. Of a volume, `running` is one that a running guest has as a disk."""

from typing import Final

from tests.live.changes.storage import StorageChange

CHANGES: Final = (
    StorageChange(kind="pool", fields={"permissions": "none"}, before='mode="0711"', after='mode="0750", group=0'),
    StorageChange(kind="pool", fields={"permissions": "none"}, before="", after='mode="0751"'),
    StorageChange(kind="pool", fields={"autostart": "none"}, before="", after="autostart=False"),
    StorageChange(kind="pool", fields={"path": "none"}, before="", after='path="$folder-{name}-moved"', empty=True),
    StorageChange(
        kind="pool", before="", after='path="$folder-{name}-moved"', refused="its directory cannot change from"
    ),
    StorageChange(
        kind="pool", before="", after='label="$prefix-{name}-other"', refused="its name in libvirt cannot change"
    ),
    *(
        StorageChange(kind="volume", state=state, fields={"capacity": outcome}, before='size="{small}"', after=after)
        for state, outcome in (("running", "live"), ("paused", "live"), ("stopped", "none"), ("detached", "none"))
        for after in ('size="{large}"',)
    ),
    *(
        StorageChange(
            kind="volume", state=state, before='size="{large}"', after='size="{small}"', refused="and cannot shrink to"
        )
        for state in ("running", "detached")
    ),
    *(
        StorageChange(
            kind="volume",
            state=state,
            fields={},
            image=True,
            before="",
            after="",
            kept="stays as it was made from",
            full_copy=copy,
        )
        for state in ("running", "stopped", "detached")
        for copy in (False, True)
    ),
    *(
        StorageChange(
            kind="volume",
            state=state,
            image=True,
            fields={"image": "data-loss"},
            before='on_image_change="replace"',
            after='on_image_change="replace"',
            full_copy=copy,
        )
        for state, copy in (("running", False), ("stopped", True))
    ),
    StorageChange(
        kind="volume", state="stopped", fields={"format": "data-loss"}, before='size="{small}"',
        after='size="{small}", format="raw", label="$prefix-{name}-v.qcow2"',
    ),
    StorageChange(
        kind="volume", state="running", fields={"source": "data-loss"}, before="image=image", after='size="{large}"'
    ),
    StorageChange(
        kind="volume", state="running", fields={"source": "data-loss"}, before="image=image",
        after="image=image, full_copy=True",
    ),
)  # fmt: skip
