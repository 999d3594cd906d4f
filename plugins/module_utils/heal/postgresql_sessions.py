# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which sessions of a full PostgreSQL may be ended, and their end.

Between the look and the end a session may have begun to work, so one statement looks again at each
of them and ends it.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.heal.action import Step
from ansible_collections.storewarden.ops.plugins.module_utils.heal.postgresql_facts import (
    IDLE,
    asked,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host


def chosen_to_end(one: dict[str, Any], options: dict[str, Any]) -> list[dict[str, Any]]:
    """No more than the goal needs, the longest idle first."""
    goal = int(one["most"] * options["goal"] / 100.0)
    may = [session for session in one["sessions"] if _may_end(session, options)]
    may.sort(key=lambda session: -int(session["since"]))
    return may[: max(one["used"] - goal, 0)]


def _may_end(session: dict[str, Any], options: dict[str, Any]) -> bool:
    """Never a superuser's, a replication's, or one that works, whatever the lists say."""
    if session["super"] or session["replication"] or session["state"] not in IDLE:
        return False
    if session["user"] not in options["users"]:
        return False
    if options["databases"] and session["database"] not in options["databases"]:
        return False
    return bool(session["since"] >= _limit(session["state"], options))


def _limit(state: str, options: dict[str, Any]) -> int:
    return int(options["idle_seconds" if state == "idle" else "idle_in_transaction_seconds"])


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _ending(plan: dict[str, Any], options: dict[str, Any]) -> str:
    """One statement that looks again at each session and ends it: nobody gets in between."""
    sessions = [
        "({0}, {1}, {2}, {3}, {4}, {5})".format(
            int(one["pid"]),
            _text(one["started"]),
            _text(one["user"]),
            _text(one["database"]),
            _text(one["state"]),
            _limit(one["state"], options),
        )
        for one in plan["end"]
    ]
    return (
        "SELECT a.pid, pg_terminate_backend(a.pid) AS ended FROM pg_stat_activity a"
        " JOIN pg_roles r ON r.oid = a.usesysid JOIN (VALUES {0})"
        " AS w(pid, started, user_name, database, state, seconds) ON w.pid = a.pid"
        " WHERE extract(epoch FROM a.backend_start)::text = w.started"
        " AND a.usename = w.user_name AND a.datname = w.database AND a.state = w.state"
        " AND extract(epoch FROM now() - a.state_change) >= w.seconds"
        " AND NOT r.rolsuper AND NOT r.rolreplication"
    ).format(", ".join(sessions))


def end_sessions(host: Host, plan: dict[str, Any], options: dict[str, Any]) -> list[Step]:
    ended = [one["pid"] for one in asked(host, plan, _ending(plan, options)) if one["ended"]]
    counts: dict[str, int] = {}
    for one in plan["end"]:
        if one["pid"] in ended:
            key = "{0} in {1} ({2})".format(one["user"], one["database"], one["state"])
            counts[key] = counts.get(key, 0) + 1
    return [
        Step(
            "ended {0} sessions of {1}".format(count, key),
            "已结束 {0} 个会话：{1}".format(count, key),
        )
        for key, count in counts.items()
    ]
