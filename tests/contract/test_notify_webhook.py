# SPDX-License-Identifier: GPL-3.0-or-later
"""The webhook: what it sends, how it signs, what it takes for a yes."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from storewarden.adapters.notify import connect_sender
from storewarden.ports.notifications import Message, Sender
from storewarden.ports.tickets import Attachment
from storewarden.testing.conformance_notify import TEXT, TITLE, SenderConformance, failure
from storewarden.testing.loopback import Answer, LoopbackService, Request
from storewarden.testing.secrets import MemorySecrets

URL, SECRET, TOKEN = "env:HOOK_URL", "env:HOOK_SECRET", "env:HOOK_TOKEN"
KEYS = {SECRET: "webhook-secret-0123456789", TOKEN: "webhook-token-9876543210"}


class Receiver(LoopbackService[list[str]]):
    """Takes JSON; is also the suite's inbox."""

    def __init__(self) -> None:
        super().__init__([])
        self.status = 204
        self.away = False

    def handle(self, request: Request) -> Answer:
        if self.status < 300:
            self.state.append(f"{request.data['title']}\n{request.data['text']}")
        return Answer(status=self.status)

    def serve(self, request: Request) -> Answer | None:
        return None if self.away else super().serve(request)

    def texts(self) -> Sequence[str]:
        return self.state

    @contextmanager
    def down(self) -> Iterator[None]:
        self.away = True
        yield
        self.away = False

    @contextmanager
    def answering(self, status: int) -> Iterator[None]:
        self.status = status
        yield
        self.status = 204

    def busy(self):  # type: ignore[no-untyped-def]
        return self.answering(503)

    def refusing(self):  # type: ignore[no-untyped-def]
        return self.answering(410)

    def secrets(self) -> Sequence[str]:
        return ("path-as-secret-0123456789", *KEYS.values())


@pytest.fixture
def inbox() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def sender(inbox: Receiver) -> Iterator[Sender]:
    secrets = MemorySecrets({URL: f"{inbox.url}/path-as-secret-0123456789", **KEYS})
    values = {"url": URL, "secret": SECRET, "token": TOKEN, "timeout_seconds": 60.0}
    made = connect_sender("hook", "webhook", values, secrets)
    yield made
    made.shut()


class TestWebhook(SenderConformance):
    """It keeps what every channel promises."""


def test_the_body_is_json_with_everything_but_the_bytes(sender: Sender, inbox: Receiver) -> None:
    report = Attachment(name="报告.html", media_type="text/html", content=b"12345")
    sender.send(
        Message(title=TITLE, text=TEXT, urgent=True, to=("a@b.example",), attachments=(report,))
    )
    assert json.loads(inbox.requests[0].body) == {
        "version": 1, "title": TITLE, "text": TEXT, "urgent": True, "to": ["a@b.example"],
        "attachments": [{"name": "报告.html", "media_type": "text/html", "size": 5}],
    }  # fmt: skip


def test_a_receiver_can_check_who_sent_it(sender: Sender, inbox: Receiver) -> None:
    sender.send(Message(title=TITLE, text=TEXT))
    (request,) = inbox.requests
    stamp, _, given = request.headers["x-storewarden-signature"].partition(",v1=")
    signed = stamp.removeprefix("t=").encode() + b"." + request.body
    expected = hmac.new(KEYS[SECRET].encode(), signed, hashlib.sha256).hexdigest()
    assert given == expected
    assert request.headers["authorization"] == f"Bearer {KEYS[TOKEN]}"


def test_the_same_message_again_can_be_recognised(sender: Sender, inbox: Receiver) -> None:
    for text in (TEXT, TEXT, "another"):
        sender.send(Message(title=TITLE, text=text))
    marks = [request.headers["x-storewarden-delivery"] for request in inbox.requests]
    assert marks[0] == marks[1] != marks[2]


@pytest.mark.parametrize(
    ("status", "retryable"),
    [(400, False), (401, False), (404, False), (408, True), (413, False), (425, True),
     (429, True), (500, True), (501, False), (502, True), (504, True)],
)  # fmt: skip
def test_which_answers_are_worth_another_try(
    sender: Sender, inbox: Receiver, status: int, retryable: bool
) -> None:
    with inbox.answering(status):
        error = failure(lambda: sender.send(Message(title=TITLE, text=TEXT)))
    assert error.retryable is retryable
    assert str(status) in error.what


def test_without_keys_nothing_is_signed(inbox: Receiver) -> None:
    secrets = MemorySecrets({URL: inbox.url})
    connect_sender("h", "webhook", {"url": URL}, secrets).send(Message(title=TITLE, text=TEXT))
    sent = set(inbox.requests[0].headers)
    assert not sent & {"authorization", "x-storewarden-signature"}


def test_httpx_of_others_still_logs(
    sender: Sender, inbox: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    import httpx

    with caplog.at_level("INFO", logger="httpx"):
        sender.send(Message(title=TITLE, text=TEXT))
        assert caplog.records == []
        httpx.post(inbox.url, json={"title": "t", "text": "x"}, trust_env=False)
    assert [record.name for record in caplog.records] == ["httpx"]
