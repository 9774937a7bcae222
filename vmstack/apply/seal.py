"""What makes a saved plan trustworthy: proofs of what it stands for, and a seal by whoever has the stack's passphrase.

Proofs are over contents that may hold secrets, such as a guest's cloud-init. They are salted and slow to make
(scrypt, RFC 7914), so that nobody can guess a secret by trying; with a passphrase nobody without it can try at all.
"""

import functools
import hashlib
import hmac
import secrets
from typing import Final

# 16 MiB and a few hundredths of a second each: the interactive parameters of RFC 7914, section 2.
_COST: Final = {"n": 2**14, "r": 8, "p": 1}
_SALT_BYTES: Final = 16
_KEY_BYTES: Final = 32


class Seal:
    """Makes proofs and seals with a salt (hex) and, where there is one, a passphrase."""

    def __init__(self, *, salt: str, passphrase: str | None) -> None:
        self.salt = salt
        self._salt = salt.encode()
        self._passphrase = b"" if passphrase is None else b"passphrase:" + passphrase.encode("utf-8", "surrogateescape")
        self.keyed = passphrase is not None

    def prove(self, content: bytes) -> str:
        """The proof (hex) of a content: the same for the same content, salt and passphrase."""
        return _stretch(self._passphrase + hashlib.sha256(content).digest(), self._salt).hex()

    def sign(self, content: bytes) -> str:
        """The seal (hex) on a content, which nobody can make without the passphrase."""
        return hmac.new(_stretch(self._passphrase, self._salt), content, hashlib.sha256).hexdigest()

    def verify(self, content: bytes, signature: str) -> bool:
        return hmac.compare_digest(self.sign(content), signature)


def new_salt() -> str:
    return secrets.token_hex(_SALT_BYTES)


@functools.lru_cache(maxsize=8)
def _stretch(secret: bytes, salt: bytes) -> bytes:
    return hashlib.scrypt(secret, salt=salt, dklen=_KEY_BYTES, **_COST)
