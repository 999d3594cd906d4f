# SPDX-License-Identifier: GPL-3.0-or-later
"""A question that nobody answered is a no: what was not approved in 30 minutes is not run."""

from __future__ import annotations

from storewarden.domain.healing.look import Look, Objection, escalate
from storewarden.domain.healing.record import Stage, Verdict
from storewarden.domain.maintenance.words import duration


def expiry(look: Look) -> Objection | None:
    """ESCALATE when a question, or a yes that was given, has run out."""
    occurrence, now = look.occurrence, look.now
    until = occurrence.granted_until
    if occurrence.granted and until is not None:
        if now < until:
            return None
        en = f"the yes of {occurrence.granted} counted until {look.clock(until)}"
        zh = f"{occurrence.granted} 的批准仅在 {look.clock(until, 'zh')} 前有效"
        return escalate("expiry", en, zh)
    asked = occurrence.decision
    if occurrence.stage is not Stage.ASKING or asked is None or asked.verdict is not Verdict.ASK:
        return None
    if asked.due is None or now < asked.due:
        return None
    span = look.policy.asking
    en = f"nobody said yes within {duration(span)}: not run"
    return escalate("expiry", en, f"{duration(span, 'zh')} 内无人批准：不执行")
