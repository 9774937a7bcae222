"""VMs: the steps that make them what was decided."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

import msgspec

from vmstack.model.effects import (
    AnyEffect,
    AwaitHealthy,
    AwaitLease,
    AwaitReady,
    DefineChecked,
    DefineDomain,
    DetachDevice,
    PinVcpu,
    PlugNics,
    PowerOffDomain,
    RenameDomain,
    ResumeDomain,
    SetDescription,
    SetDomainAutostart,
    SetMemory,
    SetPassword,
    SetTitle,
    SetVcpus,
    ShutdownDomain,
    StampDomain,
    StartDomain,
    TuneDomain,
    UndefineDomain,
)
from vmstack.model.identity import Key, Kind
from vmstack.model.observed import ObservedDomain
from vmstack.model.plan import Expectation
from vmstack.model.specs import VmSpec
from vmstack.plan.adopted import adopted_of
from vmstack.plan.catalog import base_key
from vmstack.plan.changes.row import Case
from vmstack.plan.context import Context
from vmstack.plan.device_steps import changing_devices, coming_devices, leaving_devices
from vmstack.plan.draft import freed, step_id
from vmstack.plan.handovers import Handovers
from vmstack.plan.machine_changes import describe_machine
from vmstack.plan.machine_decision import MachineDecision, Mode, PowerMove
from vmstack.plan.machine_wish import Surroundings
from vmstack.plan.moments import moments_of
from vmstack.plan.networks import NetworkDecision
from vmstack.plan.passwords import PATH, mark_in, unmarked
from vmstack.plan.stamps import is_stamped_so
from vmstack.plan.styling import write_whole
from vmstack.plan.volume_fate import Fate
from vmstack.xmlio.domain import patch_domain
from vmstack.xmlio.patches import has_patches
from vmstack.xmlio.stamp import write_stamp

# What the definition alone gets, while the guest runs.
_OF_THE_DEFINITION: Final = (Case.DEFERRED, Case.OVERWRITTEN, Case.UNDONE)
# What frees a device of the old definition: the id of the step after which nothing of ours uses it any more.
Releases = dict[tuple[str, Key], str]


def stop_step(decision: MachineDecision) -> str | None:
    """The id of the step that stops the guest, when one does."""
    return step_id(decision.key, "stop", host=decision.host) if decision.stops else None


def plan_stops(decisions: Mapping[str, MachineDecision], *, around: Surroundings, context: Context) -> None:
    """Stop the guests that must be off for a while, those that need others before those others.

    A guest goes down only once all is there that can be made beside it: images, seeds, new volumes, and its definition,
    which the running guest gets at its next start, whoever starts it.
    """
    stopped_first: dict[str, list[str]] = defaultdict(list)
    for name, decision in decisions.items():
        id_ = stop_step(decision)
        for need in context.needs(Kind.VM, name) if id_ is not None else ():
            if need.kind is Kind.VM and id_ is not None:
                stopped_first[need.name].append(id_)
    for name, decision in decisions.items():
        found = decision.observed
        if found is None or not decision.stops:
            continue
        draft, key, host = context.draft, decision.key, decision.host
        draft.expect(host, found)
        needs: list[str | None] = [*stopped_first.get(name, ())]
        after = tuple(_prepared(decision, around=around))
        if decision.defines_first:
            xml = _write(decision, found, name=found.name)
            define = _definition(decision, uuid=found.uuid, name=found.name, xml=xml)
            needs.append(draft.step(key, "define", define, host=host, after=after))
        if found.state == "paused":
            resume = ResumeDomain(uuid=found.uuid, name=found.name)
            needs.append(draft.step(key, "resume", resume, host=host, needs=needs, after=after))
        effect: AnyEffect = ShutdownDomain(
            uuid=found.uuid,
            name=found.name,
            timeout=decision.spec.shutdown_timeout,
            power_off=decision.spec.power_off_after_timeout,
        )
        if found.state == "crashed" or _loses_everything(decision, around=around):
            effect = PowerOffDomain(uuid=found.uuid, name=found.name)
        guards = [draft.expect_moments(host, found)] if decision.remade else []
        draft.step(key, "stop", effect, host=host, needs=needs, after=after, guards=guards)


def _prepared(decision: MachineDecision, *, around: Surroundings) -> Iterator[Key]:
    for carriers in (around.seeds, around.ignitions):
        if decision.spec.name in carriers:
            yield carriers[decision.spec.name].key
    for disk in decision.spec.disks:
        fate = around.volumes[disk.volume]
        if fate.base is not None:
            yield fate.base.key
        if fate.fate is Fate.CREATE or fate.moved is not None:
            yield fate.key


def _loses_everything(decision: MachineDecision, *, around: Surroundings) -> bool:
    """Whether no disk that the guest can write survives, so that shutting it down cleanly saves nothing."""
    written = [around.volumes[disk.volume] for disk in decision.spec.disks if not disk.readonly]
    return bool(written) and all(fate.disturbs for fate in written)


def stops_by_network(
    decisions: Mapping[str, MachineDecision], *, networks: Mapping[str, NetworkDecision]
) -> dict[str, tuple[str, ...]]:
    """By network of the program: the steps after which no guest that stays is on it."""
    restarting = {name: network for name, network in networks.items() if network.restarts}
    stops: dict[str, list[str]] = defaultdict(list)
    for decision in decisions.values():
        id_ = stop_step(decision)
        live = decision.observed.live if decision.observed is not None else None
        if id_ is None or live is None:
            continue
        for name, network in restarting.items():
            if network.spec.host == decision.host and any(network.carries(nic) for nic in live.nics):
                stops[name].append(id_)
    return {name: tuple(sorted(set(ids))) for name, ids in stops.items()}


def plan_machines(decisions: Mapping[str, MachineDecision], *, context: Context) -> Releases:
    """Make the steps of all VMs."""
    releases: Releases = {}
    handovers = Handovers(decisions=decisions, context=context)
    for decision in decisions.values():
        if not decision.busy:
            context.draft.unchanged += 1
        elif decision.mode is Mode.CREATE:
            _create(decision, handovers=handovers, context=context)
        else:
            _change(decision, releases=releases, handovers=handovers, context=context)
        if decision.busy:
            describe_machine(decision, context=context)
    return releases


class _Chain:
    """The steps of one VM, one after the other."""

    def __init__(self, decision: MachineDecision, *, context: Context, first: Iterable[str | None] = ()) -> None:
        self._decision = decision
        self._draft = context.draft
        self._after = context.needs(Kind.VM, decision.spec.name)
        self.last: tuple[str, ...] = tuple(step for step in first if step is not None)

    def add(
        self,
        verb: str,
        effect: AnyEffect,
        *,
        after: tuple[Key, ...] = (),
        needs: tuple[str, ...] = (),
        guards: tuple[Expectation, ...] = (),
    ) -> str:
        decision = self._decision
        id_ = self._draft.step(
            decision.key,
            verb,
            effect,
            host=decision.host,
            needs=(*self.last, *needs),
            after=(*self._after, *after),
            guards=guards,
        )
        self.last = (id_,)
        self._after = ()  # what comes later waits through the first step
        return id_

    def expect_moments(self, found: ObservedDomain) -> Expectation:
        """Expect that no other snapshots go with the definition than the plan knows of."""
        return self._draft.expect_moments(self._decision.host, found)

    def carry_password(self, mark: str) -> None:
        """Have the plan carry the password that a step sets."""
        self._draft.passwords[mark] = self._decision.spec.password or ""

    def detach(self, device: str, xml: str, *, found: ObservedDomain) -> None:
        """Take a device out of the running guest. Nothing has to be made before, and others may wait for it."""
        after, self._after = self._after, ()
        effect = DetachDevice(uuid=found.uuid, name=found.name, device=device, xml=xml, live=True)
        self.add(f"detach:{device}", effect)
        self._after = after


def _create(decision: MachineDecision, *, handovers: Handovers, context: Context) -> None:
    spec, host, draft = decision.spec, decision.host, context.draft
    draft.expect_absent(host, "domain", id=spec.uuid, name=spec.label)
    chain = _Chain(decision, context=context)
    config = decision.whole or decision.target
    xml = write_whole(config, stamp=unmarked(decision.stamp), stylesheet=spec.hardware.stylesheet)
    free = freed(Kind.VM, spec.label, host=host)
    chain.add("define", _definition(decision, uuid=spec.uuid, name=spec.label, xml=xml), after=(free,))
    _set_password(decision, chain, live=False)
    _end(decision, chain, handovers=handovers, context=context)


def _change(decision: MachineDecision, *, releases: Releases, handovers: Handovers, context: Context) -> None:
    found = decision.observed
    if found is None:
        return
    context.draft.expect(decision.host, found)
    chain = _Chain(decision, context=context, first=(stop_step(decision),))
    stamped = False
    if decision.move is PowerMove.RESUME:
        chain.add("resume", ResumeDomain(uuid=found.uuid, name=found.name))
    if decision.mode is Mode.LIVE:
        _change_live(decision, found, chain, handovers=handovers)
    if decision.defines_first:
        _rename(decision, found, chain)
        stamped = True
    elif decision.mode in (Mode.DEFINE, Mode.RESTART) or decision.define:
        _define(decision, found, chain)
        stamped = True
        if decision.define and any(item.case is Case.HOT_UNPLUG for item in decision.differences):
            # The running guest's own stamp must not go on listing what was unplugged.
            lingers = _lingering(decision)
            chain.add(
                "unlist", _stamp(decision, uuid=found.uuid, name=decision.target.name, live=True, lingers=lingers)
            )
    if stamped and _password_comes_after(decision):
        _set_password(decision, chain, live=False)
    if chain.last and decision.mode is not Mode.KEEP:
        releases[decision.host, decision.key] = chain.last[-1]
    if not stamped and not is_stamped_so(found.stamp, decision.stamp):
        live = found.active and not decision.stops
        chain.add("stamp", _stamp(decision, uuid=found.uuid, name=found.name, live=live))
    _end(decision, chain, handovers=handovers, context=context)


def _define(decision: MachineDecision, found: ObservedDomain, chain: _Chain) -> None:
    name, after = decision.target.name, (freed(Kind.VM, decision.target.name, host=decision.host),)
    # The definition of a transient guest is gone once it is off.
    if name != found.name and found.persistent:
        chain.add("rename", RenameDomain(uuid=found.uuid, name=found.name, new_name=name), after=after)
    if decision.remade and found.persistent:
        moments = bool(moments_of(found))
        guard = chain.expect_moments(found)
        chain.add("undefine", UndefineDomain(uuid=found.uuid, name=name, moments=moments), guards=(guard,))
    xml = _write(decision, found, name=name)
    chain.add("define", _definition(decision, uuid=decision.spec.uuid, name=name, xml=xml), after=after)


def _definition(decision: MachineDecision, *, uuid: str, name: str, xml: str) -> DefineDomain:
    """The effect that defines the VM. Where the program patches the XML, the host checks it."""
    checked = has_patches(decision.spec.hardware.stylesheet)
    return (DefineChecked if checked else DefineDomain)(uuid=uuid, name=name, xml=xml)


def _password_comes_after(decision: MachineDecision) -> bool:
    """Whether the display's password is set once the definition is written."""
    differs = any(item.path == PATH and item.case is not Case.DISPLAY_PASSWORD for item in decision.differences)
    return differs or decision.remade


def _set_password(decision: MachineDecision, chain: _Chain, *, live: bool) -> None:
    """Set the display's password, and note it only then: who is killed in between sets it again."""
    mark, name = mark_in(decision.stamp), decision.target.name
    if mark is None and not any(item.path == PATH for item in decision.differences):
        return
    if mark is not None:
        chain.carry_password(mark)
    chain.add("password", SetPassword(uuid=decision.spec.uuid, name=name, password=mark, live=live))
    if not live:
        running = decision.observed is not None and decision.observed.active and not decision.stops
        stamp = _stamp(decision, uuid=decision.spec.uuid, name=name, live=running, lingers=_lingering(decision))
        chain.add("stamp", stamp)


def _stamp(
    decision: MachineDecision, *, uuid: str, name: str, live: bool, lingers: Collection[str] = ()
) -> StampDomain:
    """The effect that stamps the VM. A running guest that waits for a restart keeps the list of what it has."""
    xml, kept = write_stamp(decision.stamp), None
    fields = {*decision.stamp.fields, *decision.lingers, *lingers}
    if live and len(fields) > len(decision.stamp.fields):
        kept = write_stamp(msgspec.structs.replace(decision.stamp, fields=tuple(sorted(fields))))
    return StampDomain(uuid=uuid, name=name, stamp_xml=xml, live=live, live_xml=kept)


def _lingering(decision: MachineDecision) -> frozenset[str]:
    """What a running guest still has of what its definition was just written without: all that was not unplugged."""
    found = decision.observed
    if found is None or found.stamp is None or decision.stops:
        return frozenset()
    gone = {item.device for item in decision.differences if item.case is Case.HOT_UNPLUG and item.device}
    heads = tuple(f"{kind}[{device}]" for kind in ("disks", "nics") for device in gone)
    return frozenset(field for field in found.stamp.fields if field not in gone and not field.startswith(heads))


def _rename(decision: MachineDecision, found: ObservedDomain, chain: _Chain) -> None:
    """Give a guest that was defined under its old name, and is off now, its new one."""
    name = decision.target.name
    if name == found.name:
        return
    after = (freed(Kind.VM, name, host=decision.host),)
    chain.add("rename", RenameDomain(uuid=found.uuid, name=found.name, new_name=name), after=after)
    if decision.whole is not None:  # a stylesheet may make something else of another name
        xml = _write(decision, found, name=name)
        chain.add("redefine", _definition(decision, uuid=found.uuid, name=name, xml=xml))


def _write(decision: MachineDecision, found: ObservedDomain, *, name: str) -> str:
    """The new definition, under a name that libvirt takes."""
    stamp = unmarked(decision.stamp) if _password_comes_after(decision) else decision.stamp
    disks = frozenset(disk.serial for disk in decision.drop_disks if disk.serial is not None)
    nics = frozenset(nic.mac for nic in decision.drop_nics)
    if decision.whole is not None:
        return write_whole(
            msgspec.structs.replace(decision.whole, name=name),
            stamp=stamp,
            stylesheet=decision.spec.hardware.stylesheet,
            held=found.xml,
            dropped=disks | nics | _dropped_words(decision),
            adopted=adopted_of(found),
        )
    return patch_domain(
        found.xml,
        config=msgspec.structs.replace(decision.target, name=name),
        stamp=stamp,
        drop_disks=disks,
        drop_nics=nics,
        dropped=frozenset(item.path for item in decision.differences if item.after is None),
        adopted=adopted_of(found),
    )


def _dropped_words(decision: MachineDecision) -> frozenset[str]:
    """The description and the namespaces of metadata that are to go."""
    gone = [item.path for item in decision.differences if item.after is None]
    namespaces = {path[len("metadata[") : -1] for path in gone if path.startswith("metadata[")}
    return frozenset(namespaces | {"description"}.intersection(gone))


def _change_live(decision: MachineDecision, found: ObservedDomain, chain: _Chain, *, handovers: Handovers) -> None:
    uuid, name, target = found.uuid, found.name, decision.target
    now = [item for item in decision.differences if item.case not in _OF_THE_DEFINITION]
    paths = {item.path for item in now}
    for device, xml in leaving_devices(decision, found):
        chain.detach(device, xml, found=found)
    if "vcpus" in paths:
        chain.add("vcpus", SetVcpus(uuid=uuid, name=name, vcpus=target.vcpus, live=True))
    if "memory" in paths:
        chain.add("memory", SetMemory(uuid=uuid, name=name, kib=target.memory_kib, live=True))
    if "description" in paths:
        effect = SetDescription(uuid=uuid, name=name, description=target.description, live=True)
        chain.add("description", effect)
    if "title" in paths:
        chain.add("title", SetTitle(uuid=uuid, name=name, title=target.title, live=True))
    _tune(decision, found, chain)
    if any(item.case is Case.DISPLAY_PASSWORD for item in now):
        _set_password(decision, chain, live=True)
    for step in (*changing_devices(decision, found), *coming_devices(decision, found, handovers=handovers)):
        chain.add(step.verb, step.effect, needs=step.needs)
    for plug in decision.plugs:
        plug_in = PlugNics(uuid=uuid, name=name, network=plug.uuid, macs=plug.macs)
        chain.add(f"plug:{plug.network}", plug_in, after=(plug.key,) if plug.key is not None else ())


def _tune(decision: MachineDecision, found: ObservedDomain, chain: _Chain) -> None:
    """Set the limits that the host enforces."""
    paths = {item.path for item in decision.differences if item.case is Case.TUNED}
    limits = {"cpu_shares": "cpu_shares", "cpu_period": "vcpu_period", "cpu_quota": "vcpu_quota"}
    values = {name: getattr(decision.target, path[4:]) for path, name in limits.items() if path in paths}
    if values:
        chain.add("tune", TuneDomain(uuid=found.uuid, name=found.name, values=values, live=True))
    for pin in decision.target.pins:
        if f"pins[{pin.vcpu}]" in paths:
            effect = PinVcpu(uuid=found.uuid, name=found.name, vcpu=pin.vcpu, cpus=pin.cpus, live=True)
            chain.add(f"pin:{pin.vcpu}", effect)


def _end(decision: MachineDecision, chain: _Chain, *, handovers: Handovers, context: Context) -> None:
    """Autostart, start and readiness, and what others wait for."""
    spec, uuid, name = decision.spec, decision.spec.uuid, decision.target.name
    if decision.autostart is not None:
        chain.add("autostart", SetDomainAutostart(uuid=uuid, name=name, enabled=decision.autostart))
    if decision.starts:
        needs = handovers.before(decision, disks=decision.target.disks, nics=decision.target.nics)
        below = tuple(_images_below(decision, context=context))
        chain.add("start", StartDomain(uuid=uuid, name=name), needs=needs, after=below)
    if decision.awaits:
        _await(spec, chain, name=name, instance=decision.instance)
    context.draft.finish(decision.key, *chain.last)


def _images_below(decision: MachineDecision, *, context: Context) -> Iterator[Key]:
    """The base images below its disks, which may have to be made again though the disks are there."""
    volumes = context.catalog.volumes
    for disk in decision.spec.disks:
        volume = volumes.get(disk.volume)
        while volume is not None:
            if volume.image is not None:
                yield base_key(volume.image, pool=volume.pool)
            volume = volumes.get(volume.base) if volume.base is not None else None


def _await(spec: VmSpec, chain: _Chain, *, name: str, instance: str | None) -> None:
    """Wait for all that makes the guest count as ready; the last of it is what concludes."""
    uuid, health = spec.uuid, spec.restarts.health
    if spec.ready_timeout is not None:
        addresses = tuple(address for nic in spec.nics for address in nic.addresses)
        ready = AwaitReady(
            uuid=uuid,
            name=name,
            timeout=spec.ready_timeout,
            instance=instance,
            addresses=addresses,
            conclusive=health is None and not spec.lease_macs,
        )
        chain.add("ready", ready)
    if spec.lease_macs:
        lease = AwaitLease(
            uuid=uuid,
            name=name,
            macs=spec.lease_macs,
            agent=spec.agent,
            timeout=spec.lease_timeout,
            conclusive=health is None,
        )
        chain.add("lease", lease)
    if health is not None:
        check = AwaitHealthy(
            uuid=uuid,
            name=name,
            timeout=health.timeout,
            interval=health.interval,
            command=health.command,
            address=health.address,
            port=health.port,
        )
        chain.add("health", check)
