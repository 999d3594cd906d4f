# SPDX-License-Identifier: GPL-3.0-or-later
"""Replays the journal against the state tables: every row must follow from entries.

Results and transitions carry the number of their entry, so they are compared
page by page beside the journal; audits, counts and the current state are few
and compared at the end. The current state is followed through: the journal says
in which audit each control got its state, the evidence of that audit (whose
digest the journal holds) says what it was. Evidence that was deleted leaves an
empty column and its digest; whether that was allowed, ``tombstones`` says.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, or_, select

from storewarden.adapters.ledger import entries, evidence
from storewarden.adapters.ledger.judging import Row, judged, where
from storewarden.adapters.ledger.tables import (
    AUDIT,
    CONTROL_STATE,
    DRIFT_EVENT,
    HOST_COUNT,
    HOST_RESULT,
)
from storewarden.domain.errors import StorewardenError
from storewarden.ports.journal import digest
from storewarden.ports.ledger import Problem

_AT_ONCE = 2000  # rows of the current state held in memory


class Replay:
    """Takes journal rows in order; collects a problem for each row they do not explain."""

    def __init__(self, connection: Connection) -> None:
        """``connection`` sees the same moment as the rows that are taken."""
        self.problems: list[Problem] = []
        self._connection = connection
        self._audits: dict[str, dict[str, Any]] = {}
        self._counts: dict[str, dict[str, Any]] = {}
        self._since: dict[tuple[str, str], str] = {}
        self._results: dict[int, dict[str, Any]] = {}
        self._drifts: dict[tuple[int, str], dict[str, Any]] = {}
        self._emptied: dict[int, tuple[str, str]] = {}
        self._through: int | None = None
        self._readers: Mapping[str, Callable[[int, Row], None]] = {
            entries.BEGUN: self._begun,
            entries.RECORDED: self._recorded,
            entries.ENDED: self._ended,
            entries.COUNTED: self._counted,
        }

    def take(self, rows: Iterable[Row]) -> None:
        """A page of raw journal rows; compares the results and transitions they made."""
        last = self._through
        for row in rows:
            last = row["sequence"]
            self._read(row)
        self._compare_page(last)
        self._through = last

    def close(self, deleted: Mapping[int, str]) -> list[Problem]:
        """Compare what is left; all problems.

        ``deleted`` are the results whose evidence went with permission: sequence -> digest.
        """
        self._compare_page(None)
        self._judge_emptied(deleted)
        self._compare(AUDIT, self._audits, _audit_facts, "id")
        self._compare(HOST_COUNT, self._counts, dict, "scope")
        self._compare_states()
        return self.problems

    def _read(self, row: Row) -> None:
        reader = self._readers.get(row["kind"])
        if reader is None:
            return
        try:
            reader(row["sequence"], json.loads(row["body"]))
        except (KeyError, TypeError, ValueError, AttributeError, StorewardenError):
            what = f"altered: not the content of a {row['kind']!r} entry"
            self._say(f"entry {row['sequence']}", what)

    def _begun(self, sequence: int, body: Row) -> None:
        self._audits[body["audit"]] = {
            "id": body["audit"],
            "sequence": sequence,
            "at": body["at"],
            "ended": "",
            "outcome": "",
            "scope": body["scope"],
            "content": body["content"],
            "hosts": body["hosts"]["sha256"],
            "controls": entries.text_of(body["controls"]),
        }

    def _ended(self, _sequence: int, body: Row) -> None:
        self._audits[body["audit"]] |= {"ended": body["at"], "outcome": body["outcome"]}

    def _counted(self, sequence: int, body: Row) -> None:
        self._counts[body["scope"]] = {
            "scope": body["scope"],
            "sequence": sequence,
            "at": body["at"],
            "count": body["count"],
        }

    def _recorded(self, sequence: int, body: Row) -> None:
        plain = {name: body[name] for name in ("audit", "host", "at", "state", "sample")}
        self._results[sequence] = {
            **plain,
            "sequence": sequence,
            "counts": entries.text_of(body["counts"]),
            "evidence": body["evidence"],
            "digest": body["evidence"],
        }
        drifts = entries.drift_rows(body, sequence)
        self._drifts |= {(sequence, row["control"]): row for row in drifts}
        changed = [*body["first_seen"], *(row["control"] for row in drifts)]
        self._since |= {(body["host"], control): body["audit"] for control in changed}

    def _compare_page(self, last: int | None) -> None:
        self._compare(HOST_RESULT, self._results, self._result_facts, "sequence", last=last)
        self._compare(DRIFT_EVENT, self._drifts, dict, "sequence", "control", last=last)
        self._results, self._drifts = {}, {}

    def _compare(
        self,
        table: Table,
        expected: Mapping[Any, Row],
        facts: Callable[[Row], dict[str, Any]],
        *keys: str,
        last: int | None = None,
    ) -> None:
        """Rows of ``table`` (of this page, for paged tables) against ``expected``, both ways."""
        chosen = select(table)
        if "sequence" in keys:
            chosen = chosen.where(self._page(table, last))
        open_rows = dict(expected)
        for row in self._connection.execute(chosen).mappings():
            key = tuple(row[name] for name in keys) if len(keys) > 1 else row[keys[0]]
            self._judge(table.name, open_rows.pop(key, None), facts(row))
        for missing in open_rows.values():
            self._judge(table.name, missing, None)

    def _page(self, table: Table, last: int | None) -> ColumnElement[bool]:
        number = table.c.sequence
        above = or_(number > self._through) if self._through is not None else number.is_not(None)
        return above & (number <= last) if last is not None else above

    def _judge(self, table: str, expected: Row | None, actual: Row | None) -> None:
        problem = judged(table, expected, actual)
        if problem is not None:
            self.problems.append(problem)

    def _result_facts(self, row: Row) -> dict[str, Any]:
        sample, stored = row["sample"], bytes(row["evidence"])
        if not stored:
            self._emptied[row["sequence"]] = (str(row["digest"]), where("host_result", row))
        return {
            **row,
            "sample": digest(_bytes(sample)) if sample else "",
            "evidence": digest(stored) if stored else row["digest"],
        }

    def _judge_emptied(self, deleted: Mapping[int, str]) -> None:
        for sequence, (kept, place) in self._emptied.items():
            if deleted.get(sequence) != kept:
                self._say(place, "deleted: its evidence is gone, and no approved deletion says so")
        for sequence in sorted(set(deleted) - set(self._emptied)):
            self._say(f"entry {sequence}", "its evidence is recorded as deleted, but is there")

    def _compare_states(self) -> None:
        open_rows = dict(self._since)
        chosen = select(CONTROL_STATE).order_by(CONTROL_STATE.c.host)
        few = {"yield_per": _AT_ONCE}
        rows = self._connection.execute(chosen, execution_options=few).mappings()
        for host, states in groupby(map(dict, rows), key=lambda row: str(row["host"])):
            past: dict[str, Mapping[str, tuple[str, str]]] = {}
            for row in states:
                since = open_rows.pop((host, row["control"]), None)
                self._judge("control_state", self._expected_state(row, since, past), row)
        for host, control in open_rows:
            self._judge("control_state", {"host": host, "control": control}, None)

    def _expected_state(
        self, row: Row, since: str | None, past: dict[str, Mapping[str, tuple[str, str]]]
    ) -> Row | None:
        if since is None:
            return None
        if since not in past:
            past[since] = self._evidence(since, row["host"])
        found = past[since].get(row["control"])
        if found is None:  # the evidence is gone or damaged, which is named by itself
            return {"since": since, "verdict": None}
        return {"since": since, "verdict": found[0], "value": found[1]}

    def _evidence(self, audit: str, host: str) -> Mapping[str, tuple[str, str]]:
        """Control -> verdict and value, as the columns hold them."""
        chosen = select(HOST_RESULT.c.evidence).where(
            HOST_RESULT.c.audit == audit, HOST_RESULT.c.host == host
        )
        stored = self._connection.execute(chosen).scalar_one_or_none()
        try:
            found = evidence.unpacked(stored or b"", host).findings
        except StorewardenError:
            return {}
        return {f.control: (f.verdict.value, entries.text_of(f.value)) for f in found}

    def _say(self, where: str, what: str) -> None:
        self.problems.append(Problem(where=where, what=what))


def _audit_facts(row: Row) -> dict[str, Any]:
    return {**row, "hosts": digest(_bytes(row["hosts"]))}


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
