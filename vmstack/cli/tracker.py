"""From the steps of an apply to what people follow: resources that start, get on, and end."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final, Literal

from vmstack.apply.events import Event, PlanStarted, StepDone, StepFailed, StepProgress, StepStarted
from vmstack.model.effects import AnyEffect
from vmstack.model.identity import Key
from vmstack.model.plan import Operation, Plan, Step

_DOING: Final = {
    "DefinePool": "defining pool", "StartPool": "starting pool", "RemovePool": "removing pool",
    "CreateVolume": "creating volume", "CopyVolume": "copying volume", "UploadImage": "uploading image",
    "UploadSeed": "uploading seed", "ResizeVolume": "growing volume", "DeleteVolume": "deleting volume",
    "DefineNetwork": "defining network", "StartNetwork": "starting network", "UpdateNetwork": "updating network",
    "StopNetwork": "stopping network", "UndefineNetwork": "undefining network",
    "DefineDomain": "defining domain", "RenameDomain": "renaming domain",
    "StartDomain": "starting guest", "ResumeDomain": "resuming guest",
    "ShutdownDomain": "shutting down", "PowerOffDomain": "powering off", "SetVcpus": "setting vcpus",
    "SetMemory": "setting memory", "AttachDevice": "attaching device", "DetachDevice": "detaching device",
    "DefineChecked": "defining domain", "UpdateDevice": "changing device", "SetIoTune": "limiting disk",
    "SetIoThreads": "setting I/O threads", "SetPassword": "setting password",
    "PlugNics": "plugging NICs in", "RebuildPool": "setting permissions",
    "ResizeDisk": "growing disk", "UndefineDomain": "undefining domain", "AwaitReady": "booting, waiting until ready",
    "AwaitLease": "booting, waiting for an address", "AwaitHealthy": "checking its health",
    "RunHook": "running a hook of the program",
}  # fmt: skip
_VERBS: Final = {
    Operation.CREATE: ("Creating...", "Creation complete"),
    Operation.UPDATE: ("Modifying...", "Modifications complete"),
    Operation.REPLACE: ("Replacing...", "Replacement complete"),
    Operation.DELETE: ("Destroying...", "Destruction complete"),
    Operation.ADOPT: ("Taking over...", "Taken over"),
    Operation.NOOP: ("Working...", "Work complete"),
}


@dataclass(kw_only=True)
class Activity:
    """A resource on its host while it is worked on. Times are seconds of the caller's clock."""

    key: Key
    host: str
    operation: Operation
    began: float
    doing: str = ""
    progress: tuple[str, int, int] | None = None
    running: set[str] = field(default_factory=set)

    @property
    def starting(self) -> str:
        return _VERBS[self.operation][0]

    @property
    def complete(self) -> str:
        return _VERBS[self.operation][1]


@dataclass(frozen=True, kw_only=True)
class Turn:
    """A resource that began or ended."""

    what: Literal["began", "ended", "failed"]
    activity: Activity


class Tracker:
    """Counts the steps of each resource."""

    def __init__(self) -> None:
        self._left: Counter[tuple[str, Key]] = Counter()
        self._operations: dict[tuple[str, Key], Operation] = {}
        self._failed: set[tuple[str, Key]] = set()
        self.active: dict[tuple[str, Key], Activity] = {}
        self.total = 0
        self.ended = 0

    def follow(self, event: Event, *, now: float) -> Turn | None:
        """Take in an event; tell whether a resource began or ended with it."""
        match event:
            case PlanStarted(plan=plan):
                self._load(plan)
            case StepStarted(step=step):
                return self._start(step, now=now)
            case StepProgress(step=step, what=what, done=done, total=total):
                activity = self.active.get((step.host, step.key))
                if activity is not None:
                    activity.progress = (what, done, total)
            case StepDone(step=step):
                return self._end(step, failed=False)
            case StepFailed(step=step):
                return self._end(step, failed=True)
        return None

    def working(self) -> list[Activity]:
        """The resources that something is being done to right now, the oldest first."""
        return sorted((one for one in self.active.values() if one.running), key=lambda one: one.began)

    def _load(self, plan: Plan) -> None:
        self._left.update((step.host, step.key) for step in plan.steps)
        self._operations = {(change.host, change.key): change.operation for change in plan.changes}
        self.total = len(self._left)

    def _start(self, step: Step, *, now: float) -> Turn | None:
        slot = (step.host, step.key)
        activity = self.active.get(slot)
        fresh = activity is None
        if activity is None:
            operation = self._operations.get(slot, Operation.NOOP)
            activity = self.active[slot] = Activity(key=step.key, host=step.host, operation=operation, began=now)
        activity.running.add(step.id)
        activity.doing = describe_effect(step.effect)
        activity.progress = None
        return Turn(what="began", activity=activity) if fresh else None

    def _end(self, step: Step, *, failed: bool) -> Turn | None:
        slot = (step.host, step.key)
        activity = self.active[slot]
        activity.running.discard(step.id)
        activity.progress = None
        self._left[slot] -= 1
        if failed:
            self._failed.add(slot)
        if activity.running or (self._left[slot] and slot not in self._failed):
            return None
        del self.active[slot]
        self.ended += 1
        return Turn(what="failed" if slot in self._failed else "ended", activity=activity)


def describe_effect(effect: AnyEffect) -> str:
    """What an effect does, in a few words."""
    return _DOING.get(type(effect).__name__, "setting up")
