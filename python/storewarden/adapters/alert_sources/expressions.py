# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks a Prometheus whether an alert's own expression still holds (``/api/v1/query``).

The expression comes with the alert (the query in ``generatorURL``, or an annotation
``expression``). It is asked as it stands: rewriting somebody's query would make another one. Of the
series that it finds, those are the alert's that contradict none of its labels; the alert has more
labels than its series (those of its rule, and the external ones). A rule that gives a label another
value than its series has cannot be asked so, and says quiet. A warning in the answer ("partial
response") makes it no answer, and who does not answer says nothing, which is never "quiet".
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from storewarden.adapters.alert_sources.line import Line, LineSettings
from storewarden.adapters.settings import read_settings
from storewarden.domain.errors import StorewardenError
from storewarden.domain.healing.alert import Alert
from storewarden.ports.clock import Clock
from storewarden.ports.secrets import Secrets

_PATH = "/api/v1/query"
_ANNOTATION = "expression"
_NAME = "__name__"
_TYPES = ("vector", "scalar")


class Settings(LineSettings):
    """``url`` is Prometheus' own, without the path of its API."""


class ExpressionCheck:
    """``ports.alerts.AlertCheck`` over one Prometheus."""

    def __init__(self, line: Line, clock: Clock) -> None:
        self._line = line
        self._clock = clock

    def holds(self, alert: Alert, hosts: tuple[str, ...]) -> Mapping[str, bool | None]:
        """Per host: True while it fires, False when it is quiet, None when nobody can tell."""
        expression = alert.expression or alert.annotations.get(_ANNOTATION, "")
        return dict.fromkeys(hosts, self._asked(expression, alert) if expression else None)

    def _asked(self, expression: str, alert: Alert) -> bool | None:
        query = {"query": expression, "time": f"{self._clock.now().timestamp():.3f}"}
        try:
            answer = self._line.ask("GET", _PATH, query=query, bearer=self._line.token())
        except StorewardenError:
            return None
        return _holds(answer, alert.labels)


def _holds(answer: Any, labels: Mapping[str, str]) -> bool | None:
    if not isinstance(answer, Mapping) or answer.get("status") != "success":
        return None
    data = answer.get("data")
    if answer.get("warnings") or not isinstance(data, Mapping):
        return None
    kind, found = data.get("resultType"), data.get("result")
    if kind not in _TYPES or not isinstance(found, list):
        return None
    if kind == "scalar":  # an alert fires on whatever value it has
        return True
    return any(_fits(each, labels) for each in found)


def _fits(series: object, labels: Mapping[str, str]) -> bool:
    metric = series.get("metric") if isinstance(series, Mapping) else None
    if not isinstance(metric, Mapping):
        return False
    told = ((name, value) for name, value in metric.items() if name != _NAME)
    return all(labels.get(name, value) == value for name, value in told)


def connect_expressions(
    name: str, values: Mapping[str, object], secrets: Secrets, folder: Path, clock: Clock
) -> ExpressionCheck:
    """The check of the source ``name``; ``values`` are its ``prometheus`` section. Raises
    ConfigInvalid for every key that is unknown, missing or mistyped."""
    key = f"healing.sources.{name}.prometheus"
    settings = read_settings(Settings, values, key, folder)
    return ExpressionCheck(Line(key, settings, secrets), clock)
