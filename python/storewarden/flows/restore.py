# SPDX-License-Identifier: GPL-3.0-or-later
"""A set comes back: into a folder beside production, or into production on an approved change.

Nothing here is done by a clock. Production is replaced only when a person with a token says so, on
a change that names the host, inside its window, after the very copy has stood a rehearsal, a full
backup of what is there and a restore point; what was there before is then a set like any other,
and that is the way back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from storewarden.domain.backup.catalog import RunEnd, Target, Verb
from storewarden.domain.backup.policy import Level, Policy, SetKind
from storewarden.domain.errors import (
    ConfigInvalid,
    Refused,
    RunFailed,
    StorewardenError,
    TargetUnreachable,
)
from storewarden.flows.backup_work import Outcome
from storewarden.flows.drill import Carry, run_id
from storewarden.flows.restore_change import RestoreGate
from storewarden.flows.restore_plan import Into, RestorePlan
from storewarden.flows.restore_play import scratch_folder
from storewarden.ports.backup_catalog import BackupCatalog
from storewarden.ports.backup_hosts import BackupOrder, JobReport
from storewarden.ports.clock import Clock

_UNKNOWN_SPAN = timedelta(hours=2)
"""How long a restore is taken to last that nobody has measured: the guide's RTO."""

type Capture = Callable[[Target, Policy, str], str]
"""A restore point of what is there now, on a change; its name. Raises RunFailed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreParts:
    """What restoring takes; ``gate`` and ``capture`` only for production, ``remove`` (host and
    folder) only for ``drop``."""

    catalog: BackupCatalog
    carry: Carry
    clock: Clock
    gate: RestoreGate | None = None
    capture: Capture | None = None
    remove: Callable[[str, str], None] | None = None
    told: Callable[[str, str], None] = lambda _en, _zh: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What came of it. ``kept`` is the scratch folder; ``before`` the set of what was there, and
    ``point`` the restore point, when production was replaced."""

    run: str
    plan: RestorePlan
    report: JobReport
    kept: str = ""
    before: str = ""
    point: str = ""
    notes: tuple[tuple[str, str], ...] = ()

    @property
    def undo(self) -> str:
        """How to take it back; "" when nothing was replaced."""
        return _way_back(self.before)


@dataclass(slots=True, kw_only=True)
class _Saved:
    """What there is to go back to; ``touched`` once production may not be what it was."""

    unsaved: str
    level: Level = Level.CLAIMED
    before: str = ""
    point: str = ""
    touched: bool = False

    def words(self) -> str:
        """In a sentence of the change's story."""
        set_ = f"what was there is set {self.before}" if self.before else ""
        point = self.point or "what was there is moved aside"
        return f"{set_ or f'not saved: {self.unsaved}'}; restore point: {point}"


def into_scratch(parts: RestoreParts, plan: RestorePlan) -> Restored:
    """Restore beside production; the folder stays until ``drop``. Raises RunFailed and
    TargetUnreachable."""
    order = _order(parts, plan, Into.SCRATCH)
    report = _done(order, parts.carry([order]).get(order.run))
    return Restored(run=order.run, plan=plan, report=report, kept=report.kept or order.into)


def into_production(
    parts: RestoreParts, plan: RestorePlan, change: str, *, unsaved: str = ""
) -> Restored:
    """Replace production. ``unsaved`` is why no backup of what is there now can be taken (a
    database that does not start any more); then the restore point alone is the way back.

    Raises Refused before anything is touched, RunFailed and TargetUnreachable.
    """
    gate, capture = parts.gate, parts.capture
    assert gate is not None  # noqa: S101 - the wiring gives both for production
    assert capture is not None  # noqa: S101
    now, target = parts.clock.now(), plan.target
    found = gate.require(change, target.host, _needs(plan, unsaved), now)
    key = f"restore-{int(now.timestamp() * 1000)}"
    gate.begin(found, key)
    gate.note(found, key, f"restore of {plan.source.backup.id} from {plan.location} begins")
    saved = _Saved(unsaved=unsaved)
    try:
        saved.level = _rehearsed(parts, plan, change)
        saved.before = "" if unsaved else _fresh(parts, plan, change)
        saved.point = capture(target, plan.policy, change)
        if saved.point:
            parts.told(f"restore point {saved.point} captured", f"已建立还原点 {saved.point}")
        run, report = _replaced(parts, plan, change, saved)
    except (RunFailed, TargetUnreachable, Refused) as error:
        gate.note(found, f"{key}-end", _failed(plan, error, saved))
        raise
    gate.note(found, f"{key}-end", _told(plan, report, saved))
    notes = tuple((each.get("en", ""), each.get("zh", "")) for each in report.notes)
    return Restored(
        run=run, plan=plan, report=report, before=saved.before, point=saved.point, notes=notes
    )


def drop(parts: RestoreParts, policies: Mapping[str, Policy], run: str) -> str:
    """Remove the folder that a restore into scratch kept; its path. Raises ConfigInvalid for a run
    that is none, RunFailed."""
    found = parts.catalog.run(run)
    if found is None or found.verb is not Verb.RESTORE or found.change:
        raise ConfigInvalid(
            "is no restore into scratch", where=run, hint="storewarden restore list"
        )
    if found.end is None:
        raise Refused("it has not ended yet", where=run, hint="storewarden restore list")
    policy = policies.get(found.target.policy)
    if policy is None or parts.remove is None:
        raise ConfigInvalid("there is no such policy any more", where=found.target.policy)
    folder = scratch_folder(policy, run)
    parts.remove(found.target.host, folder)
    return folder


def _needs(plan: RestorePlan, unsaved: str) -> timedelta:
    """A rehearsal, a backup of what is there, the restore, and once more for the way back."""
    once = plan.expected.span or _UNKNOWN_SPAN
    return once * (3 if unsaved else 4)


def _rehearsed(parts: RestoreParts, plan: RestorePlan, change: str) -> Level:
    """The very copy, restored beside production, started and compared with its manifest: what does
    not stand that must not replace anything. How long it took is not asked here."""
    now = parts.clock.now()
    order = replace(
        _order(parts, plan, Into.PRODUCTION),
        run=run_id(Verb.DRILL, plan.target, now, plan.location),
        verb=Verb.DRILL,
        disaster=now,
    )
    report = _done(order, parts.carry([order], change=change).get(order.run))
    drill = report.drill
    if drill is None or not drill.passed or drill.differences or drill.level < Level.STARTED:
        why = "; ".join(drill.differences[:3]) if drill is not None else ""
        raise RunFailed(
            f"the rehearsal from {plan.location} failed: {why or report.reason or 'not told'}",
            where=plan.target.name,
            hint="nothing was changed; try another --from",
        )
    told = f"{plan.source.backup.id} from {plan.location} stands a rehearsal"
    parts.told(told, f"{plan.location} 的 {plan.source.backup.id} 已通过演练")
    return drill.level


def _fresh(parts: RestoreParts, plan: RestorePlan, change: str) -> str:
    """A full set of what is there now."""
    began = parts.clock.now()
    order = BackupOrder(
        run=run_id(Verb.TAKE, plan.target, began),
        target=plan.target,
        on=plan.target.host,
        verb=Verb.TAKE,
        policy=plan.policy,
        kind=SetKind.FULL,
        kib=plan.policy.bandwidth,
    )
    try:
        report = _done(order, parts.carry([order], change=change).get(order.run))
    except RunFailed as error:
        raise RunFailed(
            f"what is there now could not be backed up: {error.what}",
            where=plan.target.name,
            hint="nothing was changed; --unsaved REASON restores without it",
        ) from error
    if not report.sets:
        raise RunFailed("the backup of what is there left no set", where=plan.target.name)
    made = report.sets[-1].id
    parts.told(f"what is there now is set {made}", f"现有数据已保存为备份集 {made}")
    return made


def _order(parts: RestoreParts, plan: RestorePlan, into: Into) -> BackupOrder:
    """On the host itself: what comes back has to be where it can be looked at, or used."""
    run = run_id(Verb.RESTORE, plan.target, parts.clock.now(), plan.location)
    scratch = into is Into.SCRATCH
    return BackupOrder(
        run=run,
        target=plan.target,
        on=plan.target.host,
        verb=Verb.RESTORE,
        policy=plan.policy,
        kind=plan.source.backup.kind,
        sets=tuple(each.id for each in plan.source.chain.sets),
        location=plan.location,
        level=Level.PROVEN,
        point=plan.at,
        into=scratch_folder(plan.policy, run) if scratch else "",
        keep=scratch,
        kib=plan.policy.bandwidth,
    )


def _done(order: BackupOrder, outcome: Outcome | None) -> JobReport:
    if outcome is None or outcome.run.end is None:
        raise TargetUnreachable(
            (outcome.en if outcome else "") or "nobody knows yet how it came out",
            where=order.on,
            hint="the job goes on by itself; storewarden backup runs",
        )
    if outcome.run.end is not RunEnd.DONE or outcome.report is None:
        why = outcome.en or f"it ended {outcome.run.end.value}"
        raise RunFailed(why, where=f"{order.target.name} on {order.on}")
    return outcome.report


def _replaced(
    parts: RestoreParts, plan: RestorePlan, change: str, saved: _Saved
) -> tuple[str, JobReport]:
    """Production gets the set, and is looked at in its place; the run and its report. However it
    fails from here on, the way back is told."""
    order = _order(parts, plan, Into.PRODUCTION)
    saved.touched = True
    outcome = parts.carry([order], change=change).get(order.run)
    try:
        return order.run, _done(order, outcome)
    except (RunFailed, TargetUnreachable) as error:
        for each in outcome.report.notes if outcome and outcome.report else ():
            parts.told(each.get("en", ""), each.get("zh", ""))
        hint = "; ".join(filter(None, (error.hint, saved.words(), _way_back(saved.before))))
        raise type(error)(error.what, where=error.where, hint=hint) from error


def _way_back(before: str) -> str:
    return f"storewarden restore {before} --into production --change CHANGE" if before else ""


def _failed(plan: RestorePlan, error: StorewardenError, saved: _Saved) -> str:
    text = f"restore of {plan.source.backup.id} failed: {error.what}"
    return f"{text}; {saved.words()}" if saved.touched else f"{text}; production was not touched"


def _told(plan: RestorePlan, report: JobReport, saved: _Saved) -> str:
    done = "; ".join(each["en"] for each in report.notes if each.get("en"))
    return (
        f"{plan.source.backup.id} restored in {report.seconds:.0f} s, rehearsed just before at"
        f" level {saved.level.value}; {saved.words()}; done: {done or 'the host did not say'}"
    )
