from pathlib import Path

import pulumi
import pulumi_libvirt as libvirt

config = pulumi.Config()
prefix = config.require("prefix")
pool = libvirt.Pool("pool", name=f"{prefix}-micro", type="dir", path=config.require("pool"))
image = libvirt.Volume("microos", name="microos.qcow2", pool=pool.name, source=config.require("image"))
root = libvirt.Volume("root", name="micro-root.qcow2", pool=pool.name, base_volume_id=image.id)

script = (Path(__file__).parent / "script.sh").read_text().replace("HOSTNAME", "micro")
combustion = libvirt.Combustion("script", name="micro.sh", pool=pool.name, content=script)

libvirt.Domain(
    "micro",
    name=f"{prefix}-micro",
    memory=64,
    running=False,
    coreos_ignition=combustion.id,
    fw_cfg_name="opt/org.opensuse.combustion/script",
    disks=[{"volume_id": root.id}],
)
