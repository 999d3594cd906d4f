# SPDX-License-Identifier: GPL-3.0-or-later
"""Which changes something happened to since the last look: an approval, a pause, a new plan.

The journal tells it, entry by entry; what was there before this process began is known to the
rollouts, which were looked at when it did.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from storewarden.ports.ledger import Ledger

_CHANGE = "change "
"""What every kind of journal entry of a change begins with."""

_OURS = ("change noted", "change evidence attached", "change ticket opened", "change reminded")
"""Entries that change nothing for a rollout."""


@dataclass(slots=True)
class ChangeNews:
    """Follows the journal from where it stands now."""

    ledger: Ledger
    _seen: int | None = field(default=None, init=False)

    def __call__(self) -> tuple[str, ...]:
        """Numbers of changes, each once, in order."""
        if self._seen is None:
            self._seen = self.ledger.head().sequence
            return ()
        found: dict[str, None] = {}
        for entry in self.ledger.journal(after=self._seen):
            if entry.kind.startswith(_CHANGE) and entry.kind not in _OURS:
                found[entry.run] = None
            self._seen = entry.sequence
        return tuple(found)
