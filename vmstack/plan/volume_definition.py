"""What a volume is made from, with its stylesheet applied."""

from typing import NamedTuple

import msgspec

from vmstack.errors import InputError, VmstackError
from vmstack.model.configs import VolumeConfig
from vmstack.model.identity import Key, Kind
from vmstack.model.observed import ObservedVolume
from vmstack.model.ownership import LedgerEntry
from vmstack.model.specs import VolumeSpec
from vmstack.plan.context import Context
from vmstack.plan.ignore import ignored_fields, is_ignored
from vmstack.plan.stylesheets import Styled, apply_stylesheet, missing_style
from vmstack.xmlio.remainder import digest_of_remainder, volume_remainder
from vmstack.xmlio.volume import read_volume, write_volume


class VolumeDefinition(NamedTuple):
    """What a stylesheet makes of the volume's XML, its digest for the ledger, and what a changed one asks for.

    `change` is a field as (path, before, after): a volume is only made anew to be another.
    """

    xml: str | None = None
    digest: str | None = None
    change: tuple[str, object, object] | None = None


def define_volume(
    spec: VolumeSpec,
    config: VolumeConfig,
    *,
    entry: LedgerEntry | None,
    old: ObservedVolume | None,
    context: Context,
) -> VolumeDefinition | None:
    """The definition of the volume; `None` after an error."""
    before = entry.digest if entry is not None else None
    if spec.xslt is None and before is None:
        return VolumeDefinition()
    plain = write_volume(msgspec.structs.replace(config, path=None, allocation=None))
    key, place = Key(Kind.VOLUME, spec.name), context.catalog.place(Kind.VOLUME, spec.name)
    styled: Styled | None = None
    if spec.xslt is not None:
        try:
            styled = apply_stylesheet(plain, spec.xslt, what=str(key), remainder=volume_remainder)
            _check_known(plain, styled.xml, key=key)
        except VmstackError as error:
            error.place = place
            context.draft.errors.append(error)
            return None
    xml = styled.xml if styled is not None else plain
    options = context.catalog.options(Kind.VOLUME, spec.name)
    if old is not None and is_ignored("xslt", ignored=ignored_fields(options.ignore_changes)):
        return VolumeDefinition(xml, before)
    # Without a stylesheet the digest is that of what vmstack writes by itself.
    own = digest_of_remainder(volume_remainder(plain))
    now = styled.digest if styled is not None else own
    # What was adopted was made by whatever the program said then.
    was = before or (now if entry is not None and entry.adopted else own)
    mark = styled.digest if styled is not None else None
    if was != now:
        return VolumeDefinition(xml, mark, ("xslt", before, mark))
    missing = missing_style(styled, held=old.xml, remainder=volume_remainder) if styled and old and old.xml else None
    if missing is not None:
        context.draft.note(
            f"it is without {missing}, which its stylesheet wrote; only making it anew would bring that back, "
            "and lose what it holds",
            key=key,
        )
    return VolumeDefinition(xml, mark)


def _check_known(plain: str, styled: str, *, key: Key) -> None:
    """Refuse a stylesheet over what the plan reckons with."""
    before, after = read_volume(plain), read_volume(styled)
    if before != msgspec.structs.replace(after, allocation=None):
        raise InputError(
            f"{key}: its stylesheet (xml.xslt) changes its size, its format, its path or what it is over",
            resolution="say them in the program",
        )
