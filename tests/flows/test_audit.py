# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit from request to report: what is refused, recorded, compared."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest

from storewarden.domain.baseline.finding import AuditState, Verdict
from storewarden.domain.baseline.waiver import Scope, Waiver
from storewarden.domain.errors import ConfigInvalid, Refused
from storewarden.flows.audit import SAMPLES, audit_id
from storewarden.flows.audit_progress import Progress, Step
from storewarden.flows.audit_report import ReportRequest, recorded_report
from storewarden.ports.runner import HostStatus, LeaseMode
from storewarden.testing.runner import FakeRunner, Scripted
from tests.flows.audit_site import Site, answered, missed


def test_every_answer_is_in_the_report_and_in_the_ledger() -> None:
    site = Site(hosts=3)
    report = site.audit()
    assert [host.state for host in report.audit.hosts] == [AuditState.AUDITED] * 3
    recorded = site.ledger.audit()
    assert recorded is not None
    assert recorded == report.audit
    assert not report.interrupted
    assert report.unrecorded is None


def test_hosts_carry_what_the_inventory_knows_of_them() -> None:
    host = Site(hosts=1).audit().audit.hosts[0]
    assert (host.store, host.region, host.role, host.item) == ("000000", "east", "pos", "POS-0")


def test_a_host_that_was_not_audited_is_reported_with_its_reason() -> None:
    site = Site(hosts=3, script={"h1": missed(HostStatus.UNREACHABLE, "ssh:\n timed  out")})
    report = site.audit()
    assert report.audit.hosts[1].state is AuditState.UNREACHABLE
    assert report.audit.hosts[1].message == "ssh: timed out"
    assert (report.scores.fleet.registered, report.scores.fleet.audited) == (3, 2)
    assert report.unaudited == 1


def test_what_a_host_leaves_out_or_makes_up_is_an_error_never_a_pass() -> None:
    rows = [{"id": "A01", "verdict": "wonderful"}, {"id": "Z99", "verdict": "pass"}]
    site = Site(hosts=1, script={"h0": answered({}, rows=rows)})
    findings = site.audit().audit.hosts[0].findings
    assert [f.control for f in findings] == ["A01", "B01"]
    assert {f.verdict for f in findings} == {Verdict.ERROR}


def test_an_answer_that_makes_no_sense_is_a_failed_host() -> None:
    nonsense = replace(answered({}), report={"audit": {"controls": "all fine"}})
    (host,) = Site(hosts=1, script={"h0": nonsense}).audit().audit.hosts
    assert host.state is AuditState.FAILED
    assert "without an audit report" in host.message


def test_the_run_reads_only_and_beside_other_readers() -> None:
    site = Site(hosts=2)
    site.audit(selection=("A01",))
    (run,) = site.runner.started
    assert run.playbook == "storewarden.ops.baseline_audit"
    assert run.lease is LeaseMode.SHARED
    assert run.variables["baseline_audit_controls"] == ["A01"]


def test_port_counters_of_earlier_audits_travel_with_their_host() -> None:
    value = {"open": ["ssh"], "counters": {"ssh": 7}}
    site = Site(hosts=2, script={"h0": answered({"A01": ("pass", value)})})
    site.audit()
    site.clock.advance(timedelta(days=1))
    site.audit()
    hosts = site.runner.started[-1].inventory.hosts
    (sample,) = hosts["h0"][SAMPLES]  # type: ignore[misc]
    assert sample["counters"] == {"ssh": 7}
    assert SAMPLES not in hosts["h1"]


def test_runs_are_released_once_everything_is_recorded() -> None:
    site = Site(hosts=5)
    site.audit(shard_size=2)
    assert len(site.runner.released) == 3
    assert site.runner.recover() == ()


# -- refusals: nothing is started --------------------------------------------------


def refused(site: Site, kind: type[Exception], **changes: object) -> str:
    with pytest.raises(kind) as raised:
        site.audit(**changes)
    assert site.runner.started == []
    return str(raised.value)


def test_without_an_inventory_the_way_out_is_named() -> None:
    said = refused(Site(hosts=1), ConfigInvalid, sources=())
    assert "-i" in said
    assert "--local" in said


def test_an_empty_inventory_is_refused() -> None:
    assert "no hosts" in refused(Site(hosts=0), Refused)


def test_a_fleet_that_shrank_is_refused_until_somebody_says_so() -> None:
    site = Site(hosts=20)
    site.audit()
    site.runner.started.clear()
    site.shrink_to(10)
    said = refused(site, Refused)
    assert "10 gone" in said
    assert "--accept-shrunk" in said
    assert len(site.audit(accept_shrunk=True).audit.hosts) == 10
    assert len(site.audit().audit.hosts) == 10  # what was accepted is the new measure


def test_a_limit_does_not_look_like_a_shrunken_fleet() -> None:
    site = Site(hosts=20)
    site.audit()
    assert [h.host for h in site.audit(limit="h3").audit.hosts] == ["h3"]
    assert len(site.audit().audit.hosts) == 20


def test_a_since_that_means_nothing_is_told_before_the_audit() -> None:
    assert "next Tuesday" in refused(Site(hosts=1), ConfigInvalid, since="next Tuesday")


def test_an_unknown_control_starts_nothing() -> None:
    assert "Z99" in refused(Site(hosts=1), ConfigInvalid, selection=("Z99",))


# -- scores, waivers, drift --------------------------------------------------------


def waiver(**changes: object) -> Waiver:
    fields: dict[str, object] = {
        "control": "A01",
        "scope": Scope(hosts=frozenset({"h0"})),
        "justification": "old tills",
        "approvers": ("wang",),
        "ticket": "GMBG-20260201-001",
        "compensating": "own segment",
        "approved": date(2026, 2, 1),
        "expires": date(2026, 4, 1),
        "accepted": "6",
        "source": "waivers/a.yml:1",
    }
    return Waiver(**(fields | changes))  # type: ignore[arg-type]


def test_a_waiver_counts_in_the_effective_score_only() -> None:
    bad = answered({"A01": ("fail", "6")})
    site = Site(hosts=2, script={"h0": bad, "h1": bad}, waivers=(waiver(),))
    fleet = site.audit().scores.fleet
    assert (fleet.score.counts.fail, fleet.score.counts.waived) == (1, 1)
    assert fleet.score.raw is not None
    assert fleet.score.effective is not None
    assert fleet.score.raw < fleet.score.effective


def test_an_expired_waiver_is_a_warning_and_waives_nothing() -> None:
    over = waiver(expires=date(2026, 2, 20))
    report = Site(hosts=1, script={"h0": answered({"A01": ("fail", "6")})}, waivers=(over,)).audit()
    assert report.scores.fleet.score.counts.waived == 0
    (remark,) = [each for each in report.warnings if each.key == "waiver_expired"]
    assert remark.facts["source"] == "waivers/a.yml:1"


def test_missing_estate_variables_are_warnings() -> None:
    report = Site(hosts=1).audit()
    said = [(each.key, each.facts["variable"]) for each in report.warnings]
    assert ("missing", "sw_hours") in said


def test_a_bar_is_missed_or_met() -> None:
    site = Site(hosts=1, script={"h0": answered({"A01": ("fail", "6")})})
    assert site.audit(bar=Fraction(95, 100)).below
    assert not site.audit(bar=Fraction(0)).below
    assert not site.audit(bar=None).below


def test_the_second_audit_shows_what_changed_and_nothing_else() -> None:
    site = Site(hosts=4)
    first = site.audit()
    assert first.first
    assert first.drift == ()
    site.answers["h2"] = answered({"A01": ("fail", "6")})
    site.clock.advance(timedelta(hours=1))
    second = site.audit(since="last")
    assert second.since == first.audit.id
    (drift,) = second.drift
    assert (drift.host, drift.control) == ("h2", "A01")
    assert (drift.verdict_from, drift.verdict_to) == (Verdict.PASS, Verdict.FAIL)
    assert (drift.value_from, drift.value_to) == ("12", "6")
    assert second.unexplained == (drift,)


def test_drift_since_an_older_audit_is_what_is_different_now() -> None:
    site = Site(hosts=1)
    first = site.audit()
    for value in ("6", "7"):
        site.clock.advance(timedelta(hours=1))
        site.answers["h0"] = answered({"A01": ("fail", value)})
        site.audit()
    site.clock.advance(timedelta(hours=1))
    report = site.audit(since=first.audit.id)
    (drift,) = report.drift
    assert (drift.value_from, drift.value_to) == ("12", "7")


def test_controls_that_went_silent_are_a_warning() -> None:
    site = Site(hosts=2)
    site.audit()
    site.answers = {name: answered({"A01": ("na", None)}) for name in ("h0", "h1")}
    site.clock.advance(timedelta(hours=1))
    (remark,) = [each for each in site.audit().warnings if each.key == "na_moved"]
    assert (remark.facts["na_then"], remark.facts["na_now"]) == ("0", "2")


def test_fewer_hosts_or_controls_are_no_controls_that_went_silent() -> None:
    """Each server has its own share of N/A; one audited alone is no news."""
    odd = answered({"A01": ("na", None), "B01": ("na", None)})
    site = Site(hosts=4, script={"h3": odd})
    site.audit()
    for asked in ({"limit": "h3"}, {}, {"selection": ("A01",)}, {}):
        report = site.audit(**asked)
        assert [each for each in report.warnings if each.key == "na_moved"] == []
        assert report.drift == ()


def test_drift_is_told_of_what_was_asked_for_only() -> None:
    site = Site(hosts=4)
    first = site.audit()
    for host in ("h1", "h2"):
        site.answers[host] = answered({"A01": ("fail", "6"), "B01": ("fail", ["yes"])})
    site.audit()
    report = site.audit(limit="h1", selection=("A01",), since=first.audit.id)
    assert [(drift.host, drift.control) for drift in report.drift] == [("h1", "A01")]


def test_a_limited_audit_finds_what_changed_since_its_hosts_were_last_seen() -> None:
    site = Site(hosts=4)
    site.audit()
    site.audit(limit="h1")
    site.answers["h2"] = answered({"A01": ("fail", "6")})
    assert site.audit(limit="h1", since="last").drift == ()
    assert [drift.host for drift in site.audit(since="last").drift] == ["h2"]


def test_a_day_begins_in_the_sites_zone() -> None:
    site = Site(hosts=1)
    site.clock.advance(timedelta(hours=9))  # 18:30 UTC is 02:30 of the next day in Shanghai
    site.audit()
    site.answers["h0"] = answered({"A01": ("fail", "6")})
    site.audit()
    site.clock.advance(timedelta(hours=1))
    shanghai = ZoneInfo("Asia/Shanghai")
    assert len(site.audit(since="2026-03-03", zone=shanghai).drift) == 1
    assert len(site.audit(since="2026-03-03T03:00", zone=shanghai).drift) == 0
    request = ReportRequest(audit="last", since="2026-03-03", zone=shanghai)
    assert len(recorded_report(site.ledger, site.content, request).drift) == 1


def test_an_older_audit_is_compared_with_what_was_before_it_not_after() -> None:
    site = Site(hosts=1)
    made = [site.audit()]
    for value in ("6", "7"):
        site.answers["h0"] = answered({"A01": ("fail", value)})
        made.append(site.audit())
    first, second, third = (report.audit.id for report in made)
    request = ReportRequest(audit=second, since=first)
    report = recorded_report(site.ledger, site.content, request)
    assert [(d.value_from, d.value_to) for d in report.drift] == [("12", "6")]
    with pytest.raises(ConfigInvalid, match="later than"):
        recorded_report(site.ledger, site.content, ReportRequest(audit=first, since=third))


def test_a_value_that_no_ledger_takes_is_an_error_of_its_control_alone() -> None:
    bad = answered({"A01": ("pass", float("nan"))})
    site = Site(hosts=3, script={"h0": bad})
    report = site.audit()
    assert report.unrecorded is None
    assert report.audit.hosts[0].findings[0].verdict is Verdict.ERROR
    assert site.ledger.audit() == report.audit
    assert site.runner.recover() == ()


# -- recorded audits ---------------------------------------------------------------


def test_a_recorded_audit_reads_as_it_did_when_it_was_made() -> None:
    bad = answered({"A01": ("fail", "6")})
    site = Site(hosts=3, script={"h0": bad, "h1": bad}, waivers=(waiver(),))
    made = site.audit(bar=Fraction(95, 100), by="wang@ops", version="0.1.0", site="Chain")
    site.waivers = ()
    site.clock.advance(timedelta(days=100))
    again = recorded_report(site.ledger, site.content, ReportRequest(audit=made.audit.id))
    assert again.scores == made.scores
    assert again.audit == made.audit
    assert (again.by, again.version, again.scope) == (made.by, made.version, made.scope)
    assert (again.bar, again.first, again.warnings) == (made.bar, made.first, made.warnings)
    assert again.ended is not None


def test_a_recorded_audit_shows_its_own_drift() -> None:
    site = Site(hosts=1)
    made = [site.audit()]
    for value in ("6", "7"):
        site.clock.advance(timedelta(hours=1))
        site.answers["h0"] = answered({"A01": ("fail", value)})
        made.append(site.audit())
    report = recorded_report(site.ledger, site.content, ReportRequest(audit=made[1].audit.id))
    assert [(d.value_from, d.value_to) for d in report.drift] == [("12", "6")]


def test_a_control_that_is_gone_keeps_its_weight() -> None:
    site = Site(hosts=1)
    made = site.audit()
    site.content.forget("B01")
    again = recorded_report(site.ledger, site.content, ReportRequest(audit=made.audit.id))
    assert again.scores == made.scores


def test_no_such_audit_is_told() -> None:
    site = Site(hosts=1)
    with pytest.raises(ConfigInvalid, match="no audit is on record"):
        recorded_report(site.ledger, site.content, ReportRequest())
    with pytest.raises(ConfigInvalid, match="audit-1"):
        recorded_report(site.ledger, site.content, ReportRequest(audit="audit-1"))


# -- progress ----------------------------------------------------------------------


def test_progress_counts_every_host_once() -> None:
    seen: list[Progress] = []
    site = Site(hosts=5, script={"h1": missed(HostStatus.FAILED, "sudo: a password is required")})
    site.audit(watch=seen.append, shard_size=2)
    hosts = [step for step in seen if step.step is Step.HOST]
    assert [step.done for step in hosts] == [1, 2, 3, 4, 5]
    assert hosts[-1].missed == 1
    assert {step.total for step in hosts} == {5}
    assert seen[-1].step is Step.ENDED


def test_ids_sort_by_time_and_differ_within_a_second() -> None:
    early = datetime(2026, 3, 2, 9, 30, 0, 5000, tzinfo=UTC)
    assert audit_id(early) == "audit-20260302T093000.005Z"
    assert audit_id(early) < audit_id(early + timedelta(milliseconds=1))


# -- Ctrl-C ------------------------------------------------------------------------


def test_an_interrupted_audit_keeps_and_records_what_arrived() -> None:
    stop = threading.Event()

    def watch(step: Progress) -> None:
        if step.step is Step.HOST and step.done == 2:
            stop.set()  # the second shard is held: it never ends by itself

    def script(run: object) -> Scripted:
        names = list(run.inventory.hosts)  # type: ignore[attr-defined]
        return Scripted(hosts={name: answered({}) for name in names}, held="h2" in names)

    site = Site(hosts=6, runner=FakeRunner(script), stop=stop)
    report = site.audit(watch=watch, shard_size=2, at_once=1)
    states = {host.host: host.state for host in report.audit.hosts}
    assert report.interrupted
    assert [states[name] for name in ("h0", "h1")] == [AuditState.AUDITED] * 2
    assert {states[f"h{n}"] for n in range(2, 6)} == {AuditState.SKIPPED}
    recorded = site.ledger.audit()
    assert recorded is not None
    assert recorded.hosts == report.audit.hosts
    assert site.runner.recover() == ()


def test_an_audit_that_ends_by_itself_was_not_interrupted() -> None:
    assert not Site(hosts=3).audit(shard_size=1).interrupted
