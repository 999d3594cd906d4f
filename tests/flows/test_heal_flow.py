# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of alerts: held down, decided once, repaired, verified, or a person's."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from storewarden.domain.errors import AdapterError
from storewarden.domain.healing.alert import Signal
from storewarden.domain.healing.pause import Pause
from storewarden.domain.healing.policy import HealPolicy
from storewarden.domain.healing.record import Stage
from storewarden.domain.healing.rule import Mode
from storewarden.domain.healing.world import Maintenance, Standing
from storewarden.testing.alerts import MemorySource
from tests.flows.heal_place import HealPlace

MINUTE = timedelta(minutes=1)


@pytest.fixture
def place(tmp_path: Path) -> HealPlace:
    return HealPlace(tmp_path)


def _stages(place: HealPlace) -> list[Stage]:
    return [each.stage for each in place.alerts()]


def test_an_alert_is_held_down_repaired_and_verified_twice(place: HealPlace) -> None:
    place.send("pos-001-1")
    place.pass_time(timedelta(seconds=50))
    assert _stages(place) == [Stage.WAITING] and place.repaired == []
    place.pass_time(MINUTE)
    assert _stages(place) == [Stage.VERIFYING] and place.repaired == ["pos-001-1"]
    place.send("pos-001-1", over=True)
    place.pass_time(2 * MINUTE)
    assert _stages(place) == [Stage.HEALED] and place.repaired == ["pos-001-1"]
    assert place.ledger.verify().problems == ()


def test_what_is_over_within_the_hold_down_is_left_alone(place: HealPlace) -> None:
    place.send("pos-001-1")
    place.pass_time(timedelta(seconds=30))
    place.send("pos-001-1", over=True)
    place.pass_time(5 * MINUTE)
    assert _stages(place) == [Stage.GONE] and place.repaired == []


def test_what_does_not_become_quiet_goes_to_a_person(place: HealPlace) -> None:
    place.send("pos-001-1")
    place.pass_time(20 * MINUTE)
    assert _stages(place) == [Stage.ESCALATED] and place.repaired == ["pos-001-1"]


def test_a_failed_repair_goes_to_a_person_and_is_not_tried_again(place: HealPlace) -> None:
    place.ends["pos-001-1"] = "failed"
    place.send("pos-001-1")
    place.pass_time(20 * MINUTE)
    assert _stages(place) == [Stage.ESCALATED] and place.repaired == ["pos-001-1"]


def test_a_storm_repairs_nobody_and_is_one_incident(place: HealPlace) -> None:
    """Ten stores report one broken till each in the same minute."""
    place.send(*(f"pos-{store:03}-1" for store in range(1, 11)))
    place.pass_time(5 * MINUTE)
    assert place.repaired == []
    assert Counter(_stages(place)) == {Stage.ASKING: 10}
    incidents = {each.decision.incident for each in place.alerts() if each.decision}
    assert incidents == {"storm:pos-down"}
    place.pass_time(timedelta(hours=1))
    assert place.repaired == [] and set(_stages(place)) == {Stage.ESCALATED}


def test_the_same_alert_however_often_is_one_repair(place: HealPlace) -> None:
    for _again in range(5):
        place.send("pos-001-1")
        place.pass_time(MINUTE)
    assert place.repaired == ["pos-001-1"] and len(place.alerts()) == 1


def test_the_kill_switch_holds_for_repairs(place: HealPlace) -> None:
    place.stopped = "stopped by wang: burst pipe"
    place.send("pos-001-1")
    place.pass_time(5 * MINUTE)
    assert place.repaired == []


def test_what_the_standing_change_does_not_cover_is_a_persons(place: HealPlace) -> None:
    """The other host of the same moment is repaired all the same."""
    place.against["pos-001-1"] = "none of its configuration items: pos-001-1"
    place.send("pos-001-1", "pos-002-1")
    place.pass_time(2 * MINUTE)
    assert _stages(place) == [Stage.ESCALATED, Stage.VERIFYING] and place.repaired == ["pos-002-1"]
    decision = place.alerts()[0].decision
    assert decision is not None and "none of its configuration items" in decision.reasons[0].en


def test_mode_observe_only_says_what_it_would_do(tmp_path: Path) -> None:
    place = HealPlace(tmp_path, standing=Standing(mode=Mode.OBSERVE, change="GMBG-20260101-001"))
    place.send("pos-001-1")
    place.pass_time(5 * MINUTE)
    assert _stages(place) == [Stage.OBSERVED] and place.repaired == []


def test_two_controllers_after_each_other_repair_once(place: HealPlace) -> None:
    """Killed with the decision recorded: the next one runs that repair, and no other."""
    place.send("pos-001-1", "pos-002-1")
    place.pass_time(timedelta(seconds=61))
    place.restart()
    place.pass_time(MINUTE)
    assert sorted(place.repaired) == ["pos-001-1", "pos-002-1"]
    (repair,) = place.ledger.alerts.repairs()
    assert repair.ended_at is not None


def test_a_thousand_alerts_are_each_decided_once(place: HealPlace) -> None:
    """Most of them name nobody of ours."""
    place.send("pos-001-1", *(f"stranger-{number}" for number in range(1200)))
    place.pass_time(timedelta(seconds=5))
    assert Counter(_stages(place)) == {Stage.WAITING: 1, Stage.REFUSED: 1200}
    decided = [
        entry
        for each in place.alerts()[1:4]
        for entry in place.ledger.alerts.history(each.key)
        if entry.kind == "alert decided"
    ]
    assert len(decided) == 3
    assert place.ledger.verify().problems == ()


def test_an_answer_from_before_an_alert_says_nothing_of_it(tmp_path: Path) -> None:
    """The sender was asked about the first till a moment before the second one's alert came."""
    source = MemorySource(name="shop")
    place = HealPlace(tmp_path, source=source)
    for host in ("pos-001-1", "pos-002-1"):
        place.send(host)
        source.alerts.append(place.alert(host))
        place.pass_time(timedelta(seconds=2))
    place.pass_time(2 * MINUTE)
    assert sorted(place.repaired) == ["pos-001-1", "pos-002-1"]


def test_what_its_sender_has_silenced_is_not_repaired(tmp_path: Path) -> None:
    source = MemorySource(name="shop")
    place = HealPlace(tmp_path, source=source)
    place.send("pos-001-1")
    source.alerts.append(replace(place.alert("pos-001-1"), signal=Signal.NOTED))
    place.pass_time(10 * MINUTE)
    assert place.repaired == []


def test_what_its_sender_no_longer_has_is_over(tmp_path: Path) -> None:
    place = HealPlace(tmp_path, source=MemorySource(name="shop"))
    place.send("pos-001-1")
    place.pass_time(5 * MINUTE)
    assert _stages(place) == [Stage.GONE] and place.repaired == []


def test_a_service_that_fails_anew_at_once_is_not_healed(tmp_path: Path) -> None:
    """It crash-loops: its alert ends, and begins again with another start."""
    source = MemorySource(name="shop")
    place = HealPlace(tmp_path, source=source)
    place.send("pos-001-1")
    source.alerts.append(place.alert("pos-001-1"))
    place.pass_time(MINUTE + timedelta(seconds=30))
    assert place.repaired == ["pos-001-1"]
    again = replace(place.alert("pos-001-1"), starts_at=place.clock.now())
    source.alerts[:] = [again]
    place.send("pos-001-1", over=True)
    place.pass_time(12 * MINUTE)
    assert _stages(place) == [Stage.ESCALATED]


def test_one_host_that_is_not_well_says_nothing_of_the_others(tmp_path: Path) -> None:
    """Four tills in one repair; one fails, three are verified: the action goes on elsewhere."""
    place = HealPlace(tmp_path, policy=HealPolicy(hosts_hour=50, hosts_day=50))
    hosts = [f"pos-{store:03}-1" for store in range(1, 5)]
    place.ends[hosts[0]] = "failed"
    place.send(*hosts)
    place.pass_time(MINUTE + timedelta(seconds=30))
    place.send(*hosts[1:], over=True)
    place.pass_time(2 * MINUTE)
    assert Counter(_stages(place)) == {Stage.ESCALATED: 1, Stage.HEALED: 3}
    place.send("pos-009-1")
    place.pass_time(2 * MINUTE)
    assert place.repaired[-1] == "pos-009-1"


def _kinds(place: HealPlace, key: str) -> list[str]:
    return [each.kind for each in place.ledger.alerts.history(key)]


def test_what_waits_is_looked_at_ever_less_often(tmp_path: Path) -> None:
    """Its sender does not answer: at 1, 1.5, 2.5, 4.5, 8.5 and 12.5 minutes, not each half one."""
    source = MemorySource(name="shop", trouble=AdapterError("away"))
    place = HealPlace(tmp_path, source=source)
    (key,) = place.send("pos-001-1")
    place.pass_time(13 * MINUTE)
    assert _stages(place) == [Stage.WAITING]
    assert _kinds(place, key).count("alert decided") <= 7
    place.pass_time(4 * MINUTE)
    assert _stages(place) == [Stage.ESCALATED], "and a person has it before it is stale"


def test_what_waits_counts_as_work_to_come(place: HealPlace) -> None:
    """Senders are told to come again when too much waits, decided about or not."""
    place.send("pos-001-1", "pos-002-1", "stranger")
    assert place.ledger.alerts.backlog() == 3
    place.pass_time(timedelta(seconds=5))
    assert place.ledger.alerts.backlog() == 2


def test_the_world_is_gathered_once_for_many_rounds(place: HealPlace) -> None:
    """272 alerts are decided in three rounds of one tick."""
    asked: list[datetime] = []
    place.asks_standings = asked.append
    place.send(*(f"pos-{store:03}-{till}" for store in range(1, 13) for till in range(1, 7)))
    place.send(*(f"stranger-{number}" for number in range(200)))
    place.engine.wake("healing")
    place.engine.pass_time(timedelta(seconds=1))
    assert len(asked) <= 2


def test_rounds_of_one_tick_share_the_places(tmp_path: Path) -> None:
    """What the first round gave away, the second one does not give again."""
    few = HealPolicy(hosts_hour=50, hosts_day=50, hosts_10min=2, storm_hosts=100, fault_hosts=9)
    place = HealPlace(tmp_path, policy=few)
    place.send("pos-001-1", "pos-002-1")
    place.send(*(f"stranger-{number}" for number in range(110)))
    place.send("pos-003-1", "pos-004-1")
    place.pass_time(2 * MINUTE)
    assert len(place.repaired) == 2


def test_a_till_that_stays_down_when_its_store_is_back_is_repaired(place: HealPlace) -> None:
    """The store's line was down: its hosts alert at once, and all but one are well again."""
    hosts = [f"pos-001-{till}" for till in range(1, 5)]
    place.send(*hosts)
    place.pass_time(2 * MINUTE)
    assert set(_stages(place)) == {Stage.SUPPRESSED} and place.repaired == []
    place.send(*hosts[1:], over=True)
    place.pass_time(30 * MINUTE)
    assert place.repaired == hosts[:1]
    assert Counter(_stages(place))[Stage.GONE] == 3


def test_a_store_that_stays_down_is_held_back_for_as_long(place: HealPlace) -> None:
    """Nobody is called for each of its hosts, and looks become rare."""
    keys = place.send(*(f"pos-001-{till}" for till in range(1, 5)))
    place.pass_time(timedelta(minutes=100))
    assert set(_stages(place)) == {Stage.SUPPRESSED} and place.repaired == []
    assert _kinds(place, keys[0]).count("alert decided") < 10


def test_what_was_silenced_is_repaired_when_the_silence_is_over(tmp_path: Path) -> None:
    source = MemorySource(name="shop")
    place = HealPlace(tmp_path, source=source)
    place.send("pos-001-1")
    source.alerts[:] = [replace(place.alert("pos-001-1"), signal=Signal.NOTED)]
    place.pass_time(20 * MINUTE)
    assert _stages(place) == [Stage.SUPPRESSED] and place.repaired == []
    source.alerts[:] = [place.alert("pos-001-1")]
    place.pass_time(20 * MINUTE)
    assert place.repaired == ["pos-001-1"]


def test_after_a_maintenance_its_hosts_are_taken_up_again(place: HealPlace) -> None:
    now = place.clock.now()
    work = Maintenance(why="GMBG-1", starts=now - MINUTE, ends=now + 30 * MINUTE)
    place.works["pos-001-1"] = work
    place.send("pos-001-1")
    place.pass_time(39 * MINUTE)
    assert _stages(place) == [Stage.SUPPRESSED] and place.repaired == []
    place.pass_time(10 * MINUTE)
    assert place.repaired == ["pos-001-1"], "within 10 min of grace and 5 min of ramp"


def test_a_pause_holds_until_its_moment(place: HealPlace) -> None:
    now = place.clock.now()
    until = now + 5 * MINUTE
    place.pauses.append(Pause(what="rule:pos-down", by="wang", at=now, reason="x", until=until))
    place.send("pos-001-1")
    place.pass_time(2 * MINUTE)
    assert _stages(place) == [Stage.ESCALATED]
    place.pass_time(5 * MINUTE)
    place.send("pos-002-1")
    place.pass_time(2 * MINUTE)
    assert place.repaired == ["pos-002-1"]


def test_what_was_called_over_and_fires_on_is_decided_about_again(place: HealPlace) -> None:
    """Alertmanager lost Prometheus for five minutes, and called everything over."""
    place.send("pos-001-1")
    place.pass_time(timedelta(seconds=30))
    place.send("pos-001-1", over=True)
    place.pass_time(3 * MINUTE)
    assert _stages(place) == [Stage.GONE]
    assert len(place.send("pos-001-1")) == 1
    place.pass_time(2 * MINUTE)
    assert place.repaired == ["pos-001-1"]
    assert place.ledger.verify().problems == ()


def test_what_was_healed_and_fires_on_goes_to_a_person(place: HealPlace) -> None:
    """Its host was just repaired for it: once more would be the same."""
    place.send("pos-001-1")
    place.pass_time(2 * MINUTE)
    place.send("pos-001-1", over=True)
    place.pass_time(2 * MINUTE)
    assert _stages(place) == [Stage.HEALED]
    place.pass_time(2 * MINUTE)
    place.send("pos-001-1")
    place.pass_time(5 * MINUTE)
    assert _stages(place) == [Stage.ESCALATED] and place.repaired == ["pos-001-1"]


def test_one_alert_that_nobody_can_decide_about_stops_no_other(place: HealPlace) -> None:
    place.poison = "pos-002-1"
    place.send("pos-001-1", "pos-002-1", "pos-003-1")
    place.pass_time(2 * MINUTE)
    assert place.repaired == ["pos-001-1", "pos-003-1"]
    spoilt = place.alerts()[1]
    assert spoilt.stage is Stage.ESCALATED
    assert spoilt.decision is not None and spoilt.decision.reasons[0].guard == "fault"
