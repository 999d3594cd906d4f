# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether work may begin on a device now, why, until when, and else when next.

Work may begin when a stretch of allowed time holds ``now`` and everything that it needs
(guide 12.1.2, 6.2.3; reference: rollouts, windows). The answer always says why, also when
it is yes, and names every year whose holidays are not official yet.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from storewarden.domain.estate.device import Device
from storewarden.domain.maintenance.almanac import Almanac, Base, Profile, whole_days
from storewarden.domain.maintenance.grounds import FORBIDS, Ground, OperationClass
from storewarden.domain.maintenance.interval import Interval, covering, first_fit, union
from storewarden.domain.maintenance.override import Objection, Override, objections
from storewarden.domain.maintenance.wallclock import wall_at

_HORIZONS = (21, 92, 400)  # days looked ahead, further only when nothing was found
_NONE = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """May ``operation`` be done on ``device``? It takes ``needs``, all of it included."""

    device: Device
    operation: OperationClass
    needs: timedelta = _NONE
    override: Override | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One ground, from the rule ``name`` in ``source``, holding from ``starts`` to ``ends``.

    ``detail`` is what the rule says for itself: opening hours, a zone, a year.
    """

    ground: Ground
    name: str = ""
    source: str = ""
    detail: str = ""
    starts: datetime | None = None
    ends: datetime | None = None
    objections: tuple[Objection, ...] = ()

    @property
    def guide(self) -> str:
        """The section of the guide that asks for it, empty when it is not the guide's."""
        return FORBIDS[self.ground].guide if self.ground in FORBIDS else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowDecision:
    """The answer. All times are UTC.

    ``reasons`` are those against when not allowed, those in favour when allowed.
    ``until`` is when it stops being allowed, None when that is more than 400 days away.
    ``next_start`` and ``next_end`` are the next stretch that is long enough, None when there
    is none in 400 days. ``hard_stop`` is when everything must be done or undone.
    ``provisional`` are the years that the answer stands on without official holidays;
    ``overridden`` are the reasons against that an override sets aside; ``notes`` say what
    had to be assumed.
    """

    allowed: bool
    reasons: tuple[Reason, ...]
    until: datetime | None = None
    next_start: datetime | None = None
    next_end: datetime | None = None
    hard_stop: datetime | None = None
    provisional: tuple[int, ...] = ()
    overridden: tuple[Reason, ...] = ()
    notes: tuple[Reason, ...] = ()


def judge(question: Question, almanac: Almanac, now: datetime) -> WindowDecision:
    """The decision for ``now``, which must have a zone."""
    now = now.astimezone(UTC)
    profile = almanac.profile(question.device, question.operation)
    here, following, span = _search(almanac, profile, now, question.needs)
    decision = WindowDecision(
        allowed=here is not None and now + question.needs <= here.ends,
        reasons=(),
        notes=_assumed(question.device, profile),
    )
    if decision.allowed and here is not None:
        decision = replace(
            decision,
            reasons=tuple(_in_favour(almanac, profile, now)),
            until=here.ends if here.ends < span.ends else None,
        )
    else:
        against = tuple(_against(almanac, profile, now, here))
        decision = _overridden(replace(decision, reasons=against), question, now)
        if not decision.allowed and following is not None:
            decision = replace(decision, next_start=following.starts, next_end=following.ends)
    return _finished(decision, almanac, question, now)


def hard_stop(
    device: Device, almanac: Almanac, now: datetime, closes: datetime | None
) -> datetime | None:
    """Half an hour before the store opens next; ``closes`` when it is open or never opens.

    Work in flight when its window closes is verified until then and undone after it.
    """
    now = now.astimezone(UTC)
    opening = almanac.opening(device, whole_days(now, _HORIZONS[0]))
    if covering(opening, now) is not None:
        return closes
    later = next((each.starts for each in opening if each.starts > now), None)
    return closes if later is None else max(now, later - almanac.calendar.house.hard_stop)


def _search(
    almanac: Almanac, profile: Profile, now: datetime, needs: timedelta
) -> tuple[Interval | None, Interval | None, Interval]:
    """The allowed stretch that holds ``now``, the next one long enough, how far was looked."""
    for days in _HORIZONS:
        span = whole_days(now, days)
        allowed = almanac.allowed(profile, span)
        here = covering(allowed, now)
        fits = first_fit(allowed, now, needs)
        if fits is not None and fits.ends < span.ends:
            break
    return here, fits, span


def _against(
    almanac: Almanac, profile: Profile, now: datetime, here: Interval | None
) -> Iterator[Reason]:
    """Why not at ``now``; where a stretch is only too short, also what ends it."""
    if here is not None:
        yield Reason(ground=Ground.TOO_SHORT, starts=here.starts, ends=here.ends)
    moment = now if here is None else here.ends
    span = whole_days(moment, _HORIZONS[0])
    yield from _rules_at(almanac, profile.blackouts, profile, (moment, span))
    yield from _hours_against(almanac, profile, moment, span)
    no_window = covering(almanac.base(profile, span), moment) is None
    if here is None and profile.base is Base.WINDOWS and no_window:
        names = ", ".join(almanac.rules[index].name for index in profile.windows)
        yield Reason(ground=Ground.NO_WINDOW, detail=names)


def _rules_at(
    almanac: Almanac,
    indexes: tuple[int, ...],
    profile: Profile,
    place: tuple[datetime, Interval],
) -> Iterator[Reason]:
    """Those of the rules that hold at a moment, looked for in the span around it."""
    moment, span = place
    for index in indexes:
        hit = covering(almanac.stretches(index, profile, span), moment)
        if hit is not None:
            rule = almanac.rules[index]
            yield Reason(
                ground=rule.kind.ground,
                name=rule.name,
                source=rule.source,
                detail=rule.note,
                starts=hit.starts,
                ends=hit.ends,
            )


def _hours_against(
    almanac: Almanac, profile: Profile, now: datetime, span: Interval
) -> Iterator[Reason]:
    """The grounds of the day that forbid the class; both of them where no window is defined."""
    texts = {
        Ground.OPENING_HOURS: profile.hours.text,
        Ground.FORBIDDEN_HOURS: almanac.calendar.house.forbidden_hours.text,
    }
    for ground, text in texts.items():
        hit = covering(almanac.trading(ground, profile, span), now)
        if hit is not None and ground in profile.closed:
            yield Reason(ground=ground, detail=text, starts=hit.starts, ends=hit.ends)
    if profile.base is Base.QUIET:
        hit = covering(union(*(almanac.trading(each, profile, span) for each in texts)), now)
        if hit is not None:
            detail = ", ".join(dict.fromkeys(texts.values()))
            yield Reason(ground=Ground.BUSY_HOURS, detail=detail, starts=hit.starts, ends=hit.ends)


def _in_favour(almanac: Almanac, profile: Profile, now: datetime) -> Iterator[Reason]:
    if profile.base is Base.ALWAYS:
        yield Reason(ground=Ground.ALWAYS)
    elif profile.base is Base.QUIET:
        yield Reason(ground=Ground.QUIET_HOURS)
    else:
        span = whole_days(now, _HORIZONS[0])
        yield from _rules_at(almanac, profile.windows, profile, (now, span))


def _overridden(decision: WindowDecision, question: Question, now: datetime) -> WindowDecision:
    override = question.override
    if override is None:
        return decision
    found = objections(override, now, question.needs)
    if found:
        invalid = Reason(ground=Ground.OVERRIDE_INVALID, objections=found)
        return replace(decision, reasons=(*decision.reasons, invalid))
    people = ", ".join(sorted(set(override.people) - {override.requester}))
    expires = override.expires.astimezone(UTC)
    yes = Reason(ground=Ground.OVERRIDE, name=people, detail=override.reason, ends=expires)
    return replace(
        decision, allowed=True, reasons=(yes,), until=expires, overridden=decision.reasons
    )


def _assumed(device: Device, profile: Profile) -> tuple[Reason, ...]:
    notes = []
    if not device.tz:
        notes.append(Reason(ground=Ground.ZONE_ASSUMED, name=device.name, detail=profile.zone))
    if device.hours is None:
        text = profile.hours.text
        notes.append(Reason(ground=Ground.HOURS_ASSUMED, name=device.name, detail=text))
    return tuple(notes)


def _finished(
    decision: WindowDecision, almanac: Almanac, question: Question, now: datetime
) -> WindowDecision:
    stop = hard_stop(question.device, almanac, now, decision.until) if decision.allowed else None
    last = decision.until or decision.next_start or now
    years = _provisional(almanac, question, (now, last))
    notes = tuple(Reason(ground=Ground.PROVISIONAL, detail=str(year)) for year in years)
    return replace(decision, hard_stop=stop, provisional=years, notes=(*decision.notes, *notes))


def _provisional(
    almanac: Almanac, question: Question, moments: tuple[datetime, datetime]
) -> tuple[int, ...]:
    """Years without official holidays that the answer reaches into."""
    device = question.device
    zone = ZoneInfo(device.tz or almanac.calendar.house.zone)
    first, last = (wall_at(moment, zone).year for moment in moments)
    classes = almanac.classes(device, question.operation)
    return tuple(
        sorted(
            {
                each.year
                for each in almanac.calendar.provisional
                if first <= each.year <= last
                and each.operations & classes
                and each.scope.covers(device)
            }
        )
    )
