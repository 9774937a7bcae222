"""The script that reports from inside of a guest, run here with a guest's files in a temporary folder."""

import base64
import json
import os
import subprocess

import pytest

from vmstack.evaluate.cloudinit.vendor import readiness_script
from vmstack.model.readiness import READY_CHANNEL

ADDRESSES = """\
1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever preferred_lft forever
1: lo    inet6 ::1/128 scope host \\       valid_lft forever preferred_lft forever
2: enp1s0    inet 10.20.0.10/24 brd 10.20.0.255 scope global dynamic enp1s0\\       valid_lft 3000sec
2: enp1s0    inet6 fe80::5054:ff:fe12:3456/64 scope link \\       valid_lft forever preferred_lft forever
3: br-a.1@enp2s0    inet 10.9.0.9/24 scope global br-a.1
"""


@pytest.fixture
def guest(tmp_path):
    """A folder with what a guest has, and the reporting program made for it."""
    root = tmp_path / "guest"
    for folder in ("bin", "etc/ssh", "cloud/data", "run", "ports"):
        (root / folder).mkdir(parents=True)
    (root / "cloud/data/instance-id").write_text("unit-dev-web-1\n")
    (root / "run/result.json").write_text('{"v1": {"errors": ["it \\"failed\\""]}}')
    (root / "etc/ssh/ssh_host_ed25519_key.pub").write_text("ssh-ed25519 AAAA root@web\n")
    (root / "addresses").write_text(ADDRESSES)
    commands = {
        "cloud-init": 'case "$*" in *--wait*) exit 2;; *) printf "status: done\\ndetail: x\\n";; esac',
        "ip": f'cat "{root}/addresses"',
        "sleep": "exec /bin/sleep 0.05",
    }
    for name, body in commands.items():
        path = root / "bin" / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
    text = readiness_script()
    report = text[text.index("<<'REPORT'\n") + len("<<'REPORT'\n") : text.index("\nREPORT\n") + 1]
    for there, here in {
        "/dev/virtio-ports": f"{root}/ports",
        "/var/lib/cloud/data": f"{root}/cloud/data",
        "/run/cloud-init": f"{root}/run",
        "/etc/ssh": f"{root}/etc/ssh",
    }.items():
        assert there in report
        report = report.replace(there, here)
    (root / "report").write_text(report)
    os.mkfifo(root / "ports" / READY_CHANNEL)
    return root


@pytest.fixture(params=["sh", "bash --posix"])
def lines(request, guest):
    """The lines that a host reads from the guest."""
    shell = request.param.split()
    environment = {**os.environ, "PATH": f"{guest}/bin:{os.environ['PATH']}"}
    process = subprocess.Popen(
        [*shell, str(guest / "report")], env=environment, stdin=subprocess.DEVNULL, start_new_session=True
    )
    # Open for writing too, so that the guest's closing after each line is no end of file.
    port = os.fdopen(os.open(guest / "ports" / READY_CHANNEL, os.O_RDWR), "r")
    try:
        yield port.readline
    finally:
        port.close()
        process.kill()
        process.wait()


def test_a_report_is_one_line_of_json_and_comes_again(lines):
    for _ in range(2):
        line = lines()
        assert line.endswith("\n")
        report = json.loads(line)
        plain = {name: report.pop(name) for name in ("vmstack", "instance", "exit", "boot")}
        decoded = {name: base64.b64decode(value, validate=True).decode() for name, value in report.items()}
        assert (plain["vmstack"], plain["instance"], plain["exit"]) == (1, "unit-dev-web-1", 2)
        assert len(plain["boot"]) == 36
        assert decoded == {
            "status": "status: done\ndetail: x\n",
            "result": '{"v1": {"errors": ["it \\"failed\\""]}}',
            "keys": "ssh-ed25519 AAAA root@web\n",
            "addresses": "10.20.0.10\nfe80::5054:ff:fe12:3456\n10.9.0.9\n",
        }


def test_the_script_is_one_for_plain_shells(tmp_path):
    text = readiness_script()
    assert text.startswith("#!/bin/sh\n")
    assert f"channel={READY_CHANNEL}\n" in text
    path = tmp_path / "ready.sh"
    path.write_text(text)
    assert subprocess.run(["sh", "-n", str(path)], check=False).returncode == 0


def test_the_service_makes_no_ordering_cycle():
    # cloud-final.service is after multi-user.target on Debian and Ubuntu.
    unit = readiness_script().split("<<'UNIT'\n")[1].split("\nUNIT\n")[0]
    assert "After=" not in unit
    assert "WantedBy=multi-user.target" in unit
