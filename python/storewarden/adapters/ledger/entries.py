# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal entries behind the audit tables: their kinds, names and bodies.

Writer and verifier both build on this file: the writer makes a body and rows,
``verify`` reads the body and says which rows it explains. A row is explained
when every column can be derived from entries, directly or through a digest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from storewarden.adapters.ledger import evidence
from storewarden.adapters.ledger.journal import Note
from storewarden.domain.baseline.drift import Comparison, Drift
from storewarden.domain.baseline.finding import HostAudit, Verdict
from storewarden.domain.baseline.reading import reading_of
from storewarden.ports.journal import canonical, digest, moment, stamp

BEGUN = "audit begun"
RECORDED = "host recorded"
ENDED = "audit ended"
COUNTED = "hosts counted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What begins an audit."""

    audit: str
    at: datetime
    hosts: tuple[str, ...]
    controls: tuple[str, ...]
    content: str
    scope: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One host's result, ready to be stored. ``evidence`` are the bytes to store."""

    audit: str
    at: datetime
    host: HostAudit
    evidence: bytes
    comparison: Comparison


def text_of(value: object) -> str:
    """``value`` as canonical JSON text, the form of all JSON columns."""
    return canonical(value).decode("ascii")


def step_of(host: str) -> str:
    """The step of a host's entry in the run that is its audit."""
    return f"host:{host}"


def opened(opening: Opening, now: datetime) -> Note:
    """The entry that begins an audit; of the hosts only number and digest."""
    hosts = canonical(opening.hosts)
    body = {
        "audit": opening.audit,
        "at": stamp(opening.at),
        "hosts": {"number": len(opening.hosts), "sha256": digest(hosts)},
        "controls": opening.controls,
        "content": opening.content,
        "scope": opening.scope,
    }
    return Note(at=stamp(now), kind=BEGUN, run=opening.audit, step="begin", body=body)


def recorded(record: Record, now: datetime) -> Note:
    """The entry for one host: state, counts, digests, baseline and transitions."""
    sample = sample_text(record)
    body = {
        "audit": record.audit,
        "host": record.host.host,
        "at": stamp(record.at),
        "state": record.host.state.value,
        "counts": evidence.counts(record.host),
        "sample": digest(sample.encode()) if sample else "",
        "evidence": digest(record.evidence),
        "first_seen": [finding.control for finding in record.comparison.first_seen],
        "drift": [_drift_body(drift) for drift in record.comparison.drifts],
    }
    step = step_of(record.host.host)
    return Note(at=stamp(now), kind=RECORDED, run=record.audit, step=step, body=body)


def ended(audit: str, at: datetime, outcome: str, now: datetime) -> Note:
    """The entry that closes an audit."""
    body = {"audit": audit, "at": stamp(at), "outcome": outcome}
    return Note(at=stamp(now), kind=ENDED, run=audit, step="end", body=body)


def counted(scope: str, count: int, at: datetime, now: datetime) -> Note:
    """The entry for the size of an inventory."""
    body = {"scope": scope, "count": count, "at": stamp(at)}
    run = f"hosts of {scope or 'the default inventory'}"
    return Note(at=stamp(now), kind=COUNTED, run=run, step=stamp(at), body=body)


def sample_text(record: Record) -> str:
    """The host's reading of packet counters as column text, "" without one.

    It is dated by the host itself where that makes sense: the answer of an audit
    that was interrupted may be recorded days later.
    """
    reading = reading_of(record.host.findings)
    return "" if reading is None else text_of({"at": record.at, **reading})


def drift_row(drift: Drift, sequence: int) -> dict[str, object]:
    """The columns of one transition."""
    return {
        "sequence": sequence,
        "control": drift.control,
        "host": drift.host,
        "audit": drift.audit,
        "at": stamp(drift.at),
        "seen": stamp(drift.seen) if drift.seen else "",
        "verdict_from": drift.verdict_from.value,
        "verdict_to": drift.verdict_to.value,
        "value_from": text_of(drift.value_from),
        "value_to": text_of(drift.value_to),
    }


def drift_rows(body: Mapping[str, object], sequence: int) -> Sequence[dict[str, Any]]:
    """The transition rows that the body of a ``RECORDED`` entry explains."""
    told = body["drift"]
    if not isinstance(told, list):
        raise TypeError("drift is no list")
    shared = {"sequence": sequence, **{name: body[name] for name in ("host", "audit", "at")}}
    return [{**shared, **_drift_columns(each)} for each in told]


def drift_of(row: Mapping[str, object]) -> Drift:
    """A stored transition."""
    return Drift(
        host=str(row["host"]),
        control=str(row["control"]),
        verdict_from=Verdict(row["verdict_from"]),
        verdict_to=Verdict(row["verdict_to"]),
        value_from=json.loads(str(row["value_from"])),
        value_to=json.loads(str(row["value_to"])),
        audit=str(row["audit"]),
        at=moment(str(row["at"])),
        seen=moment(str(row["seen"])) if row["seen"] else None,
    )


def _drift_body(drift: Drift) -> dict[str, object]:
    return {
        "control": drift.control,
        "from": drift.verdict_from.value,
        "to": drift.verdict_to.value,
        "value_from": drift.value_from,
        "value_to": drift.value_to,
        "seen": stamp(drift.seen) if drift.seen else "",
    }


def _drift_columns(told: Mapping[str, object]) -> dict[str, object]:
    return {
        "control": told["control"],
        "seen": told["seen"],
        "verdict_from": told["from"],
        "verdict_to": told["to"],
        "value_from": text_of(told["value_from"]),
        "value_to": text_of(told["value_to"]),
    }
