# SPDX-License-Identifier: GPL-3.0-or-later
"""A small fleet of fakes that can be hardened: hosts that really change, a desk, a ledger.

The fleet answers audits, fixes and undos as the playbooks do. ``act`` says what a host does
instead of being fixed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from storewarden.domain.baseline.control import Control, GuideMark, Risk, Severity
from storewarden.domain.baseline.waiver import DeviceFacts, Waiver
from storewarden.domain.change.commands import Approve, Circumstances
from storewarden.domain.change.people import Person
from storewarden.domain.change.record import Change, EvidenceKind
from storewarden.domain.change.rules import ApprovalRules
from storewarden.flows.audit_ready import AuditParts, AuditRequest
from storewarden.flows.change_desk import ChangeDesk, Document
from storewarden.flows.harden import plan, start
from storewarden.flows.harden_progress import HardenProgress
from storewarden.flows.harden_ready import FIX, UNDO, HardenParts, HardenRequest
from storewarden.flows.harden_records import RecordReader
from storewarden.flows.harden_status import status
from storewarden.flows.harden_undo import undo
from storewarden.ports.harden import HardenReport, HardenStatus
from storewarden.ports.runner import HostResult, HostStatus, PlaybookRun
from storewarden.testing.runner import FakeRunner, Scripted
from tests.flows.desk_place import ASKER, HEAD, Place

GROUPS = {"A01": "pam", "B02": "ssh", "B03": "ssh", "C01": "sysctl", "M01": "pam"}
RISKS = {"A01": Risk.R1, "B02": Risk.R0, "B03": Risk.R3, "C01": Risk.R1, "M01": Risk.R1}

type Act = Callable[[str, str], dict[str, object] | None]
"""Host and group -> what the host answers instead of fixing it; None fixes it."""


def control(ident: str) -> Control:
    """One control of the catalogue; M01 can be fixed by people only."""
    return Control(
        id=ident,
        family="x",
        title={"en": f"What {ident} asks", "zh": f"{ident} 的要求"},
        severity=Severity.HIGH if ident.startswith("B") else Severity.MEDIUM,
        risk=RISKS[ident],
        guide_section="1.1.1",
        guide_mark=GuideMark.STATED,
        fix_group=GROUPS[ident],
        fix_text={"en": f"set {ident}", "zh": f"设置 {ident}"},
        fix_manual=ident == "M01",
        digest=ident * 8,
    )


class FixedContent:
    """The catalogue."""

    def controls(
        self, selection: Sequence[str] = (), *, extra: Sequence[Path] = ()
    ) -> tuple[Control, ...]:
        """All of it, or those named."""
        return tuple(control(each) for each in GROUPS if not selection or each in selection)


@dataclass(slots=True)
class Fleet:
    """Hosts as they are: what fails on each, and which restore points they hold."""

    failing: dict[str, set[str]]
    act: Act = lambda _host, _group: None
    foresee: Act = lambda _host, _group: None
    gone: set[str] = field(default_factory=set)
    points: dict[str, list[tuple[str, str, frozenset[str]]]] = field(default_factory=dict)
    records: dict[str, list[dict[str, object]]] = field(default_factory=dict)

    def script(self, run: PlaybookRun) -> Scripted:
        """What a run of one of our playbooks does."""
        answer = {FIX: self._fix, UNDO: self._undo}.get(run.playbook, self._audit)
        hosts = {
            name: HostResult(host=name, status=HostStatus.UNREACHABLE, message="no route to host")
            if name in self.gone
            else answer(run, name)
            for name in run.inventory.hosts
        }
        return Scripted(hosts=hosts)

    def _audit(self, run: PlaybookRun, name: str) -> HostResult:
        rows = [
            {
                "id": each,
                "verdict": "fail" if each in self.failing[name] else "pass",
                "value": "bad" if each in self.failing[name] else "good",
                "ms": 1.0,
            }
            for each in run.variables["baseline_audit_controls"]  # type: ignore[attr-defined]
        ]
        report: dict[str, object] = {"audit": {"bundle": "b" * 64, "controls": rows, "ms": 2.0}}
        if self.records.get(name):
            report["restore_records"] = self.records[name]
        return HostResult(host=name, status=HostStatus.OK, report=report)

    def _fix(self, run: PlaybookRun, name: str) -> HostResult:
        wanted = run.inventory.hosts[name]["baseline_fix_controls"]
        assert isinstance(wanted, list)
        planned = bool(run.variables.get("baseline_fix_plan_only"))
        owner = str(run.variables.get("baseline_fix_change", "ansible"))
        groups: dict[str, object] = {"packages": {"outcome": "unchanged", "controls": []}}
        bad = False
        for group in dict.fromkeys(GROUPS[each] for each in wanted):
            ids = [each for each in wanted if GROUPS[each] == group]
            answer = self.foresee(name, group) if planned else self.act(name, group)
            groups[group] = answer or self._made(name, group, ids, owner, planned=planned)
            bad = bad or (answer is not None and answer["outcome"] != "fixed")
        state = HostStatus.FAILED if bad and not planned else HostStatus.CHANGED
        return HostResult(host=name, status=state, report={"harden": groups}, message="not fixed")

    def _made(
        self, name: str, group: str, ids: list[str], owner: str, *, planned: bool
    ) -> dict[str, object]:
        point = f"{owner}-{group}-{len(self.points.get(name, [])):08x}"
        if not planned:
            taken = frozenset(ids) & self.failing[name]
            self.points.setdefault(name, []).append((point, owner, taken))
            self.failing[name] -= set(ids)
        return {
            "outcome": "planned" if planned else "fixed",
            "restore_point": None if planned else point,
            "controls": [
                {
                    "id": each,
                    "risk": RISKS[each].value,
                    "changes": [{"what": f"/etc/{each}", "before": None, "after": "good"}],
                    "reloads": ["ssh"] if group == "ssh" else [],
                    "restarts": [],
                    **({"lockout": {"en": "login", "zh": "登录"}} if each == "B03" else {}),
                }
                for each in ids
            ],
            "ms": 5.0,
        }

    def _undo(self, run: PlaybookRun, name: str) -> HostResult:
        owner = run.variables["baseline_undo_change"]
        rows = []
        for point in reversed(self.points.get(name, [])):
            if point[1] == owner:
                self.failing[name] |= point[2]
                rows.append({"id": point[0], "outcome": "restored", "residue": []})
        self.points[name] = [each for each in self.points.get(name, []) if each[1] != owner]
        report = {"undo": {"owner": owner, "restore_points": rows}}
        return HostResult(host=name, status=HostStatus.CHANGED, report=report)


class HardenPlace(Place):
    """A desk's place with a fleet: pos01, pos02 (the group tills) and srv01."""

    def __init__(self, **failing: set[str]) -> None:
        super().__init__()
        names = ("pos01", "pos02", "srv01")
        self.fleet = Fleet({name: set(failing.get(name, {"B02", "C01"})) for name in names})
        self.runner = FakeRunner(self._script)
        self.waivers: tuple[Waiver, ...] = ()
        self.held: set[str] = set()
        self.stop: threading.Event | None = None
        self.windows = Circumstances()
        self.asked_time: list[timedelta] = []
        self.shown: list[HardenProgress] = []
        self.documents: list[HardenReport] = []

    def _script(self, run: PlaybookRun) -> Scripted:
        self.clock.advance(timedelta(seconds=1))  # runs take their time
        return self.fleet.script(run)

    def change(self, *, approved: bool = True, **more: object) -> Change:
        """A change over the tills, approved."""
        found = self.opened(**({"operation": "configuration"} | more))
        if approved:
            self.desk(HEAD).act(found.number, "yes", Approve())
        return found

    def plan(self, number: str = "", **more: object) -> HardenReport:
        """`harden plan`."""
        return plan(self.harden_parts(), self.request(number, **more), self.shown.append)

    def start(self, number: str, **more: object) -> HardenReport:
        """`harden start`, a second later than what was before."""
        self.clock.advance(timedelta(seconds=1))
        return start(self.harden_parts(), self.request(number, **more), self.shown.append)

    def undo(self, number: str, **more: object) -> HardenReport:
        """`harden undo`."""
        self.clock.advance(timedelta(seconds=1))
        return undo(self.harden_parts(), self.request(number, **more), self.shown.append)

    def status(self, number: str) -> HardenStatus:
        """`harden status`."""
        return status(self.ledger, number)

    def request(self, number: str, *, limit: str = "", **more: object) -> HardenRequest:
        """The flow's request."""
        audit = AuditRequest(sources=("inventory",), limit=limit, zone=UTC, at_once=2)
        return HardenRequest(**({"audit": audit, "change": number} | more))  # type: ignore[arg-type]

    def harden_parts(self, person: Person = ASKER) -> HardenParts:
        """The flow's parts, with ``person`` at the desk."""
        return HardenParts(
            audit=self.audit_parts(),
            rules=ApprovalRules(),
            judge=self._judge,
            document=self._document,
            contact=self.reader(),
            desk=self.desk(person),
        )

    def reader(self) -> RecordReader:
        """What reads undo records."""
        return RecordReader(
            ledger=self.ledger, book=self.ledger.changes, clock=self.clock, rules=ApprovalRules()
        )

    def desk(self, person: Person) -> ChangeDesk:
        """The desk."""
        return ChangeDesk(self.parts(), person)

    def audit_parts(self) -> AuditParts:
        """The audit's parts."""
        return AuditParts(
            runner=self.runner,
            inventory=self.inventory,
            content=FixedContent(),
            ledger=self.ledger,
            clock=self.clock,
            claims=self,
            interruption=self._interruption,
            zone_known=lambda _name: True,
            waivers=self._waivers,
            contact=self.reader(),
        )

    def take(self, name: str) -> bool:
        """A claim, as ``Claims`` has it."""
        if name in self.held:
            return False
        self.held.add(name)
        return True

    def drop(self, name: str) -> None:
        """Give a claim up."""
        self.held.remove(name)

    def notes(self, number: str) -> list[str]:
        """What was noted on a change."""
        history = self.desk(ASKER).history(number)
        return [str(each.body["text"]) for each in history if each.kind == "change noted"]

    @contextmanager
    def _interruption(self) -> Iterator[threading.Event]:
        yield self.stop or threading.Event()

    def _judge(self, _change: Change, _now: datetime, needs: timedelta) -> Circumstances:
        self.asked_time.append(needs)
        return self.windows

    def _document(self, report: HardenReport) -> Document:
        self.documents.append(report)
        return Document(
            kind=EvidenceKind.VERIFICATION,
            name=f"harden-{report.session}.html",
            media_type="text/html",
            content=b"<!DOCTYPE html>",
        )

    def _waivers(
        self, _severities: Mapping[str, Severity], _devices: Sequence[DeviceFacts]
    ) -> tuple[Waiver, ...]:
        return self.waivers
