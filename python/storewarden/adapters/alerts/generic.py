# SPDX-License-Identifier: GPL-3.0-or-later
"""Any sender of JSON, described by the site: where its alerts are and what its words mean.

``mapping`` holds JMESPath expressions. ``alerts`` is asked of the whole body, everything else of
each alert. Two are not optional: ``starts_at``, because an alert without a beginning of its own
would be another one with every repetition, and ``status`` with its words, because a word that
nobody listed must not be taken for a fault.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import AfterValidator, model_validator

from storewarden.adapters import alert_texts
from storewarden.adapters.alert_shapes import ALERTNAME, expression_of
from storewarden.adapters.alert_texts import Unfit
from storewarden.adapters.alerts.settings import SenderSettings
from storewarden.adapters.queries import Query
from storewarden.adapters.settings import AdapterSettings, ListOf, wrong
from storewarden.domain.errors import AdapterError, ConfigInvalid
from storewarden.domain.healing.alert import Alert, Delivery, Signal
from storewarden.ports.alerts import AlertsMalformed


def _compiles(expression: str) -> str:
    return _compiles_at("", expression)


def _compiles_at(key: str, expression: str) -> str:
    try:
        Query("", expression)
    except ConfigInvalid as error:
        raise wrong(error.what, key=key) from None
    return expression


def _needed(expression: str) -> str:
    if not expression.strip():
        raise wrong("must be a JMESPath expression")
    return _compiles(expression)


def _some(words: tuple[str, ...]) -> tuple[str, ...]:
    if not words:
        raise wrong("must name at least one word")
    return words


def _finder(value: object) -> object:
    if isinstance(value, str):
        return _compiles(value)
    if not isinstance(value, Mapping):
        raise wrong("must be a JMESPath expression, or keys with an expression each")
    for name, each in value.items():
        if not isinstance(each, str):
            raise wrong("must be a JMESPath expression", key=str(name))
        _compiles_at(str(name), each)
    return MappingProxyType({str(name): str(each) for name, each in value.items()})


Expression = Annotated[str, AfterValidator(_compiles)]
Needed = Annotated[str, AfterValidator(_needed)]
Finder = Annotated[object, AfterValidator(_finder)]
Words = Annotated[ListOf[str], AfterValidator(_some)]


class Status(AdapterSettings):
    """``word`` finds the alert's state; the lists say which words mean what (in any case)."""

    word: Needed
    firing: Words
    resolved: Words
    noted: ListOf[str] = ()

    @model_validator(mode="after")
    def _one_meaning_each(self) -> Status:
        words = [word.casefold() for word in (*self.firing, *self.resolved, *self.noted)]
        if len(words) != len(set(words)):
            raise wrong("has one word in two lists, or twice in one")
        return self


class Shape(AdapterSettings):
    """The ``mapping``. ``labels`` and ``annotations`` are either one expression that finds an
    object, or keys with an expression each."""

    alerts: Needed = "@"
    name: Needed
    starts_at: Needed
    status: Status
    fingerprint: Expression = ""
    ends_at: Expression = ""
    labels: Finder = ""
    annotations: Finder = ""
    expression: Expression = ""
    url: Expression = ""


class Settings(SenderSettings):
    """``mapping`` describes the body."""

    mapping: Shape


class GenericReader:
    """Reads what the mapping describes."""

    kind = "generic"

    def __init__(self, shape: Shape, zone: tzinfo) -> None:
        self._zone = zone
        self._alerts = Query("mapping.alerts", shape.alerts)
        self._fields = {
            name: Query(f"mapping.{name}", getattr(shape, name))
            for name in ("name", "starts_at", "fingerprint", "ends_at", "expression", "url")
        }
        self._word = Query("mapping.status.word", shape.status.word)
        self._meant = _meanings(shape.status)
        self._labels = _queries("labels", shape.labels)
        self._annotations = _queries("annotations", shape.annotations)

    def read(self, source: str, body: bytes, now: datetime) -> Delivery:  # noqa: ARG002 - the port
        """Every alert that the mapping finds. Raises AlertsMalformed."""
        alerts, ignored = list[Alert](), list[str]()
        for number, told in enumerate(self._found(alert_texts.read_json(body))):
            try:
                alerts.append(self._alert(source, told))
            except Unfit as why:
                ignored.append(f"alert {number}: {why}")
            except AdapterError as why:
                ignored.append(f"alert {number}: {why.where} does not fit it")
        return Delivery(source=source, alerts=tuple(alerts), ignored=tuple(ignored))

    def _found(self, data: object) -> Sequence[object]:
        try:
            found = self._alerts.of(data)
        except AdapterError:
            raise AlertsMalformed("mapping.alerts does not fit it", where="body") from None
        if isinstance(found, Mapping):
            return [found]
        if not isinstance(found, list):
            raise AlertsMalformed("mapping.alerts finds no alerts in it", where="body")
        return found

    def _alert(self, source: str, told: object) -> Alert:
        signal = self._signal(told)
        known = alert_texts.labels(_object(self._labels, told))
        name = alert_texts.line(self._fields["name"].of(told), alert_texts.NAME)
        known.setdefault(ALERTNAME, name)
        began = alert_texts.moment(self._fields["starts_at"].of(told), self._zone)
        if began is None:
            raise Unfit("mapping.starts_at finds no time")
        ended = alert_texts.moment(self._fields["ends_at"].of(told), self._zone)
        address = self._fields["url"].of(told)
        return Alert(
            source=source,
            fingerprint=alert_texts.fingerprint(self._fields["fingerprint"].of(told), known),
            starts_at=began,
            signal=signal,
            name=name,
            labels=known,
            annotations=alert_texts.remarks(_object(self._annotations, told)),
            ends_at=ended if signal is Signal.RESOLVED else None,
            expression=self._expression(told) or expression_of(address),
            url=alert_texts.line(address, alert_texts.URL),
        )

    def _expression(self, told: object) -> str:
        found = self._fields["expression"].of(told)
        fits = isinstance(found, str) and len(found) <= alert_texts.EXPRESSION
        return alert_texts.lines(found, alert_texts.EXPRESSION).strip() if fits else ""

    def _signal(self, told: object) -> Signal:
        word = alert_texts.line(self._word.of(told), alert_texts.LABEL_NAME).casefold()
        if word not in self._meant:
            raise Unfit("its status is none of the words in mapping.status")
        return self._meant[word]


def _meanings(status: Status) -> Mapping[str, Signal]:
    told = (
        (Signal.NOTED, status.noted),
        (Signal.RESOLVED, status.resolved),
        (Signal.FIRING, status.firing),
    )
    return {word.casefold(): signal for signal, words in told for word in words}


def _queries(key: str, given: object) -> Query | Mapping[str, Query]:
    if not isinstance(given, Mapping):
        return Query(f"mapping.{key}", str(given))
    return {name: Query(f"mapping.{key}.{name}", each) for name, each in given.items()}


def _object(asked: Query | Mapping[str, Query], told: object) -> Any:
    """What the queries find; a label of which nothing is found is left out."""
    if isinstance(asked, Query):
        return asked.of(told)
    found = {name: query.of(told) for name, query in asked.items()}
    return {name: value for name, value in found.items() if value is not None}


def reader(settings: Settings) -> GenericReader:
    """The reader."""
    return GenericReader(settings.mapping, settings.zone)
