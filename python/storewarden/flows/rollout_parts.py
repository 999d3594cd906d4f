# SPDX-License-Identifier: GPL-3.0-or-later
"""What driving rollouts works with, and the words that all its flows share.

A rollout is driven by short ticks and by dispatches. Neither keeps anything in memory that
counts: whoever comes next finds everything in the book of rollouts and in the runs' folders.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from pathlib import Path

from storewarden.domain.capacity.groups import POS_ROLES
from storewarden.domain.change.record import Change
from storewarden.domain.estate.device import Device
from storewarden.domain.maintenance.almanac import Almanac
from storewarden.domain.rollout.record import Phase, Rollout
from storewarden.flows.change_desk import Document
from storewarden.flows.harden_ready import WorkDesk
from storewarden.ports.changes import ChangeBook
from storewarden.ports.clock import Clock
from storewarden.ports.ledger import JournalEntry
from storewarden.ports.rollouts import RolloutBook
from storewarden.ports.runner import FrozenInventory, Runner, SecretFiles
from storewarden.ports.signals import Gates

ROLLOUTS = "rollouts"
"""The duty that looks which rollouts are due."""

TICK = "rollout"
"""The kind of work that is one look at one rollout; its body is ``{"rollout": number}``."""

SHARD = "shard"
"""The kind of work that is one dispatch which begins something on its hosts; its body is
``{"dispatch": id}``, its key that id."""

ENDING = "ending"
"""The same for dispatches that end what was begun: judge, undo, probe. They never queue behind
changes of other hosts or rollouts: a dead man ticks on every host that waits for its judge."""

BEGINS = frozenset({Phase.PREFLIGHT, Phase.APPLY})
"""Phases that begin something."""


def kind_of(phase: Phase) -> str:
    """The kind of work that a dispatch of ``phase`` is."""
    return SHARD if phase in BEGINS else ENDING


OWNER = "rollout"
"""The owner of runs that dispatches start; their label is the dispatch's id."""

PLAYBOOKS = "storewarden.ops.payload_"
"""What the playbooks of the phases are called before the phase's own name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EstateNow:
    """The estate as it was resolved last: devices, and what Ansible needs to reach them."""

    devices: tuple[Device, ...]
    inventory: FrozenInventory


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaySettings:
    """What every run of a dispatch is given beside its phase."""

    variables: Mapping[str, object] = field(default_factory=dict)
    secrets: SecretFiles = field(default_factory=SecretFiles)
    known_hosts: Path | None = None
    collections: tuple[Path, ...] = ()


type Contact = Callable[[str, Mapping[str, object]], None]
"""Takes in what a host tells at every contact: its own undo records."""

type MakeReport = Callable[[Rollout, Sequence[JournalEntry]], Document]
"""A rollout that is over as a piece of evidence."""


def _no_contact(_host: str, _report: Mapping[str, object]) -> None:
    """Nobody reads what hosts tell beside their phase."""


type Uncovered = Callable[[Rollout, Change | None, datetime], Mapping[str, tuple[str, str]]]
"""Hosts of a rollout that have no backup to fall back on, why in English and Chinese."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardParts:
    """What running one dispatch takes; ``worker`` is this process's name in the book."""

    book: RolloutBook
    runner: Runner
    clock: Clock
    estate: Callable[[], EstateNow]
    frozen: Callable[[], str]
    worker: str
    settings: PlaySettings = field(default_factory=PlaySettings)
    contact: Contact = _no_contact
    wake: Callable[[], None] = lambda: None
    ended: Callable[[], None] = lambda: None
    """Called when the end of a dispatch is in the book."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DriveParts:
    """What looking at a rollout takes.

    ``desk`` is where "storewarden" itself stands, to begin work on some hosts of a change or to
    tell a change how it went; ``submit`` hands work to the engine: kind, key, body.
    """

    shard: ShardParts
    changes: ChangeBook
    desk: Callable[[Sequence[str]], WorkDesk]
    almanac: Callable[[], Almanac]
    gates: Gates
    submit: Callable[[str, str, Mapping[str, object]], None]
    report: MakeReport
    changed: Callable[[], tuple[str, ...]] = tuple
    """Changes to which something happened since it was asked last (``rollout_news``)."""
    roles: Callable[[str], tuple[str, ...]] = lambda _person: ()
    repairing: Callable[[], Mapping[str, str]] = dict
    """Hosts of repairs that were decided and have not ended -> the repair's id."""
    uncovered: Uncovered = lambda _rollout, _change, _now: {}
    pos_roles: frozenset[str] = POS_ROLES
    zone: tzinfo = UTC
    language: str = "en"

    @property
    def book(self) -> RolloutBook:
        """The rollouts."""
        return self.shard.book

    @property
    def clock(self) -> Clock:
        """The clock."""
        return self.shard.clock
