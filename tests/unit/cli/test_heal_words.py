# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator reads about rules and alerts, in both languages: no English in Chinese lines."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import get_args
from zoneinfo import ZoneInfo

import pytest

from storewarden.cli.heal_words import (
    answer_line,
    history_rows,
    pause_lines,
    resumed_line,
    rule_data,
    rule_rows,
    story,
)
from storewarden.domain.healing.events import Happening
from storewarden.domain.healing.pause import Pause
from storewarden.domain.healing.plain import ALERT, ALERTS
from storewarden.domain.healing.record import End, HostEnd, Repair, Verdict
from storewarden.domain.healing.rule import Mode
from storewarden.domain.healing.target import Target, Via
from storewarden.ports.ledger import JournalEntry
from storewarden.ports.reports import Language
from tests.unit.healing.scenes import NOON, TRUSTED, heard, rule

ZONE = ZoneInfo("Asia/Shanghai")
CHINESE = re.compile(r"[\u4e00-\u9fff]{2,}")
ENGLISH = re.compile(r"[A-Za-z]{2,}")


def entry(kind: str, **body: object) -> JournalEntry:
    return JournalEntry(sequence=1, at=NOON, kind=kind, run="k", step="1", body=body, hash="h")


def told(language: str, *entries: JournalEntry, repair: Repair | None = None) -> list[str]:
    """The lines below the alert itself."""
    return story(heard(), entries, repair, language, ZONE).splitlines()[3:]


def test_nothing_happens_to_an_alert_that_has_no_word() -> None:
    """The next test goes by words; so each kind of event needs one."""
    assert set(ALERTS.values()) == set(get_args(Happening.__value__))


@pytest.mark.parametrize("word", sorted(ALERTS))
def test_whatever_happens_to_an_alert_has_a_word_in_both_languages(word: str) -> None:
    (english,) = told("en", entry(f"{ALERT}{word}", by="storewarden"))
    (chinese,) = told("zh", entry(f"{ALERT}{word}", by="storewarden"))
    assert ENGLISH.search(english)
    assert not ENGLISH.search(chinese), chinese
    assert CHINESE.search(chinese), chinese


@pytest.mark.parametrize("verdict", list(Verdict))
def test_every_verdict_has_a_word_in_both_languages(verdict: Verdict) -> None:
    decided = entry(f"{ALERT}decided", decision={"verdict": verdict.value}, by="storewarden")
    assert verdict.value in told("en", decided)[0]
    assert not ENGLISH.search(told("zh", decided)[0])


@pytest.mark.parametrize(
    ("granted", "english", "chinese"),
    [
        ("wang", "approved, it will be repaired next", "已批准，即将修复"),
        ("", "waits for approval", "等待批准"),
    ],
)
def test_a_yes_is_answered_with_what_comes_next(granted: str, english: str, chinese: str) -> None:
    found = {"key": "0123456789abcdef", "name": "PosDown", "stage": "asking", "granted": granted}
    assert answer_line(found, Language.EN) == f"0123456789ab PosDown: {english}"
    assert answer_line(found, Language.ZH) == f"0123456789ab PosDown: {chinese}"


@pytest.mark.parametrize(
    ("was", "over", "english"),
    [
        (True, False, "rule:x goes on"),
        (True, True, "rule:x had run out already"),
        (False, False, "rule:x was not paused"),
    ],
)
def test_what_is_resumed_says_what_that_changed(was: bool, over: bool, english: str) -> None:
    found = {"what": "rule:x", "was": was, "over": over}
    assert resumed_line(found, Language.EN) == english
    assert not ENGLISH.search(resumed_line(found, Language.ZH).removeprefix("rule:x"))


@pytest.mark.parametrize("end", list(End))
def test_every_end_of_a_repair_has_a_word_in_both_languages(end: End) -> None:
    ended = HostEnd(host="1", end=end, reason="why", reason_zh="原因")
    repair = Repair(
        id="1", change="1", action="1", rule="1", hosts=("1",), occurrences=(), opened_at=NOON,
        ends=(ended,),
    )  # fmt: skip
    assert "why" in told("en", repair=repair)[-1]
    assert told("zh", repair=repair)[-1].endswith("原因")
    assert not ENGLISH.search(told("zh", repair=repair)[-1])


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("via", list(Via))
def test_rules_are_shown_in_chinese_and_told_to_programs_in_english(mode: Mode, via: Via) -> None:
    one = rule("r1", "a1", mode=mode, target=Target(template="{h}", via=via), enabled=False)
    modes, standings = {"a1": Mode.AUTO}, {"a1": TRUSTED}
    (row,) = rule_rows([one], modes, standings, Language.ZH)
    assert row[0] == "r1（已停用）"
    assert not ENGLISH.search(row[3].replace("{h}", "") + row[4])
    pause = Pause(what="rule:r1", by="wang", at=datetime.now(UTC), reason="x")
    (data,) = rule_data([one], modes, standings, [pause])
    assert (data["rule"], data["mode"]) == ("r1 (off)", mode.value)
    assert data["paused"] == "rule:r1"
    assert pause_lines([pause], Language.ZH, ZONE) == ["已暂停：rule:r1，直至恢复（wang：x）"]


def test_every_standing_change_of_an_action_is_named() -> None:
    standings = {"a1": replace(TRUSTED, change="C-2", others={"pos1": "C-1", "pos2": "C-1"})}
    modes, one = {"a1": Mode.AUTO}, rule("r1", "a1")
    (row,) = rule_rows([one], modes, standings, Language.EN)
    (data,) = rule_data([one], modes, standings)
    assert row[5] == data["standing_change"] == "C-2, C-1"
    (row,) = rule_rows([one], modes, {}, Language.EN)
    assert row[5] == "-"


def test_a_list_of_alerts_is_on_the_clock_of_the_site() -> None:
    (row,) = history_rows([heard()], Language.EN, ZONE)
    assert row[0] == f"{heard().received_at.astimezone(ZONE):%m-%d %H:%M:%S}"
    assert row[4] == "received"
