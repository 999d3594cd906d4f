# SPDX-License-Identifier: GPL-3.0-or-later
"""What windows say to each store of a rollout, worked out once for all stores that are alike.

A store may begin when every host of it that the rollout works on may; it closes with the first of
them. Ten thousand stores have a handful of profiles between them, so a tick asks the calendar a
handful of questions, whatever the size of the fleet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from storewarden.domain.change.overriding import override_of
from storewarden.domain.change.record import Change, Kind
from storewarden.domain.estate.device import Device
from storewarden.domain.maintenance.almanac import Almanac, Profile
from storewarden.domain.maintenance.grounds import Ground, OperationClass
from storewarden.domain.maintenance.interval import Interval, Intervals, intersection
from storewarden.domain.maintenance.judge import Question, WindowDecision, hard_stop, judge
from storewarden.domain.maintenance.words import refusal
from storewarden.domain.rollout.facts import StoreWindow
from storewarden.flows.rollout_change import outside

_KEPT = timedelta(minutes=10)
"""How long an almanac is trusted: calendars are files that people edit."""


@dataclass(slots=True)
class _Known:
    """An almanac, since when, and the profiles of devices by what they were asked for."""

    almanac: Almanac
    since: datetime
    profiles: dict[tuple[str, OperationClass], tuple[Device, Profile]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Round:
    """One round of questions: the same for all stores, with the answers so far."""

    change: Change
    operation: OperationClass
    needs: timedelta
    now: datetime
    zone: ZoneInfo  # the site's: of the change's own window
    answers: dict[Profile, WindowDecision] = field(default_factory=dict)


class StoreWindows:
    """Asks windows for stores; remembers what devices have in common."""

    def __init__(self, almanac: Callable[[], Almanac]) -> None:
        """``almanac`` reads the calendars anew."""
        self._read = almanac
        self._known: _Known | None = None

    def of(
        self,
        stores: Mapping[str, Sequence[Device]],
        change: Change,
        asked: tuple[OperationClass, timedelta],
        now: datetime,
    ) -> dict[str, StoreWindow]:
        """Per store whether work of ``asked`` (class, time it needs) may begin at ``now``."""
        known = self._fresh(now)
        zone = ZoneInfo(known.almanac.calendar.house.zone)
        question = _Round(change=change, operation=asked[0], needs=asked[1], now=now, zone=zone)
        found = {}
        for store, devices in stores.items():
            answered = self._answers(known, devices, question)
            found[store] = _within(_strictest(known.almanac, answered, now), question)
        return found

    def traded(self, devices: Iterable[Device], since: datetime, now: datetime) -> timedelta:
        """How long the store that was open least has been open; stores that never open do not
        count, and where none ever opens it is the time on the clock."""
        almanac = self._fresh(now).almanac
        if now <= since:
            return timedelta(0)
        seen: dict[tuple[object, str], timedelta] = {}
        for device in devices:
            if device.hours is not None and not device.hours.spans:
                continue  # it never opens: a data room, an office
            key = (device.hours, device.tz)
            if key not in seen:
                seen[key] = _open_for(almanac, device, Interval(starts=since, ends=now))
        return min(seen.values(), default=now - since)

    def _fresh(self, now: datetime) -> _Known:
        if self._known is None or not timedelta(0) <= now - self._known.since < _KEPT:
            self._known = _Known(self._read(), now)
        return self._known

    def _answers(
        self, known: _Known, devices: Sequence[Device], round_: _Round
    ) -> list[tuple[Device, WindowDecision]]:
        found = []
        for device in devices:
            profile = self._profile(known, device, round_.operation)
            if profile not in round_.answers:
                question = Question(
                    device=device,
                    operation=round_.operation,
                    needs=round_.needs,
                    override=override_of(round_.change),
                )
                round_.answers[profile] = judge(question, known.almanac, round_.now)
            found.append((device, round_.answers[profile]))
        return found

    def _profile(self, known: _Known, device: Device, operation: OperationClass) -> Profile:
        kept = known.profiles.get((device.name, operation))
        if kept is None or kept[0] is not device:
            kept = (device, known.almanac.profile(device, operation))
            known.profiles[device.name, operation] = kept
        return kept[1]


def _open_for(almanac: Almanac, device: Device, span: Interval) -> timedelta:
    stretches: Intervals = intersection(almanac.opening(device, span), (span,))
    return sum((each.length for each in stretches), timedelta(0))


def _strictest(
    almanac: Almanac, answers: Sequence[tuple[Device, WindowDecision]], now: datetime
) -> StoreWindow:
    """All of them together. What is under way in a store has its hard stop, allowed or not."""
    if not answers:
        return StoreWindow(
            allowed=False, reason="no longer in the inventory", reason_zh="已不在清单中"
        )
    stop = _first(_stop(almanac, device, each, now) for device, each in answers)
    closes = _first(_closing(each) for _device, each in answers)
    against = [(device, each) for device, each in answers if not each.allowed]
    if not against:
        return StoreWindow(allowed=True, closes=closes, hard_stop=stop)
    nexts = [each.next_start for _device, each in against]
    known = [each for each in nexts if each is not None]
    device, first = against[0]
    zone = ZoneInfo(device.tz or almanac.calendar.house.zone)
    return StoreWindow(
        allowed=False,
        reason=f"{device.name}: {refusal(first, zone)}",
        reason_zh=f"{device.name}：{refusal(first, zone, 'zh')}",
        closes=closes,
        hard_stop=stop,
        opens=max(known) if len(known) == len(nexts) else None,
    )


def _first(moments: Iterable[datetime | None]) -> datetime | None:
    return min((each for each in moments if each is not None), default=None)


def _closing(answer: WindowDecision) -> datetime | None:
    """When the time that is allowed now ends; None when it is closed, or never closes."""
    if answer.allowed:
        return answer.until
    short = (each for each in answer.reasons if each.ground is Ground.TOO_SHORT)
    return next((each.ends for each in short), None)


def _stop(
    almanac: Almanac, device: Device, answer: WindowDecision, now: datetime
) -> datetime | None:
    """When work in flight must be done or undone. A store that is open although nothing is
    allowed there has passed it."""
    if answer.allowed:
        return answer.hard_stop
    if device.hours is not None and device.tz:
        local = now.astimezone(ZoneInfo(device.tz))
        if device.hours.open_at(local):
            return now
    return hard_stop(device, almanac, now, _closing(answer))


def _within(window: StoreWindow, round_: _Round) -> StoreWindow:
    """The same, inside of the change's own window; an emergency has none."""
    own, now = round_.change.draft.window, round_.now
    if own is None or round_.change.draft.kind is Kind.EMERGENCY:
        return window
    closes = _first((window.closes, own.ends))
    stop = _first((window.hard_stop, max(own.ends, now)))
    window = replace(window, closes=closes, hard_stop=stop)
    if not window.allowed or (now >= own.starts and now + round_.needs <= own.ends):
        return window
    why, why_zh = outside(own, now, round_.zone)
    return replace(
        window,
        allowed=False,
        reason=why or "too little is left of the change's own window",
        reason_zh=why_zh or "变更自身的窗口剩余时间不足",
        opens=own.starts if now < own.starts else None,
    )
