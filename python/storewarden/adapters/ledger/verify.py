# SPDX-License-Identifier: GPL-3.0-or-later
"""Verification: the chain walked, the state tables replayed, the guards looked at.

Reads raw columns, since a tampered one may hold anything; reads page by page,
since a journal of years does not fit in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select, type_coerce
from sqlalchemy.types import NullType

from storewarden.adapters.ledger import guards
from storewarden.adapters.ledger.alert_replay import AlertReplay
from storewarden.adapters.ledger.anchors import AnchorReplay
from storewarden.adapters.ledger.backup_replay import BackupReplay
from storewarden.adapters.ledger.chain import ChainCheck, link_of
from storewarden.adapters.ledger.change_replay import ChangeReplay
from storewarden.adapters.ledger.drift_replay import DriftReplay
from storewarden.adapters.ledger.incident_replay import IncidentReplay
from storewarden.adapters.ledger.replay import Replay
from storewarden.adapters.ledger.rollout_replay import RolloutReplay
from storewarden.adapters.ledger.tables import JOURNAL, JOURNAL_HEAD
from storewarden.adapters.ledger.tombstones import TombstoneReplay
from storewarden.ports.ledger import Problem, Verification

_PAGE = 500
_MOST = 200
"""Problems that are listed; whoever has more has one cause, and a backup to restore."""


def verify(connection: Connection, known: Mapping[int, str]) -> Verification:
    """What the ledger holds against what its journal says; ``connection`` sees one moment."""
    chain, states = ChainCheck(known), _States(connection)
    for rows in pages(connection):
        for row in rows:
            chain.take(link_of(row))
        states.take(rows)
    heads = [
        (row.sequence, row.hash)
        for row in connection.execute(select(JOURNAL_HEAD.c.sequence, JOURNAL_HEAD.c.hash))
    ]
    problems = [*chain.close(heads), *states.close(), *guards.problems(connection)]
    return Verification(
        entries=chain.entries,
        head=chain.last.hash,
        problems=listed(problems),
        notes=listed(states.notes),
    )


class _States:
    """All that is replayed beside the chain."""

    def __init__(self, connection: Connection) -> None:
        self._audits = Replay(connection)
        self._drift = DriftReplay(connection)
        self._rollouts = RolloutReplay(connection)
        self._incidents = IncidentReplay(connection)
        others = (self._drift, self._incidents)
        self._changes = ChangeReplay(connection, others, self._rollouts)
        self._alerts = AlertReplay(connection)
        self._backups = BackupReplay(connection)
        self._anchors = AnchorReplay(connection)
        self._tombstones = TombstoneReplay(self._changes.change)
        self.notes = self._tombstones.notes

    def take(self, rows: Sequence[Mapping[Any, Any]]) -> None:
        """A page of raw rows."""
        self._audits.take(rows)
        self._anchors.take(rows)
        for row in rows:
            self._drift.take(row)  # first: changes ask these two what is mirrored
            self._incidents.take(row)
            self._rollouts.take(row)
            self._changes.take(row)
            self._alerts.take(row)
            self._backups.take(row)
            self._tombstones.take(row)

    def close(self) -> list[Problem]:
        """All problems."""
        audits = self._audits.close(self._tombstones.results)
        marks = [*self._tombstones.problems, *self._anchors.close(), *self._backups.close()]
        rollouts = [*self._rollouts.close(), *self._alerts.close(), *self._incidents.close()]
        return [*audits, *self._changes.close(), *rollouts, *self._drift.close(), *marks]


def pages(connection: Connection) -> Iterator[list[dict[Any, Any]]]:
    """All raw rows of the journal by number, a page at a time."""
    columns = [type_coerce(column, NullType()).label(column.name) for column in JOURNAL.c]
    after: int | None = None
    while True:
        chosen = select(*columns).order_by(JOURNAL.c.sequence).limit(_PAGE)
        if after is not None:
            chosen = chosen.where(JOURNAL.c.sequence > after)
        rows = [dict(row) for row in connection.execute(chosen).mappings()]
        if not rows:
            return
        yield rows
        after = rows[-1]["sequence"]


def listed(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    """As many as somebody reads, as readable text."""
    shown = tuple(
        Problem(where=_readable(each.where), what=_readable(each.what)) for each in problems[:_MOST]
    )
    more = len(problems) - len(shown)
    return (*shown, Problem(where="ledger", what=f"{more} more problems")) if more else shown


def _readable(words: str) -> str:
    """Tampered bytes may be no text at all."""
    return words.encode("utf-8", "backslashreplace").decode("utf-8")
