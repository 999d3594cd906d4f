# SPDX-License-Identifier: GPL-3.0-or-later
"""Months over real audits: which of them counts, what a closed month keeps, who gets a ticket."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from storewarden.domain.baseline.compliance import Fault, FleetMonth, Month, Registered, Standing
from storewarden.domain.baseline.drift_ticket import ClosedBecause, TicketKind
from storewarden.flows.compliance import close_months, fleet_month
from storewarden.flows.compliance_duty import MonthClosing
from storewarden.ports.runner import HostStatus
from storewarden.testing.engine import ManualEngine
from tests.flows.audit_site import missed
from tests.flows.drift_scene import BAD_B, Scene

MARCH, APRIL, MAY = Month(2026, 3), Month(2026, 4), Month(2026, 5)
GONE = missed(HostStatus.UNREACHABLE, "timed out")


def _faults(fleet: FleetMonth) -> list[Fault]:
    return [each.fault for each in fleet.devices]


def _to(scene: Scene, year: int, month: int, day: int, hour: int = 0) -> None:
    scene.clock.advance(datetime(year, month, day, hour, tzinfo=UTC) - scene.clock.now())


def test_the_last_audit_of_the_month_counts() -> None:
    scene = Scene()
    scene.fails("h0", BAD_B)
    scene.day()
    assert _faults(fleet_month(scene.months, MARCH)) == [Fault.HIGH_OPEN, Fault.NONE]
    scene.answers.clear()
    last = scene.day()
    fleet = fleet_month(scene.months, MARCH)
    assert _faults(fleet) == [Fault.NONE, Fault.NONE]
    assert {each.audit for each in fleet.devices} == {last.audit.id}
    assert fleet.closed_at is None


def test_a_device_that_was_lost_later_keeps_its_last_audit() -> None:
    scene = Scene()
    first = scene.day()
    scene.answers["h1"] = GONE
    second = scene.day()
    audits = [each.audit for each in fleet_month(scene.months, MARCH).devices]
    assert audits == [second.audit.id, first.audit.id]


def test_an_audit_of_some_controls_counts_for_nothing() -> None:
    scene = Scene()
    scene.fails("h0", BAD_B)
    full = scene.day()
    scene.day(selection=("A01",))
    fleet = fleet_month(scene.months, MARCH)
    assert [each.audit for each in fleet.devices] == [full.audit.id] * 2
    assert _faults(fleet) == [Fault.HIGH_OPEN, Fault.NONE]


def test_a_month_begins_and_ends_in_the_sites_zone() -> None:
    scene = Scene()
    _to(scene, 2026, 3, 31, 15)  # 23:00 in Shanghai
    scene.day(0)
    scene.fails("h0", BAD_B)
    scene.day(1.5 / 24)  # 00:30 on 1 April
    assert _faults(fleet_month(scene.months, MARCH)) == [Fault.NONE, Fault.NONE]
    assert _faults(fleet_month(scene.months, APRIL)) == [Fault.HIGH_OPEN, Fault.NONE]


def test_a_closed_month_stays_as_it_was() -> None:
    """Whatever is audited, registered or waived later."""
    scene = Scene()
    scene.fails("h0", BAD_B)
    scene.day()
    assert close_months(scene.months) == ()
    _to(scene, 2026, 4, 1)
    (closed,) = close_months(scene.months)
    assert (closed.month, closed.closed_at) == (MARCH, scene.clock.now())
    assert [each.standing for each in closed.devices] == [Standing.BAD1, Standing.OK]
    scene.shrink_to(1)
    scene.content.forget("B01")
    assert close_months(scene.months) == ()
    assert fleet_month(scene.months, MARCH) == closed


def test_two_bad_months_make_a_device_one_to_be_fixed_by_force() -> None:
    scene = Scene()
    scene.fails("h0", BAD_B)
    scene.day()
    _to(scene, 2026, 4, 2)
    close_months(scene.months)
    scene.day()
    (device, other) = fleet_month(scene.months, APRIL).devices
    assert (device.standing, other.standing) == (Standing.BAD2, Standing.OK)
    _to(scene, 2026, 5, 2)
    close_months(scene.months)
    assert fleet_month(scene.months, MAY).devices[0].standing is Standing.BAD_AGAIN
    _to(scene, 2026, 5, 3)
    scene.answers.clear()
    scene.day()
    assert fleet_month(scene.months, MAY).devices[0].standing is Standing.OK


def test_a_device_nobody_looked_at_for_a_month_gets_a_ticket_until_it_is_audited() -> None:
    scene = Scene()
    scene.answers["h1"] = GONE
    scene.day()
    _to(scene, 2026, 4, 1)
    close_months(scene.months)
    (ticket,) = scene.open
    assert (ticket.key.kind, ticket.key.host, ticket.audit) == (
        TicketKind.UNAUDITED,
        "h1",
        "2026-03",
    )
    scene.day()
    assert scene.open == (ticket,)
    scene.answers.clear()
    scene.day()
    closed = scene.known.drift_tickets.ticket(ticket.number)
    assert closed is not None
    assert closed.closed_because is ClosedBecause.AUDITED


def test_a_device_that_left_the_inventory_loses_its_tickets() -> None:
    scene = Scene()
    scene.fails("h1", BAD_B)
    scene.day()
    scene.gone.add("h1")
    _to(scene, 2026, 4, 1)
    (closed,) = close_months(scene.months)
    assert closed.registered == 1
    (ticket,) = scene.known.drift_tickets.tickets()
    assert (ticket.closed_because, ticket.closed_by) == (ClosedBecause.GONE, "2026-03")


def test_a_close_that_was_killed_is_ended_by_the_next() -> None:
    """The tickets were opened, the month was not closed."""
    scene = Scene()
    scene.answers["h1"] = GONE
    scene.day()
    _to(scene, 2026, 4, 1)
    close_months(scene.months)
    number = scene.open[0].number
    again = Scene()
    again.answers["h1"] = GONE
    again.day()
    _to(again, 2026, 4, 1)
    close_months(again.months)
    assert again.open[0].number == number  # it follows from the month, so it would be the same


def test_the_duty_closes_months_when_they_are_over_and_reads_no_inventory_before() -> None:
    scene = Scene()
    scene.day()
    asked: list[int] = []

    def registered() -> Sequence[Registered]:
        asked.append(1)
        return scene.registered()

    duty = MonthClosing(replace(scene.months, registered=registered))
    engine = ManualEngine(scene.clock)
    engine.start([duty])
    engine.run_due()
    engine.pass_time(timedelta(days=2))
    assert asked == []
    _to(scene, 2026, 3, 31, 16)  # midnight in Shanghai
    engine.run_due()
    assert scene.known.compliance.months() == (MARCH,)
    assert asked == [1]
