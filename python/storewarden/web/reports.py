# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures over many changes, for those who answer for them."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from storewarden.flows.change_month import month_view
from storewarden.web.parts import Desk
from storewarden.web.texts import Line

router = APIRouter(tags=["reports"])


class TallyAnswer(BaseModel):
    """``successful`` of ``total``; no ``rate`` when there was none."""

    name: str
    total: int
    successful: int
    rate: float | None


class ClassAnswer(TallyAnswer):
    """A class of changes; ``analyse`` when it fails more often than ``limit``."""

    analyse: bool


class DebtCountAnswer(BaseModel):
    """How many debts of one kind the month's changes have."""

    kind: str
    open: int
    overdue: int
    settled: int
    settled_late: int


class ClosedAnswer(BaseModel):
    """One change that was closed in the month."""

    number: str
    summary: str
    kind: str
    risk: str
    of_class: str = Field(alias="class")
    requester: str
    owner: str
    items: int
    stores: list[str]
    opened_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    closed_at: datetime
    outcome: str
    reason: str
    tickets: dict[str, str]


class MonthAnswer(BaseModel):
    """A month; ``sample`` are the numbers of the changes to be audited, once it is over."""

    month: str
    over: bool
    target: float
    limit: float
    core: TallyAnswer
    every: TallyAnswer
    kinds: list[TallyAnswer]
    classes: list[ClassAnswer]
    debts: list[DebtCountAnswer]
    sample: list[str]
    changes: list[ClosedAnswer]


@router.get("/reports/changes", response_model=MonthAnswer, summary="A month's changes")
def changes_of_month(desk: Desk, month: Line = "") -> JSONResponse:
    """Success rates, classes that fail too often, debts, and the auditor's sample."""
    return JSONResponse(month_view(desk.month(month)))
