# SPDX-License-Identifier: GPL-3.0-or-later
"""Scores say what an auditor may rely on: nothing rounds up, nothing unseen counts as right."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storewarden.domain.baseline.control import Severity
from storewarden.domain.baseline.finding import Audit, AuditState, Finding, HostAudit, Verdict
from storewarden.domain.baseline.score import (
    BAR,
    Counts,
    Score,
    meets,
    na_shifted,
    percent,
    score_audit,
    score_finding,
    score_host,
)
from storewarden.domain.errors import ContentMissing

HIGH, MEDIUM, LOW = Severity.HIGH, Severity.MEDIUM, Severity.LOW
PASS, FAIL, NA = Verdict.PASS, Verdict.FAIL, Verdict.NOT_APPLICABLE
ERROR, MANUAL = Verdict.ERROR, Verdict.MANUAL
SEVERITIES = {"H1": HIGH, "H2": HIGH, "M1": MEDIUM, "M2": MEDIUM, "L1": LOW, "L2": LOW}
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def _host(host: str = "h", store: str = "s1", **verdicts: Verdict) -> HostAudit:
    findings = tuple(Finding(control=c, verdict=v) for c, v in verdicts.items())
    return HostAudit(host=host, state=AuditState.AUDITED, findings=findings, store=store)


def _waive(*controls: str):
    return lambda _host, finding: finding.control in controls


def test_weights_are_five_three_and_one() -> None:
    score = score_host(_host(H1=PASS, M1=PASS, L1=FAIL), SEVERITIES).score
    assert (score.reached, score.judged) == (8, 9)
    assert score.raw == score.effective == Fraction(8, 9)


def test_error_counts_as_not_passed_and_the_rest_is_only_counted() -> None:
    score = score_host(_host(H1=PASS, M1=ERROR, M2=NA, L1=MANUAL), SEVERITIES).score
    assert score.raw == Fraction(5, 8)
    assert score.counts == Counts(passed=1, error=1, na=1, manual=1)
    assert score.counts.total == 4


def test_a_waived_failure_is_one_in_raw_and_none_in_effective() -> None:
    host = score_host(_host(H1=PASS, H2=FAIL, M1=PASS), SEVERITIES, _waive("H2"))
    assert (host.score.raw, host.score.effective) == (Fraction(8, 13), Fraction(1))
    assert host.score.counts == Counts(passed=2, waived=1)
    assert host.open_high == ()
    assert host.compliant


def test_only_failures_can_be_waived() -> None:
    host = score_host(_host(H1=ERROR, M1=PASS), SEVERITIES, _waive("H1", "M1"))
    assert host.score.effective == Fraction(3, 8)
    assert host.open_high == ("H1",)
    assert host.score.counts == Counts(passed=1, error=1)


def test_a_high_control_failed_or_unseen_is_never_compliant() -> None:
    severities = {f"M{n}": MEDIUM for n in range(100)} | {"H1": HIGH}
    passing = dict.fromkeys(list(severities)[:100], PASS)
    assert score_host(_host(**passing, H1=PASS), severities).compliant
    for verdict in (FAIL, ERROR):
        host = score_host(_host(**passing, H1=verdict), severities)
        assert meets(host.score.effective, BAR)
        assert not host.compliant


def test_the_bar_is_compared_unrounded_and_shown_rounded_down() -> None:
    severities = {f"L{n}": LOW for n in range(10_000)}
    passing = dict.fromkeys(list(severities)[:9496], PASS)
    failing = dict.fromkeys(list(severities)[9496:], FAIL)
    host = score_host(_host(**passing, **failing), severities)
    assert percent(host.score.effective) == "94.9"
    assert not host.compliant
    one_more = passing | dict.fromkeys(list(severities)[9496:9500], PASS)
    host = score_host(_host(**(failing | one_more)), severities)
    assert (percent(host.score.effective), host.compliant) == ("95.0", True)


def test_nothing_judged_has_no_rate() -> None:
    host = score_host(_host(H1=NA, M1=MANUAL), SEVERITIES)
    assert (host.score.raw, host.score.effective) == (None, None)
    assert not host.compliant
    only_waived = score_host(_host(H1=FAIL), SEVERITIES, _waive("H1"))
    assert (only_waived.score.raw, only_waived.score.effective) == (Fraction(0), None)
    assert percent(None) == "-"
    assert not meets(None, Fraction(0))


@pytest.mark.parametrize(
    ("rate", "places", "shown"),
    [
        (Fraction(1), 1, "100.0"),
        (Fraction(99999, 100000), 1, "99.9"),
        (Fraction(2, 3), 2, "66.66"),
        (Fraction(2, 3), 0, "66"),
        (Fraction(1, 1000), 1, "0.1"),
        (Fraction(0), 1, "0.0"),
    ],
)
def test_percent_rounds_down(rate: Fraction, places: int, shown: str) -> None:
    assert percent(rate, places) == shown


def test_unaudited_hosts_count_as_not_compliant() -> None:
    away = HostAudit(host="b", state=AuditState.UNREACHABLE, store="s2")
    hosts = (_host("a", "s1", H1=PASS), away, _host("c", "s2", H1=FAIL, M1=PASS))
    scores = score_audit(Audit(id="x", at=NOW, hosts=hosts, controls=("M1", "H1")), SEVERITIES)
    assert (scores.fleet.registered, scores.fleet.audited, scores.fleet.compliant) == (3, 2, 1)
    assert scores.fleet.rate == Fraction(1, 3)
    assert scores.fleet.score.raw == Fraction(8, 13)
    assert [(s.name, s.registered, s.audited, s.rate) for s in scores.stores] == [
        ("s1", 1, 1, Fraction(1)),
        ("s2", 2, 1, Fraction(0)),
    ]
    assert [(c.control, c.score.raw, c.failing) for c in scores.controls] == [
        ("H1", Fraction(1, 2), ("c",)),
        ("M1", Fraction(1), ()),
    ]
    assert [host.host for host in scores.hosts] == ["a", "b", "c"]


def test_an_empty_fleet_has_no_rate() -> None:
    scores = score_audit(Audit(id="x", at=NOW, hosts=(), controls=("H1",)), SEVERITIES)
    assert (scores.fleet.rate, scores.fleet.score.raw) == (None, None)
    assert scores.controls[0].score.raw is None


def test_a_control_without_catalogue_entry_is_named() -> None:
    with pytest.raises(ContentMissing, match="X9"):
        score_host(_host(X9=PASS), SEVERITIES)


@pytest.mark.parametrize(
    ("before", "after", "alert"),
    [
        (Counts(passed=90, na=10), Counts(passed=80, na=20), False),
        (Counts(passed=90, na=10), Counts(passed=79, na=21), True),
        (Counts(passed=79, na=21), Counts(passed=90, na=10), True),
        (Counts(), Counts(na=10), False),
    ],
)
def test_a_shift_of_the_not_applicable_share_is_an_alert(
    before: Counts, after: Counts, alert: bool
) -> None:
    assert na_shifted(before, after) is alert


_FINDINGS = st.lists(
    st.tuples(st.sampled_from(list(Verdict)), st.sampled_from(list(Severity)), st.booleans()),
    max_size=30,
)


def _total(findings: list[tuple[Verdict, Severity, bool]]) -> Score:
    total = Score()
    for verdict, severity, waived in findings:
        finding = Finding(control="C", verdict=verdict)
        total += score_finding(finding, severity, waived=waived)
    return total


@given(findings=_FINDINGS)
def test_rates_stay_between_nothing_and_all(findings: list[tuple[Verdict, Severity, bool]]) -> None:
    score = _total(findings)
    for rate in (score.raw, score.effective):
        assert rate is None or 0 <= rate <= 1
    if score.raw is not None and score.effective is not None:
        assert score.raw <= score.effective
    assert score.counts.total == len(findings)


@given(findings=_FINDINGS, severity=st.sampled_from(list(Severity)))
def test_a_pass_never_lowers_and_a_failure_never_raises(
    findings: list[tuple[Verdict, Severity, bool]], severity: Severity
) -> None:
    score = _total(findings)
    better = _total([*findings, (PASS, severity, False)])
    for worse_verdict in (FAIL, ERROR):
        worse = _total([*findings, (worse_verdict, severity, False)])
        for name in ("raw", "effective"):
            now = getattr(score, name)
            assert now is None or getattr(worse, name) <= now <= getattr(better, name)


@given(findings=_FINDINGS, verdict=st.sampled_from([NA, MANUAL]))
def test_what_is_not_judged_moves_no_rate(
    findings: list[tuple[Verdict, Severity, bool]], verdict: Verdict
) -> None:
    before, after = _total(findings), _total([*findings, (verdict, HIGH, False)])
    assert (before.raw, before.effective) == (after.raw, after.effective)


@given(findings=_FINDINGS, cut=st.integers(0, 30))
def test_a_whole_is_the_sum_of_its_parts(
    findings: list[tuple[Verdict, Severity, bool]], cut: int
) -> None:
    assert _total(findings) == _total(findings[:cut]) + _total(findings[cut:])


@given(rate=st.fractions(0, 1), places=st.integers(0, 4))
def test_what_is_shown_is_never_more_than_what_is(rate: Fraction, places: int) -> None:
    shown = Fraction(percent(rate, places))
    assert shown <= rate * 100 < shown + Fraction(1, 10**places)
