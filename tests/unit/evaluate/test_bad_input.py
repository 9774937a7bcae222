"""Every wrong value is refused at the call, by name, with the program's file and line."""

import pytest

from vmstack.errors import ConflictError, InputError

VM = 'VirtualMachine("a", pool=pool, image=image, {})  # here'

CASES = {
    # Names and texts.
    "name empty": ('Host("")  # here', "name: '' is not a name"),
    "name with a slash": ('StoragePool("a/b", path="/p")  # here', "name: 'a/b' is not a name"),
    "name with markup": ('VirtualMachine("<b>")  # here', "name: '<b>' is not a name"),
    "name too long": ('VirtualMachine("a" * 64)  # here', "is not a name"),
    "name not a string": ("VirtualMachine(7)  # here", "name: 7 is not a name"),
    "label with a newline": (VM.format(r'label="a\nb"'), "vm.a: label: 'a\\nb' is not a name"),
    "control character": (VM.format(r'description="a\x1bb"'), "vm.a: description: character 2 is U+001B"),
    "half of a character": (VM.format(r'description="\ud800"'), "description: character 1 is U+D800"),
    "control character in a URI": (r'Host("h", uri="qemu:///sys\x00tem")  # here', "uri: character 12 is U+0000"),
    "control character in a path": (r'StoragePool("p", path="/a\tb")  # here', "pool.p: path: character 3 is U+0009"),
    "host name": ('CloudInit(hostname="web_1")  # here', "CloudInit: hostname: 'web_1' is not a host name"),
    # Sizes and numbers.
    "unit of a size": (VM.format('memory="2GG"'), "vm.a: memory: '2GG' is not a size"),
    "size 0": (VM.format('memory="0GiB"'), "vm.a: memory: a size of 0 makes no sense"),
    "size a number": (VM.format("memory=1024"), "vm.a: memory: 1024 is not a size"),
    "disk size": (VM.format('disk="20G"'), "vm.a: disk: '20G' is not a size"),
    "disk size of half a sector": (VM.format('disk="1000B"'), "vm.a: disk: '1000B' is not a multiple of 512 bytes"),
    "max_memory": (VM.format('memory="2GiB", max_memory="1GiB"'), "max_memory: 1GiB is less than memory"),
    "vcpus 0": (VM.format("vcpus=0"), "vm.a: vcpus: 0 is not between 1 and 4096"),
    "ignore_changes a text": (
        VM.format("opts=__import__('pulumi').ResourceOptions(ignore_changes='vcpus')"),
        "opts: ignore_changes: 'vcpus' is no list",
    ),
    "vcpus a text": (VM.format('vcpus="2"'), "vm.a: vcpus: '2' is not a whole number"),
    "vcpus a truth value": (VM.format("vcpus=True"), "vm.a: vcpus: True is not a whole number"),
    "max_vcpus": (VM.format("vcpus=4, max_vcpus=2"), "vm.a: max_vcpus: 2 is not between 4 and 4096"),
    "wait": (VM.format('wait="soon"'), "vm.a: wait: 'soon' is not a time"),
    "shutdown_timeout": (VM.format("shutdown_timeout=0"), "shutdown_timeout: 0 is not between 1 and 86400"),
    # Choices and types.
    "firmware": (VM.format('firmware="efi"'), "vm.a: firmware: 'efi' is not one of 'bios', 'uefi'"),
    "cpu_mode": (VM.format('cpu_mode="host"'), "cpu_mode: 'host' is not one of"),
    "on_seed_change": (VM.format('on_seed_change="redo"'), "on_seed_change: 'redo' is not one of 'report', 'reseed'"),
    "running": (VM.format("running=1"), "vm.a: running: 1 is neither True nor False"),
    "image of a wrong type": ('VirtualMachine("a", pool=pool, image=lan.at("10.20.0.9"))  # here',
                              "vm.a: image: an Attachment is not an Image"),
    "pool of a wrong type": ('VirtualMachine("a", pool="pool")  # here', "vm.a: pool: a str is not a StoragePool"),
    "cloud_init of a wrong type": (VM.format('cloud_init="#cloud-config"'), "cloud_init: a str is not a CloudInit"),
    "serial_log": (VM.format('serial_log="log"'), "serial_log: 'log' is not an absolute path"),
    "unknown argument": (VM.format('memroy="1GiB"'), "there is no argument 'memroy'"),
    "argument missing": ('StoragePool("p")  # here', "missing 1 required keyword-only argument: 'path'"),
    "argument by position": ('Host("h", "qemu:///system")  # here', "Host: too many arguments without a name"),
    "NIC nowhere": ("Nic()  # here", "Nic: networks: a NIC is in one place, and none is given"),
    "NIC in two places": ('Nic(lan, bridge="br0")  # here', "a NIC is in one place, and network and bridge is given"),
    "mode of a bridge": ('Nic(bridge="br0", mode="vepa")  # here', "mode: it is for NICs on an interface of the host"),
    "IDE on a new machine": (VM.format('disks=[Disk("a", size="1GiB", bus="ide")]'), "the machine q35 has no IDE bus"),
    "five IDE disks": (VM.format('machine="pc", disks=[Disk(f"a{i}", size="1GiB", bus="ide") for i in range(5)]'),
                       "disks: a4: an IDE bus has 4 drives"),
    "graphics": ('Graphics(listen="localhost")  # here', "Graphics: listen: 'localhost' is not an address"),
    # Devices.
    "limits of nothing": ("IoTune()  # here", "IoTune: it limits nothing"),
    "limits both ways": ('IoTune(total_iops=1, read_iops=1)  # here', "total_iops: read_iops is given too"),
    "thread of a SATA disk": ('Disk("d", size="1GiB", bus="sata", iothread=1)  # here', "iothread: a disk on sata has"),
    "no such thread": (VM.format('iothreads=1, disks=[Disk("d", size="1GiB", iothread=2)]'), "no I/O thread 2"),
    "two media": (
        'Cdrom("c", source="/a.iso", volume=Volume("v", pool=pool, size="1MiB"))  # here', "volume is given too",
    ),
    "drive called as a disk": (VM.format('disks=[Cdrom("root")]'), "two disks are called 'root'"),
    "queues of an e1000": ('Nic(lan, model="e1000", queues=2)  # here', "queues: an e1000 has one"),
    "parameters without a filter": ('Nic(lan, filter_parameters={"IP": "1"})  # here', "there is no filter"),
    "no bandwidth": ('Nic(lan, inbound="1000B")  # here', "inbound: '1000B' is not a multiple of 1024 bytes"),
    "long VNC password": ('Graphics(password="123456789")  # here', "password: VNC reads 8 characters of it"),
    "empty password": ('Graphics(password="")  # here', "password: it is not a text that can be typed"),
    "device of a wrong type": (VM.format('devices=[Disk("d", size="1GiB")]'), "devices: a Disk is no device for here"),
    "two watchdogs": (VM.format("devices=[Watchdog(), Watchdog()]"), "a VM has one watchdog, and two are given"),
    "channel twice": (VM.format('devices=[Channel("a"), Channel("a")]'), "devices: a is given twice"),
    "channel of every VM": ('Channel("org.qemu.guest_agent.0")  # here', "name: every VM has org.qemu.guest_agent.0"),
    "action of a watchdog": ('Watchdog("explode")  # here', "Watchdog: action: 'explode' is not one of"),
    "period without a rate": ("Rng(period=5)  # here", "Rng: period: there is no rate"),
    "no balloon that deflates": ("Balloon(None, autodeflate=True)  # here", "there is no balloon"),
    "cid of the host": ("Vsock(2)  # here", "Vsock: cid: 2 is not between 3 and"),
    "console in two places": ('Console(file="/a", tcp="::1:5")  # here', "Console: file: tcp is given too"),
    "console nowhere": ('Console(tcp="4555")  # here', "tcp: '4555' is no place to listen"),
    "virtiofs that maps": ('Filesystem("/a", "a", access="mapped")  # here', "virtiofs passes the host's own through"),
    "virtiofs read-only": ('Filesystem("/a", "a", readonly=True)  # here', "readonly: virtiofs cannot be"),
    "no device to pass": ("Passthrough()  # here", "give one of pci, usb and mdev"),
    "address of a device": ('Passthrough(pci="3b:00.0")  # here', "pci: '3b:00.0' is not the address of such a device"),
    "patch of nothing": ('Patch("/domain/title")  # here', "Patch: nothing is given"),
    "patch of two kinds": ('Patch("/domain/title", "a", remove=True)  # here', "Patch: value and remove is given"),
    "path of a patch": ('Patch("domain/title", "a")  # here', "path: 'domain/title' is no path from the root"),
    "step of a patch": ('Patch("/domain//title", "a")  # here', "'' cannot be read"),
    "prefix of a patch": ('Patch("/domain/xen:x", "a")  # here', "'xen:x' cannot be read"),
    "element of another name": ('Patch("/domain/title", element="<name/>")  # here', "the element is a <name>"),
    "element of an attribute": ('Patch("/domain/@id", element="<id/>")  # here', "is not the path of an element"),
    "password in a patch": ('Patch("/domain/devices/graphics/@passwd", "x")  # here', "passwd is a password"),
    "password in an element": ('Patch("/domain/x", element="<x><y passwd=\'a\'/></x>")  # here', "holds a password"),
    "not a patch": (VM.format('xml=["<x/>"]'), "vm.a: xml: a str is not a Patch"),
    # Restarts.
    "restart": (VM.format('restart="later"'), "vm.a: restart: 'later' is not one of 'now', 'defer'"),
    "group of a wrong type": (VM.format('group="web"'), "vm.a: group: a str is not a RollingGroup"),
    "nobody may be down": ('RollingGroup("g", max_unavailable=0)  # here', "max_unavailable: 0 is not between 1 and"),
    "share of a group": ('RollingGroup("g", max_unavailable="0%")  # here', "max_unavailable: '0%' is no share"),
    "share above all": ('RollingGroup("g", max_unavailable="101%")  # here', "max_unavailable: '101%' is no share"),
    "health check of nothing": ("HealthCheck()  # here", "HealthCheck: command, tcp: there is nothing to check"),
    "command for a shell": ('HealthCheck(command="curl x")  # here', "command: no shell reads it, so it is a list"),
    "command without a program": ('HealthCheck(command=["", "x"])  # here', "command: its first word is empty"),
    "word of a command": (r'HealthCheck(command=["a", "b\x00"])  # here', "command: character 2 is U+0000"),
    "port of a check": ("HealthCheck(tcp=0)  # here", "tcp: 0 is not between 1 and 65535"),
    "address of a check": ('HealthCheck(tcp=1, address="web")  # here', "address: web is not an IP address"),
    "port of nobody": (
        VM.format("health=HealthCheck(tcp=80)"), "vm.a: health: the guest's address is not known",
    ),
    # Pools, volumes, images.
    "pool path": ('StoragePool("p", path="pool")  # here', "pool.p: path: 'pool' is not an absolute path"),
    "pool path climbing": ('StoragePool("p", path="/a/../b")  # here', "'/a/../b' is not an absolute path"),
    "pool in a system directory": ('StoragePool("p", path="/etc")  # here', "/etc is a directory of the system"),
    "blank volume without size": ('Volume("v", pool=pool)  # here', "volume.v: size: a blank volume needs one"),
    "raw linked clone": (
        'Volume("v", pool=pool, image=image, format="raw")  # here', "format: a linked clone is always qcow2",
    ),
    "full_copy of nothing": ('Volume("v", pool=pool, size="1GiB", full_copy=True)  # here', "no image to copy"),
    "image by http": ('Image("i", source="http://x/y.qcow2")  # here', "image.i: source: http:// is not allowed"),
    "image without digest": ('Image("i", source="https://x/y.qcow2")  # here', "image.i: sha256: it is missing"),
    "image digest": ('Image("i", source="/x", sha256="abc")  # here', "'abc' is not a SHA-256 digest"),
    "image format": ('Image("i", source="/x", format="vmdk")  # here', "format: 'vmdk' is not one of 'qcow2', 'raw'"),
    "image with credentials": (
        f'Image("i", source="https://u:pw@x/y", sha256="{"a" * 64}")  # here', "or credentials in it",
    ),
    # Disks.
    "disk name": ('Disk("Data Disk", size="1GiB")  # here', "Disk: name: 'Data Disk' is not a disk name"),
    "disk without size": ('Disk("data")  # here', "Disk: size: a new disk needs one"),
    "disk with volume and size": (
        'v = Volume("v", pool=pool, size="1GiB")\nDisk("d", volume=v, size="1GiB")  # here', "the volume is given",
    ),
    "two disks of one name": (
        VM.format('disks=[Disk("d", size="1GiB"), Disk("d", size="1GiB")]'), "two disks are called 'd'",
    ),
    "disks not a list": (VM.format('disks=Disk("d", size="1GiB")'), "disks: a Disk is not a list"),
    "no pool": ('VirtualMachine("a", image=image, host=kvm)  # here', "pool: it is missing, and the disk 'root'"),
    "no pool for the seed": (
        'VirtualMachine("a", host=kvm, cloud_init=CloudInit())  # here', "pool: it is missing, and cloud_init",
    ),
    # Networks and addresses.
    "cidr missing": ('Network("n")  # here', "network.n: cidr: it is missing"),
    "cidr no network": ('Network("n", cidr="ten")  # here', "cidr: 'ten' is not a network"),
    "cidr an address": ('Network("n", cidr="10.9.0.7/24")  # here', "10.9.0.7/24 is an address in 10.9.0.0/24"),
    "cidr without prefix": ('Network("n", cidr="10.9.0.0")  # here', "'10.9.0.0' has no prefix length"),
    "cidr too small": ('Network("n", cidr="10.9.0.0/31")  # here', "has no room for a host and a guest"),
    "cidr of the other family": ('Network("n", cidr="fd00::/64")  # here', "cidr: fd00::/64 is IPv6"),
    "mode": ('Network("n", cidr="10.9.0.0/24", mode="natt")  # here', "mode: 'natt' is not one of"),
    "gateway outside": (
        'Network("n", cidr="10.9.0.0/24", gateway="10.8.0.1")  # here', "gateway: 10.8.0.1 is not a host's address",
    ),
    "dhcp outside": (
        'Network("n", cidr="10.9.0.0/24", dhcp=("10.9.0.9", "10.9.1.9"))  # here', "dhcp: 10.9.1.9 is not a host's",
    ),
    "dhcp backwards": (
        'Network("n", cidr="10.9.0.0/24", dhcp=("10.9.0.9", "10.9.0.8"))  # here', "it ends (10.9.0.8) before",
    ),
    "dhcp over the gateway": (
        'Network("n", cidr="10.9.0.0/24", dhcp=("10.9.0.1", "10.9.0.8"))  # here', "the gateway 10.9.0.1 is in it",
    ),
    "dhcp too large": (
        'Network("n", cidr="10.0.0.0/8", dhcp=("10.1.0.0", "10.9.0.0"))  # here', "more than 65535 addresses",
    ),
    "dhcp on a bridge": ('Network("n", mode="bridge", bridge="br0", dhcp=True)  # here', "serves nothing on a bridge"),
    "bridge missing": ('Network("n", mode="bridge")  # here', "bridge: it is missing"),
    "bridge name": ('Network("n", cidr="10.9.0.0/24", bridge="a" * 16)  # here', "is not an interface name"),
    "mtu": ('Network("n", cidr="10.9.0.0/24", mtu=100)  # here', "mtu: 100 is not between 576 and 65535"),
    "domain": ('Network("n", cidr="10.9.0.0/24", domain="a b")  # here', "domain: 'a b' is not a host name"),
    "dns_hosts": ('Network("n", cidr="10.9.0.0/24", dns_hosts={"x": "y"})  # here', "dns_hosts: 'x' is not an IP"),
    "address outside": ('lan.at("10.21.0.10")  # here', "network.lan: 10.21.0.10 is not in network.lan"),
    "address no address": ('lan.at("10.20.0.300")  # here', "at: '10.20.0.300' is not an IP address"),
    "address of the gateway": ('lan.at("10.20.0.1")  # here', "10.20.0.1 is the gateway's address"),
    "address of broadcast": ('lan.at("10.20.0.255")  # here', "the network's own or broadcast address"),
    "number too large": ("lan.at(300)  # here", "10.20.0.0/24 has no host number 300"),
    "number 0": ("lan.at(0)  # here", "10.20.0.0/24 has no host number 0"),
    "no address": ("lan.at()  # here", "at: no address is given"),
    "same address twice": ("lan.at(5, 5)  # here", "the same address is given twice"),
    "static within DHCP": ("lan.at(200, static=True)  # here", "is in the range that DHCP hands out"),
    "static without cloud-init": (VM.format("networks=[lan.at(5, static=True)]"), "nobody would give the guest"),
    "two leases": (VM.format("networks=[lan.at(5, 6)]"), "DHCP gives one IPv4 address to a NIC"),
    "mac": ('Nic(lan, mac="52:54:00")  # here', "Nic: mac: '52:54:00' is not a MAC address"),
    "mac of many": ('Nic(lan, mac="53:54:00:00:00:01")  # here', "is not the address of one NIC"),
    "nic names": (VM.format('networks=[Nic(lan, name="n"), Nic(lan, name="n")]'), "two NICs are called 'n'"),
    "network of a wrong type": (VM.format('networks=["lan"]'), "networks: a str is no place for a NIC"),
    "reservation without DHCP": (
        'Network("n", cidr="10.9.0.0/24", dhcp=False, '
        'reservations=[Reservation("10.9.0.9", mac="52:54:00:00:00:01")])  # here',
        "no DHCP is served there",
    ),
    "reservation without MAC": ('Reservation("10.9.0.9")  # here', "mac: an IPv4 lease is found by it"),
    # Unknown values.
    "address unknown": (
        'vm = VirtualMachine("a", networks=[lan.dhcp()])\nprint(vm.ip)  # here', "vm.a: its address is not known",
    ),
    "mac unknown": ('vm = VirtualMachine("a")\nprint(vm.mac)  # here', "vm.a: it has no NIC"),
    "pool path unknown": (
        'p = StoragePool.existing("p")\nprint(p.path)  # here', "pool.p: its path is not known",
    ),
    "uuid unknown": ('n = Network.existing("n")\nprint(n.uuid)  # here', "its UUID is not known"),
    # cloud-init.
    "user_data without a head": ('CloudInit(user_data="users: []")  # here', "user_data starts with a line that tells"),
    "user_data after an empty line": (r'CloudInit(user_data="\n#cloud-config\n")  # here', "starts with an empty line"),
    "user_data not YAML": (r'CloudInit(user_data="#cloud-config\na: [1")  # here', "is not valid YAML in line 3"),
    "user_data a list": (r'CloudInit(user_data="#cloud-config\n- a")  # here', "user_data is not a mapping"),
    "user_data with a key twice": (
        r'CloudInit(user_data="#cloud-config\na: 1\na: 2")  # here', "the key 'a' is given twice",
    ),
    "user_data and fields": (
        r'CloudInit(user_data="#cloud-config\n", packages=["x"])  # here', "user_data: it is given, and so is packages",
    ),
    "user_data of bytes": ('CloudInit(user_data=b"x")  # here', "user_data: a bytes is neither a text nor"),
    "a file that is missing": (
        'import pathlib; CloudInit(user_data=pathlib.Path("none.yaml"))  # here', "none.yaml cannot be read",
    ),
    "fields of a wrong type": ('CloudInit(runcmd="reboot")  # here', "runcmd: a str is not a list"),
    "fields that are no data": ("CloudInit(runcmd=[object()])  # here", "runcmd: an object is not data"),
    "extra twice": ('CloudInit(packages=["x"], extra={"packages": []})  # here', "'packages' is given by name as well"),
    "instance-id": ('CloudInit(meta_data={"instance-id": "x"})  # here', "meta_data: instance-id cannot be set"),
    "network_config": ('CloudInit(network_config="a: 1")  # here', "network_config has no version 1 or 2"),
    "vendor_data": ('CloudInit(vendor_data="echo")  # here', "vendor_data starts with a line that tells it nothing"),
    "vendor_data switched off": (
        VM.format('cloud_init=CloudInit(extra={"vendor_data": {"enabled": False}})'), "would never report",
    ),
    "a host name from the VM's name": (
        'VirtualMachine("a..b", pool=pool, cloud_init=CloudInit())  # here', "'a..b' is not a host name",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_wrong_values_are_refused_where_they_stand(stack, case):
    body, expected = CASES[case]
    error = stack.fail(body)
    assert isinstance(error, InputError)
    assert expected in str(error)


CONFLICTS = {
    "two resources of one name": (
        'VirtualMachine("a")\nVirtualMachine("a")  # here', "vm.a is defined twice (first at ",
    ),
    "a volume and a VM's disk": (
        'Volume("a-root", pool=pool, size="1GiB")\nVirtualMachine("a", pool=pool, disk="1GiB")  # here',
        "volume.a-root is defined twice",
    ),
    "one address for two VMs": (
        'VirtualMachine("a", networks=[lan.at(10)])\nVirtualMachine("b", networks=[lan.at(10)])  # here',
        "vm.b: 10.20.0.10 belongs to vm.a already (at ",
    ),
    "a VM and a reservation": (
        'n = Network("n", cidr="10.9.0.0/24", reservations=[Reservation("10.9.0.9", mac="52:54:00:00:00:01")])\n'
        'VirtualMachine("b", networks=[n.at(9)])  # here',
        "10.9.0.9 belongs to the reservation of 52:54:00:00:00:01 already",
    ),
    "a volume of two VMs": (
        'v = Volume("v", pool=pool, size="1GiB")\nVirtualMachine("a", disks=[Disk("d", volume=v)])\n'
        'VirtualMachine("b", disks=[Disk("d", volume=v)])  # here',
        "volume.v is a disk of vm.a (writable) already",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CONFLICTS)
def test_contradictions_name_both_sides(stack, case):
    body, expected = CONFLICTS[case]
    error = stack.fail(body)
    assert isinstance(error, ConflictError)
    assert expected in str(error)


def test_a_derived_address_that_is_taken_is_an_error_and_moves_nobody(stack):
    # Two free addresses for three machines.
    error = stack.fail(
        """
        n = Network("n", cidr="10.9.0.0/29", dhcp=("10.9.0.4", "10.9.0.6"))
        for name in "abc":
            VirtualMachine(name, networks=[n])  # here
        """
    )
    assert isinstance(error, ConflictError)
    assert "derived from the VM's name" in str(error)
    assert "n.at(...)" in str(error)


def test_a_network_without_free_addresses_asks_for_one(stack):
    error = stack.fail(
        """
        n = Network("n", cidr="10.9.0.0/29", dhcp=("10.9.0.2", "10.9.0.6"))
        VirtualMachine("a", networks=[n])  # here
        """
    )
    assert "no address of 10.9.0.0/29 is outside of DHCP" in str(error)


def test_two_vms_of_one_name_are_told_of_as_such_and_not_by_their_disks(stack):
    error = stack.fail("""
        for _ in range(2):
            VirtualMachine("a", pool=pool, disk="1GiB", cloud_init=CloudInit())  # here
    """)
    assert error.brief.startswith("vm.a is defined twice (first at ")


HOSTS = {
    "pool elsewhere": 'VirtualMachine("a", host=other, pool=pool, image=image)  # here',
    "network elsewhere": 'VirtualMachine("a", host=other, networks=[lan])  # here',
    "volume elsewhere": (
        'v = Volume("v", pool=pool, size="1GiB")\nVirtualMachine("a", host=other, disks=[Disk("d", volume=v)])  # here'
    ),
    "disk's pool elsewhere": 'VirtualMachine("a", host=other, disks=[Disk("d", size="1GiB", pool=pool)])  # here',
}


@pytest.mark.parametrize("case", HOSTS)
def test_what_a_vm_uses_is_on_its_host(stack, case):
    error = stack.fail('other = Host("other")\n' + HOSTS[case])
    assert "is on host.kvm, and the VM is on host.other" in str(error)


def test_a_choice_of_hosts_is_left_to_the_program(stack):
    error = stack.fail('Host("other")\nStoragePool("p", path="/p")  # here')
    assert "host: there are several hosts" in str(error)
    error = stack.fail('StoragePool("p", path="/p")  # here', prelude="from vmstack import StoragePool\n")
    assert "host: there is none yet" in str(error)


def test_resources_outside_of_a_program_are_refused():
    from vmstack import CloudInit, Host

    for make in (lambda: Host("kvm"), lambda: CloudInit()):
        with pytest.raises(InputError, match="was made outside a stack program"):
            make()


MARKUP = "</name>&<![CDATA[ \"' ]]>"


def test_markup_is_data(stack):
    graph = stack.evaluate(
        f"""
        VirtualMachine("a", pool=pool, description={MARKUP!r}, cloud_init=CloudInit(
            write_files=[{{"path": "/x", "content": {MARKUP!r}}}]))
        """
    )
    assert [resource.spec.description for resource in graph.resources if resource.key.kind == "vm"] == [MARKUP]


@pytest.mark.parametrize("wrong", ['memory="1GG"', 'memroy="1GiB"', "networks=[lan.at(7000)]"])
@pytest.mark.parametrize("also", ["", "import pulumi"])
def test_an_error_that_the_program_catches_still_counts(stack, wrong, also):
    """What failed would be missing from the graph, and so be deleted."""
    error = stack.fail(f"""
        {also}
        VirtualMachine("a", image=image, pool=pool)
        try:
            VirtualMachine("b", image=image, pool=pool, {wrong})  # here
        except Exception:
            pass
    """)
    assert "the program caught this error and went on" in str(error)
