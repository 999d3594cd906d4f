# SPDX-License-Identifier: GPL-3.0-or-later
"""Payment switch, primary database, core network: a person says yes each time."""

from __future__ import annotations

from storewarden.domain.healing.look import Look, Objection, ask


def protected(look: Look) -> Objection | None:
    """ASK for a host with a protected tag."""
    tags = look.world.protected.get(look.host, ())
    if not tags:
        return None
    names = ", ".join(sorted(tags))
    said = f"{look.host} is protected ({names})", f"{look.host} 受保护（{names}）"
    return ask(look, "protected", said)
