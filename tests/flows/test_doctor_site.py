# SPDX-License-Identifier: GPL-3.0-or-later
"""The doctor looks at what a change will need: calendars, and people who may approve it."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from storewarden.adapters.ledger.peek import is_newest
from storewarden.cli import doctor as command
from storewarden.cli.doctor import said
from storewarden.domain.maintenance.calendar import Calendar, Provisional
from storewarden.domain.rollout.events import Happening, Moved, WaveMoved
from storewarden.domain.rollout.record import Phase, RolloutState, WaveState
from storewarden.flows.doctor import Examination, examine
from storewarden.flows.doctor_rollouts import rollouts_now
from storewarden.testing.conformance_ledger import START as SEEN
from storewarden.testing.ledger import ManualClock, MemoryLedger
from storewarden.testing.machine import FixedMachine
from storewarden.testing.rollout_scenes import begin, dispatch, happening, open_rollout
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


# --- rollouts ---------------------------------------------------------------------------------


def rollouts_said(ledger: MemoryLedger, stopped: str = "") -> list[tuple[bool, str, str]]:
    wanted = Examination(
        places=PLACES, rollouts=lambda: rollouts_now(ledger.rollouts, stopped, SEEN)
    )
    checks = examine(wanted, FixedMachine(GOOD))
    return [(c.ok, *said(c, "en")) for c in checks if c.subject == "rollouts"]


def test_rollouts_that_go_on_by_themselves_are_no_problem() -> None:
    ledger = MemoryLedger(ManualClock(SEEN))
    assert rollouts_said(ledger) == [(True, "0 under way, none waits for a person", "")]
    begin(ledger, open_rollout(ledger))
    assert rollouts_said(ledger) == [(True, "1 under way, none waits for a person", "")]


@pytest.mark.parametrize(
    "what",
    [
        Moved(to=RolloutState.PAUSED, reason="look"),
        WaveMoved(wave=1, to=WaveState.HELD, reason="no trade"),
    ],
)
def test_a_rollout_that_waits_for_a_person_is_named(what: Happening) -> None:
    ledger = MemoryLedger(ManualClock(SEEN))
    number = open_rollout(ledger)
    begin(ledger, number)
    ledger.rollouts.amend(number, "x", happening(what))
    assert rollouts_said(ledger) == [
        (False, f"1 need a person; the first: {number}",
         f"storewarden rollout status {number} says for what"),
    ]  # fmt: skip


def test_the_kill_switch_and_silent_workers_with_work_are_told() -> None:
    ledger = MemoryLedger(ManualClock(SEEN))
    number = open_rollout(ledger)
    begin(ledger, number)
    ledger.rollouts.amend(number, "d1", dispatch("d1", Phase.PREFLIGHT, "pos1"))
    for worker in ("busy", "idle"):
        ledger.rollouts.beat(worker, SEEN - timedelta(minutes=5))
    ledger.rollouts.take_job(f"{number}-d1", "busy", SEEN - timedelta(minutes=5))
    told = rollouts_said(ledger, "stopped by li: dark")
    assert [text for _ok, text, _todo in told] == [
        "the kill switch is on: stopped by li: dark",
        "workers with work that are not heard of: busy",
    ]


def test_an_older_ledger_is_not_brought_forward_to_be_looked_at() -> None:
    assert not is_newest("0001")
    assert not is_newest("")
