# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host says of restore points that it took back by itself.

A host whose confirmation never came undoes the change and keeps a record until somebody asks.
Hosts are not trusted with more than their own story: what makes no sense is left out, and
what is too long is cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_LONGEST = 300  # characters of a text of the host's
_MOST = 50  # items named in a record; the rest is on the host
_REQUEST = "request"  # the cause of an undo that somebody asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoRecord:
    """One undo on one host: the ``number``-th of the restore point ``point``.

    ``owner`` is the change it belongs to; ``cause`` is deadline, late or request; ``ended`` is
    by the host's own clock, ISO text; ``overdue`` are seconds after the deadline, None when none
    led to it; ``residue`` names what could not be put back.
    """

    host: str
    point: str
    number: int = 1
    owner: str = ""
    outcome: str = ""
    cause: str = ""
    reason: str = ""
    ended: str = ""
    overdue: float | None = None
    touched: tuple[str, ...] = ()
    residue: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Tells this undo from every other of this host."""
        return f"{self.point} {self.number}"

    @property
    def by_itself(self) -> bool:
        """Nobody asked: the deadline had passed, or a word came too late."""
        return self.cause != _REQUEST

    @property
    def whole(self) -> bool:
        """The host is as it was at capture."""
        return not self.residue and self.outcome == "restored"


def undo_records(host: str, raw: object) -> tuple[UndoRecord, ...]:
    """The records in what a host reported; those without a restore point or an outcome are none."""
    rows = raw if isinstance(raw, list | tuple) else ()
    found = (_record(host, row) for row in rows if isinstance(row, Mapping))
    return tuple(record for record in found if record.point and record.outcome)


def _record(host: str, row: Mapping[str, object]) -> UndoRecord:
    overdue, number = row.get("overdue"), row.get("number")
    return UndoRecord(
        host=host,
        point=_text(row.get("id")),
        number=number if isinstance(number, int) and number > 0 else 1,
        owner=_text(row.get("owner")),
        outcome=_text(row.get("outcome")),
        cause=_text(row.get("cause")),
        reason=_text(row.get("reason")),
        ended=_text(row.get("ended_at")),
        overdue=float(overdue) if isinstance(overdue, int | float) else None,
        touched=_names(row.get("touched")),
        residue=_names(row.get("residue")),
    )


def _names(raw: object) -> tuple[str, ...]:
    rows: Iterable[object] = raw if isinstance(raw, list | tuple) else ()
    return tuple(_named(row) for row in rows)[:_MOST]


def _named(row: object) -> str:
    """An item by name; residue comes with why it could not be put back."""
    if not isinstance(row, Mapping):
        return _text(row)
    why = _text(row.get("error") or row.get("why"))
    return f"{_text(row.get('item'))}: {why}" if why else _text(row.get("item"))


def _text(raw: object) -> str:
    if raw is None or isinstance(raw, Mapping | list | tuple):
        return ""
    line = " ".join(str(raw).split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
