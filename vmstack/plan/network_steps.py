"""Networks: the steps that make them what was decided."""

from collections.abc import Iterator, Mapping

from vmstack.errors import ConflictError, InternalError
from vmstack.model.effects import (
    DefineNetwork,
    NetworkSection,
    SetNetworkAutostart,
    StampNetwork,
    StartNetwork,
    StopNetwork,
    UndefineNetwork,
    UpdateNetwork,
)
from vmstack.model.identity import Kind
from vmstack.model.observed import ObservedNetwork
from vmstack.model.plan import Disruption, FieldChange, Operation
from vmstack.model.specs import DnsHost, DnsSrv, DnsTxt
from vmstack.model.traffic import PortGroup
from vmstack.plan.cables import bridge_made_by, is_on
from vmstack.plan.changes.row import Case, VmState
from vmstack.plan.context import Context
from vmstack.plan.draft import freed
from vmstack.plan.ignore import ignored_fields, is_ignored
from vmstack.plan.network_diff import NetworkDiff, services
from vmstack.plan.network_fields import class_of, update_fields
from vmstack.plan.network_updates import Lease, Span, Update
from vmstack.plan.networks import NetworkDecision, NetworkFate
from vmstack.plan.remaking import ASKED, why_named
from vmstack.plan.stamps import is_stamped_so, why_stamped_anew
from vmstack.xmlio.network import (
    patch_network,
    write_dhcp_host,
    write_dhcp_range,
    write_dns_host,
    write_dns_srv,
    write_dns_txt,
    write_port_group,
)
from vmstack.xmlio.stamp import write_stamp


def plan_networks(
    decisions: Mapping[str, NetworkDecision], *, stops: Mapping[str, tuple[str, ...]], context: Context
) -> None:
    """Make the steps. `stops` are, by network name, the steps after which no guest of ours uses it."""
    for name, decision in decisions.items():
        if decision.fate is NetworkFate.KEEP:
            context.draft.unchanged += 1
        elif decision.fate is NetworkFate.CREATE:
            _create(decision, stops=stops.get(name, ()), context=context)
        elif decision.fate is NetworkFate.REPLACE:
            _replace(decision, stops=stops.get(name, ()), context=context)
        else:
            _update(decision, stops=stops.get(name, ()), context=context)


def _create(decision: NetworkDecision, *, stops: tuple[str, ...], context: Context) -> None:
    spec, key, host, draft = decision.spec, decision.key, decision.spec.host, context.draft
    uuid = decision.design.uuid
    xml = patch_network(decision.document or "", config=decision.design, stamp=decision.stamp)
    draft.expect_absent(host, "network", id=uuid, name=spec.label)
    define = draft.step(
        key,
        "define",
        DefineNetwork(uuid=uuid, name=spec.label, xml=xml),
        host=host,
        after=(
            *context.needs(Kind.NETWORK, spec.name),
            freed(Kind.NETWORK, spec.label, host=host),
            *(freed(Kind.NETWORK, label, host=host) for label in decision.first),
        ),
    )
    last = draft.step(key, "start", StartNetwork(uuid=uuid, name=spec.label), host=host, needs=(*stops, define))
    if spec.autostart:
        effect = SetNetworkAutostart(uuid=uuid, name=spec.label, enabled=True)
        last = draft.step(key, "autostart", effect, host=host, needs=(last,))
    draft.finish(key, last)
    fields = [
        ("mode", spec.mode.value),
        ("subnets", [subnet.cidr for subnet in spec.subnets]),
        ("reservations", len(spec.reservations)),
        ("bridge", decision.design.bridge),
        ("domain", spec.domain),
        ("mtu", spec.mtu),
        *services(decision.design),
        ("autostart", spec.autostart),
    ]
    draft.change(
        key,
        host=host,
        operation=Operation.CREATE,
        fields=(
            FieldChange(path=path, before=None, after=after, disruption=Disruption.NONE)
            for path, after in fields
            if after not in (None, [], 0) or (after is False and path == "dns_enabled")
        ),
        place=context.catalog.place(Kind.NETWORK, spec.name),
    )


def _replace(decision: NetworkDecision, *, stops: tuple[str, ...], context: Context) -> None:
    """Make the network anew: guests on it are off meanwhile."""
    spec, key, host, draft = decision.spec, decision.key, decision.spec.host, context.draft
    found, diff = decision.observed, decision.diff
    if found is None or diff is None:
        return
    uuid, name = found.uuid, spec.label
    _check_users(decision, context=context)
    draft.expect(host, found)
    last: str | None = None
    after = (
        *context.needs(Kind.NETWORK, spec.name),
        *(freed(Kind.NETWORK, label, host=host) for label in (spec.label, *decision.first)),
    )
    if found.active:
        effect = StopNetwork(uuid=uuid, name=found.name, bridge=bridge_made_by(found))
        last = draft.step(key, "stop", effect, host=host, needs=stops, after=after)
    if found.name != name:
        gone = UndefineNetwork(uuid=uuid, name=found.name)
        last = draft.step(key, "undefine", gone, host=host, needs=(*stops, last), after=after)
    xml = patch_network(decision.document or found.xml, config=diff.target, stamp=decision.stamp)
    define = DefineNetwork(uuid=uuid, name=name, xml=xml)
    last = draft.step(key, "define", define, host=host, needs=(*stops, last), after=after)
    last = draft.step(key, "start", StartNetwork(uuid=uuid, name=name), host=host, needs=(last,))
    if found.autostart != spec.autostart or found.name != name:
        autostart = SetNetworkAutostart(uuid=uuid, name=name, enabled=spec.autostart)
        last = draft.step(key, "autostart", autostart, host=host, needs=(last,))
    draft.finish(key, last)
    asked = decision.named or any(path in ASKED for path, _, _ in diff.fields)
    guests = _guests_on(found, host=host, context=context)
    state = VmState.RUNNING if guests else VmState.STOPPED
    case = Case.NETWORK_ANEW if decision.restarts else Case.NETWORK_REPLUG
    fields = [
        FieldChange(path=path, before=before, after=after_, disruption=class_of(path, case=case, state=state))
        for path, before, after_ in diff.fields
    ]
    draft.change(
        key,
        host=host,
        operation=Operation.REPLACE if found.active or asked else Operation.UPDATE,
        fields=[*fields, *update_fields(diff, case=case, state=state)],
        reasons=_causes(diff, decision=decision, guests=guests) if found.active else why_named(decision.named),
        place=context.catalog.place(Kind.NETWORK, spec.name),
    )


def _causes(diff: NetworkDiff, *, decision: NetworkDecision, guests: tuple[str, ...]) -> Iterator[str]:
    """Why a network that is up is made anew, and what that means for those on it."""
    names = ", ".join(guests)
    how = "it is stopped and started anew; no machine of the stack runs on it."
    if guests and decision.restarts:
        how = f"it is stopped and started anew, and the machines on it are restarted: {names}."
    elif guests:
        how = (
            "it is stopped and started anew, and the NICs of the machines that run on it are plugged back in: "
            f"{names}. Until then they have no network there."
        )
    hard = [path for path, _, _ in diff.fields if path not in ASKED]
    yield from why_named(decision.named)
    if hard:
        yield f"{', '.join(hard)} cannot change while the network is up: {how}"
    else:
        yield f"The program asks for a new one: {how}"


def _update(decision: NetworkDecision, *, stops: tuple[str, ...], context: Context) -> None:
    """Change in place what libvirt can change in place."""
    spec, key, host, draft = decision.spec, decision.key, decision.spec.host, context.draft
    found, diff = decision.observed, decision.diff
    if found is None or diff is None:
        return
    uuid, name = found.uuid, found.name
    ignored = ignored_fields(context.catalog.options(Kind.NETWORK, spec.name).ignore_changes)
    after = context.needs(Kind.NETWORK, spec.name)
    draft.expect(host, found)
    state = VmState.RUNNING if found.active else VmState.STOPPED
    fields = list(update_fields(diff, case=Case.NETWORK_UPDATE, state=state))
    reasons: list[str] = []
    last: str | None = None
    if not found.persistent:
        xml = patch_network(found.xml, config=diff.target, stamp=decision.stamp)
        last = draft.step(key, "define", DefineNetwork(uuid=uuid, name=name, xml=xml), host=host, after=after)
        fields.append(FieldChange(path="persistent", before=False, after=True, disruption=Disruption.NONE))
        reasons.append("Its definition was removed outside vmstack while it ran.")
    for update in diff.updates:
        effect = _effect(update, uuid=uuid, name=name, live=found.active)
        verb = f"{update.command}:{update.path}"
        last = draft.step(key, verb, effect, host=host, needs=(last,), after=after)
    if not found.active:
        start = StartNetwork(uuid=uuid, name=name)
        last = draft.step(key, "start", start, host=host, needs=(*stops, last), after=after)
        fields.append(FieldChange(path="active", before=False, after=True, disruption=Disruption.NONE))
    if found.autostart != spec.autostart and not is_ignored("autostart", ignored=ignored):
        autostart = SetNetworkAutostart(uuid=uuid, name=name, enabled=spec.autostart)
        last = draft.step(key, "autostart", autostart, host=host, needs=(last,), after=after)
        fields.append(
            FieldChange(path="autostart", before=found.autostart, after=spec.autostart, disruption=Disruption.NONE)
        )
    reasons += why_stamped_anew(found.stamp)
    if not is_stamped_so(found.stamp, decision.stamp):
        stamp = StampNetwork(uuid=uuid, name=name, stamp_xml=write_stamp(decision.stamp), live=True)
        last = draft.step(key, "stamp", stamp, host=host, needs=(last,), after=after)
        before = found.stamp.protect if found.stamp else False
        if before != decision.stamp.protect:
            fields.append(
                FieldChange(path="protect", before=before, after=decision.stamp.protect, disruption=Disruption.NONE)
            )
    if not fields and not reasons:
        notes_trigger = found.stamp is not None and found.stamp.trigger != decision.stamp.trigger
        what = "its replacement trigger" if notes_trigger else "which fields of it the program writes"
        reasons.append(f"vmstack notes {what}.")
    draft.finish(key, last)
    draft.change(
        key,
        host=host,
        operation=Operation.UPDATE,
        fields=fields,
        reasons=reasons,
        place=context.catalog.place(Kind.NETWORK, spec.name),
    )


def _effect(update: Update, *, uuid: str, name: str, live: bool) -> UpdateNetwork:
    section: NetworkSection
    parent = -1
    match update.after or update.before:
        case Lease(reservation=reservation, family=family, parent=parent):
            section, xml = "ip-dhcp-host", write_dhcp_host(reservation, family=family)
        case Span(range=span, parent=parent):
            section, xml = "ip-dhcp-range", write_dhcp_range(span)
        case DnsHost() as host:
            section, xml = "dns-host", write_dns_host(host)
        case DnsSrv() as record:
            section, xml = "dns-srv", write_dns_srv(record)
        case DnsTxt() as text:
            section, xml = "dns-txt", write_dns_txt(text)
        case PortGroup() as group:
            section, xml = "portgroup", write_port_group(group)
        case _:
            raise InternalError(f"the update of {update.path} of network {name} has no content")
    return UpdateNetwork(
        uuid=uuid, name=name, command=update.command, section=section, xml=xml, parent_index=parent, live=live
    )


def _guests_on(found: ObservedNetwork, *, host: str, context: Context) -> tuple[str, ...]:
    """The machines of the stack that run on the network, and so feel that it is made anew."""
    index = context.indexes[host]
    own = (domain for domain in index.domains.values() if index.is_own(domain))
    on_it = (domain.name for domain in own if domain.live is not None and is_on(domain.live, found))
    return tuple(sorted(on_it)) if found.active else ()


def _check_users(decision: NetworkDecision, *, context: Context) -> None:
    """Report other people's guests that would lose their network meanwhile, and not get it back by themselves."""
    index, found = context.indexes[decision.spec.host], decision.observed
    if found is None or not found.active or decision.diff is None:
        return
    fields = ", ".join((*(path for path, _, _ in decision.diff.fields), *decision.named))
    for domain in index.domains.values():
        if not index.is_own(domain) and domain.live is not None and is_on(domain.live, found):
            context.draft.errors.append(
                ConflictError(
                    f"{decision.key} cannot be made anew (for {fields}): the domain {domain.name!r} on host "
                    f"{decision.spec.host}, which is not of this stack, is running on it",
                    resolution="stop that domain, or take it off the network",
                    place=context.catalog.place(Kind.NETWORK, decision.spec.name),
                )
            )
