# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that behave as real ones do: a version, one restore point with a dead man, a fence for
epochs, perhaps a line, perhaps something of ours that still works on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from storewarden.domain.rollout.events import HostReport, Report
from storewarden.domain.rollout.record import Dispatch, Phase, Rollout

NIGHT = datetime(2026, 6, 1, 15, tzinfo=UTC)  # 23:00 in Shanghai
P = Phase


@dataclass(slots=True)
class SimHost:
    """A host as it really is. ``fault`` is what goes wrong there, and in which phase."""

    name: str
    version: str = "old"
    half: bool = False
    pack: str = ""
    pack_is: str = ""
    beneath: str = "old"  # what the pack takes back to
    deadline: datetime | None = None
    busy_until: datetime | None = None
    coming: str = ""  # what a job that still works will have installed
    line: bool = True
    fence: int = 0
    fault: str = ""

    def passes(self, now: datetime) -> None:
        """Time goes by: jobs end, the dead man fires."""
        if self.busy_until is not None and now >= self.busy_until:
            self.busy_until = None
            if self.pack_is == "armed":
                self.version, self.half = self.coming, False
        if self.pack_is == "armed" and self.deadline is not None and now >= self.deadline:
            self.restore()

    def restore(self) -> None:
        self.version, self.half, self.busy_until = self.beneath, False, None
        self.pack_is, self.deadline = "restored", None


@dataclass(slots=True, kw_only=True)
class World:
    """All hosts, the clock of the world, and the repository."""

    hosts: dict[str, SimHost]
    now: datetime = NIGHT
    repo: str = "new"

    def passes(self, span: timedelta) -> None:
        self.now += span
        for host in self.hosts.values():
            host.passes(self.now)

    def does(self, one: Dispatch, rollout: Rollout) -> list[HostReport]:
        """One phase on all hosts of a dispatch."""
        return [self._one(self.hosts[name], one, rollout) for name in one.hosts]

    def _one(self, host: SimHost, one: Dispatch, rollout: Rollout) -> HostReport:
        if not host.line:
            return HostReport(host=host.name, report=Report.UNREACHABLE, reason="no route")
        if one.epoch < host.fence:
            return HostReport(host=host.name, report=Report.REFUSED, reason="older epoch")
        host.fence = one.epoch
        working = host.busy_until is not None
        assert one.phase is P.PROBE or not working, f"two runs at once on {host.name}"
        if one.phase is P.PREFLIGHT:
            return self.preflight(host, rollout, one.id)
        return _DOES[one.phase](self, host, rollout)

    def preflight(self, host: SimHost, rollout: Rollout, pack: str) -> HostReport:
        if host.fault in ("refused", "failed", "nothing"):
            return HostReport(host=host.name, report=Report(host.fault), reason="so it says")
        host.pack, host.pack_is = pack, "captured"
        host.beneath = host.version
        detail = {"lock": {"app": self.repo}} if rollout.spec.locks else {}
        return HostReport(
            host=host.name, report=Report.READY, restore_point=host.pack, detail=detail
        )

    def apply(self, host: SimHost, rollout: Rollout) -> HostReport:
        record = rollout.hosts[host.name]
        if host.pack != record.restore_point or host.pack_is != "captured":
            return HostReport(host=host.name, report=Report.REFUSED, reason="no such pack")
        host.pack_is, host.deadline = "armed", self.now + rollout.spec.deadline
        if host.fault == "apply":
            host.half, host.version = True, "broken"
            return HostReport(host=host.name, report=Report.FAILED, reason="dpkg says no")
        host.version = self.wanted(rollout)
        if host.fault == "cut":
            host.line = False
            return HostReport(host=host.name, report=Report.UNREACHABLE)
        return HostReport(host=host.name, report=Report.APPLIED, seconds=12.0)

    def judge(self, host: SimHost, _rollout: Rollout) -> HostReport:
        if host.pack_is == "restored":
            return HostReport(host=host.name, report=Report.RESTORED, reason="too late")
        if host.fault == "judge":
            host.restore()
            return HostReport(host=host.name, report=Report.RESTORED, reason="port 80 is dark")
        host.pack_is, host.deadline = "confirmed", None
        return HostReport(host=host.name, report=Report.VERIFIED)

    def undo(self, host: SimHost, _rollout: Rollout) -> HostReport:
        if host.fault == "residue":
            return HostReport(host=host.name, report=Report.RESIDUE, reason="/etc/x stays")
        if host.pack_is in ("armed", "confirmed"):
            host.restore()
        return HostReport(host=host.name, report=Report.RESTORED, seconds=7.0)

    def probe(self, host: SimHost, rollout: Rollout) -> HostReport:
        if host.busy_until is not None:
            return HostReport(host=host.name, report=Report.BUSY)
        known = {
            "armed": Report.ARMED,
            "confirmed": Report.CONFIRMED,
            "restored": Report.RESTORED,
        }
        ours = host.pack == rollout.hosts[host.name].restore_point
        report = known.get(host.pack_is, Report.UNTOUCHED) if ours else Report.UNTOUCHED
        whole = not host.half
        return HostReport(host=host.name, report=report, detail={"applied": whole})

    def wanted(self, rollout: Rollout) -> str:
        return str(rollout.lock.data["app"]) if rollout.lock else self.repo

    def breaks_off(self, one: Dispatch, rollout: Rollout, how: str) -> None:
        """A run that is killed: before it did anything, in its middle, or after all of it."""
        if how == "after":
            self.does(one, rollout)
        elif how == "middle" and one.phase is P.APPLY:
            for name in one.hosts:
                host = self.hosts[name]
                if not host.line or host.pack_is != "captured" or one.epoch < host.fence:
                    continue
                host.fence = one.epoch
                host.pack_is, host.half, host.version = "armed", True, "broken"
                host.deadline = self.now + rollout.spec.deadline
                host.coming = self.wanted(rollout)
                host.busy_until = self.now + timedelta(minutes=3)


_DOES: dict[Phase, Callable[[World, SimHost, Rollout], HostReport]] = {
    P.APPLY: World.apply,
    P.JUDGE: World.judge,
    P.UNDO: World.undo,
    P.PROBE: World.probe,
}
