# SPDX-License-Identifier: GPL-3.0-or-later
"""An alert that is over needs nothing: nobody repairs what is well."""

from __future__ import annotations

from storewarden.domain.healing.alert import Signal
from storewarden.domain.healing.look import Objection
from storewarden.domain.healing.record import Occurrence, Reason, Verdict
from storewarden.domain.healing.world import Recheck, World

_NEVER = ("it was over when it was first heard of", "首次收到时已恢复")
_ENDED = ("its sender says that it is over", "发送方已报告恢复")
_NOTED = ("it is an acknowledgement, not a new fault", "这是确认消息，不是新的故障")
_QUIET = ("asked again, its sender knows nothing of it any more", "再次查询时发送方已无此告警")


def over(occurrence: Occurrence, world: World) -> Objection | None:
    """DROP for what is over, or was never a fault."""
    said = _over(occurrence, world)
    if said is None:
        return None
    return Objection(verdict=Verdict.DROP, reason=Reason(guard="over", en=said[0], zh=said[1]))


def _over(occurrence: Occurrence, world: World) -> tuple[str, str] | None:
    ended = occurrence.resolved_at
    if ended is not None:
        return _NEVER if ended <= occurrence.received_at else _ENDED
    if occurrence.alert.signal is Signal.RESOLVED:
        return _NEVER
    if occurrence.alert.signal is Signal.NOTED:
        return _NOTED
    quiet = world.rechecks.get(occurrence.key) is Recheck.QUIET
    return _QUIET if quiet else None
