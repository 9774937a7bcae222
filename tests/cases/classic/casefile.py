"""The files of tests/cases/classic: what is in one, read strictly. README.md there describes the format."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Template

import msgspec
import yaml

FOLDER = Path(__file__).parent
_PRELUDE = """\
import pulumi
import pulumi_libvirt as libvirt

kvm = libvirt.Provider("kvm", uri="$uri")
on = pulumi.ResourceOptions(provider=kvm)
"""
# What a program may use by name (`uses`), in the order in which it is declared.
_PARTS = {
    "pool": 'pool = libvirt.Pool("pool", name="$prefix-pool", type="dir", path="$folder", opts=on)',
    "net": 'net = libvirt.Network("net", name="$prefix-net", addresses=["$subnet.0/26"], opts=on)',
    "other": 'other = libvirt.Network("other", name="$prefix-other", addresses=["$subnet.64/26"], opts=on)',
    "base": 'base = libvirt.Volume("base", name="base.qcow2", pool=pool.name, source="$image", opts=on)',
    "data": 'data = libvirt.Volume("data", name="data.qcow2", pool=pool.name, size=1048576, opts=on)',
    "more": 'more = libvirt.Volume("more", name="more.qcow2", pool=pool.name, size=2097152, opts=on)',
    "seed": 'seed = libvirt.CloudInitDisk("seed", pool=pool.name, user_data="#cloud-config", opts=on)',
}
_NEEDS_POOL = {"base", "data", "more", "seed"}
# From an address to what is found there: an XPath, or a fact that begins with "@", and the values.
Expected = dict[str, dict[str, object]]


class State(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One way to say it. `input` replaces `$$input` in the program; `program` replaces all of it."""

    input: str | None = None
    program: str | None = None
    expect: Expected = {}
    outputs: dict[str, object] = {}
    warns: str | None = None
    refused: str | None = None
    config: dict[str, str] = {}


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"start": "from"}):
    """A change of the program, and the plan that follows: `<operation> <disruption>` by address.

    `stopped` is the plan when the guest is off; without it, what `plan` says with nobody there to notice.
    """

    start: str
    to: str
    plan: dict[str, str] = {}
    stopped: dict[str, str] | None = None
    refused: str | None = None


class Case(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file. `kvm` has the fake host do KVM."""

    about: str
    covers: list[str]
    program: str = "$input"
    uses: list[str] = []
    states: dict[str, State]
    changes: list[Step] = []
    silent_no_op: bool = False
    only: str | None = None
    boots: bool = False
    kvm: bool = False
    one_way: str | None = None

    @property
    def modes(self) -> tuple[bool, ...]:
        """Whether its guest runs: both, where the program leaves that open with `$running`."""
        texts = [self.program, *(state.program or "" for state in self.states.values())]
        return (True, False) if any("$running" in text for text in texts) else (True,)

    def text(self, state: str, *, running: bool, values: Mapping[str, str]) -> str:
        """The program of a state."""
        own = self.states[state]
        body = own.program if own.program is not None else self.program.replace("$input", (own.input or "").strip())
        return fill(self.text_of(body), values | {"running": str(running)})

    def text_of(self, body: str) -> str:
        """A program with what it uses before it."""
        uses = {*self.uses, *(["pool"] if _NEEDS_POOL & set(self.uses) else [])}
        return "\n".join([_PRELUDE, *(text for name, text in _PARTS.items() if name in uses), body]) + "\n"


def fill(text: str, values: Mapping[str, str]) -> str:
    """Put `$prefix`, `$subnet` and so on in place; what is not one of them stays."""
    return Template(text).safe_substitute(values)


def read_case(path: Path) -> Case:
    """Read and check one file."""
    case = msgspec.convert(yaml.safe_load(path.read_text()), Case)
    names = set(case.states)
    for step in case.changes:
        assert {step.start, step.to} <= names, f"{path.name}: no such state: {step.start} or {step.to}"
    unknown = set(case.uses) - set(_PARTS)
    assert not unknown, f"{path.name}: uses what is not there: {unknown}"
    assert case.only in (None, "fake", "libvirt"), f"{path.name}: only: {case.only}"
    return case


def all_cases() -> Iterator[tuple[str, Case]]:
    """Every case by its name, `<resource>/<file>`."""
    for path in sorted(FOLDER.glob("*/*.yaml")):
        yield f"{path.parent.name}/{path.stem}", read_case(path)


def plans_of(step: Step, *, running: bool) -> dict[str, str]:
    """What the plan must be, by address."""
    if running:
        return {address: _spelled(text) for address, text in step.plan.items()}
    if step.stopped is not None:
        return {address: _spelled(text) for address, text in step.stopped.items()}
    quiet = re.compile(r" (live|next-boot|restart|stop)$")
    return {
        address: _spelled(quiet.sub("", text) if address.startswith("vm.") else text)
        for address, text in step.plan.items()
    }


def _spelled(text: str) -> str:
    return text if " " in text else f"{text} none"
