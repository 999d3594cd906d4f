# SPDX-License-Identifier: GPL-3.0-or-later
"""What is remembered of a target says the same as all of it, and is small."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from storewarden.domain.backup.catalog import (
    BackupSet,
    Catalog,
    Copy,
    Doubt,
    Run,
    RunEnd,
    Target,
    Verb,
)
from storewarden.domain.backup.due import due_of
from storewarden.domain.backup.due_brief import brief_of
from storewarden.domain.backup.due_facts import Facts
from storewarden.domain.backup.night import Slot, Wanted
from storewarden.domain.backup.policy import BackupTier, Level, SetKind
from storewarden.domain.maintenance.interval import Interval
from tests.unit.backup.policies import policy

NOW = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)
TARGET = Target(host="s000101-sv01", policy="core-database")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PLACES = ("store", "hub", "away", "of-old")
POLICIES = [policy(tier) for tier in (BackupTier.CORE_DATABASE, BackupTier.ORDINARY)]

_COPY = st.tuples(
    st.sampled_from(("none", "whole", "whole", "whole", "whole", "damaged", "deleted", "doubted")),
    st.integers(0, 40),  # days since the last look
    st.sampled_from(tuple(Level)),
)
_SET = st.tuples(
    st.sampled_from((SetKind.FULL, SetKind.INCREMENTAL, SetKind.DIFFERENTIAL, SetKind.LOG)),
    st.integers(0, 6),  # which of those before it builds upon
    st.integers(-3, 30),  # hours by which its client's clock is wrong
    st.integers(1, 30 << 30),
    st.tuples(*(_COPY for _each in PLACES)),
)


def _sets(drawn: list[tuple], step: timedelta) -> tuple[BackupSet, ...]:  # type: ignore[type-arg]
    found: list[BackupSet] = []
    for number, (kind, back, skew, size, copies) in enumerate(drawn):
        at = NOW - step * (len(drawn) - number)
        parent = "" if kind is SetKind.FULL or not found else found[-min(back + 1, len(found))].id
        name = f"set-{number}"
        found.append(
            BackupSet(
                id=name,
                target=TARGET,
                kind=kind,
                taken=at - skew * HOUR,
                received=at,
                size=size,
                parent=parent,
                manifest="f" * 64,
                copies=tuple(
                    _copy(name, place, at, each)
                    for place, each in zip(PLACES, copies, strict=True)
                    if each[0] != "none"
                ),
            )
        )
    return tuple(found)


def _copy(name: str, place: str, made: datetime, drawn: tuple[str, int, Level]) -> Copy:
    state, ago, level = drawn
    at = max(made, NOW - ago * DAY)
    copy = Copy(set=name, location=place, made=made, level=level, verified=at)
    copy = replace(copy, looks={str(level.value): at, "1": made})
    if state == "doubted":
        return replace(copy, doubts={"2": Doubt(since=at, why="a password was refused")})
    if state == "deleted":
        return replace(copy, deleted=at, looks={}, level=Level.CLAIMED, verified=None)
    return replace(copy, damaged="cut off" if state == "damaged" else "")


def _slot(kind: SetKind) -> Slot:
    window = Interval(starts=NOW - HOUR, ends=NOW + 6 * HOUR)
    wanted = Wanted(
        host=TARGET.host, policy=TARGET.policy, kind=kind, line="000101", hub="east",
        window=window, size=1000, en="", zh="",
    )  # fmt: skip
    return Slot(wanted=wanted, time=Interval(starts=NOW - HOUR / 2, ends=NOW + HOUR / 2))


def _run(verb: Verb, place: str, end: RunEnd, ago: timedelta) -> Run:
    return Run(
        id=f"{verb}-{place}", target=TARGET, kind=SetKind.FULL, began=NOW - ago, verb=verb,
        location=place, ended=NOW - ago, end=end,
    )  # fmt: skip


_RUNS = st.builds(
    _run,
    st.sampled_from((Verb.TAKE, Verb.COPY, Verb.VERIFY, Verb.DRILL)),
    st.sampled_from(PLACES),
    st.sampled_from((RunEnd.DONE, RunEnd.FAILED, RunEnd.AUTH)),
    st.integers(1, 60).map(lambda hours: hours * HOUR),
)


@given(
    st.lists(_SET, max_size=9),
    st.lists(_RUNS, max_size=3),
    st.sampled_from(POLICIES),
    st.sampled_from((SetKind.FULL, SetKind.INCREMENTAL, SetKind.DIFFERENTIAL)),
    st.sampled_from((HOUR, DAY, 4 * DAY)),
)
@settings(deadline=None, max_examples=80)
def test_a_brief_says_the_same_as_the_whole(drawn, runs, rules, kind, step) -> None:  # type: ignore[no-untyped-def]
    whole = Catalog(sets=_sets(drawn, step), runs=tuple(runs))
    facts = Facts(
        target=TARGET, policy=rules, catalog=whole, home="store", places=("hub", "away"),
        slots={"2026-11-22": _slot(kind)},
    )  # fmt: skip
    brief = brief_of(whole, facts.home, facts.places)
    short = replace(facts, catalog=brief.catalog, sizes=brief.sizes)
    for later in (timedelta(), 3 * HOUR, 2 * DAY, 40 * DAY):
        assert due_of(short, NOW + later) == due_of(facts, NOW + later)


def test_a_brief_of_a_year_is_a_handful() -> None:
    drawn = [
        (
            SetKind.INCREMENTAL if number % 7 else SetKind.FULL, 0, 0, 1 << 30,
            (("whole", 400, Level.PRESENT),) * len(PLACES),
        )
        for number in range(365)
    ]  # fmt: skip
    whole = Catalog(sets=_sets(drawn, DAY))
    brief = brief_of(whole, "store", ("hub", "away"))
    assert len(brief.catalog.sets) <= 10
    assert brief.sizes["hub"] == 365 << 30
