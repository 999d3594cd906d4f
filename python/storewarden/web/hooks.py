# SPDX-License-Identifier: GPL-3.0-or-later
"""Webhooks of monitoring systems: POST /hooks/<source>, the source's name in the settings.

2xx means that every alert lies in the ledger. 4xx means that the secret or the body is wrong and
sending it again is no use; senders drop it then. Whatever else stands in the way is 503, never 429
and never 500: Alertmanager comes again after a 5xx only. Nothing of a body is repeated in a log or
an answer.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from prometheus_client import CollectorRegistry, Counter, Histogram
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from storewarden.domain.errors import AdapterError, StorewardenError
from storewarden.domain.healing.alert import Signal
from storewarden.flows.alert_intake import AlertIntake, Taken, TooManyWait
from storewarden.ports.alerts import AlertsMalformed
from storewarden.ports.engine import said
from storewarden.web.answers import fault
from storewarden.web.hook_gate import stranger
from storewarden.web.hook_keys import Admission

router = APIRouter(tags=["alerts"])

_LOG = logging.getLogger("storewarden.web")
_BUCKETS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0)
_NOBODY = "-"
_AS_THE_GATE = {"WWW-Authenticate": "Bearer", "Connection": "close"}


class HookAnswer(BaseModel):
    """Counts of alerts: occurrences that are new, that were known, that ended by this request;
    what was no alert; what the sender left out (it is asked for, where the source can be)."""

    new: int
    repeated: int
    resolved: int
    ignored: int
    missing: int


class HookMeter:
    """What came, from where, and how long it took to keep it."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.deliveries = Counter(
            "storewarden_alert_deliveries_total",
            "Requests of senders of alerts.",
            ("source", "result"),
            registry=registry,
        )
        self.alerts = Counter(
            "storewarden_alerts_total",
            "Alerts in them, by what they say; missing: left out by the sender.",
            ("source", "signal"),
            registry=registry,
        )
        self.seconds = Histogram(
            "storewarden_alert_delivery_seconds",
            "Time until a request was in the ledger.",
            ("source",),
            buckets=_BUCKETS,
            registry=registry,
        )

    def refused(self, result: str) -> None:
        """Somebody who is no source: unauthorised, or unjudged."""
        self.deliveries.labels(_NOBODY, result).inc()

    def counted(self, source: str, result: str, seconds: float) -> None:
        """One request of a source: taken, malformed, overloaded or failed."""
        self.deliveries.labels(source, result).inc()
        self.seconds.labels(source).observe(seconds)

    def heard(self, source: str, taken: Taken) -> None:
        """The alerts of one request."""
        for signal in Signal:
            count = sum(alert.signal is signal for alert in taken.delivery.alerts)
            self.alerts.labels(source, signal.value).inc(count)
        self.alerts.labels(source, "ignored").inc(len(taken.delivery.ignored))
        self.alerts.labels(source, "missing").inc(taken.delivery.missing)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """What the route works with: ``app.state.hooks``."""

    intake: AlertIntake
    meter: HookMeter


_WORDS: dict[int | str, dict[str, Any]] = {
    400: {"description": "The body is not what a sender of this kind writes"},
    401: {"description": "No known source with its secret"},
    408: {"description": "The body was on its way for too long"},
    413: {"description": "The body is larger than 1 MiB"},
    503: {"description": "Not kept: come again"},
}


@router.post(
    "/hooks/{source}",
    response_model=HookAnswer,
    responses=_WORDS,
    summary="Alerts of a monitoring system",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {}}},
        }
    },
)
async def hook(request: Request, source: str) -> JSONResponse:
    """The body is what the source's kind writes; its secret stands in the headers."""
    hooks = request.app.state.hooks
    admission = request.state.admission
    assert isinstance(hooks, Hooks)  # noqa: S101 - for the type checker
    assert isinstance(admission, Admission)  # noqa: S101 - for the type checker
    try:
        body = await request.body()
    except ClientDisconnect:
        return JSONResponse({}, status_code=400)  # nobody is left who could read it
    if not admission.confirms(body):
        hooks.meter.refused("unauthorised")
        return JSONResponse(stranger(), status_code=401, headers=_AS_THE_GATE)
    return await run_in_threadpool(_answer, hooks, source, body)


def _answer(hooks: Hooks, source: str, body: bytes) -> JSONResponse:
    began = time.perf_counter()
    result, answer = _taken(hooks, source, body)
    hooks.meter.counted(source, result, time.perf_counter() - began)
    return answer


def _taken(hooks: Hooks, source: str, body: bytes) -> tuple[str, JSONResponse]:
    try:
        taken = hooks.intake.take(source, body)
    except AlertsMalformed as error:
        _LOG.warning("alerts from %s: the body %s (%s)", source, error.what, error.where)
        return "malformed", fault(400, "invalid", error)
    except TooManyWait as error:
        _LOG.warning("alerts from %s: not taken, %s", source, error.what)
        return "overloaded", fault(503, "adapter", error)
    except Exception as error:  # noqa: BLE001 - whatever it is: it was not kept, come again
        _LOG.error("alerts from %s: not kept: %s", source, said(error))
        return "failed", fault(503, "adapter", _not_kept(error))
    hooks.meter.heard(source, taken)
    _note(source, taken)
    return "taken", JSONResponse(_counts(taken).model_dump())


def _not_kept(error: Exception) -> AdapterError:
    """Where the ledger lies and what it said is in the log."""
    ours = isinstance(error, StorewardenError)
    what = "the ledger cannot be written now" if ours else "a fault of storewarden itself"
    return AdapterError(what, hint="come again", retryable=True)


def _note(source: str, taken: Taken) -> None:
    counts = _counts(taken)
    _LOG.info(
        "alerts from %s: %d new, %d known, %d over", source, counts.new, counts.repeated,
        counts.resolved,
    )  # fmt: skip
    if taken.delivery.ignored or taken.delivery.missing:
        first = taken.delivery.ignored[0] if taken.delivery.ignored else "-"
        _LOG.warning(
            "alerts from %s: %d not taken (first: %s), %d left out by the sender",
            source, counts.ignored, ascii(first), counts.missing,
        )  # fmt: skip


def _counts(taken: Taken) -> HookAnswer:
    return HookAnswer(
        new=len(taken.received.new),
        repeated=taken.received.repeated,
        resolved=len(taken.received.resolved),
        ignored=len(taken.delivery.ignored),
        missing=taken.delivery.missing,
    )
