# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of a change before its work begins: asked for, approved, refused, withdrawn."""

from __future__ import annotations

from storewarden.domain.change.spoken import action_told
from storewarden.domain.outbox.notice import Severity, Text
from storewarden.domain.outbox.story import NOTHING, Phrase, Story, asks, spaced, window_of


def opened(story: Story) -> Phrase | None:
    if story.context.waiting:
        return asks(story)
    return Phrase(
        label=Text(en="change opened", zh="新变更"),
        title=Text(en="opened", zh="新建变更"),
        done=Text(en="recorded; nothing was touched yet", zh="已登记，尚未操作设备"),
        next=Text(en=f"read it: {story.show().en}", zh=f"查看：{story.show().zh}"),
    )


def planned(story: Story) -> Phrase | None:
    if not story.context.waiting:
        return None
    asked = asks(story)
    return Phrase(
        severity=asked.severity,
        label=Text(en="plan rewritten", zh="方案改写"),
        title=Text(
            en=f"has a new plan, waits for approval by {story.waiting.en}",
            zh=f"方案已改写，待{story.waiting.zh}审批",
        ),
        done=Text(
            en=f"{story.by.en} rewrote it; earlier approvals are void",
            zh=f"{story.by.zh} 改写了方案，此前的审批作废",
        ),
        next=asked.next,
        roles=asked.roles,
    )


def approved(story: Story) -> Phrase | None:
    if not story.context.waiting:
        return None  # the entry "approvals complete" tells it
    asked = asks(story)
    return Phrase(
        label=Text(en="approval given", zh="已有审批"),
        title=Text(
            en=f"approved by {story.by.en}, still waits for {story.waiting.en}",
            zh=f"{story.by.zh} 已批准，还需{story.waiting.zh}",
        ),
        done=Text(en=f"{story.by.en} approved", zh=f"{story.by.zh} 已批准"),
        next=asked.next,
        roles=asked.roles,
    )


def authorised(story: Story) -> Phrase:
    window, owner = window_of(story), story.change.owner
    return Phrase(
        label=Text(en="approvals complete", zh="审批齐全"),
        title=Text(en="is approved", zh="审批已齐"),
        done=Text(en="every required role said yes", zh="所有需要的角色均已批准"),
        next=Text(en=f"{owner} may begin; {window.en}", zh=f"{owner} 可按计划开始；{window.zh}"),
        people=(owner,),
    )


def rejected(story: Story) -> Phrase:
    by_rule = story.event.body.get("rule") is True
    reason = story.ruled("reason") if by_rule else story.told("reason")
    who = Text(en="a rule", zh="规则") if by_rule else story.by
    return Phrase(
        severity=Severity.WARNING,
        label=Text(en="change rejected", zh="变更被驳回"),
        title=Text(en=f"was rejected by {who.en}", zh=f"被{spaced(who.zh)}驳回"),
        done=Text(
            en=f"rejected: {reason.en}; nothing was touched",
            zh=f"驳回原因：{reason.zh}；未操作设备",
        ),
        next=Text(
            en=f"{story.change.requester}: put right what was said and open a new change",
            zh=f"请申请人 {story.change.requester} 修正后重新提交变更",
        ),
        people=(story.change.requester,),
    )


def refused(story: Story) -> Phrase:
    reason, tried = story.ruled("reason"), str(story.event.body.get("tried") or "")
    hint = story.ruled("hint", Text(en=f"read {story.show().en}", zh=f"查看 {story.show().zh}"))
    return Phrase(
        severity=Severity.WARNING,
        label=Text(en="attempt refused", zh="操作被拒绝"),
        title=Text(
            en=f"refused: {tried or 'something'} by {story.by.en}",
            zh=f"已拒绝 {story.by.zh} 的操作：{action_told(tried, 'zh') or '未知'}",
        ),
        done=Text(en=f"refused, nothing changed: {reason.en}", zh=f"已拒绝，未作改动：{reason.zh}"),
        next=hint,
        people=(str(story.event.body.get("by", "")),),
    )


def expired(story: Story) -> Phrase:
    person = story.told("person", Text(en="somebody", zh="某人"))
    asked = asks(story) if story.context.waiting else None
    return Phrase(
        severity=Severity.WARNING,
        label=Text(en="approval expired", zh="审批过期"),
        title=Text(
            en=f"lost an approval: the one of {person.en} expired unused",
            zh=f"{person.zh} 的审批过期未用",
        ),
        done=Text(en="the approval no longer counts", zh="该审批不再有效"),
        next=asked.next if asked else Text(en=story.show().en, zh=story.show().zh),
        roles=asked.roles if asked else (),
    )


def cancelled(story: Story) -> Phrase:
    reason = story.told("reason")
    return Phrase(
        label=Text(en="change cancelled", zh="变更撤销"),
        title=Text(en=f"was cancelled by {story.by.en}", zh=f"已由 {story.by.zh} 撤销"),
        done=Text(
            en=f"withdrawn before anything was touched: {reason.en}",
            zh=f"操作设备之前已撤销：{reason.zh}",
        ),
        next=NOTHING,
    )
