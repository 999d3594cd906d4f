# SPDX-License-Identifier: GPL-3.0-or-later
"""Old news is not acted on: after a quarter of an hour the world may be another."""

from __future__ import annotations

from storewarden.domain.healing.look import Look, Objection, escalate
from storewarden.domain.maintenance.words import duration


def staleness(look: Look) -> Objection | None:
    """ESCALATE for an alert that began too long ago; a person's yes makes it fresh."""
    if look.granted or look.now <= look.stale_at:
        return None
    begin, most = look.fresh_since, look.policy.staleness
    en = f"it began {look.clock(begin)}, more than {duration(most)} ago"
    zh = f"始于 {look.clock(begin, 'zh')}，已超过 {duration(most, 'zh')}"
    return escalate("staleness", en, zh)
