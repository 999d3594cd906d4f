# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger on SQLite (embedded) or PostgreSQL (for more than one machine)."""

from storewarden.adapters.ledger.sql import SqlLedger, open_ledger

__all__ = ["SqlLedger", "open_ledger"]
