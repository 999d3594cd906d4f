# SPDX-License-Identifier: GPL-3.0-or-later
"""The usual ways in which a ticket system wants its credentials, read by reference.

Each gives what ``Transport`` calls for the credentials: a function, so that a secret that
was rotated is read anew.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Self

from pydantic import model_validator

from storewarden.adapters.settings import SecretRef, wrong
from storewarden.adapters.tickets.settings import RestSettings
from storewarden.adapters.tickets.transport import Access
from storewarden.ports.secrets import Secret, Secrets


class AccountSettings(RestSettings):
    """Either ``token``, or ``user`` and ``password``."""

    user: str = ""
    password: SecretRef | None = None
    token: SecretRef | None = None

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        pair = bool(self.user), self.password is not None
        if pair != (self.token is None,) * 2:
            raise wrong("needs either token, or user and password", key="token")
        return self


def by_account(secrets: Secrets, settings: AccountSettings) -> Callable[[], Access]:
    """As the site has chosen."""
    if settings.token is not None:
        return by_header(secrets, settings.token)
    return by_password(secrets, settings.user, settings.password or "")


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
