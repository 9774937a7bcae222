"""Who applies, from where, and when, as ledgers and stamps keep it."""

import getpass
import socket
import uuid
from datetime import UTC, datetime

from vmstack.model.ownership import RunRecord


def describe_run() -> RunRecord:
    """Who applies, from where, and when."""
    try:
        who = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        who = "unknown"
    when = datetime.now(UTC).isoformat(timespec="seconds")
    return RunRecord(run=str(uuid.uuid4()), who=who, where=socket.gethostname(), when=when)
