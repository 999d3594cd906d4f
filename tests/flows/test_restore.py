# SPDX-License-Identifier: GPL-3.0-or-later
"""Restores over a real ledger: what is promised before, and what production asks for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from storewarden.adapters.ledger import open_ledger
from storewarden.domain.backup.catalog import RunEnd, Verb
from storewarden.domain.backup.policy import Method, SetKind
from storewarden.domain.change.commands import Circumstances, Start
from storewarden.domain.change.record import Change, Span, State
from storewarden.domain.errors import ConfigInvalid, Refused, RunFailed, TargetUnreachable
from storewarden.flows.drill import DrillParts, DrillWish, run_drills
from storewarden.flows.restore import (
    RestoreParts,
    drop,
    into_production,
    into_scratch,
)
from storewarden.flows.restore_change import RestoreGate
from storewarden.flows.restore_plan import Into, RestorePlan, RestoreWish, plan_restore
from storewarden.flows.restore_play import items_of
from storewarden.ports.backup_hosts import JobReport
from storewarden.testing.ledger import ManualClock
from tests.flows.desk_place import ASKER, HEAD, Place
from tests.flows.proof_place import AWAY, HOUR, NOW, POLICY, TILL, ProofPlace, drilled, failed

WISH = RestoreWish(host="pos01")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[ProofPlace]:
    clock = ManualClock(NOW)
    with open_ledger(tmp_path / "ledger.sqlite", clock=clock) as ledger:
        yield ProofPlace(ledger=ledger, clock=clock)


class Site:
    """The gate of a real desk, and what else production asks for."""

    def __init__(self, place: ProofPlace, against: str = "") -> None:
        self.desk, self.place = Place(), place
        self.desk.clock = place.clock
        self.against = Circumstances(forbidden=against)
        self.captured: list[str] = []
        self.removed: list[tuple[str, str]] = []

    def parts(self) -> RestoreParts:
        """As the wiring makes them."""
        gate = RestoreGate(
            desk=self.desk.desk(ASKER),
            judge=lambda _change, _now, _needs: self.against,
            zone=ZoneInfo("Asia/Shanghai"),
        )
        return RestoreParts(
            catalog=self.place.ledger.backups,
            carry=self.place.carry,
            clock=self.place.clock,
            gate=gate,
            capture=self._capture,
            remove=lambda host, folder: self.removed.append((host, folder)),
        )

    def change(self, *, approve: bool = True, **more: object) -> str:
        """A change over both tills."""
        change = self.desk.opened(**more)
        if approve:
            self.desk.desk(HEAD).act(change.number, "yes", _approve())
        return change.number

    def story(self, number: str) -> Change:
        """The change as it is."""
        return self.desk.desk(ASKER).change(number)

    def _capture(self, target: object, policy: object, change: str) -> str:
        assert self.place.orders[-1].verb is Verb.TAKE  # a backup first
        del target, policy
        self.captured.append(change)
        return f"{change}-restore-tills"


def _approve() -> object:
    from storewarden.domain.change.commands import Approve

    return Approve()


def planned(place: ProofPlace, wish: RestoreWish = WISH, into: Into | None = None) -> RestorePlan:
    return plan_restore(
        place.ledger.backups, {place.policy.id: place.policy}, wish, place.clock.now(), into
    )


def test_the_plan_says_from_where_how_long_and_what_is_lost(place: ProofPlace) -> None:
    full = place.has(TILL, NOW - 30 * HOUR)
    last = place.has(TILL, NOW - 5 * HOUR, kind=SetKind.INCREMENTAL, parent=full)
    place.policy = replace(POLICY, bandwidth=1024)
    plan = planned(place)
    assert [each.id for each in plan.source.chain.sets] == [full, last]
    assert (plan.point, plan.lost) == (NOW - 5 * HOUR, 5 * HOUR)
    assert (plan.expected.span, plan.expected.measured) == (timedelta(seconds=200), 0)  # modelled
    assert plan.steps[0][0].startswith(f"read 2 set(s) from away: {full}, {last}")
    assert place.orders == []


def test_measured_drills_take_the_place_of_what_was_modelled(place: ProofPlace) -> None:
    place.has(TILL, NOW - 5 * HOUR)
    parts = DrillParts(
        catalog=place.ledger.backups,
        policies={"tills": place.policy},
        targets=lambda _policy: (TILL,),
        carry=place.carry,
        clock=place.clock,
    )
    run_drills(parts, DrillWish(hosts=("pos01",), location="hub"))
    plan = planned(place)
    assert (plan.expected.span, plan.expected.measured) == (timedelta(minutes=2), 1)
    assert plan.location == "hub"  # the one that was proven, not the one whose turn it is


def test_a_moment_before_the_first_set_cannot_be_restored(place: ProofPlace) -> None:
    place.has(TILL, NOW - 5 * HOUR)
    with pytest.raises(Refused, match="there is no set of 2026"):
        planned(place, RestoreWish(host="pos01", at=NOW - 9 * HOUR))
    with pytest.raises(Refused, match="attic does not hold all of"):
        planned(place, RestoreWish(host="pos01", location="attic"))
    with pytest.raises(ConfigInvalid, match="has no sets"):
        planned(place, RestoreWish(host="pos99"))


def test_scratch_keeps_a_folder_of_its_own_until_it_is_dropped(place: ProofPlace) -> None:
    place.has(TILL, NOW - 5 * HOUR)
    site = Site(place)
    done = into_scratch(site.parts(), planned(place, into=Into.SCRATCH))
    (order,) = place.orders
    assert (order.verb, order.keep, order.into) == (Verb.RESTORE, True, done.kept)
    assert done.kept.startswith("/var/lib/storewarden/backup/scratch/storewarden-restored-")
    assert (done.undo, site.captured) == ("", [])
    assert drop(site.parts(), {"tills": place.policy}, done.run) == done.kept
    assert site.removed == [("pos01", done.kept)]
    with pytest.raises(ConfigInvalid, match="is no restore into scratch"):
        drop(site.parts(), {"tills": place.policy}, "20260601T000000Z-take-0000000000")


def test_production_is_saved_then_captured_then_replaced_and_the_way_back_is_told(
    place: ProofPlace,
) -> None:
    wanted = place.has(TILL, NOW - 5 * HOUR)
    site = Site(place)
    number = site.change()
    done = into_production(site.parts(), planned(place, into=Into.PRODUCTION), number)
    assert [(each.verb, each.into, each.keep) for each in place.orders] == [
        (Verb.DRILL, "", False),
        (Verb.TAKE, "", False),
        (Verb.RESTORE, "", False),
    ]
    assert (done.before, done.point) == ("pos01/tills/fresh", f"{number}-restore-tills")
    assert done.undo == "storewarden restore pos01/tills/fresh --into production --change CHANGE"
    assert site.story(number).state is State.IN_PROGRESS
    runs = place.ledger.backups.runs(host="pos01", verb=Verb.RESTORE)
    assert [(each.change, each.end, each.sets) for each in runs] == [
        (number, RunEnd.DONE, (wanted,))
    ]
    notes = [str(each.body) for each in site.desk.desk(ASKER).history(number)]
    assert any("restore of" in each and "begins" in each for each in notes)
    assert any(
        "rehearsed just before at level 4" in each and "pos01/tills/fresh" in each for each in notes
    )


def test_without_a_yes_nothing_is_touched(place: ProofPlace) -> None:
    place.has(TILL, NOW - 5 * HOUR)
    site = Site(place)
    plan = planned(place, into=Into.PRODUCTION)
    for number, why in (
        (site.change(approve=False), "it is requested"),
        (site.change(hosts=("srv01",)), "pos01 is none of its configuration items"),
        (
            site.change(window=Span(starts=NOW + HOUR, ends=NOW + 9 * HOUR)),
            "the change's window begins at",
        ),
        (
            site.change(window=Span(starts=NOW, ends=NOW + HOUR)),
            "and the change's window ends before",
        ),
    ):
        with pytest.raises(Refused, match=why):
            into_production(site.parts(), plan, number)
    closed = Site(place, against="the store is open until 22:00")
    with pytest.raises(Refused, match="the store is open"):
        into_production(closed.parts(), plan, closed.change())
    assert (place.orders, site.captured) == ([], [])


def test_what_cannot_be_saved_stops_it_unless_somebody_says_why_it_cannot(
    place: ProofPlace,
) -> None:
    place.has(TILL, NOW - 5 * HOUR)
    place.answers[Verb.TAKE, ""] = failed("the database does not answer")
    site = Site(place)
    number, plan = site.change(), planned(place, into=Into.PRODUCTION)
    with pytest.raises(RunFailed, match="could not be backed up: the database does not answer"):
        into_production(site.parts(), plan, number)
    assert [each.verb for each in place.orders] == [Verb.DRILL, Verb.TAKE]
    assert site.captured == []
    place.clock.advance(timedelta(minutes=1))
    site._capture = lambda _target, _policy, change: f"{change}-point"  # type: ignore[method-assign]
    done = into_production(site.parts(), plan, number, unsaved="its disk is gone")
    assert (done.before, done.point, done.undo) == ("", f"{number}-point", "")
    notes = [str(each.body) for each in site.desk.desk(ASKER).history(number)]
    assert any("not saved: its disk is gone" in each for each in notes)


def test_a_copy_that_does_not_stand_a_rehearsal_replaces_nothing(place: ProofPlace) -> None:
    place.has(TILL, NOW - 5 * HOUR)
    place.answers[Verb.DRILL, "away"] = drilled(
        passed=False, differences=("sales: 800 rows are missing",)
    )
    site = Site(place)
    number, plan = site.change(), planned(place, into=Into.PRODUCTION)
    with pytest.raises(RunFailed, match="failed: sales: 800 rows are missing"):
        into_production(site.parts(), plan, number)
    assert [each.verb for each in place.orders] == [Verb.DRILL]
    assert site.captured == []
    notes = [str(each.body) for each in site.desk.desk(ASKER).history(number)]
    assert any("production was not touched" in each for each in notes)


def test_a_restore_that_failed_is_told_in_the_change(place: ProofPlace) -> None:
    place.has(TILL, NOW - 5 * HOUR)
    site = Site(place)
    number, plan = site.change(), planned(place, into=Into.PRODUCTION)
    place.answers[Verb.RESTORE, "away"] = failed("a pack is damaged")
    with pytest.raises(RunFailed, match="a pack is damaged") as error:
        into_production(site.parts(), plan, number)
    back = "storewarden restore pos01/tills/fresh --into production"
    assert back in error.value.hint and f"{number}-restore-tills" in error.value.hint
    (note,) = [
        str(each.body)
        for each in site.desk.desk(ASKER).history(number)
        if "failed: a pack is damaged" in str(each.body)
    ]
    assert "what was there is set pos01/tills/fresh" in note and "not touched" not in note


def test_what_was_done_to_production_is_told_in_the_change(place: ProofPlace) -> None:
    place.has(TILL, NOW - 5 * HOUR)
    site = Site(place)
    number, plan = site.change(), planned(place, into=Into.PRODUCTION)
    told = {"en": "equal to the manifest", "zh": "与清单一致"}
    place.answers[Verb.RESTORE, "away"] = JobReport(run="", end=RunEnd.DONE, notes=(told,))
    done = into_production(site.parts(), plan, number)
    assert done.notes == (("equal to the manifest", "与清单一致"),)
    notes = [str(each.body) for each in site.desk.desk(ASKER).history(number)]
    assert any("done: equal to the manifest" in each for each in notes)


def test_a_host_that_went_away_in_the_middle_is_neither_done_nor_failed(
    place: ProofPlace,
) -> None:
    place.has(TILL, NOW - 5 * HOUR)
    place.answers[Verb.RESTORE, "away"] = AWAY
    with pytest.raises(TargetUnreachable, match="no route to host"):
        into_scratch(Site(place).parts(), planned(place, into=Into.SCRATCH))
    (run,) = place.ledger.backups.runs(host="pos01", verb=Verb.RESTORE)
    assert run.end is None


def test_a_change_in_progress_goes_on_and_is_not_started_again(place: ProofPlace) -> None:
    place.has(TILL, NOW - 5 * HOUR)
    site = Site(place)
    number = site.change()
    site.desk.desk(ASKER).act(number, "start", Start())
    done = into_production(site.parts(), planned(place, into=Into.PRODUCTION), number)
    assert done.report.end is RunEnd.DONE


def test_files_are_captured_and_databases_are_moved_aside_by_their_method() -> None:
    files = replace(POLICY, method=Method.FILES, source={"paths": ["/etc/pos", "/srv/pos"]})
    assert items_of(files) == (
        {"kind": "tree", "path": "/etc/pos"},
        {"kind": "tree", "path": "/srv/pos"},
    )
    sqlite = replace(POLICY, source={"path": "/var/lib/pos/pos.db"})
    assert [each["path"] for each in items_of(sqlite)] == [
        "/var/lib/pos/pos.db",
        "/var/lib/pos/pos.db-wal",
        "/var/lib/pos/pos.db-shm",
    ]
    assert items_of(replace(POLICY, method=Method.PGBACKREST)) == ()


def test_the_ledger_in_use_is_not_replaced_and_the_line_says_what_to_do(place: ProofPlace) -> None:
    place.has(TILL, NOW - HOUR)
    ledger = {"tills": replace(POLICY, method=Method.LEDGER)}
    with pytest.raises(Refused) as refusal:
        plan_restore(place.ledger.backups, ledger, WISH, NOW, Into.PRODUCTION)
    assert "--into scratch" in refusal.value.hint
    assert "storewarden ledger restore" in refusal.value.hint
    for into in (None, Into.SCRATCH):
        assert plan_restore(place.ledger.backups, ledger, WISH, NOW, into).steps
