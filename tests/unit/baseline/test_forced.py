# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixes by force: who is fixed, who is asked about, who only gets a ticket."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from storewarden.domain.baseline.compliance import DeviceMonth, FleetMonth, Month, Registered
from storewarden.domain.baseline.control import Control, GuideMark, Risk, Severity
from storewarden.domain.baseline.forced import batches, forced_plan

MAY = Month(2026, 5)


def control(ident: str, risk: Risk, *, manual: bool = False) -> Control:
    """A control whose fix risks so much."""
    return Control(
        id=ident,
        family="x",
        title={"en": ident},
        severity=Severity.HIGH,
        risk=risk,
        guide_section="1.1.1",
        guide_mark=GuideMark.STATED,
        fix_group="accounts",
        fix_manual=manual,
    )


CONTROLS = {
    each.id: each
    for each in (
        control("A00", Risk.R0),
        control("A01", Risk.R1),
        control("A02", Risk.R2),
        control("A03", Risk.R3),
        control("M01", Risk.R0, manual=True),
    )
}


def device(host: str, bad: int, *failing: str, audit: str = "a1") -> DeviceMonth:
    """A device after so many bad months."""
    known = Registered(host=host)
    return DeviceMonth(
        device=known, audit=audit, open_high=failing, failing=failing, bad_months=bad
    )


def _fleet(*devices: DeviceMonth) -> FleetMonth:
    return FleetMonth(month=MAY, devices=devices)


def test_low_risk_is_fixed_and_high_risk_is_asked_about() -> None:
    plan = forced_plan(_fleet(device("h0", 2, "A00", "A01", "A02", "A03")), CONTROLS)
    assert plan.automatic.fixes == {"h0": ("A00", "A01")}
    assert plan.automatic.risk is Risk.R1
    assert plan.approval.fixes == {"h0": ("A02", "A03")}
    assert plan.approval.risk is Risk.R3
    assert plan.approval.controls == ("A02", "A03")
    assert (plan.by_hand, plan.still) == ((), ())


def test_one_bad_month_is_a_warning() -> None:
    assert forced_plan(_fleet(device("h0", 1, "A00"), device("h1", 0)), CONTROLS).empty


def test_a_device_nobody_looked_at_is_never_touched() -> None:
    assert forced_plan(_fleet(device("h0", 3, audit="")), CONTROLS, ["h0"]).empty


def test_what_no_machine_can_fix_is_for_a_person() -> None:
    plan = forced_plan(_fleet(device("h0", 2, "M01"), device("h1", 2, "GONE")), CONTROLS)
    assert [each.device.host for each in plan.by_hand] == ["h0", "h1"]
    assert not plan.automatic.fixes
    assert not plan.approval.fixes


def test_still_bad_after_a_fix_by_force_is_a_problem_and_is_tried_again() -> None:
    plan = forced_plan(_fleet(device("h0", 3, "A00"), device("h1", 2, "A00")), CONTROLS, ["h0"])
    assert [each.device.host for each in plan.still] == ["h0"]
    assert plan.automatic.hosts == ("h0", "h1")


@given(
    hosts=st.lists(st.text(min_size=1), unique=True, max_size=40),
    size=st.integers(1, 12),
    begun=st.integers(0, 40),
)
def test_every_device_is_in_one_batch_and_the_first_stands_alone(
    hosts: list[str], size: int, begun: int
) -> None:
    done = hosts[:begun]
    found = batches(hosts, size, done)
    assert [host for batch in found for host in batch] == hosts[len(done) :]
    assert all(1 <= len(batch) <= size for batch in found)
    if not done and hosts:
        assert found[0] == (hosts[0],)
