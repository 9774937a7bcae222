"""XSLT stylesheets of a program, checked where the program gives them."""

from vmstack.errors import DocumentError, InputError
from vmstack.evaluate.native.fields import check_type
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
