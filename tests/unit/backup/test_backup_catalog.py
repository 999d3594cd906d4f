# SPDX-License-Identifier: GPL-3.0-or-later
"""What the catalog makes of what it knows: chains, coverage, the 3-2-1 proof, what may go."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from storewarden.domain.backup.catalog import (
    BackupSet,
    Catalog,
    Copy,
    DrillRecord,
    Location,
    Run,
    RunEnd,
    Target,
    chain_of,
    dependants,
)
from storewarden.domain.backup.freshness import Coverage, Standing, standing_of
from storewarden.domain.backup.policy import BackupTier, CopyWanted, Level, SetKind
from storewarden.domain.backup.proof import distance_km, proof_of
from storewarden.domain.backup.retention import expired
from tests.unit.backup.policies import policy

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
TARGET = Target(host="s000101-sv01", policy="core-database")
STORE = Location(name="store", medium="disk", credentials="store", point=(31.23, 121.47))
HUB = Location(name="hub", medium="disk", credentials="hub", point=(31.30, 120.58))
AWAY = Location(name="away", medium="object", credentials="away", point=(39.90, 116.40))
PLACES = {each.name: each for each in (STORE, HUB, AWAY)}
CORE = policy(
    BackupTier.CORE_DATABASE,
    copies=tuple(CopyWanted(location=each) for each in PLACES),
)


def copy(of: str, where: str, at: datetime, **more: object) -> Copy:
    given = {"level": Level.STARTED, "verified": at}
    return Copy(set=of, location=where, made=at, **(given | more))  # type: ignore[arg-type]


def backup(ident: str, hours: float, kind: SetKind = SetKind.FULL, **more: object) -> BackupSet:
    at = NOW - timedelta(hours=hours)
    given = {
        "target": TARGET,
        "taken": at,
        "received": at,
        "size": 1000,
        "copies": tuple(copy(ident, each, at) for each in PLACES),
    }
    return BackupSet(id=ident, kind=kind, **(given | more))  # type: ignore[arg-type]


def drilled(hours: float = 24) -> DrillRecord:
    at = NOW - timedelta(hours=hours)
    return DrillRecord(id="D1", target=TARGET, set="F", location="hub", began=at, passed=True)


def standing(*sets: BackupSet, runs: tuple[Run, ...] = (), drill: bool = True) -> Standing:
    known = Catalog(sets=sets, runs=runs, drills=(drilled(),) if drill else (), locations=PLACES)
    return standing_of(TARGET, CORE, known, NOW)


def run(hours: float, end: RunEnd | None, reason: str = "", kind: SetKind = SetKind.FULL) -> Run:
    began = NOW - timedelta(hours=hours)
    ended = began + timedelta(minutes=5) if end else None
    return Run(
        id=f"run-{hours}",
        target=TARGET,
        kind=kind,
        began=began,
        ended=ended,
        end=end,
        reason=reason,
    )


def test_what_is_fresh_verified_and_copied_is_ok() -> None:
    assert standing(backup("F", 3)).coverage is Coverage.OK


def test_a_host_that_was_never_backed_up_is_no_blank() -> None:
    assert standing().coverage is Coverage.NEVER
    told = standing(runs=(run(2, RunEnd.AUTH, "the password was refused"),))
    assert told.coverage is Coverage.NEVER
    assert "the password was refused" in told.en


def test_a_run_that_begins_clears_no_failure() -> None:
    failed = run(2, RunEnd.FAILED, "no route to host")
    under_way = run(0.1, None)
    told = standing(backup("F", 3), runs=(failed, under_way))
    assert told.coverage is Coverage.FAILED
    assert "no route to host" in told.en


def test_a_busy_target_is_no_failure() -> None:
    assert standing(backup("F", 3), runs=(run(2, RunEnd.BUSY),)).coverage is Coverage.OK


def test_only_a_good_set_clears_a_failure() -> None:
    failed = run(5, RunEnd.FAILED, "disk full")
    assert standing(backup("F", 3), runs=(failed,)).coverage is Coverage.OK


def test_what_is_older_than_its_schedule_allows_is_late() -> None:
    assert standing(backup("F", 11)).coverage is Coverage.LATE


def test_logs_do_not_make_up_for_full_sets_that_stopped() -> None:
    full = backup("F", 24 * 60)
    logs = [backup(f"L{n}", n, SetKind.LOG, parent="F") for n in range(1, 8)]
    assert standing(full, *logs).coverage is Coverage.LATE
    failed = run(24 * 5, RunEnd.FAILED, "no space left")
    assert Coverage.FAILED in (
        (
            told := standing(full, *logs, runs=(failed, run(1, RunEnd.DONE, kind=SetKind.LOG)))
        ).coverage,
        *told.also,
    )


def test_an_increment_is_worth_nothing_without_its_full_set() -> None:
    increment = backup("I", 2, SetKind.INCREMENTAL, parent="F")
    assert standing(backup("F", 20), increment).coverage is Coverage.OK
    told = standing(increment)
    assert told.coverage is Coverage.CHAIN_BROKEN
    assert told.level is Level.CLAIMED
    damaged = backup("F", 20)
    bad = tuple(replace(each, damaged="a byte differs") for each in damaged.copies)
    assert standing(replace(damaged, copies=bad), increment).coverage is Coverage.CHAIN_BROKEN


def test_a_chain_is_as_good_as_its_worst_member() -> None:
    weak = backup("F", 20)
    weak = replace(weak, copies=tuple(replace(each, level=Level.READ) for each in weak.copies))
    increment = backup("I", 2, SetKind.INCREMENTAL, parent="F")
    assert chain_of(increment, {"F": weak, "I": increment}).level is Level.READ


def test_what_nobody_has_read_for_long_is_unverified() -> None:
    old = NOW - timedelta(days=20)
    first = backup("F", 24 * 40, copies=tuple(copy("F", each, old) for each in PLACES))
    claimed = tuple(copy("G", each, NOW, level=Level.CLAIMED, verified=None) for each in PLACES)
    told = standing(first, backup("G", 3, copies=claimed))
    assert told.coverage is Coverage.UNVERIFIED


def test_a_missing_copy_is_named() -> None:
    some = backup("F", 5)
    short = replace(some, copies=some.copies[:2])
    told = standing(short)
    assert told.coverage is Coverage.COPY_SHORT
    assert "away" in told.en


def test_a_drill_that_was_never_made_is_overdue_a_quarter_after_the_first_set() -> None:
    sets = (backup("E", 24 * 100), backup("F", 3))
    assert standing(*sets, drill=False).coverage is Coverage.DRILL_OVERDUE
    assert standing(*sets).coverage is Coverage.OK


def test_the_proof_names_the_term_that_fails() -> None:
    week = timedelta(days=7)
    whole = backup("F", 3)
    assert proof_of(whole, PLACES, NOW, within=week).holds
    near = replace(AWAY, point=(31.2, 121.4))
    told = proof_of(
        whole, {**PLACES, "away": near, "hub": replace(HUB, point=None)}, NOW, within=week
    )
    assert [each.name for each in told.failing] == ["off-site"]


def test_two_places_that_the_same_credentials_empty_are_one_copy() -> None:
    shared = {**PLACES, "hub": replace(HUB, credentials="store")}
    told = proof_of(backup("F", 3), shared, NOW, within=timedelta(days=7))
    assert [each.name for each in told.failing] == ["copies"]
    assert "hub" in told.left_out


def test_a_copy_that_nobody_looked_at_does_not_count() -> None:
    told = proof_of(backup("F", 24 * 9), PLACES, NOW, within=timedelta(days=7))
    assert len(told.failing) == 3
    assert told.counted == ()


def test_shanghai_is_about_1070_km_from_beijing() -> None:
    assert 1050 < distance_km((31.23, 121.47), (39.90, 116.40)) < 1090


def test_a_client_that_lies_about_the_year_pushes_nothing_out() -> None:
    real = [backup(f"F{n}", 24 * n) for n in range(1, 5)]
    fake = backup("X", 0.1, taken=NOW + timedelta(days=400))
    assert expired([*real, fake], {TARGET.policy: CORE}, NOW).sets == ()


def test_what_is_old_may_go_but_not_what_younger_sets_build_upon() -> None:
    keep = replace(CORE, retention=replace(CORE.retention, keep=timedelta(days=30), fulls=1))
    sets = [
        backup("old", 24 * 90),
        backup("base", 24 * 40),
        backup("inc", 24 * 20, SetKind.INCREMENTAL, parent="base"),
        backup("new", 24),
    ]
    found = expired(sets, {TARGET.policy: keep}, NOW)
    assert found.sets == ("old",)
    assert "inc builds upon it" in found.kept["base"]


def test_the_last_good_full_sets_stay_whatever_their_age() -> None:
    keep = replace(CORE, retention=replace(CORE.retention, keep=timedelta(days=30), fulls=2))
    sets = [backup(f"F{n}", 24 * 100 + n) for n in range(4, 0, -1)]
    assert expired(sets, {TARGET.policy: keep}, NOW).sets == ("F4", "F3")
    bad = expired(sets, {TARGET.policy: keep}, NOW, safe=lambda each: each.id != "F1")
    assert bad.sets == ("F4", "F1")


def test_legal_hold_keeps_everything() -> None:
    hold = replace(CORE, legal_hold=True)
    assert expired([backup("F", 24 * 4000)], {TARGET.policy: hold}, NOW).sets == ()
    one = backup("F", 24 * 4000, hold=True)
    told = expired([one, backup("G", 1), backup("H", 2)], {TARGET.policy: CORE}, NOW)
    assert told.sets == ()
    assert "legal hold" in told.kept["F"]


def test_sets_of_a_policy_that_is_gone_are_left_alone() -> None:
    told = expired([backup("F", 24 * 4000)], {}, NOW)
    assert told.sets == ()
    assert "core-database" in told.kept["F"]


def test_approval_is_of_a_list_and_another_list_is_another_approval() -> None:
    keep = replace(CORE, retention=replace(CORE.retention, keep=timedelta(days=30), fulls=1))
    one = expired([backup("a", 24 * 90), backup("b", 24)], {TARGET.policy: keep}, NOW)
    two = expired(
        [backup("a", 24 * 90), backup("c", 24 * 80), backup("b", 24)], {TARGET.policy: keep}, NOW
    )
    assert one.digest != two.digest


def test_everything_that_builds_upon_a_damaged_set_is_known() -> None:
    sets = [
        backup("F", 9),
        backup("I1", 8, SetKind.INCREMENTAL, parent="F"),
        backup("I2", 7, SetKind.INCREMENTAL, parent="I1"),
        backup("G", 6),
    ]
    assert dependants("F", sets) == ("I1", "I2")


def test_a_copy_that_is_damaged_is_missing_at_once() -> None:
    full = backup("F", 1)
    hub = replace(full.copies[1], damaged="pack 2894b15337 is damaged")
    broken = replace(full, copies=(full.copies[0], hub, full.copies[2]))
    told = standing_of(
        TARGET, CORE, Catalog(sets=(broken,), drills=(drilled(),), locations=PLACES), NOW
    )
    assert told.coverage is Coverage.COPY_SHORT
    assert told.en == "the copy of F in hub is damaged: pack 2894b15337 is damaged"
