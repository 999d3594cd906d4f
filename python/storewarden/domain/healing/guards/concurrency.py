# SPDX-License-Identifier: GPL-3.0-or-later
"""How many repairs run at once, and in how many stores something may be taken from people."""

from __future__ import annotations

from storewarden.domain.healing.look import Look, Objection, put_off_again


def runs(look: Look) -> Objection | None:
    """WAIT for a run, unless the host can go with one that this round opens anyway."""
    most = look.policy.runs
    if look.tally.runs < most or look.tally.joins(look.bundle):
        return None
    en, zh = f"{most} repairs are under way, no more at once", f"已有 {most} 个修复在执行，达到上限"
    return put_off_again(look, "concurrency", en, zh)


def stores(look: Look) -> Objection | None:
    """WAIT while repairs disturb as many stores as may be disturbed at once."""
    store = look.device.store
    if not look.action.disruptive or not store:
        return None
    taken, most = look.tally.disrupted(), look.policy.stores
    if store in taken or len(taken) < most:
        return None
    en = f"repairs disturb {len(taken)} stores already, at most {most}"
    zh = f"已有 {len(taken)} 家门店受修复影响，上限 {most} 家"
    return put_off_again(look, "concurrency", en, zh)
