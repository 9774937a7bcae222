"""The shortcuts through the SDK change nothing but the time: programs are the same with and without them."""

import re
import textwrap
from pathlib import Path

import pytest

from vmstack.errors import VmstackError
from vmstack.evaluate.engine import tuning
from vmstack.evaluate.program import evaluate

_HEAD = """
import asyncio
import pulumi
import pulumi_libvirt as libvirt

pool = libvirt.Pool("pool", name="p", type="dir", path="/pools/p")
lan = libvirt.Network("lan", name="lan", addresses=["10.1.0.0/24"])
root = libvirt.Volume("root", pool=pool.name, size=1 << 30)
"""
PROGRAMS = {
    "outputs of all sorts": """
        web = libvirt.Domain("web", disks=[{"volume_id": root.id}], network_interfaces=[{"network_id": lan.id}])
        pulumi.export("id", web.id)
        pulumi.export("never asked", web.description)
        pulumi.export("not known", web.emulator)
        pulumi.export("nested", web.network_interfaces[0].mac)
        pulumi.export("applied", pulumi.Output.all(pool.path, lan.name).apply(lambda both: "/".join(both)))
        pulumi.export("secret", pulumi.Output.secret(root.name).apply(lambda text: text + "!"))
        pulumi.export("lifted", pulumi.Output.concat(pool.name, "-", root.size.apply(str)))
        pulumi.export("format", pulumi.Output.format("{0} {name}", lan.mode, name=root.name))
        pulumi.export("json", pulumi.Output.json_dumps({"a": root.id, "b": [pool.name]}))
    """,
    "components, dependencies and transforms": """
        class Pair(pulumi.ComponentResource):
            def __init__(self, name, opts=None):
                super().__init__("unit:Pair", name, {}, opts)
                own = pulumi.ResourceOptions(parent=self, depends_on=[root])
                self.disks = [libvirt.Volume(f"{name}-{n}", pool=pool.name, size=1 << 20, opts=own) for n in "ab"]
                self.register_outputs({"names": [disk.name for disk in self.disks]})

        def bigger(args):
            if args.type_.endswith(":Volume"):
                return pulumi.ResourceTransformResult(props={**args.props, "size": 1 << 21}, opts=args.opts)

        first = Pair("first", pulumi.ResourceOptions(transforms=[bigger], protect=True))
        second = Pair("second", pulumi.ResourceOptions(depends_on=[first]))
        pulumi.export("names", [disk.name for disk in second.disks])
    """,
    "secrets as inputs": """
        text = pulumi.Output.secret("#cloud-config\\n")
        init = libvirt.CloudInitDisk("init", pool=pool.name, user_data=text)
        libvirt.Domain("web", cloudinit=init.id, disks=[libvirt.DomainDiskArgs(volume_id=root.id)])
    """,
    "a value that is awaited": """
        async def later():
            await asyncio.sleep(0)
            return 1 << 22

        other = libvirt.Volume("other", pool=pool.name, size=pulumi.Output.from_input(later()))
        pulumi.export("size", other.size)
        pulumi.export("known", other.size.is_known())
    """,
    "a function of an output that fails": """
        root.name.apply(lambda name: 1 / 0)
    """,
    "a resource that fails, whose outputs others use": """
        bad = libvirt.Volume("bad", pool=pool.name, size=-1)
        libvirt.Domain("web", disks=[{"volume_id": bad.id}], description=bad.name)
        pulumi.export("name", bad.name)
    """,
    "an input of no kind": """
        libvirt.Volume("bad", pool=pool.name, size=object())
    """,
    "a circle": """
        a = libvirt.Volume("a", pool=pool.name, size=1, opts=pulumi.ResourceOptions(depends_on=[root]))
        root.__dict__.setdefault("later", a)
    """,
}


def _evaluate(folder: Path) -> object:
    try:
        return evaluate(folder, stack="dev")
    except VmstackError as error:
        return re.sub("0x[0-9a-f]+", "0x", str(error)).splitlines()[0]


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_are_the_same_with_and_without(program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: unit\nruntime: python\n")
    (tmp_path / "Pulumi.dev.yaml").write_text("config:\n  libvirt:uri: qemu:///system\n")
    (tmp_path / "__main__.py").write_text(_HEAD + textwrap.dedent(PROGRAMS[program]))
    assert tuning._KNOWN
    tuned = _evaluate(tmp_path)
    monkeypatch.setattr(tuning, "_KNOWN", ("0.0.0.",))
    assert _evaluate(tmp_path) == tuned
