# SPDX-License-Identifier: GPL-3.0-or-later
"""Incidents and problem tickets in the ledger; ``SqlLedger.incidents``."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, select

from storewarden.adapters.ledger import journal
from storewarden.adapters.ledger.heal_numbers import next_problem, open_incidents
from storewarden.adapters.ledger.incident_rows import KINDS, incident_of, problem_of
from storewarden.adapters.ledger.incident_writing import write_incidents, write_problems
from storewarden.adapters.ledger.tables import INCIDENT, PROBLEM
from storewarden.adapters.ledger.transactions import Transactions
from storewarden.domain.errors import ConfigInvalid
from storewarden.domain.healing.incident import Incident, IncidentEvent, Traced
from storewarden.domain.healing.problem import Problem
from storewarden.domain.healing.problem_ticket import ProblemTicket, told_of_problem
from storewarden.ports.clock import Clock
from storewarden.ports.incidents import DecideIncident, DecideProblem
from storewarden.ports.journal import stamp
from storewarden.ports.ledger import JournalEntry


class SqlIncidents:
    """``ports.incidents.IncidentBook`` on a database."""

    def __init__(self, transactions: Transactions, clock: Clock) -> None:
        self._transactions = transactions
        self._clock = clock

    def incident(self, number: str) -> Incident | None:
        """One incident by its number."""
        with self._transactions.reading() as connection:
            return _incident(connection, number)

    def open_ones(self) -> tuple[Incident, ...]:
        """Those that are not closed, oldest first."""
        with self._transactions.reading() as connection:
            return open_incidents(connection)

    def incidents(
        self, *, since: datetime | None = None, name: str = "", limit: int = 0
    ) -> tuple[Incident, ...]:
        """Incidents, newest first; of one fault when its name is given."""
        chosen = select(INCIDENT.c.number, INCIDENT.c.body).order_by(INCIDENT.c.opening.desc())
        if since is not None:
            chosen = chosen.where(INCIDENT.c.opened >= stamp(since))
        if name:
            chosen = chosen.where(INCIDENT.c.name == name)
        rows = self._rows(chosen.limit(limit) if limit else chosen)
        return tuple(incident_of(row.number, row.body) for row in rows)

    def amend(self, number: str, decide: DecideIncident) -> Incident:
        """Record what ``decide`` makes of it as it is now, under the lock."""
        with self._transactions.writing() as connection:
            journal.lock(connection)
            there = _incident(connection, number)
            if there is None:
                raise ConfigInvalid("there is no such incident", where=number)
            events = tuple(decide(there))
            return write_incidents(connection, events, self._clock.now()).get(number, there)

    def history(self, number: str) -> tuple[JournalEntry, ...]:
        """The journal entries of an incident or a problem ticket, in order."""
        with self._transactions.reading() as connection:
            return tuple(
                each for each in journal.of_run(connection, number) if each.kind.startswith(KINDS)
            )

    def trace(self, problem: Problem) -> ProblemTicket:
        """Open a problem's ticket, or let the open one of its fault grow; note it on each of the
        incidents. Again nothing happens."""
        with self._transactions.writing() as connection:
            journal.lock(connection)
            now = self._clock.now()
            there = _open_problem(connection, problem.name)
            told = told_of_problem(problem, there, next_problem(connection, now), now)
            ticket = there
            if told is not None:
                ticket = write_problems(connection, (told,), now)[told.number]
            assert ticket is not None  # noqa: S101 - for the type checker: nothing told, one there
            known = [_incident(connection, number) for number in ticket.incidents]
            traced = [
                IncidentEvent(number=each.number, at=now, what=Traced(problem=ticket.number))
                for each in known
                if each is not None and each.problem != ticket.number
            ]
            write_incidents(connection, traced, now)
            return ticket

    def problem(self, number: str) -> ProblemTicket | None:
        """One problem ticket by its number."""
        with self._transactions.reading() as connection:
            return _problem(connection, number)

    def problems(self, *, open_only: bool = False, limit: int = 0) -> tuple[ProblemTicket, ...]:
        """Problem tickets, newest first."""
        chosen = select(PROBLEM.c.number, PROBLEM.c.body).order_by(PROBLEM.c.opening.desc())
        if open_only:
            chosen = chosen.where(PROBLEM.c.open == 1)
        rows = self._rows(chosen.limit(limit) if limit else chosen)
        return tuple(problem_of(row.number, row.body) for row in rows)

    def amend_problem(self, number: str, decide: DecideProblem) -> ProblemTicket:
        """Record what ``decide`` makes of a problem ticket, under the lock."""
        with self._transactions.writing() as connection:
            journal.lock(connection)
            there = _problem(connection, number)
            if there is None:
                raise ConfigInvalid("there is no such problem ticket", where=number)
            events = tuple(decide(there))
            return write_problems(connection, events, self._clock.now()).get(number, there)

    def _rows(self, chosen: Select[Any]) -> list[Any]:
        with self._transactions.reading() as connection:
            return list(connection.execute(chosen))


def _incident(connection: Connection, number: str) -> Incident | None:
    chosen = select(INCIDENT.c.body).where(INCIDENT.c.number == number)
    body = connection.execute(chosen).scalar_one_or_none()
    return incident_of(number, body) if body is not None else None


def _problem(connection: Connection, number: str) -> ProblemTicket | None:
    chosen = select(PROBLEM.c.body).where(PROBLEM.c.number == number)
    body = connection.execute(chosen).scalar_one_or_none()
    return problem_of(number, body) if body is not None else None


def _open_problem(connection: Connection, name: str) -> ProblemTicket | None:
    chosen = select(PROBLEM.c.number, PROBLEM.c.body)
    chosen = chosen.where(PROBLEM.c.name == name, PROBLEM.c.open == 1)
    row = connection.execute(chosen.order_by(PROBLEM.c.opening.desc()).limit(1)).one_or_none()
    return problem_of(row.number, row.body) if row is not None else None
