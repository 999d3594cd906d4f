# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading audits, transitions and samples back, each from one moment of the ledger.

Which audit is later is decided by the journal's order, not by a clock that may
have been set back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, select

from storewarden.adapters.ledger import entries, evidence
from storewarden.adapters.ledger.tables import AUDIT, DRIFT_EVENT, HOST_COUNT, HOST_RESULT
from storewarden.domain.baseline.drift import Drift
from storewarden.domain.baseline.finding import Audit, AuditState, HostAudit
from storewarden.domain.errors import ConfigInvalid
from storewarden.ports.journal import moment, stamp

LAST = "last"
SAMPLES_KEPT = timedelta(days=40)
"""How far back port samples go: the 30 days a port may be idle (guide 1.9.3), and some slack."""


def audit(connection: Connection, audit_id: str) -> Audit | None:
    """The audit with every host it was to look at."""
    row = _ended(connection, 0) if audit_id == LAST else _by_id(connection, audit_id)
    if row is None:
        return None
    results = _results(connection, row.id)
    hosts = (results.get(host) or _unrecorded(host, row.outcome) for host in json.loads(row.hosts))
    return Audit(
        id=row.id,
        at=moment(row.at),
        hosts=tuple(hosts),
        controls=tuple(json.loads(row.controls)),
        content=row.content,
    )


def unfinished(connection: Connection) -> tuple[str, ...]:
    """Ids of audits without an end, in the order in which they were begun."""
    chosen = select(AUDIT.c.id).where(AUDIT.c.ended == "").order_by(AUDIT.c.sequence)
    return tuple(connection.execute(chosen).scalars())


def drift(connection: Connection, since: str, until: str) -> tuple[Drift, ...]:
    """Transitions after the audit or moment ``since``, oldest first, up to the audit ``until``."""
    chosen = select(DRIFT_EVENT).join(AUDIT, AUDIT.c.id == DRIFT_EVENT.c.audit)
    chosen = chosen.where(_after(connection, since))
    if until:
        chosen = chosen.where(AUDIT.c.sequence <= _sequence(connection, until))
    ordered = chosen.order_by(DRIFT_EVENT.c.sequence, DRIFT_EVENT.c.control)
    rows = connection.execute(ordered).mappings()
    return tuple(entries.drift_of(dict(row)) for row in rows)


def host_count(connection: Connection, scope: str) -> int | None:
    """The size of an inventory when last counted."""
    chosen = select(HOST_COUNT.c.count).where(HOST_COUNT.c.scope == scope)
    return connection.execute(chosen).scalar_one_or_none()


def port_samples(
    connection: Connection, host: str, now: datetime
) -> tuple[Mapping[str, object], ...]:
    """The last sample of each day (UTC), oldest first."""
    chosen = select(HOST_RESULT.c.at, HOST_RESULT.c.sample).where(
        HOST_RESULT.c.host == host,
        HOST_RESULT.c.sample != "",
        HOST_RESULT.c.at >= stamp(now - SAMPLES_KEPT),
    )
    daily: dict[date, Mapping[str, object]] = {}
    for row in connection.execute(chosen.order_by(HOST_RESULT.c.at)):
        daily[moment(row.at).date()] = json.loads(row.sample)
    return tuple(daily.values())


def _ended(connection: Connection, skip: int) -> Row[*tuple[Any, ...]] | None:
    """The latest audit that has ended, or one ``skip`` before it."""
    chosen = select(AUDIT).where(AUDIT.c.ended != "").order_by(AUDIT.c.sequence.desc())
    return connection.execute(chosen.offset(skip).limit(1)).one_or_none()


def _by_id(connection: Connection, audit_id: str) -> Row[*tuple[Any, ...]] | None:
    return connection.execute(select(AUDIT).where(AUDIT.c.id == audit_id)).one_or_none()


def _results(connection: Connection, audit_id: str) -> dict[str, HostAudit]:
    chosen = select(HOST_RESULT.c.sequence, HOST_RESULT.c.host, HOST_RESULT.c.evidence)
    rows = connection.execute(chosen.where(HOST_RESULT.c.audit == audit_id))
    return {row.host: _result(row) for row in rows}


def _result(row: Row[*tuple[Any, ...]]) -> HostAudit:
    if not row.evidence:
        return evidence.deleted(row.host)
    return evidence.unpacked(row.evidence, f"entry {row.sequence}")


def _unrecorded(host: str, outcome: str) -> HostAudit:
    ending = f"the audit was {outcome} before" if outcome else "the audit is under way, not yet"
    return HostAudit(host=host, state=AuditState.UNKNOWN, message=f"{ending} a result was recorded")


def _sequence(connection: Connection, audit_id: str) -> int:
    row = _by_id(connection, audit_id)
    if row is None:
        raise ConfigInvalid(f"the ledger has no audit {audit_id!r}", where="ledger")
    return int(row.sequence)


def _after(connection: Connection, since: str) -> ColumnElement[bool]:
    if since == LAST:
        earlier = _ended(connection, 1)
        return AUDIT.c.sequence > (int(earlier.sequence) if earlier else 0)
    row = _by_id(connection, since)
    if row is not None:
        return AUDIT.c.sequence > int(row.sequence)
    return DRIFT_EVENT.c.at >= stamp(_moment(since))


def _moment(since: str) -> datetime:
    """A date (its start in UTC) or a time with its zone."""
    try:
        at = datetime.fromisoformat(since)
    except ValueError:
        at = None
    if at is not None and "T" not in since and " " not in since:
        at = at.replace(tzinfo=UTC)
    if at is None or at.tzinfo is None:
        raise ConfigInvalid(
            f"the ledger has no audit {since!r}",
            where="--since",
            hint='use "last", an audit id, 2026-01-31 or 2026-01-31T08:00+08:00',
        )
    return at
