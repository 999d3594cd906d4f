# SPDX-License-Identifier: GPL-3.0-or-later
"""Hardening in the journal: sessions of a change, what came of each host, and the epochs.

A session is one `harden start` or `harden undo` on one change. All entries of a change's
sessions have the run "harden NUMBER"; their steps count ("2 begin", "2 host pos01 1", "2 verified
pos01", "2 end"), so they are found without reading the journal from its beginning, and writing
one again after a crash changes nothing.

The epoch by which hosts refuse an older controller only ever rises: it is the moment in seconds,
or one more than the last that this ledger gave out. So it also lies above those of plain
ansible-playbook, and a ledger that was restored from an older backup does not fall behind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

from storewarden.domain.baseline.harden import GroupFix, HostFix, HostState
from storewarden.domain.errors import LedgerConflict
from storewarden.flows.harden_data import group_body, group_of
from storewarden.ports.harden import Deed, SessionTale
from storewarden.ports.journal import canonical, moment, stamp
from storewarden.ports.ledger import JournalEntry, Ledger

BEGUN, HOST, VERIFIED, ENDED = "harden begun", "harden host", "harden verified", "harden ended"
EPOCH = "harden epoch"
_EPOCHS = "harden epochs"
_TRIES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One session that is being worked on."""

    change: str
    number: int
    deed: Deed
    epoch: int
    hosts: tuple[str, ...]

    @property
    def name(self) -> str:
        """``GMBG-20260601-001.2``: what runs are labelled with."""
        return f"{self.change}.{self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """What a session is about, for its first entry."""

    change: str
    deed: Deed
    by: str
    at: datetime
    hosts: tuple[str, ...]
    before: str
    wanted: Mapping[str, Sequence[str]]


class HardenJournal:
    """Writes and reads sessions. Raises what the ledger raises."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def begin(self, beginning: Beginning) -> Session:
        """Open the next session of its change; the caller holds the change's claim."""
        number = self._sessions(beginning.change) + 1
        name = f"{beginning.change}.{number}"
        epoch = self._next_epoch(name, beginning.at)
        body = {
            "deed": beginning.deed.value,
            "by": beginning.by,
            "at": stamp(beginning.at),
            "epoch": epoch,
            "hosts": list(beginning.hosts),
            "before": beginning.before,
            "wanted": {host: list(ids) for host, ids in beginning.wanted.items()},
        }
        self._append(BEGUN, body, beginning.change, f"{number} begin")
        return Session(
            change=beginning.change,
            number=number,
            deed=beginning.deed,
            epoch=epoch,
            hosts=beginning.hosts,
        )

    def open_sessions(self, change: str) -> tuple[Session, ...]:
        """Sessions of the change that have not ended: under way, or cut off."""
        numbers = range(1, self._sessions(change) + 1)
        return tuple(
            self._session(change, number)
            for number in numbers
            if not self._has_ended(change, number)
        )

    def session(self, name: str) -> Session | None:
        """The session of a run's label; None when this ledger does not know it."""
        change, _, number = name.rpartition(".")
        if not change or not number.isdecimal():
            return None
        if self._entry(change, f"{number} begin") is None:
            return None
        return self._session(change, int(number))

    def has_ended(self, session: Session) -> bool:
        """Whether its end is recorded."""
        return self._has_ended(session.change, session.number)

    def note(self, session: Session, host: HostFix) -> HostFix:
        """Record what is new of a host; everything that is known of it now.

        What the journal has already is not written again, so that a run may be read twice.
        """
        known, count = self._told(session.change, session.number, host.host)
        written = {_sealed(group) for group in known.groups}
        news = [group for group in host.groups if _sealed(group) not in written]
        if not news and (known.state, known.message) == (host.state, host.message) and count:
            return known
        body = {
            "host": host.host,
            "state": host.state.value,
            "message": host.message,
            "groups": [{"group": each.group, **group_body(each)} for each in news],
        }
        step = f"{session.number} host {host.host} {count + 1}"
        self._append(HOST, body, session.change, step)
        return replace(host, groups=known.merged(host.groups))

    def verified(
        self, session: Session, host: str, verdicts: Mapping[str, tuple[str, str]]
    ) -> None:
        """Record the verdicts before and after, of the controls that were to be fixed."""
        body = {"host": host, "verdicts": {key: list(pair) for key, pair in verdicts.items()}}
        self._append(VERIFIED, body, session.change, f"{session.number} verified {host}")

    def end(
        self, session: Session, at: datetime, outcome: str, audits: tuple[str, str] = ("", "")
    ) -> None:
        """Close the session; ``outcome`` is completed or interrupted. The first end stands."""
        if self.has_ended(session):
            return
        body = {"at": stamp(at), "outcome": outcome, "before": audits[0], "after": audits[1]}
        self._append(ENDED, body, session.change, f"{session.number} end")

    def told(self, session: Session, host: str) -> HostFix:
        """What the session's entries say of a host."""
        return self._told(session.change, session.number, host)[0]

    def tales(self, change: str) -> tuple[SessionTale, ...]:
        """All sessions of the change, oldest first."""
        return tuple(self._tale(change, number) for number in range(1, self._sessions(change) + 1))

    def _tale(self, change: str, number: int) -> SessionTale:
        begun = cast("Mapping[str, Any]", self._needed(change, f"{number} begin").body)
        ended = self._entry(change, f"{number} end")
        closing = cast("Mapping[str, Any]", ended.body) if ended else {}
        hosts = [str(host) for host in begun["hosts"]]
        return SessionTale(
            number=number,
            deed=Deed(begun["deed"]),
            by=str(begun["by"]),
            at=moment(str(begun["at"])),
            epoch=int(begun["epoch"]),
            hosts=tuple(self._told(change, number, host)[0] for host in hosts),
            verified={
                host: verdicts
                for host in hosts
                if (verdicts := self._verdicts(change, number, host))
            },
            ended=moment(str(closing["at"])) if ended else None,
            outcome=str(closing.get("outcome", "")),
            audits=(str(begun["before"]), str(closing.get("after", ""))),
        )

    def _verdicts(self, change: str, number: int, host: str) -> dict[str, tuple[str, str]]:
        entry = self._entry(change, f"{number} verified {host}")
        rows = cast("Mapping[str, Sequence[str]]", entry.body["verdicts"]) if entry else {}
        return {control: (pair[0], pair[1]) for control, pair in rows.items()}

    def _told(self, change: str, number: int, host: str) -> tuple[HostFix, int]:
        """What the entries say of a host, and how many there are. Without any nobody knows."""
        found = HostFix(host=host, state=HostState.UNKNOWN, message="no result was recorded")
        count = 0
        while (entry := self._entry(change, f"{number} host {host} {count + 1}")) is not None:
            body = cast("Mapping[str, Any]", entry.body)
            groups = tuple(group_of(str(row["group"]), row) for row in body["groups"])
            state = HostState(body["state"])
            found = replace(
                found, state=state, message=str(body["message"]), groups=found.merged(groups)
            )
            count += 1
        return found, count

    def _session(self, change: str, number: int) -> Session:
        body = cast("Mapping[str, Any]", self._needed(change, f"{number} begin").body)
        return Session(
            change=change,
            number=number,
            deed=Deed(body["deed"]),
            epoch=int(body["epoch"]),
            hosts=tuple(str(host) for host in body["hosts"]),
        )

    def _sessions(self, change: str) -> int:
        count = 0
        while self._entry(change, f"{count + 1} begin") is not None:
            count += 1
        return count

    def _has_ended(self, change: str, number: int) -> bool:
        return self._entry(change, f"{number} end") is not None

    def _next_epoch(self, name: str, at: datetime) -> int:
        """Taken under a number of its own; whoever asks at the same moment gets the next one."""
        for _ in range(_TRIES):
            count = _last(lambda number: self._ledger.entry(_EPOCHS, str(number)) is not None)
            before = self._ledger.entry(_EPOCHS, str(count)) if count else None
            last = int(str(before.body["epoch"])) if before else 0
            epoch = max(int(at.timestamp()), last + 1)
            body = {"epoch": epoch, "session": name}
            try:
                self._ledger.append(EPOCH, body, run=_EPOCHS, step=str(count + 1))
            except LedgerConflict:
                if self._ledger.entry(_EPOCHS, str(count + 1)) is None:
                    raise
                continue
            return epoch
        raise LedgerConflict("no epoch could be taken", where="journal", hint="run it again")

    def _append(self, kind: str, body: Mapping[str, object], change: str, step: str) -> None:
        self._ledger.append(kind, body, run=_run(change), step=step)

    def _entry(self, change: str, step: str) -> JournalEntry | None:
        return self._ledger.entry(_run(change), step)

    def _needed(self, change: str, step: str) -> JournalEntry:
        entry = self._entry(change, step)
        if entry is None:
            raise LedgerConflict(f"step {step} of the hardening is missing", where=change)
        return entry


def _run(change: str) -> str:
    return f"harden {change}"


def _last(there: Callable[[int], bool]) -> int:
    """The largest number that is there, of numbers that are there from 1 on without a gap."""
    high = 1
    while there(high):
        high *= 2
    low = high // 2
    while low + 1 < high:
        middle = (low + high) // 2
        low, high = (middle, high) if there(middle) else (low, middle)
    return low


def _sealed(group: GroupFix) -> bytes:
    """Equal for groups of which the same would be written."""
    return canonical({"group": group.group, **group_body(group)})
