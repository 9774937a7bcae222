"""The engine's side of the Pulumi SDK: transforms, functions, references, and the size of programs."""

# ruff: noqa: E501 - small programs stand on one line each in the tables

import socket
import time

import pytest

from vmstack.evaluate.failures import FactsWantedError
from vmstack.model.facts import Facts, Question
from vmstack.model.graph import Output
from vmstack.model.identity import Key, Kind

PRELUDE = """\
import pulumi
import pulumi_libvirt as libvirt
kvm = libvirt.Provider("kvm", uri="qemu:///system")
on = pulumi.ResourceOptions(provider=kvm)
"""


def vms(graph):
    return {resource.spec.name: resource.spec for resource in graph.resources if resource.key.kind is Kind.VM}


TRANSFORMS = {
    "of the stack": ("pulumi.runtime.register_stack_transform(bigger)", "opts=on"),
    "of a resource": ("", "opts=pulumi.ResourceOptions(provider=kvm, transforms=[bigger])"),
    "of a component": (
        "class C(pulumi.ComponentResource):\n    pass\nc = C('unit:C', 'c', {}, pulumi.ResourceOptions(transforms=[bigger]))",
        "opts=pulumi.ResourceOptions(provider=kvm, parent=c)",
    ),
    "that waits": (
        "import asyncio\nsmaller = bigger\nasync def bigger(args):\n    await asyncio.sleep(0)\n    return smaller(args)\n"
        "pulumi.runtime.register_stack_transform(bigger)",
        "opts=on",
    ),
}


@pytest.mark.parametrize("case", TRANSFORMS)
def test_transforms(stack, monkeypatch, case):
    def no_server(*_args):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "bind", no_server)
    before, opts = TRANSFORMS[case]
    graph = stack.evaluate(
        "def bigger(args):\n"
        "    if args.type_ == 'libvirt:index/domain:Domain':\n"
        "        args.props['memory'] = 2048\n"
        "        args.opts.protect = True\n"
        "        return pulumi.ResourceTransformResult(args.props, args.opts)\n"
        f"{before}\nvm = libvirt.Domain('vm', memory=512, vcpu=3, {opts})\npulumi.export('memory', vm.memory)",
        prelude=PRELUDE,
    )
    assert (vms(graph)["vm"].memory, vms(graph)["vm"].vcpus) == (2**31, 3)
    assert next(item for item in graph.resources if item.key.name == "vm").options.protect is True
    assert graph.outputs["memory"] == Output(value=2048)


def test_transforms_that_fail_end_the_program(stack):
    error = stack.fail(
        "def broken(args):\n    return 1 / 0\npulumi.runtime.register_stack_transform(broken)\nlibvirt.Domain('vm', opts=on)",
        prelude=PRELUDE,
    )
    assert "ZeroDivisionError" in str(error)


def test_transformations_of_old(stack):
    graph = stack.evaluate(
        """
        def bigger(args):
            return pulumi.ResourceTransformationResult({**args.props, "memory": 1024}, args.opts)
        libvirt.Domain("vm", opts=pulumi.ResourceOptions(provider=kvm, transformations=[bigger]))
        """,
        prelude=PRELUDE,
    )
    assert vms(graph)["vm"].memory == 2**30


def test_functions_that_compute(stack):
    graph = stack.evaluate(
        """
        host = libvirt.get_network_dns_host_template(ip="10.0.0.1", hostname="a")
        later = libvirt.get_network_dnsmasq_options_template_output(option_name="x", option_value=pulumi.Output.secret("y"))
        srv = libvirt.get_network_dns_srv_template(service="ldap", protocol="tcp", port="389")
        pulumi.export("host", host.rendered)
        pulumi.export("later", later.rendered)
        pulumi.export("srv", srv.rendered)
        """,
        prelude=PRELUDE,
    )
    assert graph.outputs == {
        "host": Output(value={"hostname": "a", "ip": "10.0.0.1"}),
        "later": Output(value={"optionName": "x", "optionValue": "y"}, secret=True),
        "srv": Output(value={"port": "389", "protocol": "tcp", "service": "ldap"}),
    }


def test_transforms_of_functions(stack):
    graph = stack.evaluate(
        """
        def rename(args):
            return pulumi.InvokeTransformResult({**args.args, "hostname": "b"}, args.opts)
        pulumi.runtime.register_invoke_transform(rename)
        pulumi.export("host", libvirt.get_network_dns_host_template_output(ip="10.0.0.1", hostname="a").hostname)
        """,
        prelude=PRELUDE,
    )
    assert graph.outputs["host"].value == "b"


def stacks_of(**stacks):
    """Facts about the outputs of other stacks."""
    return Facts(
        answers={Question(uri="", subject="stack", id=name.replace("__", "/")): kept for name, kept in stacks.items()}
    )


def kept(**outputs):
    return {"outputs": {name: {"value": None, "secret": False, "known": True} | one for name, one in outputs.items()}}


def test_references_to_other_stacks(stack):
    graph = stack.evaluate(
        """
        other = pulumi.StackReference("org/base/dev")
        libvirt.Domain("vm", vcpu=other.require_output("n"), opts=on)
        pulumi.export("pool", other.get_output("pool"))
        pulumi.export("none", other.get_output("nothing").apply(lambda value: value is None))
        async def details():
            found = await other.get_output_details("pool")
            pulumi.export("details", found.value)
        pulumi.run(details)
        """,
        prelude=PRELUDE,
        facts=stacks_of(base__dev=kept(pool={"value": "pool-1"}, n={"value": 2}, key={"secret": True})),
    )
    assert vms(graph)["vm"].vcpus == 2
    assert graph.outputs == {
        "none": Output(value=True), "pool": Output(value="pool-1"), "details": Output(value="pool-1"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "question"), [("prod", "unit/prod"), ("base/dev", "base/dev"), ("org/base/dev", "base/dev")]
)
def test_the_names_of_other_stacks(stack, name, question):
    with pytest.raises(FactsWantedError) as caught:
        stack.evaluate(f"pulumi.StackReference({name!r})", prelude=PRELUDE)
    assert [(one.subject, one.id, one.uri) for one in caught.value.questions] == [("stack", question, "")]
    assert [host.uri for host in caught.value.hosts] == ["qemu:///system"]


REFERENCES = {
    "no such stack": (None, "pulumi.StackReference('a/b/c')  # here", "there is no stack b/c"),
    "no name of a stack": (None, "pulumi.StackReference('a/b/c/d')  # here", "not the name of a stack"),
    "no such output": ({}, "pulumi.StackReference('a/b/c').require_output('y')", "KeyError: 'y'"),
    "a secret as an input": (
        {"x": {"secret": True}},
        "libvirt.Domain('v', description=pulumi.StackReference('a/b/c').get_output('x'), opts=on)  # here",
        "the value of b/c/x is not kept",
    ),
    "a secret in a function": (
        {"x": {"secret": True}},
        "pulumi.StackReference('a/b/c').get_output('x').apply(lambda x: len(x))  # here",
        "the value of b/c/x is not kept",
    ),
    "a secret as an output": (
        {"x": {"secret": True}},
        "pulumi.export('x', pulumi.StackReference('a/b/c').get_output('x'))",
        "the output 'x': the value of b/c/x is not kept",
    ),
    "a secret of a native resource": (
        {"x": {"secret": True}},
        "from vmstack import Host\nHost('h', uri=pulumi.StackReference('a/b/c').get_output('x'))  # here",
        "the value of b/c/x is not kept",
    ),
    "a value that was not known": (
        {"x": {"known": False}},
        "pulumi.export('x', pulumi.StackReference('a/b/c').get_output('x'))",
        "or it was not known",
    ),
}


@pytest.mark.parametrize("case", REFERENCES)
def test_references_to_what_is_not_there_are_refused(stack, case):
    outputs, body, expected = REFERENCES[case]
    facts = stacks_of(b__c=None if outputs is None else kept(**outputs))
    error = stack.fail(body, prelude=PRELUDE, facts=facts)
    assert expected in str(error)


REFUSED = {
    "hooks of what every domain has of its own": (
        "hook = pulumi.ResourceHook('h', lambda args: None)\n"
        "libvirt.CloudInitDisk('i', opts=pulumi.ResourceOptions(provider=kvm, hooks=pulumi.ResourceHookBinding(after_create=[hook])))",
        "CloudInitDisk 'i': the hook 'h' is not supported",
    ),
    "hooks of providers": (
        "hook = pulumi.ResourceHook('h', lambda args: None)\n"
        "libvirt.Provider('k', uri='qemu:///session', opts=pulumi.ResourceOptions(hooks=pulumi.ResourceHookBinding(after_create=[hook])))",
        "libvirt 'k': the hook 'h' (after_create) is not supported: nothing on a host is done for it",
    ),
    "hooks on errors": (
        "hook = pulumi.ErrorHook('h', lambda args: True)\n"
        "libvirt.Domain('vm', opts=pulumi.ResourceOptions(provider=kvm, hooks=pulumi.ResourceHookBinding(on_error=[hook])))",
        "Domain 'vm': the hook 'h' (on_error) is not supported",
    ),
    "hooks of components": (
        "hook = pulumi.ResourceHook('h', lambda args: None)\n"
        "pulumi.ComponentResource('unit:C', 'c', {}, pulumi.ResourceOptions(hooks=pulumi.ResourceHookBinding(before_delete=[hook])))",
        "C 'c': the hook 'h' (before_delete) is not supported: nothing on a host is done for it",
    ),
    "stashes": ("pulumi.Stash('s', input='x')", "pulumi:index:Stash 's' is not supported"),
    "dynamic providers": (
        "from pulumi.dynamic import Resource, ResourceProvider\nclass D(Resource):\n    pass\nD(ResourceProvider(), 'd', {})",
        "pulumi-python:dynamic:Resource 'd' is not supported",
    ),
    "resources of others": ("pulumi.CustomResource('aws:s3/bucket:Bucket', 'b', {})", "Bucket 'b' is not supported"),
    "nested archives": (
        "libvirt.Domain('vm', disks=[{'volume_id': pulumi.FileArchive('x')}], opts=on)", "disks: assets and archives",
    ),
    "a Pulumi that is not there": ("pulumi.require_pulumi_version('>=99.0.0')", "the program requires Pulumi >=99.0.0"),
    "no range of versions": ("pulumi.require_pulumi_version('new')", "'new' is no range of versions"),
    "remote components": ("pulumi.ComponentResource('a:b:C', 'c', {}, remote=True)", "a component that a plugin would make"),
    "assets": ("libvirt.Domain('vm', description=pulumi.StringAsset('x'), opts=on)", "assets and archives"),
    "other providers": ("pulumi.ProviderResource('aws', 'p', {})", "pulumi:providers:aws 'p' is not supported"),
    "other functions": ("pulumi.runtime.invoke('aws:x:y', {})", "the function aws:x:y is not supported"),
    "a name twice": ("libvirt.Domain('vm', opts=on)\nlibvirt.Domain('vm', opts=on)", "Domain 'vm' is defined twice"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_engine_cannot_do_is_refused(stack, case):
    body, expected = REFUSED[case]
    error = stack.fail(body, prelude=PRELUDE)
    assert expected in str(error)


def test_secrets_stay_secrets(stack):
    graph = stack.evaluate(
        """
        seed = libvirt.CloudInitDisk("seed", user_data=pulumi.Output.secret("#cloud-config"), opts=on)
        libvirt.Domain("vm", cloudinit=seed.id, opts=on)
        vm = libvirt.Domain("x", opts=pulumi.ResourceOptions(provider=kvm, additional_secret_outputs=["name"]))
        pulumi.export("data", seed.user_data)
        pulumi.export("name", vm.name)
        """,
        prelude=PRELUDE,
    )
    assert graph.outputs["data"] == Output(value="#cloud-config", secret=True)
    assert graph.outputs["name"].secret


def test_a_chain_of_a_thousand_needs_neither_recursion_nor_patience(stack):
    started = time.process_time()
    graph = stack.evaluate(
        """
        last = None
        for n in range(1000):
            more = pulumi.ResourceOptions(provider=kvm, depends_on=[last] if last else None)
            last = libvirt.Domain(f"vm-{n}", opts=more)
        """,
        prelude=PRELUDE,
    )
    assert len(vms(graph)) == 1000
    needs = {item.key: item.needs for item in graph.resources}
    assert Key(Kind.VM, "vm-998") in needs[Key(Kind.VM, "vm-999")]
    assert time.process_time() - started < 5


def test_circles_are_told(stack):
    error = stack.fail(
        """
        class C(pulumi.ComponentResource):
            def __init__(self):
                super().__init__("unit:C", "c")
                libvirt.Domain("a", opts=pulumi.ResourceOptions(parent=self, provider=kvm, depends_on=[self]))
        C()
        """,
        prelude=PRELUDE,
    )
    assert "circular" in str(error)


def test_two_evaluations_give_two_answers(stack):
    body = "libvirt.Domain(pulumi.Config().require('name'), opts=on)"
    found = [set(vms(stack.evaluate(body, prelude=PRELUDE, config={"name": name}))) for name in ("a", "b", "a")]
    assert found == [{"a"}, {"b"}, {"a"}]


HARMLESS = {
    "a version of the package": ("libvirt.Domain('vm', opts=pulumi.ResourceOptions(provider=kvm, version='0.5.4'))"),
    "where its plugin is": (
        "libvirt.Domain('vm', opts=pulumi.ResourceOptions(provider=kvm, plugin_download_url='https://x.test'))"
    ),
    "the Pulumi that is there": (
        "libvirt.Domain('vm', opts=on)\npulumi.require_pulumi_version('<1.0.0 || >=3.0.0 <4.0.0 !=3.1.0')"
    ),
    "an entry point to await": (
        "async def main():\n    import asyncio\n    await asyncio.sleep(0)\n    libvirt.Domain('vm', opts=on)\npulumi.run(main)"
    ),
    "a recovered failure": (
        "name = pulumi.Output.from_input('a').apply(lambda x: 1 / 0).recover(lambda error: 'saved')\n"
        "libvirt.Domain('vm', description=name, opts=on)"
    ),
}


@pytest.mark.parametrize("case", HARMLESS)
def test_what_needs_nothing_of_the_engine_is_taken(stack, case):
    assert set(vms(stack.evaluate(HARMLESS[case], prelude=PRELUDE))) == {"vm"}


def test_a_helper_module_is_run_again_by_the_next_evaluation(stack):
    stack.write(
        "helper.py", "import pulumi_libvirt as libvirt\nlibvirt.Domain('inside', opts=__import__('settings').on)\n"
    )
    stack.write("settings.py", "import pulumi\nimport pulumi_libvirt as libvirt\n"
                "on = pulumi.ResourceOptions(provider=libvirt.Provider('kvm', uri='qemu:///system'))\n")  # fmt: skip
    found = [set(vms(stack.evaluate("import pulumi\nimport helper\n", prelude=""))) for _ in range(3)]
    assert found == [{"inside"}] * 3


def test_user_data_is_secret_though_the_sdk_does_not_say_so(stack):
    graph = stack.evaluate(
        """
        seed = libvirt.CloudInitDisk("seed", user_data="#cloud-config", opts=on)
        first = libvirt.Ignition("first", content="{}", opts=on)
        vm = libvirt.Domain("vm", cloudinit=seed.id, opts=on)
        other = libvirt.Domain("other", coreos_ignition=first.id, opts=on)
        pulumi.export("user", seed.user_data)
        pulumi.export("content", first.content)
        pulumi.export("name", seed.name)
        """,
        prelude=PRELUDE,
    )
    assert {name for name, output in graph.outputs.items() if output.secret} == {"user", "content"}
