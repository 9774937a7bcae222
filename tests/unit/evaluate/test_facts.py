"""What only hosts know: what a program asks, and what it is with the answers."""

import pytest

from vmstack.errors import InputError
from vmstack.evaluate.failures import FactsWantedError
from vmstack.model.facts import Facts, Question
from vmstack.model.graph import Output
from vmstack.model.identity import Key, Kind, StackId, derive_mac, derive_uuid

UNIT = StackId("unit", "dev")
URI = "qemu:///system"
PRELUDE = """\
import pulumi
import pulumi_libvirt as libvirt
kvm = libvirt.Provider("kvm", uri="qemu:///system")
on = pulumi.ResourceOptions(provider=kvm)
pool = libvirt.Pool("pool", name="pool", type="dir", path="/pool", opts=on)
net = libvirt.Network("net", name="net", addresses=["10.20.0.0/24"], opts=on)
vm = libvirt.Domain("vm", network_interfaces=[{"network_id": net.id, "wait_for_lease": True}], opts=on)
ip = vm.network_interfaces[0].addresses[0]
"""
VM = Key(Kind.VM, "vm")
MAC = derive_mac(UNIT, VM, nic="net")
DOMAIN = Question(uri=URI, subject="domain", id=derive_uuid(UNIT, VM), path="unit/dev/vm/vm")
ADDRESS = Facts(answers={DOMAIN: {f"address/{MAC}": ["10.20.0.77"], "arch": "x86_64", "machine": "q35", "nvram": None}})


@pytest.fixture
def run(stack):
    def evaluate(body, **settings):
        return stack.evaluate(body, prelude=PRELUDE, **settings)

    return evaluate


def keys(graph):
    return {str(resource.key) for resource in graph.resources}


def test_a_program_that_uses_nothing_unknown_asks_nothing(run):
    graph = run("pulumi.export('id', vm.id)")
    assert (graph.gaps, graph.questions, graph.whole) == ((), (), True)


def test_an_address_is_asked_for_where_it_is_used(run):
    graph = run("pulumi.export('ip', ip)")
    assert DOMAIN in graph.questions
    assert graph.whole
    assert run("pulumi.export('ip', ip)", facts=ADDRESS).outputs == {"ip": Output(value="10.20.0.77")}


def test_the_guest_agent_is_asked_where_the_program_says_so(run):
    graph = run("""
        nic = {"bridge": "br0", "wait_for_lease": True}
        other = libvirt.Domain("b", qemu_agent=True, network_interfaces=[nic], opts=on)
        pulumi.export("ip", other.network_interfaces[0].addresses)
    """)
    assert [question.agent for question in graph.questions if question.subject == "domain"] == [True, False]
    spec = next(resource.spec for resource in graph.resources if resource.key.name == "b")
    assert (spec.agent, spec.lease_macs, spec.lease_timeout) == (True, (spec.nics[0].mac,), 300)


def test_what_the_hypervisor_chose_is_known_once_it_is_there(run):
    body = "pulumi.export('arch', vm.arch)\npulumi.export('machine', vm.machine)\npulumi.export('nvram', vm.nvram)"
    assert {output.known for output in run(body).outputs.values()} == {False}
    values = {name: output.value for name, output in run(body, facts=ADDRESS).outputs.items()}
    assert values == {"arch": "x86_64", "machine": "q35"}  # the SDK exports no None


def test_a_guest_that_stays_off_has_no_address(run):
    graph = run("""
        off = libvirt.Domain("off", running=False, network_interfaces=[{"network_id": net.id}], opts=on)
        pulumi.export("ips", off.network_interfaces[0].addresses)
    """)
    assert graph.outputs["ips"] == Output(value=[])


LATER = """
    second = libvirt.Domain("second", description=ip, opts=on)
    third = libvirt.Domain("third", opts=pulumi.ResourceOptions(provider=kvm, depends_on=[second]))
    fourth = libvirt.Domain("fourth", description=third.description, opts=on)
    pulumi.export("name", second.name)
    pulumi.export("id", second.id)
"""


def test_what_depends_on_an_address_waits_for_it(run):
    graph = run(LATER)
    assert not {"vm.second", "vm.third", "vm.fourth"} & keys(graph)
    assert not graph.whole
    assert {str(gap.key) for gap in graph.gaps if gap.hides} == {"vm.second", "vm.third", "vm.fourth"}
    assert not graph.outputs["id"].known
    later = run(LATER, facts=ADDRESS)
    assert {"vm.second", "vm.third", "vm.fourth"} <= keys(later)
    assert later.whole
    assert next(item.spec for item in later.resources if item.key.name == "second").description == "10.20.0.77"


def test_a_provider_on_an_address_waits_with_all_that_is_on_it(run):
    body = """
        inner = libvirt.Provider("inner", uri=pulumi.Output.concat("qemu+ssh://root@", ip, "/system"))
        libvirt.Pool("deep", type="dir", path="/deep", opts=pulumi.ResourceOptions(provider=inner))
    """
    assert not {"pool.deep", "host.inner"} & keys(run(body))
    assert {"pool.deep", "host.inner"} <= keys(run(body, facts=ADDRESS))


def test_functions_of_what_is_not_known_do_not_run(run):
    body = "ip.apply(lambda address: libvirt.Domain('made', description=address, opts=on))"
    graph = run(body)
    assert "vm.made" not in keys(graph)
    assert not graph.whole
    assert "vm.made" in keys(run(body, facts=ADDRESS))


def test_native_resources_need_values_that_are_known(stack, run):
    body = "from vmstack import Host\nHost('h', uri=ip)  # here"
    with pytest.raises(FactsWantedError) as caught:
        run(body)
    assert DOMAIN in caught.value.questions
    nothing = Facts(answers=dict.fromkeys(caught.value.questions))
    error = stack.fail(body, prelude=PRELUDE, facts=nothing)
    assert "the value is not known before apply" in str(error)


def test_volumes_in_pools_of_the_host_are_where_the_host_says(run):
    body = "data = libvirt.Volume('data', name='data', size=512, opts=on)\npulumi.export('id', data.id)\n"
    body += "pulumi.export('file', data.id.apply(lambda path: path.rpartition('/')[2]))"
    graph = run(body)
    question = Question(uri=URI, subject="pool", id="default")
    assert question in graph.questions
    assert not any(output.known for output in graph.outputs.values())
    told = run(body, facts=Facts(answers={question: {"path": "/images"}})).outputs
    assert told == {"id": Output(value="/images/data"), "file": Output(value="data")}


NODE = Question(uri=URI, subject="node")
INFO = {
    "cpuModel": "x86_64", "memoryTotalKb": 1024, "cpuCoresTotal": 4, "cpuCoresPerSocket": 2, "cpuSockets": 1,
    "cpuThreadsPerCore": 2, "numaNodes": 1,
}  # fmt: skip
PLAIN = """
    info = libvirt.get_node_info(opts=pulumi.InvokeOptions(provider=kvm))  # here
    for number in range(info.cpu_cores_total):
        libvirt.Domain(f"vm-{number}", memory=info.memory_total_kb // 2, opts=on)
"""


def test_what_a_function_asks_is_asked_before_the_program_goes_on(stack, run):
    error = stack.fail(PLAIN, prelude=PRELUDE)
    assert isinstance(error, FactsWantedError)
    assert (error.questions, [host.uri for host in error.hosts]) == ((NODE,), [URI])
    graph = run(PLAIN, facts=Facts(answers={NODE: INFO}))
    assert {f"vm.vm-{number}" for number in range(4)} <= keys(graph)


def test_the_other_form_of_a_function_is_asked_for_the_same(run):
    body = """
        info = libvirt.get_node_info_output(opts=pulumi.InvokeOutputOptions(provider=kvm))
        pulumi.export("cores", info.cpu_cores_total)
    """
    with pytest.raises(FactsWantedError):
        run(body)
    assert run(body, facts=Facts(answers={NODE: INFO})).outputs["cores"] == Output(value=4)


def test_a_device_that_is_not_there_is_refused(stack):
    body = "libvirt.get_node_device_info(name='pci_x', opts=pulumi.InvokeOptions(provider=kvm))  # here"
    question = Question(uri=URI, subject="device", id="pci_x")
    error = stack.fail(body, prelude=PRELUDE, facts=Facts(answers={question: None}))
    assert isinstance(error, InputError)
    assert "the device 'pci_x' of qemu:///system is not there" in str(error)


LOOKUPS = {
    "domain": ("Domain", {"name": "old", "vcpu": 2, "cpuMode": "host-model"}, "(x.name, x.vcpu, x.cpu.mode)"),
    "network": ("Network", {"name": "old", "mode": "nat", "bridge": "virbr9"}, "(x.name, x.mode, x.bridge)"),
    "pool": ("Pool", {"name": "old", "type": "dir", "path": "/old"}, "(x.name, x.type, x.path)"),
    "volume": ("Volume", {"name": "old", "pool": "images", "size": 512}, "(x.name, x.pool, x.size)"),
}


@pytest.mark.parametrize("subject", LOOKUPS)
def test_what_is_there_is_read_by_its_id_alone(stack, run, subject):
    kind, told, members = LOOKUPS[subject]
    body = (
        f"x = libvirt.{kind}.get('x', 'some/id', opts=on)  # here\npulumi.export('all', pulumi.Output.all(*{members}))"
    )
    question = Question(uri=URI, subject=subject, id="some/id")
    with pytest.raises(FactsWantedError) as caught:
        run(body)
    assert caught.value.questions == (question,)
    graph = run(body, facts=Facts(answers={question: told}))
    assert graph.outputs["all"].value == list(told.values())
    error = stack.fail(body, prelude=PRELUDE, facts=Facts(answers={question: None}))
    assert f"has no {subject} with the id some/id" in str(error)


def test_known_facts_stay_as_they_were():
    first = Facts(answers={DOMAIN: {"arch": "x86_64"}, NODE: None})
    later = first.refined({DOMAIN: {"arch": "arm", "machine": "virt"}, NODE: {"numaNodes": 1}})
    assert later.get(DOMAIN) == {"arch": "x86_64", "machine": "virt"}
    assert later.get(NODE) == {"numaNodes": 1}


WAITING = {
    "a function": "ip.apply(lambda address: address)",
    "one function on two outputs, one of them known": "def make(x):\n    return x\nvm.name.apply(make)\nip.apply(make)",
    "a partial function": "import functools\nip.apply(functools.partial(lambda size, address: address, 1))",
    "an object": "class Make:\n    def __call__(self, address):\n        return address\nip.apply(Make())",
    "a class": "class Make:\n    def __init__(self, address):\n        pass\nip.apply(Make)",
    "a method": "class Make:\n    def it(self, address):\n        return address\nip.apply(Make().it)",
    "an await": "async def later():\n    return await ip.future()\npulumi.Output.from_input(later())",
}


@pytest.mark.parametrize("case", WAITING)
def test_whatever_waits_for_an_output_may_make_resources(run, case):
    assert not run(WAITING[case]).whole
    assert run(WAITING[case], facts=ADDRESS).whole


@pytest.mark.parametrize("body", ["ip.apply(str.upper)", "ip.apply(str)", "ip[:3]", "pulumi.Output.concat(ip, '!')"])
def test_what_makes_no_resources_leaves_no_gap(run, body):
    assert run(body).whole


def test_a_package_of_components_may_make_resources_too(run, tmp_path, monkeypatch):
    (tmp_path / "site-packages").mkdir()
    (tmp_path / "site-packages" / "parts_of_others.py").write_text("def build(ip):\n    ip.apply(lambda it: it)\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site-packages"))
    monkeypatch.setattr("vmstack.evaluate.places._LIBRARIES", (f"{tmp_path}/site-packages/",))
    assert not run("import parts_of_others\nparts_of_others.build(ip)").whole
