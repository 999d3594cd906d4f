# SPDX-License-Identifier: GPL-3.0-or-later
"""How many hosts an action may touch in ten minutes, an hour and a day."""

from __future__ import annotations

from datetime import timedelta
from math import floor

from storewarden.domain.healing.look import Look, Objection, put_off
from storewarden.domain.healing.policy import HealPolicy
from storewarden.domain.maintenance.words import duration

_TEN_MINUTES = timedelta(minutes=10)
_HOUR = timedelta(hours=1)
_DAY = timedelta(hours=24)


def rate(look: Look) -> Objection | None:
    """WAIT until the action has places again."""
    name = look.action.name
    for span, limit in limits(len(look.world.devices), look.policy).items():
        spent = look.tally.spent(name, span)
        made = len(spent) + look.tally.given(name)
        if made < limit:
            continue
        # The place that is free next is that of the oldest repair that counts.
        over = len(spent) - limit
        oldest = spent[max(over, 0)].at if spent else look.now
        en = f"{name} had {made} hosts in {duration(span)}, at most {limit}"
        zh = f"{name} 在 {duration(span, 'zh')} 内已处理 {made} 台，上限 {limit} 台"
        return put_off(look, "rate", oldest + span, en, zh)
    return None


def limits(fleet: int, policy: HealPolicy) -> dict[timedelta, int]:
    """Span -> hosts that one action may touch, in an estate of ``fleet`` hosts."""
    hour = max(policy.hosts_hour, floor(policy.share_hour * fleet))
    day = max(policy.hosts_day, floor(policy.share_day * fleet))
    return {_TEN_MINUTES: policy.hosts_10min, _HOUR: hour, _DAY: day}
