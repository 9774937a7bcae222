"""Colours, failures and progress."""

import io
import json
import os
import subprocess
import sys

import pytest

from vmstack.apply.events import Beat, Finished, PlanStarted, StepDone, StepFailed, StepProgress, StepStarted, Stopping
from vmstack.cli.event_stream import EventStream
from vmstack.cli.failures import describe_failure, report_bug, report_failure
from vmstack.cli.live import LiveProgress
from vmstack.cli.progress import ImageProgress, LineProgress
from vmstack.cli.terminal import Terminal, open_terminal
from vmstack.errors import ErrorGroup, HostError, InputError, InternalError, LockedError, Place
from vmstack.model.effects import AnyEffect, AwaitReady, DefineDomain, StartDomain
from vmstack.model.identity import Key, Kind, StackId
from vmstack.model.plan import Change, Operation, Plan, Step

VM = Key(Kind.VM, "web-0")


def terminal() -> Terminal:
    return Terminal(out=io.StringIO(), err=io.StringIO(), colour=False, colour_err=False, interactive=False)


def errors_of(term: Terminal) -> str:
    assert isinstance(term.err, io.StringIO)
    return term.err.getvalue()


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environment", "no_color", "colour"),
    [({}, False, True), ({"NO_COLOR": "1"}, False, False), ({"TERM": "dumb"}, False, False), ({}, True, False)],
)
def test_no_color_is_obeyed(monkeypatch, environment, no_color, colour):
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    for stream in ("stdout", "stderr", "stdin"):
        monkeypatch.setattr(f"sys.{stream}", Tty())
    assert open_terminal(no_color=no_color).colour is colour


def test_a_failure_tells_what_where_and_what_to_do():
    term = terminal()
    error = InputError("bad size", details=["one", "two\x1b[2J"], resolution="mend it", place=Place("__main__.py", 7))
    assert report_failure(error, term) == 1
    assert errors_of(term) == ("Error: bad size\n  at __main__.py:7\n  one\n  two\\x1b[2J\n  To go on: mend it\n")


def test_all_failures_of_a_group_are_told_and_the_first_gives_the_exit_code():
    term = terminal()
    assert report_failure(ErrorGroup([LockedError("held"), InputError("bad")]), term) == 4
    assert errors_of(term) == "Error: held\nError: bad\n"


def test_a_bug_shows_no_traceback_but_says_where_it_is(monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.delenv("VMSTACK_DEBUG", raising=False)
    term = terminal()
    try:
        raise KeyError("oops")
    except KeyError as error:
        assert report_bug(error, term) == 1
    assert "Traceback" not in errors_of(term)
    assert "this is a bug in vmstack" in errors_of(term)
    (log,) = tmp_path.iterdir()
    assert str(log) in errors_of(term)
    assert "Traceback" in log.read_text()
    assert log.stat().st_mode & 0o077 == 0


def test_a_broken_promise_is_reported_like_a_bug(monkeypatch):
    monkeypatch.setenv("VMSTACK_DEBUG", "1")
    term = terminal()
    report_failure(InternalError("the plan has a cycle"), term)
    assert "InternalError" in errors_of(term)


def test_json_diagnostics_have_terraforms_shape():
    error = InputError("bad", details=["x"], resolution="y", place=Place("__main__.py", 7))
    start = {"line": 7, "column": 1, "byte": 0}
    assert describe_failure(error) == {
        "severity": "error",
        "summary": "bad",
        "detail": "x\nTo go on: y",
        "range": {"filename": "__main__.py", "start": start, "end": start},
    }


def step(id_: str, effect: AnyEffect) -> Step:
    return Step(id=id_, host="kvm1", key=VM, effect=effect)


DEFINE = step("s1", DefineDomain(uuid="u", name="web-0", xml="<domain/>"))
START = step("s2", StartDomain(uuid="u", name="web-0"))
WAIT = step("s3", AwaitReady(uuid="u", name="web-0", timeout=60))
PLAN = Plan(
    stack=StackId("shop", "prod"),
    changes=(Change(key=VM, host="kvm1", operation=Operation.CREATE),),
    steps=(DEFINE, START, WAIT),
)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_lines_tell_when_a_resource_begins_and_ends_and_in_between():
    term, clock = terminal(), Clock()
    show = LineProgress(term, clock=clock)
    show(PlanStarted(plan=PLAN))
    for one in (DEFINE, START):
        show(StepStarted(step=one))
        show(StepDone(step=one, seconds=1))
    show(StepStarted(step=WAIT))
    clock.now += 12
    show(StepProgress(step=WAIT, what="seconds", done=12, total=60))
    clock.now += 5
    show(Beat(elapsed=17))
    show(StepDone(step=WAIT, seconds=17, notes=("cloud-init is done",)))
    assert errors_of(term) == (
        "vm.web-0: Creating...\n"
        "vm.web-0: still booting, waiting until ready (12/60 seconds) [12s elapsed]\n"
        "vm.web-0: Creation complete after 17s\n"
        "vm.web-0: cloud-init is done\n"
    )


def test_reminders_get_rarer_the_longer_it_takes():
    term, clock = terminal(), Clock()
    show = LineProgress(term, clock=clock)
    show(PlanStarted(plan=PLAN))
    show(StepStarted(step=WAIT))
    told = []
    for second in range(1, 601):
        before = errors_of(term)
        clock.now += 1
        show(Beat(elapsed=second))
        if errors_of(term) != before:
            told.append(second)
    assert told == [10, 20, 30, 40, 50, 60, 90, 120, 150, 180, 210, 240, 270, 300, 360, 420, 480, 540, 600]


@pytest.mark.parametrize(("count", "lines"), [(10, 10), (12, 1)])
def test_many_machines_are_reminded_of_in_one_line(count, lines):
    term, clock = terminal(), Clock()
    steps = tuple(
        Step(
            id=f"w{number}",
            host="kvm1",
            key=Key(Kind.VM, f"web-{number}"),
            effect=AwaitReady(uuid="u", name=f"web-{number}", timeout=60),
        )
        for number in range(count)
    )
    show = LineProgress(term, clock=clock)
    show(PlanStarted(plan=Plan(stack=StackId("shop", "prod"), steps=steps)))
    for one in steps:
        show(StepStarted(step=one))
    before = errors_of(term)
    clock.now += 12
    show(Beat(elapsed=12))
    told = errors_of(term).removeprefix(before).splitlines()
    assert len(told) == lines
    if lines == 1:
        assert told == ["still booting: 12 VMs (web-0, web-1, web-2, ...) [12s elapsed]"]


def test_lines_tell_of_failures_and_of_stopping():
    term = terminal()
    show = LineProgress(term, clock=Clock())
    show(PlanStarted(plan=PLAN))
    show(StepStarted(step=DEFINE))
    show(StepFailed(step=DEFINE, seconds=0.1, error=HostError("no \x1b space")))
    show(Stopping(reason="SIGINT", running=1))
    assert errors_of(term).splitlines()[1:3] == ["vm.web-0: failed after 0s", "vm.web-0: no \\x1b space"]
    assert "Stopping (SIGINT)" in errors_of(term)


def test_json_events_are_one_object_per_line():
    out, clock = io.StringIO(), Clock()
    show = EventStream(out, clock=clock)
    show.begin()
    show(PlanStarted(plan=PLAN))
    show(StepStarted(step=DEFINE))
    show(StepProgress(step=DEFINE, what="bytes", done=1, total=2))
    clock.now += 12
    show(Beat(elapsed=12))
    show(Beat(elapsed=12))
    show(StepDone(step=DEFINE, seconds=0.5))
    show(StepStarted(step=START))
    show(StepFailed(step=START, seconds=0.5, error=HostError("boom")))
    show(Stopping(reason="SIGINT", running=0))
    show(Finished(done=1, failed=1, left=1, elapsed=2))
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["type"] for line in lines] == [
        "version", "planned_change", "change_summary", "apply_start", "provision_start", "provision_progress",
        "apply_progress", "provision_complete", "provision_start", "provision_errored", "diagnostic", "apply_errored",
        "log",
    ]  # fmt: skip
    assert all({"@level", "@message", "@module", "@timestamp"} <= line.keys() for line in lines)
    assert lines[0]["ui"] == "1.2"
    assert lines[2]["changes"] == {"add": 1, "change": 0, "remove": 0, "operation": "plan"}
    start, still = lines[3], lines[6]
    assert start["@message"] == "libvirt_domain.web-0: Creating..."
    assert start["hook"] == {
        "action": "create",
        "resource": {
            "addr": "libvirt_domain.web-0",
            "module": "",
            "resource": "libvirt_domain.web-0",
            "implied_provider": "libvirt",
            "resource_type": "libvirt_domain",
            "resource_name": "web-0",
            "resource_key": None,
            "vmstack": "vm.web-0",
            "host": "kvm1",
        },
    }
    assert (still["hook"]["action"], still["hook"]["elapsed_seconds"]) == ("create", 12)
    assert lines[4]["hook"]["provisioner"] == "DefineDomain"
    assert lines[11]["hook"]["elapsed_seconds"] == 12


def test_the_live_table_shows_what_runs_and_leaves_lines_of_what_is_done():
    from rich.console import Console

    term, clock, sink = terminal(), Clock(), io.StringIO()
    console = Console(file=sink, force_terminal=True, width=100, height=30, markup=False, emoji=False, no_color=True)
    with LiveProgress(term, console=console, clock=clock) as show:
        show(PlanStarted(plan=PLAN))
        show(StepStarted(step=WAIT))
        clock.now += 3
        show(Beat(elapsed=3))
        show(StepFailed(step=WAIT, seconds=3, error=HostError("[red]boom")))
    shown = sink.getvalue()
    assert "booting, waiting until ready" in shown
    assert "0 of 1 resources, 3s" in shown
    assert "vm.web-0: [red]boom" in shown


def test_images_are_spoken_of_only_when_they_take_long():
    term, clock = terminal(), Clock()
    show = ImageProgress(term, clock=clock)
    show("downloading debian", 0, 100)
    clock.now += 1
    show("downloading debian", 40, 100)
    clock.now += 2
    show("downloading debian", 60, 100)
    show("downloading debian", 61, 100)
    assert errors_of(term) == "downloading debian: 60%\n"


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_what_is_said_comes_before_what_is_told_later_in_one_stream(unbuffered):
    program = """
import sys
from vmstack.cli.terminal import open_terminal, separate_output
separate_output()
terminal = open_terminal()
terminal.say("plan")
terminal.tell("progress")
"""
    run = subprocess.run(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
    )
    assert run.stdout.splitlines() == ["plan", "progress"]


def test_stdout_is_not_buffered_where_that_is_asked_for():
    program = """
import os
from vmstack.cli.terminal import separate_output
separate_output()
print("said")
os._exit(0)
"""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    assert run.stdout == "said\n"
