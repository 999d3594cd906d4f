# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulated hosts that rollouts change: restore points, a dead man, epochs, and honest answers.

What a host answers is worked out here, phase by phase, as the playbooks of the collection report
it (docs/reference/payload.md). Runs, time and lies are the fleet's (``rollout_fleet``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

TOOK: Mapping[str, timedelta] = {
    "preflight": timedelta(seconds=30),
    "apply": timedelta(seconds=90),
    "judge": timedelta(seconds=20),
    "undo": timedelta(seconds=60),
    "probe": timedelta(seconds=5),
}
"""How long a run of each phase takes here."""


class PointState(StrEnum):
    """Where a restore point of a simulated host stands."""

    CAPTURED = "captured"  # taken, nothing was changed yet
    ARMED = "armed"  # the host goes back at the deadline
    CONFIRMED = "confirmed"  # the change stays
    UNDONE = "undone"  # the host is as it was


@dataclass(slots=True, kw_only=True)
class Point:
    """A restore point: what the host was like, and until when it waits."""

    id: str
    owner: str
    before: str
    state: PointState = PointState.CAPTURED
    deadline: datetime | None = None
    by_itself: bool = False


@dataclass(slots=True, kw_only=True)
class SimHost:
    """One host. ``version`` is what is installed; ``epoch`` the newest that it has heard."""

    name: str
    version: str = "1"
    online: bool = True
    epoch: int = 0
    points: dict[str, Point] = field(default_factory=dict)
    undo_fails: bool = False  # its undo leaves something over
    apply_fails: bool = False  # its change breaks off in the middle
    refuses: str = ""  # its preflight says no, and why
    cut_off: timedelta = timedelta(0)  # its line goes down for so long when it was changed


@dataclass(frozen=True, slots=True, kw_only=True)
class Touch:
    """One change of one host: by which run's label, in which phase, from what to what."""

    host: str
    label: str
    phase: str
    at: datetime
    before: str
    after: str


class Grounds(Protocol):
    """What hosts live on: the fleet, as far as a host needs it."""

    broken: set[str]

    def arm(self, host: SimHost, point: Point, seconds: int) -> None:
        """The host waits so long for its confirmation, then goes back by itself."""
        ...

    def undo(self, host: SimHost, point: Point, *, label: str, phase: str) -> None:
        """Back to what it was at the capture."""
        ...

    def change(self, host: SimHost, version: str, *, label: str, phase: str) -> None:
        """Another version, and a line about it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One phase on one host that can be reached."""

    fleet: Grounds
    host: SimHost
    given: Mapping[str, object]
    phase: str
    label: str

    def answer(self) -> dict[str, object]:
        """What an honest host says."""
        epoch = int(str(self.given["payload_epoch"]))
        if self.phase != "probe":
            if epoch < self.host.epoch:
                return self._said(self._late, f"epoch {epoch} is older than {self.host.epoch}")
            self.host.epoch = epoch
        phases = {
            "preflight": self._preflight,
            "apply": self._apply,
            "judge": self._judge,
            "undo": self._undo,
            "probe": self._probe,
        }
        return phases[self.phase]()

    @property
    def _late(self) -> str:
        """How each phase tells that the host listens to somebody newer."""
        return "refused" if self.phase in ("preflight", "apply") else "failed"

    @property
    def _target(self) -> str:
        lock, options = self.given.get("payload_lock"), self.given.get("payload_options")
        locked = lock.get("version") if isinstance(lock, Mapping) else None
        wanted = options.get("version") if isinstance(options, Mapping) else None
        return str(locked or wanted)

    @property
    def _point(self) -> Point | None:
        return self.host.points.get(str(self.given.get("payload_point")))

    def _said(self, report: str, reason: str = "", **detail: object) -> dict[str, object]:
        return {
            "phase": self.phase,
            "report": report,
            "reason": {"en": reason, "zh": reason},
            "restore_point": str(self.given.get("payload_point") or ""),
            "seconds": TOOK[self.phase].total_seconds(),
            "detail": detail,
        }

    def _preflight(self) -> dict[str, object]:
        if self.host.refuses:
            return self._said("refused", self.host.refuses)
        if self.host.version == self._target:
            return self._said("nothing", "is there already")
        live = [each for each in self.host.points.values() if each.state is PointState.ARMED]
        if live:
            return self._said("refused", f"{live[0].id} is live")
        ident = str(self.given["payload_point"])
        owner = str(self.given["payload_change"])
        self.host.points[ident] = Point(id=ident, owner=owner, before=self.host.version)
        found: dict[str, object] = {"changes": [{"what": "version", "after": self._target}]}
        if not self.given.get("payload_lock"):
            found["lock"] = {"version": self._target}
        return self._said("ready", "", **found)

    def _apply(self) -> dict[str, object]:
        point = self._point
        if point is None or point.state in (PointState.UNDONE, PointState.CONFIRMED):
            return self._said("refused", "there is no captured restore point")
        self.fleet.arm(self.host, point, int(str(self.given["payload_deadline"])))
        broken = self.host.apply_fails
        after = f"{self._target} (half)" if broken else self._target
        self.fleet.change(self.host, after, label=self.label, phase="apply")
        if not broken:
            return self._said("applied")
        self._take_back(point)
        return self._said("restored", "the installation broke off")

    def _judge(self) -> dict[str, object]:
        point = self._point
        if point is None or point.state is PointState.UNDONE:
            return self._said("restored", "the host went back by itself")
        good = self.host.version not in self.fleet.broken
        probes = [{"name": "service", "ok": good, "detail": {"en": "answers", "zh": "有应答"}}]
        if good:
            point.state, point.deadline = PointState.CONFIRMED, None
            return self._said("verified", probes=probes)
        self._take_back(point)
        word = "residue" if self.host.undo_fails else "restored"
        return self._said(word, "the service does not answer", probes=probes)

    def _undo(self) -> dict[str, object]:
        wanted = self.given.get("payload_points")
        ids = [_id_of(each) for each in wanted] if isinstance(wanted, list | tuple) else []
        points = [self.host.points[each] for each in ids if each in self.host.points]
        armed = [each for each in points if each.state in (PointState.ARMED, PointState.CONFIRMED)]
        for point in armed:
            self._take_back(point)
        if self.host.undo_fails and points:
            return self._said("residue", "a file could not be put back", residue=["/etc/x"])
        if armed or any(each.state is PointState.UNDONE for each in points):
            return self._said("restored")
        return self._said("nothing")

    def _take_back(self, point: Point) -> None:
        label, phase = self.label, self.phase
        self.fleet.undo(self.host, point, label=label, phase=phase)

    def _probe(self) -> dict[str, object]:
        point = self._point
        words = {
            PointState.CAPTURED: "untouched",
            PointState.ARMED: "armed",
            PointState.CONFIRMED: "confirmed",
            PointState.UNDONE: "residue" if self.host.undo_fails else "restored",
        }
        return self._said("untouched" if point is None else words[point.state])


def _id_of(entry: object) -> str:
    return str(entry.get("id")) if isinstance(entry, Mapping) else str(entry)
