# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that tell odd things: nothing is worth more for it, nothing goes, and nobody is held up."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from storewarden.domain.backup.catalog import RunEnd, Verb
from storewarden.domain.backup.freshness import Coverage, standing_of
from storewarden.domain.backup.policy import Level
from storewarden.flows.backup_words import FORMAT, job_of
from storewarden.flows.backup_work import begin, collect, ordered, recover
from storewarden.ports.backup_hosts import BackupOrder, JobReport, JobSeen, JobState, SeenSet
from storewarden.testing.backup_hosts import FakeBackupHosts
from tests.flows.backup_place import HOME, BackupPlace

SERVER = "s000101-sv01"
DAY = timedelta(days=1)


@pytest.fixture
def place(tmp_path: Path) -> BackupPlace:
    return BackupPlace(tmp_path)


def taken(place: BackupPlace) -> str:
    return ordered(place.parts(), [place.asked()])[0].run.set


def telling(place: BackupPlace, report: Callable[[BackupOrder], JobReport]):  # type: ignore[no-untyped-def]
    return place.parts(hosts=FakeBackupHosts(place.clock, report))


def test_what_was_removed_unasked_counts_as_damaged_and_not_as_gone(place: BackupPlace) -> None:
    name = taken(place)
    place.clock.advance(DAY)
    removing = telling(
        place, lambda order: JobReport(run=order.run, end=RunEnd.FAILED, removed=(name,))
    )
    for verb in (Verb.VERIFY, Verb.PRUNE):
        ordered(removing, [place.asked(verb=verb)])
        place.clock.advance(timedelta(hours=1))
    found = place.catalog.set(name)
    assert found.expired is None
    assert "nobody had approved" in found.copies[0].damaged


def test_a_run_that_left_no_set_has_not_worked(place: BackupPlace) -> None:
    nothing = telling(place, lambda order: JobReport(run=order.run, end=RunEnd.DONE))
    done = ordered(nothing, [place.asked()])[0]
    assert done.run.end is RunEnd.REJECTED
    assert done.zh == "未返回可用的备份集"


def test_no_job_tells_of_more_than_it_can_see(place: BackupPlace) -> None:
    def boasting(order: BackupOrder) -> JobReport:
        seen = replace(place.hosts.sets[order.target, HOME][name], level=Level.PROVEN)
        return JobReport(run=order.run, end=RunEnd.DONE, sets=(seen,))

    name = taken(place)
    place.clock.advance(DAY)
    ordered(telling(place, boasting), [place.asked(verb=Verb.VERIFY, level=Level.PRESENT)])
    assert place.catalog.set(name).copies[0].level is Level.PRESENT
    place.clock.advance(DAY)
    ordered(telling(place, boasting), [place.asked(verb=Verb.VERIFY, level=Level.READ)])
    assert place.catalog.set(name).copies[0].level is Level.READ


def test_looks_of_a_night_write_down_what_is_new_alone(place: BackupPlace) -> None:
    """A thousand nights of nine thousand targets: not each set again every night."""
    names = []
    for _night in range(4):
        names.append(taken(place))
        place.clock.advance(DAY)
    look = place.asked(verb=Verb.VERIFY, level=Level.PRESENT)
    before = place.ledger.head().sequence
    ordered(place.parts(), [look])
    assert place.ledger.head().sequence == before + 3  # began, ended, the newest set
    place.clock.advance(8 * DAY)
    ordered(place.parts(), [place.asked(verb=Verb.VERIFY, level=Level.PRESENT)])
    now = place.clock.now()
    for name in names:  # a quarter of the longest time has passed for all
        assert now - place.catalog.set(name).copies[0].seen(Level.PRESENT) < timedelta(hours=1)


def test_what_a_person_asked_for_is_written_down_whole(place: BackupPlace) -> None:
    first = taken(place)
    place.clock.advance(DAY)
    taken(place)
    place.clock.advance(DAY)
    asked = replace(place.asked(verb=Verb.VERIFY, level=Level.PRESENT), by="wang")
    ordered(place.parts(), [asked])
    seen = place.catalog.set(first).copies[0].seen(Level.PRESENT)
    assert place.clock.now() - seen < timedelta(hours=1)


def test_a_look_that_mends_is_never_left_out(place: BackupPlace) -> None:
    first = taken(place)
    place.clock.advance(DAY)
    taken(place)
    place.hosts.host(SERVER).damaged = {first: "cut off"}
    ordered(place.parts(), [place.asked(verb=Verb.VERIFY, level=Level.READ)])
    assert place.catalog.set(first).copies[0].damaged
    place.hosts.host(SERVER).damaged = {}
    place.clock.advance(timedelta(hours=2))
    ordered(place.parts(), [place.asked(verb=Verb.VERIFY, level=Level.READ)])
    assert not place.catalog.set(first).copies[0].damaged


def looked(place: BackupPlace, end: RunEnd = RunEnd.DONE, **more: object) -> None:
    """A look that ends so, some time after all that was before."""
    place.clock.advance(timedelta(hours=1))
    host = place.hosts.host(SERVER)
    host.end, host.reason = end, "" if end is RunEnd.DONE else f"it ended as {end.value}"
    given = {"verb": Verb.VERIFY, "level": Level.READ, **more}
    ordered(place.parts(), [place.asked(**given)])  # type: ignore[arg-type]
    host.end, host.reason = RunEnd.DONE, ""


def doubts(place: BackupPlace) -> list[str]:
    """Of each set, oldest first, why its copy at home is in doubt."""
    sets = reversed(place.catalog.sets(host=SERVER))
    return [each.copies[0].doubt.why if each.copies[0].doubt else "" for each in sets]


@pytest.mark.parametrize("end", [RunEnd.FAILED, RunEnd.AUTH, RunEnd.REJECTED])
def test_a_look_that_could_not_be_made_puts_the_copies_there_in_doubt(
    place: BackupPlace, end: RunEnd
) -> None:
    for _night in range(2):
        taken(place)
        place.clock.advance(DAY)
    looked(place, end)
    assert doubts(place) == [f"it ended as {end.value}"] * 2
    assert all(each.copies[0].usable for each in place.catalog.sets(host=SERVER))


def test_only_a_look_as_deep_clears_a_doubt(place: BackupPlace) -> None:
    """No look that begins, none that was cut off, had to wait or found no room, no shallow one."""
    names = [taken(place), taken(place)]
    looked(place, RunEnd.FAILED)
    why = ["it ended as failed"] * 2
    begin(place.parts(), [place.asked(verb=Verb.VERIFY, level=Level.READ)])
    assert doubts(place) == why
    place.clock.advance(DAY)
    recover(place.parts(hosts=FakeBackupHosts(place.clock, _cut_off)))
    for end in (RunEnd.INTERRUPTED, RunEnd.BUSY, RunEnd.NO_SPACE):
        looked(place, end)
        assert doubts(place) == why, end
    looked(place, level=Level.PRESENT)
    assert doubts(place) == why
    looked(place)
    assert doubts(place) == ["", ""]
    assert {place.catalog.set(name).copies[0].level for name in names} == {Level.READ}


def _cut_off(order: BackupOrder) -> JobReport:
    return JobReport(run=order.run, end=RunEnd.INTERRUPTED)


def test_looks_that_say_nothing_of_copies_put_none_in_doubt(place: BackupPlace) -> None:
    taken(place)
    for end in (RunEnd.INTERRUPTED, RunEnd.BUSY, RunEnd.NO_SPACE):
        looked(place, end)
    looked(place, RunEnd.FAILED, location="hub")
    assert doubts(place) == [""]


def test_a_look_at_one_set_that_failed_is_about_that_one(place: BackupPlace) -> None:
    first, _second = taken(place), taken(place)
    looked(place, RunEnd.FAILED, sets=(first,))
    assert doubts(place) == ["it ended as failed", ""]
    looked(place, RunEnd.AUTH, sets=(first,))  # who is not let in sees none of it
    assert doubts(place) == ["it ended as failed", "it ended as auth"]


def test_a_place_that_stays_away_is_written_down_once(place: BackupPlace) -> None:
    name = taken(place)
    looked(place, RunEnd.FAILED)
    before = len(place.catalog.history(name))
    for _night in range(3):
        looked(place, RunEnd.FAILED)
    assert len(place.catalog.history(name)) == before
    looked(place)
    assert doubts(place) == [""]
    looked(place, RunEnd.FAILED)
    assert doubts(place) == ["it ended as failed"]


def test_a_place_that_is_read_in_parts_is_cleared_by_its_next_part(place: BackupPlace) -> None:
    taken(place)
    looked(place, RunEnd.FAILED, part=(2, 3))
    assert doubts(place) == ["it ended as failed"]
    looked(place, part=(2, 3))
    assert doubts(place) == [""]


def test_a_target_that_was_busy_hides_no_failure(place: BackupPlace) -> None:
    """What coverage and the duty ask the catalog for, not only what it has in all."""
    taken(place)
    host = place.hosts.host(SERVER)
    for end in (RunEnd.FAILED, RunEnd.BUSY):
        place.clock.advance(DAY)
        host.end = end
        ordered(place.parts(), [place.asked()])
    (of,) = place.catalog.catalogs(targets=[place.asked().order.target]).values()
    assert [each.end for each in of.runs][-2:] == [RunEnd.FAILED, RunEnd.BUSY]
    found = standing_of(of.sets[0].target, place.policies["files"], of, place.clock.now())
    assert found.coverage is Coverage.FAILED


BACKUP = {"id": "20261122T230000Z-full", "kind": "full", "taken": 1.79e9, "size": 5, "level": 1}


def report(run: str, **more: object) -> dict[str, object]:
    found = {"format": FORMAT, "run": run, "end": "done", "reason": {}, "began": 1.79e9}
    return found | {"sets": [BACKUP]} | more


ODD: tuple[object, ...] = (
    {"state": ["ended"]},
    {"state": {"a": 1}},
    {"state": "refused", "end": ["busy"]},
    {"state": "refused", "done": {"end": "glorious"}},
    {"state": "refused", "done": {"end": ["x"]}},
    *(
        {"state": "ended", "report": more}
        for more in (
            {"end": ["done"]},
            {"seconds": math.nan},
            {"tool_seconds": math.inf},
            {"sets": [{**BACKUP, "size": math.nan}]},
            {"sets": [{**BACKUP, "size": -5}]},
            {"sets": [{**BACKUP, "size": 10**40}]},
            {"sets": [{**BACKUP, "taken": math.nan}]},
            {"sets": [{**BACKUP, "level": 9}]},
            {"sets": [{**BACKUP, "id": "a\x00b"}]},
            {"sets": [{**BACKUP, "id": "\ud800"}]},
            {"sets": [{**BACKUP, "id": "../../etc/passwd"}]},
            {"sets": [{**BACKUP, "id": "x" * 9000}]},
            {"sets": [{**BACKUP, "parent": "a b"}]},
            {"sets": [7, None]},
            {"sets": {"a": 1}},
            {"drill": {"set": "x", "phases": {"fetch": math.nan}}},
            {"notes": [{"\ud800": "\x1b[2J"}], "removed": ["\ud800"]},
        )
    ),
)


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
def test_an_odd_answer_is_recorded_and_holds_up_nobody(place: BackupPlace, odd: object) -> None:
    class Odd(FakeBackupHosts):
        def collect(self, orders):  # type: ignore[no-untyped-def]
            return {each.run: self._odd(each) for each in orders}

        def _odd(self, order: BackupOrder) -> JobSeen:
            if order.target.host != SERVER:
                return self._state(order)
            words = dict(odd)  # type: ignore[call-overload]
            if "report" in words:
                words["report"] = report(order.run, **words["report"])
            return job_of(order, words)

    parts = place.parts(hosts=Odd(place.clock))
    done = ordered(place.parts(hosts=parts.hosts, wait=lambda _s: True), [
        place.asked(), place.asked(host="s000102-sv01"),
    ])  # fmt: skip
    place.clock.advance(timedelta(minutes=10))
    found = collect(parts, [each.run for each in done])
    assert found[1].run.end is RunEnd.DONE
    assert found[0].run.end is None or found[0].run.end in set(RunEnd)
    problems = place.ledger.verify().problems
    assert not problems, problems


def test_what_a_host_says_is_one_line_that_a_terminal_takes(place: BackupPlace) -> None:
    words = {
        "state": "refused",
        "reason": {"en": "no\x1b[2J\nroom \ud800" + "x" * 9000, "zh": "没有\n空间"},
    }
    seen = job_of(place.asked().order, words)
    assert seen.state is JobState.REFUSED
    assert seen.reason.isprintable()
    assert len(seen.reason) < 5000
    assert seen.reason_zh == "没有 空间"


def test_a_level_is_not_taken_from_a_set_that_was_never_told(place: BackupPlace) -> None:
    seen = SeenSet(
        id=f"{SERVER}/files/x", kind=place.asked().order.kind, parent="",
        taken=place.clock.now(), size=1, level=Level.PROVEN,
    )  # fmt: skip
    parts = telling(place, lambda order: JobReport(run=order.run, end=RunEnd.DONE, sets=(seen,)))
    ordered(parts, [place.asked()])
    assert place.catalog.set(seen.id).copies[0].level <= Level.READ
