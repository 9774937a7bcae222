"""kcli in an environment of its own, doing the work that vmstack is measured on."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

POOL = "kcli-bench"


class Kcli:
    """A pool with a base image, and a kcli plan of linked clones with cloud-init seeds, not started."""

    def __init__(self, folder: Path, *, image: Path, count: int) -> None:
        self.folder = folder
        self.path = Path("/var/lib/libvirt/kcli-bench")
        self.environment = {**os.environ, "HOME": str(folder), "PATH": f"{folder}/venv/bin:{os.environ['PATH']}"}
        self.program = str(folder / "venv/bin/kcli")
        profile = {
            "type": "profile", "image": image.name, "pool": POOL, "numcpus": 1, "memory": 512, "disks": [10],
            "nets": [], "start": False, "cloudinit": True,
        }  # fmt: skip
        plan = {"bench": profile, **{f"kcli-bench-{number}": {"profile": "bench"} for number in range(count)}}
        (folder / "kcli_plan.yml").write_text(yaml.safe_dump(plan))
        self.image = image

    def install(self) -> str | None:
        """Install kcli; the reason as text where that cannot be done."""
        if not any(shutil.which(tool) for tool in ("mkisofs", "genisoimage", "xorrisofs")):
            return "kcli needs mkisofs, genisoimage or xorrisofs, and none is installed"
        for command in (
            [sys.executable, "-m", "venv", str(self.folder / "venv")],
            [str(self.folder / "venv/bin/pip"), "install", "-q", "kcli", "libvirt-python"],
        ):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                return done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "pip failed"
        return None

    def prepare(self) -> None:
        self.path.mkdir(exist_ok=True)
        shutil.copy(self.image, self.path / self.image.name)
        for words in (["pool-define-as", POOL, "dir", "--target", str(self.path)], ["pool-start", POOL]):
            subprocess.run(["virsh", "-q", *words], check=True, capture_output=True)

    def create(self) -> list[str]:
        return [self.program, "create", "plan", "-f", str(self.folder / "kcli_plan.yml"), "vmstack-bench"]

    def delete(self) -> list[str]:
        return [self.program, "delete", "plan", "-y", "vmstack-bench"]

    def close(self) -> None:
        for words in (["pool-destroy", POOL], ["pool-undefine", POOL]):
            subprocess.run(["virsh", "-q", *words], check=False, capture_output=True)
        shutil.rmtree(self.path, ignore_errors=True)
