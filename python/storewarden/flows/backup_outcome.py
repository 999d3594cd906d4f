# SPDX-License-Identifier: GPL-3.0-or-later
"""What a job's report means for the catalog: events, written in one step.

A host tells what it saw; the catalog's own clock says when. A set that is damaged takes down
everything that builds upon it at the same place, and one that was there and is not listed any more
counts as damaged: nobody was asked whether it may go.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from storewarden.domain.backup.catalog import (
    BackupSet,
    Catalog,
    DrillRecord,
    Run,
    RunEnd,
    Verb,
    dependants,
)
from storewarden.domain.backup.catalog_events import (
    CatalogEvent,
    CopyGone,
    CopySeen,
    Drilled,
    RunEnded,
    SetFound,
)
from storewarden.domain.backup.drill import verdict_of, with_age
from storewarden.domain.backup.policy import Level, Policy
from storewarden.ports.backup_hosts import JobReport, SeenSet

SKEW = 300.0
"""Seconds by which a host's clock may be wrong (reference: clock skew)."""

_PART = re.compile(r"-(\d+)of(\d+)-")
_LISTING = frozenset({Verb.VERIFY})
_LOOKS = frozenset({Verb.VERIFY, Verb.DRILL})
_COULD_NOT = frozenset({RunEnd.FAILED, RunEnd.AUTH, RunEnd.REJECTED})
"""Ends of a look that say that nobody could look. One that was interrupted, had to wait or found
no room says nothing of the copies: that nobody has looked is seen by their age."""
_SEES = {Verb.TAKE: Level.READ, Verb.COPY: Level.READ}


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a report is read against. ``policy`` None: it left the settings; ``home`` is the place
    of the repository on the host; ``before`` are earlier looks at parts of the same place; ``now``
    is when what it tells was so, ``heard`` when the catalog hears of it, None for the same."""

    run: Run
    catalog: Catalog
    policy: Policy | None
    home: str
    now: datetime
    before: Sequence[Run] = ()
    heard: datetime | None = None

    @property
    def place(self) -> str:
        """Where the job was at work."""
        return self.home if self.run.verb is Verb.TAKE else self.run.location or self.home


def part_of(run: str) -> tuple[int, int]:
    """Which part of how many a run read; its name says so (domain/backup/due_looks.py)."""
    found = _PART.search(run)
    return (int(found[1]), int(found[2])) if found else (1, 1)


def ended(known: Known, end: RunEnd, en: str, zh: str) -> tuple[CatalogEvent, ...]:
    """A run that ended without a report."""
    drill = _failed(known, en) if end is not RunEnd.BUSY else None
    over = RunEnded(run=known.run.id, at=known.now, end=end, reason=en, reason_zh=zh)
    return (over, Drilled(drill=drill)) if drill else (over,)


def events_of(known: Known, report: JobReport) -> tuple[CatalogEvent, ...]:
    """Everything that a report says, the run's end first."""
    return (
        _over(known, report),
        *_found(known, report.sets),
        *_seen(known, report),
        *_harmed(known, report),
        *_doubted(known, report),
        *(
            CopyGone(set=each, location=known.place, at=known.now, by=known.run.change)
            for each in report.removed
            if _asked_to_go(known, each)
        ),
        *_rehearsed(known, report),
    )


def _asked_to_go(known: Known, name: str) -> bool:
    return known.run.verb is Verb.PRUNE and name in known.run.sets


def skewed(report: JobReport) -> tuple[str, str]:
    """What is said of a host's clock in English and Chinese; empty when it is right."""
    if abs(report.skew) <= SKEW:
        return "", ""
    minutes = round(abs(report.skew) / 60)
    way, zh = ("ahead", "快") if report.skew > 0 else ("behind", "慢")
    return f"the host's clock is {minutes} min {way}", f"主机时钟{zh} {minutes} 分钟"


def _over(known: Known, report: JobReport) -> RunEnded:
    clock = skewed(report)
    made = [each.id for each in report.sets if not each.damaged]
    newest = made[-1] if known.run.verb is Verb.TAKE and made else ""
    empty = known.run.verb is Verb.TAKE and report.end is RunEnd.DONE and not newest
    none, none_zh = ("it told of no good set", "未返回可用的备份集") if empty else ("", "")
    return RunEnded(
        run=known.run.id,
        at=known.now,
        end=RunEnd.REJECTED if empty else report.end,
        reason="; ".join(filter(None, (report.reason, none, clock[0]))),
        reason_zh="；".join(filter(None, (report.reason_zh, none_zh, clock[1]))),
        set=newest if report.end is RunEnd.DONE else "",
        seconds=report.seconds,
        tool_seconds=report.tool_seconds,
    )


def _found(known: Known, sets: Iterable[SeenSet]) -> Iterable[CatalogEvent]:
    """Sets that nobody knew; also those whose own report was lost."""
    there = {each.id for each in known.catalog.sets}
    for each in sets:
        if each.id in there or (each.damaged and known.run.verb is Verb.TAKE):
            continue
        yield SetFound(
            set=BackupSet(
                id=each.id,
                target=known.run.target,
                kind=each.kind,
                taken=each.taken,
                received=known.heard or known.now,
                size=each.size,
                parent=each.parent,
                manifest=each.manifest,
            )
        )


def _seen(known: Known, report: JobReport) -> Iterable[CatalogEvent]:
    locked = _locked(known, report)
    told = {each.id for each in report.sets}
    stale = _seen_lately(known, told)
    for each in report.sets:
        if not each.damaged:
            level, at = _level(known, report, each)
            until = locked if each.id in known.run.sets else None
            if until is None and stale(each.id, level, at):
                continue
            yield CopySeen(
                set=each.id, location=known.place, at=at, level=level, immutable_until=until
            )
    if known.run.verb is Verb.COPY and report.end is RunEnd.DONE:
        for name in known.run.sets:
            if name not in told:
                yield CopySeen(
                    set=name, location=known.place, at=known.now, level=Level.CLAIMED,
                    immutable_until=locked,
                )  # fmt: skip


def _seen_lately(known: Known, told: set[str]) -> Callable[[str, Level, datetime], bool]:
    """Whether a look tells nothing that one of short before did not. A night looks at every set of
    years: only the newest of a place is written down each time, of the others what is older than a
    quarter of the policy's longest time. What a person asked for is written down whole."""
    wanted = known.policy.verify if known.policy is not None and not known.run.by else ()
    soon = max((each.every for each in wanted), default=timedelta()) / 4
    here = {
        each.id: (each.received, each.id, copy)
        for each in known.catalog.sets
        for copy in each.copies
        if each.id in told and copy.location == known.place and copy.usable and not copy.doubts
    }
    newest = max(here.values(), key=lambda one: one[:2])[1] if here else ""

    def stale(name: str, level: Level, at: datetime) -> bool:
        seen = here[name][2].seen(level) if name in here and name != newest else None
        return seen is not None and at - seen < soon

    return stale


def _level(known: Known, report: JobReport, seen: SeenSet) -> tuple[Level, datetime]:
    """How deep a look was. Of a place that is read in parts all has to have been read: it counts
    from the first of them on."""
    mine, parts = part_of(known.run.id)
    if parts == 1 or known.run.level is not Level.READ:
        return min(seen.level, _deepest(known.run)), known.now
    read = {mine: known.now} if report.end is RunEnd.DONE else {}
    for run in known.before:
        part, of = part_of(run.id)
        if of == parts and run.end is RunEnd.DONE and run.location == known.run.location:
            read[part] = max(run.ended or run.began, read.get(part, run.began))
    there = next((each for each in known.catalog.sets if each.id == seen.id), None)
    first = min(read.values(), default=known.now)
    if len(read) < parts or there is None or there.received > first:
        return min(seen.level, Level.PRESENT), known.now
    return Level.READ, first


def _deepest(run: Run) -> Level:
    """How deep a job of that kind looks: whatever it tells, it saw no more."""
    if run.verb is Verb.VERIFY:
        return max(run.level, Level.PRESENT)
    return _SEES.get(run.verb, Level.PROVEN)


def _locked(known: Known, report: JobReport) -> datetime | None:
    """Until when nobody can delete what was copied now; only where the place proved it."""
    wanted = (each for each in known.policy.copies) if known.policy else ()
    length = next((each.immutable for each in wanted if each.location == known.place), timedelta())
    return known.now + length if report.immutable and length else None


def _harmed(known: Known, report: JobReport) -> Iterable[CatalogEvent]:
    """Damage, what builds upon it, and what is not there any more."""
    why = {each.id: each.damaged for each in report.sets if each.damaged}
    here = {
        each.id: copy
        for each in known.catalog.sets
        for copy in each.copies
        if copy.location == known.place and copy.usable
    }
    told = {each.id for each in report.sets}
    if known.run.verb in _LISTING and report.end is RunEnd.DONE and not known.run.sets:
        gone = (name for name, copy in here.items() if name not in told)
        why |= {
            name: "it is not there any more" for name in gone if here[name].made < known.run.began
        }
    why |= {
        name: "it was removed, and nobody had approved that"
        for name in report.removed
        if name in here and not _asked_to_go(known, name)
    }
    for name in list(why):
        for other in dependants(name, known.catalog.sets):
            if other in here:
                why.setdefault(other, f"it builds upon {name}, which is damaged")
    new = {each.id for each in report.sets if each.damaged} & {
        each.id for each in known.catalog.sets
    }
    for name, reason in why.items():
        if name in here or name in new or known.run.verb is not Verb.TAKE:
            yield CopySeen(
                set=name, location=known.place, at=known.now, level=Level.CLAIMED, damaged=reason
            )


def _doubted(known: Known, report: JobReport) -> Iterable[CatalogEvent]:
    """Copies that somebody wanted to look at and could not, and nothing was told of them: they may
    be whole, nobody knows. Credentials that were refused open none of the place."""
    run = known.run
    if run.verb not in _LOOKS or report.end not in _COULD_NOT:
        return
    told = {each.id for each in report.sets}
    named = set(run.sets) if report.end is not RunEnd.AUTH else set()
    # What a rehearsal proves, and a part of a place, is not to be had by the next look.
    shallow = run.verb is Verb.DRILL or part_of(run.id)[1] > 1
    deep = Level.PRESENT if shallow else min(_deepest(run), Level.READ)
    for each in known.catalog.sets:
        here = (one for one in each.copies if one.location == known.place)
        copy = next((one for one in here if one.usable and one.made < run.began), None)
        if copy is None or each.id in told or (named and each.id not in named):
            continue
        if str(deep.value) not in copy.doubts:
            yield CopySeen(
                set=each.id, location=known.place, at=known.now, level=deep,
                doubt=report.reason or f"a look ended as {report.end.value}",
            )  # fmt: skip


def _rehearsed(known: Known, report: JobReport) -> Iterable[CatalogEvent]:
    if known.run.verb is not Verb.DRILL or report.end is RunEnd.BUSY:
        return
    record = report.drill or _failed(known, report.reason or report.end.value)
    if record is None:
        return
    there = (each for each in known.catalog.sets if each.id == record.set)
    taken = next((min(each.taken, each.received) for each in there), None)
    record = with_age(record, taken, known.run.began) if taken is not None else record
    good = record.passed and not record.differences
    yield Drilled(drill=verdict_of(record, known.policy) if known.policy else record)
    chain = {record.set, *known.run.sets} & _ids(known) if good else set()
    for name in sorted(chain):
        yield CopySeen(set=name, location=known.place, at=known.now, level=record.level)


def _ids(known: Known) -> set[str]:
    return {each.id for each in known.catalog.sets}


def _failed(known: Known, reason: str) -> DrillRecord | None:
    """A rehearsal that did not come to its end is a result as well."""
    run = known.run
    if run.verb is not Verb.DRILL:
        return None
    return DrillRecord(
        id=run.id,
        target=run.target,
        set=run.sets[-1] if run.sets else "",
        location=known.place,
        began=run.began,
        passed=False,
        reason=reason or "it did not say why",
    )


def as_ended(run: Run, events: Sequence[CatalogEvent]) -> Run:
    """The run as it is after its events."""
    over = next((each for each in events if isinstance(each, RunEnded)), None)
    if over is None:
        return run
    return replace(
        run,
        ended=over.at,
        end=over.end,
        reason=over.reason,
        reason_zh=over.reason_zh,
        set=over.set,
        seconds=over.seconds,
        tool_seconds=over.tool_seconds,
    )
