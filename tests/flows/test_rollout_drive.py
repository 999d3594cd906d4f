# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole rollouts on simulated stores: a day of soak takes no time, hosts behave like hosts."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from storewarden.domain.change.record import Outcome, State
from storewarden.domain.errors import Refused
from storewarden.domain.rollout.events import Judged, Ordered
from storewarden.domain.rollout.record import Cause, HostState, Phase, RolloutState, WaveState
from storewarden.domain.rollout.spec import Soak, Timing
from tests.flows.desk_place import ASKER
from tests.flows.rollout_place import DAY, RolloutPlace, failing, holding, passing, wanted

HOUR = timedelta(hours=1)


@pytest.fixture
def place(tmp_path: Path) -> RolloutPlace:
    """Six stores with two tills each."""
    return RolloutPlace(tmp_path)


def test_a_good_version_reaches_all_stores_wave_by_wave(place: RolloutPlace) -> None:
    """Canary, three stores, the rest; the version lock of the canary goes everywhere; the change
    ends as successful with the page as evidence."""
    opened = place.opened()

    place.pass_time(HOUR)
    first = set(place.rollout().waves[0].stores)
    assert {n.split(".")[1] for n, v in place.fleet.versions().items() if v == "2"} == first

    done = place.until(RolloutState.COMPLETED)
    assert set(place.fleet.versions().values()) == {"2"}
    assert all(wave.state is WaveState.PROMOTED for wave in done.waves)
    assert all(wave.ended - wave.soaking >= DAY for wave in done.waves if wave.soaking)  # type: ignore[operator]
    assert set(place.host_states().values()) == {HostState.FINAL}
    locks = [run.variables["payload_lock"] for run in place.fleet.started]
    assert locks[0] == {} and all(lock == {"version": "2"} for lock in locks[1:])

    change = place.desk(ASKER).change(opened.change)
    assert (change.state, change.outcome) == (State.CLOSED, Outcome.SUCCESSFUL)
    assert [each.name for each in change.evidence] == [f"rollout-{opened.number}.txt"]
    assert all(len(labels) == 1 for labels in place.applied().values())


def test_work_is_only_done_when_the_stores_are_closed(place: RolloutPlace) -> None:
    """Every change of a host falls into the night, with time for its undo before 09:00."""
    place.opened()
    place.until(RolloutState.COMPLETED)
    times = [touch.at + HOUR * 8 for touch in place.fleet.touched]  # Shanghai
    assert times and all(at.hour >= 22 or at.hour < 9 for at in times)


def test_a_broken_version_stops_at_the_canary_and_goes_back_in_time(place: RolloutPlace) -> None:
    """The canary does not work: it restores itself, nobody else is touched, the times are told."""
    place.fleet.broken = {"2"}
    opened = place.opened()
    back = place.until(RolloutState.ROLLED_BACK)

    touched = {touch.host for touch in place.fleet.touched}
    assert touched and touched <= {n for n, h in back.hosts.items() if h.wave == 1}
    assert set(place.fleet.versions().values()) == {"1"}
    assert back.rollback is not None and back.rollback.cause is Cause.CANARY
    change = place.desk(ASKER).change(opened.change)
    assert (change.state, change.outcome) == (State.CLOSED, Outcome.ROLLED_BACK)
    (end,) = [note for note in place.notes(opened.change) if "went back because" in note]
    assert back.rollback.first_undo is None and back.rollback.last_restored is None
    assert "touched hosts had been restored before the decision (the last one" in end


def test_a_failed_gate_takes_every_exposed_host_back(place: RolloutPlace) -> None:
    """The second wave's gate sees harm: both waves are restored within the hour, and told so."""
    place.gates.says = lambda scope: (failing(),) if scope.wave == 2 else (passing(),)
    opened = place.opened()
    back = place.until(RolloutState.ROLLED_BACK)

    assert set(place.fleet.versions().values()) == {"1"}
    exposed = {name for name, host in back.hosts.items() if host.wave <= 2}
    undone = {touch.host for touch in place.fleet.touched if touch.phase == "undo"}
    assert undone == exposed and len(exposed) == 6
    clock = back.rollback
    assert clock is not None and clock.cause is Cause.GATE
    assert clock.first_undo is not None and clock.last_restored is not None
    assert clock.last_restored - clock.verdict <= HOUR
    note = place.notes(opened.change)[-1]
    assert "first undo after" in note and "(30 min allowed: kept)" in note and "1 h" in note


def test_a_gate_that_cannot_tell_waits_and_then_asks_a_person(place: RolloutPlace) -> None:
    """Two more soaks, then the wave is held; a person promotes it, with a reason, by name."""
    place.gates.says = lambda _scope: (holding(),)
    place.opened()
    place.pass_time(5 * DAY)
    wave = place.rollout().waves[0]
    assert (wave.state, wave.extended) == (WaveState.HELD, 2)

    place.gates.says = lambda _scope: (passing(),)
    place.order("promote", why="sales look fine to me")
    done = place.until(RolloutState.COMPLETED)
    assert done.waves[0].state is WaveState.PROMOTED
    orders = [e for e in place.events() if isinstance(e.what, Ordered)]
    assert [(e.by, e.what.order) for e in orders] == [(ASKER.id, "promote")]  # type: ignore[union-attr]


def test_gates_that_break_hold(place: RolloutPlace) -> None:
    """A gate that raises is no evidence: nothing is promoted, nothing is rolled back."""

    def broken(_scope: object) -> tuple[()]:
        raise RuntimeError("connection reset")

    place.gates.says = broken  # type: ignore[assignment]
    place.opened()
    place.pass_time(2 * DAY)
    assert place.rollout().waves[0].state is not WaveState.PROMOTED
    verdicts = [v for e in place.events() if isinstance(e.what, Judged) for v in e.what.verdicts]
    assert verdicts and all(each.outcome.value == "hold" for each in verdicts)
    assert "RuntimeError" in verdicts[0].reason


def test_a_draft_begins_when_its_change_is_approved(place: RolloutPlace) -> None:
    """Until then no host is asked anything; the change is begun by the rollout."""
    change = place.change(approved=False)
    begun = place.begin(change.number)
    assert "requested" in begun.waits
    place.pass_time(2 * HOUR)
    assert place.rollout().state is RolloutState.DRAFT and not place.fleet.started

    place.approve(change.number)
    place.until(RolloutState.RUNNING)
    place.pass_time(HOUR)
    assert place.fleet.started
    assert place.desk(ASKER).change(change.number).state is State.IN_PROGRESS


def test_a_second_start_opens_nothing_and_a_foreign_one_is_refused(place: RolloutPlace) -> None:
    """The same wish is the same rollout; hosts of another rollout are refused with its number."""
    change = place.change()
    first = place.begin(change.number)
    again = place.begin(change.number)
    assert (first.new, again.new) == (True, False)
    assert first.rollout.number == again.rollout.number
    with pytest.raises(Refused, match=first.rollout.number):
        place.begin(place.change().number, wanted("3"))


def test_paused_nothing_begins_and_resumed_it_goes_on(place: RolloutPlace) -> None:
    """A pause after the first wave holds for days; a resume ends it."""
    place.opened()
    place.pass_time(HOUR)
    place.order("pause", why="football on Saturday")
    started = len(place.fleet.started)
    place.pass_time(3 * DAY)
    assert place.rollout().state is RolloutState.PAUSED
    assert len(place.fleet.started) == started
    place.order("resume", why="it is over")
    place.until(RolloutState.COMPLETED)


def test_an_abort_restores_what_was_changed(place: RolloutPlace) -> None:
    """In the soak of the second wave somebody says stop."""
    opened = place.opened()
    while place.rollout().waves[1].state is not WaveState.SOAKING:
        place.pass_time(HOUR)
    place.order("abort", why="the till is slow")
    back = place.until(RolloutState.ROLLED_BACK)
    assert set(place.fleet.versions().values()) == {"1"}
    assert back.rollback is not None and back.rollback.by == ASKER.id
    assert "the till is slow" in place.notes(opened.change)[-1]


def test_the_kill_switch_stops_everything_until_somebody_lets_go(place: RolloutPlace) -> None:
    """By the ledger and by a file; only what was begun comes to its end."""
    place.switch.stop(ASKER.id, "burst pipe")
    place.opened()
    place.pass_time(6 * HOUR)
    assert not place.fleet.started
    place.switch.go_on(ASKER.id, "repaired")
    place.pass_time(DAY)
    assert place.fleet.started

    started = len(place.fleet.ran("apply"))
    (place.folder / "STOP").write_text("again\n")
    place.pass_time(4 * DAY)
    assert len(place.fleet.ran("apply")) == started
    stopped = place.rollout()
    assert (stopped.held, stopped.held_zh) == (
        f"stopped by the file {place.folder / 'STOP'}: again",
        f"已由文件停止：{place.folder / 'STOP'}: again",
    )
    with pytest.raises(Refused, match="STOP"):
        place.switch.go_on(ASKER.id, "yes")
    (place.folder / "STOP").unlink()
    place.until(RolloutState.COMPLETED)


def test_a_window_that_closes_in_a_wave_leaves_nobody_half_way(tmp_path: Path) -> None:
    """Changes of half an hour, one at a time, do not fit into one night: the rest comes the next
    night, and nobody is being changed when stores open."""
    place = RolloutPlace(tmp_path, stores=10)
    place.fleet.took["apply"] = HOUR / 2
    timing = Timing(apply=timedelta(minutes=40), undo=timedelta(minutes=2))
    place.opened(wanted(soak=Soak(wall=HOUR), lanes=1, shard=1, timing=timing))
    seen = set()
    while place.rollout().state is not RolloutState.COMPLETED:
        place.pass_time(HOUR / 2)
        seen.add(place.rollout().state)
        if 10 <= (place.clock.now() + 8 * HOUR).hour < 22:
            states = set(place.host_states().values())
            assert not states & {HostState.APPLYING, HostState.VERIFYING}
    assert RolloutState.HELD_WINDOW in seen
    assert all(len(labels) == 1 for labels in place.applied().values())


def test_an_offline_store_is_caught_up_with_when_it_returns(place: RolloutPlace) -> None:
    """One of six cannot be reached: the others are not kept waiting... unless they are too many."""
    spec = wanted()
    spec = replace(spec, stragglers=replace(spec.stragglers, share=spec.coverage / 2))
    opened = place.opened(spec)
    last = [name for name, host in place.rollout().hosts.items() if host.wave == 3][-1]
    place.fleet.hosts[last].online = False
    done = place.until(RolloutState.COMPLETED_WITH_STRAGGLERS)
    assert done.hosts[last].state is HostState.OFFLINE_UNTOUCHED
    assert place.desk(ASKER).change(opened.change).state is State.IN_PROGRESS

    place.fleet.hosts[last].online = True
    place.until(RolloutState.COMPLETED)
    assert place.fleet.versions()[last] == "2"
    assert place.desk(ASKER).change(opened.change).outcome is Outcome.SUCCESSFUL


def test_a_host_that_is_cut_off_in_its_change_saves_itself(place: RolloutPlace) -> None:
    """Its line goes down after the change: nobody confirms, so it goes back; the ledger learns it
    from a probe when the line returns, and says so."""
    cut = [n for n, h in place.opened().hosts.items() if h.wave == 1][-1]
    place.fleet.hosts[cut].cut_off = 2 * HOUR
    place.pass_time(HOUR)
    assert place.fleet.versions()[cut] == "1"
    assert any(t.host == cut and t.phase == "dead man" for t in place.fleet.touched)
    assert place.host_states()[cut] is HostState.OFFLINE_TOUCHED

    ended = place.until(RolloutState.COMPLETED, RolloutState.ROLLED_BACK)
    expected = {HostState.FINAL: "2", HostState.RESTORED: "1", HostState.PLANNED: "1"}
    for name, host in ended.hosts.items():
        assert place.fleet.versions()[name] == expected[host.state]
    assert place.fleet.ran("probe")


@pytest.mark.parametrize("phase", [each.value for each in Phase if each is not Phase.PROBE])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_lost_run_is_probed_and_never_run_again_blindly(
    place: RolloutPlace, phase: str, when: str
) -> None:
    """The supervisor of one run of each phase dies, before or after its work: a probe decides."""
    lost: list[str] = []

    def lose(label: str, what: str) -> str:
        if what == phase and not lost:
            lost.append(label)
            return when
        return ""

    place.fleet.lose = lose
    if phase == "undo":
        place.gates.says = lambda _scope: (failing(),)
    place.opened()
    ended = place.until(RolloutState.COMPLETED, RolloutState.ROLLED_BACK)
    assert lost and place.fleet.ran("probe")
    expected = "2" if ended.state is RolloutState.COMPLETED else "1"
    for name, state in place.host_states().items():
        if state is HostState.FINAL:
            assert place.fleet.versions()[name] == expected
    labels = [run.label for run in place.fleet.started]
    assert len(labels) == len(set(labels))


def test_hosts_that_lie_are_not_believed(place: RolloutPlace) -> None:
    """A host that says "verified" for its change, names a foreign restore point, or answers with
    nonsense never becomes verified by that."""
    canary = next(n for n, h in place.opened().hosts.items() if h.wave == 1)
    lies = [
        {"phase": "apply", "report": "verified"},
        {"phase": "judge", "report": "confirmed"},
        {"phase": "apply", "report": "applied", "restore_point": "somebody-else-1"},
        {"phase": "apply", "report": ["applied"], "detail": float("nan")},
        {},
    ]
    for lie in lies:
        place.fleet.lies[canary] = (
            lambda phase, honest, lie=lie: lie if phase == "apply" else honest  # type: ignore[misc]
        )
        place.pass_time(HOUR)
        if place.rollout().state is not RolloutState.RUNNING:
            break
        host = place.rollout().hosts[canary]
        if host.state is HostState.SOAKING:
            assert place.fleet.hosts[canary].version == "2"
    assert all(h.state is HostState.PLANNED for h in place.rollout().hosts.values() if h.wave > 1)


def test_a_newer_rollout_takes_the_hosts_over_and_goes_back_to_the_last_final_one(
    place: RolloutPlace,
) -> None:
    """Version 3 supersedes version 2 in its soak, fails, and everything is at version 1 again."""
    first = place.opened()
    place.pass_time(2 * HOUR)
    assert "2" in place.fleet.versions().values()
    change = place.change()
    with pytest.raises(Refused, match="some of its hosts"):
        place.begin(change.number, wanted("3"))
    newer = place.begin(change.number, wanted("3", salt=first.spec.salt), supersede=True).rollout
    assert place.rollout(first.number).state is RolloutState.SUPERSEDED

    place.gates.says = lambda _scope: (failing(),)
    place.until(RolloutState.ROLLED_BACK, number=newer.number)
    assert set(place.fleet.versions().values()) == {"1"}
    assert not place.ledger.verify().problems


def test_all_of_it_on_a_real_ledger(tmp_path: Path) -> None:
    """The same story over SQLite: what is written can be verified to the last entry."""
    place = RolloutPlace(tmp_path, stores=2, durable=True)
    place.opened(wanted(soak=Soak(wall=HOUR)))
    place.until(RolloutState.COMPLETED)
    assert set(place.fleet.versions().values()) == {"2"}
    assert not place.ledger.verify().problems
    place.ledger.close()
