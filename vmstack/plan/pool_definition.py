"""What a pool is defined by, with its stylesheet applied, and in what it differs from what the host holds."""

from typing import NamedTuple

import msgspec

from vmstack.errors import InputError, VmstackError
from vmstack.model.configs import PoolConfig
from vmstack.model.identity import Key, Kind
from vmstack.model.observed import ObservedPool
from vmstack.model.ownership import LedgerEntry
from vmstack.model.specs import Permissions, PoolSpec
from vmstack.plan.context import Context
from vmstack.plan.design import design_pool
from vmstack.plan.ignore import is_ignored
from vmstack.plan.stylesheets import Styled, apply_stylesheet, missing_style
from vmstack.xmlio.pool import read_pool, write_pool
from vmstack.xmlio.remainder import digest_of_remainder, pool_remainder


class PoolDefinition(NamedTuple):
    """The XML to define, the digest of what a stylesheet made of it, and in what it differs from the host's."""

    xml: str
    digest: str | None
    fields: tuple[tuple[str, object, object], ...]


def define_pool(
    spec: PoolSpec,
    found: ObservedPool | None,
    *,
    entry: LedgerEntry | None,
    ignored: frozenset[str],
    context: Context,
) -> PoolDefinition | None:
    """The definition to have; `None` after an error."""
    config = design_pool(spec, stack=context.stack)
    if found is not None:
        config = msgspec.structs.replace(config, uuid=found.uuid)
    plain = xml = write_pool(config)
    styled: Styled | None = None
    before = entry.digest if entry is not None else None
    kept = found is not None and is_ignored("xslt", ignored=ignored)
    if spec.xslt is not None and not kept:
        key = Key(Kind.POOL, spec.name)
        try:
            styled = apply_stylesheet(xml, spec.xslt, what=str(key), remainder=pool_remainder)
            _check_known(config, read_pool(styled.xml), key=key)
        except VmstackError as error:
            error.place = context.catalog.place(Kind.POOL, spec.name)
            context.draft.errors.append(error)
            return None
        xml = styled.xml
    if found is None:
        return PoolDefinition(xml, styled.digest if styled else None, ())
    fields: list[tuple[str, object, object]] = []
    if found.config.devices != config.devices and not is_ignored("devices", ignored=ignored):
        fields.append(("devices", list(found.config.devices), list(config.devices)))
    if _differ(config.permissions, found.config.permissions) and not is_ignored("permissions", ignored=ignored):
        fields.append(("permissions", _say(found.config.permissions), _say(config.permissions)))
    change = None if kept else _style_change(plain, styled, found, entry=entry)
    if change is not None:
        fields.append(change)
    return PoolDefinition(xml, before if kept else styled.digest if styled else None, tuple(fields))


def _style_change(
    plain: str, styled: Styled | None, found: ObservedPool, *, entry: LedgerEntry | None
) -> tuple[str, object, object] | None:
    """What a stylesheet asks for, as a field; without one the digest is that of what vmstack writes by itself.

    What was adopted was defined by whatever the program said then, so that only what it says counts.
    """
    before = entry.digest if entry is not None else None
    own = digest_of_remainder(pool_remainder(plain))
    now = styled.digest if styled is not None else own
    adopted = entry is not None and entry.adopted and before is None
    if not adopted and now != (before or own):
        return ("xslt", before, styled.digest if styled is not None else None)
    missing = missing_style(styled, held=found.xml, remainder=pool_remainder) if styled is not None else None
    return None if missing is None else ("xslt", f"without {missing}", f"with {missing}")


def _differ(wanted: Permissions | None, found: Permissions | None) -> bool:
    """Whether something that the program says is otherwise; what it leaves open is as it is."""
    if wanted is None:
        return False
    given = {name: value for name in wanted.__struct_fields__ if (value := getattr(wanted, name)) is not None}
    return any(getattr(found, name, None) != value for name, value in given.items())


def _say(permissions: Permissions | None) -> str | None:
    if permissions is None:
        return None
    owner, group = ("?" if value is None else str(value) for value in (permissions.owner, permissions.group))
    return f"{permissions.mode or '?'} {owner}:{group}"


def _check_known(config: PoolConfig, styled: PoolConfig, *, key: Key) -> None:
    """Refuse a stylesheet that moves the pool elsewhere: the plan would not know where its volumes are."""
    if config != msgspec.structs.replace(styled, permissions=config.permissions):
        raise InputError(
            f"{key}: its stylesheet (xml.xslt) changes its type, its source or its path",
            resolution="say them in the program",
        )
