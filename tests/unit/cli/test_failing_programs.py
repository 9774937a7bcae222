"""Programs that fail on a stack that exists: no plan, no delete, whatever the way they fail."""

# ruff: noqa: E501 - small programs stand on one line each in the table

import random

from tests.unit.cli.test_waves import run, write

PROGRAM = """
import pulumi
import pulumi_libvirt as libvirt

on = pulumi.ResourceOptions(provider=libvirt.Provider("kvm", uri="qemu:///system"))
pool = libvirt.Pool("pool", name="pool", type="dir", path="/pools/p", opts=on)
"""
MANY = "".join(f'libvirt.Volume("v-{n}", name="v-{n}", pool=pool.name, size=2**20, opts=on)\n' for n in range(10))
FAILURES = {
    "at top level": "1 / 0\n" + MANY,
    "in a function of an output": MANY.replace("v-9", "v-8b") + "pool.name.apply(lambda name: 1 / 0)\n",
    "after an await": "async def main():\n    import asyncio\n    await asyncio.sleep(0)\n    1 / 0\npulumi.run(main)\n",
    "in a helper": "import helper\n" + MANY,
    "half-way": MANY.replace('libvirt.Volume("v-5"', '1 / 0\nlibvirt.Volume("v-5"'),
    "by logging an error": "pulumi.log.error('no')\n",
    "by leaving with success": "import sys\nsys.exit(0)\n" + MANY,
    "by leaving with failure": "import sys\nsys.exit(1)\n" + MANY,
    "by an error for users": MANY + "raise pulumi.RunError('no')\n",
    "by being no Python": "def (\n",
    "by a failure of a resource that it hides": "try:\n    libvirt.Volume('v-0', size='x', opts=on)\nexcept Exception:\n    pass\n",
}


def test_no_failure_deletes_anything(folder, host, capsys):
    write(folder, PROGRAM + MANY)
    (folder / "helper.py").write_text("raise ValueError('no')\n")
    assert run("apply", folder, "--yes") == 0
    there = {record.name for record in host.volumes("pool")}
    assert len(there) == 10
    for case, body in FAILURES.items():
        write(folder, PROGRAM + body)
        capsys.readouterr()
        assert run("apply", folder, "--yes", "--allow-data-loss", "--allow-empty") == 1, case
        assert "destroy" not in capsys.readouterr().out, case
        assert {record.name for record in host.volumes("pool")} == there, case
    write(folder, PROGRAM + MANY)
    assert run("plan", folder, "--detailed-exitcode") == 0


def test_the_order_of_a_program_never_changes_its_plan(folder, host, capsys):
    lines = MANY.splitlines() + [
        f'libvirt.Domain("vm-{n}", network_interfaces=[{{"network_id": libvirt.Network("net-{n}", '
        f'addresses=["10.{n}.0.0/24"], opts=on).id, "wait_for_lease": True}}], opts=on)'
        for n in range(6)
    ]
    plans = set()
    for seed in range(4):
        shuffled = list(lines)
        random.Random(seed).shuffle(shuffled)
        # One line for all, so that the places are the same.
        write(folder, PROGRAM + "; ".join(shuffled) + "\n")
        capsys.readouterr()
        assert run("plan", folder, "--json") == 0
        plans.add(capsys.readouterr().out)
    assert len(plans) == 1
