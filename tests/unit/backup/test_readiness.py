# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a host could be put back to before a change."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from storewarden.domain.backup.catalog import BackupSet, Catalog, Copy, Target
from storewarden.domain.backup.policy import BackupTier, Level, SetKind
from storewarden.domain.backup.readiness import unready
from tests.unit.backup.policies import policy

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
TARGET = Target(host="s000101-pos01", policy="pos-database")
TILLS = policy(BackupTier.POS_DATABASE)
HOUR = timedelta(hours=1)


def backup(ident: str, hours: float, level: Level = Level.READ, **more: object) -> BackupSet:
    at = NOW - hours * HOUR
    given = {
        "kind": SetKind.FULL,
        "copies": (Copy(set=ident, location="hub", made=at, level=level),),
    }
    return BackupSet(
        id=ident, target=TARGET, taken=at, received=at, size=1, **(given | more),  # type: ignore[arg-type]
    )  # fmt: skip


def why(*sets: BackupSet, **more: object) -> str:
    found = unready(TILLS, Catalog(sets=sets), NOW, **more)  # type: ignore[arg-type]
    return found.en if found is not None else ""


def test_a_set_that_was_read_is_enough_as_long_as_reads_are_apart() -> None:
    assert why(backup("a", 20)) == ""
    assert why(backup("a", 7 * 24)) == ""  # every byte is read once a week
    assert "the newest set that was read is 180 h old" in why(backup("a", 180))


def test_what_nobody_read_or_what_is_not_whole_does_not_count() -> None:
    nothing = "there is no set of which every byte was read"
    assert nothing in why()
    assert nothing in why(backup("a", 2, Level.PRESENT))
    broken = backup("b", 2, kind=SetKind.INCREMENTAL, parent="gone")
    assert nothing in why(broken)
    unread = backup("p", 30, Level.PRESENT)
    assert nothing in why(unread, backup("b", 2, kind=SetKind.INCREMENTAL, parent="p"))
    damaged = replace(backup("a", 2), copies=(replace(backup("a", 2).copies[0], damaged="x"),))
    assert nothing in why(damaged)


def test_a_major_change_wants_one_more_full_set_that_is_there() -> None:
    since = NOW - HOUR
    assert "one more full set" in why(backup("a", 20), extra_since=since)
    late = backup("b", 0.5, Level.PRESENT, kind=SetKind.INCREMENTAL, parent="a")
    assert "one more full set" in why(backup("a", 20), late, extra_since=since)
    claimed = backup("c", 0.5, Level.CLAIMED)
    assert "one more full set" in why(backup("a", 20), claimed, extra_since=since)
    assert why(backup("a", 20), backup("c", 0.5, Level.PRESENT), extra_since=since) == ""


def test_a_policy_says_whether_it_holds_anything() -> None:
    free = replace(TILLS, required=False)
    assert unready(free, Catalog(), NOW) is None
    plain = replace(TILLS, extra_full=False)
    there = Catalog(sets=(backup("a", 20),))
    assert unready(plain, there, NOW, extra_since=NOW) is None
