"""Rows of networks, all at once on one stack: each network with a guest, whose tap tells what became of it."""

import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.cases.classic.bench import DESTROY, Bench, describe
from tests.live.stack.virsh import virsh
from vmstack.model.identity import Key, Kind
from vmstack.model.plan import Plan
from vmstack.plan.changes.table import field_of
from vmstack.xmlio.safe import parse_xml

_PROGRAM = """
from vmstack import *
import pulumi

host = Host("kvm", uri="$uri")


def network(name, net, *, guest, **arguments):
    given = dict(label="$prefix-" + name, cidr=net + "/29", mode="isolated", dhcp=False, host=host)
    if "dhcp" not in arguments and "reservations" in arguments:
        given["dhcp"] = True
    lan = Network(name, **(given | arguments))
    VirtualMachine(name, host=host, label="$prefix-" + name, memory="32MiB", networks=[Nic(lan.dhcp())], running=guest)

"""


@dataclass(frozen=True, kw_only=True)
class NetworkChange:
    """A change of one network; `fields` are those that the plan is to name, with their classes.

    `state` is that of the guest on it; `inactive`: the network is off itself. `{net}` stands for the first three
    bytes and the start of the network's addresses, `{name}` for its name and `{number}` for
    a number of its own.
    """

    fields: Mapping[str, str]
    state: Literal["running", "paused", "stopped", "inactive"]
    before: str
    after: str
    keeps_bridge: bool = False


@dataclass(frozen=True)
class _Seen:
    pid: int | None
    tap: str | None
    plugged: bool
    bridge_index: int | None


class NetworkSession:
    """One stack on which all changes are made at once."""

    def __init__(self, bench: Bench, changes: Sequence[NetworkChange]) -> None:
        self._bench = bench
        self._changes = {f"n{number}": change for number, change in enumerate(changes)}

    def run(self) -> list[str]:
        """Make all changes; return what is not as it was said."""
        self._bench.apply(self._plan(after=False))
        for name, change in self._changes.items():
            self._enter(name, change)
        before = {name: self._look(name) for name in self._changes}
        changed = self._plan(after=True)
        self._bench.apply(changed)
        after = {name: self._look(name) for name in self._changes}
        faults = [
            f"{name} ({', '.join(change.fields)}, {change.state}): {fault}"
            for name, change in self._changes.items()
            for fault in _judge(Key(Kind.NETWORK, name), change, changed.plan, before[name], after[name])
        ]
        again = self._plan(after=True)
        if not again.plan.empty:
            faults.append(f"something is left to do:\n{describe(again.plan)}")
        self._bench.apply(self._bench.plan(again.desired, policy=DESTROY))
        return faults

    def _plan(self, *, after: bool) -> object:
        lines = [self._statement(number, name, after=after) for number, name in enumerate(self._changes)]
        text = string.Template(_PROGRAM + "\n".join(lines)).substitute(self._bench.values)
        return self._bench.plan(self._bench.evaluate(text))

    def _statement(self, number: int, name: str, *, after: bool) -> str:
        change = self._changes[name]
        start = f"$subnet.{8 * number}"
        arguments = (change.after if after else change.before).format(net=f"@{8 * number}@", name=name, number=number)
        for digit in range(8):
            arguments = arguments.replace(f"@{8 * number}@.{digit}", f"$subnet.{8 * number + digit}")
        guest = change.state in ("running", "paused")
        return f"network({name!r}, '{start}', guest={guest}, {arguments})"

    def _enter(self, name: str, change: NetworkChange) -> None:
        if change.state == "paused":
            virsh("suspend", self._domain(name))
        if change.state == "inactive":
            virsh("net-destroy", self._domain(name))

    def _domain(self, name: str) -> str:
        return f"{self._bench.values['prefix']}-{name}"

    def _look(self, name: str) -> _Seen:
        domain = next(one for one in self._bench.driver.domains() if one.name == self._domain(name))
        if domain.live_xml is None:
            return _Seen(None, None, False, None)
        nic = parse_xml(domain.live_xml, what="a domain").find("devices/interface")
        tap = nic.find("target").get("dev")
        source = nic.find("source")
        master = Path(f"/sys/class/net/{tap}/master")
        plugged = master.exists() and master.resolve().name == source.get("bridge")
        index = Path(f"/sys/class/net/{source.get('bridge')}/ifindex")
        return _Seen(
            int(Path(f"/run/libvirt/qemu/{domain.name}.pid").read_text()),
            tap,
            plugged and source.get("network") is not None,
            int(index.read_text()) if index.exists() else None,
        )


def _judge(key: Key, change: NetworkChange, plan: Plan, before: _Seen, after: _Seen) -> Iterator[str]:
    found = next((one for one in plan.changes if one.key == key), None)
    if found is None:
        yield "the plan does not know of it"
        return
    said = {(field_of(one.path), one.disruption.value) for one in found.fields if one.path != "active"}
    if said != set(change.fields.items()):
        yield f"the plan says {sorted(said)}"
    restarts = "restart" in change.fields.values()
    if change.state in ("stopped", "inactive"):
        return
    if (before.pid == after.pid) is restarts or after.pid is None:
        yield f"its process was {before.pid}, and is {after.pid}"
    if not restarts and before.tap != after.tap:
        yield f"its tap was {before.tap}, and is {after.tap}"
    if not after.plugged:
        yield "its tap is not on the bridge"
    if (before.bridge_index == after.bridge_index) is not change.keeps_bridge:
        yield f"the bridge was number {before.bridge_index}, and is {after.bridge_index}"
    names = " ".join(found.reasons)
    if not change.keeps_bridge and key.name not in names:
        yield f"the plan does not name the guest: {names}"
