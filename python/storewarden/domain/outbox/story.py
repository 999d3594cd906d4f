# SPDX-License-Identifier: GPL-3.0-or-later
"""One event of one change, and the phrases that several kinds of events share.

Every phrase is written in both languages side by side, so that who changes one sees
the other. Commands are named in full: they are copied from the telephone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from storewarden.domain.change.people import CLOCKWORK
from storewarden.domain.change.record import Change
from storewarden.domain.outbox.notice import Context, Event, Severity, Text
from storewarden.domain.outbox.places import moment, quoted, role_names, ruled, span, stamped

NOT_SAID = Text(en="no reason given", zh="未说明原因")
NOTHING = Text(en="nothing", zh="无")

_OWED: Mapping[str, Text] = {
    "approval": Text(en="the approvals that were skipped", zh="补审批"),
    "test evidence": Text(en="the test evidence that was skipped", zh="补测试证据"),
    "paperwork": Text(en="reason, plan and rollback plan in writing", zh="补原因、方案和回滚方案"),
    "items": Text(en="the configuration items left half-way", zh="处理未完成的配置项"),
    "approvals": Text(en="the approvals", zh="完成审批"),
    "start": Text(en="the start of the work", zh="开始实施"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One event of one change, with what its words are made of."""

    event: Event
    change: Change
    context: Context

    @property
    def number(self) -> str:
        """The change's number."""
        return self.change.number

    @property
    def by(self) -> Text:
        """Who did it; the clock's own doing has no person."""
        name = str(self.event.body.get("by", ""))
        if name in ("", CLOCKWORK):
            return Text(en="storewarden itself", zh="系统自动")
        return Text(en=name, zh=name)

    @property
    def waiting(self) -> Text:
        """The roles that still have to say yes."""
        return role_names(self.context.waiting)

    def told(self, key: str, fallback: Text = NOT_SAID) -> Text:
        """A text of the entry's body, on one line."""
        return quoted(self.event.body.get(key), fallback)

    def ruled(self, key: str, fallback: Text = NOT_SAID) -> Text:
        """The same for a text that a rule wrote, which is said in both languages."""
        return ruled(self.event.body.get(key), fallback)

    def show(self) -> Text:
        """Where to read on."""
        return Text(
            en=f"storewarden change show {self.number}", zh=f"storewarden change show {self.number}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrase:
    """What is different from kind to kind; the rest of the words is the change's own."""

    severity: Severity = Severity.INFO
    label: Text
    title: Text
    done: Text
    next: Text
    roles: tuple[str, ...] = ()
    people: tuple[str, ...] = ()


def asks(story: Story) -> Phrase:
    waiting, number = story.waiting, story.number
    window = window_of(story)
    return Phrase(
        severity=Severity.WARNING,
        label=Text(en="change waits for approval", zh="变更待审批"),
        title=Text(en=f"waits for approval by {waiting.en}", zh=f"待{waiting.zh}审批"),
        done=Text(
            en=f"recorded, nothing was touched yet; {window.en}",
            zh=f"已登记，尚未操作设备；{window.zh}",
        ),
        next=Text(
            en=f"{waiting.en}: read it with storewarden change show {number}, then "
            f"storewarden change approve {number} (or reject)",
            zh=f"请{waiting.zh}查看 storewarden change show {number}，"
            f"再执行 storewarden change approve {number}（或 reject）",
        ),
        roles=story.context.waiting,
    )


def window_of(story: Story) -> Text:
    window = story.change.draft.window
    if window is None:
        return Text(en="no window is set", zh="未指定窗口")
    told = span(window, story.context.zone)
    return Text(en=f"window {told.en}", zh=f"窗口 {told.zh}")


def due_passed(story: Story) -> bool:
    """Whether the reminder came after what it reminds of was due."""
    due = stamped(story.event.body.get("due"))
    return due is not None and due <= story.event.at


def due_of(story: Story) -> Text:
    due = stamped(story.event.body.get("due"))
    if due is None:
        return Text(en="soon", zh="近期")
    return moment(due, story.context.zone)


def owed_of(story: Story, key: str) -> Text:
    value = str(story.event.body.get(key, ""))
    return _OWED.get(value) or Text(en=value or "something", zh=value or "事项")


def spaced(name: str) -> str:
    """Latin names stand free between Chinese characters."""
    return f" {name} " if name.isascii() else name


def after(mark: str, text: str) -> str:
    return mark + text if text else ""
