# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator reads about incidents: what is to be done first, until when, and why."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from storewarden.cli.heal_words import STAGES, pause_lines
from storewarden.cli.incident_words import Look, rows, whole
from storewarden.cli.tabular import widest
from storewarden.domain.healing.incident import (
    Answered,
    Confirmed,
    Happening,
    Incident,
    IncidentEvent,
    Needs,
    Noted,
    Opened,
    Solved,
    fold,
)
from storewarden.domain.healing.pause import Pause
from storewarden.domain.healing.record import Reason, Stage
from storewarden.domain.healing.rule import Impact, Kind
from storewarden.domain.healing.sla import IncidentPolicy
from storewarden.flows.incident_view import IncidentLook, look_at, row_data
from storewarden.ports.reports import Language
from tests.unit.healing.scenes import heard

NOON = datetime(2026, 6, 1, 4, 0, tzinfo=UTC)  # 12:00 in Shanghai
ZONE = ZoneInfo("Asia/Shanghai")
RED, AMBER = "\x1b[31m", "\x1b[33m"


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def opened(number: str = "INC-20260601-040000", **more: object) -> Incident:
    given: dict[str, object] = {
        "name": "rule:till service down@pos01.000101",
        "rule": "till service down",
        "kind": Kind.DOWN,
        "priority": Impact.HIGH,
        "began_at": NOON,
        "hosts": ("pos01.000101",),
        "items": ("POS-0101-01",),
        "dependents": ("SHOP-0101", "PAY-0101"),
        "summary": Reason(
            guard="standing-change",
            en="no standing change covers service on pos01.000101, so that a person has to do it",
            zh="没有标准变更覆盖 pos01.000101 上的动作 service，须由人工处理，请尽快联系门店人员",
        ),
        "needs": Needs.PERSON,
        **more,
    }
    what = Opened(number=number, **given)  # type: ignore[arg-type]
    return fold(None, IncidentEvent(number=number, at=NOON, what=what))


def after(incident: Incident, *told: tuple[float, Happening], by: str = "wang") -> Incident:
    for when, what in told:
        event = IncidentEvent(number=incident.number, at=NOON + minutes(when), what=what, by=by)
        incident = fold(incident, event)
    return incident


def seen(incident: Incident, when: float) -> IncidentLook:
    return look_at(incident, IncidentPolicy(), NOON + minutes(when))


def look(language: str = "en", columns: int = 140, *, colour: bool = False) -> Look:
    return Look(language=language, zone=ZONE, columns=columns, colour=colour)


@pytest.mark.parametrize(
    ("when", "left", "left_zh"),
    [
        (6, "answer in 4 min", "响应剩余 4 分钟"),
        (22, "answer 12 min late", "响应超时 12 分钟"),
    ],
)
def test_a_list_says_what_is_left_and_what_is_late(when: float, left: str, left_zh: str) -> None:
    incident = opened()
    assert left in rows([seen(incident, when)], look())
    assert left_zh in rows([seen(incident, when)], look("zh"))


def test_a_list_names_what_where_and_since_when_on_the_clock_of_the_site() -> None:
    storm = opened("INC-1", name="storm:PosDown", hosts=tuple(f"pos-{n}" for n in range(12)))
    store = opened("INC-2", name="store:000101")
    head, *lines = rows([seen(each, 1) for each in (opened(), storm, store)], look()).splitlines()
    assert head.split() == ["NUMBER", "PRIO", "STATE", "LEFT", "SINCE", "WHAT", "WHERE"]
    assert "high" in lines[0]
    assert "06-01 12:00  till service down" in lines[0]
    assert lines[0].endswith("pos01.000101")
    assert "storm of PosDown" in lines[1]
    assert lines[1].endswith("pos-0, pos-1 +10")
    assert "fault of store 000101" in lines[2]


def test_after_the_answer_the_time_to_solve_counts_and_then_the_silence() -> None:
    taken = after(opened(), (2, Answered()))
    assert "solve in 1 h 50 min" in rows([seen(taken, 10)], look())
    solved = after(taken, (60, Solved(verified=False, how="restarted it")))
    assert "closes in 1 h 30 min" in rows([seen(solved, 90)], look())
    assert "1 小时 30 分钟后关闭" in rows([seen(solved, 90)], look("zh"))


def test_colours_are_for_clocks_alone_and_only_where_they_are_wanted() -> None:
    late, soon, fine = (seen(opened(f"INC-{n}"), when) for n, when in enumerate((15, 9, 1)))
    told = rows([late, soon, fine], look(colour=True)).splitlines()
    assert RED in told[1]
    assert AMBER in told[2]
    assert "\x1b" not in told[3]
    assert "\x1b" not in rows([late, soon, fine], look())


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("columns", [80, 120])
def test_nothing_is_wider_than_the_terminal(language: str, columns: int) -> None:
    incident = after(
        opened(hosts=tuple(f"pos{n:02}.000101" for n in range(9))),
        (3, Answered()),
        (4, Noted(en="the disk of the till is full " * 5, zh="收银机磁盘已满。" * 12)),
    )
    here = look(language, columns)
    assert widest(rows([seen(incident, 5)], here)) <= columns
    assert widest(whole(seen(incident, 5), here)) <= columns


def test_one_incident_shows_promises_items_and_its_story() -> None:
    incident = after(
        opened(),
        (12, Answered()),
        (20, Noted(en="disk full", zh="磁盘已满", evidence=("df.txt",))),
        (40, Solved(verified=True, how="freed the disk")),
    )
    incident = after(incident, (50, Confirmed()), by="biz")
    text = whole(seen(incident, 51), look())
    for part in (
        "INC-20260601-040000  till service down  (high, service down)",
        "solved; wang has it; verified; confirmed by biz 06-01 12:50",
        "until 06-01 12:10, done 06-01 12:12, 2 min late",
        "until 06-01 14:00, done 06-01 12:40, in time",
        "POS-0101-01",
        "SHOP-0101, PAY-0101",
        "df.txt",
        "06-01 12:20  wang         disk full",
        "Times are Asia/Shanghai.",
    ):
        assert part in text, text
    chinese = whole(seen(incident, 51), look("zh"))
    assert "磁盘已满" in chinese
    assert "时限 06-01 12:10，已于 06-01 12:12 完成，超时 2 分钟" in chinese
    assert "disk full" not in chinese


def test_a_yes_is_not_asked_for_when_its_repair_runs() -> None:
    asking = opened(needs=Needs.ANSWER)
    assert "a yes or no to a repair" in whole(seen(asking, 1), look())
    running = after(asking, (1, Answered(repair="GMBG-1-H1")), by="storewarden")
    assert "a repair is on its way" in whole(seen(running, 2), look())
    assert (row_data(seen(asking, 1))["needs"], row_data(seen(running, 2))["needs"]) == (
        "answer",
        "nobody",
    )
    # Another alert of the storm still waits for its yes.
    waits = replace(heard(), stage=Stage.ASKING)
    assert replace(seen(running, 2), alerts=(waits,)).needs is Needs.ANSWER
    assert replace(seen(running, 2), alerts=(replace(waits, granted="li"),)).needs is Needs.NOBODY


def test_letters_that_a_terminal_obeys_are_not_shown() -> None:
    incident = after(opened(), (1, Noted(en="a\x1b[2Jb", zh="a\x1b[2Jb")))
    told = whole(seen(incident, 2), look(colour=True))
    assert "a [2Jb" in told
    assert "\x1b" not in told


def test_every_stage_has_a_word_in_both_languages() -> None:
    assert set(STAGES) == {each.value for each in Stage}
    assert all(set(words) == set(Language) for words in STAGES.values())


def test_a_pause_says_what_until_when_by_whom_and_why() -> None:
    pause = Pause(
        what="rule:x", by="wang", at=NOON, reason="new software", until=NOON + minutes(60)
    )
    assert pause_lines((pause,), Language.EN, ZONE) == [
        "paused: rule:x until 2026-06-01 13:00 (wang: new software)"
    ]
    assert pause_lines((pause,), Language.ZH, ZONE) == [
        "已暂停：rule:x，至 2026-06-01 13:00（wang：new software）"
    ]
