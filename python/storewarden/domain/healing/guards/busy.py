# SPDX-License-Identifier: GPL-3.0-or-later
"""One piece of work per host at a time, shared with rollouts, sessions and other repairs."""

from __future__ import annotations

from storewarden.domain.healing.look import Look, Objection, put_off_to


def busy(look: Look) -> Objection | None:
    """WAIT for a host that somebody works on, ten minutes at most."""
    found = look.world.busy.get(look.host)
    if found is not None:
        who = who_zh = found.who
    elif _repaired(look):
        who, who_zh = _repaired(look), f"修复 {_repaired(look)}"
    elif look.host in look.tally.taken:
        who, who_zh = "another alert's repair", "另一条告警的修复"
    else:
        return None
    until = look.ready_at + look.policy.lock_wait
    if look.granted and look.occurrence.granted_until is not None:
        until = look.occurrence.granted_until
    en, zh = f"{look.host} is busy: {who}", f"{look.host} 正被占用：{who_zh}"
    return put_off_to(look, "busy", until, en, zh)


def _repaired(look: Look) -> str:
    """The repair that is under way on the host, "" for none."""
    return next((each.id for each in look.tally.at_work.get(look.host, ())), "")
