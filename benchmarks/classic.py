"""Evaluate a `pulumi_libvirt` program in a fresh process, by vmstack's engine or by the SDK's own mocks.

    classic.py vmstack fleet COUNT      COUNT domains, volumes and cloud-init disks
    classic.py mocks fleet COUNT
    classic.py vmstack chain COUNT      COUNT volumes, each of which depends on the one before

Prints the resources seen, and the peak MiB and CPU seconds of the process as JSON.
"""

import json
import resource
import sys
import tempfile
from pathlib import Path

PROGRAMS = {
    "fleet": """\
import pulumi
import pulumi_libvirt as libvirt

config = pulumi.Config()
pool = libvirt.Pool("pool", name="vmstack-classic", type="dir", path=config.require("path"))
lan = libvirt.Network("lan", name="vmstack-classic", mode="none", addresses=["10.215.0.0/16"], dhcp={"enabled": True})
base = libvirt.Volume("base", name="classic-base", pool=pool.name, size=1 << 30, format="qcow2")
for number in range(config.require_int("count")):
    name = f"classic-{number}"
    root = libvirt.Volume(f"{name}-root", name=f"{name}.qcow2", pool=pool.name, base_volume_id=base.id)
    init = libvirt.CloudInitDisk(
        f"{name}-init", name=f"{name}.iso", pool=pool.name, user_data=f"#cloud-config\\nhostname: {name}\\n"
    )
    libvirt.Domain(
        name,
        name=name,
        vcpu=1,
        memory=512,
        running=False,
        cloudinit=init.id,
        disks=[libvirt.DomainDiskArgs(volume_id=root.id)],
        network_interfaces=[libvirt.DomainNetworkInterfaceArgs(network_id=lan.id, hostname=name)],
        consoles=[libvirt.DomainConsoleArgs(type="pty", target_port="0", target_type="serial")],
    )
""",
    "chain": """\
import pulumi
import pulumi_libvirt as libvirt

config = pulumi.Config()
pool = libvirt.Pool("pool", name="vmstack-classic", type="dir", path=config.require("path"))
last = pool
for number in range(config.require_int("count")):
    last = libvirt.Volume(
        f"classic-{number}", name=f"classic-{number}", pool="vmstack-classic", size=1 << 20,
        opts=pulumi.ResourceOptions(depends_on=[last]),
    )
""",
}
PATH = "/var/lib/libvirt/vmstack-classic"
# What the fleet has besides: a pool, a network, a base volume.
MORE = {"fleet": 3, "chain": 1}


def write_project(folder: Path, *, program: str) -> None:
    (folder / "Pulumi.yaml").write_text("name: classic\nruntime: python\n")
    (folder / "Pulumi.dev.yaml").write_text("config:\n  libvirt:uri: qemu:///system\n")
    (folder / "__main__.py").write_text(PROGRAMS[program])


def by_vmstack(folder: Path, *, count: int) -> int:
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from vmstack.cli.collector import relax_collector
    from vmstack.evaluate.program import evaluate

    relax_collector()  # as the command does
    desired = evaluate(folder, config={"count": str(count), "path": PATH})
    return sum(resource.key.kind.value in ("vm", "volume", "seed", "pool", "network") for resource in desired.resources)


def by_mocks(folder: Path, *, count: int) -> int:
    """As the SDK's documentation has unit tests of programs evaluate them."""
    import pulumi

    seen: list[str] = []

    class Mocks(pulumi.runtime.Mocks):
        def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict]:
            seen.append(args.typ)
            return f"{args.name}-id", args.inputs

        def call(self, args: pulumi.runtime.MockCallArgs) -> dict:
            return {}

    pulumi.runtime.set_mocks(Mocks(), project="classic", stack="dev", preview=False)
    values = {
        "classic:count": str(count),
        "classic:path": PATH,
        "libvirt:uri": "qemu:///system",
    }
    pulumi.runtime.set_all_config(values)
    code = compile((folder / "__main__.py").read_text(), "__main__.py", "exec")

    @pulumi.runtime.test
    def run() -> None:
        exec(code, {"__name__": "__main__"})

    run()
    return sum(kind.startswith("libvirt:") for kind in seen)


def main() -> None:
    who, program, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    with tempfile.TemporaryDirectory() as name:
        write_project(Path(name), program=program)
        found = {"vmstack": by_vmstack, "mocks": by_mocks}[who](Path(name), count=count)
    wanted = MORE[program] + count * (3 if program == "fleet" else 1)
    if found != wanted:
        sys.exit(f"{found} resources were seen, and there are {wanted}")
    usage = resource.getrusage(resource.RUSAGE_SELF)
    report = {"resources": found, "cpu": usage.ru_utime + usage.ru_stime, "peak_mib": usage.ru_maxrss / 1024}
    print(json.dumps(report), flush=True)


if __name__ == "__main__":
    main()
