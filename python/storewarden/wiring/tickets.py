# SPDX-License-Identifier: GPL-3.0-or-later
"""Which ticket system a site mirrors its changes into."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from storewarden.domain.errors import ConfigInvalid
from storewarden.ports.secrets import Secrets
from storewarden.ports.tickets import TicketSystem

if TYPE_CHECKING:
    from storewarden.config.site import SiteConfig


def ticket_system(config: SiteConfig, secrets: Secrets) -> TicketSystem | None:
    """The system of the ``tickets`` section, connected; None for ``local``. Shut it after use.

    Nothing is asked of it yet: a system that is down can be connected. Raises ConfigInvalid,
    naming the file and ``tickets.<system>.<key>``, for settings and references that are wrong.
    """
    from storewarden.adapters.tickets import connect_ticket_system  # noqa: PLC0415 - costs 0.3 s

    tickets = config.tickets
    try:
        return connect_ticket_system(
            tickets.system, tickets.settings, secrets, config.folder or Path.cwd()
        )
    except ConfigInvalid as error:
        where = f"{config.source}: {error.where}" if config.source else error.where
        raise ConfigInvalid(error.what, where=where, hint=error.hint) from None
