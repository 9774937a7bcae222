"""Writing `Pulumi.<stack>.yaml`: one entry changes, and every other byte stays."""

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from vmstack.errors import InputError
from vmstack.evaluate.config.stack_file import StackFile
from vmstack.evaluate.config.values import Ciphertext


def open_file(folder, text=None, *, name="Pulumi.dev.yaml"):
    if text is not None:
        (folder / name).write_bytes(text.encode())
    return StackFile(folder, stack="dev", project="unit")


COMMENTED = """\
# about all
encryptionsalt: v1:x  # never touch
config:
  # about a
  a: one # the first

  # about b
  unit:b:
    x: 1   # number
    y:     # list
      - 1
      - 2
    "z": 'three'
  c: |
    many
    lines
  # about the end
other: [kept,   as, it is]
# the end
"""

EDITS = {
    "a value": (("a",), "two", "a: one #", "a: two #"),
    "a value of another kind": (("a",), {"p": [1]}, "  a: one #", "  a:\n    p:\n    - 1 #"),
    "a secret": (("a",), Ciphertext("v1:n:c"), "  a: one #", "  a:\n    secure: v1:n:c #"),
    "by its other spelling": (("b", "x"), 5, "x: 1   #", "x: 5   #"),
    "a text in quotes": (("b", "z"), "3", "'three'", "'3'"),
    "a list": (("b", "y", 1), 3, "    y:     # list\n      - 1\n      - 2", "    y: # list\n    - 1\n    - 3"),
    "a mapping in place of a list": (
        ("b", "y"), {"k": "v"}, "    y:     # list\n      - 1\n      - 2", "    y: # list\n      k: v",
    ),
    "a text of several lines": (("c",), "x", "  c: |\n    many\n    lines", "  c: x"),
    "several lines for one": (("a",), "x\ny\n", "a: one #", 'a: "x\\ny\\n" #'),
    "a new entry": (("d",), "new", "    lines\n", "    lines\n  unit:d: new\n"),
    "a new entry in another namespace": (("libvirt:uri",), "u", "    lines\n", "    lines\n  libvirt:uri: u\n"),
    "a new entry further in": (("b", "w"), True, "    \"z\": 'three'\n", "    \"z\": 'three'\n    w: true\n"),
}  # fmt: skip


def name_of(key: str) -> str:
    return key if ":" in key else f"unit:{key}"


@pytest.mark.parametrize("case", EDITS)
@pytest.mark.parametrize("break_", ["\n", "\r\n"])
def test_one_entry_changes_and_the_rest_stays(tmp_path, case, break_):
    path, value, before, after = EDITS[case]
    assert COMMENTED.count(before) == 1
    file = open_file(tmp_path, COMMENTED.replace("\n", break_))
    file.put(name_of(path[0]), path[1:], value)
    assert file.path.read_bytes().decode() == COMMENTED.replace(before, after).replace("\n", break_)


REMOVALS = {
    "an entry": (("a",), "  a: one # the first\n", ""),
    "a structure": (("b",), COMMENTED[COMMENTED.index("  unit:b:") : COMMENTED.index("  c: |")], ""),
    "further in": (("b", "x"), "    x: 1   # number\n", ""),
    "lines of text": (("c",), "  c: |\n    many\n    lines\n", ""),
    "of a list": (("b", "y", 0), "    y:     # list\n      - 1\n      - 2", "    y: # list\n    - 2"),
}


@pytest.mark.parametrize("case", REMOVALS)
def test_removing_leaves_the_comments_of_others(tmp_path, case):
    path, before, after = REMOVALS[case]
    file = open_file(tmp_path, COMMENTED)
    assert file.remove(name_of(path[0]), path[1:])
    assert file.path.read_text() == COMMENTED.replace(before, after)


def test_what_is_not_there_is_not_removed(tmp_path):
    file = open_file(tmp_path, COMMENTED)
    assert [file.remove("unit:none", ()), file.remove("unit:a", ("x",)), file.remove("unit:b", ("y", 9))] == [False] * 3
    assert file.path.read_text() == COMMENTED


LAYOUTS = {
    "no file": (None, "config:\n  unit:k: v\n"),
    "an empty file": ("", "config:\n  unit:k: v\n"),
    "only a comment": ("# x", "# x\nconfig:\n  unit:k: v\n"),
    "no config": ("other: 1\n", "other: 1\nconfig:\n  unit:k: v\n"),
    "no last line end": ("config:\n  a: 1", "config:\n  a: 1\n  unit:k: v\n"),
    "config of nothing": ("config: # none\nother: 1\n", "config: # none\n  unit:k: v\nother: 1\n"),
    "an empty mapping": ("config: {}\nother: 1\n", "config:\n  unit:k: v\nother: 1\n"),
    "a flow mapping": ("x: 1\nconfig: {a: 1, b: [2]}\n", "x: 1\nconfig:\n  a: 1\n  b:\n  - 2\n  unit:k: v\n"),
    "four spaces": ("config:\n    a: 1\n", "config:\n    a: 1\n    unit:k: v\n"),
    "a document mark": ("---\nconfig:\n  a: 1\n", "---\nconfig:\n  a: 1\n  unit:k: v\n"),
    "a document end": ("config:\n  a: 1\n...\n", "config:\n  a: 1\n  unit:k: v\n...\n"),
    "anchors": ("config:\n  a: &x {p: 1}\n  b: *x\n", None),
}


@pytest.mark.parametrize("case", LAYOUTS)
def test_files_of_other_shapes(tmp_path, case):
    text, expected = LAYOUTS[case]
    file = open_file(tmp_path, text)
    before = dict(file.values)
    file.put("unit:k", (), "v")
    if expected is not None:
        assert file.path.read_text() == expected
    again = open_file(tmp_path)
    assert again.values == {**before, "unit:k": "v"}


def test_the_last_entry_leaves_an_empty_mapping(tmp_path):
    file = open_file(tmp_path, "# x\nconfig:\n  a: 1 # one\nother: 1\n")
    assert file.remove("unit:a", ())
    assert open_file(tmp_path).values == {}
    assert yaml.safe_load(file.path.read_text()) == {"config": {}, "other": 1}
    assert "# x\n" in file.path.read_text()


def test_the_salt_is_written_with_the_first_secret(tmp_path):
    file = open_file(tmp_path, "config:\n  a: 1\n# the end\n")
    file.put("unit:k", (), Ciphertext("v1:n:c"), salt="v1:s:v1:n:c")
    assert file.path.read_text() == (
        "config:\n  a: 1\n  unit:k:\n    secure: v1:n:c\n# the end\nencryptionsalt: v1:s:v1:n:c\n"
    )


# Plain texts that some reader of YAML takes for something else.
TRICKY = [
    "", " x", "x ", "true", "Yes", "no", "on", "~", "null", "3", "0777", "0o7", "1e3", "08", "12:30", "1_000", ".5",
    ".inf", "2024-01-02", "=", "<<", "- x", "# x", "a: b", "a #b", "'x'", '"x"', "x\ty", "x\n", "\n", "é\u2028",
    "\ufeffx", "{x", "@x", "%x", "&a", "*a", "!x", "|", ">", "?", "-", "a" * 300, "x\r\ny", "🔑",
]  # fmt: skip


@pytest.mark.parametrize("text", TRICKY)
def test_texts_stay_texts_for_every_reader(tmp_path, text):
    file = open_file(tmp_path, "config:\n  a: 1 # c\n")
    file.put("unit:a", (), text)
    assert open_file(tmp_path).values["unit:a"] == text
    assert yaml.safe_load(file.path.read_text(encoding="utf-8"))["config"]["a"] == text
    assert "# c" in file.path.read_text(encoding="utf-8")


KEYS = st.sampled_from(["a", "b", "c: d", "e#f", "1", "true"])
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12)
TREES = st.recursive(
    st.one_of(TEXTS, st.integers(-(2**63), 2**63), st.booleans(), st.none()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=8,
)


@settings(max_examples=30, deadline=None)
@given(first=st.dictionaries(st.sampled_from("abcd"), TREES, max_size=4), key=st.sampled_from("abcd"), value=TREES)
def test_whatever_is_written_is_read_again(tmp_path_factory, first, key, value):
    folder = tmp_path_factory.mktemp("config")
    wanted = {}
    for name, tree in {**first, key: value}.items():
        open_file(folder).put(f"unit:{name}", (), "over" if tree is None else tree)
        wanted[f"unit:{name}"] = "over" if tree is None else tree
        assert open_file(folder).values == wanted
    for name in sorted(wanted):
        assert open_file(folder).remove(name, ())
        del wanted[name]
        assert open_file(folder).values == wanted


def test_mode_and_links_are_kept(tmp_path):
    real = tmp_path / "elsewhere.yaml"
    real.write_text("config: {}\n")
    real.chmod(0o640)
    (tmp_path / "Pulumi.dev.yaml").symlink_to(real)
    open_file(tmp_path).put("unit:a", (), "x")
    assert (tmp_path / "Pulumi.dev.yaml").is_symlink()
    assert real.stat().st_mode & 0o7777 == 0o640
    assert real.read_text() == "config:\n  unit:a: x\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Pulumi.dev.yaml", "elsewhere.yaml"]


def test_a_file_that_cannot_be_written_stays(tmp_path, monkeypatch):
    file = open_file(tmp_path, COMMENTED)

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(InputError, match="cannot be written: No space left on device"):
        file.put("unit:a", (), "x")
    assert file.path.read_text() == COMMENTED
    assert [path.name for path in tmp_path.iterdir()] == ["Pulumi.dev.yaml"]


def test_json_is_written_as_json(tmp_path):
    file = open_file(tmp_path, '{"config": {"a": 1}}', name="Pulumi.dev.json")
    file.put("unit:b", ("x",), "y")
    assert open_file(tmp_path).values == {"unit:a": 1, "unit:b": {"x": "y"}}
    assert file.path.read_text().startswith('{\n    "config": {\n        "a": 1,')


def test_what_would_look_encrypted_is_not_left_behind(tmp_path):
    file = open_file(tmp_path, "config:\n  a: {secure: x, other: y}\n")
    with pytest.raises(InputError, match="taken for an encrypted value"):
        file.remove("unit:a", ("other",))
