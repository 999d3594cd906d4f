# SPDX-License-Identifier: GPL-3.0-or-later
"""What the catalog knows: runs, sets, copies, drills and proposed deletions.

A run is never changed: it says what was tried and what came of it. A set is what a good run left
behind; it may build upon a parent, and it is worth no more than the worst of its chain. A copy is a
set in one place, in one medium, under one set of credentials that may delete it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from storewarden.domain.backup.policy import Level, SetKind

LATE_REPORT = timedelta(hours=6)
"""How long after a set was begun its report may come: the longest that a job takes
(``ports.backup_hosts.BackupOrder.seconds``)."""


OWN_HOME = "host"
"""The place of the repository on a host when a policy's copies name none of kind host."""


class RunEnd(StrEnum):
    """How a run came out."""

    DONE = "done"  # the tool says that it worked; what it is worth is the level's to say
    FAILED = "failed"  # it did not
    BUSY = "busy"  # somebody else works on the same target: no failure
    AUTH = "auth"  # credentials were refused: not tried again by itself
    INTERRUPTED = "interrupted"  # it was killed, or its host went away in the middle
    NO_SPACE = "no-space"  # not begun, or given up, for lack of room
    REJECTED = "rejected"  # what came back is no backup (an error text, far too small)


class Verb(StrEnum):
    """What a run does to sets."""

    TAKE = "take"  # one more set
    COPY = "copy"  # what is in the store goes to another place, too
    VERIFY = "verify"  # somebody looks at what lies in a place
    DRILL = "drill"  # a restore is rehearsed and thrown away
    RESTORE = "restore"  # a set comes back, and stays
    PRUNE = "prune"  # sets that were approved to go are removed from a place
    CANARY = "canary"  # whether what must not be deleted there can be deleted


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is backed up: one policy on one host."""

    host: str
    policy: str

    @property
    def name(self) -> str:
        """ "s000101-pos01/pos-database"."""
        return f"{self.host}/{self.policy}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One try. ``set`` is the set it left, "" for none; ``sets`` those it worked on; ``location``
    where; ``night`` the day (YYYY-MM-DD) whose plan it belongs to, "" for none; ``by`` is who
    asked, "" for the schedule."""

    id: str
    target: Target
    kind: SetKind
    began: datetime
    verb: Verb = Verb.TAKE
    location: str = ""
    sets: tuple[str, ...] = ()
    level: Level = Level.CLAIMED
    night: str = ""
    by: str = ""
    change: str = ""
    ended: datetime | None = None
    end: RunEnd | None = None
    reason: str = ""
    reason_zh: str = ""
    seconds: float = 0.0
    tool_seconds: float = 0.0
    set: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Where copies lie. ``credentials`` names who may delete there: two places that the same
    credentials empty are one. ``point`` is latitude and longitude in degrees."""

    name: str
    medium: str
    credentials: str
    point: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A look that failed: a password that was refused, a repository that is not there."""

    since: datetime
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One set in one place. ``level`` was seen at ``verified``; ``looks`` tells of each level (as
    text) when somebody looked that deep the last time and found it whole: a set that was proven
    long ago may have been read again yesterday. What was seen up to ``void`` counts no more: it was
    damaged, or gone, then. ``doubts`` tells of each level (as text) that somebody wanted to look
    that deep and could not, and that nobody has since."""

    set: str
    location: str
    made: datetime
    level: Level = Level.CLAIMED
    verified: datetime | None = None
    immutable_until: datetime | None = None
    damaged: str = ""
    deleted: datetime | None = None
    looks: Mapping[str, datetime] = field(default_factory=dict)
    void: datetime | None = None
    doubts: Mapping[str, Doubt] = field(default_factory=dict)

    def seen(self, level: Level) -> datetime | None:
        """When somebody looked at least that deep the last time and found it whole."""
        if not self.looks:
            return self.verified if self.level >= level else None
        return max((at for deep, at in self.looks.items() if int(deep) >= level), default=None)

    @property
    def usable(self) -> bool:
        """Whether anything can be restored from it, as far as is known."""
        return not self.damaged and self.deleted is None

    @property
    def doubt(self) -> Doubt | None:
        """Why nobody can say what it is worth, the first of several; only a look that is as deep as
        the one that failed, or deeper, makes an end of it."""
        return min(self.doubts.values(), key=lambda each: each.since, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupSet:
    """One set. ``received`` is when the catalog heard of it, which is what retention goes by: the
    client's own clock (``taken``) may be wrong, or somebody's who wants old sets gone."""

    id: str
    target: Target
    kind: SetKind
    taken: datetime
    received: datetime
    size: int
    parent: str = ""
    manifest: str = ""
    copies: tuple[Copy, ...] = ()
    hold: bool = False
    expired: datetime | None = None

    @property
    def fresh(self) -> datetime:
        """What its age counts from. Usually when the catalog heard of it; a set whose own report
        was lost, and which a later look found, is as old as it says. Never later than heard of."""
        return self.taken if self.received - self.taken > LATE_REPORT else self.received


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillRecord:
    """One rehearsal of a restore. ``rto`` and ``rpo`` were measured; None when it failed first."""

    id: str
    target: Target
    set: str
    location: str
    began: datetime
    passed: bool
    reason: str = ""
    level: Level = Level.CLAIMED
    rto: timedelta | None = None
    rpo: timedelta | None = None
    phases: Mapping[str, float] = field(default_factory=dict)
    differences: tuple[str, ...] = ()


class DeletionState(StrEnum):
    """Where a proposed deletion stands."""

    PROPOSED = "proposed"
    APPROVED = "approved"  # by somebody other than who proposed it
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"  # the list made again was not the same any more
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletionRequest:
    """Sets that are to go (``digest``: ``retention.Proposal.digest``); ``gone`` is what was really
    removed, set and location joined by "@"."""

    number: str
    sets: tuple[str, ...]
    digest: str
    proposed_by: str
    proposed_at: datetime
    state: DeletionState = DeletionState.PROPOSED
    decided_by: str = ""
    decided_at: datetime | None = None
    reason: str = ""
    gone: tuple[str, ...] = ()
    left: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """A set with everything it builds upon, the full one first. ``missing`` is a parent that the
    catalog does not have, or that has no usable copy."""

    sets: tuple[BackupSet, ...]
    missing: str = ""

    @property
    def complete(self) -> bool:
        """Whether it can be restored, as far as is known."""
        return not self.missing

    @property
    def level(self) -> Level:
        """A chain is as good as its worst member."""
        if not self.complete:
            return Level.CLAIMED
        return min((level_of(each) for each in self.sets), default=Level.CLAIMED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """What is known of some targets at one moment."""

    runs: tuple[Run, ...] = ()
    sets: tuple[BackupSet, ...] = ()
    drills: tuple[DrillRecord, ...] = ()
    locations: Mapping[str, Location] = field(default_factory=dict)


def in_places(catalog: Catalog, places: Collection[str]) -> Catalog:
    """The catalog without copies in places that are none any more: nobody can reach those."""
    odd = {
        each.id
        for each in catalog.sets
        if any(one.usable and one.location not in places for one in each.copies)
    }
    if not odd:
        return catalog
    return replace(
        catalog,
        sets=tuple(_only(each, places) if each.id in odd else each for each in catalog.sets),
    )


def _only(backup: BackupSet, places: Collection[str]) -> BackupSet:
    return replace(backup, copies=tuple(each for each in backup.copies if each.location in places))


def level_of(backup: BackupSet) -> Level:
    """The best level of a usable copy; of one that is in doubt nobody knows any."""
    there = (each for each in backup.copies if each.usable and not each.doubts)
    return max((each.level for each in there), default=Level.CLAIMED)


def chain_of(backup: BackupSet, sets: Mapping[str, BackupSet]) -> Chain:
    """The chain that ends in ``backup``; circles count as missing."""
    found, seen = [backup], {backup.id}
    if not _there(backup):
        return Chain(sets=(backup,), missing=backup.id)
    while found[0].parent:
        parent = sets.get(found[0].parent)
        if parent is None or parent.id in seen or not _there(parent):
            return Chain(sets=tuple(found), missing=found[0].parent)
        seen.add(parent.id)
        found.insert(0, parent)
    if found[0].kind is not SetKind.FULL:
        return Chain(sets=tuple(found), missing="a full set")
    return Chain(sets=tuple(found))


def dependants(ident: str, sets: Iterable[BackupSet]) -> tuple[str, ...]:
    """Every set that builds upon this one, directly or not, in the order of reception."""
    known = sorted(sets, key=lambda each: (each.received, each.id))
    found = {ident}
    told = []
    grew = True
    while grew:
        grew = False
        for each in known:
            if each.parent in found and each.id not in found:
                found.add(each.id)
                told.append(each.id)
                grew = True
    return tuple(told)


def _there(backup: BackupSet) -> bool:
    return any(each.usable for each in backup.copies)
