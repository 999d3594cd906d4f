# SPDX-License-Identifier: GPL-3.0-or-later
"""Alerts, what was decided about them, and a person's answer where one is asked for."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict

from storewarden.domain.healing.record import Stage
from storewarden.flows.heal_orders import AlertOrders, named
from storewarden.flows.heal_view import occurrence_data, repair_data
from storewarden.web.access import person_of
from storewarden.web.parts import Parts, WebParts
from storewarden.web.texts import Key, Line
from storewarden.wiring.changes import change_rules

router = APIRouter(tags=["alerts"])

LIMIT = 100  # rows of a list when nobody says how many


class _Body(BaseModel):
    """Unknown keys are refused: a misspelt one would silently not hold."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class AnswerBody(_Body):
    """Why; it is journaled with a no."""

    reason: Line = ""


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
    """Say yes to the repair that is asked about; a second yes is refused as nobody asks."""
    del key, body  # once is once, and who said it, and to what, is journaled
    found = _orders(request, parts).approve(named(parts.site.ledger.alerts, alert).key)
    return JSONResponse(occurrence_data(found))


@router.post("/alerts/{alert}/deny", response_model=AlertAnswer, summary="Take it over")
def deny(request: Request, parts: Parts, alert: str, key: Key, body: AnswerBody) -> JSONResponse:
    """Say no to the repair, or take it over: a person has it from now on."""
    del key  # once is once
    there = named(parts.site.ledger.alerts, alert).key
    return JSONResponse(occurrence_data(_orders(request, parts).deny(there, body.reason)))


@router.get("/repairs", summary="List repairs")
def list_repairs(
    parts: Parts, limit: Annotated[int, Query(ge=1, le=10_000)] = LIMIT
) -> JSONResponse:
    """Newest first, with the ends of their hosts."""
    found = parts.site.ledger.alerts.repairs(limit=limit + 1)
    shown = [repair_data(each) for each in found[:limit]]
    return JSONResponse({"repairs": shown, "more": len(found) > limit})


def _orders(request: Request, parts: WebParts) -> AlertOrders:
    rules = change_rules(parts.site)
    return AlertOrders(parts.site.ledger.alerts, rules, parts.site.clock, person_of(request))
