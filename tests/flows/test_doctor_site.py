# SPDX-License-Identifier: GPL-3.0-or-later
"""The doctor looks at what a change will need: calendars, and people who may approve it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from storewarden.cli import doctor as command
from storewarden.domain.maintenance.calendar import Calendar, Provisional
from storewarden.flows.doctor import Examination, examine
from storewarden.testing.machine import FixedMachine
from tests.flows.test_doctor import GOOD, PLACES


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A site's folder, in which the doctor is called."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path


def looked(folder: Path, settings: str) -> dict[str, dict[str, object]]:
    (folder / "storewarden.yml").write_text(settings)
    built = typer.Typer()
    built.command()(command.doctor)
    result = CliRunner().invoke(built, ["--json"])
    return {check["check"]: check for check in json.loads(result.stdout)["checks"]}


@pytest.mark.parametrize(
    ("people", "ok", "code", "words"),
    [
        (None, True, "people_none", "neither asked for nor approved"),
        ("", True, "people_nobody", "nobody yet"),
        ("  boss: {name: B, roles: [it]}\n", False, "people_lacking",
         "department head, operations lead, security lead, business, system owner"),
        ("  boss: {name: B, roles: [chief]}\n", False, "people_broken", "unknown key"),
    ],
)  # fmt: skip
def test_a_role_that_nobody_holds_is_found_before_a_change_waits_for_it(
    folder: Path, people: str | None, ok: bool, code: str, words: str
) -> None:
    settings = ""
    if people is not None:
        broken = people.replace("roles", "rolls") if code == "people_broken" else people
        (folder / "people.yml").write_text(f"people:\n{broken}")
        settings = "people: {file: people.yml}\n"
    check = looked(folder, settings)["people"]
    assert (check["ok"], check["code"]) == (ok, code)
    assert words in str(check["what"])
    assert ok or check["todo"]


def test_two_roles_of_one_person_are_one_person(folder: Path) -> None:
    """Medium risk needs two leads; one who is both fills one of them."""
    rules = "changes: {approvals: {low: [a], medium: [a, b], high: [a, b], major: [], minor: [c]}}"
    settings = f"people: {{file: people.yml}}\n{rules}\n"
    few = "people:\n  both: {name: B, roles: [a, b]}\n  owner: {name: O, roles: [c]}\n"
    for second, code in (
        ("", "people_lacking"),
        ("  one: {name: One, roles: [a]}\n", "people_ready"),
        ("  one: {name: One, roles: [a], left: 2020-01-01}\n", "people_lacking"),
    ):
        (folder / "people.yml").write_text(few + second)
        assert looked(folder, settings)["people"]["code"] == code


def test_calendars_are_read_and_provisional_years_named(folder: Path) -> None:
    settings = "windows: {windows_dir: windows}\n"
    assert looked(folder, "")["windows"]["code"] == "windows_none"
    missing = looked(folder, settings)["windows"]
    assert (missing["ok"], "no such folder" in str(missing["what"])) == (False, True)
    file = folder / "windows/site.yml"
    file.parent.mkdir()
    file.write_text("blackouts:\n  - {name: stock, days: [2026-06-30]}\n")
    ready = looked(folder, settings)["windows"]
    assert (ready["ok"], ready["code"]) == (True, "windows_ready")
    assert str(ready["what"]).startswith("1 windows")
    file.write_text("blackouts:\n  - {name: stock, dais: [2026-06-30]}\n")
    broken = looked(folder, settings)["windows"]
    assert (broken["ok"], "windows/site.yml:2" in str(broken["what"])) == (False, True)


def test_a_provisional_year_is_named_and_no_problem() -> None:
    calendar = Calendar(
        rules=(),
        provisional=(Provisional(year=2028, country="CN"), Provisional(year=2027, country="CN")),
    )
    checks = examine(Examination(places=PLACES, windows=lambda: calendar), FixedMachine(GOOD))
    (check,) = [check for check in checks if check.subject == "windows"]
    assert check.ok
    for language in ("en", "zh"):
        assert "2027, 2028" in command.said(check, language)[0]
