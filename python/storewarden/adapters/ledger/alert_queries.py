# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of occurrences and repairs; nothing is written here."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from itertools import batched
from typing import Any

from sqlalchemy import Connection, Select, func, select

from storewarden.adapters.ledger import journal
from storewarden.adapters.ledger.alert_rows import occurrence_of, repair_of
from storewarden.adapters.ledger.tables import OCCURRENCE, REPAIR
from storewarden.adapters.ledger.transactions import Transactions
from storewarden.domain.healing.alert import Alert
from storewarden.domain.healing.incident_follow import Course
from storewarden.domain.healing.record import Occurrence, Repair, Stage
from storewarden.ports.healing import Recent
from storewarden.ports.journal import moment, stamp
from storewarden.ports.ledger import JournalEntry

_AT_ONCE = 500  # keys in one question
_UNDECIDED = (Stage.RECEIVED.value, Stage.WAITING.value)
_KEY = 64  # digits of a whole key


_RECENT = select(
    *(
        OCCURRENCE.c[name]
        for name in ("key", "received", "rule", "action", "hosts", "stage", "incident")
    )
)


class AlertQueries:
    """The reading half of the healing book."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def backlog(self) -> int:
        """How many occurrences are decided about, now or later."""
        chosen = select(func.count()).where(OCCURRENCE.c.stage.in_(_UNDECIDED))
        with self._transactions.reading() as connection:
            return int(connection.execute(chosen).scalar_one())

    def counts(self) -> Mapping[Stage, int]:
        """How many occurrences stand where; a stage without any is left out."""
        chosen = select(OCCURRENCE.c.stage, func.count()).group_by(OCCURRENCE.c.stage)
        with self._transactions.reading() as connection:
            return {Stage(stage): count for stage, count in connection.execute(chosen)}

    def due(self, now: datetime, limit: int = 500) -> tuple[Occurrence, ...]:
        """Occurrences about which something is to be decided now, in the order of arrival."""
        chosen = select(OCCURRENCE.c.key, OCCURRENCE.c.body)
        chosen = chosen.where(OCCURRENCE.c.due != "", OCCURRENCE.c.due <= stamp(now))
        return self._occurrences(chosen.order_by(OCCURRENCE.c.number).limit(limit))

    def next_due(self) -> datetime | None:
        """When the next one's time comes, or came."""
        chosen = select(func.min(OCCURRENCE.c.due)).where(OCCURRENCE.c.due != "")
        with self._transactions.reading() as connection:
            first = connection.execute(chosen).scalar_one()
        return moment(first) if first else None

    def occurrence(self, key: str) -> Occurrence | None:
        """One occurrence by its key, or by the beginning of it when only one begins so."""
        chosen = select(OCCURRENCE.c.key, OCCURRENCE.c.body)
        whole = len(key) == _KEY  # a LIKE reads every row
        begins = (
            OCCURRENCE.c.key == key if whole else OCCURRENCE.c.key.startswith(key, autoescape=True)
        )
        found = self._occurrences(chosen.where(begins).limit(2)) if key else ()
        return found[0] if len(found) == 1 else None

    def occurrences(
        self,
        *,
        stages: Collection[Stage] = (),
        since: datetime | None = None,
        rule: str = "",
        limit: int = 0,
    ) -> tuple[Occurrence, ...]:
        """Occurrences, newest first."""
        chosen = select(OCCURRENCE.c.key, OCCURRENCE.c.body)
        if stages:
            chosen = chosen.where(OCCURRENCE.c.stage.in_(sorted(each.value for each in stages)))
        if since is not None:
            chosen = chosen.where(OCCURRENCE.c.received >= stamp(since))
        if rule:
            chosen = chosen.where(OCCURRENCE.c.rule == rule)
        chosen = chosen.order_by(OCCURRENCE.c.number.desc())
        return self._occurrences(chosen.limit(limit) if limit else chosen)

    def recent(self, since: datetime) -> tuple[Recent, ...]:
        """Those received since then, oldest first."""
        return self._few_words(_RECENT.where(OCCURRENCE.c.received >= stamp(since)))

    def held(self) -> tuple[Recent, ...]:
        """Those that are suppressed until they are looked at again, oldest first."""
        stage = OCCURRENCE.c.stage == Stage.SUPPRESSED.value
        return self._few_words(_RECENT.where(stage, OCCURRENCE.c.due != ""))

    def _few_words(self, chosen: Select[Any]) -> tuple[Recent, ...]:
        with self._transactions.reading() as connection:
            rows = connection.execute(chosen.order_by(OCCURRENCE.c.number)).all()
        return tuple(_recent(row) for row in rows)

    def stages(self, keys: Collection[str]) -> Mapping[str, Stage]:
        """Where these occurrences stand."""
        return {key: stage for key, (stage, _hosts) in self.standing(keys).items()}

    def standing(self, keys: Collection[str]) -> Mapping[str, tuple[Stage, tuple[str, ...]]]:
        """Where these occurrences stand, and the hosts that were decided for them."""
        chosen = select(OCCURRENCE.c.key, OCCURRENCE.c.stage, OCCURRENCE.c.hosts)
        with self._transactions.reading() as connection:
            return {
                row.key: (Stage(row.stage), tuple(json.loads(row.hosts)))
                for some in batched(sorted(set(keys)), _AT_ONCE)
                for row in connection.execute(chosen.where(OCCURRENCE.c.key.in_(some)))
            }

    def courses(self, keys: Collection[str]) -> Mapping[str, Course]:
        """Where these occurrences stand, and whether their senders say that they are over."""
        chosen = select(OCCURRENCE.c.key, OCCURRENCE.c.stage, OCCURRENCE.c.resolved)
        with self._transactions.reading() as connection:
            return {
                row.key: Course(stage=Stage(row.stage), resolved=bool(row.resolved))
                for some in batched(sorted(set(keys)), _AT_ONCE)
                for row in connection.execute(chosen.where(OCCURRENCE.c.key.in_(some)))
            }

    def firing(self, source: str) -> tuple[Alert, ...]:
        """Alerts of a source that nobody has called over yet."""
        chosen = select(OCCURRENCE.c.key, OCCURRENCE.c.body)
        chosen = chosen.where(OCCURRENCE.c.source == source, OCCURRENCE.c.resolved == "")
        return tuple(each.alert for each in self._occurrences(chosen.order_by(OCCURRENCE.c.number)))

    def history(self, run: str) -> tuple[JournalEntry, ...]:
        """The journal entries of an occurrence or a repair, in order."""
        with self._transactions.reading() as connection:
            return tuple(journal.of_run(connection, run))

    def repair(self, ident: str) -> Repair | None:
        """One repair."""
        found = self._repairs(select(REPAIR.c.id, REPAIR.c.body).where(REPAIR.c.id == ident))
        return found[0] if found else None

    def repairs(
        self, *, since: datetime | None = None, open_only: bool = False, limit: int = 0
    ) -> tuple[Repair, ...]:
        """Repairs, newest first."""
        chosen = select(REPAIR.c.id, REPAIR.c.body).order_by(REPAIR.c.count.desc())
        if since is not None:
            chosen = chosen.where(REPAIR.c.opened >= stamp(since))
        if open_only:
            chosen = chosen.where(REPAIR.c.open == 1)
        return self._repairs(chosen.limit(limit) if limit else chosen)

    def _occurrences(self, chosen: Select[Any]) -> tuple[Occurrence, ...]:
        with self._transactions.reading() as connection:
            rows = connection.execute(chosen).all()
        return tuple(occurrence_of(row.key, row.body) for row in rows)

    def _repairs(self, chosen: Select[Any]) -> tuple[Repair, ...]:
        with self._transactions.reading() as connection:
            rows = connection.execute(chosen).all()
        return tuple(repair_of(row.id, row.body) for row in rows)


def found_occurrences(connection: Connection, keys: Iterable[str]) -> dict[str, Occurrence]:
    """Those of the keys that are known, in the order in which they were asked for."""
    wanted, found = list(dict.fromkeys(keys)), dict[str, Occurrence]()
    for some in batched(wanted, _AT_ONCE):
        chosen = select(OCCURRENCE.c.key, OCCURRENCE.c.body).where(OCCURRENCE.c.key.in_(some))
        for row in connection.execute(chosen):
            found[row.key] = occurrence_of(row.key, row.body)
    return {key: found[key] for key in wanted if key in found}


def _recent(row: Any) -> Recent:
    return Recent(
        key=row.key,
        received_at=moment(row.received),
        rule=row.rule,
        action=row.action,
        hosts=tuple(json.loads(row.hosts)),
        stage=Stage(row.stage),
        incident=row.incident,
    )
