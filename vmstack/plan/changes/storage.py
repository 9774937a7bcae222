"""Rows of pools and volumes. Of a volume, `running` is one that a running guest has as a disk."""

from typing import Final

from vmstack.plan.changes.row import DATA_LOSS, NOTHING, REFUSED, Case, Classes, Outcome, Row

_GROWS: Final = Classes(Outcome.LIVE, Outcome.LIVE, Outcome.NONE, Outcome.NONE)
_ANEW: Final = "A volume cannot become that: it is made anew, and what it holds is lost."

POOL_ROWS: Final = (
    Row(
        "path",
        Case.POOL_DEFINITION,
        NOTHING,
        "The pool is removed and defined at the other path.",
        when="there is nothing in the pool",
    ),
    Row(
        "path",
        Case.REFUSED,
        REFUSED,
        "All volumes in it would have to be made anew in the other place.",
        when="there are volumes in the pool",
    ),
    Row(
        "permissions",
        Case.POOL_DEFINITION,
        NOTHING,
        "libvirt sets them when it builds a pool: it is off for a moment, which guests do not notice.",
    ),
    Row("label", Case.REFUSED, REFUSED, "All volumes in it would have to be made anew in a pool of the other name."),
    Row("type", Case.REFUSED, REFUSED, "All volumes in it would have to be made anew."),
    Row("devices", Case.POOL_DEFINITION, NOTHING, "The pool is defined anew, and its volumes are left alone."),
    Row("xslt", Case.POOL_DEFINITION, NOTHING, "The pool is defined anew, and its volumes are left alone."),
    Row("autostart", Case.NOTE, NOTHING, "libvirt reads it when the host boots."),
    Row("active", Case.NOTE, NOTHING, "The pool is started."),
    Row("protect", Case.NOTE, NOTHING, "vmstack notes it."),
    Row("retain_on_delete", Case.NOTE, NOTHING, "vmstack notes it."),
)

VOLUME_ROWS: Final = (
    Row("capacity", Case.DISK_GROW, _GROWS, "The guest is told that its disk grew.", when="more"),
    Row("capacity", Case.REFUSED, REFUSED, "What a file system put at the end would be cut off.", when="less"),
    *(
        Row(field, Case.VOLUME_REPLACE, DATA_LOSS, _ANEW)
        for field in ("format", "source", "image", "base", "base.image", "base.content", "xslt")
    ),
    Row("content", Case.VOLUME_REPLACE, DATA_LOSS, "The volume is missing, and is made anew, empty or from its image."),
    Row("place", Case.VOLUME_REPLACE, DATA_LOSS, "Volumes do not move: the old one is deleted and a new one is made."),
    Row("protect", Case.NOTE, NOTHING, "vmstack notes it."),
    Row("retain_on_delete", Case.NOTE, NOTHING, "vmstack notes it."),
    Row(
        "*",
        Case.VOLUME_REPLACE,
        DATA_LOSS,
        "It is deleted and made anew, and what it holds is lost.",
        when="replace_on_changes, replacement_trigger or replace_with ask for it",
    ),
)
