# SPDX-License-Identifier: GPL-3.0-or-later
"""What carries out a fix by force; whoever plans one knows nothing of playbooks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from storewarden.domain.baseline.control import Risk


@dataclass(frozen=True, slots=True, kw_only=True)
class ForcedOrder:
    """A run on some devices of an approved standing change."""

    change: str
    hosts: tuple[str, ...]
    controls: tuple[str, ...]
    max_risk: Risk


@dataclass(frozen=True, slots=True, kw_only=True)
class ForcedOutcome:
    """What came of it: devices that are as required, and those that are not.

    ``open`` are those of which nobody knows; ``said`` is a line for people.
    """

    well: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    open: tuple[str, ...] = ()
    said: str = ""


class StartHarden(Protocol):
    """Runs orders."""

    def refusal(self, order: ForcedOrder) -> str:
        """Why the change does not cover the order now; "" when it does. Asks no host and no
        window."""
        ...

    def waits(self, order: ForcedOrder) -> str:
        """Why it is not the time for it; "" when a window is open on all its devices."""
        ...

    def start(self, order: ForcedOrder) -> ForcedOutcome:
        """Do it; returns when it has ended. Raises the leaves of ``domain.errors`` when nothing
        was touched."""
        ...
