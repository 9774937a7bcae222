"""`vmstack apply FILE`: the plan that was saved, or nothing."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from vmstack.apply.learning import surprises
from vmstack.apply.pipeline import Planned, hosts_of
from vmstack.apply.seal import Seal
from vmstack.cli.plan_file import read_plan_file
from vmstack.cli.saving import Wish, record
from vmstack.cli.target import Target
from vmstack.errors import ConflictError, InputError, RefusedError, StalePlanError, VmstackError, flatten, raise_all
from vmstack.evaluate.config.passphrase import find_passphrase
from vmstack.hosts.driver import Driver
from vmstack.hosts.expectations import check_expectations
from vmstack.model.graph import DesiredGraph
from vmstack.model.plan import Disruption, Plan
from vmstack.plan.limits import NO_LIMITS, Limits
from vmstack.plan.policy import PlanPolicy, Selection
from vmstack.plan.saved import SavedPlan, differences, program_content

_AGAIN: Final = "make a new plan, and look at it again"


@dataclass(frozen=True, kw_only=True)
class Approval:
    """The plan that may be applied, and no other one."""

    path: Path
    saved: SavedPlan
    seal: Seal
    target: Target

    def check_program(self, desired: DesiredGraph) -> None:
        """Raise `InputError` where the program is another one than the plan was made from, before any host is changed.

        Where the program asks the hosts, its being another one may be their doing, which is a `StalePlanError`.
        """
        if desired.stack != self.saved.stack:
            raise InputError(
                f"{self.path} is a plan of stack {self.saved.stack}, and the program here is of {desired.stack}",
                resolution="name the folder of its program with -C",
            )
        before = {name: mark.uri for name, mark in self.saved.hosts.items()}
        now = {name: spec.uri for name, spec in hosts_of(desired).items()}
        for name in sorted(before.keys() | now.keys()):
            if before.get(name) != now.get(name):
                raise InputError(
                    f"{self.path} is a plan for other hosts: {name} was {before.get(name, 'not in the program')}, "
                    f"and is {now.get(name, 'not in it any more')}",
                    resolution=_AGAIN,
                )
        if self.seal.prove(program_content(desired)) == self.saved.program:
            return
        if desired.questions:
            raise self._stale((), what="the program, or what the hosts answer to it, is not what it was")
        raise InputError(
            f"{self.path} is a plan of another program: this one, or its configuration, is not what it was",
            resolution=_AGAIN,
        )

    def plan(
        self,
        desired: DesiredGraph,
        drivers: Mapping[str, Driver],
        make: Callable[[], Planned],
    ) -> Planned:
        """Make the plan again and return it, if it is the one that was saved.

        Raises `StalePlanError` where the hosts moved, `InputError` where they are other machines, and `RefusedError`
        where nobody allowed the loss of data that it plans.
        """
        self._check_moves(drivers)
        try:
            planned = make()
            raise_all(planned.unallowed)
        except VmstackError as error:
            if all(isinstance(one, ConflictError | InputError | RefusedError) for one in flatten(error)):
                raise self._stale([one.brief for one in flatten(error)], what="it cannot be made any more") from error
            raise
        wish = Wish(desired=desired, target=self.target, policy=self.saved.policy, limits=self.saved.limits)
        now = record(planned, plan=planned.plan, wish=wish, seal=self.seal, made=self.saved.made)
        self._check_machines({name: mark.uuid for name, mark in now.hosts.items()})
        moved = differences(self.saved, now)
        if moved:
            raise self._stale(moved, what="a plan made now would be another one")
        self._check_loss(planned.plan)
        return planned

    def check_later(self, plan: Plan) -> None:
        """Raise `RefusedError` for a wave after the saved plan that does more than what hung on unknown values."""
        if surprises(plan):
            raise RefusedError(
                "what follows from the values that are known now does more than the saved plan announced",
                details=[f"{change.operation.value} {change.key}" for change in plan.changes],
                resolution="make a plan of the rest, and look at it",
            )

    def _stale(self, details: Iterable[str], *, what: str) -> StalePlanError:
        return StalePlanError(f"{self.path} is stale: {what}", details=details, resolution=_AGAIN)

    def _check_moves(self, drivers: Mapping[str, Driver]) -> None:
        """Look at the objects that the plan touches: reading these few is quick, and names what moved."""
        expectations = self.saved.view.expectations
        strangers = {one.host for one in expectations} - drivers.keys()
        if strangers:
            raise InputError(
                f"{self.path} names hosts that the program does not have: {', '.join(sorted(strangers))}",
                resolution=_AGAIN,
            )
        try:
            check_expectations(drivers, expectations, stack=self.saved.stack)
        except StalePlanError:
            # On another machine nothing is as it was, and which objects those are says little.
            self._check_machines({name: driver.facts().uuid for name, driver in drivers.items()})
            raise

    def _check_machines(self, uuids: Mapping[str, str]) -> None:
        for name, mark in self.saved.hosts.items():
            if uuids[name] != mark.uuid:
                raise InputError(
                    f"{self.path}: host {name} is another machine than when the plan was made",
                    details=[f"it was {mark.uuid or 'unknown'}, and is {uuids[name] or 'unknown'}"],
                    resolution=_AGAIN,
                )

    def _check_loss(self, plan: Plan) -> None:
        lost = [str(change.key) for change in plan.changes if change.disruption is Disruption.DATA_LOSS]
        if lost and not self.saved.policy.allow_data_loss:
            raise RefusedError(
                f"{self.path} deletes or overwrites guest data, which was not allowed when it was made",
                details=lost,
                resolution="make the plan again with --allow-data-loss if that is what you want",
            )


def open_approval(path: Path, *, target: Target, policy: PlanPolicy, limits: Limits = NO_LIMITS) -> Approval:
    """Read a plan file to apply it to the program of `target`.

    What the command line says (`target`, `policy`, `limits`) may only repeat what the file says. Raises `InputError`
    where the file is unusable or is contradicted.
    """
    passphrase = find_passphrase()
    saved = read_plan_file(path, passphrase=passphrase, strict=True)
    _check_options(path, saved, target=target)
    _check_steering(path, saved, policy=policy, limits=limits)
    return Approval(
        path=path,
        saved=saved,
        seal=Seal(salt=saved.salt, passphrase=passphrase),
        target=replace(target, stack=saved.stack.stack),
    )


def _check_options(path: Path, saved: SavedPlan, *, target: Target) -> None:
    stack, config, connect = target.stack, target.config, target.connect
    if stack is not None and stack != saved.stack.stack:
        raise InputError(
            f"{path} is a plan of stack {saved.stack}, and not of {stack!r}",
            resolution="leave -s (or VMSTACK_STACK) out: the file says which stack it is of",
        )
    missing = sorted(set(saved.config) - set(config))
    if missing:
        raise InputError(
            f"{path} was made with -c {', '.join(missing)}, whose values are not kept",
            resolution="give the same again: vmstack apply FILE -c " + " -c ".join(f"{key}=..." for key in missing),
        )
    excess = sorted(set(config) - set(saved.config))
    if excess:
        raise InputError(f"{path} was made without -c {', '.join(excess)}", resolution=_AGAIN)
    if saved.connect != (connect is not None):
        with_or_without = "with" if saved.connect else "without"
        raise InputError(f"{path} was made {with_or_without} --connect", resolution="give the same options again")


def _is_said(value: object) -> bool:
    """Whether an option was given. A limit of 0 was, though it equals False."""
    return value is not None and value is not False and value not in ((), Selection())


def _check_steering(path: Path, saved: SavedPlan, *, policy: PlanPolicy, limits: Limits) -> None:
    """Each option that was given must be the file's; those that were not are as in the file."""
    given = (
        ("--allow-data-loss", policy.allow_data_loss, saved.policy.allow_data_loss),
        ("--allow-empty", policy.allow_empty, saved.policy.allow_empty),
        ("--target and --exclude", policy.selection, saved.policy.selection),
        ("--replace", policy.replace, saved.policy.replace),
        ("--max-disruption", limits.disruption, saved.limits.disruption),
        ("--max-deletes", limits.deletes, saved.limits.deletes),
    )
    others = [option for option, here, there in given if here != there and _is_said(here)]
    if others:
        raise InputError(
            f"{path} was made with other values of {', '.join(others)}, or without, and cannot be changed",
            resolution="leave that out, or make a plan with it",
        )
