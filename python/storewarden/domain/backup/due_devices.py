# SPDX-License-Identifier: GPL-3.0-or-later
"""When the configuration of a network device is read: in its slot of the night, every so many
hours, and once more after a change that names the device has ended (guide 1.7.2)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from storewarden.domain.backup.catalog import Catalog, Target, Verb
from storewarden.domain.backup.due import night_sets
from storewarden.domain.backup.due_facts import Facts, held
from storewarden.domain.backup.policy import Level, SetKind
from storewarden.domain.backup.schedule import through_the_day

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A change that named a device, and when its work ended."""

    number: str
    ended: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A device that is to be read for one policy: for a ``night``, or after a ``change``; "" for
    neither."""

    target: Target
    home: str
    night: str = ""
    change: str = ""
    by: str = ""


def reading_of(facts: Facts, now: datetime, changed: Changed | None = None) -> Reading | None:
    """The reading that is due, None for none. A device that could not be read is tried again after
    an hour, and one that refused the login when a person has tried it."""
    target, home = facts.target, facts.home
    for due in night_sets(facts, now):
        return Reading(target=target, home=home, night=due.night)
    if held(facts, Verb.TAKE, now, kind=SetKind.FULL):
        return None
    last = last_seen(facts.catalog)
    if any(now >= last + step.period for step in through_the_day(facts.policy)):
        return Reading(target=target, home=home)
    if changed is not None and facts.policy.after_change and last < changed.ended:
        return Reading(target=target, home=home, change=changed.number)
    return None


def last_seen(catalog: Catalog) -> datetime:
    """When the configuration was read the last time, whether it had changed or not."""
    copies = (copy for each in catalog.sets if each.expired is None for copy in each.copies)
    seen = (each.seen(Level.READ) for each in copies if each.usable)
    return max((each for each in seen if each is not None), default=_EPOCH)
