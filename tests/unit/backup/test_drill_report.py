# SPDX-License-Identifier: GPL-3.0-or-later
"""The drills of a quarter: what was asked for, what was kept, and how it is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from storewarden.adapters.reports.drill_html import render
from storewarden.adapters.reports.drill_words import line, span
from storewarden.cli.drill import quarter_of
from storewarden.domain.backup.catalog import DrillRecord, Target
from storewarden.domain.backup.drill_report import DrillReport, report_of
from storewarden.domain.backup.policy import Drill, Level
from storewarden.domain.errors import ConfigInvalid
from storewarden.ports.reports import Language
from tests.flows.proof_place import DAY, HOUR, POLICY

BEGIN = datetime(2026, 4, 1, tzinfo=UTC)
TARGETS = [Target(host=f"pos{number:02}", policy="tills") for number in range(20)]
SAMPLED = replace(POLICY, drill=Drill(every=92 * DAY, sample=10))
GOOD = DrillRecord(
    id="d1",
    target=TARGETS[0],
    set="pos00/tills/1",
    location="hub",
    began=BEGIN + DAY,
    passed=True,
    level=Level.PROVEN,
    rto=timedelta(seconds=130),
    rpo=HOUR,
    phases={"fetch": 20.0},
)


def reported(*drills: DrillRecord, days: int = 91) -> DrillReport:
    return report_of(
        drills, {"tills": SAMPLED}, {"tills": TARGETS}, since=BEGIN, until=BEGIN + days * DAY
    )


def test_a_quarter_asks_for_the_sample_and_one_that_began_for_its_share() -> None:
    assert reported().policies[0].wanted == 2
    assert (reported().good, reported(days=1).policies) == (False, ())  # nothing is due yet
    other = replace(GOOD, id="d2", target=TARGETS[1])
    assert reported(GOOD, other).good
    assert not reported(GOOD, replace(GOOD, id="d2")).good  # the same one twice proves one


def test_a_failure_is_not_made_good_by_another_place() -> None:
    bad = replace(GOOD, id="d2", location="away", passed=False, reason="damaged", rto=None)
    other = replace(GOOD, id="d3", target=TARGETS[1])
    (found,) = reported(GOOD, bad, other).policies
    assert (found.proven, found.kept) == (2, False)
    assert found.places == (("away", 1, 0), ("hub", 2, 2))


def test_what_was_before_or_after_is_of_another_quarter() -> None:
    early, late = replace(GOOD, began=BEGIN - HOUR), replace(GOOD, began=BEGIN + 91 * DAY)
    assert reported(early, late).drills == ()


def test_the_page_tells_failures_in_both_languages_and_escapes() -> None:
    slow = replace(GOOD, passed=False, rto=3 * HOUR, reason="RTO 3:00:00 is over 0:10:00")
    bad = replace(GOOD, id="d2", passed=False, reason="pack <b>4f1c</b>", level=Level.CLAIMED)
    en, zh = (render(reported(slow, bad), each, "East", UTC) for each in Language)
    assert "pack &lt;b&gt;4f1c" in en and "pack &lt;b&gt;4f1c" in zh  # its own words stay
    assert "RTO 3:00:00 is over 0:10:00" in en
    assert "RTO 3:00:00 超过 0:10:00" in zh
    assert "FAILED" in en and "失败" in zh


def test_differences_are_told_once_each() -> None:
    spoilt = replace(GOOD, passed=False, reason="1 differences", differences=("sales: 8 missing",))
    told = line(spoilt, SAMPLED, Language.EN, UTC)
    assert (told.why, told.differences) == ("", ("sales: 8 missing",))


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (timedelta(seconds=5.42), "5.4 s"),
        (timedelta(seconds=130), "2 m 10 s"),
        (timedelta(hours=2), "2 h"),
        (timedelta(days=1, hours=1, minutes=7), "1 d 1 h"),
    ],
)
def test_spans(length: timedelta, text: str) -> None:
    assert span(length) == text


def test_quarters() -> None:
    now = datetime(2026, 11, 22, tzinfo=UTC)
    assert quarter_of("", now) == (
        datetime(2026, 10, 1, tzinfo=UTC),
        datetime(2027, 1, 1, tzinfo=UTC),
    )
    assert quarter_of("2026q2", now)[0] == BEGIN
    with pytest.raises(ConfigInvalid, match="is no quarter"):
        quarter_of("2026Q5", now)
