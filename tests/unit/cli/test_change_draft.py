# SPDX-License-Identifier: GPL-3.0-or-later
"""Options and files become what the service takes; a time without a zone is the site's."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from storewarden.cli import change_draft
from storewarden.domain.errors import ConfigInvalid

ZONE = ZoneInfo("Asia/Shanghai")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("next", {"needs_minutes": 40}),
        (
            "2026-06-02T22:30/2026-06-03T02:00",
            {"starts": "2026-06-02T22:30:00+08:00", "ends": "2026-06-03T02:00:00+08:00"},
        ),
        (
            "2026-06-02 22:30Z/2026-06-03T02:00+02:00",
            {"starts": "2026-06-02T22:30:00+00:00", "ends": "2026-06-03T02:00:00+02:00"},
        ),
    ],
)
def test_windows(text: str, expected: object) -> None:
    assert change_draft.window_body(text, "40m", ZONE) == expected


@pytest.mark.parametrize(
    ("text", "minutes"), [("40m", 40), ("2h", 120), ("1h30m", 90), ("0h1m", 1)]
)
def test_durations(text: str, minutes: int) -> None:
    assert change_draft.duration(text).total_seconds() == minutes * 60


@pytest.mark.parametrize("text", ["", "0m", "40", "1.5h", "-1h", "h", "1d"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ConfigInvalid, match="no duration"):
        change_draft.duration(text)


def test_a_day_means_until_it_ends() -> None:
    assert change_draft.end_of("2026-12-31", ZONE) == "2027-01-01T00:00:00+08:00"
    assert change_draft.end_of("2026-12-31T12:00", ZONE) == "2026-12-31T12:00:00+08:00"


def test_steps() -> None:
    assert change_draft.step_body("database backup!") == {
        "name": "database backup",
        "two_person": True,
    }
    assert change_draft.step_body("install") == {"name": "install", "two_person": False}
    with pytest.raises(ConfigInvalid, match="no name"):
        change_draft.step_body("!")


def test_a_plan_is_text_or_what_a_file_holds(tmp_path: Path) -> None:
    plan = tmp_path / "plan.md"
    plan.write_text("1. stop\n2. start\n")
    assert change_draft.text_or_file(str(plan)) == "1. stop\n2. start\n"
    assert change_draft.text_or_file("stop, then start") == "stop, then start"
    assert change_draft.text_or_file("x" * 5000) == "x" * 5000
    plan.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigInvalid, match="UTF-8"):
        change_draft.text_or_file(str(plan))


def test_a_misspelt_file_name_is_never_the_plan(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match=r"plna\.md: no such file \(or write the text itself\)"):
        change_draft.text_or_file("plna.md")
    with pytest.raises(ConfigInvalid, match="no such file"):
        change_draft.text_or_file(str(tmp_path / "回滚.TXT"))
    assert change_draft.text_or_file("install 1.4") == "install 1.4"
    plan = tmp_path / "plan.md"
    plan.write_bytes("\ufeff方案".encode())
    assert change_draft.text_or_file(str(plan)) == "方案"


def test_times_in_a_file_are_read_as_people_write_them(tmp_path: Path) -> None:
    file = tmp_path / "change.yml"
    file.write_text(
        "summary: s\n"
        "window: {starts: 2026-06-02 22:30, ends: 2026-06-03T02:00:00+02:00}\n"
        "standing: {action: restart, until: 2026-12-31}\n"
        "hosts: [a, b]\n"
    )
    assert change_draft.file_body(file, ZONE) == {
        "summary": "s",
        "window": {"starts": "2026-06-02T22:30:00+08:00", "ends": "2026-06-03T02:00:00+02:00"},
        "standing": {"action": "restart", "until": "2027-01-01T00:00:00+08:00"},
        "hosts": ["a", "b"],
    }


@pytest.mark.parametrize("text", ["", "- a\n", "a: &x [*x]\n", "a: !!binary YQ==\n", "a: {"])
def test_a_file_that_is_none(tmp_path: Path, text: str) -> None:
    file = tmp_path / "change.yml"
    file.write_text(text)
    with pytest.raises(ConfigInvalid, match=r"change\.yml"):
        change_draft.file_body(file, ZONE)


@pytest.mark.parametrize("text", ["169h", "99999m", "٣h", "1h٣m"])
def test_no_work_takes_longer_than_a_week(text: str) -> None:
    with pytest.raises(ConfigInvalid, match="--needs"):
        change_draft.duration(text)


def test_the_last_day_of_all_has_no_end() -> None:
    with pytest.raises(ConfigInvalid, match="too far away"):
        change_draft.end_of("9999-12-31", ZONE)
