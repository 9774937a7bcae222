"""Templates: values are data whatever is in them, and names stay inside of the folder."""

import pytest
import yaml

from vmstack.model.identity import Key, Kind

HOSTILE = [
    "plain",
    "a: b",
    "x # no comment",
    "- item",
    "quote \" and ' and \\",
    "two\nlines",
    "\nruncmd:\n  - [rm, -rf, /]\n",
    "{{ 7 * 7 }} {% raw %}",
    "*alias &anchor !!python/object:os.system",
    "yes",
    "0644",
    "",
    "  spaces  ",
    "\t tab",
    "nel\u0085 ls\u2028 ps\u2029 bom\ufeff",
    "emoji \U0001f600",
    "]}, {[",
    "| >",
]


@pytest.fixture
def render(stack):
    def call(template, **variables):
        stack.write("templates/t.yaml.j2", "#cloud-config\n" + template)
        arguments = "".join(f", {name}={value!r}" for name, value in variables.items())
        graph = stack.evaluate(f'VirtualMachine("a", pool=pool, cloud_init=CloudInit.template("t.yaml.j2"{arguments}))')
        text = next(resource.spec.user_data for resource in graph.resources if resource.key == Key(Kind.SEED, "a"))
        assert text.startswith("#cloud-config\n")
        return yaml.safe_load(text)

    return call


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize(
    ("template", "read"),
    [
        ("k: {{ x }}\n", lambda document: document["k"]),
        ('k: "{{ x }}"\n', lambda document: document["k"]),
        ("k: '{{ x }}'\n", lambda document: document["k"]),
        ("k: [a, {{ x }}]\n", lambda document: document["k"][1]),
        ("k:\n  - {{ x }}\n", lambda document: document["k"][0]),
        ("k:\n  - [sh, -c, {{ x }}]\n", lambda document: document["k"][0][2]),
        ("k: |-\n  {{ x }}\n", lambda document: document["k"]),
        ("k: before {{ x }} after\n", lambda document: document["k"][7:-6]),
        ("k: {{ x | tojson }}\n", lambda document: document["k"]),
        ("{{ x }}: k\n", lambda document: next(iter(document))),
    ],
)
def test_a_text_is_one_value_wherever_it_stands(render, template, read, value):
    document = render(template, x=value)
    assert read(document) == value
    assert len(document) == 1


@pytest.mark.parametrize("value", [8080, 1.5, True, None, [1, "a: b"], {"a": {"b": [None]}}])
def test_a_plain_expression_keeps_its_type(render, value):
    assert render("k: {{ x }}\n", x=value) == {"k": value}


@pytest.mark.parametrize(("value", "text"), [(8080, "8080"), (True, "true"), ([1, "a"], '[1, "a"]')])
def test_inside_of_a_text_values_become_text(render, value, text):
    assert render("k: <{{ x }}>\nq: '{{ x }}'\n", x=value) == {"k": f"<{text}>", "q": text}


def test_the_language_of_templates_works(render):
    document = render(
        "{% macro user(name) %}\n  - name: {{ name }}\n{% endmacro %}\n"
        "users:\n{% for person in people if person != 'c' %}\n{{ user(person) }}\n{% endfor %}\n"
        "count: {{ people | length }}\nupper: {{ people[0] | upper }}\njoined: {{ people | join(', ') }}\n"
        "{% if people %}\nsome: true\n{% endif %}\nshell: echo {{ people[1] | quote }}\n"
        "sum: {{ 1 + n }}\nlist: {{ people | map('upper') }}\n# a comment with {{ n }}\n",
        people=["a", "b b: #", "c"],
        n=41,
    )
    assert document == {
        "users": [{"name": "a"}, {"name": "b b: #"}],
        "count": 3,
        "upper": "A",
        "joined": "a, b b: #, c",
        "some": True,
        "shell": "echo 'b b: #'",
        "sum": 42,
        "list": ["A", "B B: #", "C"],
    }


def test_templates_include_and_inherit(stack, render):
    stack.write("templates/parts/base.j2", "k: {{ x }}\n{% block more %}{% endblock %}\n")
    stack.write("templates/parts/one.j2", "one: {{ x }}\n")
    assert render("{% include 'parts/one.j2' %}\n", x="v: w") == {"one": "v: w"}
    child = "{% extends 'parts/base.j2' %}{% block more %}more: {{ x }}{% endblock %}\n"
    assert render(child, x="v: w") == {"k": "v: w", "more": "v: w"}


def test_equal_texts_with_other_values_are_told_apart(stack):
    stack.write("templates/t.yaml.j2", "#cloud-config\nk: {{ x }}\n")
    graph = stack.evaluate(
        'for n in range(3): VirtualMachine(f"vm-{n}", pool=pool, cloud_init=CloudInit.template("t.yaml.j2", x=n))'
    )
    texts = [resource.spec.user_data for resource in graph.resources if resource.key.kind == Kind.SEED]
    assert texts == ["#cloud-config\nk: 0\n", "#cloud-config\nk: 1\n", "#cloud-config\nk: 2\n"]


def test_the_projects_templates_come_before_the_repositorys(stack):
    above = stack.folder.parent / "templates"
    above.mkdir()
    (above / "a.j2").write_text("#cloud-config\nk: above\n")
    (above / "b.j2").write_text("#cloud-config\nk: above\n")
    stack.write("templates/a.j2", "#cloud-config\nk: own\n")
    graph = stack.evaluate('for n in "ab": VirtualMachine(n, pool=pool, cloud_init=CloudInit.template(f"{n}.j2"))')
    texts = [resource.spec.user_data for resource in graph.resources if resource.key.kind == Kind.SEED]
    assert texts == ["#cloud-config\nk: own\n", "#cloud-config\nk: above\n"]


def test_the_search_ends_at_the_repository(stack):
    (stack.folder / ".git").mkdir()
    (stack.folder.parent / "templates").mkdir()
    (stack.folder.parent / "templates" / "a.j2").write_text("#cloud-config\n")
    assert "there is no template 'a.j2'" in str(stack.fail('CloudInit.template("a.j2")  # here'))


NAMES = {
    "../secret.j2": "leads out of the templates folder",
    "a/../../secret.j2": "leads out of the templates folder",
    "/etc/passwd": "leads out of the templates folder",
    "..\\secret.j2": "is not the name of a template",
    "a\0b": "is not the name of a template",
    "": "is not the name of a template",
    "link.j2": "is a link that leads out of",
    "none.j2": "there is no template 'none.j2'",
    "sub": "there is no template 'sub'",
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("how", ["named", "included"])
def test_names_do_not_lead_out_of_the_folder(stack, name, how):
    stack.write("secret.j2", "#cloud-config\nk: secret\n")
    stack.write("templates/sub/a.j2", "#cloud-config\n")
    (stack.folder / "templates" / "link.j2").symlink_to(stack.folder / "secret.j2")
    stack.write("templates/t.j2", "#cloud-config\n{% include name %}\n")
    call = f"CloudInit.template({name!r})" if how == "named" else f'CloudInit.template("t.j2", name={name!r})'
    assert NAMES[name] in str(stack.fail(f"{call}  # here"))


TEMPLATES = {
    "unknown variable": ("k: {{ prot }}\n", "'prot' is undefined (t.j2:2)"),
    "unknown member": ("k: {{ x.y }}\n", "has no attribute 'y'"),
    "unknown in a condition": ("{% if prot %}k: 1{% endif %}\n", "'prot' is undefined"),
    "syntax": ("k: {% if %}\n", "is malformed"),
    "no YAML": ("k: [{{ x }}\n", "is not valid YAML in line"),
    "no mapping": ("- {{ x }}\n", "does not make a mapping"),
    "a key twice": ("{{ x }}: 1\n{{ x }}: 2\n", "is there twice"),
    "python": ("k: {{ x.__class__.__mro__ }}\n", "access to attribute '__class__' of 'str' object is unsafe"),
    "format": ("k: {{ '{0.__class__}'.format(x) }}\n", "is unsafe"),
    "no safe": ("k: {{ x | safe }}\n", "No filter named 'safe'"),
    "no escape": ("k: {{ x | e }}\n", "No filter named 'e'"),
    "binary": ("k: !!binary {{ x }}\n", "no value can stand here"),
    "object": ("k: !!python/object/apply:os.system [{{ x }}]\n", "is not valid YAML"),
    "none in a text": ("k: a{{ none }}b\n", "a value inside of a text is None"),
    "a changed macro": (
        "{% macro m() %}{{ x }}{% endmacro %}\nk: {{ m() | upper }}\n", "a value stands where none can be",
    ),
    "division": ("k: {{ 1 / 0 }}\n", "failed: ZeroDivisionError (t.j2:2)"),
}  # fmt: skip


@pytest.mark.parametrize("case", TEMPLATES)
def test_broken_templates_are_told_at_the_call(stack, case):
    template, expected = TEMPLATES[case]
    stack.write("templates/t.j2", "#cloud-config\n" + template)
    error = stack.fail('CloudInit.template("t.j2", x="v")  # here')
    assert "t.j2" in str(error)
    assert expected in str(error)


def test_a_template_starts_as_cloud_init_wants(stack):
    stack.write("templates/t.j2", "k: 1\n")
    assert "does not start with the line '#cloud-config'" in str(stack.fail('CloudInit.template("t.j2")  # here'))


def test_objects_are_not_passed_to_templates(stack):
    stack.write("templates/t.j2", "#cloud-config\n")
    error = stack.fail('CloudInit.template("t.j2", x=object())  # here')
    assert "the variable 'x': an object is not plain data" in str(error)


def test_unknown_templates_are_told_with_those_there_are(stack):
    stack.write("templates/web.yaml.j2", "#cloud-config\n")
    error = stack.fail('CloudInit.template("wbe.yaml.j2")  # here')
    assert "there is web.yaml.j2" in error.details
