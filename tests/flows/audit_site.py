# SPDX-License-Identifier: GPL-3.0-or-later
"""A site of fakes around the audit flow; its hosts answer as a test says."""

from __future__ import annotations

import fnmatch
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from storewarden.domain.baseline.control import Control, GuideMark, Risk, Severity
from storewarden.domain.baseline.waiver import DeviceFacts, Waiver
from storewarden.domain.errors import ConfigInvalid
from storewarden.flows.audit import AuditParts, AuditRequest, run_audit
from storewarden.flows.audit_progress import Watcher, unwatched
from storewarden.ports.ledger import Ledger
from storewarden.ports.reports import AuditReport
from storewarden.ports.runner import FrozenInventory, HostResult, HostStatus, PlaybookRun
from storewarden.testing.ledger import ManualClock, MemoryLedger
from storewarden.testing.runner import FakeRunner, Scripted

AT = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
GOOD: dict[str, tuple[str, object]] = {"A01": ("pass", "12"), "B01": ("pass", ["no"])}


def answered(
    verdicts: Mapping[str, tuple[str, object]], *, rows: list[dict[str, object]] | None = None
) -> HostResult:
    """A host that was audited: everything passes except ``verdicts``."""
    found = GOOD | dict(verdicts)
    made = [{"id": c, "verdict": v, "value": x, "ms": 1.0} for c, (v, x) in found.items()]
    report = {"audit": {"bundle": "b" * 64, "controls": made if rows is None else rows, "ms": 2.0}}
    return HostResult(host="", status=HostStatus.OK, report=report)


def missed(status: HostStatus, message: str) -> HostResult:
    """A host that was not audited."""
    return HostResult(host="", status=status, message=message)


def _control(ident: str, severity: Severity) -> Control:
    return Control(
        id=ident,
        family="x",
        title={"en": f"What {ident} asks"},
        severity=severity,
        risk=Risk.R1,
        guide_section="1.1.1",
        guide_mark=GuideMark.STATED,
        digest=ident * 8,
    )


class FixedContent:
    """A catalogue of two controls."""

    def __init__(self) -> None:
        self._known = (_control("A01", Severity.MEDIUM), _control("B01", Severity.HIGH))

    def controls(
        self, selection: Sequence[str] = (), *, extra: Sequence[Path] = ()
    ) -> tuple[Control, ...]:
        """Those that match; ConfigInvalid for a pattern that matches none."""
        assert not extra
        for pattern in selection:
            if not any(fnmatch.fnmatchcase(c.id, pattern) for c in self._known):
                raise ConfigInvalid(f"no control matches {pattern}")
        return tuple(
            c
            for c in self._known
            if not selection or any(fnmatch.fnmatchcase(c.id, p) for p in selection)
        )

    def forget(self, ident: str) -> None:
        """The control is removed from the collection."""
        self._known = tuple(c for c in self._known if c.id != ident)


class FixedInventory:
    """Hosts h0, h1, ...; a limit is one host's name."""

    def __init__(self, hosts: int) -> None:
        self.count = hosts

    def resolve(
        self,
        sources: Sequence[Path | str],
        *,
        limit: str = "",
        vault_password: Path | None = None,
    ) -> FrozenInventory:
        """All of them, or the one named by ``limit``."""
        assert (list(sources), vault_password) == (["inventory"], None)
        hosts = {
            f"h{n}": {
                "sw_store": f"{n // 4:06d}",
                "sw_region": "east",
                "sw_role": "pos",
                "sw_ci": f"POS-{n}",
            }
            for n in range(self.count)
        }
        if limit:
            hosts = {limit: hosts[limit]}
        return FrozenInventory(hosts=hosts, source="inventory")


class Site:
    """Everything an audit needs. ``answers`` (by host) may be changed between audits."""

    def __init__(
        self,
        *,
        hosts: int,
        script: Mapping[str, HostResult] | None = None,
        runner: FakeRunner | None = None,
        waivers: tuple[Waiver, ...] = (),
        stop: threading.Event | None = None,
        ledger: Ledger | None = None,
    ) -> None:
        self.answers = dict(script or {})
        self.runner = runner or FakeRunner(self._script)
        self.inventory = FixedInventory(hosts)
        self.content = FixedContent()
        self.clock = ManualClock(AT)
        self.ledger: Ledger = ledger or MemoryLedger(self.clock)
        self.waivers = waivers
        self.held: set[str] = set()
        self.elsewhere: set[str] = set()  # audits that another live process drives
        self._stop = stop

    def audit(self, *, watch: Watcher = unwatched, **changes: object) -> AuditReport:
        """Run the flow, a second later than the last time."""
        self.clock.advance(timedelta(seconds=1))
        fields: dict[str, object] = {"sources": ("inventory",)}
        request = AuditRequest(**(fields | changes))  # type: ignore[arg-type]
        return run_audit(self.parts(), request, watch)

    def parts(self) -> AuditParts:
        """The flow's parts."""
        return AuditParts(
            runner=self.runner,
            inventory=self.inventory,
            content=self.content,
            ledger=self.ledger,
            clock=self.clock,
            claims=self,
            interruption=self._interruption,
            zone_known=lambda _name: True,
            waivers=self._waivers,
        )

    def shrink_to(self, hosts: int) -> None:
        """The inventory has only so many hosts from now on."""
        self.inventory.count = hosts

    def _script(self, run: PlaybookRun) -> Scripted:
        good = answered({})
        return Scripted(hosts={name: self.answers.get(name, good) for name in run.inventory.hosts})

    def take(self, audit: str) -> bool:
        """A claim, as ``Claims`` has it."""
        if audit in self.elsewhere | self.held:
            return False
        self.held.add(audit)
        return True

    def drop(self, audit: str) -> None:
        """Give a claim up."""
        self.held.remove(audit)

    @contextmanager
    def _interruption(self) -> Iterator[threading.Event]:
        yield self._stop or threading.Event()

    def _waivers(
        self, severities: Mapping[str, Severity], devices: Sequence[DeviceFacts]
    ) -> tuple[Waiver, ...]:
        assert set(severities) == {"A01", "B01"}  # the whole catalogue, not a selection
        assert len(devices) == self.inventory.count  # the whole estate, not a limit
        return self.waivers
