# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the evidence of gates comes from. Fetching is an adapter's work, judging a gate's.

A fetcher never lets a rollout fail for what the other side does: a signal that could not be had
is evidence too (``problem``), and every gate holds on it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Protocol

from storewarden.domain.gates.scope import Need, OrderSeen, ProbeSeen, Signal, WaveScope
from storewarden.domain.gates.verdict import Verdict
from storewarden.domain.rollout.spec import GateSpec
from storewarden.ports.secrets import Secrets

__all__ = [
    "Gates",
    "HostAnswer",
    "HostAsk",
    "HostLook",
    "LookKind",
    "Need",
    "OrderSeen",
    "ProbeSeen",
    "Reach",
    "Signal",
    "WaveScope",
]

WITHIN = timedelta(seconds=60)
"""How long all gates of a wave together may take."""

COVERAGE = Fraction(4, 5)
"""Share of a wave that must be verified (reference: rollouts, "Gate" 2)."""


class LookKind(StrEnum):
    """What can be looked at on a host; nothing of it changes anything."""

    UNIT = "unit"  # is a systemd unit active
    COMMAND = "command"  # run a program that only reads; its status and its output
    JOURNAL = "journal"  # count lines of the systemd journal
    FILES = "files"  # count lines of log files


@dataclass(frozen=True, slots=True, kw_only=True)
class HostAsk:
    """One question to a host; ``name`` is unique among those that are asked together.

    UNIT: ``unit``. COMMAND: ``argv``, as ``user`` when given. JOURNAL: ``unit`` ("" for the whole
    journal); FILES: ``paths`` (patterns of the shell); both count lines between ``since`` and
    ``until`` that ``pattern`` finds and ``ignore`` does not (Python's regular expressions).
    """

    name: str
    kind: LookKind
    unit: str = ""
    argv: tuple[str, ...] = ()
    user: str = ""
    paths: tuple[str, ...] = ()
    pattern: str = ""
    ignore: str = ""
    since: datetime | None = None
    until: datetime | None = None
    seconds: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HostAnswer:
    """What one host says to one question; ``problem`` is why it cannot say ("" when it can).

    UNIT: ``ok``, ``text`` is the unit's state. COMMAND: ``ok`` for status 0, ``text`` its output
    (1,000 characters). Counting: ``count`` of ``lines`` lines in that time.
    """

    ok: bool | None = None
    text: str = ""
    count: int | None = None
    lines: int | None = None
    problem: str = ""


class HostLook(Protocol):
    """Asks hosts by a playbook that only reads."""

    def ask(
        self, hosts: Sequence[str], asks: Sequence[HostAsk]
    ) -> Mapping[str, Mapping[str, HostAnswer]]:
        """Host -> question's name -> answer. A host that does not answer is left out. Raises
        AdapterError when nobody could be asked."""
        ...


def _no_roles(_person: str) -> tuple[str, ...]:
    """Nobody knows."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What a fetcher may use: ``secrets``; ``folder``, where relative paths of the settings begin;
    ``look`` (None where hosts cannot be asked); ``roles_of``, the roles of a person."""

    secrets: Secrets
    folder: Path = Path()
    look: HostLook | None = None
    roles_of: Callable[[str], Sequence[str]] = _no_roles


class Gates(Protocol):
    """All gates of a site: what ``wiring`` hands to the driver."""

    def check(self, gates: Sequence[GateSpec]) -> None:
        """Raises ConfigInvalid, naming gate and key, for what cannot be asked; asks nothing."""
        ...

    def ask(
        self,
        gates: Sequence[GateSpec],
        scope: WaveScope,
        *,
        within: timedelta = WITHIN,
        coverage: Fraction = COVERAGE,
    ) -> tuple[Verdict, ...]:
        """Fetch, judge, and the wave's coverage: one verdict each, coverage first. Never raises
        for what a server, a host or a gate does, or for one that hangs: that holds."""
        ...
