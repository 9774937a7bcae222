"""The secrets provider of one stack: opening and making its `secure:` values, or saying why that cannot be."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from vmstack.errors import InputError
from vmstack.evaluate.config.passphrase import (
    FILE_VARIABLE,
    VARIABLE,
    Cipher,
    UndecipherableError,
    find_passphrase,
    make_salt,
    unlock,
)
from vmstack.evaluate.config.values import Ciphertext, Tree, replace_ciphertexts

SALT: Final = "encryptionsalt"
_PROVIDER: Final = "secretsprovider"
_CLOUD_KEY: Final = "encryptedkey"
_OURS: Final = frozenset({"", "default", "passphrase"})

Ask = Callable[[str], str]
"""Asks somebody at a terminal for a text that is not shown; the argument is the question."""


class StackSecrets:
    """What `Pulumi.<stack>.yaml` says about encryption. No passphrase is wanted before a value is opened or made."""

    def __init__(self, document: Mapping[str, Any], *, path: Path, ask: Ask | None = None) -> None:
        self._path = path
        self._ask = ask
        self._provider = str(document.get(_PROVIDER) or "")
        self._cloud_key = bool(document.get(_CLOUD_KEY))
        salt = document.get(SALT)
        self._salt = salt if isinstance(salt, str) else ""
        self._cipher: Cipher | None = None

    @property
    def salt(self) -> str:
        """The `encryptionsalt`; after `encrypt`, the one that was made for a stack that had none."""
        return self._salt

    def reveal(self, tree: Tree, *, key: str) -> Tree:
        """Return a value with its encrypted strings opened. Raises `InputError`, which never shows a value."""

        def open_one(secure: Ciphertext) -> str:
            try:
                return self._opened().decrypt(secure.text)
            except UndecipherableError as error:
                raise InputError(
                    f"{self._path}: {key} cannot be decrypted: {error}",
                    resolution=f"set it anew: vmstack config set {key} --secret",
                ) from None

        return replace_ciphertexts(tree, open_one)

    def encrypt(self, text: str) -> Ciphertext:
        """Encrypt a text, with a new passphrase when the stack has none yet. Raises `InputError`."""
        if self._cipher is None and not self._salt and not self._elsewhere():
            self._salt, self._cipher = make_salt(self._new_passphrase())
        return Ciphertext(self._opened().encrypt(text))

    def _opened(self) -> Cipher:
        if self._cipher is None:
            self._cipher = self._unlock()
        return self._cipher

    def _unlock(self) -> Cipher:
        if place := self._elsewhere():
            raise InputError(
                f"{self._path}: its secrets are kept by {place}, which vmstack cannot open",
                resolution="change the provider with 'pulumi stack change-secrets-provider passphrase', or leave the "
                "encrypted values out of the file and give them with -c key=value",
            )
        if not self._salt:
            raise InputError(
                f"{self._path}: it has encrypted values and no {SALT}, so Pulumi Cloud keeps their key",
                resolution="change the provider with 'pulumi stack change-secrets-provider passphrase', or leave the "
                "encrypted values out of the file and give them with -c key=value",
            )
        passphrase = find_passphrase()
        if passphrase is None and self._ask is not None:
            passphrase = self._ask(f"Passphrase of {self._path.name}: ")
        if passphrase is None:
            raise InputError(
                f"{self._path}: it has encrypted values, and no passphrase is given",
                resolution=f"set {VARIABLE}, or {FILE_VARIABLE} to a file that holds it",
            )
        try:
            cipher = unlock(self._salt, passphrase=passphrase)
        except UndecipherableError as error:
            raise InputError(f"{self._path}: {SALT} cannot be read: {error}") from None
        if cipher is None:
            raise InputError(
                f"{self._path}: the passphrase is wrong", resolution=f"check {VARIABLE} or {FILE_VARIABLE}"
            )
        return cipher

    def _new_passphrase(self) -> str:
        passphrase = find_passphrase()
        if passphrase is None and self._ask is not None:
            passphrase = self._ask(f"New passphrase to protect the secrets of {self._path.name}: ")
            if self._ask("The same again: ") != passphrase:
                raise InputError("the passphrases differ", resolution="try again")
        if passphrase is None:
            raise InputError(
                "a passphrase is needed to encrypt the value, and none is given",
                resolution=f"set {VARIABLE}, or {FILE_VARIABLE} to a file that holds it",
            )
        return passphrase

    def _elsewhere(self) -> str:
        """Who keeps the secrets, where it is not the passphrase provider; else an empty text."""
        if self._provider not in _OURS:
            return f"the secrets provider {self._provider.partition(':')[0]!r}"
        return f"a cloud provider ({_CLOUD_KEY})" if self._cloud_key and not self._salt else ""
