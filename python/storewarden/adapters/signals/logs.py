# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts error lines of each host, now and before the wave.

From the hosts' journal or files, counted there (only numbers travel), or from the site's own log
server: it is POSTed ``{"pattern", "ignore", "hosts", "since", "until"}`` once for each of both
times and answers ``{"hosts": {host: {"errors": n, "lines": n}}}``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from storewarden.adapters.signals.asking import asker
from storewarden.adapters.signals.looking import looked, seen_hosts
from storewarden.domain.gates.logs import NEEDS, Settings, judge
from storewarden.domain.gates.server import Server
from storewarden.ports.signals import HostAnswer, HostAsk, LookKind, Reach, WaveScope

__all__ = ["NEEDS", "Settings", "fetch", "judge"]

_NOW, _BEFORE = "now", "before"


def fetch(settings: Settings, scope: WaveScope, reach: Reach) -> Mapping[str, object]:
    """The data for ``domain.gates.logs``. AdapterError, ConfigInvalid."""
    times = _times(settings, scope)
    if settings.server is not None:
        counts = _from_server(settings, settings.server, scope, reach)
    else:
        counts = _from_hosts(settings, scope, reach)
    hours = {name: (until - since) / timedelta(hours=1) for name, (since, until) in times.items()}
    return {
        "hosts": {
            host: {**found, "hours": hours[_NOW], "before_hours": hours.get(_BEFORE)}
            for host, found in counts.items()
        }
    }


def _times(settings: Settings, scope: WaveScope) -> dict[str, tuple[datetime, datetime]]:
    """What is counted; the time before only where it is compared with."""
    times = {_NOW: (scope.since, scope.now)}
    if settings.times is not None:
        times[_BEFORE] = (scope.began - settings.baseline, scope.began)
    return times


def _from_hosts(settings: Settings, scope: WaveScope, reach: Reach) -> dict[str, dict[str, object]]:
    hosts = seen_hosts(scope)
    asks = [
        HostAsk(
            name=name,
            kind=LookKind.JOURNAL if settings.unit else LookKind.FILES,
            unit=settings.unit,
            paths=settings.files,
            pattern=settings.pattern,
            ignore=settings.ignore,
            since=since,
            until=until,
            seconds=settings.seconds,
        )
        for name, (since, until) in _times(settings, scope).items()
    ]
    answers = looked(reach, hosts, asks)
    return {host: _counted(found) for host, found in answers.items() if found}


def _counted(answers: Mapping[str, HostAnswer]) -> dict[str, object]:
    problems = [each.problem for each in answers.values() if each.problem]
    counts: dict[str, object] = {
        name: [each.count, each.lines] for name, each in answers.items() if not each.problem
    }
    return {**counts, "problem": problems[0]} if problems else counts


def _from_server(
    settings: Settings, server: Server, scope: WaveScope, reach: Reach
) -> dict[str, dict[str, object]]:
    hosts, counts = seen_hosts(scope), dict[str, dict[str, object]]()
    with asker(server, reach, "logs") as line:
        for name, (since, until) in _times(settings, scope).items():
            body = {
                "pattern": settings.pattern,
                "ignore": settings.ignore,
                "hosts": list(hosts),
                "since": since.isoformat(),
                "until": until.isoformat(),
            }
            answer = line.tell("", body).get("hosts")
            for host, found in answer.items() if isinstance(answer, dict) else ():
                if isinstance(found, dict):
                    own = counts.setdefault(str(host), {})
                    own[name] = [found.get("errors"), found.get("lines")]
    return counts
