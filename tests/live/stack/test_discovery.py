"""A program for what is found on a host: it takes everything over as it is, and goes on from there."""

import json
import re
from pathlib import Path

import pytest
from lxml import etree

from tests.live.stack.findings import make_findings
from tests.live.stack.virsh import URI, qemu_pid
from tests.live.stack.workbench import Stack
from vmstack.cli.main import main
from vmstack.hosts.connection import connect
from vmstack.hosts.driver import DomainRecord
from vmstack.model.specs import HostSpec
from vmstack.xmlio.stamp import NAMESPACE

pytestmark = [pytest.mark.libvirt, pytest.mark.timeout(600)]


def _domains(prefix: str) -> dict[str, DomainRecord]:
    driver = connect(HostSpec(name="here", uri=URI), readonly=True)
    try:
        return {domain.name: domain for domain in driver.domains() if domain.name.startswith(f"{prefix}-")}
    finally:
        driver.close()


def _looks(prefix: str, *, but: tuple[str, ...] = ()) -> dict[str, tuple[str, str]]:
    """The definitions and the running XML of all domains, without stamps, in an order that does not matter."""
    found = {}
    for name, record in _domains(prefix).items():
        sides = []
        for text in (record.xml, record.live_xml or ""):
            root = etree.fromstring(text) if text else etree.Element("off")
            gone = [*root.iter(f"{{{NAMESPACE}}}stamp"), *(node for tag in but for node in root.findall(tag))]
            for node in gone:
                node.getparent().remove(node)
            for node in root.findall("metadata"):
                if not len(node):
                    root.remove(node)
            sides.append("\n".join(sorted(line.strip() for line in etree.tostring(root).decode().splitlines())))
        found[name] = (sides[0], sides[1])
    return found


def _run(*arguments: object, capsys: pytest.CaptureFixture[str], code: int = 0) -> str:
    done = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert done == code, (arguments, out, err)
    return out


def test_a_program_is_written_that_takes_over_all_that_is_found(
    stack: Stack, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("VMSTACK_STACK", raising=False)
    findings = make_findings(stack)
    assert len(findings.names) >= 20
    before = _looks(stack.prefix)
    folder = tmp_path / stack.prefix  # the project's name, by which the ledger is cleaned up
    running = ["debian", "kcli", "xp", "pxe"]
    pids = {name: qemu_pid(f"{stack.prefix}-{name}") for name in running}

    told = json.loads(_run("discover", "--generate", folder, "--select", f"{stack.prefix}-*", "--json", capsys=capsys))
    assert {item["name"].rpartition("-")[2] for item in told["left"]} == {"macvtap", "off"}
    assert len([key for key in told["taken"] if key.startswith("vm.")]) == len(findings.names)
    _run("discover", "--generate", folder, capsys=capsys, code=1)  # nothing is overwritten

    shown = _run("plan", folder, capsys=capsys)
    assert f"Import: {len(told['taken'])} to take over, 0 held already, 0 not found" in shown
    assert "A plan after it is empty" in shown
    done = _run("apply", folder, "--yes", capsys=capsys)
    assert "No changes." in done
    assert "added outside" not in done
    assert {name: qemu_pid(f"{stack.prefix}-{name}") for name in running} == pids
    assert _looks(stack.prefix) == before
    listed = _run("discover", "-C", folder, "--json", capsys=capsys)
    objects = json.loads(listed)["hosts"][0]["objects"]
    owners = {item["name"]: item["owner"] for item in objects if item["kind"] == "vm"}
    assert all(owners[name]["stack"] == f"{stack.prefix}/dev" for name in findings.names)

    # From here on it is a stack as any other.
    program = (folder / "__main__.py").read_text()
    assert program.count("ignore_changes") == 1  # of the guest that is paused
    grown = re.sub(
        r'memory="(256|512)MiB",\n((?:    (?!opts).*\n)*)    running=False',
        r'memory="192MiB",\n\2    running=False',
        program,
    )
    assert grown.count('"192MiB"') > 8
    (folder / "__main__.py").write_text(grown.replace("autostart=True", 'autostart=True,\n    description="mine"'))
    _run("apply", folder, "--yes", capsys=capsys)
    assert "No changes." in _run("plan", folder, "--detailed-exitcode", capsys=capsys)
    but = ("memory", "currentMemory", "description")
    after, sizes = _looks(stack.prefix, but=but), _domains(stack.prefix)
    assert "<description>mine</description>" in sizes[f"{stack.prefix}-debian"].xml
    assert "196608</currentMemory>" in sizes[f"{stack.prefix}-pin"].xml
    assert {name: qemu_pid(f"{stack.prefix}-{name}") for name in running} == pids
    for name, record in before.items():
        kept = [line for line in record[0].splitlines() if not re.match(r"<(memory|currentMemory|description)\b", line)]
        # A volume of a pool and the file in it are the same; a definition that is written says the file.
        kept = [line for line in kept if not re.match(r'<disk type="volume"|<source pool=', line)]
        missing = set(kept) - set(after[name][0].splitlines())
        assert not missing, (name, missing)
