"""What a program reads of `Pulumi.yaml` and `Pulumi.<stack>.yaml`: the texts that Pulumi would give it."""

import sys

import pytest

from vmstack.errors import InputError
from vmstack.evaluate.config.paths import coerce, get_at, parse_path, remove_at, set_at, show_path
from vmstack.evaluate.project import list_stacks, read_project


def read(stack, manifest: str = "", settings: str = "", *, overrides=None, header="name: unit\nruntime: python\n"):
    stack.write("Pulumi.yaml", header + manifest)
    stack.write("Pulumi.dev.yaml", settings)
    stack.program("")
    return read_project(stack.folder, stack=None, overrides=overrides or {})


def refuse(stack, *texts: str, **settings) -> str:
    with pytest.raises(InputError) as caught:
        read(stack, *texts, **settings)
    return str(caught.value)


# YAML scalars as gopkg.in/yaml.v3 resolves them, and as Pulumi writes the outcome.
SCALARS = {
    "text": "text", "'3'": "3", '"true"': "true", "3": "3", "-7": "-7", "+7": "7", "0": "0", "1_000": "1000",
    "true": "true", "True": "true", "FALSE": "false", "yes": "yes", "no": "no", "on": "on", "Off": "Off", "y": "y",
    "12:30": "12:30", "52:54:00": "52:54:00", "22:22:22": "22:22:22", "1e3": "1000", "1.50": "1.5", "3.0": "3",
    ".5": "0.5", "1e21": "1e+21", "1e-7": "1e-7", "0.000001": "0.000001",
    "123456789012345678901": "123456789012345680000",
    "0777": "511", "0o17": "15", "0x1F": "31", "0b101": "5", "08": "8", "9223372036854775807": "9223372036854775807",
    "18446744073709551615": "18446744073709551615", "2024-01-02": "2024-01-02 00:00:00 +0000 UTC",
    "2024-01-02T03:04:05.60Z": "2024-01-02 03:04:05.6 +0000 UTC",
    "2024-01-02 03:04:05": "2024-01-02 03:04:05 +0000 UTC",
    "2024-01-02T03:04:05+02:00": "2024-01-02 03:04:05 +0200 +0200", "2024-13-40": "2024-13-40", "10.0.0.1": "10.0.0.1",
    "'null'": "null", "=": "=", "1.2.3": "1.2.3", "v1": "v1", "a: b": None, "''": "",
}  # fmt: skip


@pytest.mark.parametrize("scalar", [scalar for scalar, text in SCALARS.items() if text is not None])
def test_scalars_are_what_pulumi_sees(stack, scalar):
    assert read(stack, settings=f"config:\n  key: {scalar}\n").config == {"unit:key": SCALARS[scalar]}


STRUCTURES = {
    "[1, {b: 2, a: [x]}]": '[1,{"a":["x"],"b":2}]',
    "{a: null, b: 1.0, c: true, 1: x, true: y}": '{"1":"x","a":null,"b":1,"c":true,"true":"y"}',
    "{z: <&>, ü: ö}": '{"z":"\\u003c\\u0026\\u003e","ü":"ö"}',
    "[]": "[]",
    "{}": "{}",
    "{t: 2024-01-02, n: 12:30}": '{"n":"12:30","t":"2024-01-02 00:00:00 +0000 UTC"}',
}


@pytest.mark.parametrize("value", STRUCTURES)
def test_structures_are_the_json_of_pulumi(stack, value):
    assert read(stack, settings=f"config:\n  key: {value}\n").config == {"unit:key": STRUCTURES[value]}


def test_keys_have_namespaces(stack):
    project = read(stack, settings="config:\n  a: 1\n  unit:b: 2\n  libvirt:uri: u\n  libvirt:config:old: 3\n")
    assert project.config == {"unit:a": "1", "unit:b": "2", "libvirt:uri": "u", "libvirt:old": "3"}


def test_defaults_of_the_project(stack):
    project = read(
        stack,
        "config:\n  region: eu\n  count: {type: integer, default: 3}\n  list: [1, 2]\n"
        "  names: {type: array, items: {type: array, items: {type: string}}, default: [[a], []]}\n"
        "  flag: {type: boolean, default: false}\n  map: {type: object, default: {b: 1, a: 2}}\n"
        "  hidden: {default: x, secret: true}\n  libvirt:uri: qemu:///system\n  aws:region: {value: x}\n",
        "config:\n  count: 4\n",
    )
    assert project.config == {
        "unit:region": "eu", "unit:count": "4", "unit:list": "[1,2]", "unit:names": '[["a"],[]]', "unit:flag": "false",
        "unit:map": '{"a":2,"b":1}', "unit:hidden": "x", "libvirt:uri": "qemu:///system", "aws:region": "x",
    }  # fmt: skip
    assert project.secret_keys == {"unit:hidden"}


FITS = {
    ("string", "'3'"): True, ("string", "3"): True, ("string", "[a]"): False,
    ("integer", "3"): True, ("integer", "'3'"): True, ("integer", "3.0"): True, ("integer", "x"): False,
    ("integer", "true"): False, ("integer", "3.5"): False,
    ("boolean", "true"): True, ("boolean", "'false'"): True, ("boolean", "yes"): False, ("boolean", "1"): False,
    ("object", "{a: 1}"): True, ("object", "[1]"): False, ("object", "x"): False,
    ("array, items: {type: integer}", "[1, 2]"): True, ("array, items: {type: integer}", "[1, x]"): False,
    ("array, items: {type: integer}", "1"): False, ("array, items: {type: string}", "[1]"): False,
}  # fmt: skip


@pytest.mark.parametrize("case", FITS, ids=str)
def test_types_are_checked(stack, case):
    kind, value = case
    texts = (f"config:\n  key: {{type: {kind}}}\n", f"config:\n  key: {value}\n")
    if FITS[case]:
        read(stack, *texts)
    else:
        assert "stack 'dev': key is not of the type" in refuse(stack, *texts)


def test_all_that_is_missing_is_named_at_once(stack):
    error = refuse(stack, "config: {b: {type: string}, a: {description: x}, c: {default: 1}}\n")
    assert "stack 'dev' has no value for 'a', 'b', which" in error


def test_the_command_line_gives_what_is_missing(stack):
    manifest = "config: {n: {type: integer}, l: {type: array, items: {type: string}}}\n"
    project = read(stack, manifest, overrides={"n": "3", "unit:l": '["a"]', "libvirt:uri": "x"})
    assert project.config == {"unit:n": "3", "unit:l": '["a"]', "libvirt:uri": "x"}
    assert "n is not of the type integer" in refuse(stack, manifest, overrides={"n": "x", "l": "[]"})


BROKEN = {
    "a type and another namespace": ("config: {a:b: {type: string, value: x}}\n", "belongs to another namespace"),
    "a default and another namespace": ("config: {a:b: {default: x}}\n", "belongs to another namespace"),
    "a default and a value": ("config: {a: {default: x, value: y}}\n", "both a default and a value"),
    "an unknown type": ("config: {a: {type: text}}\n", "'text' is not a type"),
    "an array of what": ("config: {a: {type: array}}\n", "an array needs the type of its items"),
    "a default of another type": ("config: {a: {type: integer, default: x}}\n", "its default is not of the type"),
    "a mapping for a declaration": ("config: {a: {b: 1}}\n", "b is not known here"),
    "a secret default": ("config: {a: {default: {secure: v1:x}}}\n", "encrypted values have no place here"),
    "nothing": ("config: {a: }\n", "a has no value"),
    "twice": ("config: {a: 1, unit:a: 2}\n", "unit:a stands there twice"),
    "a duplicate key": ("config:\n  a: 1\n  a: 2\n", "Pulumi.yaml:5 is not valid YAML: the key 'a' stands there twice"),
    "two folders": ("config: x\nstackConfigDir: y\n", "twice"),
    "no folder": ("stackConfigDir: [x]\n", "stackConfigDir is not a path"),
    "other plugins": ("plugins: {providers: [{name: x, path: y}]}\n", "plugins: providers cannot be replaced"),
    "policies": ("plugins: {analyzers: [{name: x, path: y}]}\n", "plugins: analyzers cannot be replaced"),
    "config of another kind": ("config: [a]\n", "config is not a mapping"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_manifest(stack, case):
    text, expected = BROKEN[case]
    assert expected in refuse(stack, text)


BROKEN_STACKS = {
    "twice": ("config: {a: 1, unit:a: 2}\n", "unit:a stands there twice"),
    "a duplicate key": ("config:\n  a: 1\n  a: 2\n", "Pulumi.dev.yaml:3 is not valid YAML"),
    "bytes": ("config: {a: !!binary aGk=}\n", "a: a bytes is no configuration value"),
    "no number": ("config: {a: .nan}\n", "a: a number is not finite"),
    "itself": ("config: {a: &x [*x]}\n", "a: the value holds itself"),
    "no key": ("config: {a: {null: x}}\n", "a: a key of a mapping is not a text"),
    "a list for a key": ("config: {a: {[x]: x}}\n", "Pulumi.dev.yaml:1 is not valid YAML: a key is not a plain text"),
    "a deep pit": ("config: {a: " + "[" * 500 + "}\n", "Pulumi.dev.yaml is not valid YAML"),
    "a list": ("config: [a]\n", "config is not a mapping"),
    "code": ("config: {a: !!python/object:os.system x}\n", "Pulumi.dev.yaml:1 is not valid YAML"),
}


@pytest.mark.parametrize("case", BROKEN_STACKS)
def test_a_broken_stack_file(stack, case):
    text, expected = BROKEN_STACKS[case]
    assert expected in refuse(stack, "", text)


TOLERATED = [
    "description: x\nauthor: me\nwebsite: y\nlicense: MIT\ntemplate: {config: {a: {default: 1}}}\n",
    "backend: {url: 'file://~'}\noptions: {refresh: always}\nrequiredPulumiVersion: '>=3.0'\n",
    "packages: {libvirt: libvirt@0.5.4}\nsomething: {of: others}\nplugins: {providers: []}\n",
    "config:\nmain:\nstackConfigDir:\n",
]


@pytest.mark.parametrize("text", TOLERATED)
def test_keys_without_a_meaning_here_are_tolerated(stack, text):
    assert read(stack, text).config == {}


def test_the_files_of_the_stacks_may_stand_elsewhere(stack):
    for manifest in ("stackConfigDir: conf\n", "config: conf\n"):
        stack.write("conf/Pulumi.dev.yaml", "config: {a: there}\n")
        assert read(stack, manifest, "config: {a: here}\n").config == {"unit:a": "there"}


def test_json_is_read_as_well(stack):
    (stack.folder / "Pulumi.yaml").unlink()
    stack.write("Pulumi.json", '{"name": "unit", "runtime": "python", "config": {"a": 1}}')
    stack.write("Pulumi.dev.json", '{\n\t"config": {"unit:b": {"x": [1.0]}}\n}')
    stack.program("")
    assert list_stacks(stack.folder) == ("dev",)
    project = read_project(stack.folder, stack=None, overrides={})
    assert project.config == {"unit:a": "1", "unit:b": '{"x":[1]}'}
    stack.write("Pulumi.dev.json", "{\n x}")
    with pytest.raises(InputError, match=r"Pulumi\.dev\.json:2 is not valid JSON"):
        read_project(stack.folder, stack=None, overrides={})


VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
RUNTIMES = {
    "nothing more": ("python", [], 0),
    "an environment that is not there": ("{name: python, options: {virtualenv: none}}", [], 0),
    "one for this Python": ("{name: python, options: {virtualenv: venv}}", [], 1),
    "one for another": ("{name: python, options: {virtualenv: old}}", ["virtual environment old is not for"], 0),
    "uv": ("{name: python, options: {toolchain: uv}}", [], 1),
    "poetry": ("{name: python, options: {toolchain: poetry}}", [], 0),
    "a checker": ("{name: python, options: {typechecker: mypy}}", ["vmstack does not run mypy"], 0),
    "options unknown to all": ("{name: python, options: {speed: 1}}", [], 0),
}


@pytest.mark.parametrize("case", RUNTIMES)
def test_options_of_the_runtime(stack, case):
    runtime, notes, libraries = RUNTIMES[case]
    for folder in (f"venv/lib/python{VERSION}/site-packages", f".venv/lib/python{VERSION}/site-packages", "old/lib/x"):
        (stack.folder / folder).mkdir(parents=True)
    project = read(stack, header=f"name: unit\nruntime: {runtime}\n")
    assert len(project.libraries) == libraries
    assert len(project.notes) == len(notes)
    assert all(note in text for note, text in zip(notes, project.notes, strict=True))


WRONG_RUNTIMES = {
    "{name: python, options: {toolchain: conda}}": "toolchain 'conda' is not known",
    "{name: python, options: {typechecker: [x]}}": "typechecker",
    "{name: python, options: [x]}": "options of the runtime are not a mapping",
    "{name: python, options: {virtualenv: [x]}}": "virtualenv is not a path",
    "{name: nodejs}": "the runtime is 'nodejs'",
}


@pytest.mark.parametrize("runtime", WRONG_RUNTIMES)
def test_wrong_options_of_the_runtime(stack, runtime):
    assert WRONG_RUNTIMES[runtime] in refuse(stack, header=f"name: unit\nruntime: {runtime}\n")


def test_libraries_of_the_environment_are_there_and_do_not_hide_ours(stack):
    stack.write("Pulumi.yaml", "name: unit\nruntime: {name: python, options: {virtualenv: venv, typechecker: mypy}}\n")
    libraries = f"venv/lib/python{VERSION}/site-packages"
    stack.write(f"{libraries}/only_in_this_venv.py", "ANSWER = 42\n")
    stack.write(f"{libraries}/vmstack/__init__.py", "raise RuntimeError\n")
    before = list(sys.path)
    graph = stack.evaluate("import only_in_this_venv\nassert only_in_this_venv.ANSWER == 42")
    sys.modules.pop("only_in_this_venv")
    assert sys.path == before
    assert len(graph.warnings) == 1
    assert "vmstack does not run mypy" in graph.warnings[0]


PATHS = {
    "a": ("a",), "a.b": ("a", "b"), "a[0]": ("a", 0), "a[0][1].b": ("a", 0, 1, "b"), '["a.b"].c': ("a.b", "c"),
    'a["x y"]["q\\"\\\\"]': ("a", "x y", 'q"\\'), "a-b.c_d": ("a-b", "c_d"),
}  # fmt: skip


@pytest.mark.parametrize("text", PATHS)
def test_paths(text):
    assert parse_path(text) == PATHS[text]
    assert parse_path(show_path(PATHS[text])) == PATHS[text]


@pytest.mark.parametrize(
    "text", ["", ".a", "a.", "a..b", "[0]", "a[", "a[x]", "a[-1]", 'a["x]', "a]b", "a[0]b", '[""]']
)
def test_what_is_no_path(text):
    with pytest.raises(InputError, match="is not a path"):
        parse_path(text)


SETTINGS = {
    "a new mapping": (None, ("a", "b"), {"a": {"b": 1}}),
    "a new list": (None, (0,), [1]),
    "one more": ([0], (1,), [0, 1]),
    "another": ({"a": [0, 2]}, ("a", 1), {"a": [0, 1]}),
    "over a plain value": ("x", ("a",), {"a": 1}),
    "nothing before": ({"a": None}, ("a", "b"), {"a": {"b": 1}}),
}


@pytest.mark.parametrize("case", SETTINGS)
def test_setting_at_a_path(case):
    tree, path, expected = SETTINGS[case]
    assert set_at(tree, path, 1, what="x") == expected
    assert get_at(expected, path) == (True, 1)


WRONG_SETTINGS = {
    "beyond the end": ([0], (2,), 1, "beyond the end"),
    "a gap in a new list": (None, (1,), 1, "beyond the end"),
    "no mapping": ([0], ("a",), 1, "a mapping is needed"),
    "no list": ({"a": 1}, (0,), 1, "a list is needed"),
    "through a plain value": ({"a": 1}, ("a", "b"), 1, "a plain value on the way, at a"),
    "what looks encrypted": ({}, ("a", "secure"), "x", "reserved"),
}


@pytest.mark.parametrize("case", WRONG_SETTINGS)
def test_setting_where_it_cannot_be(case):
    tree, path, value, expected = WRONG_SETTINGS[case]
    with pytest.raises(InputError, match=expected):
        set_at(tree, path, value, what="x")


def test_removing_and_reading_at_a_path():
    tree = {"a": [1, {"b": 2}]}
    assert remove_at(tree, ("a", 0)) == {"a": [{"b": 2}]}
    assert tree == {"a": [1, {"b": 2}]}
    assert [get_at(tree, path)[0] for path in (("a", 2), ("a", "b"), ("x",), (0,), ("a", 0, "b"))] == [False] * 5


def test_texts_inside_of_structures_become_what_they_look_like():
    texts = ["true", "false", "0", "10", "-3", "007", "1.5", "x", "", "True", "99999999999999999999"]
    assert [coerce(text) for text in texts] == [
        True, False, 0, 10, -3, "007", "1.5", "x", "", "True", "99999999999999999999",
    ]  # fmt: skip
