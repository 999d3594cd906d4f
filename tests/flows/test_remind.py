# SPDX-License-Identifier: GPL-3.0-or-later
"""What time does to changes, once each."""

from __future__ import annotations

from datetime import timedelta

from storewarden.domain.change.events import EventKind
from storewarden.domain.change.plain import stamp
from storewarden.domain.change.record import Risk, State
from storewarden.domain.change.rules import ApprovalRules
from storewarden.domain.errors import LedgerConflict
from storewarden.flows.remind import Reminding, RemindParts
from storewarden.ports.changes import Amended
from storewarden.testing.conformance_ledger import START
from storewarden.testing.engine import ManualEngine
from tests.flows.duty_scene import Scene

RULES = ApprovalRules()


class Clockwork(Scene):
    """A scene in which only time passes."""

    def begin(self, book: object = None) -> None:
        """A new controller."""
        parts = RemindParts(
            book=book or self.ledger.changes,  # type: ignore[arg-type]
            ledger=self.ledger,
            rules=RULES,
        )
        self.engine = ManualEngine(self.clock)
        self.engine.start([Reminding(parts)])

    def kinds(self, number: str) -> list[str]:
        """What happened to a change."""
        return [entry.kind for entry in self.ledger.changes.history(number)]

    def approved(self) -> str:
        """A change whose approval runs out in a day."""
        number = self.open()
        until = stamp(START + timedelta(days=1))
        self.happens(
            number, EventKind.APPROVED, roles=["department_head"], expires=until, comment=""
        )
        self.happens(number, EventKind.AUTHORISED, required=["department_head"])
        return number


def test_an_approval_that_nobody_used_runs_out_at_its_time() -> None:
    scene = Clockwork()
    number = scene.approved()
    scene.begin()
    scene.engine.pass_time(timedelta(hours=23))
    assert "change approval expired" not in scene.kinds(number)
    scene.engine.pass_time(timedelta(hours=2))
    assert scene.kinds(number).count("change approval expired") == 1
    change = scene.ledger.changes.change(number)
    assert change is not None
    assert change.state is State.REQUESTED


def test_a_week_without_a_controller_is_one_reminder() -> None:
    scene = Clockwork()
    number = scene.open()
    scene.clock.advance(timedelta(days=7))
    scene.begin()
    scene.engine.run_due()
    assert scene.kinds(number).count("change reminded") == 1


def test_a_restart_reminds_nobody_again() -> None:
    scene = Clockwork()
    number = scene.open()
    scene.clock.advance(RULES.approval_target[_risk(scene, number)] + timedelta(minutes=1))
    for _ in range(3):
        scene.begin()
        scene.engine.run_due()
    assert scene.kinds(number).count("change reminded") == 1


def test_changes_opened_meanwhile_are_seen() -> None:
    scene = Clockwork()
    scene.begin()
    scene.engine.run_due()
    number = scene.open()
    scene.engine.wake("remind")
    scene.engine.pass_time(timedelta(days=3))
    assert "change reminded" in scene.kinds(number)


def test_what_has_ended_is_left_alone() -> None:
    scene = Clockwork()
    number = scene.open()
    scene.happens(number, EventKind.CANCELLED, reason="not needed")
    scene.begin()
    scene.engine.pass_time(timedelta(days=30))
    assert scene.kinds(number) == ["change opened", "change cancelled"]


def test_one_broken_change_does_not_stop_the_others_and_is_seen() -> None:
    scene = Clockwork()
    broken, fine = scene.open(), scene.open()
    scene.begin(_Broken(scene, broken))
    scene.clock.advance(timedelta(days=3))
    scene.engine.run_due()
    assert "change reminded" in scene.kinds(fine)
    told = scene.engine.status()["remind"]
    assert told["failures"] == 1
    assert "does not add up" in str(told["last_error"])


def test_a_clock_that_was_put_back_does_not_silence_it() -> None:
    """What failed at a wrong time is not left for that time to come."""
    scene = Clockwork()
    number = scene.open()
    book = _Broken(scene, number)
    scene.begin(book)
    scene.clock.advance(timedelta(days=368))
    scene.engine.run_due()
    assert scene.engine.status()["remind"]["failures"] == 1
    book.mended = True
    scene.clock.advance(timedelta(days=-365))
    scene.engine.wake("remind")
    scene.engine.run_due()
    assert scene.kinds(number).count("change reminded") == 1


class _Broken:
    """A book in which one change cannot be amended, until it is mended."""

    def __init__(self, scene: Scene, number: str) -> None:
        self._book, self._number = scene.ledger.changes, number
        self.mended = False

    def __getattr__(self, name: str) -> object:
        return getattr(self._book, name)

    def amend(self, number: str, key: str, decide: object) -> Amended:
        """Refused for the one."""
        if number == self._number and not self.mended:
            raise LedgerConflict("does not add up", where=number)
        return self._book.amend(number, key, decide)  # type: ignore[arg-type]


def _risk(scene: Scene, number: str) -> Risk:
    change = scene.ledger.changes.change(number)
    assert change is not None
    return change.draft.risk
