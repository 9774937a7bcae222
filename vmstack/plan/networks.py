"""Networks: what must happen to each, and the steps of it."""

import enum
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from vmstack.errors import ConflictError, DocumentError, InputError, RefusedError
from vmstack.model.configs import NetworkConfig, NicConfig
from vmstack.model.identity import Key, Kind
from vmstack.model.observed import ObservedNetwork
from vmstack.model.ownership import Stamp
from vmstack.model.specs import NetworkMode, NetworkSpec
from vmstack.model.text import import_command
from vmstack.plan.applied import AppliedNetwork, write_applied
from vmstack.plan.context import Context
from vmstack.plan.design import design_network
from vmstack.plan.digest import digest_of
from vmstack.plan.drift_policy import EXTRA, policies_of, policy_of_extra
from vmstack.plan.ignore import ignored_fields, is_ignored
from vmstack.plan.neighbours import check_neighbours, check_reserved, leaves, own_network_name
from vmstack.plan.network_diff import NetworkDiff, compare_networks, written_fields
from vmstack.plan.network_updates import lease_path, leases
from vmstack.plan.remaking import asked_anew, named_changes
from vmstack.plan.sparing import spare_of_network
from vmstack.plan.stylesheets import apply_stylesheet, style_change
from vmstack.xmlio.network import read_network, write_network
from vmstack.xmlio.remainder import network_remainder

# What a running guest knows of its network: the name in its definition, and the MTU that its NIC was made with.
_AT_GUESTS_START: Final = frozenset({"label", "mtu"})


class NetworkFate(enum.StrEnum):
    KEEP = "keep"
    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True)
class NetworkDecision:
    """What happens to a network of the program. `first` are names of networks that must be gone before.

    `document` is what it is defined from anew, where it is not enough to patch what is there: its config and stamp are
    put into it then. `named` are the fields whose change alone would not make it anew (`replace_on_changes`).
    """

    spec: NetworkSpec
    key: Key
    design: NetworkConfig
    stamp: Stamp
    fate: NetworkFate
    observed: ObservedNetwork | None = None
    diff: NetworkDiff | None = None
    first: tuple[str, ...] = ()
    document: str | None = None
    named: tuple[str, ...] = ()

    @property
    def cuts(self) -> bool:
        """Whether guests that run on it lose it, or have lost it, so that their NICs must be plugged in again.

        That is so while it is made anew, and where it was stopped or removed under them. Their NICs stay plugged
        into a bridge of the host, which no network's end takes away.
        """
        if self.observed is not None and self.observed.active:
            return self.fate is NetworkFate.REPLACE
        return self.spec.mode is not NetworkMode.BRIDGE

    @property
    def restarts(self) -> bool:
        """Whether guests that run on it need a start to be on it again, because of what they get only then."""
        return self.cuts and self.diff is not None and any(path in _AT_GUESTS_START for path, _, _ in self.diff.fields)

    @property
    def replugs(self) -> bool:
        """Whether the NICs of guests that run on it are plugged in again while they run."""
        return self.cuts and not self.restarts

    def carries(self, nic: NicConfig) -> bool:
        """Whether a NIC of a running guest is plugged into the bridge: by this network, or by its name."""
        if nic.network is not None:
            return nic.network == self.held
        config = self.observed.config if self.observed is not None else self.design
        return nic.bridge is not None and nic.bridge == config.bridge and self.spec.mode is not NetworkMode.BRIDGE

    @property
    def held(self) -> str:
        """The name in libvirt by which guests that run now are on it."""
        return self.observed.name if self.observed is not None else self.spec.label


def decide_networks(context: Context) -> dict[str, NetworkDecision]:
    """Decide on every network of the program; references to existing ones are only checked."""
    decisions: dict[str, NetworkDecision] = {}
    for name, spec in context.catalog.networks.items():
        if spec.mode is NetworkMode.EXISTING:
            _check_existing(spec, context=context)
            continue
        decision = _decide(spec, context=context)
        if decision is not None:
            if decision.fate in (NetworkFate.CREATE, NetworkFate.REPLACE):
                first = check_neighbours(decision.design, host=spec.host, key=decision.key, context=context)
                decision = replace(decision, first=first)
            decisions[name] = decision
    return decisions


def _check_existing(spec: NetworkSpec, *, context: Context) -> None:
    found = context.indexes[spec.host].network_names.get(spec.label)
    place = context.catalog.place(Kind.NETWORK, spec.name)
    if found is None:
        context.draft.errors.append(
            InputError(
                f"network.{spec.name}: there is no network {spec.label!r} on host {spec.host}",
                resolution="create it there, or let the stack make a network of its own by giving it another mode",
                place=place,
            )
        )
    elif not found.active:
        context.draft.errors.append(
            InputError(
                f"network.{spec.name}: the network {spec.label!r} on host {spec.host} is not active",
                resolution=f"start it: virsh net-start {spec.label}",
                place=place,
            )
        )
    else:
        check_reserved(found.config, spec=spec, context=context)


def _decide(spec: NetworkSpec, *, context: Context) -> NetworkDecision | None:
    index, key = context.indexes[spec.host], Key(Kind.NETWORK, spec.name)
    options = context.catalog.options(Kind.NETWORK, spec.name)
    ignored = ignored_fields(options.ignore_changes)
    found = index.own_networks.get(spec.name)
    owned = frozenset(found.stamp.fields if found is not None and found.stamp else ())
    if not context.whole:
        spec = _hold_reservations(spec, found)
    design = design_network(spec, stack=context.stack)
    if found is not None:
        design = msgspec.structs.replace(design, uuid=found.uuid)
    document = write_network(design, stamp=None)
    kept = found is not None and is_ignored("xslt", ignored=ignored)
    styled, mark = None, styled_mark(owned) if kept else None
    if spec.xslt is not None and not kept:
        try:
            styled = apply_stylesheet(document, spec.xslt, what=str(key), remainder=network_remainder)
        except DocumentError as error:
            error.place = context.catalog.place(Kind.NETWORK, spec.name)
            context.draft.errors.append(error)
            return None
        document, mark = styled.xml, styled.digest
        design = read_network(document)
    stamp = Stamp(
        path=context.stack.path(key),
        digest=digest_of(design),
        fields=tuple(sorted((*written_fields(design), *([f"xslt[{mark}]"] if mark else [])))),
        protect=options.protect is True,
        retain=options.retain,
        trigger=options.replacement_trigger,
        adopted=found.stamp.adopted if found is not None and found.stamp is not None else None,
        applied=write_applied(AppliedNetwork(config=design, autostart=spec.autostart)),
    )
    holder = index.network_names.get(spec.label) or index.networks.get(design.uuid)
    if holder is not None and holder is not found and not _leaves(holder, context=context, host=spec.host):
        context.draft.errors.append(
            ConflictError(
                f"{key}: a network named {holder.name!r} ({holder.uuid}) exists on host {spec.host}, "
                "and this stack did not make it",
                resolution="give yours another name, refer to that one as an existing network, remove it there, "
                f"or take it over: {import_command('network', spec.name, id=spec.label)}",
                place=context.catalog.place(Kind.NETWORK, spec.name),
            )
        )
        return None
    if found is None:
        fate = NetworkFate.CREATE
        return NetworkDecision(spec=spec, key=key, design=design, stamp=stamp, fate=fate, document=document)
    ignored |= spare_of_network(spec, found, design=design, stamp=stamp, ignored=ignored, context=context)
    diff = compare_networks(design, found.config, live=found.live, owned=owned, ignored=ignored)
    change = None
    if not kept:
        change = style_change(styled, before=styled_mark(owned), held=found.xml, remainder=network_remainder)
    if change is not None:
        diff = diff._replace(fields=(*diff.fields, change), waiting=())
    asked = asked_anew(key, before=found.stamp.trigger if found.stamp is not None else None, context=context)
    if asked:
        diff = diff._replace(fields=(*diff.fields, *asked), waiting=())
    named = named_changes(key, dict.fromkeys(update.path for update in diff.updates), context=context)
    for extra in diff.extras if policy_of_extra(EXTRA, policies_of(key, context=context)) != "ignore" else ():
        context.draft.note(f"{extra} was added outside vmstack and is kept", key=key)
    if diff.waiting:
        what = ", ".join(diff.waiting)
        context.draft.note(
            f"the running network has another {what} than its definition; stop and start it "
            f"(virsh net-destroy {found.name}, virsh net-start {found.name}) once no guest needs it",
            key=key,
        )
    fate = NetworkFate.KEEP
    if diff.fields or named:
        fate = NetworkFate.REPLACE
        if stamp.protect:
            context.draft.errors.append(
                RefusedError(
                    f"{key} is protected, and {', '.join((*(path for path, _, _ in diff.fields), *named))} "
                    "cannot change in place",
                    resolution="take the protection off in the program first",
                    place=context.catalog.place(Kind.NETWORK, spec.name),
                )
            )
    elif diff.updates or _restamps(found.stamp, stamp) or _state_changes(spec, found, ignored=ignored):
        fate = NetworkFate.UPDATE
    return NetworkDecision(
        spec=spec,
        key=key,
        design=design,
        stamp=stamp,
        fate=fate,
        observed=found,
        diff=diff,
        document=document if change is not None else None,
        named=named,
    )


def styled_mark(owned: frozenset[str]) -> str | None:
    """The digest of what a stylesheet made of the network last, by the fields of its stamp."""
    return next((field[len("xslt[") : -1] for field in owned if field.startswith("xslt[")), None)


def _leaves(holder: ObservedNetwork, *, context: Context, host: str) -> bool:
    """Whether the network is ours and goes in this very plan, so that its name becomes free."""
    name = own_network_name(context.indexes[host], holder)
    return (
        name is not None
        and not context.spares(Key(Kind.NETWORK, name))
        and leaves(name, holder, host=host, context=context)
    )


def _restamps(old: Stamp | None, new: Stamp) -> bool:
    return (
        old is None
        or not old.intact
        or not old.digest
        or any(getattr(old, name) != getattr(new, name) for name in ("fields", "protect", "retain", "trigger"))
    )


def _state_changes(spec: NetworkSpec, found: ObservedNetwork, *, ignored: frozenset[str]) -> bool:
    autostart = found.autostart != spec.autostart and not is_ignored("autostart", ignored=ignored)
    return autostart or not found.active or not found.persistent


def _hold_reservations(spec: NetworkSpec, found: ObservedNetwork | None) -> NetworkSpec:
    """The network with the reservations that it has of ours: who they are for may not be known yet."""
    if found is None or found.stamp is None:
        return spec
    held = leases(found.config)
    taken = {(one.mac, one.name) for one in spec.reservations} | {(one.ip, None) for one in spec.reservations}
    kept = [
        lease.reservation
        for identity, lease in held.items()
        if lease_path(identity) in found.stamp.fields
        and not {(lease.reservation.mac, lease.reservation.name), (lease.reservation.ip, None)} & taken
        and all(lease.reservation.mac is None or lease.reservation.mac != one.mac for one in spec.reservations)
    ]
    return msgspec.structs.replace(spec, reservations=(*spec.reservations, *kept))
