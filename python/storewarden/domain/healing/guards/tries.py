# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that came to nothing is tried once more, not for ever."""

from __future__ import annotations

from storewarden.domain.healing.look import Look, Objection, escalate


def tries(look: Look) -> Objection | None:
    """ESCALATE after the last try."""
    made = look.occurrence.tries
    if made < look.policy.tries:
        return None
    return escalate("tries", f"{made} runs came to nothing", f"已执行 {made} 次未果")
