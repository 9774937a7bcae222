from pathlib import Path

import pulumi
import pulumi_libvirt as libvirt

config = pulumi.Config()
prefix = config.require("prefix")
here = Path(__file__).parent


def sheet(name: str) -> str:
    return (here / f"{name}.xsl").read_text()


pool = libvirt.Pool("pool", name=f"{prefix}-xslt", type="dir", path=config.require("pool"))
disk = libvirt.Volume(
    "disk", name="disk.qcow2", pool=pool.name, size=1024**2, xml=libvirt.VolumeXmlArgs(xslt=sheet("volume"))
)
net = libvirt.Network(
    "net",
    name=f"{prefix}-xslt",
    addresses=[f"{config.require('subnet')}.0/24"],
    xml={"xslt": sheet("network")},
)
libvirt.Domain(
    "vm",
    name=f"{prefix}-xslt",
    memory=64,
    running=False,
    disks=[{"volume_id": disk.id}],
    network_interfaces=[{"network_id": net.id}],
    xml=libvirt.DomainXmlArgs(xslt=sheet("domain")),
)
