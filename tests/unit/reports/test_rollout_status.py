# SPDX-License-Identifier: GPL-3.0-or-later
"""The view of a rollout: what stands first, and that nothing hides."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from rich.cells import cell_len

from storewarden.adapters.reports import rollout_status, rollout_status_json
from storewarden.domain.gates.verdict import Outcome, Verdict
from storewarden.domain.rollout.record import (
    Cause,
    Dispatch,
    Hold,
    HostRecord,
    HostState,
    Phase,
    Rollback,
    Rollout,
    RolloutState,
    WaveRecord,
    WaveState,
)
from storewarden.domain.rollout.spec import PayloadClass, RolloutSpec, Soak
from storewarden.ports.ledger import JournalEntry
from storewarden.ports.reports import Language, Page
from storewarden.ports.rollout_status import RolloutStatus

NOW = datetime(2026, 6, 2, 14, 30, 5, tzinfo=UTC)
NUMBER = "GMBG-20260601-001-R1"
HELD = Verdict(
    gate="sales",
    outcome=Outcome.HOLD,
    reason="42 sales seen, 200 are needed",
    reason_zh="仅 42 笔交易，需要 200 笔",
)


def rollout(**more: object) -> Rollout:
    stores = [f"{100 + n:06d}" for n in range(30)]
    waves = [0, 1, 1, 1, *[2] * 26]
    hosts = [
        HostRecord(
            name=f"pos{n}.{store}",
            store=store,
            wave=wave + 1,
            state=(HostState.AT_TARGET, HostState.SOAKING, HostState.PLANNED)[wave],
        )
        for store, wave in zip(stores, waves, strict=True)
        for n in (1, 2)
    ]
    records = (
        WaveRecord(number=1, stores=tuple(stores[:1]), state=WaveState.PROMOTED, began=NOW),
        WaveRecord(
            number=2,
            stores=tuple(stores[1:4]),
            state=WaveState.SOAKING,
            began=NOW - timedelta(hours=3),
            soaking=NOW - timedelta(hours=2),
            traded=timedelta(minutes=35),
            verdicts=(HELD,),
            looked=NOW,
        ),
        WaveRecord(number=3, stores=tuple(stores[4:])),
    )
    spec = RolloutSpec(
        payload="packages",
        payload_class=PayloadClass.PACKAGES,
        soak=Soak(wall=timedelta(hours=24), trading=timedelta(hours=2)),
    )
    fields: dict[str, object] = {
        "number": NUMBER,
        "change": NUMBER[:-3],
        "spec": spec,
        "state": RolloutState.RUNNING,
        "waves": records,
        "hosts": {host.name: host for host in hosts},
        "membership": "0" * 64,
        "opened": NOW - timedelta(days=1),
        "by": "wei",
        "started": NOW - timedelta(hours=20),
    }
    return Rollout(**{**fields, **more})  # type: ignore[arg-type]


def at(found: Rollout, name: str, **more: object) -> Rollout:
    changed = replace(found.hosts[name], **more)  # type: ignore[arg-type]
    return replace(found, hosts={**found.hosts, name: changed})


def shown(
    found: Rollout,
    language: Language = Language.EN,
    rows: int = 0,
    width: int = 110,
    **more: object,
) -> str:
    status = RolloutStatus(rollout=found, at=NOW, zone=ZoneInfo("Asia/Shanghai"), **more)  # type: ignore[arg-type]
    page = Page(language=language, width=width, colour=False, drift_only=False)
    return rollout_status.render(status, page, rows)


def large(**more: object) -> Rollout:
    """300 stores with 10 hosts each, some of them in every kind of trouble."""
    states = [HostState.SOAKING, HostState.APPLYING, HostState.PLANNED, HostState.PLANNED]
    hosts = {}
    for n in range(300):
        for till in range(10):
            name = f"pos{till:02d}.{100 + n:06d}"
            state = HostState.ATTENTION if (n, till) in ((3, 3), (250, 1)) else states[n // 75]
            hosts[name] = HostRecord(
                name=name,
                store=f"{100 + n:06d}",
                wave=n // 25 + 1,
                state=state,
                dispatch="d1" if state is HostState.APPLYING else "",
                reason="dpkg was interrupted, and nothing could be repaired by hand either " * 3,
            )
    waves = tuple(
        WaveRecord(
            number=n + 1,
            stores=tuple(f"{100 + store:06d}" for store in range(n * 25, n * 25 + 25)),
            state=WaveState.RUNNING
            if n == 5
            else WaveState.PROMOTED
            if n < 5
            else WaveState.PENDING,
            verdicts=(HELD,) if n == 4 else (),
        )
        for n in range(12)
    )
    work = tuple(
        Dispatch(id=f"{NUMBER}-d{n}", phase=Phase.APPLY, wave=6, hosts=("a", "b"), epoch=1, at=NOW)
        for n in range(12)
    )
    given: dict[str, object] = {"dispatches": {each.id: each for each in work}, **more}
    return rollout(hosts=hosts, waves=waves, **given)


def told(count: int) -> tuple[JournalEntry, ...]:
    """The last entries of a journal."""
    return tuple(
        JournalEntry(
            sequence=n,
            at=NOW - timedelta(minutes=count - n),
            kind="rollout wave began",
            run=NUMBER,
            step=str(n),
            body={"wave": n},
            hash="0" * 64,
        )
        for n in range(count)
    )


def test_the_soak_that_is_left_is_told_by_the_clock_and_in_trade() -> None:
    assert "22 h, 1 h 25 min of trade" in shown(rollout())
    assert "22 小时，营业 1 小时 25 分钟" in shown(rollout(), Language.ZH)


def test_the_emergency_lane_shortens_what_is_left() -> None:
    spec = replace(rollout().spec, emergency=True)
    assert "long enough" in shown(rollout(spec=spec))


def test_a_gate_tells_its_reason_in_the_readers_language() -> None:
    assert "cannot tell: 42 sales seen, 200 are needed" in shown(rollout())
    assert "无法判定：仅 42 笔交易，需要 200 笔" in shown(rollout(), Language.ZH)


def test_stores_with_trouble_come_first_and_their_hosts_are_named_with_the_reason() -> None:
    found = at(
        rollout(), "pos2.000129", state=HostState.ATTENTION, touched=True, reason="nginx is down",
        debt="look at it",
    )  # fmt: skip
    text = shown(found)
    assert text.index("000129 .!") < text.index("000100 OO")
    assert "pos2.000129  needs a person: nginx is down: look at it" in text


def test_stores_that_do_not_fit_are_counted_with_their_states() -> None:
    text = shown(large())
    assert text.index("000103 ooo!oooooo") < text.index("000350 .!........")
    assert "to come 14" in text.split("more stores: ")[1].splitlines()[0]
    assert "000260 .........." not in text  # its turn is far off: only counted


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize(("rows", "width"), [(20, 60), (24, 80), (30, 110), (50, 160)])
def test_a_picture_fits_its_screen_and_gives_up_what_matters_least(
    rows: int, width: int, language: Language
) -> None:
    text = shown(large(held="look"), language, rows=rows, width=width, tail=told(30))
    lines = text.splitlines()
    assert rows - 2 <= len(lines) <= rows  # all of it is made use of
    assert max(cell_len(line) for line in lines) <= width
    assert NUMBER in lines[0]
    assert "pos03.000103  " in text  # who needs a person stays longest
    assert len(shown(large(), language, rows=200, width=width, tail=told(30)).splitlines()) > 50


def test_a_picture_with_room_is_the_whole_one() -> None:
    found = rollout()
    assert shown(found, rows=100) == shown(found)


def test_what_repeats_is_told_once_and_old_things_have_their_day() -> None:
    entries = tuple(replace(each, body={"wave": 7}) for each in told(5))
    text = shown(rollout(), tail=(*entries, *(replace(each, body={"wave": 8}) for each in told(1))))
    assert "22:29:05  wave 7 begins (5 times in a row)" in text
    old = replace(told(1)[0], at=NOW - timedelta(days=3))
    assert "05-30 22:30:05  wave 0 begins" in shown(rollout(), tail=(old,))


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"state": RolloutState.DRAFT}, f"storewarden change show {NUMBER[:-3]}"),
        ({"state": RolloutState.PAUSED, "hold": Hold.ORDER}, f"rollout resume {NUMBER}, or abort"),
        ({"state": RolloutState.PAUSED, "hold": Hold.CHANGE}, f"change show {NUMBER[:-3]}"),
        ({"waves": (WaveRecord(number=1, stores=("000100",), state=WaveState.HELD),)},
         f"rollout promote {NUMBER}, or abort"),
    ],
)  # fmt: skip
def test_what_a_person_can_do_is_told_where_one_is_waited_for(
    more: dict[str, object], says: str
) -> None:
    (line,) = [each for each in shown(rollout(**more)).splitlines() if each.startswith("Next: ")]
    assert says in line
    assert "下一步：" in shown(rollout(**more), Language.ZH)
    assert "Next: " not in shown(rollout())
    stuck = at(rollout(), "pos1.000101", state=HostState.ATTENTION)
    assert f"rollout release {NUMBER} pos1.000101" in shown(stuck)
    assert "go-on" in shown(rollout(**more), stopped="x")


def test_what_holds_it_stands_on_top_with_its_end() -> None:
    found = rollout(
        state=RolloutState.HELD_WINDOW,
        held="stores are open",
        held_zh="门店营业中",
        until=NOW + timedelta(hours=1),
    )
    lines = shown(found).splitlines()
    assert "waits for its window" in lines[0]
    assert lines[1] == "stores are open; until Tue 2026-06-02 23:30"
    assert "门店营业中；至 2026-06-02" in shown(found, Language.ZH)


def test_going_back_is_told_against_what_is_owed() -> None:
    back = Rollback(
        cause=Cause.GATE,
        reason="4 % 5xx",
        verdict=NOW - timedelta(minutes=4),
        first_undo=NOW - timedelta(minutes=3, seconds=20),
    )
    text = shown(rollout(state=RolloutState.ROLLING_BACK, rollback=back))
    assert "40 s after the decision (30 min allowed)" in text
    assert "not yet: 4 min so far" in text
    done = replace(back, last_restored=NOW - timedelta(minutes=1), ended=NOW)
    text = shown(rollout(rollback=done))
    assert "3 min after the decision (1 h allowed)" in text
    assert "late" not in text
    slow = replace(back, verdict=NOW - timedelta(hours=2))
    assert "not yet: 2 h so far (1 h allowed), late" in shown(rollout(rollback=slow))


def test_a_restored_host_is_trouble_only_while_a_rollout_goes_forward() -> None:
    found = at(rollout(), "pos1.000101", state=HostState.RESTORED, reason="nginx is down")
    assert "pos1.000101  restored: nginx is down" in shown(found)
    back = Rollback(cause=Cause.ORDER, reason="x", by="wei", verdict=NOW, ended=NOW)
    text = shown(replace(found, rollback=back))
    assert "nginx is down" not in text
    assert "1 of 1 changed hosts" in text
    assert "decided Tue 2026-06-02 22:30: x (wei)" in text
    assert "nothing to restore" in shown(rollout(rollback=back))


def test_what_is_under_way_is_told_with_its_age() -> None:
    work = Dispatch(
        id=f"{NUMBER}-d9",
        phase=Phase.APPLY,
        wave=2,
        hosts=("pos1.000101", "pos2.000101"),
        epoch=1,
        at=NOW - timedelta(seconds=75),
    )
    assert "change: 2 hosts, for 1 min 15 s" in shown(rollout(dispatches={work.id: work}))


def test_the_kill_switch_is_seen() -> None:
    text = shown(rollout(), stopped="look first")
    assert "kill switch: nothing new begins in any rollout: look first" in text


def test_what_a_host_said_moves_no_cursor() -> None:
    found = at(rollout(), "pos1.000101", state=HostState.ATTENTION, reason="a\x1b[2Jb\u202ec")
    assert "\x1b" not in shown(found)
    assert "\u202e" not in shown(found)


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("state", list(HostState))
def test_every_state_of_a_host_is_drawn(state: HostState, language: Language) -> None:
    assert "000101" in shown(at(rollout(), "pos1.000101", state=state), language)


def test_programs_get_everything() -> None:
    status = RolloutStatus(rollout=rollout(), at=NOW)
    told = json.loads(rollout_status_json.render(status))
    assert told["rollout"] == NUMBER
    assert told["counts"] == {"at_target": 2, "planned": 52, "soaking": 6}
    assert told["waves"][1]["left_seconds"] == 22 * 3600
    assert told["waves"][1]["left_trading_seconds"] == 85 * 60
    assert told["waves"][1]["verdicts"][0]["outcome"] == "hold"
    assert len(told["hosts"]) == 60
