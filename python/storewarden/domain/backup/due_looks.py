# SPDX-License-Identifier: GPL-3.0-or-later
"""Which looks at copies are due, and which rehearsals.

Each place is looked at by itself: a copy that nobody reads proves nothing. A place that holds much
is read in parts, one a night; whoever records the last part says that all of it was read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from math import ceil

from storewarden.domain.backup.catalog import BackupSet, Copy, Target, Verb, in_places
from storewarden.domain.backup.drill import Source, source_of
from storewarden.domain.backup.due_facts import Due, Facts, held
from storewarden.domain.backup.policy import Drill, Level, Method, Verify

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)
_AGAIN = timedelta(hours=6)
"""When a look that failed is made again. Chosen: a damaged place is not read all night long."""
_PART = 20 << 30
"""Bytes of one part of a place that is read over several nights. Chosen: two hours of a disk that
gives 3 MB/s beside a store's work."""
_EARLY = 0.1
"""Share of a period by which looks come early, up to twice that, drawn for each target, so that
those that began together drift apart."""
_HUNDRED = 100

type _There = tuple[BackupSet, Copy]


def looks(facts: Facts, now: datetime) -> Iterable[Due]:
    """Levels 1 and 2, one order for a place: the deeper one has the other in it. What was read of
    network devices is at home where each reading compares it with the device."""
    own = () if facts.policy.method is Method.NETWORK else (facts.home,)
    for place in (*own, *facts.places):
        there = [
            (each, copy)
            for each in facts.catalog.sets
            for copy in each.copies
            if copy.location == place and copy.deleted is None and each.expired is None
        ]
        if there and not held(facts, Verb.VERIFY, now, location=place, again=_AGAIN):
            found = _look(facts, place, there, now)
            if found is not None:
                yield found


def parts_of(size: int, every: timedelta) -> int:
    """In how many parts ``size`` bytes are read, at most one for each day of the period but two."""
    return max(1, min(ceil(size / _PART), every.days - 2))


def _look(facts: Facts, place: str, there: list[_There], now: datetime) -> Due | None:
    first = min(copy.made for _backup, copy in there)
    bad = [copy for _backup, copy in there if copy.damaged or copy.doubts]
    found: Due | None = None
    for wanted in facts.policy.verify:
        if wanted.level > Level.READ:
            continue
        seen = (copy.seen(wanted.level) for _backup, copy in there if copy.usable)
        since = max((at for at in seen if at is not None), default=first)
        parts, begins = _turn(facts, place, there, wanted, since)
        harmed = wanted.level is Level.READ and bad and now - _last(facts, place) > _DAY
        if now >= begins or harmed:
            part = (now.toordinal() % parts + 1, parts)
            found = _made(facts, Verb.VERIFY, place, wanted.level, since=since, part=part)
    return found


def _turn(
    facts: Facts, place: str, there: list[_There], wanted: Verify, since: datetime
) -> tuple[int, datetime]:
    """In how many parts, and when it is due; the next part comes a day after the one before."""
    size = facts.sizes.get(place) or sum(backup.size for backup, _copy in there)
    parts = parts_of(size, wanted.every) if wanted.level is Level.READ else 1
    begins = since + wanted.every * (1 - _EARLY * (1 + _drawn(facts.target, place) / _HUNDRED))
    if parts > 1:
        before = _last(facts, place) + _DAY * (1 - _EARLY)
        begins = max(min(begins, since + wanted.every - _DAY * (parts + 1)), before)
    return parts, begins


def _last(facts: Facts, place: str) -> datetime:
    """When somebody read there the last time, however it came out."""
    ended = (
        each.ended
        for each in facts.catalog.runs
        if each.verb is Verb.VERIFY and each.location == place and each.level is Level.READ
    )
    return max((at for at in ended if at is not None), default=_EPOCH)


def rehearsals(facts: Facts, now: datetime) -> Iterable[Due]:
    """Levels 3 and 4, and the policy's own rehearsals: one order, as deep as any of them asks."""
    if not facts.catalog.sets or held(facts, Verb.DRILL, now, again=_DAY):
        return
    wanted = [(each.level, at) for each in facts.policy.verify for at in _overdue(facts, each, now)]
    if facts.policy.drill is not None and (at := _turn_of(facts, facts.policy.drill, now)):
        wanted.append((Level.PROVEN, at))
    there = in_places(facts.catalog, {facts.home, *facts.places})
    source = source_of(there) if wanted else None
    if isinstance(source, Source):
        level, since = max(level for level, _at in wanted), min(at for _level, at in wanted)
        sets = tuple(each.id for each in source.chain.sets)
        yield _made(facts, Verb.DRILL, source.places[0], level, since=since, sets=sets)


def _overdue(facts: Facts, wanted: Verify, now: datetime) -> Iterable[datetime]:
    if wanted.level <= Level.READ:
        return
    copies = [copy for each in facts.catalog.sets for copy in each.copies if copy.usable]
    seen = [at for at in (copy.seen(wanted.level) for copy in copies) if at is not None]
    since = max(seen, default=min((each.received for each in facts.catalog.sets), default=now))
    early = _EARLY * (1 + _drawn(facts.target) / _HUNDRED)
    # The first one does not wait for a whole period: nobody knows yet that it works at all.
    if (seen and now >= since + wanted.every * (1 - early)) or (
        not seen and now >= since + wanted.every * _drawn(facts.target) / _HUNDRED * (1 - early)
    ):
        yield since


def _turn_of(facts: Facts, drill: Drill, now: datetime) -> datetime | None:
    """When this target's turn began, if it has one in this period and was not rehearsed in it.

    Of a hundred targets ``sample`` have their turn in a period, the next ones in the next; a turn
    begins at the target's own place in the period.
    """
    period = drill.every * (1 - _EARLY)
    begins = _EPOCH + period * (_drawn(facts.target, "turn") / _HUNDRED)
    number = int((now - begins) / period)
    since = begins + period * number
    turn = (_drawn(facts.target) + number * drill.sample) % _HUNDRED < drill.sample
    rehearsed = any(each.began >= since and each.passed for each in facts.catalog.drills)
    return since if turn and not rehearsed else None


def _made(
    facts: Facts,
    verb: Verb,
    place: str,
    level: Level,
    *,
    since: datetime,
    part: tuple[int, int] = (1, 1),
    sets: tuple[str, ...] = (),
) -> Due:
    on = facts.readers.get(place, facts.target.host)
    near = place == facts.home or place in facts.local or on != facts.target.host
    return Due(
        target=facts.target,
        verb=verb,
        since=since,
        on=on,
        location=place,
        level=level,
        sets=sets,
        part=part,
        wan=not near,
        hub=facts.hub,
        line=facts.line,
        en=f"level {level.value} at {place}",
        zh=f"{place} 的 {level.value} 级验证",
    )


def _drawn(target: Target, more: str = "") -> int:
    """0-99, always the same for a target."""
    digest = hashlib.sha256(f"{target.name}@{more}".encode()).digest()
    return int.from_bytes(digest[:6], "big") % _HUNDRED
