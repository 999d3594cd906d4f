# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host's groups mean for its change, what is chosen, and what may begin."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from storewarden.domain.baseline.control import Control, GuideMark, Risk, Severity
from storewarden.domain.baseline.finding import Audit, AuditState, Finding, HostAudit, Verdict
from storewarden.domain.baseline.harden import (
    ControlFix,
    GroupFix,
    GroupOutcome,
    HostFix,
    HostState,
    Standing,
    conclude,
)
from storewarden.domain.baseline.harden_choice import Why, choose, expected
from storewarden.domain.baseline.harden_gate import (
    Effort,
    rounds,
    start_refusal,
    time_refusal,
    undo_refusal,
)
from storewarden.domain.baseline.restored import undo_records
from storewarden.domain.baseline.waiver import Scope, Waiver, WaiverBook
from storewarden.domain.change.record import (
    Change,
    Draft,
    Item,
    KeyStep,
    Kind,
    Span,
    State,
)
from storewarden.domain.change.record import Risk as ChangeRisk

NOW = datetime(2026, 6, 1, 15, 0, tzinfo=UTC)
O = GroupOutcome  # noqa: E741


def host(*outcomes: GroupOutcome, state: HostState = HostState.ANSWERED) -> HostFix:
    groups = tuple(GroupFix(group=f"g{n}", outcome=each) for n, each in enumerate(outcomes))
    return HostFix(host="pos01", state=state, groups=groups)


@pytest.mark.parametrize(
    ("found", "forth", "back"),
    [
        (host(O.FIXED, O.UNCHANGED), Standing.WELL, Standing.MISSED),
        (host(O.FIXED, O.REFUSED), Standing.MISSED, Standing.MISSED),
        (host(O.FIXED, O.UNDONE), Standing.MISSED, Standing.MISSED),
        (host(O.FAILED), Standing.MISSED, Standing.MISSED),
        (host(O.FIXED, O.LOST), Standing.OPEN, Standing.OPEN),
        (host(O.RESIDUE, O.RESTORED), Standing.OPEN, Standing.OPEN),
        (host(O.RESTORED, O.RESTORED), Standing.MISSED, Standing.WELL),
        (host(), Standing.WELL, Standing.WELL),
        (host(state=HostState.NOTHING), Standing.WELL, Standing.WELL),
        (host(state=HostState.SKIPPED), Standing.UNTOUCHED, Standing.UNTOUCHED),
        (host(state=HostState.NOT_AUDITED), Standing.UNTOUCHED, Standing.UNTOUCHED),
        (host(state=HostState.UNREACHABLE), Standing.OPEN, Standing.OPEN),
        (host(O.FIXED, state=HostState.UNKNOWN), Standing.OPEN, Standing.OPEN),
        (host(O.FIXED, state=HostState.FAILED), Standing.OPEN, Standing.OPEN),
    ],
)
def test_what_a_host_means_for_its_change(found: HostFix, forth: Standing, back: Standing) -> None:
    assert (found.standing(), found.standing(back=True)) == (forth, back)


def test_a_control_that_was_left_out_or_still_fails_is_not_well() -> None:
    left = ControlFix(control="A01", problem={"en": "no such file"})
    group = GroupFix(group="pam", outcome=O.FIXED, controls=(left,))
    assert replace(host(), groups=(group,)).standing() is Standing.MISSED
    assert replace(host(O.FIXED), still=("B02",)).standing() is Standing.MISSED


def test_a_conclusion_names_what_is_left_the_worst_first() -> None:
    found = conclude(
        (
            replace(host(O.FIXED), host="a"),
            replace(host(O.REFUSED), host="b"),
            replace(host(O.LOST), host="c"),
            replace(host(state=HostState.SKIPPED), host="d"),
        )
    )
    assert (found.well, found.left, found.good) == (("a",), ("c", "b", "d"), False)
    assert found.groups == {O.FIXED: 1, O.REFUSED: 1, O.LOST: 1}


# -- what is chosen ----------------------------------------------------------------


def control(ident: str, risk: Risk = Risk.R1, **more: object) -> Control:
    fields: dict[str, object] = {
        "id": ident, "family": "x", "title": {"en": ident}, "severity": Severity.MEDIUM,
        "risk": risk, "guide_section": "", "guide_mark": GuideMark.OUTSIDE, "fix_group": "ssh",
    }  # fmt: skip
    return Control(**(fields | more))  # type: ignore[arg-type]


def audited(**verdicts: Verdict) -> Audit:
    findings = tuple(Finding(control=c, verdict=v, value="bad") for c, v in verdicts.items())
    one = HostAudit(host="pos01", state=AuditState.AUDITED, findings=findings)
    away = HostAudit(host="pos02", state=AuditState.UNREACHABLE)
    return Audit(id="a", at=NOW, hosts=(one, away), controls=tuple(verdicts))


def book(*waived: str) -> WaiverBook:
    waivers = tuple(
        Waiver(
            control=each, scope=Scope(hosts=frozenset({"pos01"})), justification="x",
            approvers=("a", "b"), ticket="T", compensating="y", approved=date(2026, 5, 20),
            expires=date(2026, 6, 2), accepted="bad",
        )
        for each in waived
    )  # fmt: skip
    return WaiverBook(waivers=waivers, devices={}, now=NOW, zone=UTC)


def test_every_finding_has_its_reason() -> None:
    known = {
        "A": control("A"),
        "B": control("B", Risk.R3),
        "C": control("C", fix_manual=True),
        "D": control("D", fix_group=""),
        "E": control("E"),
        "F": control("F"),
        "G": control("G"),
        "H": control("H"),
    }
    fail, audit = Verdict.FAIL, None
    audit = audited(
        A=fail, B=fail, C=fail, D=fail, E=fail, F=Verdict.ERROR, G=Verdict.NOT_APPLICABLE,
        H=Verdict.MANUAL,
    )  # fmt: skip
    wanted = choose(audit, known, book("E"), Risk.R2)
    assert {each.control.id: each.why for each in wanted.choices["pos01"]} == {
        "A": Why.FIX, "B": Why.RISK, "C": Why.MANUAL, "D": Why.MANUAL, "E": Why.WAIVED,
        "F": Why.BLIND, "G": Why.NOT_APPLICABLE, "H": Why.ATTESTED,
    }  # fmt: skip
    assert (wanted.hosts, wanted.fixes("pos01"), wanted.groups) == (("pos01",), ("A",), 1)
    after = expected(audit, wanted).hosts[0].findings
    assert [each.verdict for each in after if each.control in "AB"] == [Verdict.PASS, fail]


def test_a_waiver_of_another_value_does_not_keep_a_fix_away() -> None:
    found = replace(audited(A=Verdict.FAIL).hosts[0].findings[0], value="worse")
    one = HostAudit(host="pos01", state=AuditState.AUDITED, findings=(found,))
    audit = replace(audited(A=Verdict.FAIL), hosts=(one,))
    assert choose(audit, {"A": control("A")}, book("A"), Risk.R3).fixes("pos01") == ("A",)


# -- what may begin ----------------------------------------------------------------


def change(state: State = State.APPROVED, **more: object) -> Change:
    fields: dict[str, object] = {
        "summary": "s", "kind": Kind.STANDARD, "risk": ChangeRisk.LOW, "reason": "r",
        "items": (Item(host="pos01"), Item(host="pos02")), "operation": "configuration",
    }  # fmt: skip
    draft = Draft(**(fields | more))  # type: ignore[arg-type]
    return Change(
        number="GMBG-20260601-001", version=1, state=state, draft=draft, requester="op",
        opened_at=NOW, owner="op", steps=draft.steps,
    )  # fmt: skip


@pytest.mark.parametrize("state", [State.APPROVED, State.IN_PROGRESS])
def test_hosts_of_an_approved_or_begun_change_may_be_hardened(state: State) -> None:
    assert start_refusal(change(state), ["pos01"]) is None


@pytest.mark.parametrize(
    ("found", "hosts", "said"),
    [
        (change(State.REQUESTED), ["pos01"], "it is requested"),
        (change(State.DONE), ["pos01"], "it is done"),
        (change(State.CLOSED), ["pos01"], "it is closed"),
        (change(), [], "no host is left"),
        (change(), ["pos01", "srv01", "srv02", "srv03", "srv04"], "srv01, srv02, srv03 and 1 more"),
        (change(operation="release"), ["pos01"], "release does not cover hardening"),
        (change(steps=(KeyStep(name="dump", two_person=True),)), ["pos01"], "'dump' is not done"),
        (
            change(steps=(KeyStep(name="dump", two_person=True, done_by="op"),)),
            ["pos01"],
            "not checked by a second person",
        ),
    ],
)
def test_what_keeps_a_hardening_from_beginning(found: Change, hosts: list[str], said: str) -> None:
    refusal = start_refusal(found, hosts)
    assert refusal is not None
    assert said in refusal.reason
    assert refusal.hint


def test_steps_that_one_person_does_need_no_check() -> None:
    steps = (KeyStep(name="tell the store"), KeyStep(name="Harden the tills", two_person=True))
    assert start_refusal(change(steps=steps), ["pos01"]) is None


def test_the_work_and_its_undo_must_end_within_the_window() -> None:
    window = Span(starts=NOW, ends=NOW + timedelta(minutes=10))
    found = change(window=window)
    assert time_refusal(found, timedelta(minutes=10), NOW, UTC) is None
    late = time_refusal(found, timedelta(minutes=10), NOW + timedelta(seconds=1), UTC)
    assert late is not None
    assert "may take 10 min" in late.reason
    early = time_refusal(found, timedelta(), NOW - timedelta(seconds=1), UTC)
    assert early is not None
    assert "begins at 2026-06-01 15:00" in early.reason
    assert time_refusal(change(), timedelta(days=9), NOW, UTC) is None  # it names no window
    emergency = change(kind=Kind.EMERGENCY, window=window)
    assert time_refusal(emergency, timedelta(days=9), NOW, UTC) is None


def test_the_way_back_is_open_until_the_change_is_closed() -> None:
    for state in (State.IN_PROGRESS, State.PAUSED, State.DONE):
        assert undo_refusal(change(state), ["pos01"]) is None
    for state in (State.REQUESTED, State.APPROVED, State.CLOSED, State.CANCELLED):
        assert undo_refusal(change(state), ["pos01"]) is not None


def test_effort_grows_with_hosts_and_groups() -> None:
    assert [rounds(hosts, 40) for hosts in (1, 40, 41, 1000)] == [1, 1, 2, 25]
    small = Effort(rounds=1, groups=1, deadline=timedelta(minutes=5))
    large = Effort(rounds=2, groups=10, deadline=timedelta(minutes=5))
    assert small.needs == timedelta(minutes=7, seconds=20)
    assert large.needs == timedelta(minutes=7) + 20 * timedelta(seconds=20)
    assert large.longest > large.needs


# -- what hosts tell of undos ------------------------------------------------------


def test_undo_records_are_read_with_care() -> None:
    rows = [
        {"id": "x-ssh-1", "number": 2, "owner": "x", "outcome": "restored", "cause": "deadline",
         "overdue": 0.3, "touched": ["file /a"], "residue": []},
        {"id": "x-ssh-2", "outcome": "residue", "cause": "request", "number": "7",
         "residue": [{"item": "unit ssh", "error": "failed"}, "other"]},
        {"id": "no outcome"}, {"outcome": "restored"}, 7, None,
    ]  # fmt: skip
    first, second = undo_records("pos01", rows)
    assert (first.key, first.whole, first.by_itself) == ("x-ssh-1 2", True, True)
    assert (second.number, second.whole, second.by_itself) == (1, False, False)
    assert second.residue == ("unit ssh: failed", "other")
    assert undo_records("pos01", {"id": "x"}) == ()
