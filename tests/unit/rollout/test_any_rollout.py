# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever happens to a rollout, in whatever order: I1 to I7 hold, and it comes to an end.

Runs are killed in their middle, lines are cut, dead men fire, reports are told twice or late, the
controller's clock is set, people order what they like. The driver checks at every event (I1, I2
of dispatches, I3, I7), this machine after every step (I2, I4, I5), and at the end everything is
driven to a terminal state and replayed from its journal.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from storewarden.domain.gates.verdict import Outcome
from storewarden.domain.rollout.events import HostReport, Report
from storewarden.domain.rollout.facts import StoreWindow
from storewarden.domain.rollout.orders import ORDERS
from storewarden.domain.rollout.record import Dispatch
from storewarden.domain.rollout.reporting import reported
from storewarden.domain.rollout.spec import Soak
from storewarden.domain.rollout.tables import ACTIVE, ENDED
from tests.amount import examples
from tests.unit.rollout.chain import Driver, H, P, R, away, spec

_FAULTS = ("", "refused", "failed", "nothing", "apply", "cut", "judge", "residue")
_ENDS = ("before", "middle", "after")


class AnyRollout(RuleBasedStateMachine):
    """A canary store and four more, ten hosts, and no luck.

    Half of the stories are ``calm``: nobody ends the rollout, no gate fails, and the canary is
    well, so that what comes later is tried as often as the beginning.
    """

    driver: Driver

    @initialize(
        locks=st.booleans(), lanes=st.integers(1, 3), shard=st.integers(2, 5), calm=st.booleans()
    )
    def begin(self, locks: bool, lanes: int, shard: int, calm: bool) -> None:
        quick = Soak(wall=timedelta(minutes=10))
        what = spec(locks=locks, lanes=lanes, shard=shard, soak=quick, extensions=1)
        self.driver = Driver(what, (1, 4), ("gw-a", "gw-b"))
        self.calm = calm
        self.old: list[tuple[str, tuple[object, ...]]] = []
        self.lost: list[Dispatch] = []
        self.driver.tick()
        if calm:
            self.well(12)

    def well(self, ticks: int) -> None:
        """Nothing happens for a while."""
        for _ in range(ticks):
            self.driver.finish()
            self.driver.passes(2)
            self.driver.tick()

    def _host(self, index: int) -> str:
        names = tuple(self.driver.rollout.hosts)
        names = names[4:6] if self.calm else names
        return names[index % len(names)]

    def _under_way(self, index: int) -> str:
        names = tuple(self.driver.rollout.dispatches)
        return names[index % len(names)]

    def _busy(self) -> bool:
        return bool(self.driver.rollout.dispatches)

    @rule()
    def tick(self) -> None:
        self.driver.tick()

    @rule(minutes=st.sampled_from((1, 4, 6, 31, 120)))
    def time_goes_by(self, minutes: int) -> None:
        self.driver.passes(minutes)

    @rule(minutes=st.sampled_from((-60, 0, 60)))
    def the_clock_is_set(self, minutes: int) -> None:
        self.driver.skew = timedelta(minutes=minutes)

    @precondition(_busy)
    @rule(index=st.integers(0, 5))
    def a_run_ends(self, index: int) -> None:
        name = self._under_way(index)
        self.old.append((name, ()))
        self.driver.finish(name)

    @rule()
    def it_goes_well_for_a_while(self) -> None:
        self.well(4)

    @rule()
    def it_waits_as_long_as_it_says(self) -> None:
        look = self.driver.tick().look_at
        if look is not None and look > self.driver.now:
            self.driver.world.passes(look - self.driver.now)

    @precondition(_busy)
    @rule(index=st.integers(0, 5), how=st.sampled_from(_ENDS))
    def a_run_is_killed(self, index: int, how: str) -> None:
        name = self._under_way(index)
        self.old.append((name, ()))
        self.lost.append(self.driver.rollout.dispatches[name])
        self.driver.lose(name, how)

    @precondition(_busy)
    @rule(index=st.integers(0, 5))
    def a_run_waits_too_long_and_is_not_begun(self, index: int) -> None:
        one = self.driver.rollout.dispatches[self._under_way(index)]
        if one.phase not in (P.PREFLIGHT, P.APPLY):
            return
        self.old.append((one.id, ()))
        told = [HostReport(host=name, report=Report.NOT_BEGUN) for name in one.hosts]
        self.driver.take(reported(self.driver.rollout, one.id, told, self.driver.now))

    @precondition(lambda self: bool(self.lost))
    @rule(index=st.integers(0, 20))
    def another_controller_goes_on_with_a_lost_run(self, index: int) -> None:
        """It was thought dead. Hosts that have been probed since refuse its epoch."""
        one = self.lost[index % len(self.lost)]
        world = self.driver.world
        free = tuple(name for name in one.hosts if world.hosts[name].busy_until is None)
        world.does(replace(one, hosts=free), self.driver.rollout)

    @precondition(lambda self: bool(self.old))
    @rule(index=st.integers(0, 50))
    def a_late_word(self, index: int) -> None:
        name, reports = self.old[index % len(self.old)]
        assert reported(self.driver.rollout, name, reports, self.driver.now) == ()  # type: ignore[arg-type]

    @rule(index=st.integers(0, 7), line=st.booleans())
    def a_line(self, index: int, line: bool) -> None:
        self.driver.world.hosts[self._host(index)].line = line

    @rule(line=st.booleans())
    def all_lines(self, line: bool) -> None:
        touched = self.driver.states(H.APPLYING, H.VERIFYING)
        for host in self.driver.world.hosts.values():
            host.line = line or (self.calm and bool(touched))

    @rule(index=st.integers(0, 7), fault=st.sampled_from(_FAULTS))
    def a_fault(self, index: int, fault: str) -> None:
        self.driver.world.hosts[self._host(index)].fault = fault

    @rule(index=st.integers(0, 7), taken=st.booleans())
    def somebody_else_works(self, index: int, taken: bool) -> None:
        busy = away(self._host(index)) if taken else {}
        self.driver.facts = _with(self.driver, unavailable=busy)

    @rule(allowed=st.booleans(), closes=st.sampled_from((None, 5, 60)))
    def windows(self, allowed: bool, closes: int | None) -> None:
        now = self.driver.now
        stop = None if closes is None else now + timedelta(minutes=closes)
        opens = None if allowed else now + timedelta(minutes=45)
        window = StoreWindow(allowed=allowed, hard_stop=stop, opens=opens)
        self.driver.windows = dict.fromkeys(self.driver.windows, window)

    @rule(frozen=st.sampled_from(("", "kill switch")), change=st.sampled_from(("", "paused")))
    def held(self, frozen: str, change: str) -> None:
        self.driver.facts = _with(self.driver, frozen=frozen, change=change)

    @rule(over=st.booleans())
    def its_change_is_over(self, over: bool) -> None:
        """Not so in calm stories, which are to go on."""
        told = "the change is closed" if over and not self.calm else ""
        self.driver.facts = _with(self.driver, change=told, change_over=told)

    @rule(outcome=st.sampled_from(Outcome), hard=st.booleans())
    def gates(self, outcome: Outcome, hard: bool) -> None:
        if self.calm and outcome is Outcome.FAIL:
            outcome = Outcome.PASS
        self.driver.outcome, self.driver.hard = outcome, hard

    @rule(repo=st.sampled_from(("new", "newer")))
    def the_repository_moves(self, repo: str) -> None:
        self.driver.world.repo = repo

    @rule(word=st.sampled_from((*ORDERS, "dance")), index=st.integers(0, 7), why=st.booleans())
    def an_order(self, word: str, index: int, why: bool) -> None:
        if not (self.calm and word in ("abort", "rollback", "cancel")):
            self.driver.orders(word, "because" if why else " ", self._host(index))

    @rule()
    def it_is_taken_back_after_its_end(self) -> None:
        if self.driver.rollout.state in ENDED:
            self.driver.orders("rollback")

    @invariant()
    def promises(self) -> None:
        if not hasattr(self, "driver"):
            return
        self.driver.check()
        rollout = self.driver.rollout
        if rollout.spec.locks:  # I5
            versions = {
                self.driver.world.hosts[host.name].version
                for host in rollout.hosts.values()
                if host.state in (H.SOAKING, H.AT_TARGET, H.FINAL)
            }
            assert len(versions) <= 1

    def teardown(self) -> None:
        """Everything is repaired, people do their part: it ends, and its journal tells all."""
        if not hasattr(self, "driver"):
            return
        driver = self.driver
        driver.facts = _with(driver, unavailable={}, frozen="", change="", change_over="")
        driver.windows = dict.fromkeys(driver.windows, StoreWindow(allowed=True))
        driver.outcome = Outcome.PASS
        for real in driver.world.hosts.values():
            real.line, real.fault = True, ""
        for _ in range(150):
            if driver.rollout.state in ENDED:
                break
            self._people()
            driver.tick()
            driver.finish()
            driver.passes(4)
            driver.check()
        assert driver.rollout.state in ENDED, (driver.rollout.state, driver.step)
        driver.check_replay()

    def _people(self) -> None:
        driver = self.driver
        if driver.rollout.state is R.PAUSED:
            driver.orders("resume")
        for host in tuple(driver.rollout.hosts.values()):
            if host.state is H.ATTENTION:
                assert driver.orders("release", host=host.name)
        wave = driver.rollout.wave
        if driver.rollout.state in ACTIVE and wave is not None and wave.state.value == "held":
            driver.orders("promote")


def _with(driver: Driver, **facts: object) -> object:
    return replace(driver.facts, **facts)  # type: ignore[arg-type]


AnyRollout.TestCase.settings = settings(max_examples=examples(120), deadline=None)
TestAnyRollout = AnyRollout.TestCase
