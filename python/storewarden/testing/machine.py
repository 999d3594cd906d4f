# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine that is as you say, for tests of what is judged about it."""

from __future__ import annotations

from storewarden.ports.machine import MachineFacts, Places


class FixedMachine:
    """The Machine port with given facts; `looked_at` are the places it was asked about."""

    def __init__(self, facts: MachineFacts) -> None:
        self.facts = facts
        self.looked_at: list[Places] = []

    def look(self, places: Places) -> MachineFacts:
        """The given facts, whatever the places."""
        self.looked_at.append(places)
        return self.facts
