# SPDX-License-Identifier: GPL-3.0-or-later
"""What can happen to an incident: the facts that the journal keeps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from storewarden.domain.healing.events import STOREWARDEN
from storewarden.domain.healing.record import Reason
from storewarden.domain.healing.rule import Impact, Kind


class Clock(StrEnum):
    """What the guide promises a time for."""

    ANSWER = "answer"  # somebody has looked
    SOLVE = "solve"  # it is solved


class Needs(StrEnum):
    """Who has to act, by what was decided about its alerts."""

    NOBODY = "nobody"  # a repair is on its way
    ANSWER = "answer"  # a person has to say yes or no to a repair
    PERSON = "person"  # a person has to do it


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """It begins. ``name`` is the fault ("store:000101", "storm:PosDown", "rule:PosDown@pos-1").

    ``items`` are its configuration items, ``dependents`` what depends on them (guide 2.3.3).
    ``began_at`` is when its first alert began: from then on the clocks run. ``needs`` says who has
    to act.
    """

    number: str
    name: str
    rule: str
    kind: Kind
    priority: Impact
    began_at: datetime
    hosts: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    dependents: tuple[str, ...] = ()
    occurrences: tuple[str, ...] = ()
    summary: Reason | None = None
    needs: Needs = Needs.NOBODY


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """More alerts of the same fault."""

    occurrences: tuple[str, ...]
    hosts: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    dependents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """Somebody is at it: ``repair`` is the id of a repair, "" for a person."""

    repair: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """A line of its story. ``evidence`` names what proves it: journal runs, stored documents.

    ``about`` is what the line tells, so that it is told once ("repair GMBG-...-H1 ended"); "" for
    what a person wrote. ``needs`` says who has to act on it.
    """

    en: str
    zh: str
    evidence: tuple[str, ...] = ()
    about: str = ""
    needs: Needs = Needs.NOBODY


@dataclass(frozen=True, slots=True, kw_only=True)
class Solved:
    """It is well again; ``verified`` when a probe or the alert's own expression said so. ``how`` is
    told as it is where ``how_zh`` is ""."""

    verified: bool
    how: str = ""
    how_zh: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """The business says that it is well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disputed:
    """The business says that it is not."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """Told that a promise will soon be broken."""

    clock: Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Breached:
    """A promise was broken."""

    clock: Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """It is over; ``silent`` when nobody confirmed."""

    silent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Traced:
    """A problem ticket looks for its cause."""

    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirrored:
    """A ticket system has it, under an id of its own."""

    system: str
    ticket: str


type Happening = (
    Opened
    | Joined
    | Answered
    | Noted
    | Solved
    | Confirmed
    | Disputed
    | Warned
    | Breached
    | Closed
    | Traced
    | Mirrored
)


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentEvent:
    """One fact about the incident ``number``."""

    number: str
    at: datetime
    what: Happening
    by: str = STOREWARDEN
