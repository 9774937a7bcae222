"""AES-256-GCM and Pulumi's formats around it, written again from NIST SP 800-38D: what vmstack writes and reads is
measured against this and not against itself."""

import base64
import functools
import hashlib

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

_REDUCTION = 0xE1 << 120


@functools.cache
def derive(passphrase: str, salt: bytes) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", passphrase.encode(), salt, 1_000_000, 32)


def seal(key: bytes, nonce: bytes, text: bytes) -> bytes:
    sealed = _count(key, nonce, text)
    return sealed + _tag(key, nonce, sealed)


def unseal(key: bytes, nonce: bytes, sealed: bytes) -> bytes:
    body, tag = sealed[:-16], sealed[-16:]
    assert _tag(key, nonce, body) == tag
    return _count(key, nonce, body)


def write_value(key: bytes, nonce: bytes, text: str) -> str:
    return f"v1:{_encode(nonce)}:{_encode(seal(key, nonce, text.encode()))}"


def read_value(key: bytes, value: str) -> str:
    version, nonce, sealed = value.split(":")
    assert version == "v1"
    assert len(base64.b64decode(nonce)) == 12
    return unseal(key, base64.b64decode(nonce), base64.b64decode(sealed)).decode()


def write_salt(passphrase: str, salt: bytes, nonce: bytes) -> str:
    return f"v1:{_encode(salt)}:{write_value(derive(passphrase, salt), nonce, 'pulumi')}"


def read_salt(passphrase: str, line: str) -> bytes:
    """Return the key of an `encryptionsalt`, which must be right."""
    version, salt, check = line.split(":", 2)
    assert version == "v1"
    assert len(base64.b64decode(salt)) == 8
    key = derive(passphrase, base64.b64decode(salt))
    assert read_value(key, check) == "pulumi"
    return key


def _block(key: bytes, data: bytes) -> bytes:
    return Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(data)  # one bare block at a time


def _count(key: bytes, nonce: bytes, data: bytes) -> bytes:
    stream = b"".join(_block(key, nonce + (2 + index).to_bytes(4, "big")) for index in range((len(data) + 15) // 16))
    return bytes(a ^ b for a, b in zip(data, stream, strict=False))


def _tag(key: bytes, nonce: bytes, sealed: bytes) -> bytes:
    power = int.from_bytes(_block(key, bytes(16)), "big")
    padded = sealed + bytes(-len(sealed) % 16) + bytes(8) + (len(sealed) * 8).to_bytes(8, "big")
    digest = 0
    for start in range(0, len(padded), 16):
        digest = _multiply(digest ^ int.from_bytes(padded[start : start + 16], "big"), power)
    mask = int.from_bytes(_block(key, nonce + (1).to_bytes(4, "big")), "big")
    return (digest ^ mask).to_bytes(16, "big")


def _multiply(left: int, right: int) -> int:
    product = 0
    for bit in range(127, -1, -1):
        if left >> bit & 1:
            product ^= right
        right = right >> 1 ^ (_REDUCTION if right & 1 else 0)
    return product


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()
