# SPDX-License-Identifier: GPL-3.0-or-later
"""A host is not repaired again and again: a pause after each repair, and so many a day.

A repair that has to be made three times a day hides a fault that a person must find: the host is in
quarantine for this action until the day's count has gone down.
"""

from __future__ import annotations

from datetime import timedelta

from storewarden.domain.healing.history import PastRepair, newest_within
from storewarden.domain.healing.look import Look, Objection, escalate, put_off
from storewarden.domain.maintenance.words import duration

_SIX_HOURS = timedelta(hours=6)
_DAY = timedelta(hours=24)


def quarantine(look: Look) -> Objection | None:
    """ESCALATE for a host that this action has repaired too often."""
    known = _known(look)
    most = {
        _SIX_HOURS: _least(look.policy.per_6h, "per_6h", look),
        _DAY: _least(look.policy.per_24h, "per_24h", look),
    }
    for span, limit in most.items():
        made = len(newest_within(known, look.now - span))
        if made >= limit:
            host, name = look.host, look.action.name
            en = f"{host} had {made} repairs by {name} in {duration(span)}: quarantine"
            zh = f"{host} 在 {duration(span, 'zh')} 内已由 {name} 修复 {made} 次：隔离"
            return escalate("quarantine", en, zh)
    return None


def cooldown(look: Look) -> Objection | None:
    """WAIT until the pause after the last repair is over.

    An alert whose own run came to nothing is tried again (guard ``tries``): that is no new repair.
    """
    known = _known(look)
    if not known or look.occurrence.tries:
        return None
    last = known[-1].ended_at or known[-1].at
    until = last + _pause(look)
    if look.now >= until:
        return None
    name, host = look.action.name, look.host
    en = f"{name} was on {host} at {look.clock(last)}: cooldown until {look.clock(until)}"
    zh = f"{name} 于 {look.clock(last, 'zh')} 处理过 {host}：冷却至 {look.clock(until, 'zh')}"
    return put_off(look, "cooldown", until, en, zh)


def _known(look: Look) -> tuple[PastRepair, ...]:
    return look.world.history.of(look.host, look.action.name)


def _pause(look: Look) -> timedelta:
    wishes = (look.rule.limits.cooldown, look.action.limits.cooldown)
    return max(look.policy.cooldown, *(each for each in wishes if each is not None), timedelta())


def _least(own: int, name: str, look: Look) -> int:
    given = (look.rule.limits, look.action.limits)
    wishes: tuple[int | None, ...] = tuple(getattr(each, name) for each in given)
    return min(own, *(each for each in wishes if each is not None), own)
