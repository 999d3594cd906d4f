# SPDX-License-Identifier: GPL-3.0-or-later
"""Alerts of a host that is being worked on are recorded, and nothing is done about them.

What comes in the grace afterwards settles by itself more often than not. Senders that hold alerts
back in a maintenance let all of them go at its end, so what is still on after the grace is taken up
spread over the ramp, each host at a time of its own.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta

from storewarden.domain.healing.look import Look, Objection, put_off, suppress


def maintenance(look: Look) -> Objection | None:
    """SUPPRESS within a maintenance until its turn afterwards, WAIT in its grace and ramp."""
    found = look.world.maintenance.get(look.host)
    if found is None or look.now < found.starts:
        return None
    turn = found.ends + look.policy.grace + _turn(look)
    if look.now < found.ends:
        until, until_zh = look.clock(found.ends), look.clock(found.ends, "zh")
        en = f"{look.host} is in maintenance until {until}: {found.why}"
        zh = f"{look.host} 维护中，至 {until_zh}：{found.why}"
        return suppress(look, "maintenance", (en, zh), due=turn)
    if look.now >= turn:
        return None
    ended = f"the maintenance of {look.host} has just ended ({found.why})"
    en = f"{ended}: its turn is {look.clock(turn)}"
    zh = f"{look.host} 的维护刚结束（{found.why}）：将于 {look.clock(turn, 'zh')} 处理"
    return put_off(look, "maintenance", turn, en, zh)


def _turn(look: Look) -> timedelta:
    """The host's own place in the ramp; the same host always has the same one."""
    drawn = int.from_bytes(hashlib.sha256(look.host.encode()).digest()[:4], "big")
    return look.policy.ramp * drawn / 2**32
