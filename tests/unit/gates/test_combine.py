# SPDX-License-Identifier: GPL-3.0-or-later
"""Enough of a wave, something of every kind, and what that proves."""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storewarden.domain.gates.combine import Exposure, combine, coverage, with_bound
from storewarden.domain.gates.verdict import Outcome, Verdict
from tests.unit.gates.scene import wave

GOOD = Verdict(gate="sales", outcome=Outcome.PASS, reason="good", reason_zh="正常")


def _seen(stores: int, verified: int) -> Verdict:
    scope = wave(stores)
    return coverage(wave(stores, verified=frozenset(scope.hosts[:verified]), strata={}), Exposure())


@pytest.mark.parametrize(
    ("verified", "outcome"),
    [(0, Outcome.HOLD), (7, Outcome.HOLD), (8, Outcome.PASS), (10, Outcome.PASS)],
)
def test_four_of_five_hosts_must_be_verified(verified: int, outcome: Outcome) -> None:
    assert _seen(5, verified).outcome is outcome


def test_something_of_every_stratum_must_be_verified() -> None:
    """Nine POS of ten hosts are 90 %, and not one server."""
    scope = wave(5)
    strata = dict.fromkeys(scope.hosts, "pos") | {scope.hosts[9]: "server"}
    verdict = coverage(wave(5, verified=frozenset(scope.hosts[:9]), strata=strata), Exposure())
    assert verdict.outcome is Outcome.HOLD
    assert "server" in verdict.reason


def test_a_wave_without_hosts_or_too_short_holds() -> None:
    assert coverage(wave(0), Exposure()).outcome is Outcome.HOLD
    short = Exposure(watched=timedelta(hours=4))
    assert coverage(wave(3), short).outcome is Outcome.HOLD
    assert coverage(wave(3), Exposure(watched=timedelta(hours=3))).outcome is Outcome.PASS
    assert coverage(wave(3), Exposure(hosts=7, share=Fraction(0))).outcome is Outcome.HOLD


def test_every_verdict_says_what_so_few_stores_prove() -> None:
    judgement = combine([GOOD], wave(3))
    assert [each.gate for each in judgement.verdicts] == ["coverage", "sales"]
    for verdict in judgement.verdicts:
        assert "0 of 3 stores bad: up to 63 % of all may be (95 %)" in verdict.reason
        assert "全部门店中至多 63 % 可能异常" in verdict.reason_zh
        assert verdict.evidence["bound"] == pytest.approx(0.6316)
    assert judgement.outcome is Outcome.PASS


def test_a_gate_that_counted_itself_is_believed_and_asked_once() -> None:
    counted = {"counted": {"failed": 1, "of": 30, "unit": "hosts"}}
    bounded = with_bound(
        Verdict(gate="g", outcome=Outcome.PASS, reason="r", evidence=counted), wave()
    )
    assert "1 of 30 hosts bad: up to 15 %" in bounded.reason
    assert bounded.reason_zh.startswith("r；30 台主机中 1 台异常")
    assert with_bound(bounded, wave()) == bounded


@pytest.mark.parametrize("counted", [{"failed": 3, "of": 2}, {"failed": "x"}, 7, None])
def test_a_count_that_makes_no_sense_is_the_waves_own(counted: object) -> None:
    verdict = Verdict(gate="g", outcome=Outcome.PASS, reason="r", evidence={"counted": counted})
    assert "0 of 3 stores bad" in with_bound(verdict, wave(3)).reason


def test_nothing_seen_proves_nothing() -> None:
    bounded = with_bound(GOOD, wave(3, verified=frozenset()))
    assert "nothing is proven" in bounded.reason
    assert bounded.evidence["bound"] == 1.0


_VERDICTS = st.lists(
    st.builds(Verdict, gate=st.just("g"), outcome=st.sampled_from(Outcome), reason=st.just("r"),
              hard=st.booleans()), max_size=5,
)  # fmt: skip


@given(_VERDICTS)
def test_only_passes_alone_pass_and_a_failure_fails(verdicts: list[Verdict]) -> None:
    judgement = combine(verdicts, wave(3))
    outcomes = {each.outcome for each in verdicts}
    if Outcome.FAIL in outcomes:
        assert judgement.outcome is Outcome.FAIL
    else:
        assert (judgement.outcome is Outcome.PASS) is (outcomes <= {Outcome.PASS})
    assert judgement.hard is any(v.hard and v.outcome is Outcome.FAIL for v in verdicts)
