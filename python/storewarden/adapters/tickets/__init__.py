# SPDX-License-Identifier: GPL-3.0-or-later
"""Ticket systems, found by their names.

A system is one module of this folder with a class ``Settings`` (its keys, a frozen
dataclass) and a function ``connect(settings, secrets)``; the module's name is what stands
under ``tickets.system``. Other distributions add systems by entry points of the group
``storewarden.tickets`` that name such a module. Two of one name are an error: which of them
wrote a ticket must never depend on the order of installation.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from storewarden.adapters.tickets.settings import read_settings
from storewarden.domain.errors import ConfigInvalid
from storewarden.ports.secrets import Secrets
from storewarden.ports.tickets import TicketSystem

GROUP = "storewarden.tickets"


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketKind:
    """One kind of ticket system; ``origin`` says who brought it. Loaded when it is used."""

    name: str
    origin: str
    load: Callable[[], Any] = field(repr=False)

    def connect(
        self, values: Mapping[str, object], secrets: Secrets, folder: Path
    ) -> TicketSystem | None:
        """The system with these settings; None when it needs no connection (``local``)."""
        module = self.load()
        settings = read_settings(module.Settings, values, self.name, folder)
        connected: TicketSystem | None = module.connect(settings, secrets)
        return connected


def ticket_systems(others: Iterable[EntryPoint] | None = None) -> Mapping[str, TicketKind]:
    """Every known system by name. ``others``: entry points; by default the installed ones.

    Raises ConfigInvalid for two systems of one name.
    """
    found = {kind.name: kind for kind in _own()}
    for point in entry_points(group=GROUP) if others is None else others:
        kind = _foreign(point)
        if kind.name in found:
            raise ConfigInvalid(
                f"two ticket systems are called {kind.name}",
                where=f"{found[kind.name].origin} and {kind.origin}",
                hint="uninstall one of them",
            )
        found[kind.name] = kind
    return dict(sorted(found.items()))


def connect_ticket_system(
    system: str, values: Mapping[str, object], secrets: Secrets, folder: Path = Path()
) -> TicketSystem | None:
    """The system called ``system``; ``folder`` is where relative paths in ``values`` begin.

    None for ``local``. Raises ConfigInvalid for an unknown system and for every key that is
    unknown, missing or mistyped.
    """
    known = ticket_systems()
    if system not in known:
        raise ConfigInvalid(
            "no ticket system of that name",
            where="tickets.system",
            hint=f"known: {', '.join(known)}",
        )
    return known[system].connect(values, secrets, folder)


def _own() -> Iterable[TicketKind]:
    for info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{info.name}")
        if hasattr(module, "Settings") and hasattr(module, "connect"):
            load = partial(importlib.import_module, module.__name__)
            yield TicketKind(name=info.name, origin="storewarden", load=load)


def _foreign(point: EntryPoint) -> TicketKind:
    origin = point.dist.name if point.dist else point.value

    def load() -> Any:
        module = point.load()
        if not (hasattr(module, "Settings") and hasattr(module, "connect")):
            raise ConfigInvalid(
                "is no ticket system: it lacks Settings or connect",
                where=f"entry point {GROUP}:{point.name} of {origin}",
                hint="see docs/developers/add-a-ticket-system.md",
            )
        return module

    return TicketKind(name=point.name, origin=origin, load=load)
