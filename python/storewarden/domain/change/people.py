# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is who, as far as decisions need it."""

from __future__ import annotations

from dataclasses import dataclass

CLOCKWORK = "storewarden"
"""Who did what nobody asked for: expiry, reminders. No person may have this id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """``id`` is the short name in records; ``language`` is en or zh; ``email`` may be empty."""

    id: str
    name: str
    roles: frozenset[str] = frozenset()
    email: str = ""
    language: str = "en"


CLOCK = Person(id=CLOCKWORK, name="storewarden")
"""The clock as the one who acts."""
