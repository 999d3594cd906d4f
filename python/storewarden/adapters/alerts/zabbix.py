# SPDX-License-Identifier: GPL-3.0-or-later
"""Zabbix, through the media type that we ship (packaging/zabbix).

Everything is text; a macro that means nothing for an event stays as it was written
("{EVENT.RECOVERY.ID}"); tags are JSON inside a text; dates have no zone. A recovery repeats the
problem's event id with value 0. An acknowledgement looks like a problem but for its update status:
whoever misses that heals twice.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from storewarden.adapters import alert_texts
from storewarden.adapters.alert_shapes import ZabbixEvent, severity_word, tag_pairs, zabbix_alert
from storewarden.adapters.alert_texts import Unfit
from storewarden.adapters.alerts.settings import SenderSettings
from storewarden.domain.healing.alert import Delivery, Signal
from storewarden.ports.alerts import AlertsMalformed

_MACRO = re.compile(r"\{[A-Z][A-Z0-9_.]*\}|\*UNKNOWN\*|\*UNDEFINED\*")
_EVENT = re.compile(r"[0-9]{1,20}")
_TRIGGER = ("", "0")  # event sources: 1 discovery, 2 autoregistration, 3 internal, 4 service
_WHEN = "%Y.%m.%d %H:%M:%S"
_NOTES = ("event_opdata", "event_update_message", "event_ack_status", "item_value",
          "subject", "message")  # fmt: skip


class Settings(SenderSettings):
    """``timezone`` is the one in which the media type's user reads times in Zabbix."""


class ZabbixReader:
    """Reads one event per request."""

    kind = "zabbix"

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone

    def read(self, source: str, body: bytes, now: datetime) -> Delivery:  # noqa: ARG002 - the port
        """The event. Raises AlertsMalformed."""
        told = _Told(alert_texts.read_object(body))
        if told.text("event_source") not in _TRIGGER:
            why = "no event of a trigger (discovery, registration, internal or service)"
            return Delivery(source=source, alerts=(), ignored=(why,))
        try:
            alert = zabbix_alert(source, self._event(told), _signal(told))
        except Unfit as why:
            return Delivery(source=source, alerts=(), ignored=(f"event: {why}",))
        return Delivery(source=source, alerts=(alert,))

    def _event(self, told: _Told) -> ZabbixEvent:
        name = told.text("event_name")
        return ZabbixEvent(
            id=_event_id(told),
            began=self._began(told),
            name=name,
            tags=_tags(told),
            own={
                "host": told.text("host"),
                "host_ip": told.text("host_ip"),
                "severity": severity_word(told.text("event_severity")),
                "trigger_id": told.text("trigger_id"),
            },
            annotations={"summary": name, **_notes(told)},
            ended=self._moment(told, "event_recovery"),
        )

    def _began(self, told: _Told) -> datetime:
        found = self._moment(told, "event")
        if found is None:
            raise AlertsMalformed(
                "are no time, like 2026.11.21 and 20:19:02", where="body: event_date, event_time"
            )
        return found

    def _moment(self, told: _Told, which: str) -> datetime | None:
        text = f"{told.text(f'{which}_date')} {told.text(f'{which}_time')}"
        try:
            naive = datetime.strptime(text, _WHEN)  # noqa: DTZ007 - Zabbix writes no zone
        except ValueError:
            return None
        return alert_texts.moment(naive.isoformat(), self._zone)


class _Told:
    """The fields of one event; a macro that stood for nothing is nothing."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._fields = fields

    def raw(self, name: str) -> str:
        """As it came."""
        found = self._fields.get(name)
        told = found if isinstance(found, str) else alert_texts.lines(found, 100_000)
        return "" if _MACRO.fullmatch(told.strip()) else told

    def text(self, name: str) -> str:
        """One line."""
        return alert_texts.line(self.raw(name), alert_texts.ANNOTATION_VALUE)


def _event_id(told: _Told) -> str:
    found = told.text("event_id")
    if not _EVENT.fullmatch(found):
        raise AlertsMalformed("is no id of an event", where="body: event_id")
    return found


def _signal(told: _Told) -> Signal:
    value, update = told.text("event_value"), told.text("event_update_status")
    if update == "1":
        return Signal.NOTED
    if value not in ("0", "1") or update not in ("", "0"):
        raise AlertsMalformed("are not 0 or 1", where="body: event_value, event_update_status")
    return Signal.FIRING if value == "1" else Signal.RESOLVED


def _tags(told: _Told) -> list[tuple[str, str]]:
    """Half of the tags would match other rules than all of them: rather none of the event."""
    given = told.raw("event_tags")
    try:
        return tag_pairs(json.loads(given)) if given.strip() else []
    except (ValueError, RecursionError, Unfit):
        raise AlertsMalformed("is no JSON list of tags", where="body: event_tags") from None


def _notes(told: _Told) -> dict[str, str]:
    return {name: text for name in _NOTES if (text := told.raw(name).strip())}


def reader(settings: Settings) -> ZabbixReader:
    """The reader."""
    return ZabbixReader(settings.zone)
