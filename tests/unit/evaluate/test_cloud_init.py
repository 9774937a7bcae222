"""cloud-init documents: typed, raw, checked against a schema, and completed with the readiness report."""

import email
import json

import pytest
import yaml

from vmstack.evaluate.cloudinit import schema as schemas
from vmstack.evaluate.cloudinit.vendor import readiness_script
from vmstack.model.identity import Key, Kind

SECRET = "$6$rounds=4096$salt$hash"


def seed_of(stack, cloud_init, *, prelude_files=()):
    for name, text in prelude_files:
        stack.write(name, text)
    graph = stack.evaluate(f'VirtualMachine("web_1", pool=pool, cloud_init={cloud_init})')
    return next(resource.spec for resource in graph.resources if resource.key == Key(Kind.SEED, "web_1"))


def test_typed_fields_make_a_cloud_config(stack):
    seed = seed_of(
        stack,
        f"""CloudInit(
            hostname="web.example", users=["default", {{"name": "ops", "passwd": {SECRET!r}}}],
            ssh_authorized_keys=["ssh-ed25519 AAAA x@y"], packages=["nginx", ["jq", "1.6"]], package_update=True,
            package_upgrade=False, write_files=[{{"path": "/etc/x", "permissions": "0644", "content": "a\\nb: c\\n"}}],
            runcmd=["true", ["sh", "-c", "echo hi"]], bootcmd=["date"], mounts=[["vdb", "/data", None]],
            timezone="Europe/Berlin", locale="de_DE.UTF-8", extra={{"ntp": {{"enabled": True}}}})""",
    )
    assert seed.user_data.startswith("#cloud-config\n")
    assert yaml.safe_load(seed.user_data) == {
        "users": ["default", {"name": "ops", "passwd": SECRET}],
        "ssh_authorized_keys": ["ssh-ed25519 AAAA x@y"],
        "packages": ["nginx", ["jq", "1.6"]],
        "package_update": True,
        "package_upgrade": False,
        "write_files": [{"path": "/etc/x", "permissions": "0644", "content": "a\nb: c\n"}],
        "runcmd": ["true", ["sh", "-c", "echo hi"]],
        "bootcmd": ["date"],
        "mounts": [["vdb", "/data", None]],
        "timezone": "Europe/Berlin",
        "locale": "de_DE.UTF-8",
        "ntp": {"enabled": True},
    }
    assert seed.meta_data == {"local-hostname": "web.example"}
    assert seed.network_config is None


def test_the_host_name_is_the_vms(stack):
    seed = seed_of(stack, "CloudInit(users=[], packages=[])")
    assert seed.meta_data == {"local-hostname": "web-1"}
    assert yaml.safe_load(seed.user_data) == {"users": []}


def test_raw_documents_are_texts_or_files(stack):
    seed = seed_of(
        stack,
        'CloudInit(user_data=__import__("pathlib").Path("user.sh"), meta_data="public-keys: [a]", '
        'network_config={"version": 1, "config": []})',
        prelude_files=[("user.sh", "#!/bin/sh\r\necho hi\r\n")],
    )
    assert seed.user_data == "#!/bin/sh\necho hi\n"
    assert seed.meta_data == {"local-hostname": "web-1", "public-keys": ["a"]}
    assert yaml.safe_load(seed.network_config) == {"version": 1, "config": []}


@pytest.mark.parametrize(
    "head",
    ["#!/bin/sh", "#include", "#cloud-boothook", "## template: jinja", "#cloud-config-archive", "MIME-Version: 1.0"],
)
def test_every_kind_of_user_data_is_taken(stack, head):
    assert seed_of(stack, f"CloudInit(user_data={head + chr(10)!r})").user_data == head + "\n"


def test_vendor_data_reports_readiness(stack):
    assert seed_of(stack, "CloudInit()").vendor_data == readiness_script()


@pytest.mark.parametrize(
    ("own", "kind"),
    [
        ("#cloud-config\npackages: [jq]\n", "text/cloud-config"),
        ("#!/bin/sh\necho vendor\n", "text/x-shellscript"),
        ("#cloud-boothook\necho\n", "text/cloud-boothook"),
    ],
)
def test_vendor_data_of_the_program_joins_it(stack, own, kind):
    text = seed_of(stack, f"CloudInit(vendor_data={own!r})").vendor_data
    parts = [part for part in email.message_from_string(text).walk() if not part.is_multipart()]
    assert [part.get_content_type() for part in parts] == ["text/x-shellscript", kind]
    assert [part.get_payload(decode=True).decode() for part in parts] == [readiness_script(), own]
    assert seed_of(stack, f"CloudInit(vendor_data={own!r})").vendor_data == text


def test_vendor_data_in_parts_keeps_its_parts(stack):
    own = 'Content-Type: multipart/mixed; boundary="b"\n\n--b\nContent-Type: text/x-shellscript\n\n#!/bin/sh\n--b--\n'
    text = seed_of(stack, f"CloudInit(vendor_data={own!r})").vendor_data
    parts = [part for part in email.message_from_string(text).walk() if not part.is_multipart()]
    assert [part.get_content_type() for part in parts] == ["text/x-shellscript", "text/x-shellscript"]


SCHEMA = {
    "$schema": "http://json-schema.org/draft-04/schema#",
    "$defs": {
        "cc_users": {
            "type": "object",
            "properties": {
                "users": {
                    "type": "array",
                    "items": {
                        "oneOf": [
                            {"type": "string"},
                            {
                                "type": "object",
                                "required": ["name"],
                                "properties": {
                                    "name": {"type": "string"},
                                    "passwd": {"type": "string"},
                                    "lock_passwd": {"type": "boolean"},
                                },
                                "additionalProperties": False,
                            },
                        ]
                    },
                }
            },
        },
        "cc_growpart": {"type": "object", "properties": {"growpart": {"enum": ["auto", "off"]}}},
        "cc_runcmd": {"type": "object", "properties": {"runcmd": {"type": "array", "minItems": 1}}},
    },
    "allOf": [{"$ref": "#/$defs/cc_users"}, {"$ref": "#/$defs/cc_growpart"}, {"$ref": "#/$defs/cc_runcmd"}],
}

WRONG = {
    "a type": ('users=[{"name": "a", "lock_passwd": "no"}]', "users[0].lock_passwd: must be boolean"),
    "an unknown key": ('users=[{"name": "a", "pasword": "x"}]', "users[0]: knows no 'pasword'"),
    "a missing key": ('users=[{"passwd": "x"}]', "users[0]: lacks 'name'"),
    "a choice": ('extra={"growpart": "on"}', "growpart: must be one of 'auto', 'off'"),
    "an empty list": ('extra={"runcmd": []}', "runcmd: violates minItems 1"),
}


@pytest.fixture
def schema(stack, tmp_path, monkeypatch):
    path = tmp_path / "schema.json"
    path.write_text(json.dumps(SCHEMA))
    monkeypatch.setenv("VMSTACK_CLOUDINIT_SCHEMA", str(path))
    return path


@pytest.mark.parametrize("case", WRONG)
def test_user_data_must_fit_the_schema_where_one_is_installed(stack, schema, case):
    arguments, expected = WRONG[case]
    error = stack.fail(f"CloudInit({arguments})  # here")
    assert "user-data is not what cloud-init's schema allows" in str(error)
    assert expected in error.details


def test_schema_errors_show_no_values(stack, schema):
    error = stack.fail(f'CloudInit(users=[{{"name": "a", "passwd": [{SECRET!r}]}}])  # here')
    assert "users[0].passwd: must be string" in error.details
    assert SECRET not in str(error)


def test_raw_user_data_must_fit_too(stack, schema):
    error = stack.fail(r'CloudInit(user_data="#cloud-config\nusers: 7\n")  # here')
    assert error.details == ("users: must be array",)


def test_what_fits_passes(stack, schema):
    seed_of(stack, 'CloudInit(users=["default", {"name": "a", "lock_passwd": False}], extra={"growpart": "off"})')


SLIPS = {
    "a user's": ('users=["default", {"name": "a", "ssh_autorized_keys": ["k"]}]',
                 "user-data: cloud-init knows no 'users[1].ssh_autorized_keys'", "'ssh_authorized_keys'"),
    "the first user's": ('extra={"user": {"name": "a", "lock_password": 0}}', "'user.lock_password'", "'lock_passwd'"),
    "a file's": ('write_files=[{"path": "/a", "permission": "0600"}]', "'write_files[0].permission'", "'permissions'"),
    "a named user's": ('extra={"users": {"sudoer": {"shel": "/bin/sh"}}}', "'users[sudoer].shel'", "'shell'"),
    "at the top": ('extra={"run_cmd": ["true"]}', "knows no 'run_cmd', and would ignore it", "'runcmd'"),
    "in a text": (r'user_data="#cloud-config\npakages: []\n"', "user_data: cloud-init knows no 'pakages'",
                  "'packages'"),
}  # fmt: skip


@pytest.mark.parametrize("case", SLIPS)
def test_a_slip_in_a_key_is_refused_without_a_schema_too(stack, monkeypatch, case):
    monkeypatch.setattr(schemas, "_FOLDERS", ())
    arguments, expected, meant = SLIPS[case]
    error = stack.fail(f"CloudInit({arguments})  # here")
    assert expected in error.brief
    assert error.resolution.startswith(f"did you mean {meant}?")


def test_all_slips_are_told_and_the_schemas_word_counts(stack, schema):
    error = stack.fail('CloudInit(extra={"run_cmd": ["true"], "pakages": ["a"]})  # here')
    assert error.details == ("neither does it know 'pakages': did you mean 'packages'?",)
    known = SCHEMA | {"properties": {"run_cmd": {}, "pakages": {}}}
    schema.write_text(json.dumps(known))
    assert stack.evaluate('CloudInit(extra={"run_cmd": ["true"], "pakages": ["a"]})').warnings == ()


def test_other_unknown_keys_are_warned_of(stack, monkeypatch):
    monkeypatch.setattr(schemas, "_FOLDERS", ())
    body = """
        CloudInit(users=[{"name": "a", "lock-passwd": True, "badge": 7}], extra={"coreos": {}})
        CloudInit(users=[{"name": "a", "lock-passwd": True, "badge": 7}], extra={"coreos": {}})
    """
    first, second = stack.evaluate(body).warnings
    line = stack.folder.joinpath("__main__.py").read_text().split("CloudInit(")[0].count("\n") + 1
    assert first == (
        f"user-data: cloud-init knows no 'users[0].badge', and will ignore it (at {stack.folder}/__main__.py:{line})"
    )
    assert "knows no 'coreos'" in second


def test_a_schema_that_is_named_must_be_there(stack, monkeypatch):
    monkeypatch.setenv("VMSTACK_CLOUDINIT_SCHEMA", "/nowhere/schema.json")
    error = stack.fail("CloudInit()  # here")
    assert "VMSTACK_CLOUDINIT_SCHEMA names '/nowhere/schema.json', which is not a file" in str(error)


def test_broken_yaml_is_told_without_its_text(stack):
    error = stack.fail(f'CloudInit(user_data="#cloud-config\\npassword: {SECRET}: {SECRET}\\n")  # here')
    assert "not valid YAML in line 2" in str(error)
    assert SECRET not in str(error)


def test_cloud_init_for_a_blank_disk_is_warned_of(stack):
    graph = stack.evaluate(
        """
        for name, extra in {
            "blank": {"disk": "1GiB"},
            "patient": {"disk": "1GiB", "wait": False},
            "image": {"image": image},
            "own": {"disk": Disk("root", image=image)},
            "volume": {"disk": Disk("root", volume=Volume("v", pool=pool, size="1GiB"))},
        }.items():
            VirtualMachine(name, pool=pool, cloud_init=CloudInit(), **extra)
        VirtualMachine("plain", pool=pool, disk="1GiB")
        """
    )
    blank, patient = graph.warnings
    assert blank.startswith("vm.blank: its root disk is blank, so nothing boots from it")
    assert "apply would wait for a report that never comes" in blank
    assert patient.startswith("vm.patient: its root disk is blank")
    assert "wait" not in patient
