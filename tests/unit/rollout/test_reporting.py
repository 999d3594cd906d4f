# SPDX-License-Identifier: GPL-3.0-or-later
"""One report per host, whoever else says what; and words of runs that are no more."""

from __future__ import annotations

from storewarden.domain.rollout.events import HostReport, Report, Reported
from storewarden.domain.rollout.reporting import lock_digest, reported
from tests.unit.rollout.chain import Driver, spec


def _told(driver: Driver, *reports: HostReport) -> dict[str, HostReport]:
    (name,) = driver.rollout.dispatches
    events = reported(driver.rollout, name, reports, driver.now)
    (first, *_) = [event.what for event in events]
    assert isinstance(first, Reported)
    return {report.host: report for report in first.reports}


def _driver(**other: object) -> Driver:
    driver = Driver(spec(**other), (1,))
    driver.tick()
    return driver


def _ready(host: str) -> HostReport:
    return HostReport(host=host, report=Report.READY, restore_point="p")


def test_who_is_not_spoken_of_is_unknown() -> None:
    told = _told(_driver(), _ready("s1-pos-1"))
    assert told["s1-pos-1"].report is Report.READY
    assert told["s1-gw-a"].report is Report.UNKNOWN
    assert told["s1-gw-a"].reason_zh


def test_two_ends_of_one_host_are_none() -> None:
    failed = HostReport(host="s1-pos-1", report=Report.FAILED)
    told = _told(_driver(), _ready("s1-pos-1"), failed)
    assert told["s1-pos-1"].report is Report.UNKNOWN


def test_a_host_that_was_not_asked_has_no_say() -> None:
    assert "stranger" not in _told(_driver(), _ready("stranger"))


def test_late_foreign_and_repeated_words_change_nothing() -> None:
    driver = _driver()
    (name,) = driver.rollout.dispatches
    driver.finish()
    assert reported(driver.rollout, name, (_ready("s1-pos-1"),), driver.now) == ()
    assert reported(driver.rollout, "other-d1", (_ready("s1-pos-1"),), driver.now) == ()


def test_the_canary_must_resolve_its_versions() -> None:
    told = _told(_driver(locks=True), _ready("s1-pos-1"))
    assert told["s1-pos-1"].report is Report.REFUSED
    assert "resolved no versions" in told["s1-pos-1"].reason


def test_the_digest_of_a_lock_does_not_depend_on_the_order_of_its_lines() -> None:
    assert lock_digest({"a": 1, "b": [2]}) == lock_digest({"b": [2], "a": 1})
    assert lock_digest({"a": 1}) != lock_digest({"a": 2})
