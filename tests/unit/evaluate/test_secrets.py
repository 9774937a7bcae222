"""Encrypted configuration: Pulumi's formats, passphrases, and what a program gets of it."""

import sys

import pytest

from tests.unit.evaluate import reference_cipher
from vmstack.errors import InputError, VmstackError
from vmstack.evaluate.config.passphrase import UndecipherableError, find_passphrase, make_salt, unlock
from vmstack.evaluate.config.redaction import Redactor, gather_texts
from vmstack.evaluate.project import read_project

# Published figures: the salts and values of others, made by Pulumi itself.
# pulumi/pulumi, pkg/secrets/passphrase/manager_test.go
PULUMI_SALT = "v1:fozI5u6B030=:v1:F+6ZduKKd8G0/V7L:PGMFeIzwobWRKmEAzUdaQHqC5mMRIQ=="
# mheers/pulumi-helper, stack/crypt_test.go
FOO_SALT = "v1:LAQ7P6sT/+w=:v1:WejwuMb5G4TZsR/r:xZvrv45hbT2QRrHCkQrepVv3xQfMjw=="
FOO_VALUE = "v1:6rgJQkU0YY5NFozT:HN1XFZSfr2YW1Pi1QtMfUJjad4w="
# bincyber/pitfall, README.md: the value is 32 random bytes
BYTES_SALT = "v1:GEHe83S30O0=:v1:s8vb7cVFSz64pUmv:Ff5AbbcbTSim8cBwDCQCwraGHEQQ/A=="
BYTES_VALUE = "v1:6UEXewJReYiPCgrg:fOFTB4ODFyZB0bvHA2lhoZJ3khCOQCkX8n5OhLXjgSECbu+WrcIQ+wl0HaZhZ/4v"


@pytest.fixture(autouse=True)
def passphrase(monkeypatch):
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE_FILE", raising=False)
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "foo")


def encrypt(text: str) -> str:
    """A value for a stack with FOO_SALT, as another implementation writes it."""
    key = reference_cipher.read_salt("foo", FOO_SALT)
    return reference_cipher.write_value(key, b"twelve bytes", text)


def read(stack, config: str, *, salt: str = f"encryptionsalt: {FOO_SALT}\n", overrides=None, manifest=None, ask=None):
    stack.write("Pulumi.dev.yaml", f"{salt}config:\n{config}")
    if manifest:
        stack.write("Pulumi.yaml", f"name: unit\nruntime: python\n{manifest}")
    stack.program("")
    return read_project(stack.folder, stack=None, overrides=overrides or {}, ask=ask)


def refuse(stack, config: str, **settings) -> str:
    with pytest.raises(InputError) as caught:
        read(stack, config, **settings)
    return str(caught.value)


@pytest.mark.parametrize(("passphrase", "right"), [("password", True), ("password123", False)])
def test_a_salt_of_pulumi_tells_passphrases_apart(passphrase, right):
    assert (unlock(PULUMI_SALT, passphrase=passphrase) is not None) is right


def test_a_value_of_pulumi_is_read():
    assert unlock(FOO_SALT, passphrase="foo").decrypt(FOO_VALUE) == "test"


def test_a_value_that_is_not_text_is_refused():
    with pytest.raises(UndecipherableError, match="not text"):
        unlock(BYTES_SALT, passphrase="pulumi").decrypt(BYTES_VALUE)


@pytest.fixture(scope="module")
def made():
    """A new salt and its cipher: making one takes long, that is its purpose."""
    return make_salt("correct horse")


@pytest.mark.parametrize("text", ["", "x", "a text of more than sixteen bytes", "Straße\n\0🔑"])
def test_another_implementation_reads_what_is_written(text, made):
    salt, cipher = made
    key = reference_cipher.read_salt("correct horse", salt)
    assert reference_cipher.read_value(key, cipher.encrypt(text)) == text
    assert cipher.decrypt(reference_cipher.write_value(key, b"0123456789ab", text)) == text


def test_nothing_is_written_twice_alike(made):
    salt, cipher = made
    assert make_salt("correct horse")[0] != salt
    assert cipher.encrypt("a") != cipher.encrypt("a")


BROKEN_VALUES = {
    "AAABAJcNQDPX5IKQ": "form v1:nonce:ciphertext",
    "v1:6rgJQkU0YY5NFozT": "form v1:nonce:ciphertext",
    "v1:6rgJQkU0YY5NFozT:HN1X:x": "form v1:nonce:ciphertext",
    "v2:6rgJQkU0YY5NFozT:HN1XFZSfr2YW1Pi1QtMfUJjad4w=": "'v2' is unknown",
    "v1:6rgJQkU0YY5N:HN1XFZSfr2YW1Pi1QtMfUJjad4w=": "12 bytes",
    "v1:6rgJQkU0YY5NFozT:%%%": "base64",
    "v1:6rgJQkU0YY5NFozT:HN1XFZSfr2YW1Pj1QtMfUJjad4w=": "another passphrase, or altered",
    "v1:6rgJQkU0YY5NFozT:": "another passphrase, or altered",
}


@pytest.mark.parametrize("value", BROKEN_VALUES)
def test_broken_values_are_refused(stack, value):
    error = refuse(stack, f"  pw: {{secure: '{value}'}}\n")
    assert "unit:pw cannot be decrypted" in error
    assert BROKEN_VALUES[value] in error


def test_secrets_at_any_depth_reach_the_program(stack):
    project = read(
        stack,
        f"  plain: x\n  pw:\n    secure: {encrypt('hunter2')}\n"
        f"  db:\n    user: me\n    keys:\n    - secure: {encrypt('k1')}\n"
        f"    - deep: {{a: {{secure: '{encrypt('k2')}'}}}}\n"
        f"  libvirt:uri: {{secure: '{encrypt('qemu:///system')}'}}\n",
    )
    assert project.config == {
        "unit:plain": "x",
        "unit:pw": "hunter2",
        "unit:db": '{"keys":["k1",{"deep":{"a":"k2"}}],"user":"me"}',
        "libvirt:uri": "qemu:///system",
    }
    assert project.secret_keys == {"unit:pw", "unit:db", "libvirt:uri"}
    assert "hunter2" not in repr(project)


def test_a_mapping_that_only_looks_encrypted_is_not(stack):
    project = read(stack, "  a: {secure: v1:x, more: 1}\n  b: {secure: [1]}\n")
    assert project.config == {"unit:a": '{"more":1,"secure":"v1:x"}', "unit:b": '{"secure":[1]}'}
    assert project.secret_keys == frozenset()


def test_the_program_gets_outputs_that_are_secret(stack):
    stack.write(
        "Pulumi.dev.yaml",
        f"encryptionsalt: {FOO_SALT}\nconfig:\n  pw: {{secure: '{encrypt('hunter2')}'}}\n"
        f"  db: {{n: 1, pw: {{secure: '{encrypt('deep')}'}}}}\n",
    )
    graph = stack.evaluate(
        """
        import pulumi
        from pulumi.runtime.config import is_config_secret
        config = pulumi.Config()
        pulumi.export("secret", config.require_secret("pw"))
        pulumi.export("object", config.require_secret_object("db"))
        pulumi.export("plain", config.get("pw"))
        pulumi.export("marked", is_config_secret("unit:pw"))
        pulumi.export("missing", config.get_secret("none") is None)
        """,
        prelude="",
    )
    outputs = {name: (one.value, one.secret) for name, one in graph.outputs.items()}
    assert outputs == {
        "secret": ("hunter2", True),
        "object": ({"n": 1, "pw": "deep"}, True),
        "plain": ("hunter2", False),
        "marked": (True, False),
        "missing": (True, False),
    }


def test_two_stacks_in_one_process_do_not_mix(stack):
    body = """
    import pulumi
    pulumi.export("pw", pulumi.Config().get_secret("pw"))
    """
    stack.write("Pulumi.a.yaml", f"encryptionsalt: {FOO_SALT}\nconfig: {{pw: {{secure: '{encrypt('of a')}'}}}}\n")
    stack.write("Pulumi.b.yaml", "config: {pw: of b}\n")
    seen = [stack.evaluate(body, prelude="", stack=name).outputs["pw"].value for name in ("a", "b", "a")]
    assert seen == ["of a", "of b", "of a"]


def test_the_passphrase_may_stand_in_a_file(stack, monkeypatch, tmp_path):
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE")
    (tmp_path / "phrase").write_text("  foo\n")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE_FILE", str(tmp_path / "phrase"))
    assert read(stack, f"  pw: {{secure: '{FOO_VALUE}'}}\n").config == {"unit:pw": "test"}
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE_FILE", str(tmp_path / "none"))
    assert "PULUMI_CONFIG_PASSPHRASE_FILE" in refuse(stack, f"  pw: {{secure: '{FOO_VALUE}'}}\n")


PASSPHRASES = {
    "none": ({}, None),
    "empty is one": ({"PULUMI_CONFIG_PASSPHRASE": ""}, ""),
    "the variable comes first": ({"PULUMI_CONFIG_PASSPHRASE": "a", "PULUMI_CONFIG_PASSPHRASE_FILE": "/none"}, "a"),
    "no file named": ({"PULUMI_CONFIG_PASSPHRASE_FILE": ""}, None),
}


@pytest.mark.parametrize("case", PASSPHRASES)
def test_where_the_passphrase_comes_from(case):
    environment, expected = PASSPHRASES[case]
    assert find_passphrase(environment) == expected


def test_a_wrong_passphrase(stack, monkeypatch):
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "mistaken")
    error = refuse(stack, f"  pw: {{secure: '{FOO_VALUE}'}}\n")
    assert "Pulumi.dev.yaml: the passphrase is wrong" in error
    assert "mistaken" not in error


def test_no_passphrase(stack, monkeypatch):
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE")
    error = refuse(stack, f"  pw: {{secure: '{FOO_VALUE}'}}\n")
    assert "no passphrase is given" in error
    assert "set PULUMI_CONFIG_PASSPHRASE, or PULUMI_CONFIG_PASSPHRASE_FILE" in error


def test_somebody_at_the_terminal_is_asked(stack, monkeypatch):
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE")
    questions = []
    project = read(
        stack, f"  pw: {{secure: '{FOO_VALUE}'}}\n", ask=lambda question: questions.append(question) or "foo"
    )
    assert project.config == {"unit:pw": "test"}
    assert questions == ["Passphrase of Pulumi.dev.yaml: "]


def test_no_passphrase_is_wanted_where_nothing_is_encrypted(stack, monkeypatch):
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE")
    assert read(stack, "  a: 1\n").config == {"unit:a": "1"}
    assert read(stack, "  a: 1\n", salt="secretsprovider: awskms://x\nencryptedkey: y\n").config == {"unit:a": "1"}


def test_what_the_command_line_replaces_is_not_opened_and_stays_secret(stack, monkeypatch):
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE")
    project = read(stack, f"  pw: {{secure: '{FOO_VALUE}'}}\n", overrides={"pw": "given"})
    assert (project.config, project.secret_keys) == ({"unit:pw": "given"}, {"unit:pw"})


PROVIDERS = {
    "secretsprovider: awskms://alias/x?region=eu\nencryptedkey: AQ\n": "the secrets provider 'awskms'",
    "secretsprovider: gcpkms://projects/x\n": "the secrets provider 'gcpkms'",
    "secretsprovider: hashivault://x\nencryptionsalt: v1:a:v1:b:c\n": "the secrets provider 'hashivault'",
    "encryptedkey: AQ\n": "encryptedkey",
    "": "Pulumi Cloud keeps their key",
    "secretsprovider: default\n": "Pulumi Cloud keeps their key",
    "encryptionsalt: v3:AA:v1:b:c\n": "encryptionsalt cannot be read",
    "encryptionsalt: v1:%:v1:b:c\n": "encryptionsalt cannot be read",
}


@pytest.mark.parametrize("salt", PROVIDERS)
def test_other_providers_are_named(stack, salt):
    assert PROVIDERS[salt] in refuse(stack, f"  pw: {{secure: '{FOO_VALUE}'}}\n", salt=salt)


def test_a_declared_secret_is_one(stack):
    declared = "config:\n  pw: {type: string, secret: true}\n"
    secure = f"  pw: {{secure: '{FOO_VALUE}'}}\n"
    assert read(stack, secure, manifest=declared).secret_keys == {"unit:pw"}
    error = refuse(stack, "  pw: hunter2\n", manifest=declared)
    assert "stack 'dev': pw is a secret and stands there in clear" in error
    assert "hunter2" not in error
    assert read(stack, "  a: 1\n", manifest=declared, overrides={"pw": "x"}).secret_keys == {"unit:pw"}


def test_a_secret_of_the_wrong_type_is_not_shown(stack):
    error = refuse(stack, f"  n: {{secure: '{encrypt('hunter2')}'}}\n", manifest="config: {n: {type: integer}}\n")
    assert "n is not of the type integer" in error
    assert "hunter2" not in error


FAILING = {
    "the SDK quotes the value": (
        'import pulumi\ntry:\n    pulumi.Config().require_int("pw")\n'
        "except Exception as error:\n    raise ValueError(str(error)) from None"
    ),
    "the program does": 'import pulumi\nraise ValueError("bad: " + pulumi.Config().require("pw"))',
    "as repr": 'import pulumi\nraise KeyError(pulumi.Config().require("pw"))',
    "in a cause": 'import pulumi\nraise ValueError("x") from KeyError(pulumi.Config().require("pw"))',
    "logged": 'import pulumi\npulumi.log.error("e " + pulumi.Config().require("pw"))',
    "a resource refuses it": 'import pulumi\nfrom vmstack import Host\nHost(pulumi.Config().require("pw"))',
}


@pytest.mark.parametrize("case", FAILING)
@pytest.mark.parametrize("secret", ["hunter2 !", 'it\'s \\ "it"', "two lines of it,\nof which each is long"])
def test_no_error_shows_a_secret(stack, case, secret):
    stack.write("Pulumi.dev.yaml", f"encryptionsalt: {FOO_SALT}\nconfig: {{pw: {{secure: '{encrypt(secret)}'}}}}\n")
    error = stack.fail(FAILING[case], prelude="")
    text = str(error) + repr(error.args)
    assert "[secret]" in text
    assert not [part for part in (secret, repr(secret)[1:-1], *secret.splitlines()) if part in text]


def test_warnings_do_not_show_one_either(stack):
    stack.write("Pulumi.dev.yaml", f"encryptionsalt: {FOO_SALT}\nconfig: {{pw: {{secure: '{encrypt('hunter2')}'}}}}\n")
    body = 'import pulumi\npulumi.log.warn("is " + pulumi.Config().require("pw"))'
    assert stack.evaluate(body, prelude="").warnings == ("is [secret]",)


REDACTIONS = {
    "short ones as words": ({"abc"}, "abc, xabc and 'abc'", "[secret], xabc and '[secret]'"),
    "the longest first": ({"hunter", "hunter2"}, "hunter2", "[secret]"),
    "none": (set(), "as it is", "as it is"),
}


@pytest.mark.parametrize("case", REDACTIONS)
def test_redaction(case):
    texts, text, expected = REDACTIONS[case]
    assert Redactor(texts).clean(text) == expected


def test_all_texts_of_a_structure_are_gathered():
    assert gather_texts({"a": ["x", 1], "b": "y "}) == {"x", "y ", "y"}
    error = VmstackError("a x", details=["x"], resolution="no x")
    Redactor({"x"}).clean_error(error)
    assert str(error) == "a [secret]\n  [secret]\n  To go on: no [secret]"


def test_the_cipher_is_loaded_only_when_it_is_needed(stack):
    loaded = sys.modules.pop("cryptography.hazmat.primitives.ciphers.aead", None)
    try:
        read(stack, "  a: 1\n")
        assert "cryptography.hazmat.primitives.ciphers.aead" not in sys.modules
    finally:
        if loaded:
            sys.modules["cryptography.hazmat.primitives.ciphers.aead"] = loaded
