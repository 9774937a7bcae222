"""What effects carry to hosts besides themselves: image files, seeds and passwords."""

from collections.abc import Iterable
from pathlib import Path

from vmstack.errors import InternalError
from vmstack.evaluate.hooks import Hooks
from vmstack.images.seed import build_seed
from vmstack.images.sparse import read_sparse
from vmstack.images.store import ImageStore
from vmstack.model.hooks import Hook
from vmstack.model.plan import Payload


class PayloadSupply:
    """Serves the executor out of a plan's payload; `store` verified the files in it, `hooks` are the program's."""

    def __init__(self, payload: Payload, *, store: ImageStore, hooks: Hooks | None = None) -> None:
        self._payload = payload
        self._store = store
        self._hooks = hooks or Hooks()

    def open_image(self, name: str) -> tuple[Iterable[bytes | int], int]:
        """The verified local file of an image: its chunks (an int is a hole) and its length in bytes.

        Raises `ImageError` when the file was touched since it was verified.
        """
        facts = self._payload.images.get(name)
        if facts is None or facts.path is None:
            raise InternalError(f"the plan uploads image {name}, and its payload holds no file of it")
        self._store.check_file(facts)
        return read_sparse(Path(facts.path))

    def seed(self, digest: str) -> bytes:
        """The seed ISO of the documents with that digest."""
        documents = self._payload.seeds.get(digest)
        if documents is None:
            raise InternalError(f"the plan uploads seed {digest[:12]}, and its payload holds no documents of it")
        return build_seed(documents)

    def password(self, name: str) -> str:
        """The password of that name."""
        found = self._payload.passwords.get(name)
        if found is None:
            raise InternalError("the plan sets a password, and its payload does not hold it")
        return found

    def run_hook(self, hook: Hook) -> tuple[str, ...]:
        return self._hooks.run(hook)
