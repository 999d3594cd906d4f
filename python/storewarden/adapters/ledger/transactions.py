# SPDX-License-Identifier: GPL-3.0-or-later
"""Transactions on one database, shared by all parts of a ledger."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine

from storewarden.adapters.ledger.connection import reading, shown, writing
from storewarden.adapters.ledger.failures import translated


class Transactions:
    """Begins, commits and rolls back; what the database refuses becomes one line."""

    def __init__(self, engine: Engine) -> None:
        """``engine`` leads to a database with this release's schema."""
        self.engine = engine
        self.place = shown(engine.url)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """On the disk when it ends; undone when something is raised."""
        with translated(self.place), writing(self.engine).begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One moment of the ledger."""
        with translated(self.place), reading(self.engine).begin() as connection:
            yield connection
