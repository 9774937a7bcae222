"""Jinja2 templates of `#cloud-config` documents, in which no value can become markup.

Where a template says `{{ x }}`, rendering leaves an opaque token. The text, which then holds nothing but what the
template's author wrote, is parsed as YAML, and only in the parsed tree do values replace their tokens: a plain
`port: {{ port }}` becomes the number, a token inside of a longer text becomes part of that text. So a value may
hold quotes, colons, newlines or YAML, and still be one value.
"""

import hashlib
import json
import os
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final

import jinja2
import yaml
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from vmstack.errors import InputError
from vmstack.evaluate.cloudinit.documents import CLOUD_CONFIG, StrictLoader, load_yaml
from vmstack.model.text import with_article

_MAX_SHOWN: Final = 12
# They make text that Jinja takes for safe out of values, which is meant for HTML.
_HTML_FILTERS: Final = ("e", "escape", "forceescape", "safe", "urlize", "xmlattr")
_STRING: Final = "tag:yaml.org,2002:str"
_SCALARS: Final = (str, int, float, bool, type(None))


class Templates:
    """The templates that a project may use, and what was parsed of them already."""

    def __init__(self, folders: tuple[Path, ...]) -> None:
        self._folders = folders
        self._environment = _Environment(folders)
        self._skeletons: dict[str, Any] = {}

    def render(self, name: str, *, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the document that a template makes of values. Raises `InputError`."""
        plain = {key: to_plain(value, field=f"the variable {key!r}") for key, value in values.items()}
        text, vault = self._environment.write(name, values=plain)
        skeleton = self._skeletons.get(text)
        if skeleton is None:
            if text.split("\n", 1)[0].rstrip() != CLOUD_CONFIG:
                raise InputError(f"the template {name!r} does not start with the line {CLOUD_CONFIG!r}")
            skeleton = load_yaml(text, what=f"the template {name!r}, rendered,", loader=vault.loader())
            self._skeletons[text] = skeleton
        document = vault.fill(skeleton, template=name)
        if document is None:
            return {}
        if not isinstance(document, dict) or not all(isinstance(key, str) for key in document):
            raise InputError(f"the template {name!r} does not make a mapping of names to values")
        return document


def template_folders(project: Path) -> tuple[Path, ...]:
    """Where templates are looked for: the project's own folder, then those above it in the same repository."""
    found = []
    for folder in (project, *project.parents):
        found.append(folder / "templates")
        if (folder / ".git").exists():
            break
        if len(found) == 3:  # without a repository: the project, its parent (stacks/), and that one's parent
            break
    return tuple(folder for folder in found if folder.is_dir())


def to_plain(value: Any, *, field: str) -> Any:
    """Return a value as plain data, without subclasses that Jinja treats specially; raises `InputError`."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, _SCALARS):
        return value
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise InputError(f"{field}: a key is not a string")
        return {str.__str__(key): to_plain(item, field=field) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset | Iterator | range) or type(value).__name__.startswith("dict_"):
        items = sorted(value, key=repr) if isinstance(value, set | frozenset) else value
        return [to_plain(item, field=field) for item in items]
    raise InputError(f"{field}: {with_article(type(value).__name__)} is not plain data")


class _Json:
    """The result of `tojson`: the value itself where it stands alone, JSON inside of a text."""

    def __init__(self, value: Any) -> None:
        self.value = value


class _Slot:
    """A scalar of a parsed template that values go into. `parts` are texts and numbers of values."""

    __slots__ = ("parts", "quoted")

    def __init__(self, parts: tuple[str | int, ...], *, quoted: bool) -> None:
        self.parts = parts
        self.quoted = quoted


class _Vault:
    """The values of one rendering, by number, and the tokens that stand for them."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._token = re.compile(f"{prefix}x([0-9]+)x")
        self._values: list[Any] = []

    def deposit(self, value: Any) -> str:
        self._values.append(value if isinstance(value, _Json) else to_plain(value, field="an expression"))
        return f"{self._prefix}x{len(self._values) - 1}x"

    def loader(self) -> type[Any]:
        """A YAML loader that leaves slots where tokens are."""
        token = self._token

        class Loader(StrictLoader):
            def construct_scalar(self, node: yaml.ScalarNode) -> Any:
                text = super().construct_scalar(node)
                if node.tag != _STRING and token.search(text):
                    raise yaml.constructor.ConstructorError(None, None, "no value can stand here", node.start_mark)
                return text

        def construct(loader: Any, node: yaml.ScalarNode) -> Any:
            text = loader.construct_scalar(node)
            pieces = token.split(text)
            if len(pieces) == 1:
                return text
            parts = tuple(
                int(piece) if index % 2 else piece for index, piece in enumerate(pieces) if index % 2 or piece
            )
            return _Slot(parts, quoted=bool(node.style))

        Loader.add_constructor(_STRING, construct)
        return Loader

    def fill(self, tree: Any, *, template: str) -> Any:
        """Return the tree with values in its slots."""
        if isinstance(tree, _Slot):
            return self._join(tree, template=template)
        if isinstance(tree, dict):
            filled = {}
            for key, item in tree.items():
                name = self.fill(key, template=template)
                if not isinstance(name, _SCALARS) or name in filled:
                    raise InputError(
                        f"the template {template!r}: a value makes a key that is no name, or is there twice"
                    )
                filled[name] = self.fill(item, template=template)
            return filled
        if isinstance(tree, list):
            return [self.fill(item, template=template) for item in tree]
        if self._prefix in str(tree).lower():
            raise InputError(f"the template {template!r}: a value stands where none can be, or was changed as text")
        return tree

    def _join(self, slot: _Slot, *, template: str) -> Any:
        if len(slot.parts) == 1 and isinstance(slot.parts[0], int):
            alone = self._values[slot.parts[0]]
            value = alone.value if isinstance(alone, _Json) else alone
            return self._text(alone, template=template) if slot.quoted and not isinstance(value, str) else value
        return "".join(
            part if isinstance(part, str) else self._text(self._values[part], template=template) for part in slot.parts
        )

    def _text(self, value: Any, *, template: str) -> str:
        if isinstance(value, str):
            return value
        if isinstance(value, _Json):
            return json.dumps(value.value, ensure_ascii=False)
        if value is None:
            raise InputError(f"the template {template!r}: a value inside of a text is None")
        return json.dumps(value, ensure_ascii=False)


class _Environment(ImmutableSandboxedEnvironment):
    """Jinja2 without access to Python, files outside of the folders, undefined names and HTML."""

    def __init__(self, folders: tuple[Path, ...]) -> None:
        super().__init__(
            loader=_FolderLoader(folders),
            undefined=jinja2.StrictUndefined,
            finalize=_deposit,
            # What macros and blocks make is text of the template, and only with this does Jinja tell it from values.
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            auto_reload=False,
        )
        for name in _HTML_FILTERS:
            del self.filters[name]
        self.filters["tojson"] = _Json
        self.filters["quote"] = lambda value: shlex.quote(str(value))
        self._folders = folders
        self.vault = _Vault("unused")

    def write(self, name: str, *, values: Mapping[str, Any]) -> tuple[str, _Vault]:
        """Render a template to text with tokens."""
        path = check_template_name(name)
        # A token must be a plain YAML string of one word that no template holds.
        self.vault = _Vault("v" + hashlib.sha256(f"token of {path}".encode()).hexdigest()[:24])
        try:
            return self.get_template(path).render(values), self.vault
        except jinja2.TemplateNotFound as error:
            raise self._unknown(str(error.name or path)) from None
        except jinja2.TemplateSyntaxError as error:
            file = f"{error.name or path}:{error.lineno}"
            raise InputError(f"the template {name!r} is malformed: {error.message} ({file})") from None
        except InputError:
            raise
        except jinja2.TemplateError as error:
            raise InputError(f"the template {name!r}: {error.message}{self._where(error)}") from None
        except Exception as error:
            raise InputError(f"the template {name!r} failed: {type(error).__name__}{self._where(error)}") from error

    def _where(self, error: BaseException) -> str:
        """Name the innermost line of a template in a traceback, which Jinja rewrites to the template's files."""
        found = ""
        trace = error.__traceback__
        while trace is not None:
            file = trace.tb_frame.f_code.co_filename
            if any(file.startswith(str(folder)) for folder in self._folders):
                found = f" ({Path(file).name}:{trace.tb_lineno})"
            trace = trace.tb_next
        return found

    def _unknown(self, name: str) -> InputError:
        known = self.list_templates()
        shown = [f"there is {item}" for item in known[:_MAX_SHOWN]]
        places = ", ".join(str(folder) for folder in self._folders)
        return InputError(
            f"there is no template {name!r}",
            details=[f"looked in {places}" if places else "no templates/ folder was found", *shown],
            resolution="templates are files in a folder templates/ beside the stack program, or above it",
        )


@jinja2.pass_context
def _deposit(context: jinja2.runtime.Context, value: Any) -> Any:
    """What Jinja writes for each expression: template text as it is, values as tokens."""
    environment = context.environment
    if isinstance(value, jinja2.Undefined):
        return str(value)  # StrictUndefined raises, with the name
    if isinstance(value, Markup) or not isinstance(environment, _Environment):
        return value
    return environment.vault.deposit(value)


class _FolderLoader(jinja2.BaseLoader):
    """Loads templates by relative names that stay inside of their folder, symbolic links included."""

    def __init__(self, folders: tuple[Path, ...]) -> None:
        self._folders = folders

    def get_source(self, environment: jinja2.Environment, template: str) -> tuple[str, str, Callable[[], bool]]:
        name = check_template_name(template)
        for folder in self._folders:
            path = folder / name
            if not path.is_file():
                continue
            if not path.resolve().is_relative_to(folder.resolve()):
                raise InputError(f"the template {name!r} is a link that leads out of {folder}")
            try:
                return path.read_text(encoding="utf-8"), str(path), lambda: True
            except (OSError, UnicodeDecodeError) as error:
                raise InputError(f"the template {name!r} cannot be read: {type(error).__name__}") from None
        raise jinja2.TemplateNotFound(name)

    def list_templates(self) -> list[str]:
        found = {
            str(path.relative_to(folder)) for folder in self._folders for path in folder.rglob("*") if path.is_file()
        }
        return sorted(found)


def check_template_name(name: object) -> str:
    """Return a template's name when it is a relative path that cannot lead out of its folder."""
    if not isinstance(name, str) or not name or not name.isprintable() or "\\" in name:
        raise InputError(f"{name!r} is not the name of a template")
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise InputError(
            f"the template name {name!r} leads out of the templates folder",
            resolution="name a file below templates/, such as 'web.yaml.j2'",
        )
    return str(path)
