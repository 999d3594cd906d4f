# SPDX-License-Identifier: GPL-3.0-or-later
"""Values per store from a Prometheus, now and in the weeks before.

``$stores`` and ``$hosts`` in a query become regular expressions for the inside of double quotes,
``$window`` the time watched. A warning of the server ("partial response") makes the whole answer
no evidence. How old the newest sample is can only be asked of a plain selector: any expression is
as new as the question, and ``rate(x[1h])`` goes on for an hour after a store's last word.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import isnan, nan
from statistics import fmean, median
from typing import Any

from storewarden.adapters.signals.asking import Asker, asker
from storewarden.domain.errors import AdapterError
from storewarden.domain.gates.prometheus import NEEDS, OTHERS, WHOLE, Reduce, Settings, judge
from storewarden.ports.signals import Reach, WaveScope

__all__ = ["NEEDS", "Settings", "fetch", "judge"]

_WEEK = timedelta(days=7)
_POINTS = 1000  # of one store in a range query at most; Prometheus refuses above 11,000
_SPECIAL = re.compile(r'[\\.+*?()|\[\]{}^$"]')
_REDUCED: Mapping[Reduce, Callable[[Sequence[float]], float]] = {
    Reduce.MEDIAN: median,
    Reduce.MEAN: fmean,
    Reduce.MAX: max,
    Reduce.MIN: min,
    Reduce.LAST: lambda values: values[-1],
}


def fetch(settings: Settings, scope: WaveScope, reach: Reach) -> Mapping[str, object]:
    """The data for ``domain.gates.prometheus``. AdapterError, ConfigInvalid."""
    with asker(settings.server, reach, "prometheus") as line:
        asking = _Asking(line=line, settings=settings, scope=scope)
        data: dict[str, object] = {
            "now": asking.values(scope.stores, timedelta()),
            "newest": asking.newest(),
        }
        others = scope.others[:OTHERS] if "rest" in settings.compare else ()
        data["rest"] = asking.values(others, timedelta()) if others else {}
        if settings.compare and settings.weeks:
            data["past"] = asking.history(scope.stores)
            data["rest_past"] = asking.history(others) if others else {}
        return data


def total(line: Asker, query: str, scope: WaveScope) -> float | None:
    """The sum over all series of a query, None when there are none."""
    found = _result(line, "query", {"query": _filled(query, scope, scope.stores),
                                    "time": _stamp(scope.now)})  # fmt: skip
    values = [_number(line, pair) for _, pair in _pairs(line, found)]
    return sum(values) if values else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asking:
    line: Asker
    settings: Settings
    scope: WaveScope

    def values(self, stores: Sequence[str], back: timedelta) -> dict[str, float]:
        """One value per store, ``back`` before now."""
        query = _filled(self.settings.query, self.scope, stores)
        end = self.scope.now - back
        if self.settings.step is None:
            found = _result(self.line, "query", {"query": query, "time": _stamp(end)})
            return self._by_store(
                (labels, _number(self.line, pair)) for labels, pair in _pairs(self.line, found)
            )
        step = max(self.settings.step, self.scope.watched / _POINTS, timedelta(seconds=1))
        asked = {
            "query": query,
            "start": _stamp(self.scope.since - back),
            "end": _stamp(end),
            "step": f"{step.total_seconds():.3f}",
        }
        found = _result(self.line, "query_range", asked)
        return self._by_store(self._reduced(found))

    def _reduced(self, found: Mapping[str, Any]) -> Any:
        for each in _series(self.line, found, "matrix"):
            points = [_number(self.line, pair) for pair in each.get("values", ())]
            if points:
                # NaN among them makes the store's value NaN, which holds.
                known = not any(isnan(point) for point in points)
                value = _REDUCED[self.settings.reduce](points) if known else nan
                yield each.get("metric", {}), value

    def newest(self) -> dict[str, float]:
        """When each store was last heard, in seconds since 1970."""
        selector = _filled(self.settings.freshness, self.scope, self.scope.stores)
        label = self.settings.label
        query = f"max by ({label}) (timestamp({selector}))" if label else None
        query = query or f"max(timestamp({selector}))"
        found = _result(self.line, "query", {"query": query, "time": _stamp(self.scope.now)})
        pairs = _pairs(self.line, found)
        return self._by_store((labels, _number(self.line, pair)) for labels, pair in pairs)

    def history(self, stores: Sequence[str]) -> dict[str, list[float | None]]:
        """Store -> its values in the weeks before, the newest first, None where there is none."""
        weeks = [self.values(stores, _WEEK * (n + 1)) for n in range(self.settings.weeks)]
        known = {store for week in weeks for store in week}
        return {store: [week.get(store) for week in weeks] for store in sorted(known)}

    def _by_store(self, rows: Any) -> dict[str, float]:
        label, found = self.settings.label, dict[str, float]()
        for labels, value in rows:
            store = str(labels.get(label, "")) if label else WHOLE
            if not store:
                raise AdapterError(f"a series has no label {label}", where=self.line.where)
            if store in found:
                raise AdapterError(
                    f"more than one series for {'the wave' if store == WHOLE else store}",
                    where=self.line.where,
                    hint=f"aggregate the query: sum by ({label or ''})",
                )
            found[store] = value
        return found


def _result(line: Asker, what: str, asked: Mapping[str, str]) -> Mapping[str, Any]:
    answer = line.form(f"/api/v1/{what}", asked)
    if answer.get("status") != "success" or not isinstance(answer.get("data"), dict):
        raise AdapterError("answered without a result", where=line.where)
    if answer.get("warnings"):
        raise AdapterError(f"warned: {answer['warnings']}"[:200], where=line.where)
    data: Mapping[str, Any] = answer["data"]
    return data


def _pairs(line: Asker, found: Mapping[str, Any]) -> list[tuple[Mapping[str, Any], Any]]:
    if found.get("resultType") == "scalar":
        return [({}, found.get("result"))]
    return [(each.get("metric", {}), each.get("value")) for each in _series(line, found, "vector")]


def _series(line: Asker, found: Mapping[str, Any], kind: str) -> list[Mapping[str, Any]]:
    result = found.get("result")
    if found.get("resultType") != kind or not isinstance(result, list):
        raise AdapterError(f"answered no {kind}", where=line.where, hint="is it such a query?")
    if not all(isinstance(each, dict) for each in result):
        raise AdapterError(f"answered a {kind} of something else", where=line.where)
    return result


def _number(line: Asker, pair: object) -> float:
    """``[seconds, "1.5"]``."""
    try:
        return float(pair[1])  # type: ignore[index]
    except (TypeError, ValueError, IndexError, KeyError):
        raise AdapterError("answered a sample that is no number", where=line.where) from None


def _filled(query: str, scope: WaveScope, stores: Sequence[str]) -> str:
    chosen = set(stores)
    hosts = [host for host in scope.hosts if scope.store_of.get(host) in chosen]
    words = {
        "$stores": _any_of(stores),
        "$hosts": _any_of(hosts),
        "$window": f"{max(1, int(scope.watched.total_seconds()))}s",
    }
    return re.sub(r"\$(?:stores|hosts|window)\b", lambda m: words[m[0]], query)


def _any_of(names: Sequence[str]) -> str:
    """Names as a regular expression that stands between double quotes of PromQL."""
    return "|".join(_SPECIAL.sub(_escaped, name) for name in names)


def _escaped(found: re.Match[str]) -> str:
    if found[0] == '"':
        return '\\"'
    return "\\\\\\\\" if found[0] == "\\" else f"\\\\{found[0]}"


def _stamp(moment: datetime) -> str:
    return f"{moment.timestamp():.3f}"
