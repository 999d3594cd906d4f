# SPDX-License-Identifier: GPL-3.0-or-later
"""What payloads say of themselves: the roles ``payload_<name>`` and their ``meta/payload.yml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from storewarden.domain.rollout.spec import PayloadClass, Reversibility, Soak, Timing


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadAbout:
    """One payload. ``summary`` by language; ``operation`` is the value of an operation class;
    ``waves`` are words of a rollout file ("1 store", "10%"); ``lock`` when the canary resolves
    exact versions for all; ``reboots`` when its change may reboot a host."""

    name: str
    payload_class: PayloadClass
    reversibility: Reversibility
    operation: str
    soak: Soak
    timing: Timing
    waves: tuple[str, ...] = ()
    summary: Mapping[str, str] = field(default_factory=dict)
    lock: bool = False
    reboots: bool = False


class Payloads(Protocol):
    """The payloads that are installed."""

    def about(self, name: str) -> PayloadAbout:
        """One of them. Raises ConfigInvalid when there is none of that name or it is malformed,
        ContentMissing when the collection is not installed."""
        ...
