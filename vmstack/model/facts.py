"""What only hosts know, as a program gets to know it: questions, and the answers that were found so far.

Evaluating asks no host. It notes a `Question` wherever the program uses something that only a host can tell; whoever
drives the evaluation asks the hosts, and evaluates again with the answers. An answer holds what is known: a member
that is missing is not known yet.
"""

from collections.abc import Mapping
from typing import Literal

from vmstack.errors import Place
from vmstack.model.base import Data
from vmstack.model.identity import Key

Subject = Literal["domain", "pool", "volume", "network", "node", "devices", "device", "stack"]
Answer = Mapping[str, object]


class Question(Data, frozen=True, kw_only=True, order=True):
    """Something to ask a host: `uri` is its libvirt URI; `id` says what of the subject's kind is meant.

    domain, network, pool: a UUID, or (pool) a name in libvirt. volume: its path. devices: a capability, or nothing for
    all. device: its name. stack: `project/stack`, asked of every host (`uri` is empty).
    `agent`: the guest agent is to tell a domain's addresses, not the leases of its networks. `path` is the identity
    (`project/stack/kind/name`) of a domain of the program's: one that was taken over has another UUID.
    """

    uri: str
    subject: Subject
    id: str = ""
    agent: bool = False
    path: str = ""

    def __str__(self) -> str:
        what = f"{self.subject} {self.id}" if self.id else self.subject
        return f"{what} on {self.uri}" if self.uri else what


class Facts(Data, frozen=True, kw_only=True):
    """The answers so far. `None`: the host was asked, and it has no such thing."""

    answers: Mapping[Question, Answer | None] = {}

    def get(self, question: Question) -> Answer:
        """What is known of it; nothing where nobody looked or nothing is there."""
        return self.answers.get(question) or {}

    def holds(self, question: Question) -> bool:
        """Whether somebody looked."""
        return question in self.answers

    def refined(self, found: Mapping[Question, Answer | None]) -> "Facts":
        """These facts and what was found since. What was known stays as it was."""
        merged = dict(self.answers)
        for question, answer in found.items():
            known = merged.get(question)
            merged[question] = answer if known is None else {**(answer or {}), **known}
        return Facts(answers=merged)


class Gap(Data, frozen=True, kw_only=True):
    """A place where a program used what is not known yet.

    `what` reads on after "not known before apply: ". `hides`: more resources may hang on it than the graph shows, so
    that nothing may be taken for unwanted. `key` is a resource that waits for the value, where there is one.
    """

    what: str
    hides: bool
    place: Place | None = None
    key: Key | None = None
