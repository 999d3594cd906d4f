# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of a change once machines are touched, and of what it owes afterwards."""

from __future__ import annotations

from collections.abc import Mapping

from storewarden.domain.change.record import Outcome
from storewarden.domain.outbox.notice import Severity, Text
from storewarden.domain.outbox.override_words import overridden
from storewarden.domain.outbox.places import counted, moment
from storewarden.domain.outbox.story import (
    NOTHING,
    Phrase,
    Story,
    after,
    asks,
    due_of,
    due_passed,
    owed_of,
    window_of,
)

_OUTCOMES: Mapping[str, tuple[Severity, Text]] = {
    Outcome.SUCCESSFUL.value: (Severity.INFO, Text(en="successful", zh="成功")),
    Outcome.ROLLED_BACK.value: (Severity.WARNING, Text(en="rolled back", zh="已回滚")),
    Outcome.FAILED.value: (Severity.URGENT, Text(en="failed", zh="失败")),
    Outcome.PARTIAL.value: (
        Severity.WARNING,
        Text(en="partial, with debt", zh="部分完成，有待补事项"),
    ),
}


def started(story: Story) -> Phrase:
    if story.event.body.get("authorised") is False:
        return _emergency(story)
    if story.event.body.get("override"):
        return overridden(story)
    return Phrase(
        label=Text(en="work began", zh="开始实施"),
        title=Text(en="has begun", zh="开始实施"),
        done=Text(
            en=f"{story.by.en} began the work; {window_of(story).en}",
            zh=f"{story.by.zh} 已开始实施；{window_of(story).zh}",
        ),
        next=Text(en=f"follow it: {story.show().en}", zh=f"跟踪：{story.show().zh}"),
        people=(story.change.owner,),
    )


def _emergency(story: Story) -> Phrase:
    owner, number = story.change.owner, story.number
    since, due = moment(story.event.at, story.context.zone), _owed_by(story)
    return Phrase(
        severity=Severity.URGENT,
        label=Text(en="emergency began", zh="紧急变更开始"),
        title=Text(
            en=f"emergency begun by {story.by.en}, not yet approved",
            zh=f"{story.by.zh} 已开始紧急变更，尚未审批",
        ),
        done=Text(
            en=f"machines are being touched since {since.en}", zh=f"自 {since.zh}起正在操作设备"
        ),
        next=Text(
            en=f"{owner}: hand in approvals, plan and rollback plan {due.en} "
            f"(storewarden change debts); read: storewarden change show {number}",
            zh=f"请 {owner} {due.zh}补齐审批、方案和回滚方案"
            f"（storewarden change debts）；查看：storewarden change show {number}",
        ),
        roles=story.context.waiting,
        people=(owner,),
    )


def _owed_by(story: Story) -> Text:
    """Until when the first debt has to be settled."""
    open_ones = [debt.due for debt in story.change.debts if debt.settled_at is None]
    if not open_ones:
        return Text(en="as soon as possible", zh="尽快")
    due = moment(min(open_ones), story.context.zone)
    return Text(en=f"by {due.en}", zh=f"在 {due.zh}前")


def paused(story: Story) -> Phrase:
    reason, owner = story.told("reason"), story.change.owner
    return Phrase(
        severity=Severity.URGENT,
        label=Text(en="change paused", zh="变更暂停"),
        title=Text(en=f"is paused: {reason.en}", zh=f"已暂停：{reason.zh}"),
        done=Text(
            en="no new step begins; what was done so far stays as it is",
            zh="不再开始新的步骤；已完成的部分保持原样",
        ),
        next=Text(
            en=f"{owner}: look at it ({story.show().en}), then resume it or roll it back",
            zh=f"请 {owner} 查看（{story.show().zh}），然后恢复实施或回滚",
        ),
        people=(owner,),
    )


def resumed(story: Story) -> Phrase:
    reason = story.told("reason")
    return Phrase(
        label=Text(en="change resumed", zh="变更恢复"),
        title=Text(en=f"goes on, {story.by.en} resumed it", zh=f"已由 {story.by.zh} 恢复实施"),
        done=Text(en=f"looked at and let go on: {reason.en}", zh=f"已检查并继续：{reason.zh}"),
        next=Text(en=f"follow it: {story.show().en}", zh=f"跟踪：{story.show().zh}"),
    )


def finished(story: Story) -> Phrase:
    owner, number = story.change.owner, story.number
    note = story.told("note", Text(en="the work has ended", zh="实施已结束"))
    return Phrase(
        label=Text(en="work ended", zh="实施结束"),
        title=Text(en="work has ended, to be closed", zh="实施结束，待关闭"),
        done=note,
        next=Text(
            en=f"{owner}: verify it and storewarden change close {number}",
            zh=f"请 {owner} 验证后执行 storewarden change close {number}",
        ),
        people=(owner,),
    )


def closed(story: Story) -> Phrase:
    severity, outcome = _OUTCOMES.get(
        str(story.event.body.get("outcome")), (Severity.WARNING, Text(en="unknown", zh="未知"))
    )
    reason = story.told("reason", Text(en="", zh=""))
    owed = [debt for debt in story.change.debts if debt.settled_at is None]
    return Phrase(
        severity=severity,
        label=Text(en=f"closed: {outcome.en}", zh=f"关闭：{outcome.zh}"),
        title=Text(en=f"closed: {outcome.en}", zh=f"已关闭：{outcome.zh}"),
        done=Text(
            en=f"closed by {story.by.en}{after(': ', reason.en)}",
            zh=f"{story.by.zh} 已关闭{after('：', reason.zh)}",
        ),
        next=_after_closing(story, severity, len(owed)),
        people=(story.change.owner,) if owed or severity is not Severity.INFO else (),
    )


def _after_closing(story: Story, severity: Severity, owed: int) -> Text:
    owner = story.change.owner
    if severity is Severity.URGENT:
        return Text(
            en=f"{owner}: the hosts are neither changed nor restored; "
            f"look at them now ({story.show().en})",
            zh=f"设备既未变更成功也未恢复，请 {owner} 立即处理（{story.show().zh}）",
        )
    if owed:
        return Text(
            en=f"{owner}: {counted(owed, 'debt')} still open (storewarden change debts)",
            zh=f"请 {owner} 处理剩余待补事项 {owed} 项（storewarden change debts）",
        )
    return NOTHING


def owes(story: Story) -> Phrase:
    owner, debt = story.change.owner, owed_of(story, "debt")
    due = due_of(story)
    return Phrase(
        severity=Severity.WARNING,
        label=Text(en="debt came up", zh="新增待补事项"),
        title=Text(en=f"owes {debt.en} by {due.en}", zh=f"须在 {due.zh} 前{debt.zh}"),
        done=story.ruled("what", Text(en="recorded as a debt", zh="已登记为待补事项")),
        next=Text(
            en=f"{owner}: settle it by {due.en} (storewarden change debts)",
            zh=f"请 {owner} 在 {due.zh} 前处理（storewarden change debts）",
        ),
        people=(owner,),
    )


def settled(story: Story) -> Phrase:
    debt = owed_of(story, "debt")
    return Phrase(
        label=Text(en="debt settled", zh="待补事项已完成"),
        title=Text(en=f"debt settled: {debt.en}", zh=f"待补事项已完成：{debt.zh}"),
        done=story.ruled("what", Text(en=f"settled by {story.by.en}", zh=f"{story.by.zh} 已处理")),
        next=NOTHING,
    )


def reminded(story: Story) -> Phrase:
    about, due = owed_of(story, "about"), due_of(story)
    late = due_passed(story)
    asked = asks(story) if story.context.waiting else None
    owner = story.change.owner
    return Phrase(
        severity=Severity.WARNING,
        label=Text(en="overdue", zh="已逾期") if late else Text(en="due soon", zh="即将到期"),
        title=Text(
            en=f"OVERDUE since {due.en}: {about.en}", zh=f"已逾期，期限为 {due.zh}：{about.zh}"
        )
        if late
        else Text(en=f"due by {due.en}: {about.en}", zh=f"提醒：{due.zh}前{about.zh}"),
        done=story.ruled("what", Text(en="reminded", zh="已提醒")),
        next=asked.next
        if asked and story.event.body.get("about") == "approvals"
        else Text(
            en=f"{owner}: see to it ({story.show().en})", zh=f"请 {owner} 处理（{story.show().zh}）"
        ),
        roles=asked.roles if asked else (),
        people=(owner,),
    )


def ran(story: Story) -> Phrase | None:
    if story.event.body.get("succeeded") is not False:
        return None  # a run that went well is one line of the ledger
    standing = story.change.standing
    action = standing.action if standing else story.number
    return Phrase(
        severity=Severity.WARNING,
        label=Text(en="standing run failed", zh="预授权变更执行失败"),
        title=Text(en=f"run of {action} failed", zh=f"{action} 执行失败"),
        done=story.told("note", Text(en="the run is recorded", zh="已记录本次执行")),
        next=Text(
            en=f"{story.change.owner}: read {story.show().en}",
            zh=f"请 {story.change.owner} 查看 {story.show().zh}",
        ),
        people=(story.change.owner,),
    )
