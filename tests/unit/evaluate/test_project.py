"""Project folders: the stack that is chosen, and its configuration."""

import pytest

from vmstack.errors import InputError
from vmstack.evaluate.program import evaluate
from vmstack.evaluate.project import read_project
from vmstack.model.identity import StackId


def read(project, *, stack=None, overrides=None):
    project.program("")
    return read_project(project.folder, stack=stack, overrides=overrides or {})


def refuse(project, *, stack=None):
    with pytest.raises(InputError) as caught:
        read(project, stack=stack)
    return str(caught.value)


CHOICES = {
    "none there": ([], None, None, "dev"),
    "named, none there": ([], "prod", None, "prod"),
    "the only one": (["prod"], None, None, "prod"),
    "named": (["dev", "prod"], "prod", None, "prod"),
    "from the environment": (["dev", "prod"], None, "prod", "prod"),
    "named over the environment": (["dev", "prod"], "dev", "prod", "dev"),
    "with a dot": (["eu.prod"], None, None, "eu.prod"),
}


@pytest.mark.parametrize("case", CHOICES)
def test_the_stack_is_chosen(stack, monkeypatch, case):
    files, wanted, variable, expected = CHOICES[case]
    for name in files:
        stack.write(f"Pulumi.{name}.yaml", "config: {}\n")
    if variable:
        monkeypatch.setenv("VMSTACK_STACK", variable)
    assert read(stack, stack=wanted).stack == StackId("unit", expected)


def test_several_stacks_need_a_choice(stack):
    for name in ("dev", "prod"):
        stack.write(f"Pulumi.{name}.yaml", "")
    assert "has several stacks: dev, prod" in refuse(stack)


def test_a_slip_of_the_keyboard_is_no_new_stack(stack):
    stack.write("Pulumi.prod.yaml", "")
    assert "has no stack 'prd'; it has prod" in refuse(stack, stack="prd")


def test_configuration_is_text_with_a_namespace(stack):
    stack.write(
        "Pulumi.yaml",
        "name: unit\nruntime: {name: python, options: {virtualenv: .venv}}\n"
        "config:\n  region: eu\n  size: {type: string, default: small}\n  other:key: {value: x}\n",
    )
    stack.write(
        "Pulumi.dev.yaml",
        "encryptionsalt: v1:x\nconfig:\n  unit:count: 3\n  flag: true\n  text: 'yes'\n  list: [1, {a: b}]\n"
        "  libvirt:uri: qemu:///system\n  region: us\n",
    )
    project = read(stack, overrides={"count": "4", "libvirt:uri": "test:///default"})
    assert project.config == {
        "unit:count": "4", "unit:flag": "true", "unit:text": "yes", "unit:list": '[1,{"a":"b"}]',
        "libvirt:uri": "test:///default", "unit:region": "us", "unit:size": "small", "other:key": "x",
    }  # fmt: skip


BROKEN = {
    "no name": ("Pulumi.yaml", "runtime: python\n", "Pulumi.yaml has no name"),
    "a bad name": ("Pulumi.yaml", "name: a/b\nruntime: python\n", "name: 'a/b' is not a name"),
    "another runtime": ("Pulumi.yaml", "name: a\nruntime: nodejs\n", "the runtime is 'nodejs'"),
    "no YAML": ("Pulumi.yaml", "name: [a\n", "Pulumi.yaml:2 is not valid YAML"),
    "no mapping": ("Pulumi.yaml", "- a\n", "Pulumi.yaml is not a mapping"),
    "a value that is missing": (
        "Pulumi.yaml", "name: a\nruntime: python\nconfig: {size: {type: string}}\n", "has no value for 'size'",
    ),
    "another main": ("Pulumi.yaml", "name: a\nruntime: python\nmain: src.py\n", "src.py does not exist"),
    "an encrypted value": ("Pulumi.dev.yaml", "config:\n  pw: {secure: AAAB}\n", "Pulumi Cloud keeps their key"),
    "an encrypted value inside": ("Pulumi.dev.yaml", "config:\n  pw: [{a: {secure: AAAB}}]\n", "Pulumi Cloud keeps"),
    "no value": ("Pulumi.dev.yaml", "config:\n  a:\n", "a has no value"),
    "a bad key": ("Pulumi.dev.yaml", "config:\n  a:b:c: 1\n", "'a:b:c' is not a configuration key"),
    "an ESC environment": ("Pulumi.dev.yaml", "environment: [x]\n", "environments of Pulumi ESC are not supported"),
    "stack config no YAML": ("Pulumi.dev.yaml", "config: {\n", "Pulumi.dev.yaml:2 is not valid YAML"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_broken_files_are_named(stack, case):
    name, text, expected = BROKEN[case]
    stack.write(name, text)
    assert expected in refuse(stack)


def test_a_folder_without_a_project(tmp_path):
    with pytest.raises(InputError, match=r"holds no Pulumi\.yaml"):
        evaluate(tmp_path)
    with pytest.raises(InputError, match="is not there"):
        evaluate(tmp_path / "none")


def test_a_project_without_a_program(stack):
    with pytest.raises(InputError, match=r"__main__\.py does not exist"):
        evaluate(stack.folder)
