# SPDX-License-Identifier: GPL-3.0-or-later
"""Where pauses of healing are kept; every one and its end is a journal entry."""

from __future__ import annotations

from typing import Protocol

from storewarden.domain.healing.pause import Pause


class HealPauses(Protocol):
    """Methods raise LedgerConflict and AdapterError like the ledger."""

    def pauses(self) -> tuple[Pause, ...]:
        """All that were set and not taken back, by ``what``; some may be over by the clock."""
        ...

    def pause(self, pause: Pause) -> Pause:
        """Set it; one of the same ``what`` is replaced."""
        ...

    def resume(self, what: str, by: str, reason: str) -> bool:
        """Take it back; whether there was one."""
        ...
