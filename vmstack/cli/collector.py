"""The garbage collector of a process that mostly makes frozen data."""

import gc
from typing import Final

# Specs, plans and XML trees hold no cycles, so that walking them again and again finds nothing: at 10,000 VMs the
# default thresholds (700, 10, 10) cost a fifth of the time of planning. Cycles of exceptions and frames still go.
_THRESHOLDS: Final = (100_000, 50, 100)


def relax_collector() -> None:
    """Make the collector look at young objects more rarely. For whole processes, not for libraries."""
    gc.set_threshold(*_THRESHOLDS)
