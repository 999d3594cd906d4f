# SPDX-License-Identifier: GPL-3.0-or-later
"""A waiver covers what was signed for, where, and until when; nothing more."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storewarden.domain.baseline.control import Severity
from storewarden.domain.baseline.finding import Finding, Verdict
from storewarden.domain.baseline.waiver import (
    DeviceFacts,
    Scope,
    Waiver,
    WaiverBook,
    WaiverReason,
    expired,
    objections,
    orphans,
    waived,
)

SHANGHAI = ZoneInfo("Asia/Shanghai")
BASTION = DeviceFacts(
    host="b1", groups=frozenset({"linux"}), store="000001", region="east", role="bastion"
)
POS = DeviceFacts(host="p1", groups=frozenset({"linux"}), store="000001", region="east", role="pos")
FAILED = Finding(control="B08", verdict=Verdict.FAIL, value=["yes"])
NOON = datetime(2026, 3, 10, 4, tzinfo=UTC)  # 12:00 in Shanghai
WAIVER = Waiver(
    control="B08",
    scope=Scope(roles=frozenset({"bastion"})),
    justification="forwards for support",
    approvers=("zhang.wei",),
    ticket="GMBG-20260301-004",
    compensating="sessions are recorded",
    approved=date(2026, 3, 1),
    expires=date(2026, 3, 31),
    accepted=["yes"],
)


def _reason(waiver: Waiver = WAIVER, **given_: object) -> WaiverReason:
    finding, device, now = (
        given_.get("finding", FAILED),
        given_.get("device", BASTION),
        given_.get("now", NOON),
    )
    decision = waived(finding, device, [waiver], now, SHANGHAI)  # type: ignore[arg-type]
    assert decision.waived is (decision.reason is WaiverReason.ACTIVE)
    return decision.reason


def test_an_active_waiver_covers_its_failure() -> None:
    assert _reason() is WaiverReason.ACTIVE


def test_another_value_voids_it() -> None:
    assert _reason(finding=replace(FAILED, value=["yes", "local"])) is WaiverReason.VALUE_DIFFERS
    assert _reason(replace(WAIVER, accepted=[True])) is WaiverReason.VALUE_DIFFERS
    one = replace(FAILED, value={"on": 1})
    assert _reason(replace(WAIVER, accepted={"on": True}), finding=one) is (
        WaiverReason.VALUE_DIFFERS
    )
    assert _reason(replace(WAIVER, accepted={"on": 1.0}), finding=one) is WaiverReason.ACTIVE


def test_it_is_valid_through_the_end_of_its_day_in_the_site_s_zone() -> None:
    last = datetime(2026, 3, 31, 23, 59, 59, tzinfo=SHANGHAI)
    assert _reason(now=last) is WaiverReason.ACTIVE
    assert _reason(now=last + timedelta(seconds=1)) is WaiverReason.EXPIRED
    assert _reason(now=last.astimezone(UTC)) is WaiverReason.ACTIVE
    first = datetime(2026, 3, 1, tzinfo=SHANGHAI)
    assert _reason(now=first) is WaiverReason.ACTIVE
    assert _reason(now=first - timedelta(seconds=1)) is WaiverReason.NOT_YET


def test_only_failures_are_waived() -> None:
    for verdict in Verdict:
        expected = WaiverReason.ACTIVE if verdict is Verdict.FAIL else WaiverReason.NOT_FAILED
        assert _reason(finding=replace(FAILED, verdict=verdict)) is expected


def test_outside_its_scope_or_control_there_is_none() -> None:
    assert _reason(device=POS) is WaiverReason.NOT_IN_SCOPE
    assert _reason(finding=replace(FAILED, control="B07")) is WaiverReason.NO_WAIVER


def test_of_several_the_one_that_covers_decides() -> None:
    old = replace(WAIVER, expires=date(2026, 3, 2))
    other = replace(WAIVER, accepted=["local"])
    decision = waived(FAILED, BASTION, [old, other, WAIVER], NOON, SHANGHAI)
    assert decision.waiver == WAIVER
    decision = waived(FAILED, BASTION, [old, other], NOON, SHANGHAI)
    assert (decision.reason, decision.waiver) == (WaiverReason.VALUE_DIFFERS, other)


@pytest.mark.parametrize(
    ("scope", "covered"),
    [
        (Scope(hosts=frozenset({"b1", "b2"})), True),
        (Scope(groups=frozenset({"linux", "windows"})), True),
        (Scope(stores=frozenset({"000001"}), roles=frozenset({"bastion"})), True),
        (Scope(stores=frozenset({"000002"}), roles=frozenset({"bastion"})), False),
        (Scope(regions=frozenset({"west"})), False),
        (Scope(groups=frozenset({"windows"}), hosts=frozenset({"b1"})), False),
        (Scope(), False),
    ],
)
def test_every_kind_of_a_scope_must_match(scope: Scope, covered: bool) -> None:
    assert scope.covers(BASTION) is covered


def test_expired_and_orphaned_ones_are_named() -> None:
    old = replace(WAIVER, expires=date(2026, 3, 9))
    assert expired([WAIVER, old], NOON, SHANGHAI) == (old,)
    lost = replace(WAIVER, scope=Scope(hosts=frozenset({"gone"})))
    assert orphans([WAIVER, lost], [BASTION, POS]) == (lost,)


def test_a_book_answers_for_many() -> None:
    book = WaiverBook(waivers=(WAIVER,), devices={"b1": BASTION}, now=NOON, zone=SHANGHAI)
    assert book.decide("b1", FAILED).waived
    assert book.decide("p1", FAILED).reason is WaiverReason.NOT_IN_SCOPE
    assert book.decide("b1", replace(FAILED, control="A01")).reason is WaiverReason.NO_WAIVER


@pytest.mark.parametrize(
    ("changes", "severity", "objection"),
    [
        ({}, Severity.MEDIUM, None),
        ({"approvers": ("a", "b")}, Severity.HIGH, None),
        ({}, Severity.HIGH, "needs 2 different approver(s), found 1"),
        ({"approvers": ("Li", " li ")}, Severity.HIGH, "found 1"),
        ({"approvers": ()}, Severity.LOW, "found 0"),
        ({"expires": date(2026, 4, 1), "approvers": ("a", "b")}, Severity.HIGH, "is 31 days"),
        ({"expires": date(2026, 5, 30)}, Severity.LOW, None),
        ({"expires": date(2026, 5, 31)}, Severity.MEDIUM, "is 91 days"),
        ({"expires": date(2026, 2, 28)}, Severity.LOW, "is before approved"),
        ({"justification": "  "}, Severity.LOW, "justification is empty"),
        ({"ticket": ""}, Severity.LOW, "ticket is empty"),
        ({"compensating": ""}, Severity.LOW, "compensating is empty"),
        ({"scope": Scope()}, Severity.LOW, "scope names no host"),
    ],
)
def test_what_is_wrong_with_a_waiver_is_said(
    changes: dict[str, object], severity: Severity, objection: str | None
) -> None:
    found = objections(replace(WAIVER, **changes), severity)  # type: ignore[arg-type]
    if objection is None:
        assert found == ()
    else:
        assert objection in found[0]


@given(hours=st.integers(-24 * 60, 24 * 60), zone=st.sampled_from(["UTC", "Asia/Shanghai"]))
def test_a_waiver_holds_on_exactly_its_days(hours: int, zone: str) -> None:
    now = NOON + timedelta(hours=hours)
    day = now.astimezone(ZoneInfo(zone)).date()
    decision = waived(FAILED, BASTION, [WAIVER], now, ZoneInfo(zone))
    assert decision.waived is (WAIVER.approved <= day <= WAIVER.expires)
