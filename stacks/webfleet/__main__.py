"""A dozen machines: web servers and a load balancer on one network, databases with data disks on another."""

import os
from pathlib import Path

import pulumi

from vmstack import CloudInit, Disk, Host, Image, Network, StoragePool, VirtualMachine

config = pulumi.Config()
cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
built = str(cache / "vmstack" / "images" / "debian-12-small.qcow2")  # `make image`

stack = pulumi.get_stack()
domain = config.require("domain")
web_count = config.require_int("web_count")
common = {
    "domain": domain,
    "stack": stack,
    "operators": config.require_object("operators"),
    "packages": config.require_object("packages"),
}

kvm = Host("kvm", uri=config.require("uri"))
# The stack's name in every name that the host sees, and networks of its own: dev and prod can share a host.
pool = StoragePool("webfleet", label=f"webfleet-{stack}", path=f"/var/lib/libvirt/vmstack-webfleet-{stack}", host=kvm)
debian = Image("debian-12", source=config.get("image") or built, sha256=config.get("sha256"))
front = Network("front", label=f"{stack}-front", cidr=config.require("front"), domain=domain, host=kvm)
back = Network("back", label=f"{stack}-back", cidr=config.require("back"), mode="isolated", host=kvm)


class Tier(pulumi.ComponentResource):
    """Machines of one role, which differ in their number only."""

    def __init__(self, role: str, count: int, *, first: int, **settings):
        super().__init__("webfleet:Tier", role)
        networks, disks = settings.pop("networks"), settings.pop("disks", ())
        variables = settings.pop("variables", {})
        self.machines = [
            VirtualMachine(
                f"{role}-{number}",
                label=f"{stack}-{role}-{number}",
                pool=pool,
                image=debian,
                disk="4GiB",
                networks=[network.at(first + number) for network in networks],
                disks=[Disk(name, size=size) for name, size in disks],
                cloud_init=CloudInit.template(f"{role}.yaml.j2", role=role, number=number, **common, **variables),
                opts=pulumi.ResourceOptions(parent=self, **settings.get("options", {})),
                **{key: value for key, value in settings.items() if key != "options"},
            )
            for number in range(count)
        ]
        self.register_outputs({})


databases = Tier(
    "database",
    3,
    first=10,
    networks=[back],
    memory="512MiB",
    disks=[("data", config.require("database_size"))],
)
web = Tier(
    "web",
    web_count,
    first=20,
    networks=[front, back],
    memory=config.require("web_memory"),
    variables={"port": 8080, "databases": [vm.ip for vm in databases.machines]},
    options={"depends_on": [databases]},
)
balancer = Tier(
    "balancer",
    1,
    first=100,
    networks=[front],
    memory="512MiB",
    variables={"port": 8080, "backends": {vm.name: vm.ip for vm in web.machines}},
    options={"depends_on": [web]},
)

pulumi.export("balancer", balancer.machines[0].ip)
pulumi.export("web", {vm.name: vm.ip for vm in web.machines})
pulumi.export("databases", {vm.name: vm.ip for vm in databases.machines})
