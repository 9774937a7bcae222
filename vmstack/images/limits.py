"""How much of somebody else's data vmstack is willing to handle."""

from typing import Final

from vmstack.model.base import Data
from vmstack.model.sizes import GIB, KIB, MAX_BYTES

# No disk image that a guest could boot or use is smaller; and what is shorter than the longest header of a known
# format could not be told apart from raw data.
MIN_IMAGE: Final = 64 * KIB


class Limits(Data, frozen=True, kw_only=True):
    """Caps in bytes.

    `download` is of a source as published, `unpacked` of an image after decompression, `virtual` of the disk that a
    guest sees. A decompressed image may hold `payload` bytes of data other than zeros in any case, and beyond that
    `ratio` times the compressed size: no honest image compresses better, and zeros are stored as holes.
    """

    download: int = 64 * GIB
    unpacked: int = 512 * GIB
    virtual: int = MAX_BYTES
    payload: int = GIB
    ratio: int = 200
