# SPDX-License-Identifier: GPL-3.0-or-later
"""Alembic's entry: migrates inside the transaction that the ledger opened.

There is no offline mode and no URL here; the connection is handed over, so
that a schema step and its lock are one transaction on SQLite, too.
"""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
