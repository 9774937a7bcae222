"""What a guest says of itself over its readiness channel.

The guest writes one line of JSON, ended by a newline, and repeats it about every five seconds for as long as somebody
reads; a write without a reader blocks, so a late reader gets the report too (and the first line it gets may be old).
The values of `status`, `result`, `keys` and `addresses` are base64 in the line, so that a plain shell can write it:

    {"vmstack": 1, "boot": ID, "instance": ID, "exit": N, "status": B64, "result": B64, "keys": B64, "addresses": B64}
"""

from typing import Final

from vmstack.model.base import Data

READY_CHANNEL: Final = "org.vmstack.ready.0"
# Where QEMU's guest agent listens.
AGENT_CHANNEL: Final = "org.qemu.guest_agent.0"


class GuestReport(Data, frozen=True, kw_only=True):
    """A decoded report.

    `boot` is the kernel's boot id, `instance` cloud-init's instance-id. `exit` is that of `cloud-init status --wait`:
    0 done, 1 failed, 2 done with recoverable errors (cloud-init 23.4 and later). `errors` are cloud-init's own texts
    from `/run/cloud-init/result.json` (`v1.errors`). `host_keys` are the guest's public SSH host keys.
    """

    boot: str
    instance: str
    exit: int
    status: str
    errors: tuple[str, ...]
    host_keys: tuple[str, ...]
    addresses: tuple[str, ...]
