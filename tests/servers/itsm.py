# SPDX-License-Identifier: GPL-3.0-or-later
"""A made-up ITSM service in the manner of Chinese products, for the ``http`` adapter.

Everything is answered with HTTP 200 and ``{"code": 0, "msg": "ok", "data": ...}``; tokens come
from a login and expire; search finds by parts of a word; lists come in pages of ten, newest
first, as rich text. It is no copy of any product. The settings that speak to it are the
example in docs/operators/tickets.md.
"""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from storewarden.testing.loopback import Answer, LoopbackService, Request

CLIENT, SECRET = "storewarden", "itsm-geheim-密钥"
_PAGE = 10


@dataclass(slots=True)
class _Change:
    id: str
    external: str
    subject: str
    detail: str
    extra: dict[str, object]
    status: str = "PROCESSING"
    resolution: str = ""
    comments: list[str] = field(default_factory=list)
    files: list[tuple[str, str, bytes]] = field(default_factory=list)


@dataclass(slots=True)
class _Store:
    changes: dict[str, _Change] = field(default_factory=dict)
    tokens: list[str] = field(default_factory=list)


class MadeUpItsm(LoopbackService):
    """The service; ``expire`` ends the token, ``longest`` is the longest comment it takes."""

    longest = 20000

    def __init__(self) -> None:
        self.store = _Store()
        super().__init__(self.store)

    def expire(self) -> None:
        """The next request with today's token is refused in the body."""
        self.store.tokens.append(f"token-{len(self.store.tokens) + 1}-of-itsm")

    def handle(self, request: Request) -> Answer:
        assert isinstance(self.state, _Store)
        self.store = self.state
        if request.path == "/oauth/token":
            return self._login(request)
        token = request.headers.get("authorization", "")
        if not self.store.tokens or token != f"Bearer {self.store.tokens[-1]}":
            return _said(401, "token 无效或已过期")
        parts = request.path.strip("/").split("/")[2:]  # below /itsm/v1
        if parts[0] != "changes":
            return _said(404, "not found")
        if len(parts) == 1:
            return self._create(request) if request.method == "POST" else self._search(request)
        change = self.store.changes.get(parts[1])
        return self._about(change, parts[2:], request) if change else _said(40404, "工单不存在")

    def _about(self, change: _Change, parts: list[str], request: Request) -> Answer:
        if len(parts) == 2 and parts[0] == "attachments":
            return Answer(body=next(f[2] for f in change.files if f[0] == parts[1]))
        if not parts:
            return _said(0, data=_record(change))
        answers: Mapping[str, Callable[[_Change, Request], Answer]] = {
            "comments": self._comments,
            "attachments": self._attachments,
            "close": self._close,
        }
        return answers[parts[0]](change, request)

    def _login(self, request: Request) -> Answer:
        if (request.data.get("clientId"), request.data.get("clientSecret")) != (CLIENT, SECRET):
            return _said(401, "客户端认证失败")
        if not self.store.tokens:
            self.expire()
        return _said(0, data={"accessToken": self.store.tokens[-1], "expiresIn": 7200})

    def _search(self, request: Request) -> Answer:
        """By a part of the external number, as a search box would."""
        wanted = request.query.get("externalNo", "")
        found = [_record(c) for c in self.store.changes.values() if wanted in c.external]
        return _said(0, data=_paged(found, request))

    def _create(self, request: Request) -> Answer:
        data = request.data
        if not data.get("subject") or data.get("riskLevel") not in ("LOW", "MEDIUM", "HIGH", ""):
            return _said(40001, "参数错误: riskLevel")
        number = str(1734000000000000000 + len(self.store.changes))
        self.store.changes[number] = _Change(
            id=number,
            external=str(data["externalNo"]),
            subject=str(data["subject"]),
            detail=str(data["description"]),
            extra=data,
        )
        return _said(0, data={"id": number})

    def _comments(self, change: _Change, request: Request) -> Answer:
        if request.method == "POST":
            text = str(request.data["content"])
            if len(text) > self.longest:
                return _said(40002, "内容过长")
            change.comments.append(text)
            return _said(0)
        rows = [{"content": text} for text in reversed(change.comments)]
        return _said(0, data=_paged(rows, request))

    def _attachments(self, change: _Change, request: Request) -> Answer:
        if request.method == "POST":
            content = base64.b64decode(str(request.data["content"]))
            number = f"f{len(change.files) + 1}"
            change.files.append((number, str(request.data["fileName"]), content))
            return _said(0, data={"id": number})
        rows = [{"id": n, "fileName": name, "fileSize": len(c)} for n, name, c in change.files]
        return _said(0, data={"records": rows})

    def _close(self, change: _Change, request: Request) -> Answer:
        change.status = "CLOSED"
        change.resolution = str(request.data["closeComment"])
        return _said(0)

    # What a person sees

    def plant(self, run_id: str, title: str) -> str:
        """By hand, in the product's own pages."""
        answer = self._create(
            Request(
                method="POST",
                path="",
                body=json.dumps(
                    {"externalNo": run_id, "subject": title, "description": "", "riskLevel": ""}
                ).encode(),
            )
        )
        assert isinstance(answer.body, dict)
        return str(answer.body["data"]["id"])

    def tickets(self, run_id: str) -> tuple[str, ...]:
        return tuple(c.id for c in self.store.changes.values() if c.external == run_id)

    def texts(self, ticket: str) -> tuple[str, ...]:
        change = self.store.changes[ticket]
        shown = [html.unescape(text.replace("<br>", "\n")) for text in change.comments]
        return (change.detail, *shown, change.resolution)

    def documents(self, ticket: str) -> tuple[tuple[str, bytes], ...]:
        return tuple((name, content) for _, name, content in self.store.changes[ticket].files)


def _record(change: _Change) -> dict[str, str]:
    return {
        "id": change.id,
        "externalNo": change.external,
        "subject": change.subject,
        "description": change.detail,
        "status": change.status,
    }


def _paged(rows: list[Any], request: Request) -> dict[str, object]:
    page = int(request.query.get("pageNo", "1"))
    return {"total": len(rows), "records": rows[(page - 1) * _PAGE : page * _PAGE]}


def _said(code: int, msg: str = "ok", data: object = None) -> Answer:
    return Answer(body={"code": code, "msg": msg, "data": data})
