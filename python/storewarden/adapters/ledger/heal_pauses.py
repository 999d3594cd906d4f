# SPDX-License-Identifier: GPL-3.0-or-later
"""Pauses of healing in the ledger; ``SqlLedger.heal_pauses``."""

from __future__ import annotations

from sqlalchemy import Connection, delete, func, insert, select

from storewarden.adapters.ledger import journal
from storewarden.adapters.ledger.incident_rows import (
    PAUSED,
    RESUMED,
    pause_body,
    pause_of,
    pause_row,
)
from storewarden.adapters.ledger.journal import Note
from storewarden.adapters.ledger.tables import HEAL_PAUSE, JOURNAL
from storewarden.adapters.ledger.transactions import Transactions
from storewarden.domain.healing.pause import Pause
from storewarden.ports.clock import Clock
from storewarden.ports.journal import stamp
from storewarden.ports.ledger import JournalEntry


class SqlHealPauses:
    """``ports.heal_pauses.HealPauses`` on a database."""

    def __init__(self, transactions: Transactions, clock: Clock) -> None:
        self._transactions = transactions
        self._clock = clock

    def pauses(self) -> tuple[Pause, ...]:
        """All that were set and not taken back, by ``what``."""
        with self._transactions.reading() as connection:
            rows = connection.execute(select(HEAL_PAUSE).order_by(HEAL_PAUSE.c.what)).all()
        return tuple(pause_of(row) for row in rows)

    def pause(self, pause: Pause) -> Pause:
        """Set it; one of the same ``what`` is replaced."""
        with self._transactions.writing() as connection:
            journal.lock(connection)
            entry = self._noted(connection, PAUSED, pause.what, pause_body(pause))
            row = pause_row(entry.body, entry.sequence)
            connection.execute(delete(HEAL_PAUSE).where(HEAL_PAUSE.c.what == pause.what))
            connection.execute(insert(HEAL_PAUSE).values(row))
        return pause

    def resume(self, what: str, by: str, reason: str) -> bool:
        """Take it back; whether there was one."""
        with self._transactions.writing() as connection:
            journal.lock(connection)
            gone = connection.execute(delete(HEAL_PAUSE).where(HEAL_PAUSE.c.what == what))
            if not gone.rowcount:
                return False
            body: dict[str, object] = {"what": what, "by": by, "reason": reason}
            self._noted(connection, RESUMED, what, body)
            return True

    def _noted(
        self, connection: Connection, kind: str, what: str, body: dict[str, object]
    ) -> JournalEntry:
        run = f"heal {what}"
        counted = select(func.count()).where(JOURNAL.c.run == run)
        step = str(int(connection.execute(counted).scalar_one()) + 1)
        note = Note(at=stamp(self._clock.now()), kind=kind, run=run, step=step, body=body)
        return journal.append(connection, note).entry
