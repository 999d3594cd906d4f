# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How far back the collected logs of each host really reach, on the server that collects them.

A retention setting is a promise; the oldest file is the proof. A file was begun when it was
created and last written at its modification time, so the earlier of the two is no later than
its oldest record; compressing makes a new file but keeps the modification time.
"""

from __future__ import annotations

import datetime
import re
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getter import Getter, texts
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.probe_error import (
    QUERY,
    ProbeError,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.system import command_failed

_DAY = 86400.0
_FORMAT = "%T@\\t%B@\\t%P\\n"  # modified, created, path below the directory


def _oldest_records(system: Any, query: dict[str, Any]) -> list[dict[str, Any]]:
    oldest = system.remember(
        ("log archive", str(query["directory"])), lambda: _oldest(system, str(query["directory"]))
    )
    hosts = sorted(set(oldest) | set(texts(query.get("hosts") or [])))
    rows = [{"host": host, "days": _age(system, oldest.get(host))} for host in hosts]
    if "short_of_days" not in query:
        return rows
    births = query.get("births") or {}
    wanted = float(query["short_of_days"])
    return [row for row in rows if _short(system, row, wanted, births.get(row["host"]))]


def _oldest(system: Any, directory: str) -> dict[str, float]:
    """Host (first folder below) -> time of its oldest record; empty files have none."""
    if system.stat(directory) is None:
        return {}
    argv = ["find", directory + "/", "-mindepth", "2", "-type", "f", "-size", "+0"]
    result = system.run([*argv, "-printf", _FORMAT])
    if result.rc != 0:
        raise command_failed(argv, result)
    found: dict[str, float] = {}
    for line in result.stdout.split("\n"):
        modified, _tab, rest = line.partition("\t")
        created, _tab, path = rest.partition("\t")
        stamps = [float(one) for one in (modified, created) if _is_stamp(one)]
        if path and stamps:
            host = path.split("/", 1)[0]
            found[host] = min([*stamps, found.get(host, stamps[0])])
    return found


def _is_stamp(text: str) -> bool:
    """A file system without creation times answers 0, - or nothing."""
    return bool(re.match(r"\d+(\.\d+)?$", text)) and float(text) > 0


def _age(system: Any, oldest: Any) -> float | None:
    """Days with one decimal; None when the host has no record at all."""
    return None if oldest is None else round((system.now() - oldest) / _DAY, 1)


def _short(system: Any, row: dict[str, Any], wanted: float, birth: Any) -> bool:
    if row["days"] is None:
        return True
    if birth is not None:
        # a host's first day may pass before its first record arrives
        wanted = min(wanted, (system.now() - _midnight(birth)) / _DAY - 1)
    return bool(row["days"] < wanted)


def _midnight(day: Any) -> float:
    """The beginning of a "YYYY-MM-DD" in UTC, seconds since the epoch."""
    try:
        parsed = datetime.datetime.strptime(str(day), "%Y-%m-%d")
    except ValueError:
        raise ProbeError(QUERY, "{0!r} is not a day like 2026-01-31".format(day)) from None
    return parsed.replace(tzinfo=datetime.timezone.utc).timestamp()


GETTERS = (
    Getter("oldest_records", _oldest_records, ("directory",), ("hosts", "births", "short_of_days")),
)
