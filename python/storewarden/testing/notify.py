# SPDX-License-Identifier: GPL-3.0-or-later
"""Chat robots on 127.0.0.1 that lie like the real ones, and a channel in memory.

DingTalk, WeCom and Feishu answer HTTP 200 to whatever reaches them; a wrong signature, a
clock that is off, too many or too long messages show in a number of the body alone. The
numbers and limits are those of the real services.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from storewarden.domain.errors import StorewardenError
from storewarden.ports.notifications import Message
from storewarden.testing.loopback import Answer, LoopbackService, Request

_HOUR = timedelta(hours=1)


class MemorySender:
    """A channel that keeps what it took; ``failures`` are raised first, one per message."""

    def __init__(self, name: str = "memory") -> None:
        self.name = name
        self.messages: list[Message] = []
        self.failures: list[StorewardenError] = []
        self.open = True

    def send(self, message: Message) -> str:
        """Keep it, or raise the next failure."""
        if self.failures:
            raise self.failures.pop(0)
        self.messages.append(message)
        return "kept"

    def shut(self) -> None:
        """No more."""
        self.open = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One message as the group sees it; ``called`` are those whose telephone rings."""

    title: str
    text: str
    called: tuple[str, ...] = ()


@dataclass(slots=True)
class Group:
    """What a robot remembers: messages shown, and the times of those of the last minute."""

    shown: list[Shown] = field(default_factory=list)
    recent: list[datetime] = field(default_factory=list)


class ChatRobot(LoopbackService[Group]):
    """What the three robots have in common.

    ``skew`` is how far its clock is from ours; ``per_minute`` messages are taken in a minute;
    while ``away`` the line is cut before anything is read.
    """

    quota = 20
    secret = "SEC-robot-signature-0123456789abcdef"
    token = "t0ken-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

    def __init__(self) -> None:
        super().__init__(Group())
        self.skew = timedelta()
        self.per_minute = self.quota
        self.away = False
        self.gone = False
        self._instead: list[Answer] = []

    @property
    def shown(self) -> list[Shown]:
        """The messages in the group."""
        return self.state.shown

    @contextmanager
    def down(self) -> Iterator[None]:
        """Every line is cut."""
        self.away = True
        try:
            yield
        finally:
            self.away = False

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Every message is one too many."""
        self.per_minute = 0
        try:
            yield
        finally:
            self.per_minute = self.quota

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """The robot was removed from its group."""
        self.gone = True
        try:
            yield
        finally:
            self.gone = False

    def suffer_answer(
        self, status: int, body: bytes, headers: Mapping[str, str] | None = None
    ) -> None:
        """The next request gets this from something in between, and never reaches the robot."""
        self._instead.append(Answer(status=status, body=body, headers=headers or {}))

    def serve(self, request: Request) -> Answer | None:
        """The answer; None: the line is cut."""
        if self.away:
            return None
        if self._instead:
            self.requests.append(request)
            return self._instead.pop(0)
        return super().serve(request)

    def now(self) -> datetime:
        """The robot's own clock."""
        return datetime.now(UTC) + self.skew

    def too_many(self) -> bool:
        """Whether this minute is full; counts the message that asks."""
        now = self.now()
        recent = [at for at in self.state.recent if now - at < timedelta(minutes=1)]
        full = len(recent) >= self.per_minute
        self.state.recent = recent if full else [*recent, now]
        return full

    def fresh(self, seconds: object) -> bool:
        """Whether a timestamp is within the hour."""
        try:
            at = datetime.fromtimestamp(float(str(seconds)), UTC)
        except (ValueError, OverflowError, OSError):
            return False
        return abs(self.now() - at) <= _HOUR


class DingTalkRobot(ChatRobot):
    """A DingTalk robot, with the signature switched on unless ``signed`` is False."""

    signed = True

    def webhook(self) -> str:
        """Its url with the token."""
        return f"{self.url}/robot/send?access_token={self.token}"

    def handle(self, request: Request) -> Answer:
        """``errcode`` says what became of it."""
        if self.gone or request.query.get("access_token") != self.token:
            return _said(300001, "token is not exist")
        stamp = request.query.get("timestamp", "")
        if self.signed and not self.fresh(int(stamp) / 1000 if stamp.isdecimal() else ""):
            return _said(310000, "invalid timestamp")
        if self.signed and request.query.get("sign") != self._sign(stamp):
            return _said(310000, "sign not match")
        if len(request.body) > 20_000:
            return _said(460101, "body 大小不合法")
        if self.too_many():
            return _said(130101, "send too fast, exceed 20 times per minute")
        self._show(request.data)
        return _said(0, "ok")

    def _sign(self, stamp: str) -> str:
        code = hmac.new(self.secret.encode(), f"{stamp}\n{self.secret}".encode(), hashlib.sha256)
        return base64.b64encode(code.digest()).decode()

    def _show(self, data: dict[str, object]) -> None:
        markdown, at = _object(data.get("markdown")), _object(data.get("at"))
        text = str(markdown.get("text", ""))
        mobiles = at.get("atMobiles")
        numbers = [str(each) for each in mobiles] if isinstance(mobiles, list) else []
        called = tuple(each for each in numbers if f"@{each}" in text)
        called += ("all",) if at.get("isAtAll") else ()
        self.state.shown.append(
            Shown(title=str(markdown.get("title", "")), text=text, called=called)
        )


class WeComRobot(ChatRobot):
    """A WeCom robot."""

    def webhook(self) -> str:
        """Its url with the key."""
        return f"{self.url}/cgi-bin/webhook/send?key={self.token}"

    def handle(self, request: Request) -> Answer:
        """``errcode`` says what became of it."""
        if self.gone or request.query.get("key") != self.token:
            return _said(93000, "invalid webhook url")
        content = str(_object(request.data.get("markdown")).get("content", ""))
        if not content:
            return _said(44004, "empty content")
        if len(content.encode()) > 4096:
            return _said(40058, "markdown.content exceed max length 4096")
        if self.too_many():
            return _said(45009, "api freq out of limit")
        called = tuple(part.partition(">")[0] for part in content.split("<@")[1:])
        title, _, text = content.partition("\n")
        self.state.shown.append(Shown(title=title.strip("*"), text=text, called=called))
        return _said(0, "ok")


class FeishuBot(ChatRobot):
    """A Feishu bot with the signature switched on."""

    quota = 100

    def webhook(self) -> str:
        """Its url with the token."""
        return f"{self.url}/open-apis/bot/v2/hook/{self.token}"

    def handle(self, request: Request) -> Answer:
        """``code`` says what became of it."""
        if self.gone or not request.path.endswith(self.token):
            return _coded(19001, "param invalid: incoming webhook access token invalid")
        data = request.data
        stamp = str(data.get("timestamp", ""))
        if not self.fresh(stamp) or data.get("sign") != self._sign(stamp):
            return _coded(
                19021, "sign match fail or timestamp is not within one hour from current time"
            )
        if len(request.body) > 20_480:
            return _coded(19036, "The message exceeds the size limit")
        if self.too_many():
            return _coded(11232, "frequency limited")
        return self._show(data)

    def _sign(self, stamp: str) -> str:
        code = hmac.new(f"{stamp}\n{self.secret}".encode(), b"", hashlib.sha256)
        return base64.b64encode(code.digest()).decode()

    def _show(self, data: dict[str, object]) -> Answer:
        post = _object(_object(_object(data.get("content")).get("post")).get("zh_cn"))
        lines = post.get("content")
        if data.get("msg_type") != "post" or not isinstance(lines, list):
            return _coded(9499, "Bad Request")
        parts = [_object(part) for line in lines for part in line]
        text = "\n".join(str(part.get("text", "")) for part in parts if part.get("tag") == "text")
        called = tuple(str(part.get("user_id")) for part in parts if part.get("tag") == "at")
        self.state.shown.append(Shown(title=str(post.get("title", "")), text=text, called=called))
        return Answer(body={"code": 0, "msg": "success", "data": {}})


def _said(code: int, words: str) -> Answer:
    return Answer(body={"errcode": code, "errmsg": words})


def _coded(code: int, words: str) -> Answer:
    return Answer(body={"code": code, "msg": words, "data": {}})


def _object(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}
