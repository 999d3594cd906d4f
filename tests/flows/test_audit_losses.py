# SPDX-License-Identifier: GPL-3.0-or-later
"""What must survive: a full disk under the ledger, a killed controller, a lost run."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from fractions import Fraction

import pytest

from storewarden.domain.baseline.drift import Drift
from storewarden.domain.baseline.finding import AuditState, HostAudit, Verdict
from storewarden.domain.errors import AdapterError, LedgerConflict, RunFailed
from storewarden.flows.audit_progress import Progress, Step
from storewarden.flows.audit_report import ReportRequest, recorded_report
from storewarden.ports.runner import (
    FrozenInventory,
    LeaseMode,
    PlaybookRun,
    RunOutcome,
)
from storewarden.testing.ledger import ManualClock, MemoryLedger
from storewarden.testing.runner import FakeRunner, Scripted
from tests.flows.audit_site import AT, Site, answered
from tests.flows.test_audit import waiver


class FullLedger(MemoryLedger):
    """A ledger whose disk is full after ``room`` hosts, until somebody frees space."""

    def __init__(self, clock: ManualClock, room: int) -> None:
        super().__init__(clock)
        self.room = room
        self.full_once: Callable[[], None] = lambda: None

    def record_host(self, audit_id: str, host: HostAudit, at: datetime) -> tuple[Drift, ...]:
        self._write()
        self.room -= 1
        return super().record_host(audit_id, host, at)

    def end_audit(self, audit_id: str, at: datetime, outcome: str) -> None:
        self._write()
        super().end_audit(audit_id, at, outcome)

    def _write(self) -> None:
        if self.room <= 0:
            self.full_once()
            raise AdapterError("no space left on device", where="ledger.sqlite")


def full_site(hosts: int, room: int) -> tuple[Site, FullLedger]:
    ledger = FullLedger(ManualClock(AT), room)
    return Site(hosts=hosts, ledger=ledger), ledger


def test_a_full_disk_costs_no_result_of_the_report() -> None:
    site, _ = full_site(hosts=5, room=2)
    seen: list[Progress] = []
    report = site.audit(watch=seen.append)
    assert [host.state for host in report.audit.hosts] == [AuditState.AUDITED] * 5
    assert isinstance(report.unrecorded, AdapterError)
    warnings = [step.message for step in seen if step.step is Step.WARNING]
    assert any("no space left on device" in line for line in warnings)


def test_what_a_full_disk_left_out_is_collected_by_the_next_audit() -> None:
    site, ledger = full_site(hosts=5, room=2)
    lost = site.audit()
    assert len(site.runner.recover()) == 1  # kept: it is the only other copy
    ledger.room = 1000
    seen: list[Progress] = []
    site.audit(watch=seen.append)
    collected = ledger.audit(lost.audit.id)
    assert collected is not None
    assert [host.state for host in collected.hosts] == [AuditState.AUDITED] * 5
    assert site.runner.recover() == ()
    assert any(lost.audit.id in s.message for s in seen if s.step is Step.COLLECTED)


def test_space_that_came_free_in_time_is_used() -> None:
    site, ledger = full_site(hosts=5, room=2)

    def freed() -> None:
        ledger.room = 1000

    ledger.full_once = freed
    report = site.audit()
    assert report.unrecorded is None
    assert ledger.audit() == report.audit
    assert site.runner.recover() == ()


# -- a controller that was killed -----------------------------------------------------


def orphan(site: Site, hosts: int, *, audit: str = "audit-20260301T000000.000Z") -> str:
    """An audit whose controller died after starting its run; the run's id."""
    names = [f"h{n}" for n in range(hosts)]
    site.ledger.begin_audit(audit, AT, names, ["A01", "B01"], "c" * 64)
    return site.runner.start(
        PlaybookRun(
            playbook="storewarden.ops.baseline_audit",
            inventory=FrozenInventory(hosts={name: {} for name in names}),
            lease=LeaseMode.SHARED,
            owner="audit",
            label=f"{audit} 1/1",
        )
    )


def test_a_finished_run_of_a_killed_audit_is_collected_first() -> None:
    site = Site(hosts=2)
    orphan(site, 2)
    site.audit()
    earlier = site.ledger.audit("audit-20260301T000000.000Z")
    assert earlier is not None
    assert [host.state for host in earlier.hosts] == [AuditState.AUDITED] * 2
    assert earlier.hosts[0].store == "000000"
    assert site.runner.recover() == ()


def test_a_live_run_of_a_killed_audit_is_adopted() -> None:
    held = {"first": True}

    def script(run: PlaybookRun) -> Scripted:
        hosts = {name: answered({}) for name in run.inventory.hosts}
        return Scripted(hosts=hosts, held=held.pop("first", False))

    site = Site(hosts=2, runner=FakeRunner(script))
    run = orphan(site, 2)

    def watch(step: Progress) -> None:
        if step.step is Step.COLLECTED and "still audits" in step.message:
            site.runner.finish(run)

    site.audit(watch=watch)
    earlier = site.ledger.audit("audit-20260301T000000.000Z")
    assert earlier is not None
    assert {host.state for host in earlier.hosts} == {AuditState.AUDITED}


def test_a_lost_run_leaves_its_hosts_unknown_and_is_told() -> None:
    def script(run: PlaybookRun) -> Scripted:
        hosts = {name: answered({}) for name in run.inventory.hosts}
        return Scripted(hosts=hosts, held=run.label.startswith("audit-20260301"))

    site = Site(hosts=2, runner=FakeRunner(script))
    site.runner.lose(orphan(site, 2))
    site.audit()
    earlier = site.ledger.audit("audit-20260301T000000.000Z")
    assert earlier is not None
    assert {host.state for host in earlier.hosts} == {AuditState.UNKNOWN}
    assert site.runner.recover() == ()


def test_an_audit_killed_before_its_first_run_is_closed_by_the_next() -> None:
    site = Site(hosts=2)
    left = "audit-20260301T000000.000Z"
    site.ledger.begin_audit(left, AT, ["h0", "h1"], ["A01", "B01"], "c" * 64)
    seen: list[Progress] = []
    site.audit(watch=seen.append)
    assert site.ledger.unfinished() == ()
    closing = site.ledger.entry(left, "end")
    assert closing is not None
    assert closing.body["outcome"] == "interrupted"
    assert any(left in step.message for step in seen if step.step is Step.COLLECTED)
    assert site.held == set()


def test_an_open_audit_that_somebody_drives_stays_open() -> None:
    site = Site(hosts=2)
    site.ledger.begin_audit("audit-x", AT, ["h0"], ["A01"], "c" * 64)
    site.elsewhere.add("audit-x")
    site.audit()
    assert site.ledger.unfinished() == ("audit-x",)


def test_an_audit_of_the_same_millisecond_gets_an_id_of_its_own() -> None:
    site = Site(hosts=1)
    site.elsewhere.add("audit-20260302T093001.000Z")
    assert site.audit().audit.id == "audit-20260302T093001.001Z"


def test_a_killed_audit_keeps_its_weights_waivers_and_bar() -> None:
    """All that a report needs is on record before the first host is touched."""

    def watch(step: Progress) -> None:
        if step.step is Step.STARTED:
            raise KeyboardInterrupt  # the second Ctrl-C: nothing is closed any more

    site = Site(hosts=1, waivers=(waiver(),))
    with pytest.raises(KeyboardInterrupt):
        site.audit(watch=watch, bar=Fraction(9, 10), by="wang@ops", limit="h0")
    (left,) = site.ledger.unfinished()
    report = recorded_report(site.ledger, site.content, ReportRequest(audit=left))
    assert (report.bar, report.by, report.limit) == (Fraction(9, 10), "wang@ops", "h0")
    assert [each.ticket for each in report.waivers.waivers] == ["GMBG-20260201-001"]
    assert report.interrupted


def test_answers_nobody_asked_for_stay_out_of_a_collected_audit() -> None:
    rows: list[dict[str, object]] = [
        {"id": "Z99", "verdict": "fail", "value": 1},
        {"id": "A01", "verdict": "pass", "value": "12"},
    ]
    site = Site(hosts=1, script={"h0": answered({}, rows=rows)})
    orphan(site, 1)
    site.audit()
    request = ReportRequest(audit="audit-20260301T000000.000Z")
    (host,) = recorded_report(site.ledger, site.content, request).audit.hosts
    assert [(f.control, f.verdict) for f in host.findings] == [
        ("A01", Verdict.PASS),
        ("B01", Verdict.ERROR),
    ]


def test_runs_that_this_ledger_does_not_know_are_left_alone() -> None:
    site = Site(hosts=2)
    run = orphan(site, 2)
    site.ledger = MemoryLedger(site.clock)  # another ledger over the same state directory
    site.audit()
    assert [found.run_id for found in site.runner.recover()] == [run]


def test_a_ledger_that_is_locked_costs_no_collected_result() -> None:
    class Locked(MemoryLedger):
        locked = True

        def record_host(self, audit_id: str, host: HostAudit, at: datetime) -> tuple[Drift, ...]:
            if self.locked:
                raise LedgerConflict("locked for too long", where="ledger.sqlite")
            return super().record_host(audit_id, host, at)

    ledger = Locked(ManualClock(AT))
    site = Site(hosts=2, ledger=ledger)
    orphan(site, 2)
    with pytest.raises(LedgerConflict, match="locked"):
        site.audit()
    ledger.locked = False
    site.audit()
    earlier = ledger.audit("audit-20260301T000000.000Z")
    assert earlier is not None
    assert {host.state for host in earlier.hosts} == {AuditState.AUDITED}


def test_runs_of_an_audit_that_another_process_drives_are_left_alone() -> None:
    site = Site(hosts=2)
    run = orphan(site, 2)
    site.elsewhere.add("audit-20260301T000000.000Z")
    site.audit()
    assert [found.run_id for found in site.runner.recover()] == [run]


def test_runs_of_other_owners_are_left_alone() -> None:
    site = Site(hosts=1)
    run = site.runner.start(
        PlaybookRun(
            playbook="x.y.z",
            inventory=FrozenInventory(hosts={"other": {}}),
            owner="change GMBG-20260301-001",
        )
    )
    site.audit()
    assert [found.run_id for found in site.runner.recover()] == [run]


# -- runs that never became plays --------------------------------------------------


def test_a_run_that_never_became_a_play_is_trouble_not_silence() -> None:
    broken = Scripted(outcome=RunOutcome.ERROR, error="ansible-playbook ended with status 127")
    report = Site(hosts=2, runner=FakeRunner(broken)).audit()
    assert "127" in report.trouble
    assert report.unaudited == 2


def test_an_audit_that_could_not_start_at_all_is_closed_in_the_ledger() -> None:
    class Broken(FakeRunner):
        def start(self, run: PlaybookRun) -> str:
            raise RunFailed("no such playbook", where=run.playbook)

    site = Site(hosts=2, runner=Broken())
    with pytest.raises(RunFailed):
        site.audit()
    closed = site.ledger.audit()
    assert closed is not None
    assert {host.state for host in closed.hosts} == {AuditState.UNKNOWN}
