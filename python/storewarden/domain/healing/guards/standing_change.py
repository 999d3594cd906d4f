# SPDX-License-Identifier: GPL-3.0-or-later
"""Every run belongs to a standing change; without one that counts, there is no run."""

from __future__ import annotations

from storewarden.domain.healing.look import Look, Objection, escalate


def standing_change(look: Look) -> Objection | None:
    """ESCALATE when the action has no standing change, or it has expired."""
    standing, name = look.standing, look.action.name
    if standing.change:
        return None
    against = standing.against
    en = against.en if against is not None else "there is none"
    zh = against.zh if against is not None else "不存在"
    return escalate(
        "standing-change",
        f"no standing change allows {name}: {en}",
        f"没有允许 {name} 的标准变更：{zh}",
    )
