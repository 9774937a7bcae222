"""XSLT stylesheets and patches of a program, checked where the program gives them."""

from vmstack.errors import DocumentError, InputError
from vmstack.evaluate.native.base import validated
from vmstack.evaluate.native.fields import check_list, check_type
from vmstack.model.text import check_text
from vmstack.xmlio.patches import element_patch, encode_sheet, removing_patch, value_patch
from vmstack.xmlio.stylesheet import check_stylesheet


def read_stylesheet(value: object, *, field: str) -> str | None:
    """Return a stylesheet, or `None` for none or an empty one. Raises `InputError`."""
    text = check_type(value or "", str, field=field).strip()
    if not text:
        return None
    try:
        check_stylesheet(text)
    except DocumentError as error:
        raise InputError(f"{field}: {error.brief}", details=error.details, resolution=error.resolution) from error
    return text


class Patch:
    """A change of the XML that vmstack writes: `Patch("/domain/features/vmport/@state", "off")`.

    `path` names an attribute or the text of an element for a `value`, an element for `element=` (XML, in place of the
    one that is there), or what `remove=True` takes away. What is missing on the way is made.
    """

    __slots__ = ("spec",)

    @validated
    def __init__(
        self, path: str, value: str | None = None, *, element: str | None = None, remove: bool = False
    ) -> None:
        text = check_text(path, field="path")
        given = [
            name for name, there in (("value", value is not None), ("element", element), ("remove", remove)) if there
        ]
        if len(given) != 1:
            raise InputError(
                f"{' and '.join(given) or 'nothing'} is given",
                resolution="give a value, element= or remove=True",
            )
        try:
            if element is not None:
                self.spec = element_patch(text, check_type(element, str, field="element"))
            elif value is not None:
                self.spec = value_patch(text, check_text(value, field="value"))
            else:
                self.spec = removing_patch(text)
        except DocumentError as error:
            raise InputError(f"path: {error.brief}", details=error.details, resolution=error.resolution) from error


def read_sheet(patches: object, xslt: object) -> str | None:
    """Return patches and a stylesheet as one sheet, or `None` for neither. Raises `InputError`."""
    given = [check_type(item, Patch, field="xml").spec for item in check_list(patches, field="xml")]
    return encode_sheet(given, xslt=read_stylesheet(xslt, field="xslt"))
