"""What a `pulumi_libvirt` Domain can say beyond size, disks and NICs: libvirt takes it, changes and forgets it."""

import copy
import json
from pathlib import Path

import pytest

from tests.live.stack.virsh import virsh
from tests.live.stack.workbench import Stack

pytestmark = [pytest.mark.libvirt, pytest.mark.timeout(600)]

PROGRAM = """
import json
import pathlib

import pulumi
import pulumi_libvirt as libvirt

on = pulumi.ResourceOptions(provider=libvirt.Provider("kvm", uri="qemu:///system"))
pool = libvirt.Pool("pool", name="$prefix-pool", type="dir", path="$folder", opts=on)
data = libvirt.Volume("data", name="data.qcow2", pool=pool.name, size=2**20, opts=on)
given = json.loads(pathlib.Path("inputs.json").read_text())
for name, more in given.items():
    for disk in more.get("disks", []):
        if disk.get("volume_id"):
            disk["volume_id"] = data.id
    content = more.pop("content", None)
    if content:
        kind = libvirt.Combustion if name == "script" else libvirt.Ignition
        more["coreos_ignition"] = kind(name, pool=pool.name, content=content, opts=on).id
    libvirt.Domain(name, name=f"$prefix-{name}", memory=64, **{"running": False, **more}, opts=on)
"""
SHEET = """<?xml version="1.0"?>
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:output omit-xml-declaration="yes" indent="yes"/>
  <xsl:template match="node()|@*"><xsl:copy><xsl:apply-templates select="node()|@*"/></xsl:copy></xsl:template>
  <xsl:template match="/domain/devices"><xsl:copy><xsl:apply-templates select="node()|@*"/>
    <watchdog model="i6300esb" action="{action}"/></xsl:copy></xsl:template>
  <xsl:template match="/domain/cpu/@mode"><xsl:attribute name="mode">custom</xsl:attribute></xsl:template>
  <xsl:template match="/domain/features"><xsl:copy><xsl:apply-templates/><vmport state="off"/></xsl:copy></xsl:template>
</xsl:stylesheet>"""
CODE, VARS = "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"


def sheet(action: str) -> str:
    return SHEET.replace("{action}", action)


def inputs(prefix: str, folder: str) -> tuple[dict, dict, dict]:
    """Three programs: one that says everything, one that says something else everywhere, one that says nothing."""
    first = {
        "boot": {
            "arch": "x86_64", "emulator": "/usr/bin/qemu-system-x86_64", "kernel": f"{folder}/k1",
            "initrd": f"{folder}/i1", "cmdlines": [{"foo": 1, "_": "quiet"}, {"bar": "bye"}],
            "boot_devices": [{"devs": ["network", "hd"]}], "cpu": {"mode": "host-model"}, "video": {"type": "cirrus"},
            "graphics": {"type": "vnc", "listen_type": "none"},
            "metadata": '<app:info xmlns:app="urn:example:app"><app:owner>me</app:owner></app:info>',
        },
        "efi": {"firmware": CODE, "nvram": {"file": f"{folder}/{prefix}.fd", "template": VARS}},
        "disks": {
            "disks": [
                {"file": f"{folder}/one.iso"},
                {"volume_id": "data"},
                {"url": "https://images.example.test/a/live.iso?x=1"},
                {"file": f"{folder}/scsi.qcow2", "scsi": True, "wwn": "05abcd0123456789"},
                {"block_device": "/dev/loop7"},
            ],
        },
        "devices": {
            "filesystems": [
                {"source": "/srv", "target": "srv"}, {"source": "/tmp", "target": "tmp", "readonly": False},
            ],
            "network_interfaces": [{"macvtap": "lo"}, {"vepa": "lo"}, {"passthrough": "eth9"}],
            "consoles": [
                {"type": "tcp", "target_port": "0", "source_host": "127.0.0.1", "source_service": "45551"},
                {"type": "file", "target_port": "1", "source_path": "/tmp/serial.log"},
                {"type": "pty", "target_type": "virtio", "target_port": "4"},
                {"type": "unix", "target_type": "virtio", "target_port": "7", "source_path": "/tmp/hvc.sock"},
            ],
            "tpm": {
                "model": "tpm-crb", "backend_persistent_state": True,
                "backend_encryption_secret": "6dd3e4a5-1d76-44ce-961f-f119f5aad935",
            },
            "graphics": {"type": "vnc", "listen_type": "address", "websocket": 45701},
        },
        "styled": {"xml": {"xslt": sheet("reset")}, "disks": []},
        "ign": {"running": True, "content": '{"ignition": {"version": "3.4.0"}, "secret": "hunter2"}'},
        "script": {"content": "#!/bin/sh\necho 1\n", "fw_cfg_name": "opt/org.opensuse.combustion/script"},
    }  # fmt: skip
    second = copy.deepcopy(first)
    second["boot"] |= {
        "arch": "i686", "emulator": "/usr/bin/qemu-system-i386", "kernel": f"{folder}/k2", "initrd": f"{folder}/i2",
        "cmdlines": [{"foo": 2}], "boot_devices": [{"devs": ["hd", "cdrom"]}], "cpu": {"mode": "custom"},
        "video": {"type": "vga"}, "graphics": {"type": "vnc", "listen_type": "socket"},
        "metadata": '<app:info xmlns:app="urn:example:app"><app:owner>you</app:owner></app:info>',
    }  # fmt: skip
    second["efi"] = {"firmware": CODE.replace("_4M", ""), "nvram": {"file": f"{folder}/{prefix}-2.fd"}}
    second["disks"]["disks"] = [
        {"file": f"{folder}/two.iso"},
        {"volume_id": "data", "scsi": True, "wwn": "05abcd0123456780"},
        {"url": "https://images.example.test/a/other.iso"},
        {"file": f"{folder}/scsi.qcow2", "scsi": True, "wwn": "05abcd0123456788"},
        {"block_device": "/dev/loop6"},
    ]
    second["devices"] |= {
        "filesystems": [{"source": "/srv", "target": "srv", "accessmode": "passthrough"}],
        "network_interfaces": [{"vepa": "lo"}, {"macvtap": "eth9"}],
        "consoles": [{"type": "tcp", "target_port": "0", "source_service": "45552"}],
        "tpm": {"backend_type": "passthrough", "backend_device_path": "/dev/tpm1"},
        "graphics": {"type": "vnc", "listen_type": "address", "websocket": -1},
    }
    second["styled"]["xml"] = {"xslt": sheet("poweroff")}
    second["ign"]["content"] = '{"ignition": {"version": "3.5.0"}}'
    second["script"] |= {"content": "#!/bin/sh\necho 2\n", "fw_cfg_name": "opt/other"}
    return first, second, {name: {"running": name == "ign"} for name in first}


def say(stack: Stack, what: dict) -> None:
    (stack.folder / "inputs.json").write_text(json.dumps(what))


def test_everything_is_made_changed_and_forgotten(stack: Stack) -> None:
    before = stack.listed()
    first, second, third = inputs(stack.prefix, stack.pool_folder)
    stack.write(PROGRAM)

    say(stack, first)
    planned = stack.run("plan", "--json").out
    stack.apply()
    stack.is_converged()
    made = {name: virsh("dumpxml", "--inactive", stack.name(name)) for name in first}
    holds(stack, first, made)
    assert all("hunter2" not in text for text in (planned, str(stack.ledger()), *made.values()))
    assert stack.state("ign") == "running"  # QEMU could read the file

    # What somebody takes from what the stylesheet added comes back.
    define(made["styled"].replace("<vmport state='off'/>", ""), stack)
    changes = stack.plan()["changes"]
    assert [field["path"] for field in changes["vm.styled"]["fields"]] == ["stylesheet[/features/vmport]"]

    for wanted in (second, third):
        say(stack, wanted)
        changes = stack.plan()["changes"]
        assert {f"vm.{name}" for name in first} <= set(changes), changes.keys()
        assert changes["vm.ign"]["disruption"] == "next-boot"
        assert all(changes[f"vm.{name}"]["disruption"] == "none" for name in first if name != "ign")
        stack.apply()
        stack.is_converged()
        holds(stack, wanted, {name: virsh("dumpxml", "--inactive", stack.name(name)) for name in first})

    stack.destroy()
    assert stack.listed() == before


def define(xml: str, stack: Stack) -> None:
    path = stack.folder / "edited.xml"
    path.write_text(xml)
    virsh("define", str(path))


def holds(stack: Stack, what: dict, made: dict[str, str]) -> None:
    """Look at libvirt's own XML, not through vmstack's reading of it."""
    says = len(what["boot"]) > 1
    one = says and what["boot"]["arch"] == "x86_64"
    texts = {
        "boot": {
            "<cmdline>bar=bye foo=1 quiet</cmdline>": one,
            "<cmdline>": says,
            "<kernel>": says,
            "<initrd>": says,
            "type='cirrus'": one,
            "type='vga'": not one,
            "<listen type='none'/>": one,
            "<listen type='socket'": says and not one,
            "arch='i686'": says and not one,
            "<app:owner>me</app:owner>": one,
            "<app:owner>": says,
            "<boot dev='network'/>\n    <boot dev='hd'/>": one,
            "<boot dev='cdrom'/>": says and not one,
            "<cpu mode='host-model'": one,
            "<cpu mode='maximum'": not says,
        },
        "efi": {f">{CODE}</loader>": one, "type='pflash'>": says, f"template='{VARS}'": one, "<nvram": says},
        "disks": {
            "type='network' device='cdrom'": says,
            "name='a/live.iso' query='x=1'": one,
            "one.iso": one,
            "two.iso": says and not one,
            "<wwn>05abcd0123456789</wwn>": one,
            "<source dev='/dev/loop7'": one,
            "<source dev='/dev/loop6'": says and not one,
        },
        "devices": {
            "<source dev='lo' mode='bridge'/>": one,
            "<source dev='lo' mode='vepa'/>": says,
            "<source dev='eth9' mode='passthrough'/>": one,
            "service='45551'": one,
            "service='45552'": says and not one,
            "<serial type='file'>": one,
            "<console type='unix'>": one,
            "<filesystem": says,
            "accessmode='passthrough'": says and not one,
            "<tpm model='tpm-crb'>": one,
            "<encryption secret='6dd3e4a5-1d76-44ce-961f-f119f5aad935'/>": one,
            "<device path='/dev/tpm1'/>": says and not one,
            "websocket='45701'": one,
            "websocket='-1'": says and not one,
        },
        "styled": {
            "<watchdog model='i6300esb' action='reset'": one,
            "<watchdog model='i6300esb' action='poweroff'": says and not one,
            "<vmport state='off'/>": says,
            "<cpu mode='custom'": says,
            "stylesheet=": says,
        },
        "ign": {"<entry name='opt/com.coreos/config'": says},
        "script": {
            "<entry name='opt/org.opensuse.combustion/script'": one,
            "<entry name='opt/other'": says and not one,
        },
    }
    wrong = [
        (name, text)
        for name, all_ in texts.items()
        for text, is_there in all_.items()
        if (text in made[name]) is not is_there
    ]
    assert wrong == []
    files = [path for path in Path(stack.pool_folder).glob("*.ign") if path.name.startswith(("script", "ign"))]
    contents = {path.read_text() for path in files}
    wanted = {what[name]["content"] for name in ("ign", "script") if says}
    # A running guest keeps the file that it was started with.
    assert wanted <= contents
    assert len(contents) <= len(wanted) + 1
