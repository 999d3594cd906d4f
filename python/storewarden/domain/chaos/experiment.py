# SPDX-License-Identifier: GPL-3.0-or-later
"""One experiment: what was broken, what healing did about it, and whether that proves anything.

An experiment proves healing only where an alert was seen, a repair ran and was verified, all before
the fault was taken back: a host that came back because its time was up was not healed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

SLACK = timedelta(minutes=5)
"""So long after its time nobody waits for an experiment any more: its host's timer has run."""

_ROUNDED = timedelta(seconds=2)  # hosts tell whole seconds, and answer after they have acted


class Stand(StrEnum):
    """Where an alert about a broken host stands; the words of healing, cut down to these."""

    OPEN = "open"  # something is still to be done about it
    HEALED = "healed"  # repaired and verified
    PERSON = "person"  # a person has it
    LEFT = "left"  # observed, suppressed or refused: nothing is done
    GONE = "gone"  # it was over before anything was done


class Proof(StrEnum):
    """What an experiment showed on one host."""

    HEALED = "healed"  # alert, repair, verified, in time
    ESCALATED = "escalated"  # an alert came, and a person was called
    LEFT = "left"  # an alert came, and nothing was to be done about it
    LATE = "late"  # an alert came; when the time was up it was not healed
    GONE = "gone"  # an alert came and was over before a repair
    OTHER = "other"  # healed, but by another rule than expected
    UNSEEN = "unseen"  # no alert came
    UNMADE = "unmade"  # the fault could not be made


class Undone(StrEnum):
    """Who took a fault back on a host."""

    ORDER = "order"  # the controller, at the end or when asked to stop
    TIMER = "timer"  # the host, because its time was up
    HAND = "hand"  # somebody on the host ran the script
    BOOT = "boot"  # the host knows nothing of it any more: it was booted
    NOTHING = "nothing"  # it was never made
    UNKNOWN = "unknown"  # nobody knows; the host's timer does it


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One alert about a broken host, as healing has it now."""

    key: str
    name: str
    host: str
    rule: str
    action: str
    seen_at: datetime
    stand: Stand
    since: datetime | None = None
    repair: str = ""
    repaired_at: datetime | None = None
    why: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """How the fault came to be on one host; ``en`` and ``zh`` say what was done, or why not.
    ``doubtful``: it is not known to be good, and may have been made all the same."""

    host: str
    good: bool
    en: str
    zh: str
    doubtful: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """How the fault left one host. ``at`` and ``made_at`` are by the host's own clock, so only
    what lies between them counts."""

    host: str
    by: Undone
    at: datetime | None = None
    made_at: datetime | None = None
    en: str = ""

    @property
    def lasted(self) -> timedelta | None:
        """How long the host was broken, as far as it knows."""
        if self.at is None or self.made_at is None:
            return None
        return max(self.at - self.made_at, timedelta(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the result table; times count from the moment the fault was made."""

    host: str
    proof: Proof
    what: tuple[str, str]
    alert: str = ""
    rule: str = ""
    action: str = ""
    repair: str = ""
    seen: timedelta | None = None
    repaired: timedelta | None = None
    healed: timedelta | None = None
    undone: Undone = Undone.UNKNOWN
    undone_after: timedelta | None = None
    why: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """One experiment from its beginning to its end. ``name`` is "chaos-17"; ``ended_at`` is None
    while it runs. ``expect`` is the heal rule that should answer, "" for any."""

    name: str
    fault: str
    hosts: tuple[str, ...]
    begun_at: datetime
    span: timedelta
    by: str
    options: Mapping[str, str] = field(default_factory=dict)
    change: str = ""
    expect: str = ""
    rows: tuple[Row, ...] = ()
    ended_at: datetime | None = None
    outcome: str = ""

    @property
    def proved(self) -> bool:
        """Whether every host was healed."""
        return bool(self.rows) and all(each.proof is Proof.HEALED for each in self.rows)

    @property
    def doubtful(self) -> bool:
        """Whether nobody knows of some host that its fault is gone."""
        return any(each.undone is Undone.UNKNOWN for each in self.rows)

    def under_way(self, now: datetime) -> bool:
        """Whether its hosts may still be broken."""
        return self.ended_at is None and now < self.begun_at + self.span + SLACK


_WEIGHT = {
    stand: place
    for place, stand in enumerate((Stand.HEALED, Stand.PERSON, Stand.OPEN, Stand.LEFT, Stand.GONE))
}
_PROOFS = {
    Stand.OPEN: Proof.LATE,
    Stand.HEALED: Proof.HEALED,
    Stand.PERSON: Proof.ESCALATED,
    Stand.LEFT: Proof.LEFT,
    Stand.GONE: Proof.GONE,
}


def telling(sightings: Sequence[Sighting], host: str, expect: str) -> Sighting | None:
    """The alert that counts for a host: of the expected rule if there is one, the one that came
    furthest, the first of several."""
    mine = [each for each in sightings if each.host == host]
    wanted = [each for each in mine if each.rule == expect] if expect else []
    return min(wanted or mine, key=lambda each: (_WEIGHT[each.stand], each.seen_at), default=None)


def settled(sightings: Sequence[Sighting], host: str, expect: str) -> bool:
    """Whether waiting for a host is over. An alert of another rule than the expected one, or one
    that is merely gone, may be followed by the one that counts."""
    found = telling(sightings, host, expect)
    if found is None or (expect and found.rule != expect):
        return False
    return found.stand in (Stand.HEALED, Stand.PERSON, Stand.LEFT)


def row(experiment: Experiment, made: Made, taken: Taken, sightings: Sequence[Sighting]) -> Row:
    """What the experiment showed on one host."""
    found = telling(sightings, made.host, experiment.expect)
    what = (made.en, made.zh)
    after = taken.lasted
    if not made.good:
        return Row(
            host=made.host, proof=Proof.UNMADE, what=what, undone=taken.by, undone_after=after
        )
    if found is None:
        return Row(
            host=made.host, proof=Proof.UNSEEN, what=what, undone=taken.by, undone_after=after
        )
    healed = found.since if found.stand is Stand.HEALED else None
    return Row(
        host=made.host,
        proof=_proof(experiment, found, taken),
        what=what,
        alert=found.name,
        rule=found.rule,
        action=found.action,
        repair=found.repair,
        seen=_after(experiment, found.seen_at),
        repaired=None if found.repaired_at is None else _after(experiment, found.repaired_at),
        healed=None if healed is None else _after(experiment, healed),
        undone=taken.by,
        undone_after=after,
        why=found.why,
    )


def _proof(experiment: Experiment, found: Sighting, taken: Taken) -> Proof:
    if found.stand is not Stand.HEALED:
        return _PROOFS[found.stand]
    if experiment.expect and found.rule != experiment.expect:
        return Proof.OTHER
    # A repair that ended after the fault was taken back repaired nothing.
    if found.repaired_at is None:
        return Proof.GONE
    lasted = taken.lasted
    late = lasted is not None and _after(experiment, found.repaired_at) > lasted + _ROUNDED
    return Proof.LATE if late else Proof.HEALED


def _after(experiment: Experiment, at: datetime) -> timedelta:
    return max(at - experiment.begun_at, timedelta(0))
