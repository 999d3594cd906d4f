# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of a target when somebody asks what is due for it, and what holds an order back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from storewarden.domain.backup.catalog import Catalog, Run, RunEnd, Target, Verb
from storewarden.domain.backup.night import Slot
from storewarden.domain.backup.policy import Level, Policy, SetKind
from storewarden.domain.maintenance.interval import Interval

_SOON = timedelta(minutes=10)
"""When what was busy or interrupted is tried again. Chosen."""
_LATER = timedelta(hours=1)
"""When what failed is tried again. Chosen: a mistake is mended by people, not by hammering."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One target as it stands. ``home`` is the place of the repository on the host, ``places`` are
    the other ones; ``readers`` says who looks at a place when it is not the target's own host,
    ``local`` which of them need no line. ``slots`` are those of the nights that are under way, by
    the night's day; ``sizes`` are the bytes at each place where ``catalog`` does not have all sets
    (``due_brief``); ``window`` is when its own host may be kept busy, None for always. ``by`` is
    who does the jobs of a target that cannot do any, "" for its own host."""

    target: Target
    policy: Policy
    catalog: Catalog
    home: str
    places: tuple[str, ...] = ()
    readers: Mapping[str, str] = field(default_factory=dict)
    local: frozenset[str] = frozenset()
    slots: Mapping[str, Slot] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    window: Interval | None = None
    hub: str = ""
    line: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """One order that is due, ``since`` when. ``on`` is the host that does it, ``wan`` whether it
    needs the store's line."""

    target: Target
    verb: Verb
    since: datetime
    on: str
    location: str
    kind: SetKind = SetKind.FULL
    parent: str = ""
    sets: tuple[str, ...] = ()
    level: Level = Level.CLAIMED
    part: tuple[int, int] = (1, 1)
    night: str = ""
    wan: bool = False
    hub: str = ""
    line: str = ""
    en: str = ""
    zh: str = ""


def held(
    facts: Facts,
    verb: Verb,
    now: datetime,
    *,
    location: str = "",
    kind: SetKind | None = None,
    again: timedelta = _LATER,
) -> bool:
    """Whether an order waits: one like it is open, it ended badly less than ``again`` ago, or its
    credentials were refused and nobody has tried them since. Of a set's runs those of its ``kind``
    count, of others those at the ``location``."""
    mine = [
        each
        for each in facts.catalog.runs
        if each.verb is verb
        and (not location or each.location == location)
        and (kind is None or each.kind is kind)
    ]
    if any(each.ended is None for each in facts.catalog.runs):
        return True  # one job at a time: the host would say "busy"
    last = max(mine, key=_ended, default=None)
    tried = max((each for each in mine if each.end is not RunEnd.BUSY), key=_ended, default=last)
    return any(each is not None and _holds(each, now, again) for each in (last, tried))


def _ended(run: Run) -> tuple[datetime, str]:
    return run.ended or run.began, run.id


def _holds(last: Run, now: datetime, again: timedelta) -> bool:
    if last.end is RunEnd.AUTH:
        return True
    if last.end is RunEnd.DONE or last.ended is None:
        return False
    soon = last.end in (RunEnd.BUSY, RunEnd.INTERRUPTED)
    return now < last.ended + min(_SOON if soon else again, again)
