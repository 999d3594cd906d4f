# SPDX-License-Identifier: GPL-3.0-or-later
"""What every channel promises, as tests.

Inherit from ``SenderConformance`` in a pytest module and give two fixtures: ``sender``, and
``inbox``, an ``Inbox``: the other side, as a person sees it and as a test disturbs it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from storewarden.domain.errors import AdapterError
from storewarden.ports.notifications import Message, Sender

TITLE = "[示例连锁] GMBG-20260601-001 待安全负责人审批"
TEXT = (
    "事项：POS 补丁（重大变更，高风险）\n"
    "范围：pos01.000101_test 等 12 台 *全部*\n"
    "下一步：storewarden change approve GMBG-20260601-001"
)
AWKWARD = "“引号” \"quotes\" 'single' back\\slash \u2028 tab\t 𠮷😀 %s {0} &amp;"


class Inbox(Protocol):
    """The other side."""

    def texts(self) -> Sequence[str]:
        """Title and text of every message that was taken, oldest first."""
        ...

    def down(self) -> AbstractContextManager[None]:
        """Nobody listens."""
        ...

    def busy(self) -> AbstractContextManager[None]:
        """It says: later."""
        ...

    def refusing(self) -> AbstractContextManager[None]:
        """It says: never."""
        ...

    def secrets(self) -> Sequence[str]:
        """What nobody may ever see."""
        ...


def failure(call: Callable[[], object]) -> AdapterError:
    """The AdapterError of ``call``; an assertion when it raises none."""
    try:
        call()
    except AdapterError as error:
        line = str(error)
        assert "\n" not in line
        assert len(line) < 500
        return error
    raise AssertionError("the message was reported as taken")


def _squeezed(text: str) -> str:
    return "".join(text.split())


class SenderConformance:
    """The suite."""

    def test_a_message_arrives_whole(self, sender: Sender, inbox: Inbox) -> None:
        """Title and text, in Chinese; every line of it."""
        answer = sender.send(Message(title=TITLE, text=TEXT))
        assert "\n" not in answer
        assert not any(secret in answer for secret in inbox.secrets())
        (seen,) = inbox.texts()
        assert TITLE in seen
        assert [line for line in TEXT.splitlines() if line not in seen] == []

    def test_messages_arrive_in_order(self, sender: Sender, inbox: Inbox) -> None:
        """One after the other, each once."""
        for number in range(3):
            sender.send(Message(title=f"number {number}", text=TEXT, urgent=number == 1))
        assert [f"number {n}" in text for n, text in enumerate(inbox.texts())] == [True] * 3

    def test_awkward_characters_change_nothing(self, sender: Sender, inbox: Inbox) -> None:
        """Quotes, backslashes, characters beyond 16 bits, a title with a line break."""
        sender.send(Message(title="two\nlines", text=AWKWARD))
        (seen,) = inbox.texts()
        assert "two lines" in seen
        assert _squeezed(AWKWARD) in _squeezed(seen)

    def test_a_halved_character_does_not_stop_a_message(self, sender: Sender, inbox: Inbox) -> None:
        """A lone surrogate, as it comes out of a file name that is no UTF-8."""
        sender.send(Message(title="half \ud83d", text="before \udce9 after"))
        (seen,) = inbox.texts()
        assert "before" in seen
        assert "after" in seen

    def test_a_long_text_arrives_or_says_that_it_was_cut(
        self, sender: Sender, inbox: Inbox
    ) -> None:
        """100 KB of Chinese and quotes: the beginning is there, the cut can be seen."""
        text = "\n".join(f'第 {n:05d} 行 "引号" 门店已检查' for n in range(2500))
        sender.send(Message(title=TITLE, text=text))
        (seen,) = inbox.texts()
        assert "第 00000 行" in seen
        assert "第 02499 行" in seen or seen.rstrip().endswith("the ledger has the rest")
        assert "\ufffd" not in seen

    def test_an_outage_is_retryable_and_passes(self, sender: Sender, inbox: Inbox) -> None:
        """Nothing is reported as sent, and the next one goes through."""
        with inbox.down():
            assert failure(lambda: sender.send(Message(title=TITLE, text=TEXT))).retryable
        assert list(inbox.texts()) == []
        sender.send(Message(title=TITLE, text=TEXT))
        assert len(inbox.texts()) == 1

    def test_being_asked_to_wait_is_retryable(self, sender: Sender, inbox: Inbox) -> None:
        """The limit of messages per time, a mailbox that is busy."""
        with inbox.busy():
            assert failure(lambda: sender.send(Message(title=TITLE, text=TEXT))).retryable
        assert list(inbox.texts()) == []

    def test_a_refusal_is_permanent(self, sender: Sender, inbox: Inbox) -> None:
        """A robot that was removed, a recipient that is not known."""
        with inbox.refusing():
            assert not failure(lambda: sender.send(Message(title=TITLE, text=TEXT))).retryable
        assert list(inbox.texts()) == []

    def test_no_secret_shows(self, sender: Sender, inbox: Inbox) -> None:
        """Not in errors, not in any log at any level, not in a repr, not in the message."""
        records: list[str] = []
        with _Listener(records):
            sender.send(Message(title=TITLE, text=TEXT))
            for disturbed in (inbox.down, inbox.busy, inbox.refusing):
                with disturbed():
                    records.append(str(failure(lambda: sender.send(Message(title="t", text="x")))))
        records += [repr(sender), *inbox.texts()]
        shown = [secret for secret in inbox.secrets() if any(secret in text for text in records)]
        assert shown == []


class _Listener(logging.Handler):
    """Hears every logger at every level, while its block runs."""

    def __init__(self, records: list[str]) -> None:
        super().__init__(level=1)
        self._records = records
        self._level = logging.NOTSET

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the whole text, the traceback's too."""
        self._records.append(self.format(record))

    def __enter__(self) -> None:
        root = logging.getLogger()
        self._level = root.level
        root.setLevel(1)
        root.addHandler(self)

    def __exit__(self, *_: object) -> None:
        root = logging.getLogger()
        root.removeHandler(self)
        root.setLevel(self._level)
