# SPDX-License-Identifier: GPL-3.0-or-later
"""What windows and opening hours say to a change: may it start now, and when would it fit.

All its hosts have to be allowed at once, so the strictest of them decides. An emergency is
never stopped by an inventory or a calendar that cannot be read: it acts first. An override
that the change carries is judged with it; where it sets a "no" aside, the answer says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from storewarden.domain.change.commands import Circumstances
from storewarden.domain.change.overriding import override_of, override_told
from storewarden.domain.change.record import Change, Draft, Kind, Span
from storewarden.domain.errors import StorewardenError
from storewarden.domain.estate.device import Device
from storewarden.domain.maintenance.almanac import Almanac
from storewarden.domain.maintenance.grounds import OperationClass
from storewarden.domain.maintenance.judge import Question, WindowDecision, judge
from storewarden.domain.maintenance.words import moment, refusal

_TRIES = 500  # windows looked at until one fits all hosts
_LONGEST = timedelta(hours=24)  # of a window that nobody ends
_SHOWN = 3  # groups of hosts named in a refusal


class ChangeWindows:
    """The ``JudgeStart`` and the ``NextWindow`` of a site."""

    def __init__(
        self, devices: Callable[[], Sequence[Device]], almanac: Callable[[], Almanac]
    ) -> None:
        """``devices`` are the whole estate; ``almanac`` is made anew for every question."""
        self._devices = devices
        self._almanac = almanac

    def judge_start(
        self, change: Change, now: datetime, needs: timedelta = timedelta(0)
    ) -> Circumstances:
        """Why it may not start now, and which of its stores trade at this moment.

        ``needs`` is how long the work that begins now takes, where that is known.
        """
        try:
            return self._judged(change, now, needs)
        except StorewardenError:
            if change.draft.kind is Kind.EMERGENCY:
                return Circumstances()
            raise

    def next_window(self, draft: Draft, needs: timedelta, now: datetime) -> Span | None:
        """The first span from ``now`` on in which ``needs`` fits on every host."""
        almanac, operation = self._almanac(), operation_of(draft)
        sample = _different(self._of(item.host for item in draft.items), almanac, operation)
        starts = now
        for _ in range(_TRIES):
            asked = [Question(device=each, operation=operation, needs=needs) for each in sample]
            found = [judge(question, almanac, starts) for question in asked]
            late = [decision for decision in found if not decision.allowed]
            if not late:
                until = [each.until for each in found if each.until] or [starts + _LONGEST]
                return Span(starts=starts, ends=max(min(until), starts + needs))
            nexts = [each.next_start for each in late]
            if any(each is None or each <= starts for each in nexts):
                return None
            starts = max(each for each in nexts if each is not None)
        return None

    def _judged(self, change: Change, now: datetime, needs: timedelta) -> Circumstances:
        almanac, operation = self._almanac(), operation_of(change.draft)
        devices = self._of(iter(change.hosts))
        gone = sorted(set(change.hosts) - {device.name for device in devices})
        if gone and change.draft.kind is not Kind.EMERGENCY:
            return Circumstances(
                forbidden=f"no longer in the inventory: {', '.join(gone[:_SHOWN])}",
                hint="its items were frozen when it was opened; open a new change",
            )
        answers = []
        for members in _alike(devices, almanac, operation):
            asked = Question(
                device=members[0], operation=operation, needs=needs, override=override_of(change)
            )
            answers.append((members, judge(asked, almanac, now)))
        against = [(members, answer) for members, answer in answers if not answer.allowed]
        trading = tuple(sorted({each.store or each.name for each in devices if _open(each, now)}))
        if not against:
            aside = [(members, each) for members, each in answers if each.overridden]
            return Circumstances(trading=trading, override=_aside(change, aside, almanac))
        reasons = [_told(members, answer, almanac) for members, answer in against[:_SHOWN]]
        return Circumstances(
            forbidden="; ".join(reasons),
            hint=_when([answer for _members, answer in against], almanac),
            trading=trading,
        )

    def _of(self, hosts: Iterator[str]) -> tuple[Device, ...]:
        wanted = set(hosts)
        return tuple(device for device in self._devices() if device.name in wanted)


def fitting(around: Circumstances, span: Span | None, now: datetime, zone: tzinfo) -> Circumstances:
    """The circumstances of a start whose work takes so long that ``span`` is the first time in
    which it fits. What was overridden or forbidden anyway stays as it is."""
    if around.forbidden or around.override or (span is not None and span.starts <= now):
        return around
    hint = f"wait until {moment(span.starts, zone)}" if span else "no window in the next 400 days"
    return replace(around, forbidden="the work does not fit before the windows close", hint=hint)


def operation_of(draft: Draft) -> OperationClass:
    """The class that windows look at; work of no named class counts as configuration."""
    if draft.kind is Kind.EMERGENCY:
        return OperationClass.EMERGENCY
    return OperationClass(draft.operation) if draft.operation else OperationClass.CONFIGURATION


def _alike(
    devices: Sequence[Device], almanac: Almanac, operation: OperationClass
) -> list[list[Device]]:
    """Devices that windows treat alike, together: thousands of hosts are a few profiles."""
    groups: dict[object, list[Device]] = {}
    for device in devices:
        groups.setdefault(almanac.profile(device, operation), []).append(device)
    return list(groups.values())


def _different(
    devices: Sequence[Device], almanac: Almanac, operation: OperationClass
) -> list[Device]:
    return [members[0] for members in _alike(devices, almanac, operation)]


def _open(device: Device, now: datetime) -> bool:
    """Whether the device's store is open; one without hours or zone cannot be told."""
    if device.hours is None or not device.tz:
        return False
    return device.hours.open_at(now.astimezone(ZoneInfo(device.tz)))


def _aside(
    change: Change, aside: Sequence[tuple[Sequence[Device], WindowDecision]], almanac: Almanac
) -> str:
    """Who set which "no" aside, and why; "" when there was none."""
    override = override_of(change)
    if override is None or not aside:
        return ""
    reasons = [
        _told(members, replace(answer, reasons=answer.overridden), almanac)
        for members, answer in aside[:_SHOWN]
    ]
    return f"{override_told(override)}; set aside: {'; '.join(reasons)}"


def _told(members: Sequence[Device], answer: WindowDecision, almanac: Almanac) -> str:
    more = f" and {len(members) - 1} more" if len(members) > 1 else ""
    zone = ZoneInfo(members[0].tz or almanac.calendar.house.zone)
    return f"{members[0].name}{more}: {refusal(answer, zone)}"


def _when(against: Sequence[WindowDecision], almanac: Almanac) -> str:
    """When the last of them will be allowed, as far as that is known."""
    nexts = [answer.next_start for answer in against]
    if any(each is None for each in nexts):
        return "no window in the next 400 days"
    latest = max(each for each in nexts if each is not None)
    return f"wait until {moment(latest, ZoneInfo(almanac.calendar.house.zone))}"
