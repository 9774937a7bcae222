"""Measure vmstack against bare scripts that do the same work, side by side in one run.

    .venv/bin/python benchmarks/run.py [help] [read] [create] [scale] [kcli] [classic] [fleet]
                                       [--runs N] [--count N] [--json FILE]

Without names it runs all. Whole processes are timed, each pair in turn (A B A B ...), because these figures are worth
something only as differences and ratios of one run. `read`, `create` and `fleet` need qemu:///system and root; they use
the pools and networks `vmstack-bench` and `vmstack-classic` and the domains `bench-*`, `bare-*` and `classic-*`, and
remove them at the end. `classic` and `fleet` are of programs of `pulumi_libvirt`, with COUNT domains, volumes and
cloud-init disks.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import classic
from kcli import Kcli

HERE = Path(__file__).parent
VMSTACK = str(Path(sys.executable).parent / "vmstack")
BARE = str(HERE / "bare.py")
POOL = "vmstack-bench"
_TIMEOUT = 300  # seconds; what takes that long hangs
_NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"

PROGRAM = """\
import pulumi
from vmstack import CloudInit, Host, Image, Network, StoragePool, VirtualMachine

config = pulumi.Config()
kvm = Host("local", uri="qemu:///system")
pool = StoragePool("vmstack-bench", path=config.require("path"), host=kvm)
lan = Network("vmstack-bench", cidr="10.216.0.0/16", mode="isolated", host=kvm)
image = Image("bench", source=config.require("image"), format="qcow2")
fixed = config.get_bool("fixed")  # on a network that runs, libvirt takes reservations one by one, and slowly
for number in range(config.require_int("count")):
    VirtualMachine(
        f"bench-{number}", host=kvm, pool=pool, image=image, vcpus=1, memory="512MiB", disk="10GiB", running=False,
        networks=[lan.at(256 + number) if fixed else lan.dhcp()], cloud_init=CloudInit(hostname=f"bench-{number}"),
    )
"""


class Bench:
    """A scratch project, and the figures found so far."""

    def __init__(self, *, runs: int, count: int) -> None:
        self.runs = runs
        self.count = count
        self.figures: list[dict[str, object]] = []
        self.folder = Path(tempfile.mkdtemp(prefix="vmstack-bench-"))
        self.pool_path = Path("/var/lib/libvirt/vmstack-bench")
        self.image = self.folder / "base.qcow2"
        (self.folder / "Pulumi.yaml").write_text("name: bench\nruntime: python\n")
        (self.folder / "Pulumi.dev.yaml").write_text("config: {}\n")
        (self.folder / "__main__.py").write_text(PROGRAM)
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", self.image, "1G"], check=True)
        self.destroy()  # what a run before left that was cut off

    def vmstack(self, command: str, *options: str, count: int, fixed: bool = False) -> list[str]:
        config = {"count": str(count), "path": str(self.pool_path), "image": str(self.image), "fixed": str(fixed)}
        pairs = [part for key, value in config.items() for part in ("-c", f"{key}={value}")]
        return [VMSTACK, command, str(self.folder), *pairs, *options]

    def apply(self, *, count: int, fixed: bool = False) -> list[str]:
        return self.vmstack("apply", "--yes", "--allow-data-loss", count=count, fixed=fixed)

    def destroy(self) -> None:
        run(self.vmstack("destroy", "--yes", "--allow-data-loss", count=0))

    def record(self, name: str, *, ours: float, theirs: float, limit: str, holds: bool, against: str) -> None:
        figure = {
            "name": name, "vmstack": round(ours, 4), "against": against, "other": round(theirs, 4),
            "difference": round(ours - theirs, 4), "ratio": round(ours / theirs, 3), "limit": limit, "holds": holds,
        }  # fmt: skip
        self.figures.append(figure)
        verdict = "holds" if holds else "FALLS SHORT"
        print(
            f"{name:34} vmstack {ours:8.3f}   {against} {theirs:8.3f}   difference {ours - theirs:+8.3f}"
            f"   ratio {ours / theirs:7.2f}   limit: {limit}: {verdict}",
            flush=True,
        )

    def close(self) -> None:
        self.destroy()
        shutil.rmtree(self.folder)


def run(command: list[str], *, environment: dict[str, str] | None = None) -> float:
    """Run a whole process to its end and return its wall time in seconds; a failing command ends the benchmark."""
    # An installed package has its bytecode; a checkout gets it in the uncounted round, whatever the shell says.
    variables = {name: value for name, value in (environment or os.environ).items() if name != _NO_BYTECODE}
    begin = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=variables, timeout=_TIMEOUT)
    elapsed = time.perf_counter() - begin
    if done.returncode:
        sys.exit(f"{' '.join(command)} exited with {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    return elapsed


def alternate(ours: Callable[[], float], theirs: Callable[[], float], *, runs: int) -> tuple[float, float]:
    """Medians of two measurements taken in turn, after one uncounted round."""
    ours(), theirs()
    pairs = [(ours(), theirs()) for _ in range(runs)]
    return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)


def measure_help(bench: Bench) -> None:
    bare = [sys.executable, "-c", "pass"]
    ours, theirs = alternate(lambda: run([VMSTACK, "--help"]), lambda: run(bare), runs=bench.runs * 2)
    bench.record(
        "vmstack --help",
        ours=ours,
        theirs=theirs,
        against="python -c pass",
        limit="+0.25 s",
        holds=ours - theirs <= 0.25,
    )


def measure_read(bench: Bench) -> None:
    for count, allowance in ((100, 0.8), (1000, 2.5)):
        run(bench.apply(count=count, fixed=True))
        plan = bench.vmstack("plan", "--detailed-exitcode", count=count, fixed=True)
        bare = [sys.executable, BARE, "read", POOL]
        ours, theirs = alternate(lambda plan=plan: run(plan), lambda bare=bare: run(bare), runs=bench.runs)
        bench.record(
            f"no-op plan, {count} VMs", ours=ours, theirs=theirs, against="bare reads", limit=f"+{allowance} s",
            holds=ours - theirs <= allowance,
        )  # fmt: skip
        bench.destroy()


def measure_create(bench: Bench) -> None:
    run(bench.apply(count=1))
    base = next(
        path.name
        for path in bench.pool_path.iterdir()
        if path.name.startswith("bench-") and "seed" not in path.name and "root" not in path.name
    )

    def ours() -> float:
        elapsed = run(bench.apply(count=101))
        run(bench.apply(count=1))
        return elapsed

    def theirs() -> float:
        elapsed = run([sys.executable, BARE, "create", POOL, base, "100"])
        run([sys.executable, BARE, "remove", "bare-", POOL])
        return elapsed

    a, b = alternate(ours, theirs, runs=bench.runs)
    bench.record(
        "create 100 linked clones", ours=a, theirs=b, against="bare, 8 threads", limit="1.6 times", holds=a / b <= 1.6
    )


def measure_scale(bench: Bench) -> None:
    counts = (1000, 10000)
    found: dict[int, list[dict[str, float]]] = {count: [] for count in counts}
    for _ in range(bench.runs):
        for count in counts:
            command = [sys.executable, str(HERE / "scale.py"), str(count)]
            text = subprocess.run(command, check=True, capture_output=True, text=True, timeout=_TIMEOUT).stdout
            found[count].append(json.loads(text))
    per_vm = {count: statistics.median(one["seconds"] for one in found[count]) / count for count in counts}
    peak = {count: max(one["peak_mib"] for one in found[count]) for count in counts}
    bench.record(
        "plan per VM (ms), 10,000 VMs", ours=per_vm[10000] * 1000, theirs=per_vm[1000] * 1000, against="at 1,000 VMs",
        limit="1.0 times, 10 % noise", holds=per_vm[10000] <= per_vm[1000] * 1.1,
    )  # fmt: skip
    bench.record(
        "peak memory (MiB), 10,000 VMs", ours=peak[10000], theirs=500, against="allowed", limit="500 MiB",
        holds=peak[10000] < 500,
    )  # fmt: skip


def spend(command: list[str]) -> tuple[float, float]:
    """Run a whole process; its wall and CPU seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    wall = run(command)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def evaluate_classic(who: str, program: str, *, count: int) -> dict[str, float]:
    """Evaluate in a fresh process; its wall and CPU seconds and its peak MiB."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.perf_counter()
    command = [sys.executable, str(HERE / "classic.py"), who, program, str(count)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    wall = time.perf_counter() - begin
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{' '.join(command)} exited with {done.returncode}:\n{done.stderr[-4000:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall": wall, "cpu": cpu, "peak": json.loads(done.stdout)["peak_mib"]}


def measure_classic(bench: Bench) -> None:
    """CPU time beside wall time: what else the machine does weighs on the one and hardly on the other."""
    count = bench.count
    evaluate_classic("vmstack", "fleet", count=1)  # compiles what is not compiled yet
    rounds = [
        (evaluate_classic("vmstack", "fleet", count=count), evaluate_classic("mocks", "fleet", count=count))
        for _ in range(bench.runs)
    ]
    for what, title in (("wall", "wall"), ("cpu", "CPU")):
        ours, theirs = (statistics.median(pair[side][what] for pair in rounds) for side in (0, 1))
        bench.record(
            f"evaluate {count} of each, {title} (s)", ours=ours, theirs=theirs, against="SDK's mocks",
            limit="0.4 times", holds=ours / theirs <= 0.4,
        )  # fmt: skip
    ours, theirs = (statistics.median(pair[side]["peak"] for pair in rounds) for side in (0, 1))
    bench.record(
        f"evaluate {count} of each, peak (MiB)", ours=ours, theirs=theirs, against="SDK's mocks", limit="+300 MiB",
        holds=ours - theirs <= 300,
    )  # fmt: skip
    chain = statistics.median(evaluate_classic("vmstack", "chain", count=count)["wall"] for _ in range(bench.runs))
    bench.record(
        f"chain of {count} by depends_on (s)", ours=chain, theirs=5.0, against="allowed", limit="5 s", holds=chain <= 5
    )


def measure_fleet(bench: Bench) -> None:
    """A plan with nothing to do, on a host that holds the fleet, against evaluating it."""
    folder = bench.folder / "classic"
    folder.mkdir()
    classic.write_project(folder, program="fleet")

    def command(name: str, *options: str) -> list[str]:
        return [VMSTACK, name, str(folder), "-c", f"count={bench.count}", "-c", f"path={classic.PATH}", *options]

    rounds = []
    try:
        run(command("apply", "--yes"))
        plan, validate = command("plan", "--detailed-exitcode"), command("validate")
        rounds = [(spend(plan), spend(validate)) for _ in range(bench.runs + 1)][1:]
    finally:
        run(command("destroy", "--yes", "--allow-data-loss"))
    # The processor's time says how much work it is, by however many processes; what people wait for has the limit.
    for index, title, limit in ((0, "wall", 1.0), (1, "CPU", None)):
        ours, theirs = (statistics.median(pair[side][index] for pair in rounds) for side in (0, 1))
        bench.record(
            f"no-op plan, {bench.count} of each, {title}", ours=ours, theirs=theirs, against="evaluation",
            limit="none" if limit is None else f"+{limit} s", holds=limit is None or ours - theirs <= limit,
        )  # fmt: skip


def measure_kcli(bench: Bench) -> None:
    """Not a limit of ours: what the nearest tool of the trade needs for comparable work."""
    folder = bench.folder / "kcli"
    folder.mkdir()
    kcli = Kcli(folder, image=bench.image, count=100)
    reason = kcli.install()
    if reason:
        print(f"kcli is left out: {reason}", flush=True)
        return
    run(bench.apply(count=1))
    kcli.prepare()
    try:
        ours = run(bench.apply(count=101))
        theirs = run(kcli.create(), environment=kcli.environment)
        bench.record("create 100 linked clones", ours=ours, theirs=theirs, against="kcli", limit="none", holds=True)
        plan = bench.vmstack("plan", "--detailed-exitcode", count=101)
        a, b = alternate(lambda: run(plan), lambda: run(kcli.create(), environment=kcli.environment), runs=bench.runs)
        bench.record("nothing to do, 100 VMs", ours=a, theirs=b, against="kcli", limit="none", holds=True)
    finally:
        run(kcli.delete(), environment=kcli.environment)
        kcli.close()
    run(bench.apply(count=1))


MEASUREMENTS = {
    "help": measure_help,
    "read": measure_read,
    "create": measure_create,
    "scale": measure_scale,
    "kcli": measure_kcli,
    "classic": measure_classic,
    "fleet": measure_fleet,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[[], *MEASUREMENTS], default=[])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    bench = Bench(runs=arguments.runs, count=arguments.count)
    try:
        for name in arguments.names or MEASUREMENTS:
            MEASUREMENTS[name](bench)
    finally:
        bench.close()
    report = {"cpus": os.cpu_count(), "runs": arguments.runs, "figures": bench.figures}
    text = json.dumps(report, indent=2)
    if arguments.json:
        arguments.json.write_text(text + "\n")
    else:
        print(text)
    sys.exit(0 if all(figure["holds"] for figure in bench.figures) else 1)


if __name__ == "__main__":
    main()
