"""`vmstack stack` and `vmstack config`: what is printed, and what stands in the files afterwards."""

import io
import json
import re
import sys

import pytest

from tests.unit.evaluate import reference_cipher
from vmstack.cli import configuring
from vmstack.cli.main import main
from vmstack.evaluate.program import evaluate

# mheers/pulumi-helper, stack/crypt_test.go; the passphrase is "foo"
FOO_SALT = "v1:LAQ7P6sT/+w=:v1:WejwuMb5G4TZsR/r:xZvrv45hbT2QRrHCkQrepVv3xQfMjw=="
FOO_VALUE = "v1:6rgJQkU0YY5NFozT:HN1XFZSfr2YW1Pi1QtMfUJjad4w="
SETTINGS = f"""\
# of dev
encryptionsalt: {FOO_SALT}
config:
  shop:size: large  # for now
  pw:
    secure: {FOO_VALUE}
  db: {{user: me, pw: {{secure: '{FOO_VALUE}'}}}}
  libvirt:uri: qemu:///system
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.delenv("VMSTACK_STACK", raising=False)
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE_FILE", raising=False)
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "foo")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Pulumi.yaml").write_text("name: shop\nruntime: python\nconfig: {size: small, region: eu}\n")
    (tmp_path / "Pulumi.dev.yaml").write_text(SETTINGS)
    (tmp_path / "__main__.py").write_text("")
    return tmp_path


def run(*arguments: str) -> int:
    return main(list(arguments))


def settings(project, name="dev") -> str:
    return (project / f"Pulumi.{name}.yaml").read_text()


def test_the_list_hides_secrets(project, capsys):
    assert run("config") == 0
    out = capsys.readouterr().out
    assert out.splitlines() == [
        "KEY          VALUE",
        "libvirt:uri  qemu:///system",
        'db           {"pw":"[secret]","user":"me"}',
        "pw           [secret]",
        "region       eu",
        "size         large",
    ]


def test_the_list_needs_no_passphrase(project, monkeypatch, capsys):
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE")
    assert run("config") == 0
    assert run("config", "get", "size") == 0
    assert capsys.readouterr().out.endswith("\nlarge\n")
    assert run("config", "--show-secrets") == 1
    assert "no passphrase is given" in capsys.readouterr().err


def test_the_list_shows_secrets_when_asked(project, capsys):
    assert run("config", "--show-secrets") == 0
    out = capsys.readouterr().out
    assert "pw           test\n" in out
    assert 'db           {"pw":"test","user":"me"}\n' in out


def test_the_list_as_json_is_that_of_pulumi(project, capsys):
    assert run("config", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["shop:pw"] == {"secret": True}
    assert shown["shop:size"] == {"value": "large", "secret": False}
    assert run("config", "--json", "--show-secrets") == 0
    assert json.loads(capsys.readouterr().out)["shop:db"] == {
        "value": '{"pw":"test","user":"me"}', "objectValue": {"pw": "test", "user": "me"}, "secret": True,
    }  # fmt: skip


def test_an_empty_stack(project, capsys):
    (project / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")
    (project / "Pulumi.dev.yaml").write_text("")
    assert run("config") == 0
    assert "Stack dev has no configuration" in capsys.readouterr().err


GETS = {
    ("size",): "large\n",
    ("shop:size",): "large\n",
    ("region",): "eu\n",
    ("libvirt:uri",): "qemu:///system\n",
    ("pw",): "test\n",
    ("db",): '{"pw":"test","user":"me"}\n',
    ("db.user", "--path"): "me\n",
    ("db.pw", "--path"): "test\n",
    ('shop:["db"].user', "--path"): "me\n",
}


@pytest.mark.parametrize("arguments", GETS, ids=" ".join)
def test_one_value(project, capsys, arguments):
    assert run("config", "get", *arguments) == 0
    assert capsys.readouterr().out == GETS[arguments]


def test_one_value_as_json(project, capsys):
    assert run("config", "get", "pw", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"value": "test", "secret": True}


MISSING = [("none",), ("db.none", "--path"), ("size.x", "--path"), ("none.x", "--path")]


@pytest.mark.parametrize("arguments", MISSING, ids=" ".join)
def test_a_value_that_is_not_there(project, capsys, arguments):
    assert run("config", "get", *arguments) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"stack 'dev' has no value for '{arguments[0]}'" in captured.err


def test_setting_keeps_the_rest(project):
    assert run("config", "set", "size", "tiny") == 0
    assert run("config", "set", "count", "3") == 0
    assert run("config", "set", "--path", "db.ports[0]", "5432") == 0
    assert run("config", "set", "--", "offset", "-3") == 0
    text = settings(project)
    assert "# of dev\n" in text
    assert "  shop:size: tiny  # for now\n" in text
    assert "  shop:count: '3'\n" in text
    assert "  shop:offset: '-3'\n" in text
    values = evaluate_config(project)
    assert values["shop:db"] == '{"ports":[5432],"pw":"test","user":"me"}'


def evaluate_config(project) -> dict[str, str]:
    from vmstack.evaluate.project import read_project

    return read_project(project, stack=None, overrides={}).config


def test_values_come_from_a_pipe(project, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("first\nsecond\n"))
    assert run("config", "set", "text") == 0
    assert evaluate_config(project)["shop:text"] == "first\nsecond"


def test_a_secret_is_encrypted_with_the_salt_that_is_there(project, capsys):
    assert run("config", "set", "token", "s3cret", "--secret") == 0
    text = settings(project)
    assert "s3cret" not in text
    assert FOO_SALT in text
    value = re.search(r"  shop:token:\n    secure: (\S+)\n", text)[1]
    assert reference_cipher.read_value(reference_cipher.read_salt("foo", FOO_SALT), value) == "s3cret"
    assert run("config", "get", "token") == 0
    assert capsys.readouterr() == ("s3cret\n", "")


def test_the_first_secret_of_a_stack_makes_its_salt(project, monkeypatch):
    (project / "Pulumi.dev.yaml").write_text("config:\n  a: 1 # one\n")
    monkeypatch.setattr(sys, "stdin", io.StringIO("s3cret\n"))
    assert run("config", "set", "--path", "db.pw", "--secret") == 0
    text = settings(project)
    assert text.startswith("config:\n  a: 1 # one\n  shop:db:\n    pw:\n      secure: v1:")
    key = reference_cipher.read_salt("foo", re.search(r"^encryptionsalt: (.*)$", text, re.MULTILINE)[1])
    assert reference_cipher.read_value(key, re.search(r"secure: (.*)$", text, re.MULTILINE)[1]) == "s3cret"


def test_a_program_reads_what_was_set(project, monkeypatch):
    (project / "__main__.py").write_text(
        "import pulumi\nc = pulumi.Config()\npulumi.export('x', c.require_secret('new'))\n"
    )
    assert run("config", "set", "new", "it is", "--secret") == 0
    output = evaluate(project).outputs["x"]
    assert (output.value, output.secret) == ("it is", True)


def test_somebody_at_the_terminal_is_asked(project, monkeypatch, capsys):
    (project / "Pulumi.dev.yaml").write_text("")
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE")
    answers = {"New passphrase": "once", "The same again": "once", "Value of": "s3cret", "Passphrase of": "once"}
    asked = []

    def answer(question: str) -> str:
        asked.append(question)
        return next(text for start, text in answers.items() if question.startswith(start))

    monkeypatch.setattr(configuring.getpass, "getpass", answer)
    for stream in (sys.stdin, sys.stderr):
        monkeypatch.setattr(stream, "isatty", lambda: True)
    assert run("config", "set", "pw", "--secret") == 0
    assert [question.split(" ")[0] for question in asked] == ["Value", "New", "The"]
    assert run("config", "get", "pw") == 0
    assert capsys.readouterr().out == "s3cret\n"
    answers["The same again"] = "twice"
    (project / "Pulumi.dev.yaml").write_text("")
    assert run("config", "set", "pw", "--secret") == 1
    assert "the passphrases differ" in capsys.readouterr().err
    assert settings(project) == ""


REFUSED_SETS = {
    "a secret in clear": (("pw", "x"), "pw is a secret"),
    "one further in": (("db.pw", "x", "--path"), "db.pw is a secret"),
    "over a structure that holds one": (("db", "x"), "db is a secret"),
    "both ways": (("a", "x", "--secret", "--plaintext"), "contradict each other"),
    "no key": (("a:b:c", "x"), "is not a configuration key"),
    "no path": (("a[", "x", "--path"), "is not a path"),
    "beyond the end": (("new[1]", "x", "--path"), "beyond the end"),
}


@pytest.mark.parametrize("case", REFUSED_SETS)
def test_what_cannot_be_set(project, capsys, case):
    arguments, expected = REFUSED_SETS[case]
    assert run("config", "set", *arguments) == 1
    assert expected in capsys.readouterr().err
    assert settings(project) == SETTINGS


def test_a_secret_may_become_plain_when_that_is_said(project, capsys):
    assert run("config", "set", "pw", "visible", "--plaintext") == 0
    assert capsys.readouterr().err == ""
    assert "  pw: visible\n" in settings(project)


def test_a_telling_name_in_clear_is_remarked(project, capsys):
    assert run("config", "set", "apiToken", "x") == 0
    assert "apiToken stands in Pulumi.dev.yaml in clear; --secret encrypts it" in capsys.readouterr().err
    assert run("config", "set", "compass", "x") == 0
    assert capsys.readouterr().err == ""


def test_a_wrong_passphrase_writes_nothing(project, monkeypatch, capsys):
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "mistaken")
    assert run("config", "set", "new", "s3cret", "--secret") == 1
    captured = capsys.readouterr()
    assert "the passphrase is wrong" in captured.err
    assert "s3cret" not in captured.err
    assert settings(project) == SETTINGS


def test_another_provider_is_named(project, capsys):
    (project / "Pulumi.dev.yaml").write_text("secretsprovider: awskms://alias/x\nencryptedkey: AQ\nconfig: {}\n")
    assert run("config", "set", "new", "s3cret", "--secret") == 1
    assert "'awskms'" in capsys.readouterr().err
    assert run("config", "set", "new", "x") == 0


def test_removing(project, capsys):
    assert run("config", "rm", "size") == 0
    assert run("config", "rm", "--path", "db.pw") == 0
    assert run("config", "rm", "none") == 0
    assert "no value for none; nothing was changed" in capsys.readouterr().err
    assert "shop:size" not in settings(project)
    assert evaluate_config(project) == {
        "shop:pw": "test", "shop:db": '{"user":"me"}', "libvirt:uri": "qemu:///system", "shop:size": "small",
        "shop:region": "eu",
    }  # fmt: skip


def test_the_stack_may_be_named_on_either_side(project, capsys):
    (project / "Pulumi.prod.yaml").write_text("config: {size: huge}\n")
    assert run("config", "get", "size") == 1
    assert "several stacks: dev, prod" in capsys.readouterr().err
    assert run("config", "get", "size", "-s", "prod") == 0
    assert run("config", "-s", "prod", "get", "size") == 0
    assert run("config", "-s", "prod", "-C", str(project), "get", "size") == 0
    assert capsys.readouterr().out == "huge\n" * 3
    assert run("config", "set", "-s", "prod", "size", "tiny") == 0
    assert settings(project, "prod") == "config:\n  size: tiny\n"
    assert settings(project) == SETTINGS


def test_a_new_stack_gets_its_file(project):
    (project / "Pulumi.dev.yaml").unlink()
    assert run("config", "set", "size", "tiny", "-s", "test") == 0
    assert settings(project, "test") == "config:\n  shop:size: tiny\n"


def test_nothing_of_a_file_commands_the_terminal(project, capsys):
    (project / "Pulumi.dev.yaml").write_text('config: {a: "\\e[2J\\nb"}\n')
    assert run("config") == 0
    assert "a       \\x1b[2J\\nb\n" in capsys.readouterr().out


def test_stacks_are_listed(project, capsys):
    assert run("stack") == 0
    assert capsys.readouterr().out == "* dev  Pulumi.dev.yaml\n"
    (project / "Pulumi.eu.prod.yaml").write_text("")
    assert run("stack", str(project)) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines() == [
        f"  dev      {project / 'Pulumi.dev.yaml'}", f"  eu.prod  {project / 'Pulumi.eu.prod.yaml'}",
    ]  # fmt: skip
    assert "None is chosen" in captured.err
    assert run("stack", "--json", "-s", "dev") == 0
    assert json.loads(capsys.readouterr().out) == [
        {"name": "dev", "current": True, "file": "Pulumi.dev.yaml"},
        {"name": "eu.prod", "current": False, "file": "Pulumi.eu.prod.yaml"},
    ]


def test_a_project_without_stacks(project, capsys):
    (project / "Pulumi.dev.yaml").unlink()
    assert run("stack") == 0
    assert capsys.readouterr().out == "* dev  (no file yet)\n"


def test_a_stack_that_is_not_there(project, capsys):
    assert run("stack", "-s", "prd") == 1
    assert "has no stack 'prd'" in capsys.readouterr().err


def test_secrets_of_the_configuration_stay_out_of_failures(project, capsys):
    (project / "__main__.py").write_text("import pulumi\nint(pulumi.Config().require('pw'))\n")
    assert run("config", "set", "pw", "hunter2", "--secret") == 0
    assert run("validate") == 1
    captured = capsys.readouterr()
    assert "[secret]" in captured.err
    assert "hunter2" not in captured.out + captured.err
