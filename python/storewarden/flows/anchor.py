# SPDX-License-Identifier: GPL-3.0-or-later
"""Laying down the journal's head where nobody who rewrites the database can reach it.

Every so many entries, or so many hours when there was anything at all, the head's number
and hash go into the anchor file and into a standing ticket; the journal's note of the file
is what notifications tell. A ticket system that is away delays its anchor only: the newest
one stands for all before it, so nothing has to be caught up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from storewarden.domain.errors import AdapterError, StorewardenError
from storewarden.domain.outbox.delivery import BackOff, Failure, next_try, still_waits
from storewarden.domain.outbox.notice import Text
from storewarden.domain.outbox.ticket import note_key
from storewarden.ports.clock import Clock
from storewarden.ports.journal import stamp
from storewarden.ports.ledger import Anchor, AnchorFile, Head, Ledger
from storewarden.ports.tickets import TicketDraft, TicketNote, TicketSystem

NAME = "anchor"
FILE = "file"
"""The place of anchors in the anchor file."""

RUN_ID = "LEDGER-ANCHORS"
"""What the standing ticket is found by."""

_TITLE = Text(en="storewarden ledger anchors", zh="storewarden 台账锚点")
_BODY = Text(
    en=(
        "Each note holds the number and the hash of a journal entry. Anybody can compare them"
        " with the output of storewarden ledger verify: a ledger that was rewritten has other"
        " hashes. Leave this ticket open."
    ),
    zh=(
        "每条备注记录一条日志的序号和哈希值。任何人都可以与 storewarden ledger verify 的输出对照："
        "被改写过的台账哈希值会不同。请勿关闭本工单。"
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorParts:
    """What anchoring needs; ``systems`` may be empty."""

    ledger: Ledger
    file: AnchorFile
    clock: Clock
    systems: Sequence[TicketSystem] = ()
    entries: int = 1000
    hours: int = 24
    language: str = "en"
    backoff: BackOff = field(default_factory=BackOff)


class Anchoring:
    """The duty that lays down anchors."""

    def __init__(self, parts: AnchorParts) -> None:
        self._parts = parts
        self.name = NAME
        self.every = timedelta(minutes=10)
        self._laid: tuple[Anchor, ...] | None = None
        self._failures: dict[str, int] = {}
        self._retry: dict[str, datetime] = {}

    def tick(self, now: datetime) -> datetime | None:
        """Lay down what is due; when to come again."""
        if self._laid is None:
            self._laid = self._parts.ledger.anchors()
        head = self._parts.ledger.head()
        last = _newest(self._laid, FILE)
        if self._due(head, last, now):
            self._lay_in_file(Anchor(sequence=head.sequence, hash=head.hash, at=now, where=FILE))
        for system in self._parts.systems:
            self._lay_in_ticket(system, now)
        return min(self._retry.values(), default=None)

    def _due(self, head: Head, last: Anchor | None, now: datetime) -> bool:
        """Whether there is enough, or anything at all that has waited long enough.

        The notes of anchors are no news, or every anchor would be a reason for the next.
        """
        if last is None:
            return head.sequence > 0
        own = sum(anchor.sequence == last.sequence for anchor in self._laid or ())
        news = head.sequence - last.sequence - own
        # An anchor from the future was laid down by a clock that has been put back since.
        late = last.at > now or now - last.at >= timedelta(hours=self._parts.hours)
        return news >= self._parts.entries or (news > 0 and late)

    def _lay_in_file(self, anchor: Anchor) -> None:
        self._parts.file.write(anchor)
        self._note(anchor)

    def _lay_in_ticket(self, system: TicketSystem, now: datetime) -> None:
        newest = _newest(self._laid or (), FILE)
        place = f"ticket:{system.name} "
        there = _newest(self._laid or (), place)
        if newest is None or (there is not None and there.sequence >= newest.sequence):
            return
        if still_waits(self._retry.get(system.name), now):
            return
        try:
            ticket = self._write(system, newest)
        except StorewardenError as error:  # also a secret that is gone
            self._failed(system.name, error)
            return
        self._failures.pop(system.name, None)
        self._retry.pop(system.name, None)
        self._note(replace(newest, where=place + ticket))

    def _write(self, system: TicketSystem, anchor: Anchor) -> str:
        language = self._parts.language
        draft = TicketDraft(run_id=RUN_ID, title=_TITLE.in_(language), body=_BODY.in_(language))
        ticket = system.open(draft).id
        text = f"{anchor.sequence} {anchor.hash} {stamp(anchor.at)}"
        key = note_key(RUN_ID, anchor.sequence, anchor.hash)
        system.note(ticket, TicketNote(key=key, text=text))
        return ticket

    def _failed(self, system: str, error: StorewardenError) -> None:
        """Whatever it was, it is tried again: the mirror tells people of refusals."""
        attempts = self._failures.get(system, 0) + 1
        wished = error.retry_after if isinstance(error, AdapterError) else None
        failure = Failure(text=str(error), retryable=True, retry_after=wished)
        at = next_try(failure, attempts, self._parts.clock.now(), self._parts.backoff)
        self._failures[system] = attempts
        self._retry[system] = at or self._parts.clock.now() + self._parts.backoff.longest

    def _note(self, anchor: Anchor) -> None:
        self._parts.ledger.anchored(anchor)
        self._laid = (*(self._laid or ()), anchor)


def _newest(anchors: Sequence[Anchor], place: str) -> Anchor | None:
    """The anchor with the highest entry at a place (or a place that begins so)."""
    found = [
        a
        for a in anchors
        if a.where == place or (place.endswith(" ") and a.where.startswith(place))
    ]
    return max(found, key=lambda anchor: anchor.sequence, default=None)
