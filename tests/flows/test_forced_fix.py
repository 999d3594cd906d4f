# SPDX-License-Identifier: GPL-3.0-or-later
"""From a closed month to changes and runs: once per device and month, and never blindly."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from storewarden.domain.baseline.compliance import DeviceMonth, FleetMonth, Month
from storewarden.domain.baseline.drift_ticket import TicketKind
from storewarden.domain.change.people import CLOCK
from storewarden.domain.change.record import Change, Risk, State
from storewarden.domain.errors import AdapterError
from storewarden.domain.outbox.drift_words import FORCED
from storewarden.domain.outbox.notice import Context, Event
from storewarden.domain.outbox.telling import notice_of
from storewarden.flows.change_desk import ChangeDesk
from storewarden.flows.change_items import EstateItems
from storewarden.flows.forced_fix import BEGAN, DONE, ENDED, ForcedFix, ForcedParts
from storewarden.ports.forced import ForcedOrder, ForcedOutcome
from storewarden.ports.runner import FrozenInventory
from storewarden.testing.engine import ManualEngine
from storewarden.testing.inventory import FixedInventory
from tests.flows.desk_place import Place
from tests.flows.drift_scene import Scene
from tests.unit.baseline.test_forced import CONTROLS, device

MAY, JUNE = Month(2026, 5), Month(2026, 6)
STANDING = "GMBG-20260101-001"


@dataclass
class Hands:
    """What carries out orders, as a test says."""

    orders: list[ForcedOrder] = field(default_factory=list)
    against: str = ""
    window: str = ""
    lost: set[str] = field(default_factory=set)
    error: AdapterError | None = None

    def refusal(self, order: ForcedOrder) -> str:
        """Why the change does not cover it."""
        return self.against if order.change else "no change"

    def waits(self, order: ForcedOrder) -> str:
        """Why it is not the time."""
        assert order.hosts
        return self.window

    def start(self, order: ForcedOrder) -> ForcedOutcome:
        """Everything goes well but for the lost."""
        self.orders.append(order)
        if self.error is not None:
            raise self.error
        lost = tuple(host for host in order.hosts if host in self.lost)
        well = tuple(host for host in order.hosts if host not in self.lost)
        return ForcedOutcome(well=well, open=lost, said="session 1")


class Force:
    """A site whose months are given."""

    def __init__(self, standing: str = STANDING) -> None:
        self.scene = Scene(hosts=30)
        self.clock = self.scene.clock
        self.clock.advance(datetime(2026, 6, 1, tzinfo=UTC) - self.clock.now())
        self.hands = Hands()
        place = Place.over(self.scene.known, self.clock)
        hosts: dict[str, dict[str, object]] = {
            f"h{n}": {"sw_store": "000101", "sw_ci": f"POS-{n}"} for n in range(30)
        }
        place.items = EstateItems(
            FixedInventory(FrozenInventory(hosts=hosts, source="inventory")),
            ["inventory"],
            clock=self.clock,
            zone_known=lambda _name: True,
        )
        self.desk: ChangeDesk = place.desk(CLOCK)
        self.parts = ForcedParts(
            months=self.scene.months,
            controls=lambda: CONTROLS,
            desk=lambda: self.desk,
            harden=self.hands,
            standing=standing,
        )
        self.restart()

    def restart(self) -> None:
        """Another controller."""
        self.engine = ManualEngine(self.clock)
        self.engine.start([ForcedFix(self.parts)])

    def close(self, *devices: DeviceMonth, month: Month = MAY) -> None:
        """A month is closed, and the controller works for some minutes."""
        self.scene.known.compliance.close_month(FleetMonth(month=month, devices=devices))
        self.run()

    def run(self, hours: float = 2) -> None:
        """Let time pass."""
        self.engine.wake("forced-fix")
        self.engine.run_due()
        self.engine.pass_time(timedelta(hours=hours))

    def bodies(self, kind: str) -> list[dict[str, object]]:
        """The bodies of all entries of a kind."""
        return [dict(e.body) for e in self.scene.known.journal() if e.kind == kind]

    @property
    def changes(self) -> tuple[Change, ...]:
        """All changes, newest first."""
        return self.scene.known.changes.changes()


def test_low_risk_fixes_run_under_the_standing_change_the_first_device_alone() -> None:
    force = Force()
    force.close(*(device(f"h{n}", 2, "A00", "A01") for n in range(13)))
    assert [len(order.hosts) for order in force.hands.orders] == [1, 10, 2]
    first = force.hands.orders[0]
    assert (first.change, first.controls, first.max_risk.value) == (STANDING, ("A00", "A01"), "R1")
    assert force.changes == ()
    assert force.bodies(ENDED)[0]["well"] == ["h0"]
    assert len(force.bodies(DONE)) == 1


def test_no_device_is_fixed_by_force_twice_for_one_month() -> None:
    """Not after a restart, nor when the controller was killed in the middle of a batch."""
    force = Force()
    force.hands.window = "store open"
    force.close(*(device(f"h{n}", 2, "A00") for n in range(3)))
    assert force.hands.orders == []
    force.hands.window = ""
    run, body = "forced fix 2026-05", {"month": "2026-05", "change": STANDING, "hosts": ["h0"]}
    force.scene.known.append(BEGAN, body, run=run, step="began 1")  # and then it was killed
    force.restart()
    force.run()
    assert [order.hosts for order in force.hands.orders] == [("h1", "h2")]
    force.restart()
    force.run()
    assert len(force.hands.orders) == 1


def test_it_waits_for_a_window_and_notes_nothing_meanwhile() -> None:
    force = Force()
    force.hands.window = "the store is open"
    force.close(device("h0", 2, "A00"))
    before = force.scene.known.head()
    force.run(hours=20)
    assert force.scene.known.head() == before
    force.hands.window = ""
    force.run()
    assert [order.hosts for order in force.hands.orders] == [("h0",)]


def test_a_device_nobody_knows_of_stops_the_others() -> None:
    force = Force()
    force.hands.lost = {"h0"}
    force.close(*(device(f"h{n}", 2, "A00") for n in range(5)))
    assert [order.hosts for order in force.hands.orders] == [("h0",)]
    assert force.bodies(ENDED)[0]["open"] == ["h0"]
    assert len(force.bodies(DONE)) == 1


def test_a_run_that_could_not_begin_is_told_and_not_repeated() -> None:
    force = Force()
    force.hands.error = AdapterError("the disk is full")
    force.close(device("h0", 2, "A00"))
    (body,) = force.bodies(ENDED)
    assert (body["left"], body["said"]) == (["h0"], "the disk is full")
    assert len(force.hands.orders) == 1


def test_without_a_standing_change_low_risk_waits_for_approval() -> None:
    force = Force(standing="")
    force.close(device("h0", 2, "A00"), device("h1", 1, "A00"))
    (change,) = force.changes
    assert (change.state, change.draft.risk) == (State.REQUESTED, Risk.LOW)
    assert (change.requester, change.hosts) == ("storewarden", ("h0",))
    assert "h0: A00" in change.draft.plan
    assert force.hands.orders == []


def test_a_standing_change_that_does_not_cover_the_devices_is_not_used() -> None:
    force = Force()
    force.hands.against = "none of its configuration items: h0"
    force.close(device("h0", 2, "A00"))
    assert len(force.changes) == 1
    (body,) = force.bodies(FORCED)
    assert body["change"] == force.changes[0].number
    assert "none of its configuration items: h0" in str(body["reason"])


def test_higher_risk_is_a_change_of_its_own_that_begins_with_one_device() -> None:
    force = Force()
    force.close(device("h0", 2, "A00", "A02"), device("h1", 2, "A03"))
    (change,) = force.changes
    assert (change.state, change.draft.risk) == (State.REQUESTED, Risk.HIGH)
    assert change.hosts == ("h0", "h1")
    assert [step.two_person for step in change.steps] == [True]
    assert change.steps[0].name.startswith("harden")
    assert [order.controls for order in force.hands.orders] == [("A00",)]


def test_planning_twice_opens_nothing_twice() -> None:
    force = Force(standing="")
    force.close(device("h0", 2, "A00", "A02"))
    force.restart()
    force.run()
    assert len(force.changes) == 2
    assert len(force.bodies(FORCED)) == 2


def test_still_bad_afterwards_is_a_problem_ticket() -> None:
    force = Force()
    force.close(device("h0", 2, "A00"))
    force.close(device("h0", 3, "A00"), month=JUNE)
    (ticket,) = force.scene.open
    assert (ticket.key.kind, ticket.key.host) == (TicketKind.PROBLEM, "h0")
    assert ticket.reason["en"].startswith("a fix by force was planned")
    assert [order.hosts for order in force.hands.orders] == [("h0",), ("h0",)]


def test_a_site_without_tickets_gets_none() -> None:
    force = Force()
    force.parts = replace(force.parts, months=replace(force.parts.months, tickets=False))
    force.restart()
    force.close(device("h0", 2, "M01"))
    assert force.scene.open == ()


def test_people_are_told_which_change_it_is() -> None:
    force = Force(standing="")
    force.close(device("h0", 2, "A00"))
    (entry,) = [each for each in force.scene.known.journal() if each.kind == FORCED]
    event = Event(sequence=1, at=entry.at, kind=entry.kind, run=entry.run, body=entry.body)
    notice = notice_of(event, Context())
    assert notice is not None
    assert notice.words.title.en == "forced fix after 2026-05: h0"
    assert notice.words.next.en == f"storewarden change show {force.changes[0].number}"
    assert "待审批" in notice.words.what.zh
