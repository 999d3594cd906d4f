# SPDX-License-Identifier: GPL-3.0-or-later
"""Right before a repair and right after it: what has changed meanwhile, and who says it is well."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import time, timedelta
from pathlib import Path

import pytest

from storewarden.domain.healing.action import VerifyBy
from storewarden.domain.healing.alert import Alert, Delivery
from storewarden.domain.healing.policy import HealPolicy
from storewarden.domain.healing.record import Stage
from storewarden.ports.runner import PlaybookRun
from storewarden.testing.alerts import MemorySource
from tests.flows.heal_place import HealPlace

MINUTE = timedelta(minutes=1)


@pytest.fixture
def place(tmp_path: Path) -> HealPlace:
    return HealPlace(tmp_path)


def _stages(place: HealPlace) -> list[Stage]:
    return [each.stage for each in place.alerts()]


def test_a_rollout_that_came_first_is_not_run_into(place: HealPlace) -> None:
    """Between decision and start another run has taken the host: it waits, and that is no try."""
    place.hold_repairs()
    place.send("pos-001-1")
    place.pass_time(MINUTE + timedelta(seconds=5))
    assert _stages(place) == [Stage.ACTING]
    other = place.runner.start(
        PlaybookRun(
            playbook="x", inventory=place.inventory("pos-001-1"), owner="rollout", label="R"
        )
    )
    place.let_repairs_go()
    place.pass_time(timedelta(seconds=10))
    assert place.repaired == ["pos-001-1"] and place.runner.started[0].owner == "rollout"
    (occurrence,) = place.alerts()
    assert (occurrence.stage, occurrence.tries) == (Stage.WAITING, 0)
    place.runner.cancel(other)
    place.pass_time(3 * MINUTE)
    assert [each.owner for each in place.runner.started] == ["rollout", "repair"]


def test_who_works_on_a_host_is_told_from_who_reads_or_tries_something_there(
    place: HealPlace,
) -> None:
    """A hardening is maintenance; an audit is not, and an experiment is there to be healed."""
    for number, owner in enumerate(("harden", "audit", "chaos"), 1):
        hosts = place.inventory(f"pos-00{number}-1")
        place.runner.start(PlaybookRun(playbook="x", inventory=hosts, owner=owner, label="x"))
    place.send("pos-002-1", "pos-003-1", "pos-004-1")
    place.pass_time(MINUTE + timedelta(seconds=5))
    assert place.sessions == {"pos-001-1": "harden"}
    assert place.repaired[3:] == ["pos-004-1"], "the others are busy for the moment"


def test_a_change_that_was_withdrawn_meanwhile_is_not_run_under(place: HealPlace) -> None:
    """Of two hosts in one repair the other one goes."""
    place.hold_repairs()
    place.send("pos-001-1", "pos-002-1")
    place.pass_time(MINUTE + timedelta(seconds=5))
    place.against["pos-001-1"] = "withdrawn"
    place.let_repairs_go()
    place.pass_time(timedelta(seconds=10))
    assert place.repaired == ["pos-002-1"]
    place.pass_time(2 * MINUTE)
    assert _stages(place)[0] is Stage.ESCALATED


def test_a_repair_is_announced_as_it_was_decided(place: HealPlace) -> None:
    """Its hosts are made ready while it is asked again; those that it loses there are not run."""
    place.hold_repairs()
    place.send("pos-001-1", "pos-002-1")
    place.pass_time(MINUTE + timedelta(seconds=5))
    assert place.runner.announced == []
    place.against["pos-001-1"] = "withdrawn"
    place.let_repairs_go()
    place.pass_time(timedelta(seconds=10))
    (announced,), (run,) = place.runner.announced, place.runner.started
    assert set(announced.inventory.hosts) == {"pos-001-1", "pos-002-1"}
    assert (announced.owner, announced.label) == (run.owner, run.label)


def test_what_the_kill_switch_holds_is_not_announced(place: HealPlace) -> None:
    place.hold_repairs()
    place.send("pos-001-1")
    place.pass_time(MINUTE + timedelta(seconds=5))
    place.stopped = "everything stands still"
    place.let_repairs_go()
    place.pass_time(timedelta(seconds=10))
    assert (place.runner.announced, place.runner.started) == ([], [])


def test_an_alert_that_ended_meanwhile_is_not_repaired(place: HealPlace) -> None:
    place.hold_repairs()
    place.send("pos-001-1")
    place.pass_time(MINUTE + timedelta(seconds=5))
    place.send("pos-001-1", over=True)
    place.let_repairs_go()
    place.pass_time(2 * MINUTE)
    assert place.repaired == [] and _stages(place) == [Stage.GONE]
    assert place.told == [], "a run that never began is none"


@pytest.mark.parametrize(
    ("busy", "said"),
    [(("00:00", "00:00"), ""), (("00:00", "23:59"), "it is 02:01 in the store")],
)
def test_what_a_diagnosis_may_make_of_it_is_asked_again(
    tmp_path: Path, busy: tuple[str, str], said: str
) -> None:
    """To start what is down is allowed at any hour; restarting what is up is not, and the host is
    told so before anybody knows which of them it will be."""
    begin, end = map(time.fromisoformat, busy)
    place = HealPlace(tmp_path, policy=HealPolicy(busy_from=begin, busy_to=end))
    place.send("pos-001-1")
    place.pass_time(2 * MINUTE)
    (run,) = place.runner.started
    closed = run.variables["heal_closed"]
    assert isinstance(closed, dict)
    if not said:
        assert closed == {}
        return
    assert set(closed["pos-001-1"]) == {"service-restart"}
    assert said in closed["pos-001-1"]["service-restart"]["en"]
    assert "02:01" in closed["pos-001-1"]["service-restart"]["zh"]


def test_a_window_that_is_closed_closes_the_work_that_needs_it(tmp_path: Path) -> None:
    """At noon nobody restarts what works, whatever the site says about its busy hours."""
    place = HealPlace(tmp_path, policy=HealPolicy(busy_from=time(0), busy_to=time(0)))
    place.clock.advance(10 * timedelta(hours=1))
    now = replace(place.alert("pos-001-1"), starts_at=place.clock.now())
    delivery = Delivery(source="shop", alerts=(now,))
    place.ledger.alerts.receive(delivery, place.clock.now())
    place.pass_time(2 * MINUTE)
    (run,) = place.runner.started
    closed = run.variables["heal_closed"]
    assert isinstance(closed, dict)
    assert "is not allowed now: " in closed["pos-001-1"]["service-restart"]["en"]


def test_each_repair_is_told_to_its_standing_change(place: HealPlace) -> None:
    place.send("pos-001-1")
    place.pass_time(2 * MINUTE)
    (repair,) = place.ledger.alerts.repairs()
    assert place.told == [repair.id]


def test_where_the_host_alone_can_tell_it_is_believed_twice(tmp_path: Path) -> None:
    """A sender that cannot be asked, and never says that anything is over."""
    place = HealPlace(tmp_path, verify=VerifyBy.HOST)
    place.send("pos-001-1")
    place.pass_time(MINUTE + timedelta(seconds=20))
    assert _stages(place) == [Stage.VERIFYING]
    place.pass_time(MINUTE)
    assert _stages(place) == [Stage.HEALED]


def test_a_host_that_says_it_is_well_is_not_believed_against_its_alert(tmp_path: Path) -> None:
    source = MemorySource(name="shop")
    place = HealPlace(tmp_path, source=source, verify=VerifyBy.HOST)
    source.alerts.append(place.alert("pos-001-1"))
    place.send("pos-001-1")
    place.pass_time(14 * MINUTE)
    assert _stages(place) == [Stage.ESCALATED]


@dataclass(slots=True)
class _Expression:
    """An AlertCheck that a test writes."""

    says: bool | None

    def holds(self, alert: Alert, hosts: tuple[str, ...]) -> dict[str, bool | None]:
        """The same of every host."""
        return dict.fromkeys(hosts, self.says)


@pytest.mark.parametrize(
    ("says", "stage"),
    [(False, Stage.HEALED), (True, Stage.ESCALATED), (None, Stage.ESCALATED)],
)
def test_the_alerts_own_expression_is_believed_before_its_sender(
    tmp_path: Path, says: bool | None, stage: Stage
) -> None:
    """The sender lists it for minutes after it is quiet; who does not answer says nothing."""
    source = MemorySource(name="shop")
    place = HealPlace(tmp_path, source=source, expressions=_Expression(says))
    source.alerts.append(place.alert("pos-001-1"))
    place.send("pos-001-1")
    place.pass_time(13 * MINUTE)
    assert place.repaired == ["pos-001-1"] and _stages(place) == [stage]
