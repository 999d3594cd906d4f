# SPDX-License-Identifier: GPL-3.0-or-later
"""Old news is not acted on: after a quarter of an hour the world may be another."""

from __future__ import annotations

from storewarden.domain.healing.look import Look, Objection, escalate
from storewarden.domain.maintenance.words import duration


def staleness(look: Look) -> Objection | None:
    """ESCALATE for an alert that began too long ago, or will have when its hold-down is over; a
    person's yes makes it fresh."""
    held = look.now < look.held_until
    fresh = look.held_until < look.stale_at if held else look.now <= look.stale_at
    if look.granted or fresh:
        return None
    begin, most = look.fresh_since, look.policy.staleness
    en = f"it began {look.clock(begin)}: no repair begins more than {duration(most)} later"
    zh = f"始于 {look.clock(begin, 'zh')}：超过 {duration(most, 'zh')} 后不再开始修复"
    return escalate("staleness", en, zh)
