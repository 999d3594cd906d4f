# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a job says when it has ended; written once, in one step, and read by whoever comes next."""

from __future__ import annotations

from typing import Any, NamedTuple


class SetFacts(NamedTuple):
    """One set as the tool knows it. ``taken`` is the host's own clock, in seconds since 1970 (the
    catalog goes by its own); ``size`` are bytes that were added, 0 where the tool does not say any
    more; ``manifest`` is the sha256 of the manifest that was written before the set ("" where the
    method has none); ``level`` is what was seen of it now; ``damaged`` is what is wrong with it."""

    id: str
    kind: str = "full"
    parent: str = ""
    taken: float = 0.0
    size: int = 0
    manifest: str = ""
    level: int = 0
    damaged: str = ""


class Drilled(NamedTuple):
    """A restore that was rehearsed. ``phases``: name -> seconds (fetch, restore, start, verify);
    ``rto`` their sum; ``rpo`` seconds between the disaster and the newest data that came back, -1
    when the data has no heartbeat; ``differences`` say what is not as the manifest says; ``kept``
    is the scratch place that was left standing because the order said so."""

    set: str
    level: int
    passed: bool
    phases: dict[str, float]
    rto: float
    rpo: float = -1.0
    differences: tuple[str, ...] = ()
    kept: str = ""


class Report(NamedTuple):
    """The whole of it; times are the host's own clock. ``end`` is done, failed, busy, auth,
    interrupted, no-space or rejected;
    ``tool_seconds`` is the part of ``seconds`` in which the tool worked, not we."""

    run: str
    verb: str
    host: str
    policy: str
    end: str
    reason: dict[str, str]
    began: float
    ended: float
    seconds: float
    tool_seconds: float = 0.0
    tool: str = ""
    sets: tuple[SetFacts, ...] = ()
    place: str = "host"
    bytes: int = 0
    immutable: bool | None = None
    drill: Drilled | None = None
    removed: tuple[str, ...] = ()
    notes: tuple[dict[str, str], ...] = ()


def plain(report: Report) -> dict[str, Any]:
    """The report as JSON data."""
    found = report._asdict()
    found["sets"] = [each._asdict() for each in report.sets]
    found["drill"] = report.drill._asdict() if report.drill else None
    return {"format": 1, **found}
