# SPDX-License-Identifier: GPL-3.0-or-later
"""How much trade the wave's stores have seen since its soak began."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from fnmatch import fnmatchcase

from storewarden.adapters.signals.asking import asker
from storewarden.adapters.signals.looking import looked, seen_hosts
from storewarden.adapters.signals.prometheus import total
from storewarden.domain.errors import AdapterError
from storewarden.domain.gates.server import Server
from storewarden.domain.gates.volume import NEEDS, Settings, Sql, judge
from storewarden.ports.signals import HostAnswer, HostAsk, LookKind, Reach, WaveScope

__all__ = ["NEEDS", "Settings", "fetch", "judge"]

_QUESTION = "transactions"


def fetch(settings: Settings, scope: WaveScope, reach: Reach) -> Mapping[str, object]:
    """The data for ``domain.gates.volume``. AdapterError, ConfigInvalid."""
    opened = {"open_seconds": scope.open_for.total_seconds()}
    if settings.sql is not None:
        return {**opened, "transactions": _from_hosts(settings.sql, scope, reach)}
    if settings.server is not None:
        return {**opened, "transactions": _from_server(settings, settings.server, scope, reach)}
    return opened


def _from_server(settings: Settings, server: Server, scope: WaveScope, reach: Reach) -> object:
    with asker(server, reach, "volume") as line:
        if settings.query:
            return total(line, settings.query, scope)
        body = {
            "stores": list(scope.stores),
            "since": scope.since.isoformat(),
            "until": scope.now.isoformat(),
        }
        return line.tell("", body).get(_QUESTION)


def _from_hosts(sql: Sql, scope: WaveScope, reach: Reach) -> float:
    chosen = [
        host
        for host in seen_hosts(scope)
        if any(fnmatchcase(host, pattern) for pattern in sql.hosts)
    ]
    if not chosen:
        raise AdapterError("no verified host fits", where=", ".join(sql.hosts))
    since = scope.since.astimezone(UTC).isoformat()
    ask = HostAsk(
        name=_QUESTION,
        kind=LookKind.COMMAND,
        argv=tuple(word.replace("$since", since) for word in sql.argv),
        user=sql.user,
        seconds=sql.seconds,
    )
    answers = looked(reach, chosen, [ask])
    return sum(_number(host, answers.get(host, {}).get(_QUESTION)) for host in chosen)


def _number(host: str, answer: HostAnswer | None) -> float:
    """One host's count; a host that cannot say makes the sum none."""
    if answer is None or answer.problem or not answer.ok:
        why = answer.problem or answer.text if answer else ""
        raise AdapterError(f"the query failed: {why[:100]}" if why else "no answer", where=host)
    try:
        return float(answer.text.strip())
    except ValueError:
        raise AdapterError("the query answered no single number", where=host) from None
