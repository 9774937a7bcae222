"""Two virtual machines on a network of their own, ready for ssh."""

import os
from pathlib import Path

import pulumi

from vmstack import CloudInit, Host, Image, Network, StoragePool, VirtualMachine

config = pulumi.Config()
# `make demo` builds this image.
cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
built = str(cache / "vmstack" / "images" / "debian-12-small.qcow2")
# Whoever runs this may log in, with the key that is in ~/.ssh, unless the configuration names another.
own_keys = [Path("~/.ssh", name).expanduser() for name in ("id_ed25519.pub", "id_ecdsa.pub", "id_rsa.pub")]
own_key = next((path.read_text().strip() for path in own_keys if path.is_file()), None)
ssh_key = config.get("ssh_key") or own_key
keys = {"ssh_authorized_keys": [ssh_key]} if ssh_key else {}

kvm = Host("kvm", uri=config.get("uri") or "qemu:///system")
pool = StoragePool("quickstart", path="/var/lib/libvirt/vmstack-quickstart", host=kvm)
lan = Network("quickstart", cidr="10.77.20.0/24", host=kvm)
debian = Image("debian-12", source=config.get("image") or built, sha256=config.get("sha256"))

for number, name in enumerate(["alpha", "beta"]):
    vm = VirtualMachine(
        name,
        pool=pool,
        image=debian,
        vcpus=1,
        memory="512MiB",
        disk="4GiB",
        networks=[lan.at(10 + number)],
        wait="20min",  # emulated guests on a busy machine take their time
        cloud_init=CloudInit(
            hostname=name,
            users=[{"name": "ops", "shell": "/bin/bash", "sudo": "ALL=(ALL) NOPASSWD:ALL", **keys}],
            write_files=[{"path": "/etc/motd", "content": f"This is {name} of the stack {pulumi.get_stack()}.\n"}],
        ),
    )
    pulumi.export(f"{name}_ip", vm.ip)
    pulumi.export(f"{name}_uuid", vm.uuid)
