# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever goes wrong, the caller reads one JSON line and one status.

``{"error": what, "where": ..., "hint": ..., "kind": ...}``; ``kind`` is the leaf of
``domain.errors`` as a word, so that a client raises the same leaf again. Nothing of a
request is repeated in an error beyond the names of its fields.
"""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from storewarden.domain.errors import (
    AdapterError,
    ConfigInvalid,
    ContentMissing,
    GateFailed,
    LedgerConflict,
    Refused,
    RunFailed,
    StorewardenError,
    TargetUnreachable,
)
from storewarden.flows.backup_expiry import NoSuchDeletion
from storewarden.flows.change_desk import NoSuchChange
from storewarden.flows.incident_orders import NoSuchIncident
from storewarden.ports.rollout_status import NoSuchRollout

STATUSES: dict[type[StorewardenError], tuple[int, str]] = {
    NoSuchChange: (404, "not_found"),
    NoSuchRollout: (404, "not_found"),
    NoSuchDeletion: (404, "not_found"),
    NoSuchIncident: (404, "not_found"),
    ConfigInvalid: (400, "invalid"),
    Refused: (403, "refused"),
    TargetUnreachable: (502, "unreachable"),
    RunFailed: (502, "run_failed"),
    GateFailed: (409, "gate_failed"),
    AdapterError: (502, "adapter"),
    LedgerConflict: (409, "conflict"),
    ContentMissing: (503, "missing"),
}
"""Leaf -> HTTP status and word; an AdapterError worth trying again is 503."""

_RETRY_SECONDS = "5"


def fault(status: int, kind: str, error: StorewardenError) -> JSONResponse:
    """The answer for ``error``."""
    content = {"error": error.what, "where": error.where, "hint": error.hint, "kind": kind}
    headers = {"Retry-After": _RETRY_SECONDS} if status == 503 else None
    return JSONResponse(_one_line(content), status_code=status, headers=headers)


def answer_errors(app: FastAPI) -> None:
    """Give every error of ``app`` the one shape."""
    app.add_exception_handler(StorewardenError, _leaf)
    app.add_exception_handler(RequestValidationError, _body)
    app.add_exception_handler(HTTPException, _plain)
    app.add_exception_handler(Exception, _bug)


async def _leaf(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, StorewardenError)  # noqa: S101 - for the type checker
    for kind in type(error).__mro__:
        if kind in STATUSES:
            status, word = STATUSES[kind]
            if isinstance(error, AdapterError) and error.retryable:
                status = 503
            return fault(status, word, error)
    return fault(500, "fault", error)


async def _body(_request: Request, error: Exception) -> JSONResponse:
    """The first thing that is wrong with a body or a parameter."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - for the type checker
    problems = error.errors()
    first = problems[0]
    place = ".".join(str(part) for part in first["loc"])
    more = f"{len(problems) - 1} more after this" if len(problems) > 1 else ""
    said = str(first["msg"]).removeprefix("Value error, ")
    return fault(422, "invalid", ConfigInvalid(said, where=place, hint=more))


async def _plain(_request: Request, error: Exception) -> JSONResponse:
    """404 for a path, 405 for a method, 400 for a body that is no JSON."""
    assert isinstance(error, HTTPException)  # noqa: S101 - for the type checker
    answer = fault(error.status_code, "invalid", ConfigInvalid(str(error.detail).lower()))
    answer.headers.update(error.headers or {})
    return answer


async def _bug(_request: Request, _error: Exception) -> JSONResponse:
    """The details are in the service's log; the caller gets none of them."""
    told = StorewardenError("a fault of storewarden itself", hint="see the log of the service")
    return fault(500, "fault", told)


def _one_line(content: dict[str, str]) -> dict[str, str]:
    """Text that any client can print and any encoder can encode."""
    return {
        name: " ".join(text.encode("utf-8", "replace").decode().split())
        for name, text in content.items()
    }
