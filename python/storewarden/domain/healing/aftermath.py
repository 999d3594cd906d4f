# SPDX-License-Identifier: GPL-3.0-or-later
"""What a repair's end, and each look at the alert afterwards, mean for an occurrence.

A host that says it is well is not believed alone: the alert's own expression has to be quiet twice
in a row. Who cannot be asked is not quiet. Where monitoring cannot see the fault (``verify: host``)
the host's own word is the first of the two looks, and the second one is passed unless the sender
says that the alert fires. What was not verified in time goes to a person, and so does everything
that nobody knows the end of, unless the action may be done twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from storewarden.domain.healing.action import VerifyBy
from storewarden.domain.healing.events import Moved
from storewarden.domain.healing.record import End, HostEnd, Occurrence, Stage

POLL = timedelta(seconds=30)  # between two looks (guard rails, "Verify")
WITHIN = timedelta(minutes=10)  # for as long at most (guard rails, "Verify")
LOOKS = 2  # consecutive quiet ones (guard rails, "Verify")
TRIES = 2  # the first, and one more of an idempotent action (guard rails, "Crash")

_WELL = frozenset({End.REPAIRED, End.HEALTHY})


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What verification asks for; the defaults are the guard rails'."""

    poll: timedelta = POLL
    within: timedelta = WITHIN
    looks: int = LOOKS
    tries: int = TRIES


_SAID: Mapping[End, tuple[str, str]] = {
    End.NOT_WELL: ("it was repaired and is not well", "已修复但仍不正常"),
    End.FAILED: ("the repair failed", "修复失败"),
    End.ESCALATE: ("the action leaves it to a person", "该操作须由人员处理"),
    End.UNREACHABLE: ("the host cannot be reached", "主机无法连接"),
    End.LOOKED: ("it was only looked at", "仅做了检查"),
    End.UNKNOWN: ("nobody knows how the repair came out", "无法得知修复结果"),
    End.NOT_BEGUN: ("the repair was not begun", "修复未开始"),
}


TRIED = "tried"
"""Key of a HostEnd's detail: its run was there, and came to nothing. Who was not begun for any
other reason has had no try."""


def after_repair(
    occurrence: Occurrence,
    end: HostEnd,
    now: datetime,
    *,
    idempotent: bool,
    terms: Terms,
    by: VerifyBy = VerifyBy.ALERT,
) -> Moved:
    """Where an occurrence goes when its host's repair has ended."""
    if end.end in _WELL:
        believed = by is VerifyBy.HOST
        # The first look is now: a monitor that is quick is believed at once.
        due = now + terms.poll if believed else now
        reason, reason_zh = (
            end.reason or "the host says it is well",
            end.reason_zh or "主机自检正常",
        )
        return Moved(
            stage=Stage.VERIFYING, reason=reason, reason_zh=reason_zh, due=due, good=int(believed)
        )
    again = end.end is End.NOT_BEGUN or (end.end is End.UNKNOWN and idempotent)
    free = end.end is End.NOT_BEGUN and not end.detail.get(TRIED)
    reason, reason_zh = _because(end)
    if free or (again and occurrence.tries < terms.tries):
        return Moved(
            stage=Stage.WAITING,
            reason=f"{reason}; it is decided anew",
            reason_zh=f"{reason_zh}；将重新判定",
            due=now + terms.poll,
            free=free,
        )
    return Moved(stage=Stage.ESCALATED, reason=reason, reason_zh=reason_zh)


def after_look(
    occurrence: Occurrence,
    holds: bool | None,
    now: datetime,
    terms: Terms,
    by: VerifyBy = VerifyBy.ALERT,
) -> Moved:
    """Where an occurrence goes after one look at its alert: ``holds`` True while it fires."""
    since = occurrence.since or now
    unseen = holds is None and by is VerifyBy.HOST
    good = occurrence.good + 1 if holds is False or unseen else 0
    if good >= terms.looks and unseen:
        return Moved(
            stage=Stage.HEALED,
            reason="the host says that it is well, and no alert speaks against it",
            reason_zh="主机自检正常，且没有告警与之矛盾",
            good=good,
        )
    if good >= terms.looks:
        return Moved(
            stage=Stage.HEALED,
            reason=f"the alert was quiet {good} times in a row",
            reason_zh=f"告警连续 {good} 次检查均已恢复",
            good=good,
        )
    if now - since >= terms.within:
        return _unverified(holds, terms)
    return Moved(
        stage=Stage.VERIFYING,
        reason="quiet" if good else "not quiet yet" if holds else "nobody could be asked",
        reason_zh="已恢复" if good else "尚未恢复" if holds else "无法查询",
        due=min(now + terms.poll, since + terms.within),
        good=good,
    )


def _unverified(holds: bool | None, terms: Terms) -> Moved:
    minutes = int(terms.within.total_seconds()) // 60
    if holds is None:
        en, zh = "nobody could be asked about the alert", "无法查询告警状态"
    else:
        en, zh = "the alert is not quiet", "告警未恢复"
    return Moved(
        stage=Stage.ESCALATED,
        reason=f"{en} {minutes} min after the repair",
        reason_zh=f"修复后 {minutes} 分钟，{zh}",
    )


def _because(end: HostEnd) -> tuple[str, str]:
    en, zh = _SAID[end.end]
    return (
        f"{en}: {end.reason}" if end.reason else en,
        f"{zh}：{end.reason_zh or end.reason}" if end.reason_zh or end.reason else zh,
    )
