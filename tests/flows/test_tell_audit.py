# SPDX-License-Identifier: GPL-3.0-or-later
"""What a notification says of an audit agrees with its report."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from storewarden.domain.baseline.score import percent
from storewarden.flows.tell_audit import audit_facts
from tests.unit.reports.sample import sample


def test_score_and_hosts_are_the_reports() -> None:
    report = sample(hosts=40)
    facts = audit_facts(report)
    assert facts.hosts == 40
    assert facts.score == percent(report.scores.fleet.score.effective)
    assert facts.below is report.below
    assert facts.unaudited == report.unaudited > 0


def test_only_drift_that_no_change_explains_is_news() -> None:
    report = sample()
    (unexplained,) = report.unexplained
    facts = audit_facts(report)
    assert (facts.worse, facts.worse_hosts) == (1, 1)
    assert facts.worst == (f"{unexplained.host} {unexplained.control}",)
    assert facts.regions == {h.region for h in report.audit.hosts if h.host == unexplained.host}
    explained = replace(report, drift=tuple(d for d in report.drift if d.change))
    assert audit_facts(explained).worse == 0


@pytest.mark.parametrize(
    ("bar", "said"), [(None, ""), (Fraction(95, 100), "95"), (Fraction(975, 1000), "97.5")]
)
def test_the_bar_as_people_write_it(bar: Fraction | None, said: str) -> None:
    assert audit_facts(sample(bar=bar)).bar == said
