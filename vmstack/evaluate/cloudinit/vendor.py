"""vendor-data: the script that reports readiness, together with the program's own vendor-data."""

import hashlib
from functools import cache
from importlib import resources
from typing import Final

from vmstack.evaluate.cloudinit.documents import Content, require_content

_SCRIPT: Final = "ready.sh"


@cache
def readiness_script() -> str:
    """The script that cloud-init runs in the guest. A script, because user-data overrides vendor `#cloud-config`."""
    return resources.files("vmstack.evaluate.cloudinit").joinpath(_SCRIPT).read_text(encoding="utf-8")


def vendor_data(own: str | None) -> str:
    """Return the readiness script, joined with the program's own vendor-data as MIME parts."""
    script = readiness_script()
    if own is None:
        return script
    import email
    from email.message import Message
    from email.mime.multipart import MIMEMultipart
    from email.mime.text import MIMEText

    # A boundary from the content: equal inputs give equal seeds.
    boundary = "==" + hashlib.sha256(f"{script}\0{own}".encode()).hexdigest()[:40]
    bundle = MIMEMultipart(boundary=boundary)
    content = require_content(own, what="vendor_data")
    nested: Message | None = email.message_from_string(own) if content is Content.MIME else None
    bundle.attach(MIMEText(script, Content.SCRIPT.value, "utf-8"))
    bundle.attach(nested or MIMEText(own, content.value, "utf-8"))
    return bundle.as_string()
