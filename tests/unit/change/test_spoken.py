# SPDX-License-Identifier: GPL-3.0-or-later
"""Reasons in Chinese: whatever people try, nobody reads a clause in the other language."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storewarden.domain.change.events import EventKind
from storewarden.domain.change.record import Kind, Risk, Span
from storewarden.domain.change.spoken import action_told, role_name, roles_told, told
from storewarden.domain.maintenance.grounds import Ground
from storewarden.domain.maintenance.judge import Reason
from storewarden.domain.maintenance.recognise import in_chinese
from storewarden.domain.maintenance.words import said
from tests.amount import examples
from tests.unit.change.story import EVERYBODY, NIGHT, Story, draft
from tests.unit.change.test_any_story import commands, drafts, people

_NAMES = {person.id for person in EVERYBODY} | {"dump", "copy", "pray", "storewarden", "pos"}
_WORD = re.compile(r"[A-Za-z]{2,}")


def english_in(text: str) -> set[str]:
    """Words that are neither somebody's name nor that of a step, a host or a zone."""
    return set(_WORD.findall(text)) - _NAMES - {"IT", "UTC"}


@settings(max_examples=examples(300), deadline=None)
@given(
    asked=drafts,
    asks=st.lists(st.tuples(people, commands, st.integers(0, 400)), min_size=1, max_size=12),
)
def test_whatever_is_refused_is_said_in_chinese(asked, asks) -> None:  # type: ignore[no-untyped-def]
    story = Story(asked)
    for person, command, hours in asks:
        story.now += timedelta(hours=hours)
        decision = story.ask(person, command)
        for event in decision.events:
            if event.kind is EventKind.REFUSED:
                for key in ("reason", "hint"):
                    assert not english_in(told(str(event.data.get(key, "")), "zh")), event.data
                assert not english_in(action_told(str(event.data["tried"]), "zh"))
            if event.kind is EventKind.OWES:
                what = str(event.data["what"])
                assert not english_in(told(what, "zh")) or command.__class__.__name__ == "Close"


@pytest.mark.parametrize(
    ("text", "chinese"),
    [
        ("its window is over already; there is no reason", "窗口已经过去；没有填写原因"),
        (
            "waits for approval by: operations lead or IT (no longer valid: zhang.wei)",
            "待运维负责人或IT 负责人（已失效：zhang.wei）审批",
        ),
        (
            "pos01.000101 and 2 more: the store is open until Sun 2026-11-22 22:00 (10:00-22:00) "
            "(guide 6.2.3); no window is defined, and it is not quiet until Sun 2026-11-22 22:00 "
            "(10:00-22:00, 09:00-22:00)",
            "pos01.000101 等 3 台：门店营业至 2026-11-22 周日 22:00（10:00-22:00）（指南 6.2.3）；"
            "未定义窗口，且 2026-11-22 周日 22:00 之前不是空闲时段（10:00-22:00, 09:00-22:00）",
        ),
        ("wait until Sun 2026-11-22 22:00", "请等到 2026-11-22 周日 22:00"),
        (
            "its window ends at 2026-06-02 00:00 (Asia/Shanghai), before the work is done",
            "窗口于 2026-06-02 00:00 (Asia/Shanghai) 结束，时间不够完成操作",
        ),
        ("the work does not fit before the windows close", "窗口关闭前时间不够完成操作"),
        ("reason, plan, the rollback plan's owner", "原因、方案、回滚负责人"),
        ("the printer in store 000101 is broken", "the printer in store 000101 is broken"),
        ("", ""),
    ],
)
def test_clauses_are_known_by_their_form_and_other_texts_stay(text: str, chinese: str) -> None:
    assert told(text, "zh") == chinese
    assert told(text, "en") == text


@pytest.mark.parametrize("ground", list(Ground))
def test_every_line_of_windows_is_recognised(ground: Ground) -> None:
    reason = Reason(
        ground=ground, name="盘点", detail="10:00-22:00", ends=datetime(2026, 6, 1, tzinfo=UTC)
    )
    assert in_chinese(said(reason, UTC)) == said(reason, UTC, "zh")


def test_roles_of_a_site_of_its_own_stay_as_written() -> None:
    told_in_chinese = roles_told("IT, shop floor lead or business", "zh")
    assert told_in_chinese == "IT 负责人、shop floor lead或业务负责人"
    assert roles_told("IT, business", "en") == "IT, business"
    assert role_name("it", "en") == "IT"
    assert role_name("shop_floor", "zh") == "shop_floor"


def test_a_change_that_is_opened_wrongly_is_refused_in_chinese() -> None:
    over = Span(starts=NIGHT - timedelta(hours=2), ends=NIGHT - timedelta(hours=1))
    story = Story(draft(Kind.STANDARD, Risk.LOW, hosts=(), window=over, reason=""))
    assert not english_in(told(story.change.reason, "zh"))
