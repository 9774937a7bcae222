"""The desired graph: what one evaluation of a stack program said, whole or not at all."""

from typing import Literal

from vmstack.errors import Place
from vmstack.model.base import Data
from vmstack.model.facts import Gap, Question
from vmstack.model.hooks import Hook
from vmstack.model.identity import Key, StackId
from vmstack.model.specs import Spec


class Options(Data, frozen=True, kw_only=True, omit_defaults=True):
    """What the program says about a resource besides its spec (a subset of `pulumi.ResourceOptions`).

    `protect` None means the kind's default (data volumes are protected). `ignore_changes` holds field paths.
    `aliases` are names that the resource had before. `hide_diffs` are fields whose values no plan shows; `retain`: what
    leaves the program stays on the host, and the stack forgets it; `import_id` is the id of an object that is there
    already and is taken over.
    What is made anew though it need not be: `replace_on_changes` are fields whose change asks for it,
    `replacement_trigger` is the digest of a value of which another asks for it, and `replace_with` are what it is made
    anew together with. `hooks` run around what is done to it.
    `on_drift` says by field path what is done about what others changed: repair (the default), report or ignore.
    """

    protect: bool | None = None
    ignore_changes: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    hide_diffs: tuple[str, ...] = ()
    retain: bool = False
    import_id: str | None = None
    replace_on_changes: tuple[str, ...] = ()
    replacement_trigger: str | None = None
    replace_with: tuple[Key, ...] = ()
    on_drift: dict[str, Literal["repair", "report", "ignore"]] = {}
    hooks: tuple[Hook, ...] = ()


class Resource(Data, frozen=True, kw_only=True):
    """One node. `needs` are the keys it must come after, from its spec's references and `depends_on`.

    `parent` is the path of component names above it, for display. `place` is where the program made it.
    """

    key: Key
    spec: Spec
    needs: tuple[Key, ...] = ()
    options: Options = Options()
    parent: tuple[str, ...] = ()
    place: Place | None = None


class Output(Data, frozen=True, kw_only=True):
    """An exported value: JSON-able; `secret` ones are never stored or printed unasked.

    A value that is not `known` (an address that a guest gets by itself) is `None`.
    """

    value: object
    secret: bool = False
    known: bool = True


class DesiredGraph(Data, frozen=True, kw_only=True):
    """The result of a complete evaluation.

    `resources` is sorted by key, whatever order the program made them in. An empty graph is legal here; whether it
    may delete anything is the planner's question (`PlanPolicy.allow_empty`).
    `gaps` are where the program used what is not known yet, and `questions` what hosts could tell of it.
    """

    stack: StackId
    resources: tuple[Resource, ...]
    outputs: dict[str, Output] = {}
    warnings: tuple[str, ...] = ()
    gaps: tuple[Gap, ...] = ()
    questions: tuple[Question, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether it is all that the program wants: nothing more can come of what is not known yet."""
        return not any(gap.hides for gap in self.gaps)
