# SPDX-License-Identifier: GPL-3.0-or-later
"""One alert as Alertmanager and Zabbix write it, wherever it comes from.

A webhook and an API of the same system spell the same alert differently ("38.05Z", "38.050Z"; a
severity as "4"). Both are read here, so that what is asked for and what was sent are one alert
with one key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from storewarden.adapters import alert_texts
from storewarden.adapters.alert_texts import Unfit
from storewarden.domain.healing.alert import Alert, Signal

ALERTNAME = "alertname"
_NEVER = datetime(1, 1, 1, tzinfo=UTC)  # Go's zero time: "0001-01-01T00:00:00Z"
_EXPRESSION = "g0.expr"
_FIELDS = 50

SEVERITIES = ("not_classified", "information", "warning", "average", "high", "disaster")
"""Zabbix' severities 0-5 as words."""


def prometheus_alert(source: str, told: Mapping[str, Any], signal: Signal) -> Alert:
    """One alert of a group or of ``/api/v2/alerts``. Raises Unfit."""
    known = alert_texts.labels(told.get("labels"))
    began = alert_texts.moment(told.get("startsAt"))
    if began is None or began == _NEVER:
        raise Unfit("startsAt is no time")
    ended = alert_texts.moment(told.get("endsAt"))
    address = told.get("generatorURL")
    return Alert(
        source=source,
        fingerprint=alert_texts.fingerprint(told.get("fingerprint"), known),
        starts_at=began,
        signal=signal,
        name=alert_texts.line(known.get(ALERTNAME), alert_texts.NAME),
        labels=known,
        annotations=alert_texts.remarks(told.get("annotations")),
        # While it fires this is only when Alertmanager would forget it.
        ends_at=ended if signal is Signal.RESOLVED and ended != _NEVER else None,
        expression=expression_of(address),
        url=alert_texts.line(address, alert_texts.URL),
    )


def expression_of(address: object) -> str:
    """The query in an address of Prometheus' own page; "" when there is none."""
    if not isinstance(address, str) or _EXPRESSION not in address:
        return ""
    try:
        asked = parse_qs(urlsplit(address).query, max_num_fields=_FIELDS)
    except ValueError:
        return ""
    found = asked.get(_EXPRESSION, [""])[0]
    # A query that was cut would be another query.
    fits = len(found) <= alert_texts.EXPRESSION
    return alert_texts.lines(found, alert_texts.EXPRESSION).strip() if fits else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ZabbixEvent:
    """One event. ``own`` are labels of the system (host, severity, trigger_id); a tag of the same
    name does not replace them."""

    id: str
    began: datetime
    name: str
    tags: Sequence[tuple[str, str]]
    own: Mapping[str, str]
    annotations: Mapping[str, str] = field(default_factory=dict)
    ended: datetime | None = None


def zabbix_alert(source: str, event: ZabbixEvent, signal: Signal) -> Alert:
    """What the event says. Raises Unfit for too many labels."""
    told = alert_texts.line(event.name, alert_texts.NAME)
    own = {key: value for key, value in event.own.items() if value}
    return Alert(
        source=source,
        fingerprint=event.id,
        starts_at=event.began,
        signal=signal,
        name=told,
        labels=alert_texts.labels({**_tag_labels(event.tags), **own, ALERTNAME: told}),
        annotations=alert_texts.remarks(event.annotations),
        ends_at=event.ended if signal is Signal.RESOLVED else None,
        once=True,
    )


def severity_word(told: object) -> str:
    """``4`` or ``"4"`` as ``high``; what is no such number stays as it is."""
    text = alert_texts.line(told, alert_texts.LABEL_VALUE)
    return SEVERITIES[int(text)] if text in {"0", "1", "2", "3", "4", "5"} else text


def tag_pairs(told: object) -> list[tuple[str, str]]:
    """``[{"tag": .., "value": ..}]`` as pairs. Raises Unfit."""
    if not isinstance(told, list) or not all(isinstance(each, dict) for each in told):
        raise Unfit("its tags are no list of tags")
    return [(str(each.get("tag", "")), str(each.get("value", ""))) for each in told]


def _tag_labels(tags: Sequence[tuple[str, str]]) -> dict[str, str]:
    """A tag that was given twice has both values, in the order of the alphabet."""
    found: dict[str, set[str]] = {}
    for name, value in tags:
        found.setdefault(name, set()).add(value)
    return {name: ",".join(sorted(values)) for name, values in found.items() if name}
