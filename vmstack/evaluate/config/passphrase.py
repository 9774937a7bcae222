"""Pulumi's passphrase secrets provider: how `secure:` values and `encryptionsalt` are written.

The formats are those of pulumi/pulumi, `sdk/go/common/resource/config/crypt.go` and `pkg/secrets/passphrase`:

* key = PBKDF2-HMAC-SHA256(passphrase, salt of 8 bytes, 1,000,000 rounds), 32 bytes
* value = `v1:<base64 nonce of 12 bytes>:<base64 AES-256-GCM ciphertext and tag>`, no associated data
* `encryptionsalt` = `v1:<base64 salt>:<the value "pulumi">`, which tells a wrong passphrase from a right one
"""

import base64
import binascii
import functools
import hashlib
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from vmstack.errors import InputError

VARIABLE: Final = "PULUMI_CONFIG_PASSPHRASE"
FILE_VARIABLE: Final = "PULUMI_CONFIG_PASSPHRASE_FILE"
_VERSION: Final = "v1"
_ROUNDS: Final = 1_000_000
_KEY_BYTES: Final = 32
_SALT_BYTES: Final = 8
_NONCE_BYTES: Final = 12
_CHECK: Final = "pulumi"


class UndecipherableError(Exception):
    """A value that this key does not open; the text says why, and nothing of the value."""


class Cipher:
    """Opens and makes `secure:` values with one key."""

    def __init__(self, key: bytes) -> None:
        # Takes longer to import than most stacks to read, and most stacks have no encrypted values.
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._invalid = InvalidTag
        self._gcm = AESGCM(key)

    def decrypt(self, value: str) -> str:
        """Return the text in a value. Raises `UndecipherableError`."""
        version, separator, rest = value.partition(":")
        nonce_text, second, ciphertext_text = rest.partition(":")
        if not separator or not second or ":" in ciphertext_text:
            raise UndecipherableError("it is not of the form v1:nonce:ciphertext")
        if version != _VERSION:
            raise UndecipherableError(f"its format {version[:16]!r} is unknown")
        nonce, ciphertext = _decode(nonce_text), _decode(ciphertext_text)
        if len(nonce) != _NONCE_BYTES:
            raise UndecipherableError("its nonce does not have 12 bytes")
        try:
            return self._gcm.decrypt(nonce, ciphertext, None).decode()
        except self._invalid:
            raise UndecipherableError("it was encrypted with another passphrase, or altered") from None
        except UnicodeDecodeError:
            raise UndecipherableError("what it holds is not text") from None

    def encrypt(self, text: str) -> str:
        """Return a value that holds the text; a new one each time."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return ":".join((_VERSION, _encode(nonce), _encode(self._gcm.encrypt(nonce, text.encode(), None))))


def unlock(salt: str, *, passphrase: str) -> Cipher | None:
    """Return the cipher of an `encryptionsalt`, or `None` when the passphrase is wrong.

    Raises `UndecipherableError` when the salt itself is not one. Takes a good part of a second: that is its purpose.
    """
    version, _, rest = salt.partition(":")
    salt_text, separator, check = rest.partition(":")
    if version != _VERSION or not separator:
        raise UndecipherableError("it is not of the form v1:salt:check")
    cipher = Cipher(_derive(passphrase, _decode(salt_text)))
    try:
        return cipher if cipher.decrypt(check) == _CHECK else None
    except UndecipherableError:
        return None


def make_salt(passphrase: str) -> tuple[str, Cipher]:
    """Return a new `encryptionsalt` for a passphrase, and its cipher."""
    salt = secrets.token_bytes(_SALT_BYTES)
    cipher = Cipher(_derive(passphrase, salt))
    return f"{_VERSION}:{_encode(salt)}:{cipher.encrypt(_CHECK)}", cipher


def find_passphrase(environment: Mapping[str, str] | None = None) -> str | None:
    """Return the passphrase that the environment names, or `None`. An empty one is one, as in Pulumi.

    Raises `InputError` when the file of `PULUMI_CONFIG_PASSPHRASE_FILE` cannot be read.
    """
    variables = os.environ if environment is None else environment
    if VARIABLE in variables:
        return variables[VARIABLE]
    if not variables.get(FILE_VARIABLE):
        return None
    path = Path(variables[FILE_VARIABLE])
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise InputError(f"{FILE_VARIABLE}: {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{FILE_VARIABLE}: {path} is not text") from None


# Waves of one apply evaluate several times, and each would pay for the derivation again.
@functools.lru_cache(maxsize=8)
def _derive(passphrase: str, salt: bytes) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", passphrase.encode("utf-8", "surrogateescape"), salt, _ROUNDS, _KEY_BYTES)


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise UndecipherableError("it is not base64") from None
