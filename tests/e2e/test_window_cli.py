# SPDX-License-Identifier: GPL-3.0-or-later
"""`storewarden window` as a process, on the example chain: answers, exit codes, pictures."""

from __future__ import annotations

import json
import shutil
import unicodedata
from pathlib import Path

import pytest

from tests.e2e.audit_cli import Done, Place

pytestmark = pytest.mark.slow  # each call starts ansible-inventory

TILL = "pos01.000101"
NIGHT = "2026-06-10T23:30"


@pytest.fixture(scope="module")
def place(project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("chain") / "site"
    shutil.copytree(project_root / "inventories/example", folder)
    text = (folder / "storewarden.yml").read_text()
    (folder / "storewarden.yml").write_text(f"{text}state_dir: {folder / 'state'}\n")
    return Place(folder)


def check(place: Place, *argv: str) -> Done:
    return place.run("window", "check", "--lang", "en", *argv)


def test_yes_is_0_and_says_why_and_until_when(place: Place) -> None:
    done = check(place, "--host", TILL, "--at", NIGHT, "--needs", "40m")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        f"{TILL}: yes for configuration of 40 min, Wed 2026-06-10 23:30 (Asia/Shanghai)",
        "  window 夜间维护 is open until Thu 2026-06-11 05:00 [windows/nights.yml:4]",
        "  until: Thu 2026-06-11 05:00",
        "  all done or undone by: Thu 2026-06-11 09:30",
    ]


def test_no_is_3_and_says_why_and_when_next(place: Place) -> None:
    done = check(place, "--host", TILL, "--at", "2026-06-17T14:00")
    assert done.code == 3
    assert done.out.splitlines() == [
        f"{TILL}: no for configuration, Wed 2026-06-17 14:00 (Asia/Shanghai)",
        "  campaign 618 年中大促 until Sun 2026-06-21 00:00 (guide 12.1.2) "
        "[windows/campaigns.yml:4]",
        "  public holiday 端午节 2026, with the days around it, until Tue 2026-06-23 00:00 "
        "[windows/campaigns.yml:8]",
        "  the store is open until Wed 2026-06-17 22:00 (10:00-22:00) (guide 6.2.3)",
        "  no window is open (windows: 夜间维护)",
        "  next: Tue 2026-06-23 00:00 - Tue 2026-06-23 05:00 (5 h)",
    ]


def test_it_needs_no_ledger_and_makes_none(place: Place) -> None:
    check(place, "--host", TILL, "--at", NIGHT)
    assert not (place.folder / "state").exists()


def test_chinese_is_the_sites_language(place: Place) -> None:
    done = place.run("window", "check", "--host", TILL, "--at", "2026-06-10T12:00")
    assert done.code == 3
    assert "门店营业至 2026-06-10 周三 22:00（10:00-22:00）（指南 6.2.3）" in done.out


def test_a_dead_service_at_noon_and_a_switch_that_works(place: Place) -> None:
    noon = ("--at", "2026-06-17T12:00")
    assert check(place, "--host", TILL, *noon, "--operation", "service-recovery").code == 0
    switch = check(place, "--host", "role_switch", *noon, "--operation", "network-restart")
    assert switch.code == 3
    assert "forbidden hours until Wed 2026-06-17 22:00 (09:00-22:00) (guide 12.1.2)" in switch.out


def test_json_for_programs(place: Place) -> None:
    done = check(place, "--host", "store_000101", "--at", NIGHT, "--needs", "6h", "--json")
    assert done.code == 3
    data = json.loads(done.out)
    assert (data["allowed"], data["operation"], data["needs_minutes"]) == (
        False, "configuration", 360,
    )  # fmt: skip
    till = next(each for each in data["answers"] if each["host"] == TILL)
    assert till["reasons"][0]["ground"] == "too short"
    assert till["next_start"] == "2026-06-11T23:00:00+08:00"
    assert till["next_end"] == "2026-06-12T05:00:00+08:00"
    assert {each["store"] for each in data["answers"]} == {"000101"}


def test_a_year_without_official_holidays_says_so(place: Place) -> None:
    done = check(place, "--host", TILL, "--at", "2030-02-04T23:30")
    assert "provisional: the public holidays of 2030 are not official yet" in done.out
    drawn = place.run("window", "calendar", "--lang", "en", "--at", "2030-02-01")
    assert "provisional: public holidays of 2030 are not official yet" in drawn.out
    assert "14 days from 2030-02-01" in drawn.out
    wrong = place.run("window", "calendar", "--at", "2030-02-30")
    assert (wrong.code, "is not a time" in wrong.err) == (2, True)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("group", ["store", "region"])
def test_the_calendar_fits_and_names_everything(place: Place, language: str, group: str) -> None:
    done = place.run(
        "window", "calendar", "--lang", language, "--group", group, "--at", "2026-06-10T00:00"
    )
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert max(sum(1 + (unicodedata.east_asian_width(c) in "WF") for c in x) for x in lines) <= 100
    rows = [line for line in lines if " 06-16 " in line]
    assert len(rows) >= 2
    for row in rows:
        assert row.count("c") >= 48
        assert "618 年中大促" in row
    legend = "█ allowed" if language == "en" else "█ 允许"
    assert legend in done.out


def test_import_and_export(place: Place, tmp_path: Path) -> None:
    exported = tmp_path / "chain.ics"
    done = place.run("window", "export", "--output", str(exported), "--lang", "en")
    assert done.code == 0, done.err
    assert "rules written to" in done.err
    assert exported.read_bytes().count(b"BEGIN:VEVENT") > 10

    foreign = tmp_path / "mall.ics"
    foreign.write_text(
        "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\nBEGIN:VEVENT\nUID:1\nSUMMARY:Mall power work\n"
        "DTSTART;VALUE=DATE:20260610\nEND:VEVENT\nEND:VCALENDAR\n"
    )
    refused = place.run("window", "import", str(foreign), "--lang", "en")
    assert refused.code == 2
    assert refused.err.startswith(
        'storewarden: mall.ics:4: event "Mall power work": CATEGORIES does not say what it is'
    )
    kept = place.run("window", "import", str(foreign), "--as", "blackout", "--lang", "en")
    assert kept.code == 0, kept.err
    assert kept.out == f"1 rules kept in {place.folder / 'windows/mall.ics'}\n"
    try:
        answer = check(place, "--host", TILL, "--at", NIGHT)
        assert answer.code == 3
        assert (
            "blackout Mall power work until Thu 2026-06-11 00:00 [windows/mall.ics:" in answer.out
        )
        again = place.run("window", "import", str(foreign), "--as", "blackout", "--lang", "en")
        assert again.code == 2
        assert "the name 'Mall power work' is taken" in again.err
    finally:
        (place.folder / "windows/mall.ics").unlink()


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (("--host", "pos01.000109"), "no host or group 'pos01.000109' (did you mean"),
        (("--host", TILL, "--at", "tonight"), "--at: 'tonight' is not a time"),
        (("--host", TILL, "--at", "2026-06-18"), "--at: '2026-06-18' is not a time"),
        (("--host", TILL, "--needs", "soon"), "--needs: 'soon' is not a length of time"),
        (("--host", TILL, "--operation", "painting"), "Invalid value for '--operation'"),
        (("--host", ","), "--host: names no host"),
        ((), "Missing option '--host'"),
    ],
)
def test_a_mistake_is_one_line_and_2(place: Place, argv: tuple[str, ...], line: str) -> None:
    done = check(place, *argv)
    assert (done.code, done.out) == (2, "")
    assert len(done.lines) == 1
    assert line in done.err


def test_a_file_that_is_wrong_stops_every_question(place: Place) -> None:
    broken = place.write("windows/broken.yml", "windows:\n- name: x\n  rule: FREQ=HOURLY\n")
    try:
        for argv in (("check", "--host", TILL), ("calendar",), ("export",)):
            done = place.run("window", *argv)
            assert done.code == 2
            assert done.err.startswith("storewarden: windows/broken.yml:2: needs starts")
    finally:
        broken.unlink()


def test_a_scope_that_names_nobody_is_told(place: Place) -> None:
    stale = place.write(
        "windows/stale.yml",
        "blackouts:\n- {name: move, days: 2026-08-01, scope: {stores: [000109]}}\n",
    )
    try:
        done = check(place, "--host", TILL, "--at", NIGHT)
        assert done.code == 0
        assert done.lines == [
            "storewarden: windows/stale.yml:2: move: no device has the store '000109'"
        ]
    finally:
        stale.unlink()
