# SPDX-License-Identifier: GPL-3.0-or-later
"""Telling people: one message to one channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from storewarden.ports.tickets import Attachment


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """``text`` is plain text with line breaks; ``to`` are addresses for channels that have them."""

    title: str
    text: str
    urgent: bool = False
    to: tuple[str, ...] = ()
    attachments: tuple[Attachment, ...] = ()


class Sender(Protocol):
    """Sends, and knows from the other side's own words that it was taken."""

    name: str

    def send(self, message: Message) -> str:
        """What the other side answered, on one line and without secrets; "" when it has no words.

        Raises AdapterError; ``retryable`` when the same message may be taken later.
        """
        ...

    def shut(self) -> None:
        """Let go of connections."""
        ...
