# SPDX-License-Identifier: GPL-3.0-or-later
"""What a notification says: what, where, what was done, what to do next (guide 8.5.2).

A notice is made from one journal entry (``telling.notice_of``) and is the same
for every channel; a channel's own rules say whether it hears it, when, and in
which language (``digest.plan_messages``). Entries that nobody has to know of
make no notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from enum import IntEnum

from storewarden.domain.change.record import Change


class Severity(IntEnum):
    """How much a notice matters; the larger the worse."""

    INFO = 1  # went as it should
    WARNING = 2  # somebody has to act, in working hours
    URGENT = 3  # somebody has to act now; passes quiet hours and the digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """The same sentence in both languages."""

    en: str
    zh: str

    def in_(self, language: str) -> str:
        """The sentence in ``language`` (en or zh)."""
        return self.zh if language == "zh" else self.en


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One journal entry, as plain values."""

    sequence: int
    at: datetime
    kind: str
    run: str
    step: str = ""
    body: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFacts:
    """How an audit came out. Rates are texts in percent, like "94.9"; ``bar`` is "" without one.

    ``worse`` counts transitions away from a pass that no change explains, ``worst`` names
    some of them ("pos01.000101 B03"); ``regions`` are those of the hosts that drifted.
    """

    hosts: int
    score: str
    bar: str = ""
    below: bool = False
    unaudited: int = 0
    worse: int = 0
    worse_hosts: int = 0
    worst: tuple[str, ...] = ()
    regions: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentFacts:
    """What an incident is about: ``name`` is its fault, ``priority`` "high", "medium" or "low"."""

    name: str
    priority: str
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What an entry alone does not tell.

    ``change`` is the change of the entry as it stands now, ``waiting`` the roles whose approval
    it still needs, ``audit`` how the entry's audit came out, ``incident`` what its incident is
    about; times are told in ``zone``.
    """

    change: Change | None = None
    waiting: tuple[str, ...] = ()
    audit: AuditFacts | None = None
    incident: IncidentFacts | None = None
    zone: tzinfo = UTC


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What there is to say about one entry, before it is addressed.

    ``label`` names this sort of news where many are counted ("change paused"); ``roles`` and
    ``people`` are those who have to act; ``report`` says that the entry's audit has a report
    worth attaching.
    """

    severity: Severity
    label: Text
    title: Text
    what: Text
    where: Text
    done: Text
    next: Text
    roles: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    regions: frozenset[str] = frozenset()
    report: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something worth telling: its entry, and the words for it.

    ``sequence`` is the entry's; ``run`` is the change number or the audit id.
    """

    sequence: int
    at: datetime
    kind: str
    run: str
    words: Words

    @property
    def severity(self) -> Severity:
        """How much it matters."""
        return self.words.severity
