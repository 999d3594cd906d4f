# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing is done in the first minute: much of what fires is over by itself, and storms show.

After it the sender is asked again whether the alert still fires. Who can be asked but does not
answer is asked once more; who cannot be asked has to be believed.
"""

from __future__ import annotations

from storewarden.domain.healing.look import Look, Objection, put_off
from storewarden.domain.healing.world import Recheck


def hold_down(look: Look) -> Objection | None:
    """WAIT until the hold-down is over and the recheck has an answer."""
    until = look.held_until
    if look.now < until:
        en = f"held down until {look.clock(until)}, then its sender is asked again"
        zh = f"观察至 {look.clock(until, 'zh')}，之后再次向发送方确认"
        return put_off(look, "hold-down", until, en, zh)
    if look.world.rechecks.get(look.occurrence.key) is not Recheck.SILENT:
        return None
    source = look.occurrence.alert.source
    en = f"{source} did not say whether it still fires"
    zh = f"{source} 未答复该告警是否仍在触发"
    return put_off(look, "hold-down", look.now + look.policy.poll, en, zh)
