# SPDX-License-Identifier: GPL-3.0-or-later
"""YAML files of windows: what they mean, and one line with file and line for every mistake."""

from __future__ import annotations

import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from storewarden.adapters.calendars.folder import CalendarFolder
from storewarden.adapters.calendars.public_holidays import CountryHolidays
from storewarden.config import load_config
from storewarden.domain.errors import ConfigInvalid
from storewarden.domain.estate.device import Device
from storewarden.domain.maintenance.calendar import Rule, RuleKind
from storewarden.domain.maintenance.grounds import NEEDS_WINDOW, OperationClass
from storewarden.domain.maintenance.interval import Interval
from storewarden.ports.calendars import WrittenCalendar

SHANGHAI = ZoneInfo("Asia/Shanghai")


def read(tmp_path: Path, text: str, name: str = "a.yml") -> WrittenCalendar:
    folder = tmp_path / "windows"
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    return CalendarFolder().read(folder)


def only(tmp_path: Path, text: str) -> Rule:
    (rule,) = read(tmp_path, text).rules
    return rule


def stretches(rule: Rule, first: str, last: str) -> list[str]:
    span = Interval(
        starts=datetime.fromisoformat(first).replace(tzinfo=UTC),
        ends=datetime.fromisoformat(last).replace(tzinfo=UTC),
    )
    return [
        " ".join(f"{at.astimezone(SHANGHAI):%m-%d %H:%M}" for at in (each.starts, each.ends))
        for each in rule.recurrence.expand(SHANGHAI, span)
    ]


def test_a_window_by_rule(tmp_path: Path) -> None:
    rule = only(
        tmp_path,
        "windows:\n- name: nights\n  rule: FREQ=WEEKLY;BYDAY=MO,TU\n  starts: 23:00\n"
        "  ends: 05:00\n  except: 2026-06-02\n  zone: Asia/Shanghai\n"
        "  scope: {stores: [000101], roles: pos}\n  operations: [patch]\n  note: agreed\n",
    )
    assert (rule.kind, rule.name, rule.zone, rule.note) == (
        RuleKind.WINDOW, "nights", "Asia/Shanghai", "agreed",
    )  # fmt: skip
    assert rule.source == "windows/a.yml:2"
    assert rule.operations == {OperationClass.PATCH}
    assert rule.scope.covers(Device(name="x", store="000101", role="pos"))
    assert not rule.scope.covers(Device(name="x", store="000101", role="server"))
    assert stretches(rule, "2026-05-31", "2026-06-09") == [
        "06-01 23:00 06-02 05:00", "06-08 23:00 06-09 05:00",
    ]  # fmt: skip


def test_a_window_by_days_with_a_duration(tmp_path: Path) -> None:
    rule = only(
        tmp_path,
        'windows:\n- {name: w, days: ["2026-06-01", 2026-06-05], starts: "22:30", '
        "duration: 1h 30m}\n",
    )
    assert rule.recurrence.elapsed == timedelta(minutes=90)
    assert stretches(rule, "2026-05-31", "2026-06-30") == [
        "06-01 22:30 06-02 00:00", "06-05 22:30 06-06 00:00",
    ]  # fmt: skip
    assert rule.operations == NEEDS_WINDOW


def test_blackouts_are_whole_days_unless_they_say_otherwise(tmp_path: Path) -> None:
    text = (
        "blackouts:\n- {name: a, days: 2026-06-30}\n"
        "- {name: b, rule: FREQ=DAILY, starts: 12:00, ends: 24:00}\n"
    )
    a, b = read(tmp_path, text).rules
    assert stretches(a, "2026-06-01", "2026-07-30") == ["06-30 00:00 07-01 00:00"]
    assert stretches(b, "2026-06-01T00:00", "2026-06-01T12:00") == ["06-01 12:00 06-02 00:00"]


def test_month_end_as_a_rule_of_the_site(tmp_path: Path) -> None:
    text = (
        "blackouts:\n- name: closing\n  rule: FREQ=MONTHLY;BYMONTHDAY=-2,-1,1\n"
        "  operations: [finance]\n"
    )
    assert len(stretches(only(tmp_path, text), "2026-06-20", "2026-07-10")) == 1  # three days


def test_campaigns_and_holidays(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "campaigns:\n- {name: '6.18', days: 06-18, before: 2, after: 1}\n"
        "holidays:\n- country: CN\n- {country: DE, subdivision: BY, before: 0, after: 0,"
        " scope: {regions: [eu]}}\n",
    )
    (campaign,) = found.rules
    assert campaign.kind is RuleKind.CAMPAIGN
    assert stretches(campaign, "2026-01-02", "2026-12-30") == ["06-16 00:00 06-20 00:00"]
    china, bavaria = found.holidays
    assert (china.country, china.before, china.after) == ("CN", 2, 1)
    assert (bavaria.subdivision, bavaria.before, bavaria.scope.regions) == ("BY", 0, {"eu"})
    assert china.source == "windows/a.yml:4"


def test_files_of_a_folder_count_together_and_others_do_not(tmp_path: Path) -> None:
    read(tmp_path, "blackouts:\n- {name: a, days: 2026-06-30}\n", "a.yml")
    read(tmp_path, "", "empty.yaml")
    read(tmp_path, "windows: [nonsense", "example.yml.sample")
    (tmp_path / "windows/nested").mkdir()
    found = read(tmp_path, "blackouts:\n- {name: b, days: 2026-06-30}\n", "b.yaml")
    assert [rule.name for rule in found.rules] == ["a", "b"]


W = "windows:\n- name: w\n  rule: FREQ=DAILY\n  starts: 23:00\n"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (W + "  ends: 05:00\n  stors: x\n",
         "windows/a.yml:6: stors: unknown key of a window (did you mean starts?)"),
        ("window: []\n",
         "windows/a.yml:1: window: unknown key of the file (did you mean windows?)"),
        (W + "  ends: 05:00\n  ends: 06:00\n", "windows/a.yml:6: ends: given twice"),
        ("windows:\n- {name: w, rule: FREQ=WEEKLY;BYDAY=MO,TU}\n",
         "windows/a.yml:2: TU: unknown key of a window (a text with a comma in it needs quotes"),
        (W, "windows/a.yml:2: needs starts, and either ends or duration"),
        (W + "  ends: 25:00\n", 'windows/a.yml:5: ends: must be a time of day (as "23:00")'),
        (W + "  ends: 24:30\n", 'windows/a.yml:5: ends: must be a time of day (as "23:00")'),
        (W + "  duration: 6\n",
         "windows/a.yml:5: duration: must be a length of time (as 6h, 90m or 1h 30m)"),
        (W + "  duration: 0h\n",
         "windows/a.yml:5: duration: must be a length of time (as 6h, 90m or 1h 30m)"),
        (W + "  ends: 05:00\n  zone: Mars/X\n",
         "windows/a.yml:6: zone: 'Mars/X' is not a time zone (as Asia/Shanghai)"),
        (W + "  ends: 05:00\n  operations: [audit]\n",
         "windows/a.yml:6: operations: 'audit' is not one (one of service-recovery,"),
        (W + "  ends: 05:00\n  operations: [emergency]\n",
         "windows/a.yml:6: operations: emergency needs no window"),
        (W + "  ends: 05:00\n  scope: {}\n",
         "windows/a.yml:6: scope: names nothing (leave it out for all devices)"),
        (W + "  ends: 05:00\n  scope: {store: [a]}\n",
         "windows/a.yml:6: store: unknown key of a scope (did you mean stores?)"),
        (W + "  ends: 05:00\n  scope: {stores: []}\n",
         "windows/a.yml:6: stores: is an empty list (leave the key out)"),
        (W + "  ends: 05:00\n  from: 1.6.2026\n",
         'windows/a.yml:6: from: must be a day like "2026-03-31"'),
        ("windows:\n- name: w\n  rule: FREQ=HOURLY\n  starts: 23:00\n  ends: 05:00\n",
         "windows/a.yml:3: rule: FREQ=HOURLY is not followed: one of DAILY, WEEKLY, MONTHLY, "
         "YEARLY"),
        ("windows:\n- name: w\n  rule: FREQ=WEEKLY\n  starts: 23:00\n  ends: 05:00\n",
         "windows/a.yml:2: lacks from: this rule counts from its first day"),
        ("windows:\n- name: w\n  rule: FREQ=MONTHLY\n  from: 2026-01-31\n  starts: 23:00\n"
         "  ends: 05:00\n", "windows/a.yml:3: rule: from day 31 on it skips"),
        ("windows:\n- name: w\n  starts: 23:00\n  ends: 05:00\n",
         "windows/a.yml:2: needs either a rule or days (as rule: FREQ=DAILY)"),
        ("windows:\n- rule: FREQ=DAILY\n", "windows/a.yml:2: lacks a name"),
        ("windows:\n  name: w\n",
         "windows/a.yml:2: windows: must be a list, one entry after each '- '"),
        ("- a\n", "windows/a.yml:1: the file must be keys with values"),
        ("windows: [\n", "windows/a.yml:2: not valid YAML:"),
        ("campaigns:\n- {name: c}\n",
         'windows/a.yml:2: campaign c: lacks days (as in days: "06-16..06-20")'),
        ("campaigns:\n- {name: c, days: 18.6.}\n",
         "windows/a.yml:2: campaign c: '18.6.' is not a day like 06-18 or 2026-11-11"),
        ("campaigns:\n- {name: c, days: 06-18, before: -1}\n",
         "windows/a.yml:2: before: must be a whole number from 0 to 60"),
        ("holidays:\n- {before: 2}\n", "windows/a.yml:2: holidays: lacks country"),
        (W + "  ends: 05:00\n" + "- name: w\n  days: 2026-06-01\n  starts: 1:00\n  ends: 2:00\n",
         "windows/a.yml:6: the name 'w' is given twice (first at windows/a.yml:2)"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_with_file_and_line(tmp_path: Path, text: str, line: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_text_and_a_folder_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "windows").mkdir()
    (tmp_path / "windows/a.yml").write_bytes(b"windows: \xff\xfe\n")
    with pytest.raises(ConfigInvalid, match=r"^windows/a\.yml: is not UTF-8"):
        CalendarFolder().read(tmp_path / "windows")
    with pytest.raises(ConfigInvalid, match="no such folder"):
        CalendarFolder().read(tmp_path / "gone")


def test_the_example_chains_calendars_are_right(project_root: Path) -> None:
    found = CalendarFolder().read(project_root / "inventories/example/windows")
    assert {rule.kind for rule in found.rules} >= {
        RuleKind.WINDOW, RuleKind.BLACKOUT, RuleKind.CAMPAIGN,
    }  # fmt: skip
    for request in found.holidays:
        assert CountryHolidays().days_off(request, [2026]).holidays


def test_the_sample_of_a_new_site_shows_every_key_and_is_right(
    project_root: Path, tmp_path: Path
) -> None:
    template = project_root / "python/storewarden/config/site_template"
    shutil.copytree(template, tmp_path / "site")
    config = load_config(None, {"HOME": "/home/op"}, tmp_path / "site")
    folder = config.windows.windows_dir
    assert folder is not None
    assert CalendarFolder().read(folder) == WrittenCalendar()
    text = (folder / "example.yml.sample").read_text()
    live = re.sub(r"^    # (\w+:)", r"    \1", text, flags=re.MULTILINE)
    assert live != text
    (folder / "example.yml").write_text(live)
    found = CalendarFolder().read(folder)
    assert {rule.name for rule in found.rules} == {
        "nights", "network", "stocktaking", "6.18", "11.11",
    }  # fmt: skip
    for key in ("except", "zone", "scope", "operations", "note", "before", "after", "country"):
        assert f"{key}:" in live
