# SPDX-License-Identifier: GPL-3.0-or-later
"""Alerts, what was decided about them, a person's answer where one is asked for; and what people
have paused."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict

from storewarden.domain.healing.record import Stage
from storewarden.flows.heal_orders import AlertOrders, answered, named
from storewarden.flows.heal_pause import holding, pause_data
from storewarden.flows.heal_tick import HEALING
from storewarden.flows.heal_view import occurrence_data, repair_data
from storewarden.web.access import person_of
from storewarden.web.parts import Parts, WebParts
from storewarden.web.rollouts import good_key
from storewarden.web.texts import Key, Line, Moment
from storewarden.wiring.changes import change_rules
from storewarden.wiring.healing import order_facts
from storewarden.wiring.incidents import pause_orders

router = APIRouter(tags=["alerts"])

LIMIT = 100  # rows of a list when nobody says how many


class _Body(BaseModel):
    """Unknown keys are refused: a misspelt one would silently not hold."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class AnswerBody(_Body):
    """Why; it is journaled with a no."""

    reason: Line = ""


class PauseBody(_Body):
    """What is left alone: "rule:NAME", "action:NAME", "source:NAME", or a name that only one of
    them has. Without ``until`` until somebody resumes it."""

    what: Line
    reason: Line
    until: Moment | None = None


class PauseAnswer(BaseModel):
    """One pause; ``until`` null: until somebody resumes it."""

    what: str
    by: str
    at: datetime
    reason: str
    until: datetime | None


class PausesAnswer(BaseModel):
    """What is paused now."""

    pauses: list[PauseAnswer]


class ResumedAnswer(BaseModel):
    """What goes on; ``was`` is false when it was not paused, ``over`` true when the time of its
    pause had run out already."""

    what: str
    was: bool
    over: bool


class AlertAnswer(BaseModel):
    """One alert with what was decided about it."""

    key: str
    number: int
    source: str
    name: str
    labels: dict[str, str]
    annotations: dict[str, str]
    starts_at: datetime
    received_at: datetime
    resolved_at: datetime | None
    stage: Stage
    due: datetime | None
    granted: str
    repair: str
    tries: int
    decision: dict[str, Any] | None


class AlertsAnswer(BaseModel):
    """A list, newest first; ``more`` when there are older ones than ``limit`` lets through."""

    alerts: list[AlertAnswer]
    more: bool


@router.get("/alerts", response_model=AlertsAnswer, summary="List alerts")
def list_alerts(
    parts: Parts,
    *,
    stage: Annotated[list[Stage] | None, Query()] = None,
    rule: Line = "",
    limit: Annotated[int, Query(ge=1, le=10_000)] = LIMIT,
) -> JSONResponse:
    """Newest first."""
    found = parts.site.ledger.alerts.occurrences(stages=stage or (), rule=rule, limit=limit + 1)
    shown = [occurrence_data(each) for each in found[:limit]]
    return JSONResponse({"alerts": shown, "more": len(found) > limit})


@router.get("/alerts/{alert}", response_model=AlertAnswer, summary="One alert")
def show_alert(parts: Parts, alert: str) -> JSONResponse:
    """One alert by its key, or by the beginning of it when only one begins so."""
    return JSONResponse(occurrence_data(named(parts.site.ledger.alerts, alert)))


@router.post("/alerts/{alert}/approve", response_model=AlertAnswer, summary="Let it be repaired")
def approve(request: Request, parts: Parts, alert: str, key: Key, body: AnswerBody) -> JSONResponse:
    """Say yes to the repair that is asked about; the same yes again changes nothing. At least
    eight letters of the key."""
    del body  # who said it, and to what, is journaled
    good_key(key)
    found = _orders(request, parts).approve(answered(parts.site.ledger.alerts, alert).key)
    return JSONResponse(occurrence_data(found))


@router.post("/alerts/{alert}/deny", response_model=AlertAnswer, summary="Take it over")
def deny(request: Request, parts: Parts, alert: str, key: Key, body: AnswerBody) -> JSONResponse:
    """Say no to the repair, or take it over: a person has it from now on."""
    good_key(key)
    there = answered(parts.site.ledger.alerts, alert).key
    return JSONResponse(occurrence_data(_orders(request, parts).deny(there, body.reason)))


@router.get("/repairs", summary="List repairs")
def list_repairs(
    parts: Parts, limit: Annotated[int, Query(ge=1, le=10_000)] = LIMIT
) -> JSONResponse:
    """Newest first, with the ends of their hosts."""
    found = parts.site.ledger.alerts.repairs(limit=limit + 1)
    shown = [repair_data(each) for each in found[:limit]]
    return JSONResponse({"repairs": shown, "more": len(found) > limit})


@router.get("/pauses", response_model=PausesAnswer, summary="What is paused")
def list_pauses(parts: Parts) -> JSONResponse:
    """Rules, actions and sources that are left alone now."""
    found = holding(parts.site.ledger.heal_pauses, parts.site.clock.now())
    return JSONResponse({"pauses": [pause_data(each) for each in found]})


@router.post("/pauses", response_model=PauseAnswer, summary="Leave something alone")
def pause(request: Request, parts: Parts, key: Key, body: PauseBody) -> JSONResponse:
    """A person gets what it would have repaired; the same pause again changes nothing."""
    good_key(key)
    orders = pause_orders(parts.site, person_of(request))
    return JSONResponse(pause_data(orders.pause(body.what, body.reason, body.until)))


@router.delete("/pauses/{what:path}", response_model=ResumedAnswer, summary="Let it go on")
def resume(
    request: Request, parts: Parts, what: str, key: Key, reason: Annotated[Line, Query()]
) -> JSONResponse:
    """Take a pause back; twice is once."""
    good_key(key)
    gone = pause_orders(parts.site, person_of(request)).resume(what, reason)
    return JSONResponse({"what": gone.what, "was": gone.was, "over": gone.over})


def _orders(request: Request, parts: WebParts) -> AlertOrders:
    return AlertOrders(
        parts.site.ledger.alerts,
        change_rules(parts.site),
        parts.site.clock,
        person_of(request),
        wake=lambda: parts.wake(HEALING),
        incidents=order_facts(parts.site),
    )
