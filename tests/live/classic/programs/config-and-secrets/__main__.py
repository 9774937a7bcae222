import json

import pulumi
import pulumi_libvirt as libvirt

config = pulumi.Config()
prefix = config.require("prefix")
password = config.require_secret("password")
login = config.get_object("login") or {"name": "admin", "shell": "/bin/sh"}

pool = libvirt.Pool("pool", name=f"{prefix}-secrets", type="dir", path=config.require("pool"))
user_data = pulumi.Output.all(password, login["name"]).apply(
    lambda known: (
        "#cloud-config\n"
        + json.dumps({"users": [{"name": known[1], "lock_passwd": False, "plain_text_passwd": known[0]}]})
    )
)
seed = libvirt.CloudInitDisk("seed", pool=pool.name, user_data=user_data)
libvirt.Domain(
    "safe",
    name=f"{prefix}-safe",
    memory=config.get_int("memory") or 32,
    running=config.get_bool("running") or False,
    cloudinit=seed.id,
)
pulumi.export("password", password)
pulumi.export("login", login["name"])
