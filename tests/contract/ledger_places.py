# SPDX-License-Identifier: GPL-3.0-or-later
"""Where conformance suites find empty ledgers: on PostgreSQL one server serves a module."""

from __future__ import annotations

from sqlalchemy import create_engine, text


def driver(url: str) -> str:
    """The URL as SQLAlchemy wants it."""
    return url.replace("postgresql:", "postgresql+psycopg:")


def emptied(url: str) -> str:
    """The same database without any table."""
    engine = create_engine(driver(url))
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()
    return url
