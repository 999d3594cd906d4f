# SPDX-License-Identifier: GPL-3.0-or-later
"""Incidents with their clocks, and what people do with them. Every writing route names a person and
answers with the incident as it is then."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict

from storewarden.domain.healing.incident import Clock, Incident, IncidentState, Needs
from storewarden.domain.healing.rule import Impact, Kind
from storewarden.flows.incident_orders import IncidentOrders, named
from storewarden.flows.incident_view import Mark, by_urgency, look_at, row_data, whole_data
from storewarden.web.access import person_of
from storewarden.web.alerts import AlertAnswer
from storewarden.web.parts import Parts, WebParts
from storewarden.web.rollouts import good_key
from storewarden.web.texts import Key, Line
from storewarden.wiring.incidents import incident_parts, incident_policy, whole_incident

router = APIRouter(tags=["incidents"])

LIMIT = 100  # rows of a list when nobody says how many


class _Body(BaseModel):
    """Unknown keys are refused: a misspelt one would silently not hold."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TakeBody(_Body):
    """Nothing is to be said with it."""


class NoteBody(_Body):
    """A line of its story."""

    text: Line


class SolveBody(_Body):
    """How it was solved."""

    how: Line


class ConfirmBody(_Body):
    """Nothing is to be said with it."""


class DisputeBody(_Body):
    """What is still broken."""

    why: Line


class ClockAnswer(BaseModel):
    """One promise; ``actual`` is when it was done."""

    clock: Clock
    promised: datetime
    actual: datetime | None
    state: Mark


class IncidentRow(BaseModel):
    """One line of a list; ``closes_at`` is when it closes if nobody objects."""

    number: str
    name: str
    rule: str
    kind: Kind
    priority: Impact
    state: IncidentState
    needs: Needs
    holder: str
    hosts: list[str]
    began_at: datetime
    opened_at: datetime
    clocks: list[ClockAnswer]
    closes_at: datetime | None
    closed_at: datetime | None
    verified: bool
    disputes: int
    problem: str


class TimelineAnswer(BaseModel):
    """One line of its story; ``evidence`` are names of stored documents."""

    at: datetime
    by: str
    en: str
    zh: str
    evidence: list[str]


class IncidentAnswer(IncidentRow):
    """Everything. ``occurrences`` counts its alerts, of which ``alerts`` are the first hundred."""

    answered_by: str
    solved_by: str
    confirmed_at: datetime | None
    confirmed_by: str
    items: list[str]
    dependents: list[str]
    occurrences: int
    alerts: list[AlertAnswer]
    repairs: list[dict[str, Any]]
    evidence: list[str]
    tickets: dict[str, str]
    timeline: list[TimelineAnswer]


class IncidentsAnswer(BaseModel):
    """A list; ``more`` when there are older ones than ``limit`` lets through."""

    incidents: list[IncidentRow]
    more: bool


def _orders(request: Request, parts: Parts) -> IncidentOrders:
    wired = incident_parts(parts.site, parts.wake)
    return IncidentOrders(wired, person_of(request))


Orders = Annotated[IncidentOrders, Depends(_orders)]


@router.get("/incidents", response_model=IncidentsAnswer, summary="List incidents")
def list_incidents(
    parts: Parts,
    *,
    every: Annotated[bool, Query(alias="all")] = False,
    limit: Annotated[int, Query(ge=1, le=10_000)] = LIMIT,
) -> JSONResponse:
    """Those that are open, what runs out next first; with ``all`` every one, newest first."""
    book, now = parts.site.ledger.incidents, parts.site.clock.now()
    policy = incident_policy(parts.site)
    found = book.incidents(limit=limit + 1) if every else book.open_ones()
    looks = [look_at(each, policy, now) for each in found]
    looks = looks if every else by_urgency(looks)
    rows = [row_data(each) for each in looks[:limit]]
    return JSONResponse({"incidents": rows, "more": len(looks) > limit})


@router.get("/incidents/{number}", response_model=IncidentAnswer, summary="One incident")
def show_incident(parts: Parts, number: str) -> JSONResponse:
    """Everything about it: clocks, configuration items, alerts, repairs, its story."""
    return _answer(parts, named(parts.site.ledger.incidents, number))


@router.post("/incidents/{number}/take", response_model=IncidentAnswer, summary="Take it")
def take(parts: Parts, orders: Orders, number: str, key: Key, body: TakeBody) -> JSONResponse:
    """ "I am at it": that answers it; from somebody else it is taken over."""
    del body
    good_key(key)  # once is once: what it says already is not said again
    return _answer(parts, orders.take(number))


@router.post("/incidents/{number}/note", response_model=IncidentAnswer, summary="Write a note")
def note(parts: Parts, orders: Orders, number: str, key: Key, body: NoteBody) -> JSONResponse:
    """A line of its story; also of one that is closed."""
    good_key(key)
    return _answer(parts, orders.note(number, body.text))


@router.post("/incidents/{number}/solve", response_model=IncidentAnswer, summary="It is solved")
def solve(parts: Parts, orders: Orders, number: str, key: Key, body: SolveBody) -> JSONResponse:
    """It is well again; the business confirms, disputes, or says nothing for two hours."""
    good_key(key)
    return _answer(parts, orders.solve(number, body.how))


@router.post("/incidents/{number}/confirm", response_model=IncidentAnswer, summary="Confirm it")
def confirm(parts: Parts, orders: Orders, number: str, key: Key, body: ConfirmBody) -> JSONResponse:
    """The business says that it is well; never the person who said that it is solved."""
    del body
    good_key(key)
    return _answer(parts, orders.confirm(number))


@router.post("/incidents/{number}/dispute", response_model=IncidentAnswer, summary="Dispute it")
def dispute(parts: Parts, orders: Orders, number: str, key: Key, body: DisputeBody) -> JSONResponse:
    """It is not solved: it is open again, and its clock never stopped."""
    good_key(key)
    return _answer(parts, orders.dispute(number, body.why))


def _answer(parts: WebParts, incident: Incident) -> JSONResponse:
    return JSONResponse(whole_data(whole_incident(parts.site, incident)))
