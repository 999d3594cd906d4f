# SPDX-License-Identifier: GPL-3.0-or-later
"""One line of an incident's story, in both languages."""

from __future__ import annotations

from storewarden.domain.healing.incident_events import (
    Answered,
    Breached,
    Clock,
    Closed,
    Disputed,
    Happening,
    Joined,
    Mirrored,
    Noted,
    Opened,
    Solved,
    Traced,
    Warned,
)

_CLOCKS = {Clock.ANSWER: "响应", Clock.SOLVE: "解决"}


def words_of(what: Happening) -> tuple[str, str]:
    """One line of the story, English and Chinese."""
    if isinstance(what, Opened):
        said = what.summary
        return (said.en, said.zh) if said else (f"{what.name} was opened", f"{what.name} 已建立")
    if isinstance(what, Noted):
        return what.en, what.zh
    if isinstance(what, Warned):
        clock = what.clock
        return f"time to {clock.value} is running out", f"{_CLOCKS[clock]}时限即将到期"
    if isinstance(what, Breached):
        return f"not in time: {what.clock.value}", f"{_CLOCKS[what.clock]}超时"
    return _work_words(what)


def _work_words(what: Happening) -> tuple[str, str]:
    if isinstance(what, Joined):
        many = len(what.occurrences)
        return f"{many} more alerts of the same fault", f"同一故障新增 {many} 条告警"
    if isinstance(what, Answered):
        by = what.repair
        return (f"repair {by} began", f"修复 {by} 已开始") if by else ("taken up", "已受理")
    if isinstance(what, Solved):
        seen = ("solved and verified", "已解决并验证") if what.verified else ("solved", "已解决")
        zh = what.how_zh or what.how
        return (f"{seen[0]}: {what.how}", f"{seen[1]}：{zh}") if what.how else seen
    return _last_words(what)


def _last_words(what: Happening) -> tuple[str, str]:
    if isinstance(what, Disputed):
        return f"not solved: {what.why}", f"未解决：{what.why}"
    if isinstance(what, Traced):
        return f"problem {what.problem} looks for the cause", f"由问题单 {what.problem} 查找原因"
    if isinstance(what, Mirrored):
        return f"ticket {what.ticket} in {what.system}", f"{what.system} 工单 {what.ticket}"
    if isinstance(what, Closed):
        return (
            ("closed: nobody objected", "已关闭：无异议") if what.silent else ("closed", "已关闭")
        )
    return "confirmed by the business", "业务部门已确认"
