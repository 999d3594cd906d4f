# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenes: the change's window closes while hosts are changed, and while one is taken back.

When a window closes is said before anything begins, and how long things take is the machine's
affair. So a scene is tried with a short window first, and with longer ones where that was too
short; nothing is asserted of a try that came too late.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from storewarden.domain.change.record import Outcome, Span
from storewarden.domain.rollout.events import Dispatched, Reported
from storewarden.domain.rollout.record import HostState, Phase, RolloutState
from tests.faults.fault_site import Going, came
from tests.faults.fault_stage import Given, stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """A window of ``length``. What is held when it closes is a phase that takes ``longest``: that
    must fit into the window, and its run is ended after twice as long and two minutes."""

    length: timedelta
    longest: str


TRIES = (
    Try(length=timedelta(seconds=110), longest="20s"),
    Try(length=timedelta(seconds=330), longest="2m"),
    Try(length=timedelta(seconds=780), longest="6m"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class InWindow:
    """A rollout in a window that closes at ``ends``."""

    going: Going
    ends: datetime

    @property
    def over(self) -> bool:
        """Whether the window has closed."""
        return datetime.now(UTC) > self.ends

    def closes(self) -> None:
        """Wait until it has."""
        assert came(lambda: self.over)

    def given_up(self) -> None:
        """Its try was too short: nothing is left on the hosts for the next one."""
        going = self.going
        for order in ("cancel", "abort"):
            going.chain.cli("rollout", order, going.number, "--reason", "too late")
        going.comes_to(RolloutState.CANCELLED, RolloutState.ROLLED_BACK)


def begun(given: Given, one: Try, **more: object) -> InWindow:
    """A rollout on a change with that window."""
    now = datetime.now(UTC)
    window = Span(starts=now - timedelta(minutes=1), ends=now + one.length)
    change = given.chain.change(*given.places, window=window)
    going = given.chain.begin("v2", *given.places, change=change, **more)
    return InWindow(going=going, ends=window.ends)


def in_time(given: Given, attempt: Callable[[Given, Try], InWindow | None]) -> InWindow:
    """The first try in which what is to be cut short was under way when the window closed."""
    found = (attempt(given, one) for one in TRIES)
    return next(each for each in found if each is not None)


def changing(given: Given, one: Try) -> InWindow | None:
    """Host by host, and one of them is being changed."""
    timing = {"preflight": "1m", "apply": one.longest, "judge": "5s", "undo": "20s"}
    for place in given.places:
        place.set_out()
        place.hold()
    found = begun(given, one, waves=["rest at once"], shard=1, lanes=1, timing=timing)
    going = found.going
    assert came(lambda: bool(going.sent(Phase.APPLY)) or found.over), going.story()
    if going.sent(Phase.APPLY):
        assert came(lambda: any(place.comes_to_work() for place in given.places)), going.story()
        if not found.over:
            return found
    for place in given.places:
        place.go()
    found.given_up()
    return None


def undoing(given: Given, one: Try) -> InWindow | None:
    """Changed, and being taken back because somebody said so."""
    place = given.place
    place.set_out()
    timing = {"preflight": "1m", "apply": "10s", "judge": "5s", "undo": one.longest}
    found = begun(given, one, soak={"wall": "1h", "trading": "0"}, timing=timing)
    going = found.going
    there = HostState.SOAKING
    assert came(lambda: going.host(place).state is there or found.over), going.story()
    if going.host(place).state is there:
        place.hold("undo")
        given.chain.order("rollback", going.number)
        assert came(lambda: place.holds("undo")), going.story()
        if not found.over:
            return found
        place.go("undo")
    found.given_up()
    return None


@stage.scene(hosts=2, pair=True, lasts=150)
def a_window_closes_in_a_wave_and_what_was_not_verified_is_taken_back(given: Given) -> None:
    """The undo runs although the window is closed; nobody else begins."""
    found = in_time(given, changing)
    going = found.going
    (member,) = [place for place in given.places if place.begun]
    (other,) = [place for place in given.places if place is not member]
    found.closes()
    member.go()
    going.sees(member, HostState.RESTORED, HostState.PLANNED)
    assert len(going.sent(Phase.UNDO, member)) == 1
    going.comes_to(RolloutState.HELD_WINDOW)
    assert "window ended" in going.now.held
    assert (member.version, other.version) == ("old", "old")
    assert other.begun == []
    assert not going.sent(Phase.APPLY, other)
    going.honest()
    given.chain.order("abort", going.number)
    going.rolled_back()


@stage.scene(lasts=150)
def a_window_closes_while_an_undo_runs_and_the_undo_goes_on(given: Given) -> None:
    """It has begun in the window and ends behind it; nothing stops it, and nothing begins anew."""
    place = given.place
    found = in_time(given, undoing)
    going = found.going
    found.closes()
    assert going.host(place).state is HostState.UNDOING
    assert going.now.state in (RolloutState.ABORTING, RolloutState.ROLLING_BACK)
    place.go("undo")
    going.rolled_back()
    assert place.begun == ["v2"]
    (undo,) = going.sent(Phase.UNDO)
    told = going.events()
    sent = [e.at for e in told if isinstance(e.what, Dispatched) and e.what.dispatch.id == undo]
    done = [e.at for e in told if isinstance(e.what, Reported) and e.what.dispatch == undo]
    assert sent[0] < found.ends < done[0], going.story()
    assert came(lambda: going.chain.found(going.change).outcome is Outcome.ROLLED_BACK)
