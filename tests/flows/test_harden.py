# SPDX-License-Identifier: GPL-3.0-or-later
"""Hardening from the plan to the note on the change, over a fleet that really changes."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from storewarden.domain.baseline.control import Risk
from storewarden.domain.baseline.harden import HostState
from storewarden.domain.baseline.harden_choice import Why
from storewarden.domain.baseline.waiver import Scope, Waiver
from storewarden.domain.change.commands import Approve, Circumstances, Pause
from storewarden.domain.change.record import KeyStep, Outcome, Span, Standing, State
from storewarden.domain.errors import ConfigInvalid, Refused
from storewarden.flows.drift_reasons import with_reasons
from storewarden.flows.harden_progress import Step
from storewarden.flows.harden_ready import FIX
from storewarden.flows.harden_status import worked
from storewarden.ports.runner import LeaseMode
from tests.flows.desk_place import ASKER, HEAD, START
from tests.flows.harden_place import HardenPlace


def waiver(ident: str) -> Waiver:
    return Waiver(
        control=ident,
        scope=Scope(hosts=frozenset({"pos01"})),
        justification="the till's vendor",
        approvers=("sec", "lead"),
        ticket="T-1",
        compensating="watched",
        approved=date(2026, 5, 20),
        expires=date(2026, 6, 10),
        accepted="bad",
        source="w.yml:1",
    )


def lost(_host: str, group: str) -> dict[str, object] | None:
    """Every ssh group goes away and does not come back."""
    if group != "ssh":
        return None
    point = "GMBG-20260601-001-ssh-00000001"
    return {"outcome": "lost", "restore_point": point, "controls": [{"id": "B02"}]}


# -- plan ------------------------------------------------------------------------


def test_a_plan_says_of_every_control_what_is_done_about_it() -> None:
    place = HardenPlace(pos01={"A01", "B02", "B03", "M01"}, pos02=set(), srv01=set())
    place.waivers = (waiver("A01"),)
    report = place.plan(max_risk=Risk.R1)
    found = {each.control.id: (each.why, each.until) for each in report.choices["pos01"]}
    assert found == {
        "A01": (Why.WAIVED, date(2026, 6, 10)),
        "B02": (Why.FIX, None),
        "B03": (Why.RISK, None),
        "C01": (Why.PASS, None),
        "M01": (Why.MANUAL, None),
    }
    groups = {each.group: each for each in report.hosts[0].groups}
    assert groups["ssh"].outcome.value == "planned"
    assert [fix.control for fix in groups["ssh"].controls] == ["B02"]
    assert groups["ssh"].controls[0].reloads == ("ssh",)
    assert report.hosts[1].state is HostState.NOTHING
    assert report.expected is not None
    assert report.before is not None
    now = report.before.scores.fleet.score.effective
    assert now is not None
    assert report.expected > now


def test_a_plan_only_looks() -> None:
    place = HardenPlace()
    report = place.plan()
    run = place.runner.started[-1]
    assert (run.playbook, run.lease) == (FIX, LeaseMode.SHARED)
    assert run.variables["baseline_fix_plan_only"] is True
    assert place.fleet.failing["pos01"] == {"B02", "C01"}
    assert report.needs is not None
    assert report.needs >= timedelta(minutes=5)
    assert [e.kind for e in place.ledger.journal() if e.kind.startswith("harden")] == []
    assert place.runner.recover() == ()


def test_a_plan_for_a_change_looks_at_its_hosts_alone() -> None:
    place = HardenPlace()
    number = place.change().number
    assert [host.host for host in place.plan(number).hosts] == ["pos01", "pos02"]


# -- start -----------------------------------------------------------------------


def test_a_start_fixes_looks_again_and_tells_the_change() -> None:
    place = HardenPlace()
    number = place.change().number
    report = place.start(number)
    assert place.fleet.failing["pos01"] == place.fleet.failing["pos02"] == set()
    assert place.fleet.failing["srv01"] == {"B02", "C01"}  # none of its items
    assert report.conclusion.well == ("pos01", "pos02")
    assert report.state == State.IN_PROGRESS.value
    change = place.desk(ASKER).change(number)
    assert (change.started_by, len(change.evidence)) == ("op.one", 1)
    assert change.evidence[0].name == f"harden-{number}.1.html"
    assert "2 hosts as required" in place.notes(number)[0]
    assert "-> 100.0 %" in place.notes(number)[0]
    assert place.ledger.verify().problems == ()
    assert place.runner.recover() == ()


def test_a_run_is_told_exactly_what_to_fix_and_fences_itself() -> None:
    place = HardenPlace(pos01={"B02", "M01"}, pos02={"C01"})
    place.waivers = (waiver("B02"),)
    number = place.change().number
    place.start(number)
    (run,) = [run for run in place.runner.started if run.playbook == FIX]
    assert dict(run.inventory.hosts["pos02"])["baseline_fix_controls"] == ["C01"]
    assert list(run.inventory.hosts) == ["pos02"]  # all of pos01 is waived or manual
    assert run.lease is LeaseMode.EXCLUSIVE
    assert run.variables["baseline_fix_change"] == number
    (tale,) = place.status(number).sessions
    assert run.variables["baseline_fix_epoch"] == tale.epoch == int(tale.at.timestamp())


def test_epochs_only_rise_also_within_one_second_and_when_the_clock_goes_back() -> None:
    place = HardenPlace()
    number = place.change().number
    place.start(number)
    place.clock.advance(timedelta(hours=-1))
    place.undo(number)
    first, second = (tale.epoch for tale in place.status(number).sessions)
    assert second == first + 1


def test_a_second_start_finds_nothing_to_do_and_touches_nobody() -> None:
    place = HardenPlace()
    number = place.change().number
    place.start(number)
    again = place.start(number)
    assert (again.session, again.conclusion.good) == ("", True)
    assert {host.state for host in again.hosts} == {HostState.NOTHING}
    assert len([run for run in place.runner.started if run.playbook == FIX]) == 2  # pos01 first
    assert len(place.status(number).sessions) == 1


def test_nothing_to_fix_does_not_start_the_change() -> None:
    place = HardenPlace(pos01=set(), pos02=set())
    number = place.change().number
    assert place.start(number).state == State.APPROVED.value
    assert place.desk(ASKER).change(number).state is State.APPROVED


def test_finish_closes_as_successful_only_when_every_host_is_as_required() -> None:
    place = HardenPlace()
    number = place.change().number
    report = place.start(number, finish=True)
    assert report.outcome == Outcome.SUCCESSFUL.value
    assert place.desk(ASKER).change(number).state is State.CLOSED
    other = HardenPlace()
    other.fleet.act = lost
    number = other.change().number
    report = other.start(number, finish=True)
    assert (report.outcome, report.state) == ("", State.IN_PROGRESS.value)
    assert report.conclusion.open == ("pos01",)
    assert report.conclusion.untouched == ("pos02",)
    assert "look at: pos01" in other.notes(number)[0]


def test_what_a_host_refuses_or_takes_back_is_told_with_its_reason() -> None:
    place = HardenPlace()
    reason = {"en": "root would be locked out", "zh": "root 将被锁定"}

    def act(host: str, group: str) -> dict[str, object] | None:
        told = {"outcome": "refused", "reason": reason, "controls": [{"id": "B02"}]}
        return told if (host, group) == ("pos01", "ssh") else None

    place.fleet.act = act
    report = place.start(place.change().number)
    assert (report.conclusion.missed, report.conclusion.well) == (("pos01",), ("pos02",))
    (group,) = [each for each in report.hosts[0].groups if each.group == "ssh"]
    assert group.reason["en"] == "root would be locked out"
    shown = [each for each in place.shown if each.step is Step.GROUP and each.host == "pos01"]
    assert ("ssh", "refused", "root would be locked out") in [
        (each.group, each.state, each.message) for each in shown
    ]


def test_a_control_that_still_fails_afterwards_is_not_called_well() -> None:
    place = HardenPlace()

    def act(_host: str, group: str) -> dict[str, object] | None:
        made = {"outcome": "fixed", "restore_point": "x-ssh-00000000", "controls": [{"id": "B02"}]}
        return made if group == "ssh" else None

    place.fleet.act = act
    report = place.start(place.change().number, finish=True)
    assert report.hosts[0].still == ("B02",)
    assert report.conclusion.missed == ("pos01", "pos02")
    assert report.outcome == ""


def test_the_drift_of_a_hardening_is_explained_by_its_change() -> None:
    place = HardenPlace()
    number = place.change().number
    place.plan()  # a first audit, so that the fix is drift
    report = place.start(number)
    assert report.after is not None
    assert len(report.after.drift) == 4
    change = place.desk(ASKER).change(number)
    assert change.started_at is not None
    assert all(each.at >= change.started_at for each in report.after.drift)


def test_an_unreachable_host_is_left_alone_and_named() -> None:
    place = HardenPlace()
    place.fleet.gone = {"pos02"}
    report = place.start(place.change().number)
    assert (report.conclusion.well, report.conclusion.untouched) == (("pos01",), ("pos02",))
    assert report.hosts[1].state is HostState.NOT_AUDITED


# -- refusals --------------------------------------------------------------------


def test_what_is_refused_before_a_host_is_touched() -> None:
    place = HardenPlace()
    number = place.change(approved=False).number
    with pytest.raises(Refused, match="it is requested"):
        place.start(number)
    place.desk(HEAD).act(number, "yes", Approve())
    with pytest.raises(Refused, match="none of its configuration items: srv01"):
        place.start(number, limit="srv01")
    place.windows = Circumstances(forbidden="the store is open", hint="wait until 22:30")
    with pytest.raises(Refused, match="the store is open"):
        place.start(number)
    place.windows = Circumstances()
    with pytest.raises(ConfigInvalid, match="30 to 3600 s"):
        place.start(number, deadline=timedelta(seconds=5))
    place.start(number)
    place.desk(ASKER).act(number, "p", Pause(reason="odd"))
    with pytest.raises(Refused, match="it is paused"):
        place.start(number)
    assert [run.playbook for run in place.runner.started].count(FIX) == 2


@pytest.mark.parametrize("operation", ["release", "schema-change", "audit"])
def test_an_operation_class_that_does_not_cover_hardening(operation: str) -> None:
    place = HardenPlace()
    number = place.change(operation=operation).number
    with pytest.raises(Refused, match="does not cover hardening"):
        place.start(number)
    assert place.runner.started == []


def test_the_end_must_fit_into_the_changes_window() -> None:
    place = HardenPlace()
    window = Span(starts=START, ends=START + timedelta(minutes=7))
    number = place.change(window=window).number
    with pytest.raises(Refused, match="may take 9 min"):
        place.start(number)
    # fewer groups and a shorter deadline fit
    assert place.start(number, deadline=timedelta(seconds=60)).conclusion.good


def test_windows_are_asked_with_the_time_that_the_work_needs() -> None:
    place = HardenPlace()
    place.start(place.change().number)
    # two audits, three groups (pam, ssh, sysctl) for the first host and for the other, the deadline
    assert place.asked_time[0] == timedelta(minutes=2, seconds=2 * 60) + timedelta(minutes=5)


def test_steps_of_two_people_come_first_unless_they_follow_the_hardening() -> None:
    place = HardenPlace()
    steps = (KeyStep(name="database backup", two_person=True), KeyStep(name="harden"))
    number = place.change(steps=steps).number
    with pytest.raises(Refused, match="'database backup' is not done"):
        place.start(number)
    after = (KeyStep(name="harden"), KeyStep(name="sell something", two_person=True))
    number = place.change(steps=after).number
    assert place.start(number).conclusion.good
    done = {step.name: step.done_by for step in place.desk(ASKER).change(number).steps}
    assert done == {"harden": "op.one", "sell something": ""}


def test_nobody_hardens_twice_at_once_on_one_change() -> None:
    place = HardenPlace()
    number = place.change().number
    place.held.add(f"harden {number}")
    with pytest.raises(Refused, match="somebody hardens"):
        place.start(number)


# -- standing changes ------------------------------------------------------------


def test_a_standing_change_gets_a_run_and_is_never_started() -> None:
    place = HardenPlace()
    standing = Standing(action="forced fix", until=START + timedelta(days=30))
    number = place.change(standing=standing).number
    place.clock.advance(timedelta(seconds=1))
    report = place.start(number)
    change = place.desk(ASKER).change(number)
    assert (change.state, report.troubles) == (State.APPROVED, ())
    assert change.standing is not None
    assert (change.standing.runs, change.standing.failures) == (1, 0)
    place.fleet.failing["pos01"] = {"B02"}
    place.fleet.act = lost
    place.start(number)
    change = place.desk(ASKER).change(number)
    assert change.standing is not None
    assert (change.standing.runs, change.standing.failures) == (2, 1)


def test_the_drift_of_a_standing_run_is_explained_although_it_is_never_started() -> None:
    place = HardenPlace()
    standing = Standing(action="forced fix", until=START + timedelta(days=30))
    number = place.change(standing=standing).number
    place.plan()
    report = place.start(number)
    assert report.after is not None
    told = with_reasons(
        report.after, place.ledger.changes, lambda each: worked(place.ledger, each.number)
    )
    assert {drift.change for drift in told.drift} == {number}
    assert {d.change for d in with_reasons(report.after, place.ledger.changes).drift} == {""}


def test_a_standing_change_that_ran_out_covers_nothing() -> None:
    place = HardenPlace()
    standing = Standing(action="forced fix", until=START + timedelta(days=30))
    number = place.change(standing=standing).number
    place.clock.advance(timedelta(days=31))
    with pytest.raises(Refused, match="the standing change ended"):
        place.start(number)
