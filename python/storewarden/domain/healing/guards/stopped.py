# SPDX-License-Identifier: GPL-3.0-or-later
"""The kill switch, a freeze, and pauses: nothing by machine until a person resumes."""

from __future__ import annotations

from storewarden.domain.healing.look import Look, Objection, escalate


def kill_switch(look: Look) -> Objection | None:
    """ESCALATE while healing is stopped."""
    found = look.world.stopped
    if found is None:
        return None
    return escalate("kill-switch", f"healing is stopped: {found.en}", f"自愈已停止：{found.zh}")


def frozen(look: Look) -> Objection | None:
    """ESCALATE in a freeze of everything, or of the operation's class."""
    found = look.world.frozen
    if found is None:
        answer = look.world.windows(look.host, look.operation)
        found = answer.reason if answer.frozen and not answer.allowed else None
    if found is None:
        return None
    return escalate("freeze", f"freeze: {found.en}", f"冻结期：{found.zh}")


def paused(look: Look) -> Objection | None:
    """ESCALATE for a rule, an action or a source that a person paused."""
    names = (
        (f"rule:{look.rule.name}", f"rule {look.rule.name}", f"规则 {look.rule.name}"),
        (f"action:{look.action.name}", f"action {look.action.name}", f"动作 {look.action.name}"),
        (
            f"source:{look.occurrence.alert.source}",
            f"source {look.occurrence.alert.source}",
            f"来源 {look.occurrence.alert.source}",
        ),
    )
    for key, en, zh in names:
        found = look.world.paused.get(key)
        if found is not None:
            return escalate("paused", f"{en} is paused: {found.en}", f"{zh} 已暂停：{found.zh}")
    return None
