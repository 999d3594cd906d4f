# SPDX-License-Identifier: GPL-3.0-or-later
"""The driver's pieces: what hosts say, what windows say to stores, gates that hang, words."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from storewarden.domain.change.record import Kind, Span
from storewarden.domain.errors import ConfigInvalid, Refused
from storewarden.domain.gates.verdict import Outcome
from storewarden.domain.maintenance.almanac import Almanac
from storewarden.domain.maintenance.calendar import Calendar, House
from storewarden.domain.maintenance.grounds import OperationClass
from storewarden.domain.rollout.events import HostReport, Report
from storewarden.domain.rollout.facts import StoreWindow
from storewarden.domain.rollout.record import Cause, Dispatch, Phase, Rollback, RolloutState
from storewarden.domain.rollout.spec import Reversibility
from storewarden.flows.rollout_gates import bounded
from storewarden.flows.rollout_parts import ENDING, SHARD, kind_of
from storewarden.flows.rollout_report import document, note_line, rollback_lines
from storewarden.flows.rollout_reports import reports_of
from storewarden.flows.rollout_windows import StoreWindows
from storewarden.ports.runner import HostResult, HostStatus, RunOutcome, RunResult
from tests.flows.desk_place import ASKER
from tests.flows.rollout_place import SHANGHAI, RolloutPlace, passing, wanted

HOUR = timedelta(hours=1)
AT = datetime(2026, 6, 1, 16, tzinfo=UTC)  # midnight in Shanghai


@pytest.fixture
def place(tmp_path: Path) -> RolloutPlace:
    """Two stores."""
    return RolloutPlace(tmp_path, stores=2)


def said(phase: Phase, part: object, status: HostStatus = HostStatus.OK) -> HostReport:
    """What is made of one host's word at the end of a phase."""
    one = Dispatch(id="X-R1-d3", phase=phase, wave=1, hosts=("a",), epoch=7, at=AT)
    report: Mapping[str, object] = {} if part is None else {"payload": part}
    host = HostResult(host="a", status=status, report=report, message="no route")
    result = RunResult(run_id="r", outcome=RunOutcome.COMPLETED, hosts={"a": host})
    (made,) = reports_of(one, result, {"a": "X-R1-3"})
    return made


def test_an_honest_word_is_taken_with_its_detail() -> None:
    part = {
        "phase": "apply", "report": "applied", "restore_point": "X-R1-3", "seconds": 2.5,
        "reason": {"en": "done", "zh": "完成"}, "detail": {"changes": [1]},
    }  # fmt: skip
    found = said(Phase.APPLY, part)
    assert (found.report, found.seconds, found.reason_zh) == (Report.APPLIED, 2.5, "完成")
    assert found.detail == {"changes": [1]}


@pytest.mark.parametrize(
    "part",
    [
        {"phase": "judge", "report": "applied"},
        {"phase": "apply", "report": "verified"},
        {"phase": "apply", "report": "confirmed"},
        {"phase": "apply", "report": None},
        {"phase": "apply", "report": "applied", "restore_point": "Y-R9-1"},
        {"phase": "apply", "report": "applied", "restore_point": 3},
        "applied",
        None,
    ],
)
def test_a_word_that_cannot_be_so_makes_the_host_unknown(part: object) -> None:
    """A probe then decides."""
    assert said(Phase.APPLY, part).report is Report.UNKNOWN


def test_what_the_run_says_outranks_what_the_host_had_said() -> None:
    good = {"phase": "judge", "report": "verified"}
    assert said(Phase.JUDGE, good, HostStatus.UNREACHABLE).report is Report.UNREACHABLE
    assert said(Phase.JUDGE, good, HostStatus.UNKNOWN).report is Report.UNKNOWN
    assert said(Phase.JUDGE, None, HostStatus.FAILED).report is Report.FAILED


def test_detail_that_no_journal_takes_is_left_out_by_name() -> None:
    part = {
        "phase": "preflight", "report": "ready",
        "detail": {"lock": {"a": "1"}, "nan": float("nan"), "huge": "x" * 100_000},
    }  # fmt: skip
    found = said(Phase.PREFLIGHT, part)
    assert found.detail == {"lock": {"a": "1"}, "left_out": ["nan", "huge"]}
    assert found.restore_point == "X-R1-3"


def windows(place: RolloutPlace, now: datetime, **more: object) -> StoreWindow:
    """What the first store is told at ``now``."""
    change = place.change(**more)  # type: ignore[arg-type]
    books = StoreWindows(lambda: Almanac(Calendar(house=House(zone="Asia/Shanghai"))))
    devices = [each for each in place.estate().devices if each.store == "000001"]
    asked = (OperationClass.PATCH, HOUR)
    return books.of({"000001": devices}, change, asked, now)["000001"]


def test_a_store_may_begin_at_night_and_is_done_half_an_hour_before_it_opens(
    place: RolloutPlace,
) -> None:
    night = windows(place, AT)
    assert night.allowed
    assert night.closes == AT + 9 * HOUR
    assert night.hard_stop == AT + 9.5 * HOUR

    late = windows(place, AT + 8.5 * HOUR)
    assert not late.allowed
    assert late.hard_stop == AT + 9.5 * HOUR
    assert late.opens == AT + 22 * HOUR
    noon = windows(place, AT + 12 * HOUR)
    assert (noon.allowed, noon.hard_stop) == (False, AT + 12 * HOUR)
    assert noon.reason and noon.reason_zh


def test_the_changes_own_window_cuts_that_of_its_stores(place: RolloutPlace) -> None:
    span = Span(starts=AT, ends=AT + 2 * HOUR)
    assert windows(place, AT, window=span).closes == AT + 2 * HOUR
    assert not windows(place, AT + 1.5 * HOUR, window=span).allowed
    emergency = windows(place, AT + 1.5 * HOUR, window=span, kind=Kind.EMERGENCY, approved=False)
    assert emergency.allowed


def test_trade_is_counted_in_opening_hours_only(place: RolloutPlace) -> None:
    books = StoreWindows(lambda: Almanac(Calendar(house=House(zone="Asia/Shanghai"))))
    devices = place.estate().devices
    assert books.traded(devices, AT, AT + 9 * HOUR) == timedelta(0)
    assert books.traded(devices, AT, AT + 24 * HOUR) == 12 * HOUR


def test_gates_that_hang_are_a_hold() -> None:
    """Nobody waits for them for ever."""
    never = threading.Event()

    def hangs() -> tuple[()]:
        never.wait(30)
        return ()

    (verdict,) = bounded(hangs, timedelta(seconds=0.05))
    never.set()
    assert verdict.outcome is Outcome.HOLD
    assert "did not answer" in verdict.reason


def test_gates_are_told_what_hosts_and_people_said(place: RolloutPlace) -> None:
    place.gates.says = lambda _scope: (passing(),)
    place.opened()
    place.until(RolloutState.COMPLETED)
    scope = [each for each in place.gates.asked if each.wave == 1][-1]
    assert scope.first_wave and len(scope.verified) == 2
    assert {probe.name for probes in scope.reported.values() for probe in probes} == {"service"}
    assert scope.open_for >= 10 * HOUR and len(scope.others) == 1
    assert scope.addresses[scope.hosts[0]].startswith("10.0.")


def test_the_clock_of_a_rollback_is_said_against_what_is_owed() -> None:
    back = Rollback(
        cause=Cause.GATE, reason="x", verdict=AT,
        first_undo=AT + timedelta(minutes=4, seconds=5), last_restored=AT + 2 * HOUR,
    )  # fmt: skip
    assert rollback_lines(back, "en") == [
        "first undo after 4 min 05 s (30 min allowed: kept)",
        "last reachable host restored after 2 h 00 min (1 h allowed: MISSED)",
    ]
    assert "未达到" in rollback_lines(back, "zh")[1]


def test_the_page_and_the_note_tell_the_story_in_both_languages(place: RolloutPlace) -> None:
    place.fleet.broken = {"2"}
    place.opened()
    rollout = place.until(RolloutState.ROLLED_BACK)
    assert "rolled back" in note_line(rollout, "en") and "已回滚" in note_line(rollout, "zh")
    page = document(rollout, "en", SHANGHAI).content.decode()
    assert "wave 1: 1 stores, 2 hosts" in page and "went back because" in page


def test_what_cannot_be_taken_back_needs_two_people(place: RolloutPlace) -> None:
    """One approval is enough for the change, and not for this."""
    place.opened(wanted(reversibility=Reversibility.NONE))
    place.pass_time(8 * HOUR)
    assert not place.fleet.started
    assert place.rollout().state in (RolloutState.DRAFT, RolloutState.APPROVED)


def test_a_start_is_refused_for_hosts_or_work_that_the_change_does_not_cover(
    place: RolloutPlace,
) -> None:
    with pytest.raises(Refused, match="does not cover"):
        place.begin(place.change(operation="service-recovery").number)
    part = place.change(hosts=["pos01.000001"])
    place.hosts["pos01.000001"] = {**place.hosts["pos01.000001"], "sw_role": "server"}
    with pytest.raises(Refused, match="no host takes part"):
        place.begin(part.number, wanted(roles=("pos",)))


def test_an_order_needs_a_reason_and_a_refused_one_is_recorded(place: RolloutPlace) -> None:
    place.opened()
    with pytest.raises(ConfigInvalid, match="say why"):
        place.order("pause", why=" ")
    with pytest.raises(Refused):
        place.order("resume")
    last = place.events()[-1]
    assert last.by == ASKER.id and "accepted=False" in str(last.what)


def test_the_kill_switch_remembers_who_and_why(place: RolloutPlace) -> None:
    place.switch.stop(ASKER.id, "burst pipe")
    assert replace(place.switch)() == f"stopped by {ASKER.id}: burst pipe"
    place.switch.go_on(ASKER.id, "dry again")
    assert place.switch() == ""


def test_what_ends_a_change_never_queues_behind_what_begins_one() -> None:
    """A dead man ticks on every host that waits for its judge, and a queue of long changes of
    other rollouts would outlast it."""
    begins = {phase for phase in Phase if kind_of(phase) == SHARD}
    assert begins == {Phase.PREFLIGHT, Phase.APPLY}
    assert {kind_of(phase) for phase in set(Phase) - begins} == {ENDING}
