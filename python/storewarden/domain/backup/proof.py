# SPDX-License-Identifier: GPL-3.0-or-later
"""The 3-2-1 proof of one set: three copies, two media, one far away (guide 1.6.3).

Only copies that somebody has looked at count. Two places that the same credentials can empty fall
together, so they are one copy. The proof names every term and the one that fails.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from storewarden.domain.backup.catalog import BackupSet, Copy, Location
from storewarden.domain.backup.policy import Level

COPIES = 3  # guide 1.6.3
MEDIA = 2  # guide 1.6.3
AWAY_KM = 50.0  # guide 1.6.3

_EARTH_KM = 6371.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One term of the proof, with what was found."""

    name: str
    holds: bool
    en: str
    zh: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """All terms. ``counted`` are the copies that count, ``left_out`` the others with the reason."""

    set: str
    terms: tuple[Term, ...]
    counted: tuple[str, ...]
    left_out: Mapping[str, str]
    wanted: int = COPIES

    @property
    def holds(self) -> bool:
        """Whether every term does."""
        return all(each.holds for each in self.terms)

    @property
    def failing(self) -> tuple[Term, ...]:
        """The terms that do not hold."""
        return tuple(each for each in self.terms if not each.holds)


def proof_of(
    backup: BackupSet,
    locations: Mapping[str, Location],
    now: datetime,
    *,
    within: timedelta,
) -> Proof:
    """The proof of a set; a copy counts when its level was seen ``within`` this time."""
    left_out: dict[str, str] = {}
    good: list[Location] = []
    for copy in backup.copies:
        where = locations.get(copy.location)
        why = _against(copy, where, now, within)
        if why or where is None:
            left_out[copy.location] = why
        else:
            good.append(where)
    kinds: dict[str, Location] = {}
    # Of places that fall together the one stands for all of which most is known.
    for each in sorted(good, key=lambda one: one.point is None):
        first = kinds.setdefault(_same(each.credentials), each)
        if first is not each:
            left_out[each.name] = f"the credentials that empty {first.name} empty it, too"
    counted = tuple(kinds.values())
    media = tuple({_same(each.medium): each.medium for each in counted}.values())
    far = _farthest(counted)
    return Proof(
        set=backup.id,
        terms=(_copies(len(counted)), _media(media), _away(far)),
        counted=tuple(each.name for each in counted),
        left_out=left_out,
    )


def distance_km(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Great-circle distance of two points (latitude, longitude in degrees)."""
    (lat1, lon1), (lat2, lon2) = ((math.radians(a), math.radians(b)) for a, b in (one, other))
    part = math.sin((lat2 - lat1) / 2) ** 2
    part += math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    return 2 * _EARTH_KM * math.asin(min(1.0, math.sqrt(part)))


def _against(copy: Copy, where: Location | None, now: datetime, within: timedelta) -> str:
    if copy.deleted is not None:
        return "it was deleted"
    if copy.damaged:
        return f"it is damaged: {copy.damaged}"
    return f"in doubt: {copy.doubt.why}" if copy.doubt else _unseen(copy, where, now, within)


def _unseen(copy: Copy, where: Location | None, now: datetime, within: timedelta) -> str:
    if where is None:
        return "nobody knows this place"
    seen = copy.seen(Level.PRESENT)
    if seen is None:
        return "nobody has looked whether it is there"
    if now - seen > within:
        return f"it was last looked at {(now - seen).days} days ago"
    return ""


def _same(word: str) -> str:
    """People write one thing in several ways."""
    return " ".join(word.casefold().split())


def _copies(found: int) -> Term:
    return Term(
        name="copies",
        holds=found >= COPIES,
        en=f"{found} of {COPIES} copies that fall separately",
        zh=f"相互独立的副本 {found}/{COPIES} 份",
    )


def _media(found: tuple[str, ...]) -> Term:
    told = ", ".join(found) or "-"
    return Term(
        name="media",
        holds=len(found) >= MEDIA,
        en=f"{len(found)} of {MEDIA} media: {told}",
        zh=f"介质 {len(found)}/{MEDIA} 种：{told}",
    )


def _away(far: float | None) -> Term:
    told, told_zh = "no two places have known coordinates", "没有两个已知坐标的地点"
    if far is not None:
        told, told_zh = f"farthest copy {far:.0f} km away", f"最远副本距离 {far:.0f} 公里"
    return Term(
        name="off-site",
        holds=far is not None and far >= AWAY_KM,
        en=f"{told}, {AWAY_KM:.0f} km are wanted",
        zh=f"{told_zh}，要求 {AWAY_KM:.0f} 公里",
    )


def _farthest(places: tuple[Location, ...]) -> float | None:
    points = [each.point for each in places if each.point is not None]
    far = [
        distance_km(one, other)
        for number, one in enumerate(points)
        for other in points[number + 1 :]
    ]
    return max(far, default=None)
