# SPDX-License-Identifier: GPL-3.0-or-later
"""What disturbs a host must leave enough of its kind: one of a pair, most tills of a store.

The answer is that of the capacity room, whose budgets rollouts live by as well.
"""

from __future__ import annotations

from storewarden.domain.healing.look import Look, Objection, ask, put_off_again


def redundancy(look: Look) -> Objection | None:
    """WAIT where groups have lost as much as they may; ASK for the only one of its kind."""
    found = look.tally.admission.get(look.host) if look.action.disruptive else None
    if found is None:
        return None
    if found.consent:
        return ask(
            look, "redundancy", (f"{look.host}: {found.reason}", f"{look.host}：{found.reason_zh}")
        )
    en = f"{look.host} has to stay: {found.reason}"
    zh = f"{look.host} 须保留：{found.reason_zh}"
    return put_off_again(look, "redundancy", en, zh)
