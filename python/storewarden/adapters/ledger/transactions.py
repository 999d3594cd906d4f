# SPDX-License-Identifier: GPL-3.0-or-later
"""Transactions on one database, shared by all parts of a ledger.

A file that was removed or replaced under an open ledger still takes everything that is
written into it, and loses it with the last one who has it open. So each transaction first
looks whether the file is the one that was opened.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine

from storewarden.adapters.ledger.connection import reading, shown, writing
from storewarden.adapters.ledger.failures import translated
from storewarden.domain.errors import LedgerConflict


class Transactions:
    """Begins, commits and rolls back; what the database refuses becomes one line."""

    def __init__(self, engine: Engine) -> None:
        """``engine`` leads to a database with this release's schema."""
        self.engine = engine
        self.place = shown(engine.url)
        self._file = Path(str(engine.url.database)) if _is_file(engine) else None
        self._opened = _identity(self._file)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """On the disk when it ends; undone when something is raised."""
        self._require_the_same()
        with translated(self.place), writing(self.engine).begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One moment of the ledger."""
        self._require_the_same()
        with translated(self.place), reading(self.engine).begin() as connection:
            yield connection

    def _require_the_same(self) -> None:
        if _identity(self._file) != self._opened:
            raise LedgerConflict(
                "the file was removed or replaced while it was open",
                where=self.place,
                hint="nothing was written; stop storewarden, put it back or restore it, start anew",
            )


def _is_file(engine: Engine) -> bool:
    return engine.dialect.name == "sqlite"


def _identity(file: Path | None) -> tuple[int, int] | None:
    """What tells a file from another one of the same name; None for none."""
    if file is None:
        return None
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
