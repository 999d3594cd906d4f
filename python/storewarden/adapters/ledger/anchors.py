# SPDX-License-Identifier: GPL-3.0-or-later
"""Anchors, as the journal notes them, and the check of what it notes.

An anchor outside shows a chain that was rewritten as a whole. The note inside
says where to look for it, so that nobody can quietly take an anchor away; and
whoever rewrites the chain has to rewrite every such note as well.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from storewarden.adapters.ledger.journal import Note
from storewarden.adapters.ledger.tables import JOURNAL
from storewarden.domain.errors import LedgerConflict
from storewarden.ports.journal import moment, stamp
from storewarden.ports.ledger import Anchor, JournalEntry, Problem

WRITTEN = "anchor written"
RUN = "anchors"


def note_of(anchor: Anchor, now: datetime) -> Note:
    """The entry that notes an anchor."""
    body = {
        "sequence": anchor.sequence,
        "hash": anchor.hash,
        "at": stamp(anchor.at),
        "where": anchor.where,
    }
    return Note(at=stamp(now), kind=WRITTEN, run=RUN, step=step_of(anchor), body=body)


def step_of(anchor: Anchor) -> str:
    """The step of the entry that notes an anchor: once per place and sequence."""
    return f"{anchor.where} {anchor.sequence}"


def anchor_of(entry: JournalEntry) -> Anchor:
    """The anchor that an entry notes. Raises LedgerConflict when it cannot be read."""
    try:
        return anchor_from(entry.body)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise LedgerConflict(
            "notes no anchor", where=f"entry {entry.sequence}", hint="run storewarden ledger verify"
        ) from None


def anchor_from(data: Mapping[str, Any]) -> Anchor:
    """An anchor from JSON data. Raises KeyError, TypeError or ValueError when it is none."""
    sequence, sealed, where = data["sequence"], data["hash"], data["where"]
    if type(sequence) is not int or not isinstance(sealed, str) or not isinstance(where, str):
        raise TypeError("not the fields of an anchor")
    return Anchor(sequence=sequence, hash=sealed, at=moment(data["at"]), where=where)


class AnchorReplay:
    """Takes raw journal rows in order; compares their hashes with the anchors noted inside."""

    def __init__(self, connection: Connection) -> None:
        self._noted: dict[int, list[tuple[str, int]]] = {}
        self._problems: list[Problem] = []
        self._load(connection)

    def take(self, rows: Iterable[Mapping[Any, Any]]) -> None:
        """A page of rows."""
        for row in rows:
            for sealed, entry in self._noted.pop(row["sequence"], ()):
                if sealed != row["hash"]:
                    what = f"altered: entry {entry} notes another hash of it as anchored"
                    self._problems.append(Problem(where=f"entry {row['sequence']}", what=what))

    def close(self) -> list[Problem]:
        """All problems; entries that are gone are named by the walk along the chain."""
        return self._problems

    def _load(self, connection: Connection) -> None:
        # Noted behind what they anchor, so they are read before the walk begins.
        chosen = select(JOURNAL.c.sequence, JOURNAL.c.body).where(
            JOURNAL.c.run == RUN, JOURNAL.c.kind == WRITTEN
        )
        for sequence, body in connection.execute(chosen.order_by(JOURNAL.c.sequence)):
            try:
                anchor = anchor_from(json.loads(body))
            except (KeyError, TypeError, ValueError, AttributeError):
                what = f"altered: not the content of a {WRITTEN!r} entry"
                self._problems.append(Problem(where=f"entry {sequence}", what=what))
                continue
            self._noted.setdefault(anchor.sequence, []).append((anchor.hash, sequence))
