# SPDX-License-Identifier: GPL-3.0-or-later
"""Ticket systems, found by their names.

A system is one module of this folder with a class ``Settings`` (its keys) and a function
``connect(settings, secrets)``; the module's name is what stands under ``tickets.system``.
Other distributions add systems by entry points of the group ``storewarden.tickets`` that name
such a module. Two of one name are an error: which of them wrote a ticket must never depend on
the order of installation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path

from storewarden.adapters.extensions import Extension, Family
from storewarden.adapters.settings import read_settings
from storewarden.adapters.tickets.settings import key_of
from storewarden.ports.secrets import Secrets
from storewarden.ports.tickets import TicketSystem


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketKind(Extension):
    """One kind of ticket system."""

    def connect(
        self, values: Mapping[str, object], secrets: Secrets, folder: Path
    ) -> TicketSystem | None:
        """The system with these settings; None when it needs no connection (``local``)."""
        module = self.load()
        settings = read_settings(module.Settings, values, key_of(self.name), folder)
        connected: TicketSystem | None = module.connect(settings, secrets)
        return connected


_SYSTEMS = Family(
    kind=TicketKind,
    folder=__name__,
    group="storewarden.tickets",
    parts=("Settings", "connect"),
    one="ticket system",
    many="ticket systems",
    unknown="no ticket system of that name",
    guide="docs/developers/add-a-ticket-system.md",
)


def ticket_systems(others: Iterable[EntryPoint] | None = None) -> Mapping[str, TicketKind]:
    """Every known system by name. ``others``: entry points; by default the installed ones.

    Raises ConfigInvalid for two systems of one name.
    """
    return _SYSTEMS.found(others)


def connect_ticket_system(
    system: str, values: Mapping[str, object], secrets: Secrets, folder: Path = Path()
) -> TicketSystem | None:
    """The system called ``system``; ``folder`` is where relative paths in ``values`` begin.

    None for ``local``. Raises ConfigInvalid for an unknown system and for every key that is
    unknown, missing or mistyped.
    """
    return _SYSTEMS.named(system, "tickets.system").connect(values, secrets, folder)
