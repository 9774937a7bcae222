"""Evaluate and plan COUNT native VMs against an empty fake host, in a fresh process.

Prints seconds and peak MiB as JSON.
"""

import json
import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.fake.host import FakeHost
from vmstack.cli.collector import relax_collector
from vmstack.evaluate.program import evaluate
from vmstack.hosts.observe import observe
from vmstack.model.observed import ImageFacts
from vmstack.plan.placement import place
from vmstack.plan.planner import make_plan
from vmstack.plan.policy import PlanPolicy
from vmstack.plan.scope import scope_of

PROGRAM = """\
from vmstack import CloudInit, Host, Image, Network, StoragePool, VirtualMachine

kvm = Host("local", uri="qemu:///system")
pool = StoragePool("bench", path="/var/lib/libvirt/bench", host=kvm)
lan = Network("bench", cidr="10.216.0.0/16", mode="isolated", host=kvm)
image = Image("bench", source="/nowhere/base.qcow2", format="qcow2", sha256="{digest}")
for number in range({count}):
    VirtualMachine(
        f"bench-{{number}}", host=kvm, pool=pool, image=image, vcpus=1, memory="512MiB", disk="10GiB", running=False,
        networks=[lan.at(256 + number)], cloud_init=CloudInit(hostname=f"bench-{{number}}"),
    )
"""


def main() -> None:
    count = int(sys.argv[1])
    relax_collector()  # as the command does
    digest = "0" * 64
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "Pulumi.yaml").write_text("name: bench\nruntime: python\n")
        (folder / "__main__.py").write_text(PROGRAM.format(count=count, digest=digest))
        begin = time.perf_counter()
        desired = evaluate(folder)
        observed = observe({"local": FakeHost()}, stack=desired.stack, scopes=scope_of(desired))
        images = {"bench": ImageFacts(name="bench", sha256=digest, format="qcow2", virtual_size=2**30)}
        plan = make_plan(place(desired, observed), observed, policy=PlanPolicy(), images=images)
        seconds = time.perf_counter() - begin
    if len(plan.changes) < count:
        sys.exit(f"only {len(plan.changes)} changes were planned")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        json.dumps({"vms": count, "seconds": round(seconds, 3), "peak_mib": round(peak, 1), "steps": len(plan.steps)})
    )


if __name__ == "__main__":
    main()
