# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said when people set a window's "no" aside: everybody should hear of it in time."""

from __future__ import annotations

from storewarden.domain.outbox.notice import Severity, Text
from storewarden.domain.outbox.places import moment, role_names, stamped
from storewarden.domain.outbox.story import Phrase, Story


def asked(story: Story) -> Phrase:
    """Two others have to look at it, and soon."""
    roles, number = _asks(story), story.number
    names, reason, end = role_names(roles, ", "), story.told("reason"), _end(story)
    return Phrase(
        severity=Severity.WARNING,
        label=Text(en="override asked for", zh="申请例外"),
        title=Text(
            en=f"asks to start outside its windows until {end.en}",
            zh=f"申请在窗口之外实施，有效期至 {end.zh}",
        ),
        done=Text(
            en=f"{story.by.en} asked for an override: {reason.en}",
            zh=f"{story.by.zh} 申请例外：{reason.zh}",
        ),
        next=Text(
            en=f"two of {names.en}: read it with storewarden change show {number}, then "
            f"storewarden change override {number} --approve (or leave it: it ends by itself)",
            zh=f"请{names.zh}中的两人查看 storewarden change show {number}，再执行 "
            f"storewarden change override {number} --approve（不同意则不必操作，到期自动失效）",
        ),
        roles=roles,
    )


def approved(story: Story) -> Phrase:
    """The second yes is a warning: from now on work may begin at a forbidden time."""
    owner, left = story.change.owner, story.event.body.get("missing")
    if left:
        return Phrase(
            label=Text(en="override approved by one", zh="例外已有一人批准"),
            title=Text(
                en=f"override approved by {story.by.en}, one more person is needed",
                zh=f"{story.by.zh} 已批准例外，还需一人",
            ),
            done=Text(en=f"{story.by.en} approved it", zh=f"{story.by.zh} 已批准"),
            next=Text(
                en=f"another person: read {story.show().en}",
                zh=f"请另一人查看 {story.show().zh}",
            ),
        )
    return Phrase(
        severity=Severity.WARNING,
        label=Text(en="override in force", zh="例外生效"),
        title=Text(
            en="may start although its windows forbid it", zh="例外已生效，可在窗口之外开始"
        ),
        done=Text(
            en=f"{story.by.en} approved the override as the second person",
            zh=f"{story.by.zh} 作为第二人批准了例外",
        ),
        next=Text(
            en=f"{owner} may begin once the change is approved: {story.show().en}",
            zh=f"变更批准后 {owner} 可以开始：{story.show().zh}",
        ),
        people=(owner,),
    )


def overridden(story: Story) -> Phrase:
    """Work has begun at a time that windows forbid."""
    override, owner = story.told("override"), story.change.owner
    return Phrase(
        severity=Severity.WARNING,
        label=Text(en="work began under an override", zh="按例外开始实施"),
        title=Text(en="has begun outside its windows", zh="已在窗口之外开始实施"),
        done=Text(
            en=f"{story.by.en} began the work; override by {override.en}",
            zh=f"{story.by.zh} 已开始实施；例外：{override.zh}",
        ),
        next=Text(en=f"follow it: {story.show().en}", zh=f"跟踪：{story.show().zh}"),
        people=(owner,),
    )


def _asks(story: Story) -> tuple[str, ...]:
    roles = story.event.body.get("asks")
    return tuple(str(role) for role in roles) if isinstance(roles, list | tuple) else ()


def _end(story: Story) -> Text:
    end = stamped(story.event.body.get("expires"))
    return moment(end, story.context.zone) if end else Text(en="soon", zh="近期")
