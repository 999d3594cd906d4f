# SPDX-License-Identifier: GPL-3.0-or-later
"""A drift ticket: one finding of one device that somebody has to put right, until a day.

At most one is open for a device and a control, however many audits see the same failure.
It is opened and closed by audits alone, never by hand: to close one, put the device right
or have the failure waived. After it is closed, the same failure is another ticket.

A ticket's number follows from what opened it (the device, the control and the audit). So an
audit that is judged a second time, by another process or after a ledger was restored, finds
the ticket it has made already, also in a ticket system.

Like a change, a ticket is never edited: it is what its journal entries add up to.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import Enum
from typing import Any, cast

from storewarden.domain.baseline.control import Severity

_DIGITS = 12  # hex digits: 180,000 tickets of one day do not meet by accident
SUBJECT = "drift-"
"""What the number of every drift ticket begins with; change numbers have capital letters."""


class TicketKind(Enum):
    """What has to be put right."""

    DRIFT = "drift"  # a control fails
    UNAUDITED = "unaudited"  # nobody could look at the device for a whole month
    PROBLEM = "problem"  # the device was fixed by force and is still not compliant


class ClosedBecause(Enum):
    """Why a ticket has ended."""

    PASSED = "passed"  # the control passes, or no longer concerns the device
    WAIVED = "waived"  # an active waiver covers the failure
    AUDITED = "audited"  # the device was audited again
    COMPLIANT = "compliant"  # the device is compliant again
    GONE = "gone"  # the control left the baseline, or the device the inventory


class TicketEvent(Enum):
    """What can happen to a ticket, by the words in the journal after ``ENTRY``."""

    OPENED = "opened"  # with everything there is to say about it
    MIRRORED = "mirrored"  # a ticket system has it, under an id of its own
    CLOSED = "closed"  # because of an audit, or of a month's close


ENTRY = "drift ticket "
"""What the kinds of all journal entries about drift tickets begin with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketKey:
    """What a ticket is about; ``control`` is "" when it is the device as a whole."""

    kind: TicketKind
    host: str
    control: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftTicket:
    """One ticket as it stands. ``due`` is its last day, in the site's zone.

    ``audit`` is the audit (or the month, "2026-05") that opened it, ``value`` the observed
    value then; ``title`` maps a language to the control's title; ``tickets`` maps a ticket
    system to the id there. ``closed_at`` is None while it is open.
    """

    number: str
    key: TicketKey
    severity: Severity
    opened_at: datetime
    due: date
    audit: str
    title: Mapping[str, str] = field(default_factory=dict)
    reason: Mapping[str, str] = field(default_factory=dict)
    guide: str = ""
    value: object = None
    item: str = ""
    store: str = ""
    region: str = ""
    tickets: Mapping[str, str] = field(default_factory=dict)
    closed_at: datetime | None = None
    closed_because: ClosedBecause | None = None
    closed_by: str = ""
    """The audit or the month that closed it."""

    @property
    def open(self) -> bool:
        """Whether it still has to be done."""
        return self.closed_at is None

    def overdue(self, today: date) -> bool:
        """Whether its last day is over."""
        return self.open and today > self.due


class NoSuchStep(ValueError):
    """An entry that cannot follow what is there: the journal was altered."""


def ticket_number(key: TicketKey, audit: str, day: date) -> str:
    """``drift-20260601-3f9c2ab1d0e4``: the day it was opened, and what opened it, hashed."""
    told = "\n".join((key.kind.value, key.host, key.control, audit))
    return f"{SUBJECT}{day:%Y%m%d}-{hashlib.sha256(told.encode()).hexdigest()[:_DIGITS]}"


def is_ticket(subject: str) -> bool:
    """Whether a run of the journal is a drift ticket; change numbers have capital letters."""
    return subject.startswith(SUBJECT)


def opened_body(ticket: DriftTicket) -> dict[str, object]:
    """The body of the entry that opens ``ticket``."""
    return {
        "kind": ticket.key.kind.value,
        "host": ticket.key.host,
        "control": ticket.key.control,
        "severity": ticket.severity.value,
        "title": dict(ticket.title),
        "reason": dict(ticket.reason),
        "guide": ticket.guide,
        "value": ticket.value,
        "item": ticket.item,
        "store": ticket.store,
        "region": ticket.region,
        "due": ticket.due.isoformat(),
        "audit": ticket.audit,
    }


def mirrored_body(system: str, ticket: str) -> dict[str, object]:
    """The body of the entry that says where a ticket system has it."""
    return {"system": system, "ticket": ticket}


def closed_body(because: ClosedBecause, by: str) -> dict[str, object]:
    """The body of the entry that closes a ticket because of the audit or month ``by``."""
    return {"because": because.value, "by": by}


def fold_ticket(
    before: DriftTicket | None, number: str, entry: str, at: datetime, body: Mapping[str, object]
) -> DriftTicket:
    """The ticket after one more entry of the kind ``entry``.

    Raises NoSuchStep, KeyError or ValueError for an entry that cannot be one of it.
    """
    event = TicketEvent(entry.removeprefix(ENTRY))
    raw = cast("Mapping[str, Any]", body)
    if event is TicketEvent.OPENED:
        if before is not None:
            raise NoSuchStep(f"{number} is opened twice")
        return _opened(number, at, raw)
    if before is None or not (before.open or event is TicketEvent.MIRRORED):
        raise NoSuchStep(f"{number} is {'closed' if before else 'not opened'}")
    if event is TicketEvent.MIRRORED:
        known = {**before.tickets, str(raw["system"]): str(raw["ticket"])}
        return replace(before, tickets=known)
    because = ClosedBecause(raw["because"])
    return replace(before, closed_at=at, closed_because=because, closed_by=str(raw["by"]))


def _opened(number: str, at: datetime, raw: Mapping[str, Any]) -> DriftTicket:
    kind = TicketKind(raw["kind"])
    return DriftTicket(
        number=number,
        key=TicketKey(kind=kind, host=str(raw["host"]), control=str(raw["control"])),
        severity=Severity(raw["severity"]),
        opened_at=at,
        due=date.fromisoformat(raw["due"]),
        audit=str(raw["audit"]),
        title=_texts(raw["title"]),
        reason=_texts(raw["reason"]),
        guide=str(raw["guide"]),
        value=raw["value"],
        item=str(raw["item"]),
        store=str(raw["store"]),
        region=str(raw["region"]),
    )


def _texts(raw: Mapping[str, object]) -> dict[str, str]:
    return {str(language): str(text) for language, text in raw.items()}
