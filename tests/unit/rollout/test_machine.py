# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables, and what cannot be folded whatever somebody decided."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from storewarden.domain.rollout import events as e
from storewarden.domain.rollout.machine import HAPPENS, HOST, ROLLOUT, WAVE, allows, fold, replay
from storewarden.domain.rollout.record import Dispatch, HostState, RolloutState, WaveState
from storewarden.domain.rollout.tables import ACTIVE, ENDED, LINGERING
from tests.unit.rollout.chain import NIGHT, NUMBER, Driver, H, P, R, opened, spec


def _event(what: e.Happening) -> e.RolloutEvent:
    return e.RolloutEvent(number=NUMBER, at=NIGHT, by="storewarden", what=what)


def _dispatch(driver: Driver, phase: P, *hosts: str, **other: object) -> e.RolloutEvent:
    given: dict[str, object] = {"epoch": driver.rollout.epoch, "at": NIGHT, "wave": 1, **other}
    one = Dispatch(id=f"{NUMBER}-d99", phase=phase, hosts=hosts, **given)  # type: ignore[arg-type]
    return _event(e.Dispatched(dispatch=one))


def test_every_state_can_be_reached() -> None:
    assert {after for _, after in ROLLOUT} | {RolloutState.DRAFT} == set(RolloutState)
    assert {after for _, after in WAVE} | {WaveState.PENDING} == set(WaveState)
    assert {after for _, after in HOST} | {HostState.PLANNED} == set(HostState)
    assert set(HAPPENS) == set(get_args(e.Happening.__value__))


def test_every_host_state_leads_to_an_end() -> None:
    ends = {H.FINAL, H.RESTORED, H.SKIPPED}
    for state in HostState:
        reached, grown = {state}, 0
        while len(reached) > grown:
            grown = len(reached)
            reached |= {after for before, after in HOST if before in reached}
        assert reached & ends


def test_no_end_is_ever_left_but_to_go_back_or_to_pay_what_is_owed() -> None:
    for before, after in ROLLOUT:
        if before in ENDED - LINGERING:
            assert (before, after) == (R.COMPLETED, R.ABORTING)
    assert not allows(R.CANCELLED, R.RUNNING)


def test_a_history_begins_with_its_opening_and_has_only_one() -> None:
    first = opened(spec(), (1,))
    with pytest.raises(ValueError, match="begins with Approved"):
        fold(None, _event(e.Approved()))
    with pytest.raises(ValueError, match="no Opened there"):
        replay([first, first])
    with pytest.raises(ValueError, match="no such rollout"):
        replay([])


def test_anothers_event_is_refused() -> None:
    driver = Driver()
    with pytest.raises(ValueError, match="none of"):
        fold(driver.rollout, replace(_event(e.Approved()), number="X-R1"))


@pytest.mark.parametrize("state", [state for state in RolloutState if state not in ACTIVE])
def test_waves_move_only_while_it_is_active(state: RolloutState) -> None:
    rollout = replace(Driver().rollout, state=state)
    with pytest.raises(ValueError, match="no WaveMoved there"):
        fold(rollout, _event(e.WaveMoved(wave=1, to=WaveState.SOAKING)))


def test_a_busy_host_is_never_dispatched_again() -> None:
    driver = Driver()
    driver.tick()
    (one,) = list(driver.rollout.dispatches.values())
    with pytest.raises(ValueError, match="no preflight"):
        fold(driver.rollout, _dispatch(driver, P.PREFLIGHT, one.hosts[0]))
    with pytest.raises(ValueError, match="dispatched before"):
        fold(driver.rollout, _event(e.Dispatched(dispatch=one)))


def test_nothing_is_changed_without_a_restore_point_or_without_the_lock() -> None:
    driver = Driver(spec(locks=True), (1,))
    driver.tick()
    host = driver.host("s1-pos-2")
    for points, says in (("", "no restore point"), ("p1", "no versions locked")):
        captured = replace(host, state=H.CAPTURED, restore_point=points)
        rollout = replace(driver.rollout, hosts={**driver.rollout.hosts, host.name: captured})
        with pytest.raises(ValueError, match=says):
            fold(rollout, _dispatch(driver, P.APPLY, host.name))


def test_epochs_never_fall() -> None:
    driver = Driver()
    driver.tick()
    with pytest.raises(ValueError, match="never falls"):
        fold(driver.rollout, _event(e.EpochRaised(epoch=1, reason="x")))
    with pytest.raises(ValueError, match="old epoch"):
        fold(driver.rollout, _dispatch(driver, P.PREFLIGHT, "s1-pos-2", epoch=1))


def test_moves_that_no_table_has_are_refused() -> None:
    driver = Driver()
    driver.tick()
    with pytest.raises(ValueError, match="it cannot become rolling_back"):
        fold(driver.rollout, _event(e.Moved(to=R.ROLLING_BACK, reason="x")))
    with pytest.raises(ValueError, match="it cannot become promoted"):
        fold(driver.rollout, _event(e.WaveMoved(wave=2, to=WaveState.PROMOTED)))
    with pytest.raises(ValueError, match="it cannot become final"):
        fold(driver.rollout, _event(e.HostMoved(hosts=("s2-pos-1",), to=H.FINAL)))
    with pytest.raises(ValueError, match="is busy"):
        fold(driver.rollout, _event(e.HostMoved(hosts=("s1-pos-1",), to=H.ATTENTION)))
    with pytest.raises(ValueError, match="no wave 9"):
        fold(driver.rollout, _event(e.WaveBegan(wave=9)))
    with pytest.raises(ValueError, match="no host x"):
        fold(driver.rollout, _event(e.HostMoved(hosts=("x",), to=H.FINAL)))


def test_a_report_of_other_hosts_or_of_no_run_is_refused() -> None:
    driver = Driver()
    driver.tick()
    (name, *_) = driver.rollout.dispatches
    stranger = e.HostReport(host="x", report=e.Report.READY)
    told = e.Reported(dispatch=name, phase=P.PREFLIGHT, reports=(stranger,))
    with pytest.raises(ValueError, match="other hosts"):
        fold(driver.rollout, _event(told))
    with pytest.raises(ValueError, match="not under way"):
        fold(driver.rollout, _event(replace(told, dispatch="d0")))


def test_nobody_ends_or_takes_over_what_is_at_work() -> None:
    driver = Driver()
    driver.tick()
    with pytest.raises(ValueError, match="runs under way"):
        fold(driver.rollout, _event(e.Moved(to=R.COMPLETED, reason="x")))
    with pytest.raises(ValueError, match="runs under way"):
        fold(driver.rollout, _event(e.Superseded(by="R2")))


def test_every_event_counts_in_the_serial() -> None:
    driver = Driver(waves=(1,))
    driver.go(driver.over)
    assert driver.rollout.serial == len(driver.events)
    assert replay(driver.events) == driver.rollout


# The checks of the driver can fail: without a rule, they do (reference: rollouts, ablations).


def test_a_slot_that_is_given_up_while_its_host_is_unknown_is_noticed() -> None:
    driver = Driver(waves=(1,))
    driver.tick()
    unknown = replace(driver.host("s1-pos-2"), state=H.UNKNOWN)
    rollout = replace(driver.rollout, hosts={**driver.rollout.hosts, "s1-pos-2": unknown})
    one = Dispatch(id="d", phase=P.PREFLIGHT, wave=1, hosts=("s1-pos-1",), epoch=9**10, at=NIGHT)
    driver.rollout = replace(
        rollout,
        hosts={**rollout.hosts, "s1-pos-1": replace(unknown, name="s1-pos-1", state=H.PLANNED)},
    )
    with pytest.raises(AssertionError, match=r"s1-pos-1.* of at most"):
        driver._check_dispatch(driver.rollout, one)


def test_a_ledger_that_claims_what_no_probe_saw_is_noticed() -> None:
    driver = Driver(waves=(1,))
    host = replace(driver.host("s1-pos-1"), state=H.AT_TARGET, touched=True)
    driver.rollout = replace(driver.rollout, hosts={**driver.rollout.hosts, host.name: host})
    with pytest.raises(AssertionError, match="is not changed"):
        driver.check()
    driver.world.hosts["s1-pos-1"].version = "new"
    driver.rollout = replace(
        driver.rollout, hosts={**driver.rollout.hosts, host.name: replace(host, state=H.RESTORED)}
    )
    with pytest.raises(AssertionError, match="is not restored"):
        driver.check()


def test_a_second_run_beside_one_that_still_works_is_noticed() -> None:
    driver = Driver(waves=(1,))
    driver.tick()
    (one, *_) = driver.rollout.dispatches.values()
    driver.world.hosts[one.hosts[0]].busy_until = NIGHT.replace(year=2027)
    with pytest.raises(AssertionError, match="two runs at once"):
        driver.finish()
