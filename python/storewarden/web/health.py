# SPDX-License-Identifier: GPL-3.0-or-later
"""Is the service doing its work? And the numbers for monitoring.

*failing* (503): it cannot do what it is for, because the ledger does not answer, its disk is
full, or a duty has failed again and again or has stopped ticking. *degraded* (200): it works,
but a person has to look (a delivery that another system refused, a people file that is broken
and whose last good version is in force, a disk with little space, a duty that failed lately).
A ticket system that is away is neither: that is what the outbox is for.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

import storewarden
from storewarden.domain.errors import StorewardenError
from storewarden.web.parts import Parts, WebParts

router = APIRouter(tags=["health"])

KEEPS_FAILING = 3
"""Failed ticks in a row after which a duty counts as broken: one may be an accident."""

OVERDUE = timedelta(minutes=15)
"""A duty that should have ticked so long ago does not tick any more."""

LITTLE_SPACE, NO_SPACE = 200 << 20, 4 << 20
"""Bytes: somebody should look; nothing can be recorded any more (a request is 1 MiB at most)."""

type Problem = tuple[bool, str]
"""Whether it stops the service from doing its work, and one line."""


@router.get("/healthz", summary="Whether the service does its work")
def healthz(parts: Parts) -> JSONResponse:
    """200 with status fine or degraded, 503 with status failing; every problem in one line."""
    problems = [*_ledger(parts), *_space(parts), *_duties(parts), *_attention(parts)]
    failing = any(stops for stops, _line in problems)
    word = "failing" if failing else "degraded" if problems else "fine"
    told = {
        "status": word,
        "version": storewarden.__version__,
        "problems": [line for _stops, line in problems],
    }
    return JSONResponse(told, status_code=503 if failing else 200)


@router.get("/metrics", summary="Numbers in the format of Prometheus", response_class=Response)
def metrics(request: Request) -> Response:
    """Text exposition format; counts only."""
    text = generate_latest(request.app.state.meter.registry)
    return Response(text, headers={"content-type": CONTENT_TYPE_LATEST})


def _ledger(parts: WebParts) -> Iterator[Problem]:
    try:
        parts.ledger.entry("healthz", "never written")
    except StorewardenError as error:
        yield True, f"ledger: {error.what}"  # where it lies is nobody's business here


def _space(parts: WebParts) -> Iterator[Problem]:
    try:
        free = shutil.disk_usage(parts.site.config.state_dir).free
    except OSError:
        yield True, "disk: the state directory cannot be read"
        return
    if free < LITTLE_SPACE:
        yield free < NO_SPACE, f"disk: {free >> 20} MiB are left"


def _duties(parts: WebParts) -> Iterator[Problem]:
    now = parts.site.clock.now()
    for name, told in sorted(parts.status.duties().items()):
        failures, next_tick = told.get("failures"), told.get("next_tick")
        if isinstance(failures, int) and failures:
            line = f"duty {name}: failed {failures} times in a row"
            yield failures >= KEEPS_FAILING, line
        since = told.get("since")
        if isinstance(since, datetime) and now - since > OVERDUE:
            yield True, f"duty {name}: has been at one tick since {since.isoformat()}"
        waits = None if told.get("running") else next_tick
        if isinstance(waits, datetime) and now - waits > OVERDUE:
            yield True, f"duty {name}: should have ticked at {waits.isoformat()}"


def _attention(parts: WebParts) -> Iterator[Problem]:
    if parts.people.trouble():  # which file, which line: for those who may run the command
        yield False, "people: a file is broken, its last good version counts (person list)"
    try:
        parked = _parked(parts)
    except StorewardenError:
        return  # said already: the ledger does not answer
    for channel, count in sorted(parked.items()):
        yield False, f"{channel}: {count} deliveries are parked"


def _parked(parts: WebParts) -> Mapping[str, int]:
    counts: dict[str, int] = {}
    for delivery in parts.site.outbox.deliveries():
        if delivery.parked:
            counts[delivery.channel] = counts.get(delivery.channel, 0) + 1
    return counts
