# SPDX-License-Identifier: GPL-3.0-or-later
"""No other system: the change in the ledger is the ticket.

Nothing is mirrored, so there is nothing to connect to and nothing that could fail. This
module exists so that ``local`` is a name like any other, and so that keys which only make
sense for a real system (a url left behind) are refused instead of ignored.
"""

from __future__ import annotations

from storewarden.adapters.settings import AdapterSettings
from storewarden.ports.secrets import Secrets
from storewarden.ports.tickets import TicketSystem


class Settings(AdapterSettings):
    """No keys."""


def connect(settings: Settings, secrets: Secrets) -> TicketSystem | None:  # noqa: ARG001 - like all
    """None: there is no channel to mirror into."""
    return None
