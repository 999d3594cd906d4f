# SPDX-License-Identifier: GPL-3.0-or-later
"""Hardening reports: the same things in every shape and both languages, and nothing hostile."""

from __future__ import annotations

import json
import re
import string
from dataclasses import replace

import pytest

from storewarden.adapters.reports import harden_status
from storewarden.adapters.reports.harden import renderer
from storewarden.adapters.reports.harden_words import WORDS
from storewarden.domain.baseline.finding import Verdict
from storewarden.domain.baseline.harden import FixChange, GroupOutcome, HostState, Standing
from storewarden.domain.baseline.harden_choice import Why
from storewarden.ports.harden import Deed, HardenFormat, HardenReport
from storewarden.ports.reports import Language, Page
from tests.flows.harden_place import HardenPlace
from tests.flows.test_harden import waiver

HOSTILE = "<script>alert(1)</script>\x1b[2J"


def text(report: HardenReport, shape: HardenFormat, language: Language = Language.EN) -> str:
    return renderer(shape)(report, Page(language=language, width=100))


def planned() -> HardenReport:
    place = HardenPlace(pos01={"A01", "B02", "B03", "M01"}, pos02=set(), srv01=set())
    place.waivers = (waiver("A01"),)
    return place.plan()


def fixed() -> HardenReport:
    place = HardenPlace()

    def act(host: str, group: str) -> dict[str, object] | None:
        told = {
            "outcome": "undone", "restore_point": "x-ssh-00000001", "restored_after": 3.4,
            "reason": {"en": f"no login {HOSTILE}", "zh": "无法登录"}, "controls": [{"id": "B02"}],
        }  # fmt: skip
        return told if (host, group) == ("pos01", "ssh") else None

    place.fleet.act = act
    return place.start(place.change().number)


def test_every_text_is_said_in_both_languages() -> None:
    def fields(one: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(one) if name}

    for key, (english, chinese) in WORDS.items():
        assert fields(english) == fields(chinese), key
        if english and key not in {"colon", "difference", "score_moved"}:
            assert re.search(r"[\u4e00-\u9fff]", chinese), key


@pytest.mark.parametrize(
    ("prefix", "members"),
    [
        ("why", Why), ("outcome", GroupOutcome), ("state", HostState), ("stands", Standing),
        ("back", Standing), ("title", Deed), ("verdict", Verdict),
    ],
)  # fmt: skip
def test_every_outcome_has_its_word(prefix: str, members: type) -> None:
    missing = [m.value for m in members if f"{prefix}_{m.value}" not in WORDS]  # type: ignore[attr-defined]
    assert missing == []


def test_a_plan_shows_now_after_risk_restarts_and_what_locks_out() -> None:
    shown = text(planned(), HardenFormat.TABLE)
    for said in (
        "effective score: now", "B03 R3 What B03 asks", "now", "bad", "/etc/B03: (not set) -> good",
        "reload ssh", "login", "A01", "waived until 2026-06-10", "only a person can fix it",
        "time needed, undo included: 8 min",
    ):  # fmt: skip
        assert said in shown, said
    chinese = text(planned(), HardenFormat.TABLE, Language.ZH)
    for said in ("豁免至 2026-06-10", "可能锁定", "登录", "重载 ssh", "只能人工修复"):
        assert said in chinese, said


def test_what_a_host_says_cannot_be_fixed_is_no_promise() -> None:
    place = HardenPlace(pos01={"B02", "B03"}, pos02=set(), srv01=set())
    promised = place.plan().expected

    def foresee(_host: str, group: str) -> dict[str, object] | None:
        why = {"en": "no such package", "zh": "没有该软件包"}
        told = {"outcome": "planned", "controls": [{"id": "B02", "problem": why}, {"id": "B03"}]}
        return told if group == "ssh" else None

    place.fleet.foresee = foresee
    report = place.plan()
    assert promised is not None
    assert report.expected is not None
    assert report.expected < promised
    assert re.search("Cannot be fixed +no such package", text(report, HardenFormat.TABLE))
    assert "无法修复: 没有该软件包" in text(report, HardenFormat.HTML, Language.ZH)


def test_a_group_that_will_be_refused_is_no_promise_and_says_so() -> None:
    place = HardenPlace(pos01={"B02", "B03"}, pos02=set(), srv01=set())
    promised = place.plan().expected
    place.fleet.foresee = lambda _host, _group: {
        "outcome": "refused",
        "reason": {"en": "root would be shut out", "zh": "root 将无法登录"},
        "controls": [{"id": "B02"}, {"id": "B03"}],
    }
    report = place.plan()
    assert promised is not None
    assert report.expected is not None
    assert report.expected < promised
    assert "ssh: refused: root would be shut out" in text(report, HardenFormat.TABLE)
    assert "拒绝: root 将无法登录" in text(report, HardenFormat.HTML, Language.ZH)


def test_a_plan_is_read_in_the_order_in_which_groups_are_applied() -> None:
    report = planned()
    (host, *_rest) = report.hosts
    turned = replace(host, groups=tuple(reversed(host.groups)))
    for one in (host, turned):
        shown = text(replace(report, hosts=(one,)), HardenFormat.TABLE)
        groups = [line.strip() for line in shown.splitlines() if re.match("  [a-z]+$", line)]
        assert groups == [each.group for each in one.groups]


def test_changes_of_one_file_stand_under_its_name() -> None:
    report = planned()
    (host, *_rest) = report.hosts
    changes = [FixChange(what=what, after="x") for what in ("/a: K", "mount /tmp", "/a: L")]
    groups = tuple(
        replace(group, controls=tuple(replace(c, changes=tuple(changes)) for c in group.controls))
        for group in host.groups
    )
    shown = text(replace(report, hosts=(replace(host, groups=groups),)), HardenFormat.TABLE)
    lines = [line.replace("After", "").strip() for line in shown.splitlines()]
    place = lines.index("/a:")
    assert lines[place : place + 5] == [
        "/a:", "K: (not set) -> x", "mount /tmp: (not set) -> x", "/a:", "L: (not set) -> x",
    ]  # fmt: skip


def test_the_same_plan_as_json_and_as_a_page() -> None:
    data = json.loads(text(planned(), HardenFormat.JSON))
    (first, *_rest) = data["hosts"]
    assert {each["id"]: each["why"] for each in first["controls"]}["A01"] == "waived"
    assert first["groups"][0]["controls"][0]["changes"][0]["after"] == "good"
    page = text(planned(), HardenFormat.HTML, Language.ZH)
    assert "<script" not in page
    assert "豁免至 2026-06-10" in page


@pytest.mark.parametrize("shape", HardenFormat)
def test_what_a_host_says_moves_no_cursor_and_runs_nothing(shape: HardenFormat) -> None:
    shown = text(fixed(), shape)
    assert "\x1b" not in shown
    if shape is HardenFormat.HTML:
        assert "<script" not in shown


def test_what_was_taken_back_is_told_with_its_time() -> None:
    shown = text(fixed(), HardenFormat.TABLE)
    assert "pos01: not fixed" in shown
    assert "restored after 3 s" in shown
    assert "x-ssh-00000001" in shown
    assert "无法登录" in text(fixed(), HardenFormat.TABLE, Language.ZH)


def test_an_undo_says_whether_all_is_as_before() -> None:
    place = HardenPlace()
    number = place.change().number
    place.start(number)
    assert "equals the one before" in text(place.undo(number), HardenFormat.TABLE)
    other = HardenPlace()
    number = other.change().number
    other.start(number)
    other.fleet.failing["pos01"] = {"B03"}
    shown = text(other.undo(number), HardenFormat.TABLE)
    assert "Not as before the change (1)" in shown
    assert "pos01 B03: pass -> fail" in shown


def test_a_status_tells_every_session_and_where_hosts_are() -> None:
    place = HardenPlace()
    number = place.change().number
    nothing = place.status(number)
    assert "nothing was done" in harden_status.render(nothing, Page())
    place.start(number)
    place.undo(number, limit="pos01")
    found = place.status(number)
    found = replace(found, state="in progress")  # as the site's own status knows it
    shown = harden_status.render(found, Page(language=Language.ZH))
    assert "（实施中）" in shown
    assert f"{number}.1 加固" in shown
    assert f"{number}.2 回滚" in shown
    assert "4 项中 2 项好转" not in shown
    assert "已恢复" in shown
    data = json.loads(harden_status.as_json(found))
    assert [each["deed"] for each in data["sessions"]] == ["fix", "undo"]
    assert {each["host"]: each["stands"] for each in data["hosts"]} == {
        "pos01": "missed", "pos02": "well",
    }  # fmt: skip
    assert data["sessions"][0]["verified"]["pos01"]["B02"] == ["fail", "pass"]
