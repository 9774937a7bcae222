"""What a guest may write on its readiness channel."""

import base64
import json
import random

import pytest

from vmstack.hosts.guest_report import LineBuffer, decode_report, failure_of
from vmstack.model.readiness import GuestReport


def pack(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def line(**changes: object) -> bytes:
    fields = {
        "vmstack": 1,
        "boot": "b",
        "instance": "i-1",
        "exit": 0,
        "status": pack("status: done\n"),
        "result": pack(json.dumps({"v1": {"datasource": "NoCloud", "errors": []}})),
        "keys": pack("ssh-ed25519 AAAA host\n\nssh-rsa BBBB host\n"),
        "addresses": pack("10.0.0.5/24\n fe80::1 nonsense 10.0.0.5 FD00:0:0::1/64"),
    }
    return json.dumps(fields | changes).encode()


def test_whole_report() -> None:
    assert decode_report(line(status=pack("status: done\n"))) == GuestReport(
        boot="b",
        instance="i-1",
        exit=0,
        status="status: done",
        errors=(),
        host_keys=("ssh-ed25519 AAAA host", "ssh-rsa BBBB host"),
        addresses=("10.0.0.5", "fe80::1", "fd00::1"),
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"login: ",
        b"{",
        b"[]",
        b"1",
        b"\xff\xfe\x00",
        b"[" * 100_000,
        line(vmstack=2),
        line(exit="0"),
        line(exit=True),
        line(boot=None),
        line(instance=5),
        line(status="not base64!"),
        line(keys=7),
        line()[:-5],
        line() + line(),
    ],
)
def test_what_is_no_report(data: bytes) -> None:
    assert decode_report(data) is None


def test_missing_parts_are_empty() -> None:
    report = decode_report(b'{"vmstack": 1, "boot": "b", "instance": "i", "exit": 0}')
    assert (report.status, report.errors, report.host_keys, report.addresses) == ("", (), (), ())


@pytest.mark.parametrize("result", ["", "{", "[]", "null", '{"v1": []}', '{"v1": {"errors": "x"}}', "\xff"])
def test_result_that_says_nothing(result: str) -> None:
    assert decode_report(line(result=pack(result))).errors == ()


@pytest.mark.parametrize(
    ("exit_code", "errors", "failure"),
    [
        (0, [], None),
        (2, [], None),
        (1, [], "status: done"),
        (127, [], "status: done"),
        (1, ["('runcmd', ProcessExecutionError())", "b"], "('runcmd', ProcessExecutionError())"),
        (0, ["a"], "a"),
        (1, [{"k": 1}], '{"k": 1}'),
    ],
)
def test_failure(exit_code: int, errors: list[object], failure: str | None) -> None:
    report = decode_report(line(exit=exit_code, result=pack(json.dumps({"v1": {"errors": errors}}))))
    assert failure_of(report) == failure


def test_texts_cannot_steer_a_terminal_nor_fill_it() -> None:
    evil = "\x1b[2J\x07bad\r\n\u202eworse" + "x" * 100_000
    report = decode_report(
        line(
            status=pack(evil), instance=evil, keys=pack(evil), result=pack(json.dumps({"v1": {"errors": [evil] * 60}}))
        )
    )
    texts = [*report.status.splitlines(), report.instance, *report.errors, *report.host_keys]
    assert all(text.isprintable() and len(text) <= 2000 for text in texts)
    assert len(report.status) <= 16 * 1024
    assert len(report.errors) == 50


def test_lines_are_cut_however_they_arrive() -> None:
    whole = b"".join(line(instance=f"i-{number}") + b"\n" for number in range(20))
    for seed in range(20):
        dice = random.Random(seed)
        buffer, rest, found = LineBuffer(), whole, []
        while rest:
            size = dice.randint(1, 400)
            found += buffer.feed(rest[:size])
            rest = rest[size:]
        assert b"\n".join(found) + b"\n" == whole


def test_endless_line_is_dropped_and_the_next_one_read() -> None:
    buffer = LineBuffer()
    for _ in range(40):
        assert buffer.feed(b"x" * 65536) == []
        assert len(buffer._rest) <= 1 << 20
    assert buffer.feed(b"tail\ngood\n") == [b"good"]
    assert buffer.feed(b"x" * (3 << 20) + b"\nafter\n") == [b"after"]
    buffer.feed(b"half")
    buffer.restart()
    assert buffer.feed(b"new\n") == [b"new"]


def test_status_keeps_its_lines() -> None:
    assert (
        decode_report(line(status=pack("status: done\n\x1b[1mdetail:\n x\n"))).status == "status: done\n[1mdetail:\nx"
    )
