# SPDX-License-Identifier: GPL-3.0-or-later
"""The usual ways in which a ticket system wants its credentials, read by reference.

Each gives what ``Transport`` calls for the credentials: a function, so that a secret that
was rotated is read anew.
"""

from __future__ import annotations

import base64
from collections.abc import Callable

from storewarden.adapters.tickets.transport import Access
from storewarden.ports.secrets import Secret, Secrets


def by_header(
    secrets: Secrets, reference: str, *, name: str = "Authorization", prefix: str = "Bearer "
) -> Callable[[], Access]:
    """A token in a header: ``Bearer`` by default, ``token`` for RT, ``X-Redmine-API-Key``."""

    def read() -> Access:
        token = secrets.read(reference)
        return Access(headers={name: f"{prefix}{token.reveal()}"}, secrets=(token,))

    return read


def by_password(secrets: Secrets, user: str, reference: str) -> Callable[[], Access]:
    """User and password, as HTTP Basic in UTF-8."""

    def read() -> Access:
        password = secrets.read(reference)
        pair = base64.b64encode(f"{user}:{password.reveal()}".encode()).decode()
        return Access(headers={"Authorization": f"Basic {pair}"}, secrets=(password, Secret(pair)))

    return read
