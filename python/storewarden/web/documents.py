# SPDX-License-Identifier: GPL-3.0-or-later
"""Evidence: whole documents, as bytes. What is given out is never shown by a browser: a
report that somebody attached must not become a page of this service."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Header, Path, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from storewarden.domain.change.record import EvidenceKind
from storewarden.domain.errors import ConfigInvalid
from storewarden.flows import change_view
from storewarden.flows.change_desk import Document
from storewarden.web.changes import ChangeAnswer
from storewarden.web.parts import Desk
from storewarden.web.texts import FileName, Key, Line

router = APIRouter(tags=["evidence"])

SUFFIX = "/evidence"
_MEDIA = re.compile(r"[a-z0-9][a-z0-9.+-]{0,62}/[a-z0-9][a-z0-9.+-]{0,62}")


@router.post(
    "/changes/{number}/evidence",
    response_model=ChangeAnswer,
    summary="Attach a document",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def attach(
    request: Request,
    desk: Desk,
    number: str,
    *,
    key: Key,
    name: FileName,
    kind: EvidenceKind = EvidenceKind.OTHER,
    note: Line = "",
    content_type: Annotated[str, Header()] = "application/octet-stream",
) -> JSONResponse:
    """The body is the document, at most 32 MiB; it is kept by its sha256."""
    content = await request.body()
    document = Document(
        kind=kind, name=name, media_type=_media(content_type), content=content, note=note
    )
    change = await run_in_threadpool(desk.attach, number, key, document)
    return JSONResponse(change_view.whole(desk, change))


@router.get(
    "/changes/{number}/evidence/{digest}",
    summary="Get a document",
    response_class=Response,
    responses={200: {"content": {"*/*": {}}, "description": "The document"}},
)
def get(
    desk: Desk, number: str, digest: Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]
) -> Response:
    """The bytes, checked against their digest."""
    name, media_type, content = desk.document(number, digest)
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox",
    }
    return Response(content, media_type=media_type, headers=headers)


def _media(text: str) -> str:
    """The type alone, without parameters."""
    kind = text.partition(";")[0].strip().lower()
    if not _MEDIA.fullmatch(kind):
        raise ConfigInvalid("is no media type", where="content-type", hint="like text/html")
    return kind
