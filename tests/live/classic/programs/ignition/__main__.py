import json

import pulumi
import pulumi_libvirt as libvirt

config = pulumi.Config()
prefix = config.require("prefix")
pool = libvirt.Pool("pool", name=f"{prefix}-coreos", type="dir", path=config.require("pool"))
image = libvirt.Volume("coreos", name="coreos.qcow2", pool=pool.name, source=config.require("image"))

document = {
    "ignition": {"version": "3.3.0"},
    "passwd": {"users": [{"name": "core", "sshAuthorizedKeys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIexample"]}]},
}
ignition = libvirt.Ignition("config", name="core.ign", pool=pool.name, content=json.dumps(document))
root = libvirt.Volume("root", name="core-root.qcow2", pool=pool.name, base_volume_id=image.id)

libvirt.Domain(
    "core",
    name=f"{prefix}-core",
    memory=64,
    coreos_ignition=ignition.id,
    fw_cfg_name="opt/com.coreos/config",
    disks=[{"volume_id": root.id}],
)
