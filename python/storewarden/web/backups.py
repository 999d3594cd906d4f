# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups: how targets are covered, what was rehearsed, and the second person's word about removing
old sets."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict

from storewarden.domain.backup.catalog import DeletionState
from storewarden.domain.backup.drill_report import drill_data
from storewarden.flows.backup_expiry import ExpiryDesk, deletion_data, named, proposed_data
from storewarden.web.access import person_of
from storewarden.web.parts import Parts, WebParts
from storewarden.web.rollouts import good_key
from storewarden.web.texts import Key, Line, Moment
from storewarden.wiring.backup import policies
from storewarden.wiring.backup_coverage import coverage, coverage_data
from storewarden.wiring.backup_proven import expiry_desk

router = APIRouter(tags=["backups"])

LIMIT = 100  # rows of a list when nobody says how many


class _Body(BaseModel):
    """Unknown keys are refused: a misspelt one would silently not hold."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ProposeBody(_Body):
    """Nothing is to be said with it: the list follows from policies and catalog."""


class ApproveBody(_Body):
    """Nothing is to be said with it."""


class RefuseBody(_Body):
    """Why not."""

    reason: Line


class DeletionAnswer(BaseModel):
    """A request to delete; ``gone`` are "SET@PLACE", ``left`` the others with the reason."""

    number: str
    state: DeletionState
    state_zh: str
    sets: list[str]
    digest: str
    proposed_by: str
    proposed_at: datetime
    decided_by: str
    decided_at: datetime | None
    reason: str
    gone: list[str]
    left: dict[str, str]


class ProposedAnswer(BaseModel):
    """A list that was made; ``number`` is "" when nothing is old enough to go. ``kept`` says of old
    sets why they stay."""

    number: str
    state: str
    state_zh: str
    sets: list[str]
    digest: str
    proposed_by: str
    proposed_at: str
    decided_by: str
    decided_at: datetime | None
    reason: str
    gone: list[str]
    left: dict[str, str]
    kept: dict[str, str]


class DeletionsAnswer(BaseModel):
    """A list, newest first."""

    deletions: list[DeletionAnswer]


class DrillAnswer(BaseModel):
    """One rehearsal; spans are seconds, null when not measured."""

    id: str
    host: str
    policy: str
    set: str
    place: str
    began: datetime
    passed: bool
    reason: str
    level: int
    rto: float | None
    rpo: float | None
    rto_promised: float | None
    rpo_promised: float | None
    phases: dict[str, float]
    differences: list[str]


class DrillsAnswer(BaseModel):
    """Rehearsals, newest first."""

    drills: list[DrillAnswer]


def _desk(request: Request, parts: Parts) -> ExpiryDesk:
    return expiry_desk(parts.site, person_of(request))


Desk = Annotated[ExpiryDesk, Depends(_desk)]


@router.get("/backups/coverage", summary="How targets are covered")
def show_coverage(
    parts: Parts, *, host: Line = "", store: Line = "", policy: Line = "", bad: bool = False
) -> dict[str, Any]:
    """As `storewarden backup coverage --json` tells it; with ``bad`` those alone that need
    somebody."""
    from storewarden.flows.backup_coverage import Wish  # noqa: PLC0415

    report = coverage(parts.site, Wish(host=host, store=store, policy=policy))
    found: dict[str, Any] = coverage_data(report, only_bad=bad)
    return found


@router.get("/backups/drills", response_model=DrillsAnswer, summary="List restore drills")
def list_drills(
    parts: Parts,
    *,
    host: Line = "",
    policy: Line = "",
    since: Moment | None = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = LIMIT,
) -> JSONResponse:
    """What was rehearsed, with times beside what the policies promise."""
    found = parts.site.ledger.backups.drills(host=host, policy=policy, since=since, limit=limit)
    known = _policies(parts)
    rows = [drill_data(each, known.get(each.target.policy)) for each in found]
    return JSONResponse({"drills": rows})


@router.get("/backups/deletions", response_model=DeletionsAnswer, summary="List deletions")
def list_deletions(
    parts: Parts,
    *,
    every: Annotated[bool, Query(alias="all")] = False,
    limit: Annotated[int, Query(ge=1, le=10_000)] = LIMIT,
) -> JSONResponse:
    """Requests to remove sets that are open; with ``all`` every one, newest first."""
    found = parts.site.ledger.backups.deletions(open_only=not every, limit=limit)
    return JSONResponse({"deletions": [deletion_data(each) for each in found]})


@router.post("/backups/deletions", response_model=ProposedAnswer, summary="Propose a deletion")
def propose(desk: Desk, key: Key, body: ProposeBody) -> JSONResponse:
    """Make the list of what may go now, and ask for a second person's yes. The same list again is
    the same request."""
    del body
    good_key(key)
    return JSONResponse(proposed_data(desk.propose()))


@router.get("/backups/deletions/{number}", response_model=DeletionAnswer, summary="One deletion")
def show_deletion(parts: Parts, number: str) -> JSONResponse:
    """Its sets, who said what, what went and what was left."""
    return JSONResponse(deletion_data(named(parts.site.ledger.backups, number)))


@router.post(
    "/backups/deletions/{number}/approve", response_model=DeletionAnswer, summary="Approve it"
)
def approve(desk: Desk, number: str, key: Key, body: ApproveBody) -> JSONResponse:
    """Yes to this very list; never of whoever proposed it."""
    del body
    good_key(key)
    return JSONResponse(deletion_data(desk.approve(number)))


@router.post(
    "/backups/deletions/{number}/refuse", response_model=DeletionAnswer, summary="Refuse it"
)
def refuse(desk: Desk, number: str, key: Key, body: RefuseBody) -> JSONResponse:
    """No, and why."""
    good_key(key)
    return JSONResponse(deletion_data(desk.refuse(number, body.reason)))


def _policies(parts: WebParts) -> dict[str, Any]:
    """By id; {} for a site that backs nothing up any more: its drills can still be read."""
    if parts.site.config.backup.policies is None:
        return {}
    return {each.id: each for each in policies(parts.site)}
