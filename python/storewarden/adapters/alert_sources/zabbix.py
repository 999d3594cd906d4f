# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks Zabbix for its problems (``problem.get``), from version 5.4 on.

From 6.4 the token travels in a header; before, in the body. Problems know their trigger but not
their hosts, so the triggers are asked for too, enabled ones on monitored hosts only. A problem of
another trigger, or one that maintenance suppresses, comes as noted: neither firing nor over.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pydantic import model_validator

from storewarden.adapters import alert_texts
from storewarden.adapters.alert_shapes import ZabbixEvent, severity_word, tag_pairs, zabbix_alert
from storewarden.adapters.alert_sources.line import Line, LineSettings
from storewarden.adapters.alert_texts import Unfit
from storewarden.adapters.http_answers import excerpt, redacted
from storewarden.adapters.settings import wrong
from storewarden.domain.errors import AdapterError
from storewarden.domain.healing.alert import Alert, Delivery, Signal
from storewarden.ports.secrets import Secret, Secrets

_PATH = "/api_jsonrpc.php"
_IN_A_HEADER = (6, 4)
_VERSION = re.compile(r"(\d+)\.(\d+)\.")
_AT_ONCE = 1000  # triggers of one question
_PROBLEMS = {
    "output": ["eventid", "objectid", "clock", "name", "severity", "suppressed", "opdata"],
    "selectTags": ["tag", "value"],
    "source": 0,
    "object": 0,
    "recent": False,
}


class Settings(LineSettings):
    """``url`` is the frontend's, without ``/api_jsonrpc.php``; ``token`` one of its API tokens."""

    @model_validator(mode="after")
    def _never_without_a_token(self) -> Settings:
        if not self.token:
            raise wrong("is missing", key="token")
        return self


class ZabbixSource:
    """One Zabbix."""

    def __init__(self, name: str, line: Line) -> None:
        self.name = name
        self._line = line

    def firing(self, now: datetime) -> Delivery:  # noqa: ARG002 - the port
        """Everything that is a problem now. Raises AdapterError, ConfigInvalid."""
        call = _Call(self._line)
        problems = call.rows("problem.get", _PROBLEMS)
        hosts = _hosts(call, {str(each.get("objectid", "")) for each in problems})
        alerts, ignored = list[Alert](), list[str]()
        for told in problems:
            try:
                alert = self._alert(told, hosts)
            except Unfit as why:
                ignored.append(f"problem {alert_texts.line(told.get('eventid'), 40)}: {why}")
                continue
            alerts.append(alert)
            if alert.signal is Signal.NOTED:
                gone = "suppressed" if _suppressed(told) else "its trigger is not monitored"
                ignored.append(f"problem {alert.fingerprint}: {gone}")
        return Delivery(source=self.name, alerts=tuple(alerts), ignored=tuple(ignored))

    def _alert(self, told: Mapping[str, Any], hosts: Mapping[str, tuple[str, ...]]) -> Alert:
        event = alert_texts.line(told.get("eventid"), alert_texts.FINGERPRINT)
        began, trigger = alert_texts.moment(told.get("clock")), str(told.get("objectid", ""))
        if not event or began is None:
            raise Unfit("has no id, or no time")
        found = hosts.get(trigger)
        quiet = found is None or _suppressed(told)
        name = str(told.get("name", ""))
        operational = str(told.get("opdata") or "")
        fields = ZabbixEvent(
            id=event,
            began=began,
            name=name,
            tags=tag_pairs(told.get("tags", [])),
            own={
                # Of several hosts nobody can tell here which one is meant.
                "host": found[0] if found and len(found) == 1 else "",
                "severity": severity_word(told.get("severity")),
                "trigger_id": trigger,
            },
            annotations={
                "summary": name,
                **({"event_opdata": operational} if operational else {}),
            },
        )
        return zabbix_alert(self.name, fields, Signal.NOTED if quiet else Signal.FIRING)


class _Call:
    """Questions to one Zabbix, in the way that its version wants them."""

    def __init__(self, line: Line) -> None:
        self._line = line
        token = line.token()
        self._token = token or Secret("")
        self._in_a_header = self._version() >= _IN_A_HEADER

    def rows(self, method: str, asked: Mapping[str, object]) -> list[Mapping[str, Any]]:
        """A list of objects."""
        header = self._token if self._in_a_header else None
        more = {} if self._in_a_header else {"auth": self._token.reveal()}
        found = self._result(method, asked, more, header)
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            raise AdapterError(f"{method} answered no list", where=self._line.where)
        return found

    def _version(self) -> tuple[int, int]:
        told = self._result("apiinfo.version", {}, {}, None)
        found = _VERSION.match(told) if isinstance(told, str) else None
        if found is None:
            raise AdapterError("told no version", where=self._line.where)
        return int(found.group(1)), int(found.group(2))

    def _result(
        self,
        method: str,
        asked: Mapping[str, object],
        more: Mapping[str, object],
        bearer: Secret | None,
    ) -> Any:
        body = {"jsonrpc": "2.0", "method": method, "params": asked, "id": 1, **more}
        hidden = (self._token,)
        answer = self._line.ask("POST", _PATH, body=body, bearer=bearer, hidden=hidden)
        if not isinstance(answer, dict) or "result" not in answer:
            raise self._error(method, answer)
        return answer["result"]

    def _error(self, method: str, answer: object) -> AdapterError:
        told = answer.get("error") if isinstance(answer, dict) else None
        words = (
            f"{told.get('message', '')} {told.get('data', '')}" if isinstance(told, dict) else ""
        )
        shown = excerpt(redacted(words, (self._token,)))
        return AdapterError(
            f"{method} was refused: {shown}" if shown else f"{method} was not answered",
            where=self._line.where,
            hint="is the token good, and may its user see the hosts?",
        )


def _hosts(call: _Call, triggers: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The hosts of every trigger that is watched; the technical names, as {HOST.HOST}."""
    wanted, found = sorted(triggers), dict[str, tuple[str, ...]]()
    for start in range(0, len(wanted), _AT_ONCE):
        asked = {
            "triggerids": wanted[start : start + _AT_ONCE],
            "output": ["triggerid"],
            "selectHosts": ["host"],
            "monitored": True,
        }
        for row in call.rows("trigger.get", asked):
            names = [str(each.get("host", "")) for each in _objects(row.get("hosts"))]
            found[str(row.get("triggerid", ""))] = tuple(name for name in names if name)
    return found


def _objects(value: object) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _suppressed(told: Mapping[str, Any]) -> bool:
    return str(told.get("suppressed", "0")) == "1"


def connect(name: str, settings: Settings, secrets: Secrets) -> ZabbixSource:
    """The source; nothing is asked yet."""
    return ZabbixSource(name, Line(f"healing.sources.{name}.poll", settings, secrets))
