# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing audits: each call is one journal entry and the state rows it explains.

All of it happens on a connection whose transaction the caller opened; the first
statement locks the journal's head, so what is read afterwards stays true.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from storewarden.adapters.ledger import entries, evidence, journal
from storewarden.adapters.ledger.tables import (
    AUDIT,
    CONTROL_STATE,
    DRIFT_EVENT,
    HOST_COUNT,
    HOST_RESULT,
)
from storewarden.domain.baseline.drift import Comparison, Drift, compare
from storewarden.domain.baseline.finding import AuditState, Finding, HostAudit, Verdict
from storewarden.domain.errors import LedgerConflict
from storewarden.ports.journal import digest, moment, stamp

OUTCOMES = ("completed", "interrupted")


def begin(connection: Connection, opening: entries.Opening, now: datetime) -> None:
    """Open an audit; the same again changes nothing."""
    appended = journal.append(connection, entries.opened(opening, now))
    if not appended.new:
        return
    connection.execute(
        insert(AUDIT).values(
            id=opening.audit,
            sequence=appended.entry.sequence,
            at=stamp(opening.at),
            ended="",
            outcome="",
            scope=opening.scope,
            content=opening.content,
            hosts=entries.text_of(opening.hosts),
            controls=entries.text_of(opening.controls),
        )
    )


def record(
    connection: Connection, audit: str, host: HostAudit, at: datetime, now: datetime
) -> tuple[Drift, ...]:
    """Store one host's result with what it changes; the same again changes nothing."""
    packed = evidence.packed(host)
    host = evidence.unpacked(packed, host.host)  # compare what will be read again, not tuples
    journal.lock(connection)
    there = _recorded(connection, audit, host.host)
    if there is not None:
        return _again(connection, there, host)
    _require_open(connection, audit, host.host)
    comparison = _compared(connection, host, audit, at)
    made = entries.Record(audit=audit, at=at, host=host, evidence=packed, comparison=comparison)
    sequence = journal.append(connection, entries.recorded(made, now)).entry.sequence
    _store(connection, made, sequence)
    return comparison.drifts


def end(connection: Connection, audit: str, at: datetime, outcome: str, now: datetime) -> None:
    """Close an audit; the same again changes nothing, another outcome is refused."""
    if outcome not in OUTCOMES:
        raise LedgerConflict(
            f"an audit ends as {' or '.join(OUTCOMES)}, not as {outcome!r}", where=f"audit {audit}"
        )
    journal.lock(connection)
    row = _audit(connection, audit)
    if row.ended and row.outcome == outcome:
        return
    journal.append(connection, entries.ended(audit, at, outcome, now))
    closing = update(AUDIT).where(AUDIT.c.id == audit)
    connection.execute(closing.values(ended=stamp(at), outcome=outcome))


def count_hosts(
    connection: Connection, scope: str, count: int, at: datetime, now: datetime
) -> None:
    """Store the size of an inventory for the next comparison."""
    appended = journal.append(connection, entries.counted(scope, count, at, now))
    if not appended.new:
        return
    values = {"sequence": appended.entry.sequence, "at": stamp(at), "count": count}
    changed = connection.execute(
        update(HOST_COUNT).where(HOST_COUNT.c.scope == scope).values(**values)
    )
    if changed.rowcount == 0:
        connection.execute(insert(HOST_COUNT).values(scope=scope, **values))


def _audit(connection: Connection, audit: str) -> Row[*tuple[Any, ...]]:
    row = connection.execute(select(AUDIT).where(AUDIT.c.id == audit)).one_or_none()
    if row is None:
        raise LedgerConflict("no such audit was begun", where=f"audit {audit}")
    return row


def _require_open(connection: Connection, audit: str, host: str) -> None:
    row = _audit(connection, audit)
    if row.ended:
        raise LedgerConflict(
            f"has ended ({row.outcome}), the result of {host} comes too late",
            where=f"audit {audit}",
            hint="audit the host again",
        )
    if host not in json.loads(row.hosts):
        raise LedgerConflict(f"{host} is not one of its hosts", where=f"audit {audit}")


def _recorded(connection: Connection, audit: str, host: str) -> Row[*tuple[Any, ...]] | None:
    chosen = select(HOST_RESULT.c.sequence, HOST_RESULT.c.evidence)
    mine = chosen.where(HOST_RESULT.c.audit == audit, HOST_RESULT.c.host == host)
    return connection.execute(mine).one_or_none()


def _again(
    connection: Connection, there: Row[*tuple[Any, ...]], host: HostAudit
) -> tuple[Drift, ...]:
    if evidence.unpacked(there.evidence, f"entry {there.sequence}") != host:
        raise LedgerConflict(
            f"{host.host} is recorded with another result",
            where=f"entry {there.sequence}",
            hint="the first result stands; begin another audit to look again",
        )
    chosen = select(DRIFT_EVENT).where(DRIFT_EVENT.c.sequence == there.sequence)
    rows = connection.execute(chosen.order_by(DRIFT_EVENT.c.control)).mappings()
    return tuple(entries.drift_of(dict(row)) for row in rows)


def _compared(connection: Connection, host: HostAudit, audit: str, at: datetime) -> Comparison:
    if host.state is not AuditState.AUDITED:
        return Comparison()
    found = compare(_known(connection, host.host), host, audit=audit, at=at)
    ordered = sorted(found.drifts, key=lambda drift: drift.control)
    seen = _last_seen(connection, host.host, {drift.control for drift in ordered})
    drifts = tuple(replace(drift, seen=seen.get(drift.control)) for drift in ordered)
    return replace(found, drifts=drifts)


def _known(connection: Connection, host: str) -> Mapping[str, Finding]:
    chosen = select(CONTROL_STATE.c.control, CONTROL_STATE.c.verdict, CONTROL_STATE.c.value)
    rows = connection.execute(chosen.where(CONTROL_STATE.c.host == host))
    return {
        row.control: Finding(
            control=row.control, verdict=Verdict(row.verdict), value=json.loads(row.value)
        )
        for row in rows
    }


def _last_seen(
    connection: Connection, host: str, controls: Collection[str]
) -> Mapping[str, datetime]:
    """When each control was last looked at: read backwards, nearly always one row."""
    seen: dict[str, datetime] = {}
    missing = set(controls)
    before: int | None = None
    while missing:
        row = _earlier(connection, host, before)
        if row is None:
            break
        before = row.sequence
        past = evidence.unpacked(row.evidence, f"entry {row.sequence}")
        looked = {finding.control for finding in past.findings} & missing
        seen |= dict.fromkeys(looked, moment(row.at))
        missing -= looked
    return seen


def _earlier(connection: Connection, host: str, before: int | None) -> Row[*tuple[Any, ...]] | None:
    chosen = select(HOST_RESULT.c.sequence, HOST_RESULT.c.at, HOST_RESULT.c.evidence).where(
        HOST_RESULT.c.host == host,
        HOST_RESULT.c.state == AuditState.AUDITED.value,
        HOST_RESULT.c.evidence != b"",  # deleted after its retention
    )
    if before is not None:
        chosen = chosen.where(HOST_RESULT.c.sequence < before)
    return connection.execute(chosen.order_by(HOST_RESULT.c.sequence.desc()).limit(1)).one_or_none()


def _store(connection: Connection, made: entries.Record, sequence: int) -> None:
    connection.execute(
        insert(HOST_RESULT).values(
            sequence=sequence,
            audit=made.audit,
            host=made.host.host,
            at=stamp(made.at),
            state=made.host.state.value,
            counts=entries.text_of(evidence.counts(made.host)),
            sample=entries.sample_text(made),
            evidence=made.evidence,
            digest=digest(made.evidence),
        )
    )
    _store_baseline(connection, made)
    for drift in made.comparison.drifts:
        connection.execute(insert(DRIFT_EVENT).values(entries.drift_row(drift, sequence)))
        _store_transition(connection, drift)


def _store_baseline(connection: Connection, made: entries.Record) -> None:
    rows = [
        {
            "host": made.host.host,
            "control": finding.control,
            "verdict": finding.verdict.value,
            "value": entries.text_of(finding.value),
            "since": made.audit,
        }
        for finding in made.comparison.first_seen
    ]
    if rows:
        connection.execute(insert(CONTROL_STATE), rows)


def _store_transition(connection: Connection, drift: Drift) -> None:
    mine = (CONTROL_STATE.c.host == drift.host, CONTROL_STATE.c.control == drift.control)
    connection.execute(
        update(CONTROL_STATE)
        .where(*mine)
        .values(
            verdict=drift.verdict_to.value,
            value=entries.text_of(drift.value_to),
            since=drift.audit,
        )
    )
