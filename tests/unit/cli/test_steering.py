"""Steering a plan: targets, replacements, limits, and policies of the program, from end to end on a fake host."""

import json
import textwrap
from pathlib import Path

import pytest

from tests.fake.host import FakeHost
from vmstack.cli.main import main

PROGRAM = """
import pulumi
from vmstack import Disk, Host, Network, StoragePool, VirtualMachine, policy

kvm = Host("kvm1", uri="qemu:///system")
pool = StoragePool("web", path="/pools/web", host=kvm)
lan = Network("lan", cidr="10.20.0.0/24", mode="isolated", host=kvm)
for number in range(pulumi.Config().get_int("count") or 2):
    vm = VirtualMachine(
        f"web-{number}",
        pool=pool,
        disk="1GiB",
        memory=pulumi.Config().get("memory") or "512MiB",
        networks=[lan.at(f"10.20.0.{10 + number}")],
    )
    pulumi.export(f"web-{number}", vm.ip)
"""


@pytest.fixture
def stack(folder: Path) -> Path:
    folder.mkdir()
    (folder / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")
    settings(folder)
    return write(folder)


def settings(folder: Path, **config: object) -> None:
    values = {f"vmstack:{name.replace('_', '-')}": value for name, value in config.items()}
    (folder / "Pulumi.dev.yaml").write_text(json.dumps({"config": values}))


def write(folder: Path, policies: str = "", *, program: str = PROGRAM) -> Path:
    (folder / "__main__.py").write_text(textwrap.dedent(program) + textwrap.dedent(policies))
    return folder


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def names(host: FakeHost) -> list[str]:
    return sorted(record.name for record in host.domains())


def test_a_part_is_applied_and_destroyed(stack, host, capsys):
    assert run("plan", stack, "--target", "vm.web-0") == 0
    captured = capsys.readouterr()
    assert "vm.web-0 will be created" in captured.out
    assert "vm.web-1" not in captured.out
    assert "Warning: the plan is partial" in captured.err
    assert run("apply", stack, "--yes", "--target", "vm.web-0") == 0
    assert names(host) == ["web-0"]
    capsys.readouterr()
    assert run("apply", stack, "--yes", "--exclude", "vm.web-1") == 0
    assert names(host) == ["web-0"]
    assert "left out as well" not in capsys.readouterr().err
    assert run("apply", stack, "--yes") == 0
    assert names(host) == ["web-0", "web-1"]
    assert run("destroy", stack, "--yes", "--target", "*web-1*") == 5
    assert "volume.web-1-root holds data and cannot be deleted" in capsys.readouterr().err
    assert run("destroy", stack, "--yes", "--target", "vm.web-1") == 0
    assert names(host) == ["web-0"]
    capsys.readouterr()
    assert run("output", "-C", stack, "web-1") == 0  # as the last whole apply left it
    assert run("plan", stack, "--target", "vm.web0") == 1
    assert "did you mean vm.web-0" in capsys.readouterr().err
    assert run("plan", stack, "--target-dependents") == 1


def test_a_partial_plan_says_so_in_json(stack, host, capsys):
    assert run("plan", stack, "--json", "--target", "network.lan") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["partial"] is True
    assert [change["address"] for change in document["changes"]] == ["network.lan"]
    assert (document["complete"], len(document["resource_changes"])) == (False, 1)


def test_a_vm_is_made_anew_with_its_disks_kept(stack, host, capsys):
    assert run("apply", stack, "--yes") == 0
    capsys.readouterr()
    assert run("plan", stack, "--replace", "vm.web-0") == 0
    out = capsys.readouterr().out
    assert "vm.web-0 must be replaced (restarts the guest)" in out
    assert "volume.web-0-root" not in out
    assert run("apply", stack, "--yes", "--replace", "vm.web-0") == 0
    assert run("plan", stack, "--detailed-exitcode") == 0


def test_a_disk_is_made_anew_only_when_it_is_named_and_may_be(stack, host, capsys):
    data = PROGRAM.replace('disk="1GiB",', 'disk="1GiB", disks=[Disk("data", size="1GiB")],')
    write(stack, program=data)
    assert run("apply", stack, "--yes") == 0
    capsys.readouterr()
    assert run("plan", stack, "--replace", "volume.web-0-data", "-o", stack / "it.plan") == 5
    told = capsys.readouterr()
    assert "volume.web-0-data must be replaced (DATA LOSS)" in told.out
    assert "volume.web-0-data holds data and cannot be made anew (--replace)" in told.err
    assert "The plan is not saved" in told.err
    assert not (stack / "it.plan").exists()
    assert run("plan", stack, "--allow-data-loss", "--replace", "volume.web-0-root") == 0
    out = capsys.readouterr().out
    assert "volume.web-0-root must be replaced (DATA LOSS)" in out
    assert "web-0-data" not in out
    assert run("plan", stack, "--replace", "pool.web") == 5
    assert "pool.web is nothing that vmstack makes anew" in capsys.readouterr().err
    assert run("plan", stack, "--replace", "vm.web-7") == 1
    assert "did you mean vm.web-" in capsys.readouterr().err
    assert run("plan", stack, "--replace", "vm.web-0", "--target", "vm.web-1") == 1
    assert "which --target or --exclude leaves out" in capsys.readouterr().err


BIGGER = ("-c", "memory=2GiB")
FEWER = ("--target", "vm.web-1", "-c", "count=1")


@pytest.mark.parametrize(
    ("change", "limits", "said", "allowed"),
    [
        (
            BIGGER,
            ("--max-disruption", "live"),
            "the plan does worse than live to 2 resources\n  vm.web-0: restart\n  vm.web-1: restart\n",
            ("--max-disruption", "restart"),
        ),
        (
            FEWER,
            ("--max-deletes", "0"),
            "the plan destroys 1 resource, and at most 0 may be\n  delete vm.web-1\n",
            ("--max-deletes", "1"),
        ),
    ],
)
def test_limits_refuse_apply_and_show_in_plan(stack, host, capsys, change, limits, said, allowed):
    assert run("apply", stack, "--yes") == 0
    capsys.readouterr()
    assert run("plan", stack, *change, *limits) == 0
    captured = capsys.readouterr()
    assert captured.err.endswith(f"{said}  To go on: {captured.err.rpartition('To go on: ')[2]}")
    assert f"apply would refuse this plan:\nError: {said}" in captured.err
    assert "Plan: 0 to add" in captured.out
    assert run("plan", stack, *change, *limits, "--detailed-exitcode") == 5
    capsys.readouterr()
    assert run("plan", stack, *change, *limits, "--json") == 0
    [error] = [one for one in json.loads(capsys.readouterr().out)["diagnostics"] if one["severity"] == "error"]
    assert error["text"].startswith(said.partition("\n")[0])
    assert run("apply", stack, "--yes", *change, *limits) == 5
    assert said in capsys.readouterr().err
    assert names(host) == ["web-0", "web-1"]
    assert run("plan", stack, *change, *allowed, "--detailed-exitcode") == 2
    # The stack's configuration may say it, and the command line something else.
    option, value = limits
    settings(stack, **{option.removeprefix("--").replace("-", "_"): value})
    assert run("apply", stack, "--yes", *change) == 5
    assert run("apply", stack, "--yes", *change, *allowed) == 0


def test_limits_count_for_destroy(stack, host, capsys):
    assert run("apply", stack, "--yes", "--max-disruption", "none") == 0
    assert run("destroy", stack, "--yes", "--allow-data-loss", "--max-deletes", "2") == 5
    assert names(host) == ["web-0", "web-1"]
    assert "at most 2 may be" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"max_disruption": "lives"}, "'lives' is no class of disruption\n  To go on: did you mean live?"),
        ({"max_deletes": "few"}, "vmstack:max-deletes: 'few' is no number of resources"),
        ({"max_deletes": -1}, "'-1' is no number of resources"),
        ({"max_delete": 3}, "did you mean vmstack:max-deletes?"),
        ({"frob": 3}, "vmstack's keys are vmstack:max-deletes"),
    ],
)
def test_limits_that_are_none(stack, host, capsys, config, said):
    settings(stack, **config)
    assert run("plan", stack) == 1
    assert said in capsys.readouterr().err


def test_options_that_are_wrong(stack, host, capsys):
    assert run("plan", stack, "--max-disruption", "restarts") == 1
    assert "did you mean restart?" in capsys.readouterr().err
    assert run("apply", stack, "--max-deletes", "1.5") == 1
    assert "--max-deletes: '1.5' is no number of resources" in capsys.readouterr().err


WATCHED = """
@policy
def careful(plan):
    assert not plan.destroys
    for vm in plan.of("vm"):
        if vm.operation == "update" and vm.exceeds("live"):
            plan.refuse(f"memory {vm.fields['memory'].before} becomes {vm.fields['memory'].after}", vm)
        if vm.spec and vm.spec["memory"] < 2**30:
            plan.warn("has little memory", vm)
    if any(change.operation == "delete" for change in plan.changes):
        plan.refuse("nothing is ever deleted")
"""


def test_policies_warn_and_refuse(stack, host, capsys):
    write(stack, WATCHED)
    line = PROGRAM.count("\n") + 2
    assert run("apply", stack, "--yes") == 0
    err = capsys.readouterr().err
    assert f"Warning: vm.web-0: has little memory (policy careful)\n  at {stack}/__main__.py:{line}\n" in err
    assert run("plan", stack, *BIGGER) == 5
    captured = capsys.readouterr()
    assert "Plan: 0 to add, 2 to change" in captured.out
    assert "Error: policy careful refuses vm.web-1: memory 512 MiB becomes 2 GiB\n" in captured.err
    assert f"  at {stack}/__main__.py:{line}\n" in captured.err
    assert run("apply", stack, "--yes", *BIGGER) == 5
    assert run("apply", stack, "--yes", "--allow-data-loss", "-c", "count=1") == 5
    assert "policy careful refuses the plan: nothing is ever deleted" in capsys.readouterr().err
    assert names(host) == ["web-0", "web-1"]
    assert run("plan", stack, "--json", *BIGGER) == 5
    found = [one for one in json.loads(capsys.readouterr().out)["diagnostics"] if one["severity"] == "error"]
    assert [one["place"]["line"] for one in found] == [line, line]


def test_a_policy_that_fails_is_no_pass(stack, host, capsys):
    write(
        stack,
        """
        def helper(vm):
            return vm.fields["no such"]

        @policy
        def broken(plan):
            for vm in plan.of("vm"):
                helper(vm)
        """,
    )
    assert run("apply", stack, "--yes") == 1
    err = capsys.readouterr().err
    assert "policy broken failed: KeyError: 'no such'" in err
    line = PROGRAM.count("\n")
    assert f"  at {stack}/__main__.py:{line + 3}\n" in err
    assert f"in helper(), called at {stack}/__main__.py:{line + 8}" in err
    assert names(host) == []


@pytest.mark.parametrize(
    ("policies", "said"),
    [
        ("@policy\ndef p(plan):\n    return False\n", "policy p returned False, which says nothing"),
        ("@policy\ndef p(plan):\n    exit(0)\n", "policy p ended itself with sys.exit(0)"),
        ("@policy\ndef p(plan):\n    yield plan\n", "policy p: it would never run, because it is async or yields"),
        ("@policy\nasync def p(plan):\n    pass\n", "policy p: it would never run, because it is async or yields"),
        ("@policy\ndef p():\n    pass\n", "policy p: it takes other arguments than the plan"),
        ("policy('x')", "only a function can be a policy"),
        ("@policy\ndef p(plan):\n    plan.refuse('')\n", "policy p failed: TypeError: what a policy says is a text"),
        ("@policy\ndef p(plan):\n    plan.warn('x', 'vm.web-0')\n", "what a policy speaks of is one of plan.resources"),
        ("@policy\ndef p(plan):\n    plan.of('vm')[0].spec['vcpus'] = 9\n", "policy p failed: TypeError"),
        ("@policy\ndef p(plan):\n    plan.changes[0].host = 'x'\n", "policy p failed: FrozenInstanceError"),
        ("@policy\ndef p(plan):\n    Host('kvm2', uri='test:///default')\n", "was made outside a stack program"),
        ("@policy\ndef p(plan):\n    plan.changes[0].exceeds('some')\n", "'some' is not a valid Disruption"),
    ],
)
def test_policies_that_cannot_be(stack, host, capsys, policies, said):
    write(stack, policies)
    assert run("plan", stack) == 1
    captured = capsys.readouterr()
    assert said in captured.err
    assert f"{stack}/__main__.py:" in captured.err


def test_policies_see_and_tell_no_secrets(stack, host, capsys):
    settings(stack)
    write(
        stack,
        """
        from vmstack import CloudInit
        told = "#cloud-config\\npassword: hunter2"
        VirtualMachine("db", pool=pool, disk="1GiB", cloud_init=CloudInit(user_data=told))

        @policy
        def nosy(plan):
            [seed] = plan.of("seed")
            plan.warn(f"{dict(seed.spec)}")
        """,
    )
    assert run("plan", stack) == 0
    captured = capsys.readouterr()
    assert "(sensitive value)" in captured.err
    assert "hunter2" not in captured.err + captured.out


def test_policies_of_programs_of_pulumi_libvirt(stack, host, capsys, monkeypatch):
    (stack / "rules.py").write_text(
        "from vmstack import policy\n\n@policy\ndef small(plan):\n"
        "    from pathlib import Path\n    assert Path('rules.py').is_file()\n"
        "    for vm in plan.of('vm'):\n        plan.refuse(f'has {vm.spec[\"vcpus\"]} vcpus', vm)\n"
    )
    program = """
    import pulumi_libvirt as libvirt
    import pulumi
    import rules

    on = pulumi.ResourceOptions(provider=libvirt.Provider("kvm", uri="qemu:///system"))
    libvirt.Domain("first", name="first", vcpu=3, opts=on)
    """
    write(stack, program=program)
    monkeypatch.chdir(stack)
    assert run("plan") == 5
    assert "policy small refuses vm.first: has 3 vcpus\n  at rules.py:3\n" in capsys.readouterr().err
    assert run("apply", "--yes") == 5
    assert names(host) == []


def test_a_vm_under_another_name_is_told_of_and_kept_by_its_alias(stack, host, capsys):
    data = PROGRAM.replace('disk="1GiB",', 'disk="1GiB", disks=[Disk("data", size="1GiB")], label=f"web-{number}",')
    data += 'pulumi.export("disk", vm.disks["data"].path)\n'
    write(stack, program=data)
    assert run("apply", stack, "--yes") == 0
    uuids = {record.name: record.uuid for record in host.domains()}
    capsys.readouterr()
    renamed = data.replace('f"web-{number}",\n        pool', 'f"api-{number}",\n        pool')
    write(stack, program=renamed)
    line = renamed.partition("vm = VirtualMachine")[0].count("\n") + 1
    assert run("plan", stack) == 5
    err = capsys.readouterr().err
    assert f"vm.api-0 ({stack}/__main__.py:{line}) looks like vm.web-0 under another name" in err
    assert run("plan", stack, "--allow-data-loss") == 0
    err = capsys.readouterr().err
    assert "Warning: vm.api-1: looks like vm.web-1 under another name, which would be deleted and made anew; " in err
    assert "write opts=pulumi.ResourceOptions(aliases=['web-1'])" in err
    assert "api-1-data: looks like" not in err
    kept = renamed.replace("pool=pool,", 'pool=pool, opts=pulumi.ResourceOptions(aliases=[f"web-{number}"]),')
    write(stack, program=kept)
    assert run("plan", stack) == 0
    captured = capsys.readouterr()
    assert "looks like" not in captured.err
    assert captured.out.endswith("Plan: 0 to add, 7 to change, 0 to destroy.\n")  # the network's lease has a new name
    assert "It was vm.web-0 before, by its alias, and stays what it is." in captured.out
    assert run("apply", stack, "--yes") == 0
    assert {record.name: record.uuid for record in host.domains()} == uuids
    capsys.readouterr()
    assert run("plan", stack, "--detailed-exitcode") == 0
    assert run("output", "-C", stack, "disk", "--raw") == 0
    assert capsys.readouterr().out.splitlines()[-1] == "/pools/web/web-1-data.qcow2"


def test_a_vm_that_is_retained_leaves_the_stack_with_its_disks(stack, host, capsys):
    retained = PROGRAM.replace("pool=pool,", "pool=pool, opts=pulumi.ResourceOptions(retain_on_delete=True),")
    write(stack, program=retained)
    assert run("apply", stack, "--yes") == 0
    assert run("apply", stack, "--yes", "-c", "count=1") == 0
    assert names(host) == ["web-0", "web-1"]
    assert "the stack forgets it: retain_on_delete" in capsys.readouterr().out
    assert run("plan", stack, "-c", "count=1", "--detailed-exitcode") == 0
    assert "web-1-root.qcow2" in {volume.name for volume in host.volumes("web")}


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("aliases=[3]", "opts: aliases: 3 is no name"),
        ("aliases=['']", "opts: aliases: '' is not a name"),
        ("aliases=[pulumi.Alias(name='x', type_='a:b:C')]", "of an alias only the name counts"),
        ("retain_on_delete='yes'", "retain_on_delete: 'yes' is neither True nor False"),
        ("ignore_changes=['memmory']", "did you mean memory or"),
        ("ignore_changes=['disks[rot].capacity']", "did you mean disks[root].capacity?"),
    ],
)
def test_options_that_mean_nothing(stack, host, capsys, option, said):
    write(stack, program=PROGRAM.replace("pool=pool,", f"pool=pool, opts=pulumi.ResourceOptions({option}),"))
    assert run("plan", stack) == 1
    captured = capsys.readouterr()
    assert said in captured.err
    assert f"at {stack}/__main__.py:" in captured.err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('VirtualMachine("a", pool=pool, networks=lan)', "put it into brackets: networks=[...]"),
        ('VirtualMachine("a", pool=pool, vcpus="4")', "write it without quotes: 4"),
        ('VirtualMachine("a", pool=pool, vcpus=0)', "give it a number from 1 to"),
        ('VirtualMachine("a", pool=pool, autostart="no")', "write True or False, unquoted"),
        ('VirtualMachine("a", pool=pool, firmware="uefii")', "did you mean 'uefi'?"),
        ("lan.at(300)", "choose one from 1 to 254, or give the network a wider cidr"),
        ("import requests_that_nobody_has", "(often: pip install requests_that_nobody_has)"),
        ("from vmstack import VirtualMachin", "did you mean VirtualMachine?"),
        ("import vmstack; vmstack.Netwerk", "did you mean Network?"),
        ("from vmstack import CloudInit; CloudInit(user_data='#cloud-config\\na: [b\\nc: d')", "a bracket or quote"),
    ],
)
def test_slips_are_answered_with_the_way_on(stack, host, capsys, line, said):
    write(stack, line)
    assert run("validate", stack) == 1
    err = capsys.readouterr().err
    assert f"  at {stack}/__main__.py:{PROGRAM.count(chr(10)) + 1}\n" in err
    assert said in err.partition("To go on: ")[2]


def test_configuration_that_the_program_does_not_read(stack, host, capsys):
    assert run("validate", stack, "-c", "cuont=1", "-c", "memory=1GiB", "-c", "libvirt:uri=x") == 0
    err = capsys.readouterr().err
    assert "-c cuont has no effect: the program does not read it; did you mean count?" in err
    assert "-c memory" not in err
    assert "libvirt:uri" not in err
    plain = "from vmstack import Host\nHost('kvm1', uri='qemu:///system')\n"
    write(stack, program=plain)
    assert run("validate", stack, "-c", "image=x") == 0
    assert "Warning: -c image has no effect: the program does not read it\n" in capsys.readouterr().err


def test_what_is_left_out_is_not_taken_over_either(stack, host, capsys):
    for name in ("one", "two"):
        host.define_network(f"<network><name>{name}</name><bridge name='b-{name}'/></network>")
        host.start_network(next(one.uuid for one in host.networks() if one.name == name))
    uuids = {one.name: one.uuid for one in host.networks()}
    program = f"""
    import pulumi
    from vmstack import Host, Network

    kvm = Host("kvm1", uri="qemu:///system")
    for name, uuid in {uuids!r}.items():
        Network(name, mode="isolated", bridge=f"b-{{name}}", opts=pulumi.ResourceOptions(import_=uuid))
    """
    write(stack, program=program)
    assert run("apply", stack, "--yes", "--target", "network.one") == 0, capsys.readouterr().err
    stamped = {one.name: "shop/dev/network" in one.xml for one in host.networks()}
    assert stamped == {"one": True, "two": False}


LIBRARY = """
from vmstack import policy

@policy
def never(plan):
    plan.refuse("nothing is ever made")
"""


@pytest.mark.parametrize(
    "way", ["import rules_of_all", "from rules import of_all", "import helper_of_pulumi, rules_of_all"]
)
def test_policies_of_a_library_judge_every_plan(stack, host, tmp_path, capsys, monkeypatch, way):
    """Python runs a module outside of the project once; its policies count each time that the program is evaluated."""
    library = tmp_path / "library"
    (library / "rules").mkdir(parents=True)
    (library / "rules" / "__init__.py").write_text("")
    (library / "rules" / "of_all.py").write_text(LIBRARY)
    (library / "rules_of_all.py").write_text(LIBRARY)
    (library / "helper_of_pulumi.py").write_text("import pulumi")
    monkeypatch.syspath_prepend(str(library))
    write(stack, way)
    for _ in range(2):
        assert run("apply", stack, "--yes") == 5
        assert "policy never refuses the plan: nothing is ever made" in capsys.readouterr().err
    assert host.changes == []


def test_policies_judge_what_is_taken_over(stack, host, capsys):
    host.define_network(
        "<network><name>old</name><uuid>5e0c1b4e-0000-4000-8000-00000000000b</uuid><bridge name='virbr9'/>"
        "<ip address='10.77.0.1' prefix='24'/></network>"
    )
    host.start_network("5e0c1b4e-0000-4000-8000-00000000000b")
    calls = len(host.changes)
    (stack / "__main__.py").write_text(
        "import pulumi\nfrom vmstack import Host, Network, policy\nkvm = Host('kvm1', uri='qemu:///system')\n"
        "Network('lan', cidr='10.77.0.0/24', mode='isolated', dhcp=False, label='old', host=kvm,\n"
        "        opts=pulumi.ResourceOptions(import_='old'))\n"
        "@policy\ndef never(plan):\n    plan.refuse('nothing is ever taken')\n"
    )
    assert run("plan", stack) == 5
    assert run("apply", stack, "--yes") == 5
    assert "policy never refuses the plan: nothing is ever taken" in capsys.readouterr().err
    assert len(host.changes) == calls
