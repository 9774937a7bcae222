"""Running programs: to their end, isolated, and with clear failures."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from vmstack.errors import ConflictError, InputError, Place, ProgramError
from vmstack.evaluate.program import evaluate
from vmstack.model.graph import Output


def names(graph):
    return [str(resource.key) for resource in graph.resources]


@pytest.fixture(params=["plain", "pulumi"])
def prelude(request):
    """Both ways of running a program must behave the same."""
    return {"plain": "from vmstack import *\n", "pulumi": "import pulumi\nfrom vmstack import *\n"}[request.param]


FAILURES = {
    "raises": ("1 / 0  # here", "the stack program failed: ZeroDivisionError: division by zero"),
    "raises in a function": ("def f():\n    raise KeyError('x')  # here\nf()", "KeyError: 'x'"),
    "exits": ("import sys\nsys.exit(0)  # here", "ended itself with sys.exit(0)"),
    "exits with a text": ("raise SystemExit('enough')  # here", "ended itself with sys.exit('enough')"),
    "is no Python": ("x = (  # here", "is not valid Python: '(' was never closed"),
    "imports what is not there": ("import no_such_module  # here", "No module named 'no_such_module'"),
    "imports a name that is not there": ("from vmstack import Hots  # here", "cannot import name 'Hots'"),
    "is cancelled": ("import asyncio\nraise asyncio.CancelledError()  # here", "CancelledError"),
    "asserts": ("assert 1 == 2  # here", "AssertionError"),
}


@pytest.mark.parametrize("case", FAILURES)
def test_a_program_that_fails_plans_nothing(stack, prelude, case):
    body, expected = FAILURES[case]
    error = stack.fail(f'Host("kvm")\n{body}', prelude=prelude)
    assert isinstance(error, ProgramError)
    assert expected in str(error)
    assert "vmstack/evaluate" not in str(error)
    assert "site-packages" not in str(error)


def test_failures_show_the_programs_own_frames(stack):
    stack.write("helper.py", "def build(n):\n    return 1 // n\n")
    error = stack.fail("import helper\nhelper.build(0)", prelude="")
    assert error.place == Place(str(stack.folder / "helper.py"), 2)
    assert error.details == (f"in build(), called at {stack.folder}/__main__.py:2",)


def test_failures_show_no_literals_of_the_program(stack):
    error = stack.fail('def login(password):\n    return int(len(password) / 0)\n\nlogin("hunter2")', prelude="")
    assert "division by zero" in str(error)
    assert "hunter2" not in str(error)


def test_paths_are_shown_from_where_the_user_stands(stack, monkeypatch):
    monkeypatch.chdir(stack.folder.parent)
    error = stack.fail("1 / 0")
    assert error.place == Place("project/__main__.py", 6)
    stack.program('Host("a b")', prelude="from vmstack import Host\n")
    with pytest.raises(InputError, match=r"^project/__main__\.py:2: "):
        evaluate(Path("project"))


def test_errors_in_helpers_stand_where_the_call_is(stack):
    stack.write("helper.py", "from vmstack import Host\n\n\ndef build():\n    Host('a b')\n")
    error = stack.fail("import helper\nhelper.build()", prelude="")
    assert isinstance(error, InputError)
    assert error.place == Place(str(stack.folder / "helper.py"), 5)


def test_an_empty_program_is_a_graph(stack, prelude):
    graph = stack.evaluate("", prelude=prelude)
    assert (graph.resources, graph.outputs, graph.warnings) == ((), {}, ())


def test_what_a_program_prints_does_not_disturb_the_answer(stack, capfd, prelude):
    stack.evaluate("print('hello')", prelude=prelude)
    out, err = capfd.readouterr()
    assert out == ""
    assert "hello" in err


def test_two_evaluations_of_a_project_see_its_edits(stack, prelude):
    stack.write("parts/__init__.py", "from vmstack import Host\nHost('one')\n")
    assert names(stack.evaluate("import parts", prelude=prelude)) == ["host.one"]
    assert names(stack.evaluate("import parts", prelude=prelude)) == ["host.one"]
    stack.write("parts/__init__.py", "from vmstack import Host\nHost('two')\n")
    assert names(stack.evaluate("import parts", prelude=prelude)) == ["host.two"]


def test_two_projects_have_modules_of_their_own(stack, tmp_path):
    stack.write("helper.py", "NAME = 'first'\n")
    other = tmp_path / "other"
    other.mkdir()
    (other / "Pulumi.yaml").write_text("name: other\nruntime: python\n")
    (other / "helper.py").write_text("NAME = 'second'\n")
    program = "import helper\nfrom vmstack import Host\nHost(helper.NAME)\n"
    (other / "__main__.py").write_text(program)
    stack.program(program, prelude="")
    assert [names(evaluate(folder)) for folder in (stack.folder, other, stack.folder)] == [
        ["host.first"], ["host.second"], ["host.first"],
    ]  # fmt: skip


def test_a_module_that_is_loaded_already_does_not_hide_the_projects(stack, monkeypatch, tmp_path):
    (tmp_path / "vmfleet.py").write_text("NAME = 'wrong'\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    import vmfleet

    stack.write("vmfleet.py", "NAME = 'right'\n")
    assert names(stack.evaluate("import vmfleet\nHost(vmfleet.NAME)", prelude="from vmstack import Host\n")) == [
        "host.right"
    ]
    assert sys.modules["vmfleet"] is vmfleet


@pytest.mark.parametrize("end", ["", "raise ValueError"])
def test_the_process_is_as_before(stack, prelude, end):
    before = (Path.cwd(), list(sys.path), list(sys.argv), dict(os.environ), sys.modules["__main__"], sys.stdout)
    stack.program(
        "import os, sys\nassert os.getcwd() == os.path.dirname(__file__)\nassert sys.argv == [__file__]\n"
        "assert __name__ == '__main__'\nos.environ['X_MADE'] = '1'\nos.chdir('/')\nsys.path.append('/x')\n" + end,
        prelude=prelude,
    )
    if end:
        with pytest.raises(ProgramError):
            evaluate(stack.folder)
    else:
        evaluate(stack.folder)
    after = (Path.cwd(), list(sys.path), list(sys.argv), dict(os.environ), sys.modules["__main__"], sys.stdout)
    assert after == before
    assert not list(stack.folder.rglob("__pycache__"))


@pytest.mark.timeout(60)  # two new processes' worth of imports
def test_a_program_without_pulumi_does_not_load_it(stack):
    stack.write("with_pulumi.py", "import pulumi\n")
    stack.program('from vmstack import Host\nHost("kvm")\n', prelude="")
    check = (
        "import sys; from pathlib import Path; from vmstack.evaluate.program import evaluate\n"
        f"folder = Path({str(stack.folder)!r})\n"
        "assert len(evaluate(folder).resources) == 1\n"
        "assert 'pulumi' not in sys.modules and 'jinja2' not in sys.modules and 'jsonschema' not in sys.modules\n"
        # A module of the program may import it: the program starts over, under the runtime.
        "(folder / '__main__.py').write_text('''from vmstack import Host\\nHost(\"kvm\")\\n"
        "try:\\n    import with_pulumi\\nexcept Exception:\\n    raise SystemExit(1)\\n"
        "with_pulumi.pulumi.export('x', with_pulumi.pulumi.get_project())''')\n"
        "graph = evaluate(folder)\n"
        "assert len(graph.resources) == 1 and graph.outputs['x'].value == 'unit', graph\n"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_connect_replaces_the_uri_of_the_only_host(stack):
    graph = stack.evaluate('Host("kvm")', prelude="from vmstack import Host\n", connect="qemu+ssh://kvm2/system")
    assert graph.resources[0].spec.uri == "qemu+ssh://kvm2/system"
    error = stack.fail(
        'Host("a")\nHost("b")  # here', prelude="from vmstack import Host\n", connect="qemu+ssh://kvm2/system"
    )
    assert "has more than one host" in str(error)


def test_the_graph_as_a_whole_is_checked(stack):
    error = stack.fail('Network("n", cidr="10.20.0.128/25")')
    assert isinstance(error, ConflictError)
    assert "overlap" in str(error)


# What follows needs the Pulumi runtime.

PULUMI = "import pulumi\nfrom vmstack import *\n"
POOL = 'Host("kvm")\npool = StoragePool("pool", path="/p")\n'


def test_exports_are_outputs(stack):
    graph = stack.evaluate(
        'vm = VirtualMachine("a", host=Host("kvm"))\npulumi.export("uuid", vm.uuid)\npulumi.export("n", 3)\n'
        'pulumi.export("half", 1.5)\npulumi.export("all", {"b": [1, None, True], "a": "x"})\n'
        'pulumi.export("secret", pulumi.Output.secret("hush"))\n'
        'pulumi.export("inside", {"pw": pulumi.Output.secret("hush")})\n'
        'pulumi.export("late", pulumi.Output.from_input("x").apply(str.upper))',
        prelude=PULUMI,
    )
    vm = next(resource.spec for resource in graph.resources if str(resource.key) == "vm.a")
    assert graph.outputs == {
        "uuid": Output(value=vm.uuid), "n": Output(value=3), "half": Output(value=1.5),
        "all": Output(value={"a": "x", "b": [1, None, True]}), "secret": Output(value="hush", secret=True),
        "inside": Output(value={"pw": "hush"}, secret=True), "late": Output(value="X"),
    }  # fmt: skip
    assert list(graph.outputs["all"].value) == ["a", "b"]


def test_configuration_reaches_the_program(stack, monkeypatch):
    monkeypatch.setenv("PULUMI_CONFIG", '{"unit:stray": "x"}')
    stack.write("Pulumi.prod.yaml", "config:\n  count: 3\n  flag: true\n  people: [{name: a}]\n  libvirt:uri: u\n")
    graph = stack.evaluate(
        'c = pulumi.Config()\npulumi.export("x", [c.require_int("count"), c.require_bool("flag"), '
        'c.require_object("people"), c.get("none"), c.get("stray"), c.require("word"), '
        'pulumi.Config("libvirt").get("uri"), '
        "pulumi.get_project(), pulumi.get_stack(), pulumi.runtime.is_dry_run()])\n"
        'pulumi.export("pw", c.require_secret("word"))',
        prelude=PULUMI,
        config={"word": "hush"},
    )
    assert graph.outputs["x"].value == [3, True, [{"name": "a"}], None, None, "hush", "u", "unit", "prod", True]
    assert graph.outputs["pw"] == Output(value="hush", secret=True)


def test_outputs_are_inputs_when_they_are_known(stack):
    graph = stack.evaluate(
        POOL + 'size = pulumi.Output.from_input("2GiB").apply(lambda text: text)\n'
        'VirtualMachine(pulumi.Output.concat("a", "-1"), pool=pool, memory=size, cloud_init=CloudInit(\n'
        '    users=[{"name": "ops", "passwd": pulumi.Output.secret("hush")}]))\n'
        'pulumi.Output.from_input("late").apply(lambda name: VirtualMachine(name, pool=pool))',
        prelude=PULUMI,
    )
    assert {"vm.a-1", "vm.late"} <= set(names(graph))
    seed = next(resource.spec for resource in graph.resources if str(resource.key) == "seed.a-1")
    assert "passwd: hush" in seed.user_data


INPUTS = {
    "a secret in plain sight": (
        'StoragePool("p", path=pulumi.Output.secret("/hush"), host=Host("kvm"))  # here',
        "path: the value is a secret and would be shown in plans",
    ),
    "an unknown value": (
        'from pulumi.output import UNKNOWN\nHost("kvm", uri=pulumi.Output.from_input(UNKNOWN))  # here',
        "uri: the value is not known before apply",
    ),
    "a resource as output": (
        'vm = VirtualMachine("a", host=Host("kvm"))\npulumi.export("vm", vm)', "the output 'vm' is a resource: <vm.a>",
    ),
    "an option without effect": (
        'Host("kvm", opts=pulumi.ResourceOptions(delete_before_replace=True))  # here',
        "opts: delete_before_replace has no effect on a native resource",
    ),
    "aliases": (
        'Host("kvm", opts=pulumi.ResourceOptions(aliases=[pulumi.Alias(name="x")]))  # here', "aliases has no effect",
    ),
    "no options": ('Host("kvm", opts={"protect": True})  # here', "opts: a dict is not a pulumi.ResourceOptions"),
    "a host protected": (
        'Host("kvm", opts=pulumi.ResourceOptions(protect=True))  # here', "protect has no effect on a host",
    ),
    "an image protected": (
        'Image("a", source="/a", opts=pulumi.ResourceOptions(protect=True))  # here',
        "protect has no effect on an image",
    ),
    "an existing pool protected": (
        'StoragePool.existing("a", host=Host("kvm"), opts=pulumi.ResourceOptions(protect=True))  # here',
        "protect has no effect on an existing pool",
    ),
    "changes of an existing network ignored": (
        'Network.existing("a", host=Host("kvm"), opts=pulumi.ResourceOptions(ignore_changes=["mtu"]))  # here',
        "ignore_changes has no effect on an existing network",
    ),
    "an ignored field that is none": (
        'VirtualMachine("a", host=Host("kvm"), opts=pulumi.ResourceOptions(ignore_changes=["memroy"]))  # here',
        "memroy",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", INPUTS)
def test_what_pulumi_allows_and_natives_do_not_is_said(stack, case):
    body, expected = INPUTS[case]
    error = stack.fail(body, prelude=PULUMI)
    assert isinstance(error, InputError)
    assert expected in str(error)
    assert "/hush" not in str(error)


def test_options_are_honoured(stack):
    graph = stack.evaluate(
        POOL
        + """
        class Tier(pulumi.ComponentResource):
            def __init__(self, name, opts=None):
                super().__init__("acme:Tier", name, None, opts)
                self.vm = VirtualMachine(f"{name}-vm", pool=pool, disk="1GiB", opts=pulumi.ResourceOptions(parent=self))
        outer = Tier("outer", pulumi.ResourceOptions(protect=True))
        inner = Tier("inner", pulumi.ResourceOptions(parent=outer))
        VirtualMachine("z", pool=pool, opts=pulumi.ResourceOptions(depends_on=[outer], protect=False))
        VirtualMachine("y", pool=pool, opts=pulumi.ResourceOptions(
            depends_on=inner.vm, ignore_changes=["memory", "running", "maxVcpus", "disks"]))
        """.replace("\n        ", "\n"),
        prelude=PULUMI,
    )
    found = {str(resource.key): resource for resource in graph.resources}
    assert found["vm.inner-vm"].parent == ("outer", "inner")
    assert found["vm.outer-vm"].parent == ("outer",)
    assert {name: found[name].options.protect for name in ("vm.outer-vm", "vm.inner-vm", "vm.z", "vm.y")} == {
        "vm.outer-vm": True, "vm.inner-vm": True, "vm.z": False, "vm.y": None,
    }  # fmt: skip
    assert found["volume.inner-vm-root"].options.protect is True
    assert {"vm.outer-vm", "vm.inner-vm", "volume.inner-vm-root"} <= set(map(str, found["vm.z"].needs))
    assert "vm.inner-vm" in map(str, found["vm.y"].needs)
    assert found["vm.y"].options.ignore_changes == ("memory", "power", "max_vcpus", "disks")


def test_log_messages_of_programs(stack, capfd):
    graph = stack.evaluate(
        'pulumi.log.warn("careful")\npulumi.log.info("so far")\npulumi.log.debug("x")', prelude=PULUMI
    )
    assert graph.warnings == ("careful",)
    assert "so far" in capfd.readouterr().err
    error = stack.fail('pulumi.log.error("no good")\nHost("kvm")', prelude=PULUMI)
    assert isinstance(error, ProgramError)
    assert "the stack program logged an error: no good" in str(error)


def test_failures_inside_of_callbacks_count(stack):
    error = stack.fail("pulumi.Output.from_input(0).apply(lambda n: 1 // n)  # here", prelude=PULUMI)
    assert isinstance(error, ProgramError)
    assert "ZeroDivisionError" in str(error)
    error = stack.fail('pulumi.Output.from_input("a b").apply(lambda n: Host(n))  # here', prelude=PULUMI)
    assert isinstance(error, InputError)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            'pulumi.CustomResource("aws:s3/bucket:Bucket", "b", {})',
            "aws:s3/bucket:Bucket 'b' is not supported",
        ),
        ('pulumi.StackReference("org/other/dev")', "asks a host about stack other/dev"),
        ("import pulumi_libvirt\npulumi_libvirt.get_node_info()  # here", "its provider has no URI"),
    ],
)
def test_other_resources_are_refused_by_name(stack, body, expected):
    error = stack.fail(body, prelude=PULUMI)
    assert isinstance(error, InputError)
    assert expected in str(error)


def test_run_errors_are_shown_as_they_are(stack):
    error = stack.fail('raise pulumi.RunError("set the region")  # here', prelude=PULUMI)
    assert "set the region" in str(error)


CONFIG = {
    "a text": ('require("size")', "the configuration value unit:size is missing", "vmstack config set size VALUE"),
    "a number": ('require_int("size")', "the configuration value unit:size is missing", "config set size VALUE"),
    "a truth value": ('require_bool("size")', "unit:size is missing", "config set size VALUE"),
    "an object": ('require_object("size")', "unit:size is missing", "config set size VALUE"),
    "a secret": ('require_secret("pw")', "unit:pw is missing", "vmstack config set --secret pw VALUE"),
    "a secret number": ('require_secret_int("pw")', "unit:pw is missing", "config set --secret pw VALUE"),
    "a secret object": ('require_secret_object("pw")', "unit:pw is missing", "config set --secret pw VALUE"),
    "no number": ('require_int("word")', "unit:word is not an int", "vmstack config set word VALUE"),
    "no truth value": ('get_bool("word")', "unit:word is not a bool", "vmstack config get word"),
    "no object": ('require_object("word")', "unit:word is not a JSON object", "vmstack config get word"),
}


@pytest.mark.parametrize("case", CONFIG)
def test_configuration_that_is_missing_or_wrong_is_told_in_our_words(stack, case):
    call, brief, resolution = CONFIG[case]
    error = stack.fail(f"import pulumi\npulumi.Config().{call}  # here", prelude="", config={"word": "hunter2"})
    assert isinstance(error, InputError)
    assert brief in error.brief
    assert resolution in (error.resolution or "")
    assert "hunter2" not in str(error)
    assert "pulumi config" not in str(error)


def test_configuration_of_another_namespace_keeps_its_name(stack):
    error = stack.fail('import pulumi\npulumi.Config("net").require("cidr")  # here', prelude="")
    assert error.brief == "the configuration value net:cidr is missing"
    assert error.resolution == "set it: vmstack config set net:cidr VALUE"
