"""vmstack's own keys in a stack's configuration (`vmstack:...`), which are about its plans and not for the program."""

import difflib
from collections.abc import Mapping
from typing import Final

from vmstack.errors import InputError
from vmstack.plan.limits import Limits, read_limits

NAMESPACE: Final = "vmstack:"
MAX_DISRUPTION: Final = "vmstack:max-disruption"
MAX_DELETES: Final = "vmstack:max-deletes"
# Digests of images that pulumi_libvirt programs name by their URLs.
DIGESTS: Final = "vmstack:sha256"
_KEYS: Final = (MAX_DELETES, MAX_DISRUPTION, DIGESTS)


def limits_of(config: Mapping[str, str]) -> Limits:
    """The limits that the configuration sets. Raises `InputError` for a wrong one, and for a key of vmstack's that is
    none: a limit with a slip in its name would be no limit."""
    for key in config:
        if key.startswith(NAMESPACE) and key not in _KEYS:
            close = difflib.get_close_matches(key, _KEYS, n=1)
            hint = f"did you mean {close[0]}? " if close else ""
            raise InputError(
                f"the configuration has {key}, which vmstack does not know",
                resolution=f"{hint}vmstack's keys are {', '.join(_KEYS)}",
            )
    what = (f"the configuration value {MAX_DISRUPTION}", f"the configuration value {MAX_DELETES}")
    return read_limits(config.get(MAX_DISRUPTION), config.get(MAX_DELETES), what=what)
