# SPDX-License-Identifier: GPL-3.0-or-later
"""A ticket system, as far as changes are mirrored into it.

Writes to ticket systems lie: some answer success and change nothing. So the
contract is: search before create, write, read back, compare; and an answer that
cannot be confirmed is an error. ``storewarden.testing.conformance_tickets`` checks an adapter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A document; ``content`` are its bytes."""

    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketDraft:
    """A ticket to be opened. ``run_id`` (the change number) finds it again and is unique."""

    run_id: str
    title: str
    body: str
    fields: Mapping[str, str] = field(default_factory=dict)
    """kind, risk, requester, hosts: adapters map them as their settings say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """A ticket as it was read back; ``url`` is where a person finds it."""

    id: str
    run_id: str
    title: str
    open: bool
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketNote:
    """One note. ``key`` makes it idempotent: a second note with it is not written."""

    key: str
    text: str
    attachments: tuple[Attachment, ...] = ()


class TicketSystem(Protocol):
    """Raises AdapterError (``retryable`` for outages, 429 and 5xx; not for refusals), whose
    text holds neither secrets nor more than a line of what the other side said."""

    name: str

    def find(self, run_id: str) -> Ticket | None:
        """The ticket with that run id; None when there is none. Several: the oldest."""
        ...

    def open(self, draft: TicketDraft) -> Ticket:
        """Find it or create it, and read it back."""
        ...

    def note(self, ticket: str, note: TicketNote) -> None:
        """Add a note with its attachments, once per key, and read it back."""
        ...

    def noted(self, ticket: str) -> tuple[str, ...]:
        """The keys of all our notes on a ticket, oldest first."""
        ...

    def close(self, ticket: str, resolution: str) -> Ticket:
        """Close it (again: nothing happens) and read back that it is closed."""
        ...

    def check(self) -> None:
        """Whether the system answers, our credentials work and the fields it needs exist."""
        ...

    def shut(self) -> None:
        """Let go of connections."""
        ...
