# SPDX-License-Identifier: GPL-3.0-or-later
"""The action postgresql: what is read of connection strings and logs, and who may be ended."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.heal.action import ESCALATE, NEEDED
from ansible_collections.storewarden.ops.plugins.module_utils.heal.postgresql import ACTION
from ansible_collections.storewarden.ops.plugins.module_utils.heal.postgresql_facts import (
    counted,
    missing_in,
    parts_of,
    unit_of,
)

GONE = "FATAL:  could not receive data: ERROR:  requested WAL segment {0} has already been removed"
OPTIONS: dict[str, Any] = {
    "cluster": "", "unit": "", "high": 80.0, "goal": 50.0, "users": ["pos"], "databases": [],
    "idle_seconds": 600, "idle_in_transaction_seconds": 300, "stalled_seconds": 120,
    "unplayed_mb": 1024, "slot_mb": 1024,
}  # fmt: skip
IDLE: dict[str, Any] = {
    "user": "pos", "database": "pos", "state": "idle", "since": 700,
    "super": False, "replication": False,
}  # fmt: skip


def test_of_a_connection_string_only_where_it_leads_is_kept() -> None:
    text = r"user=rep password='a host=x \' b' host=10.0.0.5 port='5433' sslmode=prefer"
    assert parts_of(text) == {"host": "10.0.0.5", "port": "5433"}
    assert parts_of("") == {}


def test_wal_that_is_gone_counts_only_since_streaming_began_last() -> None:
    old, new = (GONE.format(number) for number in ("0A", "0B"))
    assert missing_in(f"{old}\n{new}\n") == "requested WAL segment 0B has already been removed"
    assert missing_in(f"{old}\nLOG:  started streaming WAL from primary at 0/3\n") == ""
    assert missing_in("") == ""


def test_wal_that_is_gone_is_known_in_any_language() -> None:
    segment = "000000010000000000000003"
    said = f"致命错误:  无法从WAL流接收数据: 错误:  请求的 WAL 段 {segment} 已经被移除\n"
    assert missing_in(said) == f"requested WAL segment {segment} has already been removed"
    assert missing_in(said.replace(" ", "")) != ""
    restored = f'日志:  从归档中恢复日志文件 "{segment}"\n错误: 无法打开文件 "pg_wal/{segment}"\n'
    assert missing_in(restored) == ""


def test_sessions_are_counted_without_a_word_of_their_queries() -> None:
    rows = [
        {**IDLE, "pid": 1},
        {**IDLE, "pid": 2, "since": 9},
        {**IDLE, "user": "crm", "since": None},
    ]
    assert counted(rows) == [
        {"user": "pos", "database": "pos", "state": "idle", "count": 2, "most": 700},
        {"user": "crm", "database": "pos", "state": "idle", "count": 1, "most": 0},
    ]


@pytest.mark.parametrize(
    ("name", "unit"),
    [("15/main", "postgresql@15-main.service"), ("port 5432", "")],
)
def test_the_unit_of_a_cluster(name: str, unit: str) -> None:
    assert unit_of(name) == unit


def _judged(sessions: list[dict[str, Any]], **options: Any) -> Any:
    cluster = {
        "name": "15/main", "port": 5432, "owner": "postgres", "runs": True, "standby": False,
        "most": 10, "used": 9, "slots": [],
        "sessions": [
            {"pid": number, "started": str(number), **one} for number, one in enumerate(sessions)
        ],
    }  # fmt: skip
    return ACTION.diagnose({"clusters": [cluster]}, {**OPTIONS, **options})


def test_no_more_are_ended_than_the_goal_needs_the_longest_idle_first() -> None:
    found = _judged([{**IDLE, "since": 600 + number} for number in range(9)])
    assert found.state == NEEDED
    assert [one["pid"] for one in found.plan["end"]] == [8, 7, 6, 5]


@pytest.mark.parametrize(
    "change",
    [
        {"super": True}, {"replication": True}, {"state": "active"}, {"user": "crm"},
        {"since": 599}, {"state": "idle in transaction", "since": 299},
        {"state": "fastpath function call"},
    ],
)  # fmt: skip
def test_who_is_never_ended(change: dict[str, Any]) -> None:
    found = _judged([{**IDLE, **change}] * 9)
    assert found.state == ESCALATE
    assert "only 0 idle ones may be ended" in found.reason


def test_nobody_is_ended_without_a_list_of_accounts() -> None:
    assert _judged([IDLE] * 9, users=[]).state == ESCALATE
    assert _judged([IDLE] * 9, databases=["crm"]).state == ESCALATE
