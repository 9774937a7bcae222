"""Documents for cloud-init: reading and writing YAML in its dialect, and telling the kinds of user-data apart."""

import enum
from collections.abc import Hashable, Mapping
from typing import Any, Final

import yaml

from vmstack.errors import InputError
from vmstack.model.text import with_article

CLOUD_CONFIG: Final = "#cloud-config"

# The C parser does the same many times faster; it is there in all wheels of PyYAML, but not in every build.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class Content(enum.Enum):
    """What cloud-init takes a document for, by its first line; the value is the MIME subtype of `text/`."""

    CLOUD_CONFIG = "cloud-config"
    SCRIPT = "x-shellscript"
    JINJA = "jinja2"
    INCLUDE = "x-include-url"
    INCLUDE_ONCE = "x-include-once-url"
    BOOTHOOK = "cloud-boothook"
    ARCHIVE = "cloud-config-archive"
    PART_HANDLER = "part-handler"
    MIME = "mime"


# cloud-init's own table of starts: INCLUSION_TYPES_MAP in cloudinit/handlers/__init__.py.
_STARTS: Final = (
    ("#cloud-config-archive", Content.ARCHIVE),
    ("#cloud-config", Content.CLOUD_CONFIG),
    ("#cloud-boothook", Content.BOOTHOOK),
    ("#include-once", Content.INCLUDE_ONCE),
    ("#include", Content.INCLUDE),
    ("#part-handler", Content.PART_HANDLER),
    ("#!", Content.SCRIPT),
    ("## template: jinja", Content.JINJA),
    ("Content-Type:", Content.MIME),
    ("MIME-Version:", Content.MIME),
)


class Quoted(str):
    """A string that is always written in quotes, for readers that guess types."""

    __slots__ = ()


class StrictLoader(_Loader):  # type: ignore[misc]  # which of PyYAML's loaders it is depends on the build
    """PyYAML's safe loader that refuses a key given twice, which it would silently drop."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - PyYAML's
        seen = set()
        for key_node, _ in getattr(node, "value", ()):
            value = getattr(key_node, "value", None)
            if isinstance(value, str) and key_node.tag != "tag:yaml.org,2002:merge":
                if (key_node.tag, value) in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {value!r} is given twice", key_node.start_mark
                    )
                seen.add((key_node.tag, value))
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep=deep)
        return mapping


class _Writer(_Dumper):  # type: ignore[misc]  # see StrictLoader
    """PyYAML's safe dumper without anchors, which not every reader of cloud-init documents knows."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _write_text(writer: Any, text: str) -> Any:
    """Files and scripts stay readable as literal blocks."""
    return writer.represent_scalar("tag:yaml.org,2002:str", text, "|" if "\n" in text else None)


_Writer.add_representer(str, _write_text)
_Writer.add_representer(Quoted, lambda writer, text: writer.represent_scalar("tag:yaml.org,2002:str", str(text), '"'))


def classify(text: str) -> Content | None:
    """Tell what cloud-init takes the document for; `None`: it would ignore it with a warning."""
    return next((content for start, content in _STARTS if text.startswith(start)), None)


def load_yaml(text: str, *, what: str, loader: Any = StrictLoader) -> Any:
    """Parse one YAML document. Errors name line and column, and never quote the text, which may be secret."""
    try:
        instance = loader(text)
        try:
            return instance.get_single_data()
        finally:
            instance.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise InputError(
            f"{what} is not valid YAML{where}: {error.problem or error.context}",
            resolution="mend it there: look for a bracket or quote that is not closed, tabs, and indentation before it",
        ) from None
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        reason = f": {error.reason}" if isinstance(error, yaml.reader.ReaderError) else ""
        raise InputError(f"{what} is not valid YAML{reason}", resolution="write it as a YAML document") from None


def dump_yaml(document: Mapping[str, Any]) -> str:
    """Write a document in block style, keys in the order given."""
    try:
        text: str = yaml.dump(
            document, Dumper=_Writer, sort_keys=False, allow_unicode=True, default_flow_style=False, width=4096
        )
    except yaml.representer.RepresenterError as error:
        raise InputError(f"{with_article(type(error.args[-1]).__name__)} cannot be written as YAML") from None
    except RecursionError:
        raise InputError("a value contains itself") from None
    return text


def dump_cloud_config(document: Mapping[str, Any]) -> str:
    """Write user-data from its content."""
    return f"{CLOUD_CONFIG}\n{dump_yaml(document)}" if document else f"{CLOUD_CONFIG}\n{{}}\n"


def load_cloud_config(text: str, *, what: str) -> dict[str, Any]:
    """Parse a `#cloud-config` document; an empty one is an empty mapping."""
    document = load_yaml(text, what=what)
    if document is None:
        return {}
    if not isinstance(document, dict) or not all(isinstance(key, str) for key in document):
        raise InputError(f"{what} is not a mapping of names to values", resolution="start it with a key, as 'users:'")
    return document


def require_content(text: str, *, what: str) -> Content:
    """Return what the document is; raises `InputError` where cloud-init would ignore it."""
    content = classify(text)
    if content is None:
        lead = "an empty line" if not text[:1].strip() else "a line that tells it nothing"
        raise InputError(
            f"{what} starts with {lead}, so cloud-init would ignore it",
            resolution=f"make '{CLOUD_CONFIG}' (or '#!/bin/sh', ...) its very first line",
        )
    return content
