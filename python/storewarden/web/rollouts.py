# SPDX-License-Identifier: GPL-3.0-or-later
"""Rollouts: where they stand, and orders to them. Whoever orders is the person of the token; a
refused order is journaled and answered with 403."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from storewarden.domain.change.people import Person
from storewarden.domain.errors import ConfigInvalid, LedgerConflict, Refused
from storewarden.domain.rollout.record import RolloutState
from storewarden.flows import change_view
from storewarden.flows.rollout_orders import Order
from storewarden.web.access import person_of
from storewarden.web.changes import EntriesAnswer
from storewarden.web.parts import Desk, Parts, WebParts
from storewarden.web.texts import Key, Line, Text
from storewarden.wiring.rollout import Rollouts
from storewarden.wiring.rollout_files import read_text
from storewarden.wiring.rollout_status import RolloutLook, known, line_data, status_data

router = APIRouter(tags=["rollouts"])

LIMIT = 100  # rows of a list when nobody says how many
ENTRIES = 1000  # of a journal, likewise
_KEY = re.compile(r"[A-Za-z0-9._:-]{1,100}", re.ASCII)
type _Order = Literal["pause", "resume", "promote", "abort", "rollback", "release", "cancel"]


class _Body(BaseModel):
    """Unknown keys are refused: a misspelt one would silently not hold."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class OrderBody(_Body):
    """One order; ``host`` is for a release."""

    order: _Order
    reason: Line
    host: Line = ""


class SwitchBody(_Body):
    """Why everything is stopped, or goes on."""

    reason: Line


class StartBody(_Body):
    """``file`` is the text of a rollout file; the hosts are those of the change."""

    file: Text
    emergency: bool = False
    soak_minutes: Annotated[int, Field(ge=1, le=31 * 24 * 60)] | None = None
    supersede: bool = False


class OrderAnswer(BaseModel):
    """Where it stands after the order."""

    rollout: str
    state: RolloutState


class StartAnswer(BaseModel):
    """What was opened; ``waits`` is why it has not begun yet, ``new`` is false for one that had
    been opened before."""

    rollout: str
    state: RolloutState
    new: bool
    waits: str


class SwitchAnswer(BaseModel):
    """Why nothing begins; "" when it may."""

    stopped: str


class HistoryAnswer(EntriesAnswer):
    """A rollout's journal, in order; ``more`` when there is more of it."""

    more: bool


class LineAnswer(BaseModel):
    """One line of a list; ``hosts`` counts them by state."""

    rollout: str
    change: str
    payload: str
    state: RolloutState
    opened: datetime
    updated: datetime
    look_at: datetime | None
    wave: int
    waves: int
    hosts: dict[str, int]
    held: str
    held_zh: str


class LinesAnswer(BaseModel):
    """A list, newest first; ``more`` when there are older ones than ``limit`` lets through,
    ``stopped`` is why the kill switch lets nothing begin ("" when it does)."""

    stopped: str
    rollouts: list[LineAnswer]
    more: bool


@router.get("/rollouts", response_model=LinesAnswer, summary="List rollouts")
def list_rollouts(
    parts: Parts,
    *,
    state: Annotated[list[RolloutState] | None, Query()] = None,
    change: Line = "",
    limit: Annotated[int, Query(ge=1, le=10_000)] = LIMIT,
) -> JSONResponse:
    """Newest first, without their hosts."""
    rollouts = Rollouts(parts.site)
    lines = rollouts.lines(states=state or (), change=change, limit=limit + 1)
    shown = [line_data(line) for line in lines[:limit]]
    more = len(lines) > limit
    return JSONResponse({"stopped": rollouts.stopped(), "rollouts": shown, "more": more})


@router.post("/rollouts/stop", summary="The kill switch")
def stop(request: Request, parts: Parts, key: Key, body: SwitchBody) -> SwitchAnswer:
    """No rollout begins anything new until somebody lets it go on."""
    good_key(key)  # stopping twice is stopping once
    rollouts = Rollouts(parts.site)
    rollouts.stop_all(person_of(request), body.reason)
    return SwitchAnswer(stopped=rollouts.stopped())


@router.post("/rollouts/go-on", summary="Take the kill switch back")
def go_on(request: Request, parts: Parts, key: Key, body: SwitchBody) -> SwitchAnswer:
    """Rollouts go on where they stood."""
    good_key(key)
    rollouts = Rollouts(parts.site)
    rollouts.go_on(person_of(request), body.reason)
    return SwitchAnswer(stopped=rollouts.stopped())


@router.post(
    "/changes/{number}/rollouts",
    status_code=201,
    response_model=StartAnswer,
    summary="Open a rollout on a change",
)
def start(desk: Desk, parts: Parts, number: str, key: Key, body: StartBody) -> JSONResponse:
    """It begins when its change is approved and its windows are open."""
    good_key(key)  # the same file on the same change is the same rollout
    soak = timedelta(minutes=body.soak_minutes) if body.soak_minutes else None
    begun = Rollouts(parts.site).start(
        read_text(body.file),
        number,
        desk,
        supersede=body.supersede,
        emergency=body.emergency,
        soak=soak,
    )
    answer = StartAnswer(
        rollout=begun.rollout.number,
        state=begun.rollout.state,
        new=begun.new,
        waits=begun.waits,
    )
    return JSONResponse(answer.model_dump(mode="json"), 201 if begun.new else 200)


@router.get("/rollouts/{number}", summary="One rollout")
def show(parts: Parts, number: str) -> JSONResponse:
    """Everything: waves, hosts, gates, what is under way (docs/reference/rollout-status.md)."""
    return JSONResponse(status_data(RolloutLook(parts.site, number).status()))


@router.get(
    "/rollouts/{number}/history", response_model=HistoryAnswer, summary="A rollout's journal"
)
def history(
    parts: Parts,
    number: str,
    *,
    after: Annotated[int, Query(ge=0, le=1 << 62)] = 0,
    limit: Annotated[int, Query(ge=1, le=10_000)] = ENTRIES,
) -> JSONResponse:
    """Journal entries with a sequence above ``after``, in order; ``more`` when that was not all."""
    known(parts.site.ledger.rollouts, number)
    found = Rollouts(parts.site).history(number, after=after)
    shown = [change_view.entry(each) for each in found[:limit]]
    return JSONResponse({"entries": shown, "more": len(found) > limit})


@router.post("/rollouts/{number}/orders", response_model=OrderAnswer, summary="Give an order")
def order(request: Request, parts: Parts, number: str, key: Key, body: OrderBody) -> JSONResponse:
    """pause, resume, promote, abort, rollback, release (of one host), cancel. What is refused
    stays refused under the same key."""
    known(parts.site.ledger.rollouts, number)
    wish = Order(
        rollout=number, order=body.order, why=body.reason, host=body.host, key=good_key(key)
    )
    person = person_of(request)
    try:
        now = Rollouts(parts.site).order(person, wish)
    except Refused:
        _require_taken(parts, person, wish)  # the same refusal, in the site's language
        raise
    _require_taken(parts, person, wish)
    return JSONResponse({"rollout": now.number, "state": now.state.value})


def good_key(key: str) -> str:
    """A key that may stand in the journal. Raises ConfigInvalid."""
    if not _KEY.fullmatch(key):
        raise ConfigInvalid(
            "must be 1-100 letters, digits and . _ : -", where="key", hint="one per request"
        )
    return key


def _require_taken(parts: WebParts, person: Person, wish: Order) -> None:
    """What was recorded under the key is what is asked for now, and was not refused. A key that
    was used before records nothing, so only the journal knows."""
    entry = parts.site.ledger.entry(wish.rollout, f"order {person.id} {wish.order} {wish.key}")
    if entry is None:
        return
    asked = {"host": wish.host, "reason": wish.why.strip()}
    if any((entry.body.get(name) or "") != value for name, value in asked.items()):
        raise LedgerConflict(
            "this key was used for another request", where="key", hint="one key per request"
        )
    if entry.body.get("accepted") is False:
        chinese = parts.site.config.site.language == "zh"
        told = entry.body.get("refusal_zh" if chinese else "refusal")
        raise Refused(str(told or entry.body.get("refusal")), where=wish.rollout)
