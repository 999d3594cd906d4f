# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing is done in the first minute: much of what fires is over by itself, and storms show.

After it the sender is asked again whether the alert still fires. Who can be asked but does not
answer is asked once more; who cannot be asked has to be believed. What its sender has silenced, or
holds back because of another alert, calls nobody: it is left alone until that is over.
"""

from __future__ import annotations

from storewarden.domain.healing.look import Look, Objection, put_off, put_off_again, suppress
from storewarden.domain.healing.world import Recheck


def hold_down(look: Look) -> Objection | None:
    """WAIT until the hold-down is over and the recheck has an answer; SUPPRESS what is silenced."""
    until = look.held_until
    if look.now < until:
        if until >= look.stale_at:
            return None  # the guard ``staleness`` says so
        en = f"held down until {look.clock(until)}, then its sender is asked again"
        zh = f"观察至 {look.clock(until, 'zh')}，之后再次向发送方确认"
        return put_off(look, "hold-down", until, en, zh)
    source, answer = look.occurrence.alert.source, look.world.rechecks.get(look.occurrence.key)
    if answer is Recheck.NOTED:
        said = f"silenced or inhibited at {source}", f"已在 {source} 中静默或被抑制"
        return suppress(look, "hold-down", said, first=look.policy.poll)
    if answer is not Recheck.SILENT:
        return None
    en = f"{source} did not say whether it still fires"
    zh = f"{source} 未答复该告警是否仍在触发"
    return put_off_again(look, "hold-down", en, zh)
