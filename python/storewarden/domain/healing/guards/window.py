# SPDX-License-Identifier: GPL-3.0-or-later
"""When work is allowed, by its class: what is down may be repaired at noon, what works may not.

A class that windows care about must have an open one; and what takes something from people who may
be using it is not done by day, whatever windows say (guide 12.1.2; guard rails, "Windows").
"""

from __future__ import annotations

from datetime import datetime

from storewarden.domain.healing.action import HealAction
from storewarden.domain.healing.look import Look, Objection, put_off
from storewarden.domain.healing.policy import HealPolicy
from storewarden.domain.healing.world import Said
from storewarden.domain.maintenance.grounds import NEEDS_WINDOW, OperationClass
from storewarden.domain.maintenance.words import operation_name


def window(look: Look) -> Objection | None:
    """WAIT for a window that opens soon, else a person is called."""
    answer = look.world.windows(look.host, look.operation)
    if answer.allowed:
        return None
    opens = answer.opens or look.stale_at
    name, name_zh = operation_name(look.operation), operation_name(look.operation, "zh")
    en = f"{name} is not allowed now: {answer.reason.en}{_next(look, answer.opens)}"
    zh = f"现在不允许{name_zh}：{answer.reason.zh}{_next(look, answer.opens, 'zh')}"
    return put_off(look, "window", opens, en, zh)


def daytime(look: Look) -> Objection | None:
    """WAIT until the evening for what disturbs; a service that is down may be repaired any time."""
    wall = look.now.astimezone(look.zone)
    found = by_day(look.action, look.operation, look.policy, wall)
    if found is None:
        return None
    end = datetime.combine(wall.date(), look.policy.busy_to, tzinfo=look.zone)
    return put_off(look, "daytime", end.astimezone(look.now.tzinfo), found.en, found.zh)


def by_day(
    action: HealAction, operation: OperationClass, policy: HealPolicy, wall: datetime
) -> Said | None:
    """Why an action must not do such work now, when it is ``wall`` in the store."""
    if not action.disruptive or operation not in NEEDS_WINDOW:
        return None
    if not policy.busy_from <= wall.time() < policy.busy_to:
        return None
    span, name = f"{policy.busy_from:%H:%M}-{policy.busy_to:%H:%M}", action.name
    return Said(
        en=f"{name} disturbs, and it is {wall:%H:%M} in the store: not between {span}",
        zh=f"{name} 会影响使用，门店当前时间 {wall:%H:%M}：{span} 期间不执行",
    )


def _next(look: Look, opens: datetime | None, language: str = "en") -> str:
    if opens is None:
        return "；暂无后续窗口" if language == "zh" else "; none opens"
    at = look.clock(opens, language)
    return f"；下次 {at}" if language == "zh" else f"; next {at}"
