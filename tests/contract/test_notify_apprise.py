# SPDX-License-Identifier: GPL-3.0-or-later
"""Apprise is an extra: absent it is one clear line; what it lies about is refused."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

import pytest

from storewarden.adapters.notify import connect_sender
from storewarden.domain.errors import ConfigInvalid, ContentMissing
from storewarden.ports.notifications import Message
from storewarden.testing.conformance_notify import TEXT, TITLE, failure
from storewarden.testing.loopback import Answer, LoopbackService, Request
from storewarden.testing.secrets import MemorySecrets

_INSTALLED = importlib.util.find_spec("apprise") is not None
REFERENCE = "env:APPRISE_URL"
VALUES = {"urls": [REFERENCE]}


class Receiver(LoopbackService[list[dict[str, object]]]):
    """A JSON endpoint."""

    def __init__(self) -> None:
        super().__init__([])
        self.status = 200

    def handle(self, request: Request) -> Answer:
        self.state.append(request.data)
        return Answer(status=self.status)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as made:
        yield made


@pytest.mark.skipif(_INSTALLED, reason="shows what happens without the extra")
def test_without_the_extra_the_line_says_how_to_get_it() -> None:
    with pytest.raises(ContentMissing) as caught:
        connect_sender("chat", "apprise", VALUES, MemorySecrets())
    assert "pip install 'storewarden[apprise]'" in caught.value.hint


@pytest.mark.parametrize("urls", [[], ["tgram://token/chat"]])
def test_urls_are_references(urls: list[str]) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        connect_sender("chat", "apprise", {"urls": urls}, MemorySecrets())
    assert "tgram" not in str(caught.value)


@pytest.mark.skipif(not _INSTALLED, reason="needs the extra 'apprise'")
class TestWithTheExtra:
    """Against a local endpoint of Apprise's own JSON service."""

    def test_a_message_arrives(self, receiver: Receiver) -> None:
        url = receiver.url.replace("http://", "json://")
        sender = connect_sender("chat", "apprise", VALUES, MemorySecrets({REFERENCE: url}))
        sender.send(Message(title=TITLE, text=TEXT))
        (data,) = receiver.state
        assert data["title"] == TITLE
        assert TEXT.splitlines()[0] in str(data["message"])

    def test_a_no_is_tried_again(self, receiver: Receiver) -> None:
        receiver.status = 500
        url = receiver.url.replace("http://", "json://")
        sender = connect_sender("chat", "apprise", VALUES, MemorySecrets({REFERENCE: url}))
        assert failure(lambda: sender.send(Message(title=TITLE, text=TEXT))).retryable

    @pytest.mark.parametrize("url", ["dingtalk://token", "wecombot://key", "feishu://token"])
    def test_what_it_lies_about_is_refused(self, url: str) -> None:
        sender = connect_sender("chat", "apprise", VALUES, MemorySecrets({REFERENCE: url}))
        with pytest.raises(ConfigInvalid, match="better served by 'type:") as caught:
            sender.send(Message(title=TITLE, text=TEXT))
        assert url not in str(caught.value)

    def test_what_is_no_apprise_url_is_not_repeated(self) -> None:
        sender = connect_sender("chat", "apprise", VALUES, MemorySecrets({REFERENCE: "nonsense"}))
        with pytest.raises(ConfigInvalid, match="no Apprise url"):
            sender.send(Message(title=TITLE, text=TEXT))
