# SPDX-License-Identifier: GPL-3.0-or-later
"""Drift is news: transitions once, no noise, and the change that explains them."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storewarden.domain.baseline.drift import (
    ChangeSpan,
    Drift,
    compare,
    differs,
    explained,
    explained_by,
    net,
)
from storewarden.domain.baseline.finding import AuditState, Finding, HostAudit, Verdict

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
PASS, FAIL, ERROR, NA = Verdict.PASS, Verdict.FAIL, Verdict.ERROR, Verdict.NOT_APPLICABLE


def _finding(verdict: Verdict, value: object = None, control: str = "A01") -> Finding:
    return Finding(control=control, verdict=verdict, value=value)


def _drift(before: Finding, after: Finding, host: str = "h") -> Drift:
    return Drift(
        host=host,
        control=after.control,
        verdict_from=before.verdict,
        verdict_to=after.verdict,
        value_from=before.value,
        value_to=after.value,
        audit="a",
        at=NOW,
        seen=NOW - 24 * HOUR,
    )


@pytest.mark.parametrize(
    ("before", "after", "moved"),
    [
        (_finding(PASS, 8), _finding(PASS, 8), False),
        (_finding(PASS, 8), _finding(PASS, 9), True),
        (_finding(PASS, 8), _finding(FAIL, 8), True),
        (_finding(ERROR, "timeout"), _finding(ERROR, "permission"), False),
        (_finding(NA, 1), _finding(NA, 2), False),
        (_finding(PASS, {"counters": {"a": 1}}), _finding(PASS, {"counters": {"a": 2}}), False),
        (
            _finding(PASS, {"reading": {"at": "1", "boot": "a", "counters": {"p": 1}}, "idle": []}),
            _finding(PASS, {"reading": {"at": "2", "boot": "b", "counters": {"p": 9}}, "idle": []}),
            False,
        ),
        (_finding(PASS, {"at": "1"}), _finding(PASS, {"at": "2"}), True),
        (
            _finding(PASS, {"counters": {"a": 1}, "idle": []}),
            _finding(PASS, {"counters": {"a": 1}, "idle": ["a"]}),
            True,
        ),
    ],
)
def test_what_counts_as_a_transition(before: Finding, after: Finding, moved: bool) -> None:
    assert differs(before, after) is moved


def test_a_host_that_was_not_audited_compares_with_nothing() -> None:
    known = {"A01": _finding(PASS)}
    for state in AuditState:
        host = HostAudit(host="h", state=state, findings=(_finding(FAIL),))
        drifts = compare(known, host, audit="a", at=NOW).drifts
        assert len(drifts) == (1 if state is AuditState.AUDITED else 0)


def test_a_changed_requirement_is_told_from_a_changed_host() -> None:
    assert _drift(_finding(PASS, 8), _finding(FAIL, 8)).remeasured
    assert not _drift(_finding(PASS, 8), _finding(FAIL, 6)).remeasured
    assert not _drift(_finding(ERROR), _finding(FAIL)).remeasured


def test_net_folds_what_came_back() -> None:
    good, bad, unseen = _finding(PASS, 8), _finding(FAIL, 6), _finding(ERROR, "timeout")
    assert net([_drift(good, unseen), _drift(unseen, good)]) == ()
    (folded,) = net([_drift(good, unseen), _drift(unseen, bad)])
    assert (folded.verdict_from, folded.verdict_to) == (PASS, FAIL)
    assert (folded.value_from, folded.value_to) == (8, 6)
    other = _drift(good, bad, host="other")
    assert net([_drift(good, unseen), other, _drift(unseen, good)]) == (other,)


@given(values=st.lists(st.integers(0, 2), min_size=2, max_size=12))
def test_net_is_the_first_against_the_last(values: list[int]) -> None:
    findings = [_finding(PASS, value) for value in values]
    steps = [_drift(a, b) for a, b in itertools.pairwise(findings) if differs(a, b)]
    folded = net(steps)
    assert bool(folded) is (values[0] != values[-1])
    if folded:
        assert (folded[0].value_from, folded[0].value_to) == (values[0], values[-1])


def _change(number: str, start: float, until: float | None, host: str = "h") -> ChangeSpan:
    """A change by hours before the drift was found; it was last fine 24 hours before."""
    end = None if until is None else NOW - until * HOUR
    return ChangeSpan(number=number, hosts=frozenset({host}), start=NOW - start * HOUR, until=end)


@pytest.mark.parametrize(
    ("change", "explains"),
    [
        (_change("C", 5, 4), True),
        (_change("C", 30, 25), False),
        (_change("C", 30, 24), True),
        (_change("C", 30, None), True),
        (_change("C", 0, -1), True),
        (_change("C", -1, -2), False),
        (_change("C", 5, 4, host="other"), False),
    ],
)
def test_a_change_explains_what_happened_while_it_ran(change: ChangeSpan, explains: bool) -> None:
    drift = _drift(_finding(PASS, 8), _finding(FAIL, 6))
    assert explained_by(drift, [change]) == ("C" if explains else "")


def test_of_several_changes_the_latest_explains() -> None:
    drift = _drift(_finding(PASS, 8), _finding(FAIL, 6))
    changes = [_change("early", 9, 1), _change("late", 5, 4), _change("over", 90, 80)]
    assert explained_by(drift, changes) == "late"
    assert explained([drift], changes) == (replace(drift, change="late"),)
    assert explained([drift], []) == (drift,)


def test_without_an_earlier_look_any_earlier_change_may_have_done_it() -> None:
    drift = replace(_drift(_finding(PASS, 8), _finding(FAIL, 6)), seen=None)
    assert explained_by(drift, [_change("C", 900, 800)]) == "C"
