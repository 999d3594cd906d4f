# SPDX-License-Identifier: GPL-3.0-or-later
"""What is due, and that caps hold, nothing waits for ever and nothing is ordered twice."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storewarden.domain.backup.catalog import (
    BackupSet,
    Catalog,
    Copy,
    Doubt,
    DrillRecord,
    Run,
    RunEnd,
    Target,
    Verb,
)
from storewarden.domain.backup.due import due_of, kind_for, missing_at
from storewarden.domain.backup.due_facts import Due, Facts
from storewarden.domain.backup.due_looks import parts_of
from storewarden.domain.backup.due_turns import Caps, Load, chosen, load_of
from storewarden.domain.backup.night import Slot, Wanted
from storewarden.domain.backup.policy import (
    BackupTier,
    CopyWanted,
    Drill,
    Level,
    Method,
    SetKind,
    Verify,
)
from storewarden.domain.maintenance.interval import Interval
from tests.unit.backup.policies import policy

NOW = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)
TARGET = Target(host="s000101-sv01", policy="core-database")
COPIES = tuple(CopyWanted(location=each) for each in ("store", "hub", "away"))
CORE = policy(BackupTier.CORE_DATABASE, copies=COPIES)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PLACES = ("store", "hub", "away")


def slot(kind: SetKind = SetKind.FULL, begins: datetime = NOW - HOUR / 2) -> Slot:
    window = Interval(starts=NOW - HOUR, ends=NOW + 6 * HOUR)
    wanted = Wanted(
        host=TARGET.host, policy=TARGET.policy, kind=kind, line="000101", hub="east",
        window=window, size=1000, en="full every day", zh="每天一次",
    )  # fmt: skip
    return Slot(wanted=wanted, time=Interval(starts=begins, ends=begins + HOUR))


def backup(
    ident: str, age: timedelta, kind: SetKind = SetKind.FULL, parent: str = "", *, at=PLACES
) -> BackupSet:  # type: ignore[no-untyped-def]
    moment = NOW - age
    copies = tuple(
        Copy(set=ident, location=each, made=moment, level=Level.PRESENT, verified=moment)
        for each in at
    )
    return BackupSet(
        id=ident, target=TARGET, kind=kind, taken=moment, received=moment, size=1000,
        parent=parent, copies=copies,
    )  # fmt: skip


def run(verb: Verb, end: RunEnd | None, ago: timedelta, **more: object) -> Run:
    given_ = {
        "id": f"r-{verb}-{ago}", "target": TARGET, "kind": SetKind.FULL, "began": NOW - ago,
        "verb": verb, "location": "store", "ended": None if end is None else NOW - ago, "end": end,
    }  # fmt: skip
    return Run(**(given_ | more))  # type: ignore[arg-type]


def facts(*sets: BackupSet, runs: tuple[Run, ...] = (), **more: object) -> Facts:
    given_ = {
        "target": TARGET, "policy": CORE, "home": "store", "places": ("hub", "away"),
        "catalog": Catalog(sets=sets, runs=runs), "slots": {"2026-11-22": slot()},
    }  # fmt: skip
    return Facts(**(given_ | more))  # type: ignore[arg-type]


def verbs(found: Facts, now: datetime = NOW) -> list[tuple[Verb, str]]:
    return [(each.verb, each.location) for each in due_of(found, now)]


def first(found: Facts, verb: Verb, now: datetime = NOW) -> Due | None:
    return next((each for each in due_of(found, now) if each.verb is verb), None)


def test_a_set_is_due_when_its_slot_has_begun_and_not_before() -> None:
    assert first(facts(), Verb.TAKE)
    early = facts(slots={"2026-11-22": slot(begins=NOW + HOUR / 4)})
    assert first(early, Verb.TAKE) is None


def test_copies_of_what_was_read_of_a_network_device_are_looked_at_where_they_came() -> None:
    """What lies at home each reading compares with the device itself."""
    network = replace(CORE, method=Method.NETWORK)
    kept = backup("r1-20261122-v1.0.cfg", 40 * DAY)
    readers = dict.fromkeys(("hub", "away"), "controller")
    given_ = {"policy": network, "by": "controller", "readers": readers}
    found = due_of(facts(kept, **given_), NOW)
    looked = [(each.verb, each.location, each.level, each.on, each.wan) for each in found]
    assert looked == [
        (Verb.VERIFY, place, Level.READ, "controller", False) for place in ("hub", "away")
    ]
    refused = run(Verb.VERIFY, RunEnd.AUTH, DAY, location="hub", level=Level.READ)
    (left,) = due_of(facts(kept, runs=(refused,), **given_), NOW)
    assert left.location == "away"


def test_a_place_that_could_not_be_looked_at_is_looked_at_again_after_a_day() -> None:
    """Whatever its turn would be; a listing that works does not settle what reading could not."""
    made = backup("F", HOUR, at=("store", "hub"))
    looks = {"1": NOW - HOUR, "2": NOW - 26 * HOUR}
    copies = tuple(replace(each, looks=looks) for each in made.copies)
    doubted = replace(copies[1], doubts={"2": Doubt(since=NOW - 25 * HOUR, why="away")})
    failed = run(Verb.VERIFY, RunEnd.FAILED, 25 * HOUR, location="hub", level=Level.READ)
    given_ = {"runs": (failed,), "places": ("hub",), "slots": {}}
    look = first(facts(replace(made, copies=(copies[0], doubted)), **given_), Verb.VERIFY)
    assert look is not None
    assert (look.location, look.level) == ("hub", Level.READ)
    assert first(facts(replace(made, copies=copies), **given_), Verb.VERIFY) is None


def test_a_target_that_was_busy_does_not_lift_what_was_refused() -> None:
    network = facts(backup("F", HOUR / 4, at=("store", "hub")))
    assert (Verb.COPY, "away") in verbs(network)
    refused = run(Verb.COPY, RunEnd.AUTH, 2 * DAY, location="away")
    busy = run(Verb.COPY, RunEnd.BUSY, DAY, location="away")
    held = facts(backup("F", HOUR / 4, at=("store", "hub")), runs=(refused, busy))
    assert (Verb.COPY, "away") not in verbs(held)


def test_only_copies_are_due_of_a_network_device_and_another_host_makes_them() -> None:
    network = replace(CORE, method=Method.NETWORK)
    kept = backup("r1-20261122-v1.0.cfg", HOUR / 4, at=("store", "hub"))
    (due,) = due_of(facts(kept, policy=network, by="controller"), NOW)
    assert (due.verb, due.location, due.on) == (Verb.COPY, "away", "controller")
    assert due_of(facts(policy=network, by="controller"), NOW) == ()


def test_what_would_not_end_in_its_window_is_not_begun() -> None:
    assert first(facts(), Verb.TAKE, NOW + 5.5 * HOUR) is None


def test_a_set_is_taken_once_a_night() -> None:
    found = facts(backup("F", HOUR / 4, at=("store", "hub", "away")))
    assert first(found, Verb.TAKE) is None


def test_a_broken_chain_asks_for_a_full_set_the_same_night() -> None:
    full = backup("F", 3 * DAY)
    broken = replace(full, copies=tuple(replace(each, damaged="cut") for each in full.copies))
    part = backup("I", HOUR / 4, SetKind.INCREMENTAL, "F")
    done = run(Verb.TAKE, RunEnd.DONE, HOUR / 4, kind=SetKind.INCREMENTAL, night="2026-11-22")
    wanted = facts(broken, part, runs=(done,), slots={"2026-11-22": slot(SetKind.INCREMENTAL)})
    due = first(wanted, Verb.TAKE)
    assert due is not None
    assert (due.kind, due.parent) == (SetKind.FULL, "")
    assert "no complete chain" in due.en
    whole = facts(full, part, runs=(done,), slots={"2026-11-22": slot(SetKind.INCREMENTAL)})
    assert first(whole, Verb.TAKE) is None


def test_an_increment_builds_upon_the_newest_set() -> None:
    sets = (backup("F", 3 * DAY), backup("I", 1 * DAY, SetKind.INCREMENTAL, "F"))
    due = first(facts(*sets, slots={"n": slot(SetKind.INCREMENTAL)}), Verb.TAKE)
    assert due is not None
    assert (due.kind, due.parent) == (SetKind.INCREMENTAL, "I")
    due = first(facts(*sets, slots={"n": slot(SetKind.DIFFERENTIAL)}), Verb.TAKE)
    assert due is not None
    assert due.parent == "F"


@pytest.mark.parametrize(
    ("end", "waits"),
    [
        (RunEnd.BUSY, 10 / 60), (RunEnd.INTERRUPTED, 10 / 60),
        (RunEnd.FAILED, 1.0), (RunEnd.NO_SPACE, 1.0), (RunEnd.AUTH, None),
    ],
)  # fmt: skip
def test_what_failed_is_tried_again_later_but_never_what_was_refused(
    end: RunEnd, waits: float | None
) -> None:
    tried = facts(runs=(run(Verb.TAKE, end, timedelta(minutes=1)),))
    for hours in (0.0, 0.1, 0.2, 0.9, 1.1, 4.0):
        due = first(tried, Verb.TAKE, NOW + hours * HOUR)
        assert (due is not None) is (waits is not None and hours + 1 / 60 >= waits)


def test_a_person_who_tried_again_lifts_a_refusal() -> None:
    refused = run(Verb.COPY, RunEnd.AUTH, 2 * HOUR, location="hub")
    again = run(Verb.COPY, RunEnd.DONE, HOUR, location="hub", by="ops@desk")
    lacking = backup("F", 3 * HOUR, at=("store",))
    assert (Verb.COPY, "hub") not in verbs(facts(lacking, runs=(refused,)))
    assert (Verb.COPY, "hub") in verbs(facts(lacking, runs=(refused, again)))


def test_a_refusal_at_one_place_holds_up_no_other() -> None:
    refused = run(Verb.COPY, RunEnd.AUTH, 2 * HOUR, location="hub")
    found = verbs(facts(backup("F", 3 * HOUR, at=("store",)), runs=(refused,)))
    assert (Verb.COPY, "away") in found


def test_copies_that_are_missing_are_made_and_deleted_ones_are_not() -> None:
    lacking = backup("F", HOUR, at=("store", "hub"))
    due = first(facts(lacking), Verb.COPY)
    assert due is not None
    assert (due.location, due.sets) == ("away", ("F",))
    gone = replace(
        lacking, copies=(*lacking.copies, Copy(set="F", location="away", made=NOW, deleted=NOW))
    )
    assert first(facts(gone), Verb.COPY) is None


def test_a_damaged_set_is_not_copied_on() -> None:
    bad = backup("F", HOUR, at=("store",))
    bad = replace(bad, copies=(replace(bad.copies[0], damaged="pack is cut"),))
    assert missing_at(Catalog(sets=(bad,)), "store", "hub") == ()


def test_logs_are_due_by_day_and_only_upon_a_chain() -> None:
    noon = facts(backup("F", 4 * HOUR), slots={})
    due = first(noon, Verb.TAKE)
    assert due is not None
    assert (due.kind, due.parent) == (SetKind.LOG, "F")
    assert first(facts(backup("F", 3 * HOUR), slots={}), Verb.TAKE) is None
    assert first(facts(slots={}), Verb.TAKE) is None


def test_a_method_without_logs_takes_what_it_can() -> None:
    assert kind_for(Method.SQLITE, SetKind.LOG) is SetKind.FULL
    assert kind_for(Method.PGBACKREST, SetKind.LOG) is SetKind.LOG
    assert kind_for(Method.MARIADB, SetKind.DIFFERENTIAL) is SetKind.DIFFERENTIAL
    assert kind_for(Method.MARIADB, SetKind.LOG) is SetKind.INCREMENTAL


def test_each_place_is_looked_at_as_deep_as_is_due() -> None:
    found = facts(backup("F", 2 * DAY), slots={})
    due = {each.location: each.level for each in due_of(found, NOW) if each.verb is Verb.VERIFY}
    assert due == dict.fromkeys(PLACES, Level.PRESENT)
    found = facts(backup("F", 8 * DAY), slots={})
    due = {each.location: each.level for each in due_of(found, NOW) if each.verb is Verb.VERIFY}
    assert due == dict.fromkeys(PLACES, Level.READ)


def test_its_own_host_is_left_alone_outside_of_its_window_and_others_are_not() -> None:
    day = Interval(starts=NOW + 2 * HOUR, ends=NOW + 6 * HOUR)
    found = facts(backup("F", 8 * DAY), slots={}, window=day, readers={"away": "trusted"})
    looks = [each for each in due_of(found, NOW) if each.verb in (Verb.VERIFY, Verb.DRILL)]
    assert {each.on for each in looks} == {"trusted"}


def test_a_large_place_is_read_in_parts_one_a_night() -> None:
    assert parts_of(1 << 30, 7 * DAY) == 1
    assert parts_of(60 << 30, 7 * DAY) == 3
    assert parts_of(900 << 30, 7 * DAY) == 5
    big = replace(backup("F", 9 * DAY), size=60 << 30)
    read = policy(
        BackupTier.CORE_DATABASE,
        copies=COPIES,
        verify=(Verify(level=Level.READ, every=7 * DAY),),
        drill=None,
    )
    seen = []
    for day in range(3):
        last = run(Verb.VERIFY, RunEnd.DONE, DAY - day * DAY, level=Level.READ)
        found = facts(big, runs=(last,), policy=read, slots={}, places=())
        due = first(found, Verb.VERIFY, NOW + day * DAY)
        assert due is not None
        seen.append(due.part)
    assert {each[0] for each in seen} == {1, 2, 3}
    an_hour_ago = run(Verb.VERIFY, RunEnd.DONE, HOUR, level=Level.READ)
    found = facts(big, runs=(an_hour_ago,), policy=read, slots={}, places=())
    assert first(found, Verb.VERIFY) is None


@given(st.integers(1, 100), st.integers(0, 200))
@settings(max_examples=40, deadline=None)
def test_every_host_has_its_turn_to_be_rehearsed(sample: int, number: int) -> None:
    target = Target(host=f"s{number:06d}-sv01", policy="core-database")
    rule = policy(
        BackupTier.CORE_DATABASE,
        copies=COPIES,
        verify=(),
        drill=Drill(every=92 * DAY, sample=sample),
    )
    there = replace(backup("F", 3000 * DAY), target=target)
    drills: list[DrillRecord] = []
    periods = -(-100 // sample) + 1
    for day in range(0, 92 * periods, 20):
        now = NOW + day * DAY
        found = facts(there, policy=rule, slots={}, target=target)
        found = replace(found, catalog=replace(found.catalog, drills=tuple(drills)))
        if first(found, Verb.DRILL, now) is not None:
            drills.append(
                DrillRecord(
                    id=str(day), target=target, set="F", location="hub", began=now, passed=True
                )
            )
    assert drills
    assert len(drills) <= (periods * 1.2 + 2) * sample / 100 + 1.5


HUBS = ("east", "west")
_DUES = st.lists(
    st.tuples(
        st.integers(0, 11), st.sampled_from((Verb.TAKE, Verb.COPY, Verb.VERIFY, Verb.DRILL)),
        st.integers(0, 3), st.booleans(),
    ),
    max_size=40,
)  # fmt: skip


def made(number: int, verb: Verb, line: int, away: bool) -> Due:
    target = Target(host=f"h{number}", policy="p")
    far = away and verb is Verb.VERIFY
    return Due(
        target=target, verb=verb, since=NOW + number * HOUR, on="trusted" if far else target.host,
        location=f"place-{line}", wan=not far, hub=HUBS[line % 2], line=f"line-{line}",
    )  # fmt: skip


def over(loads: list[Load], caps: Caps) -> list[str]:
    wrong = []
    own = [each for each in loads if each.on == each.target.host]
    for name, most in caps.hubs.items():
        if sum(each.wan for each in own if each.hub == name) > most:
            wrong.append(name)
    lines = Counter(each.line for each in own if each.wan)
    wrong += [name for name, many in lines.items() if many > 1]
    if sum(each.on == "trusted" for each in loads) > caps.reader:
        wrong.append("trusted")
    targets = Counter(each.target for each in loads)
    return wrong + [each.name for each, many in targets.items() if many > 1]


@given(_DUES, st.integers(1, 3), st.integers(1, 3))
@settings(deadline=None)
def test_caps_hold_nothing_waits_for_ever_and_nothing_is_ordered_twice(
    given_: list[tuple[int, Verb, int, bool]], hub: int, reader: int
) -> None:
    caps = Caps(hubs=dict.fromkeys(HUBS, hub), reader=reader)
    waiting = list({(each[0], each[1], each[2]): made(*each) for each in given_}.values())
    running: list[Due] = []
    begun: Counter[Due] = Counter()
    for _round in range(len(waiting) + 1):
        now_due = chosen(waiting, map(load_of, running), caps)
        begun.update(now_due)
        loads = [load_of(each) for each in (*running, *now_due)]
        assert over(loads, caps) == []
        waiting = [each for each in waiting if each not in now_due]
        running = [*running, *now_due][1:]  # one of them ends in each round
    for _round in range(2 * len(begun) + 2 * len(waiting)):
        now_due = chosen(waiting, map(load_of, running), caps)
        begun.update(now_due)
        waiting = [each for each in waiting if each not in now_due]
        running = [*running, *now_due][1:]
    assert waiting == []
    assert all(many == 1 for many in begun.values())


def test_what_waits_the_longest_is_next_whoever_comes_after_it() -> None:
    caps = Caps(hubs={"east": 1})
    old = replace(made(9, Verb.COPY, 0, away=False), since=NOW)
    newer = [replace(made(n, Verb.COPY, 2, away=False), since=NOW + n * HOUR) for n in range(1, 5)]
    assert chosen([*newer, old], (), caps) == (old,)
    urgent = made(5, Verb.TAKE, 2, away=False)
    assert chosen([*newer, old, urgent], (), caps) == (urgent,)  # its window ends


def due(verb: Verb, hours: float, number: int = 1, line: int = 0) -> Due:
    return replace(made(number, verb, line, away=False), since=NOW - hours * HOUR)


def test_sets_come_before_copies_before_looks_before_rehearsals_before_deletions() -> None:
    verbs_ = (Verb.PRUNE, Verb.DRILL, Verb.VERIFY, Verb.COPY)  # the last one waits the longest
    waiting = [due(each, 100 - n, number=n, line=n) for n, each in enumerate(verbs_)]
    log = replace(due(Verb.TAKE, 2, number=7, line=7), kind=SetKind.LOG, wan=False)
    night = due(Verb.TAKE, 1, number=8, line=8)
    found = [(each.verb, each.kind) for each in chosen([*waiting, log, night], (), Caps())]
    assert [verb for verb, _kind in found] == [
        Verb.TAKE, Verb.COPY, Verb.TAKE, Verb.VERIFY, Verb.DRILL, Verb.PRUNE,
    ]  # fmt: skip
    assert found[0][1] is not SetKind.LOG


def test_nothing_is_rehearsed_before_it_was_copied_and_looked_at() -> None:
    for other in (Verb.COPY, Verb.VERIFY, Verb.TAKE):
        (first_,) = chosen([due(Verb.DRILL, 50), due(other, 1)], (), Caps())
        assert first_.verb is other


def test_a_rehearsal_does_not_overtake_its_own_copy_that_waits_for_a_line() -> None:
    rehearsal = replace(due(Verb.DRILL, 50), wan=False)
    busy = load_of(due(Verb.COPY, 5, number=9))
    assert chosen([rehearsal, due(Verb.COPY, 1)], [busy], Caps(hubs={"east": 1})) == ()
    other = replace(rehearsal, target=Target(host="h2", policy="p"), on="h2")
    assert chosen([other, due(Verb.COPY, 1)], [busy], Caps(hubs={"east": 1})) == (other,)


def test_what_was_never_copied_is_rehearsed_when_nothing_else_waits() -> None:
    """Its copies wait for a person, who has to try the password: the rehearsal does not."""
    lacking = backup("F", 400 * DAY, at=("store",))
    refused = [
        run(Verb.COPY, RunEnd.AUTH, 2 * HOUR, location=each, id=each) for each in ("hub", "away")
    ]
    looked = [run(Verb.VERIFY, RunEnd.FAILED, HOUR, id="v")]
    found = due_of(facts(lacking, runs=(*refused, *looked), slots={}), NOW)
    waiting = [each for each in found if each.verb is not Verb.TAKE]
    assert [each.verb for each in chosen(waiting, (), Caps())] == [Verb.DRILL]
