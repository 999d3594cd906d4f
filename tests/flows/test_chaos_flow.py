# SPDX-License-Identifier: GPL-3.0-or-later
"""An experiment over a real ledger: only the hosts are simulated, and the clock is moved."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from storewarden.adapters.ledger import open_ledger
from storewarden.adapters.ledger.sql import SqlLedger
from storewarden.domain.change.rules import ApprovalRules
from storewarden.domain.chaos.experiment import Experiment, Proof, Undone
from storewarden.domain.chaos.plan import Wish
from storewarden.domain.errors import Refused
from storewarden.domain.healing.alert import Alert, Delivery, Signal
from storewarden.domain.healing.world import Busy, Said, WindowAnswer, World
from storewarden.domain.maintenance.grounds import OperationClass
from storewarden.flows.chaos import ChaosParts, News, plan_experiment, run_experiment
from storewarden.flows.chaos_book import ChaosBook
from storewarden.flows.chaos_facts import FactParts
from storewarden.flows.chaos_play import ChaosPlay
from storewarden.flows.rollout_parts import EstateNow
from storewarden.ports.runner import FrozenInventory, HostResult, HostStatus, PlaybookRun
from storewarden.testing.ledger import ManualClock
from storewarden.testing.runner import FakeRunner, Scripted

NIGHT = datetime(2026, 6, 1, 18, 0, tzinfo=UTC)
TILL = "pos01.000101"
WISH = Wish(
    fault="stop-unit", hosts=(TILL,), options={"unit": "pos.service"}, span=timedelta(minutes=2)
)
_MADE: dict[str, object] = {"made": True, "en": "pos.service stopped", "zh": "已停止 pos.service"}
_BACK: dict[str, object] = {"undone": True, "by": "order", "at": 1060, "made_at": 1000}


@dataclass(slots=True)
class Place:
    """A lab with one till. ``begin`` and ``end`` are its answers, None for silence; waiting moves
    the clock, and ``stop_after`` seconds somebody presses Ctrl-C."""

    ledger: SqlLedger
    clock: ManualClock
    world: World = field(default_factory=lambda: World(devices={}))
    tag: object = "lab"
    begin: dict[str, object] | None = field(default_factory=lambda: dict(_MADE))
    end: dict[str, object] | None = field(default_factory=lambda: dict(_BACK))
    alert_after: float | None = None
    stop_after: float | None = None
    told: list[News] = field(default_factory=list)
    runner: FakeRunner = field(init=False)

    def __post_init__(self) -> None:
        self.runner = FakeRunner(self._scripted)

    def parts(self) -> ChaosParts:
        inventory = FrozenInventory(hosts={TILL: {"sw_chaos": self.tag}})
        estate = EstateNow(devices=(), inventory=inventory)
        return ChaosParts(
            facts=FactParts(
                world=lambda _now: self.world,
                estate=lambda: estate,
                changes=self.ledger.changes,
                approvals=ApprovalRules(),
                rules=lambda: ["till down"],
            ),
            book=ChaosBook(self.ledger),
            healing=self.ledger.alerts,
            play=ChaosPlay(runner=self.runner, estate=lambda: estate),
            clock=self.clock,
            by="op.one",
            wait=self._wait,
            watch=self.told.append,
        )

    def experiment(self) -> Experiment:
        """One that somebody else begins with the same till."""
        return Experiment(
            name="", fault=WISH.fault, hosts=WISH.hosts, begun_at=self.clock.now(), span=WISH.span,
            by="op.two",
        )  # fmt: skip

    def kinds(self) -> list[str]:
        found = [each.kind for each in self.ledger.journal()]
        assert self.ledger.verify().problems == ()
        return [kind for kind in found if kind.startswith("chaos ")]

    def words(self) -> list[object]:
        return [run.variables["chaos_word"] for run in self.runner.started]

    def _wait(self, seconds: float) -> bool:
        self.clock.advance(timedelta(seconds=seconds))
        passed = (self.clock.now() - NIGHT).total_seconds()
        if self.alert_after is not None and passed >= self.alert_after:
            self.alert_after = None
            self._alert()
        return self.stop_after is not None and passed >= self.stop_after

    def _alert(self) -> None:
        alert = Alert(
            source="shop", fingerprint="f", starts_at=self.clock.now(), signal=Signal.FIRING,
            name="PosDown", labels={"alertname": "PosDown", "host": TILL},
        )  # fmt: skip
        self.ledger.alerts.receive(Delivery(source="shop", alerts=(alert,)), self.clock.now())

    def _scripted(self, run: PlaybookRun) -> Scripted:
        said = self.begin if run.variables["chaos_word"] == "begin" else self.end
        if said is None:
            status, report = HostStatus.UNREACHABLE, dict[str, object]()
        else:
            status = HostStatus.FAILED if "reason" in said else HostStatus.CHANGED
            report = {"chaos": said}
        return Scripted(hosts={TILL: HostResult(host=TILL, status=status, report=report)})


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    clock = ManualClock(NIGHT)
    ledger = open_ledger(tmp_path / "ledger.sqlite", clock=clock)
    yield Place(ledger, clock)
    ledger.close()


def test_an_experiment_without_an_alert_is_taken_back_and_proves_nothing(place: Place) -> None:
    done = run_experiment(place.parts(), WISH)
    (row,) = done.rows
    assert (done.name, row.proof, row.undone) == ("chaos-1", Proof.UNSEEN, Undone.ORDER)
    assert row.undone_after == timedelta(seconds=60)  # by the host's own clock
    assert place.words() == ["begin", "end"]
    assert place.runner.started[0].variables["chaos_seconds"] == 120.0
    assert len(place.runner.released) == 2  # healing finds the host free
    assert place.kinds() == ["chaos begun", "chaos undone", "chaos ended"]
    assert run_experiment(place.parts(), WISH).name == "chaos-2"


def test_an_alert_that_nobody_deals_with_is_told(place: Place) -> None:
    place.alert_after = 10
    (row,) = run_experiment(place.parts(), WISH).rows
    assert (row.proof, row.alert) == (Proof.LATE, "PosDown")
    assert row.seen is not None and timedelta(seconds=9) < row.seen < timedelta(seconds=12)
    assert "alert PosDown" in [news.en for news in place.told]


def test_who_is_asked_to_stop_takes_it_back_first(place: Place) -> None:
    place.stop_after = 3
    done = run_experiment(place.parts(), WISH)
    assert (done.outcome, done.rows[0].undone) == ("interrupted", Undone.ORDER)
    assert done.ended_at is not None and done.ended_at - NIGHT < timedelta(seconds=5)


def test_a_fault_that_the_host_refuses_leaves_nothing_to_undo(place: Place) -> None:
    place.begin = {"reason": "no such unit", "reason_zh": "没有该单元"}
    (row,) = run_experiment(place.parts(), WISH).rows
    assert (row.proof, row.undone, row.what) == (
        Proof.UNMADE, Undone.NOTHING, ("no such unit", "没有该单元"),
    )  # fmt: skip
    assert place.words() == ["begin"]


def test_a_host_that_was_lost_while_it_was_broken_is_told_to_end(place: Place) -> None:
    place.begin = None
    (row,) = run_experiment(place.parts(), WISH).rows
    assert (row.proof, row.undone) == (Proof.UNMADE, Undone.ORDER)
    assert place.words() == ["begin", "end"]


def test_a_host_that_never_answers_again_is_asked_until_its_timer_has_run(place: Place) -> None:
    place.end = None
    done = run_experiment(place.parts(), WISH)
    assert done.doubtful and done.rows[0].undone is Undone.UNKNOWN
    assert done.ended_at is not None and done.ended_at - NIGHT >= WISH.span
    assert place.words().count("end") > 2


def test_what_forbids_it_is_told_and_nothing_begins(place: Place) -> None:
    place.world = World(devices={}, stopped=Said(en="stopped by head", zh="已停止"))
    with pytest.raises(Refused, match="stopped by head"):
        run_experiment(place.parts(), WISH)
    place.world = World(devices={}, frozen=Said(en="year-end freeze", zh="年终冻结"))
    with pytest.raises(Refused, match="year-end freeze"):
        run_experiment(place.parts(), WISH)
    place.world = World(devices={}, busy={TILL: Busy(who="rollout R-7")})
    with pytest.raises(Refused, match="rollout R-7"):
        run_experiment(place.parts(), WISH)
    place.world, place.tag = World(devices={}), True
    plan = plan_experiment(place.parts(), WISH)
    assert {each.about for each in plan.objections} == {"target", "change"}
    assert place.kinds() == []
    assert place.runner.started == []


def test_an_experiment_whose_controller_died_keeps_its_host_until_its_timer_has_run(
    place: Place,
) -> None:
    def dies(_seconds: float) -> bool:
        raise SystemExit

    parts = place.parts()
    place.end = None
    with pytest.raises(SystemExit):
        run_experiment(replace(parts, wait=dies), WISH)
    assert place.kinds() == ["chaos begun"]
    with pytest.raises(Refused, match="chaos-1"):
        run_experiment(place.parts(), WISH)
    place.clock.advance(timedelta(minutes=8))
    place.end = dict(_BACK)
    assert run_experiment(place.parts(), WISH).name == "chaos-2"
    ended = place.ledger.entry("chaos-1", "ended")
    assert ended is not None and ended.body["outcome"] == "abandoned"


def test_who_begins_while_another_plans_is_seen_by_the_other(place: Place) -> None:
    parts, begun = place.parts(), list[Experiment | None]()
    estate = parts.facts.estate

    def meanwhile() -> EstateNow:  # asked for after the experiments under way
        if not begun:
            begun.append(ChaosBook(place.ledger).begin(place.experiment()))
        return estate()

    with pytest.raises(Refused, match="chaos-1"):
        run_experiment(replace(parts, facts=replace(parts.facts, estate=meanwhile)), WISH)
    assert [each.name for each in begun if each] == ["chaos-1"]
    assert place.kinds() == ["chaos begun"]
    assert place.runner.started == []


def test_a_fault_that_may_still_be_there_counts_until_its_timer_has_run(place: Place) -> None:
    """Stopped while the host did not answer: it has ended, and the till may be broken still."""
    place.end, place.stop_after = None, 3
    assert run_experiment(place.parts(), WISH).doubtful
    place.end, place.stop_after = dict(_BACK), None
    with pytest.raises(Refused, match="chaos-1"):
        run_experiment(place.parts(), WISH)
    place.clock.advance(timedelta(minutes=8))
    assert run_experiment(place.parts(), WISH).name == "chaos-2"
    first = [each.step for each in place.ledger.journal() if each.run == "chaos-1"]
    assert first == ["begun", "undone", "ended"]


def test_an_end_that_was_told_by_somebody_else_stays(place: Place) -> None:
    book = ChaosBook(place.ledger)
    begun = book.begin(place.experiment())
    assert begun is not None
    place.clock.advance(timedelta(minutes=30))
    assert ChaosBook(place.ledger).under_way(place.clock.now()) == ()
    book.end(replace(begun, ended_at=place.clock.now(), outcome="completed"))
    ended = place.ledger.entry("chaos-1", "ended")
    assert ended is not None and ended.body["outcome"] == "abandoned"


@pytest.mark.parametrize(("minutes", "objections"), [(1, ["window"]), (5, [])])
def test_the_window_has_to_be_open_until_its_time_is_up(
    place: Place, minutes: int, objections: list[str]
) -> None:
    closes, said = NIGHT + timedelta(minutes=minutes), Said(en="it closes", zh="已关闭")

    def world(now: datetime) -> World:
        def answer(_host: str, _operation: OperationClass) -> WindowAnswer:
            return WindowAnswer(allowed=now < closes, reason=said)

        return World(devices={}, windows=answer)

    parts = place.parts()
    plan = plan_experiment(replace(parts, facts=replace(parts.facts, world=world)), WISH)
    assert [each.about for each in plan.objections] == objections
    assert {each.en for each in plan.objections} <= {"when its time is up: it closes"}


@pytest.mark.parametrize(
    ("real", "objections"),
    [
        ({"ansible_host": "192.0.2.7"}, {"tag", "target"}),
        (
            {"ansible_host": {"__ansible_unsafe": "192.0.2.7"}, "ansible_port": "22"},
            {"tag", "target"},
        ),
        ({"ansible_host": "192.0.2.7", "sw_chaos": True}, {"target", "change"}),
        ({"ansible_host": "192.0.2.7", "ansible_port": 2222}, set()),
        ({"ansible_host": "192.0.2.8"}, set()),
    ],
)
def test_a_second_name_does_not_make_a_lab_host_of_a_till(
    place: Place, real: dict[str, object], objections: set[str]
) -> None:
    till: dict[str, object] = {"sw_chaos": "lab", "ansible_host": "192.0.2.7"}
    hosts = {TILL: till, "pos09.000109": real}
    estate = EstateNow(devices=(), inventory=FrozenInventory(hosts=hosts))
    parts = place.parts()
    plan = plan_experiment(replace(parts, facts=replace(parts.facts, estate=lambda: estate)), WISH)
    assert {each.about for each in plan.objections} == objections
    for each in plan.objections:
        assert each.about != "tag" or "pos09.000109 is the same machine" in each.en


def test_an_experiment_under_another_name_of_the_machine_has_it(place: Place) -> None:
    """With room for two: it is the same machine all the same."""
    till: dict[str, object] = {"sw_chaos": "lab", "ansible_host": "192.0.2.7"}
    hosts = {TILL: till, "pos09.000109": till}
    estate = EstateNow(devices=(), inventory=FrozenInventory(hosts=hosts))
    parts = replace(place.parts(), most=2)
    parts = replace(parts, facts=replace(parts.facts, estate=lambda: estate))
    assert plan_experiment(parts, WISH).allowed
    ChaosBook(place.ledger).begin(replace(place.experiment(), hosts=("pos09.000109",)))
    (busy,) = plan_experiment(parts, WISH).objections
    assert (busy.about, busy.en) == ("busy", "is busy: chaos-1, as pos09.000109")
