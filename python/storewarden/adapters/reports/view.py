# SPDX-License-Identifier: GPL-3.0-or-later
"""An audit arranged for reading: the tables that the page and the terminal both show.

A fleet of a thousand hosts has tens of thousands of failures, mostly the same
few observed values over and over. So evidence is grouped: one row per control
and observed value, with the hosts that share it. The number of groups and of
findings per report is bounded, and whatever is left out is counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from storewarden.adapters.reports.advice import advice_for
from storewarden.adapters.reports.remarks import remarks_of
from storewarden.adapters.reports.values import clean, contrast, key_of, shown
from storewarden.domain.baseline.control import Control, Severity
from storewarden.domain.baseline.drift import Drift
from storewarden.domain.baseline.finding import AuditState, Finding, HostAudit, Verdict
from storewarden.domain.baseline.score import Counts, GroupScore, HostScore, Score
from storewarden.domain.baseline.waiver import Waiver, expired
from storewarden.ports.reports import AuditReport, Language

KINDS = ("pass", "fail", "waived", "error", "na", "manual")
"""Outcomes in the order of every table: the verdicts, and a failure that is waived."""

TROUBLE = ("fail", "error", "waived")
"""Outcomes that a host is listed with."""

EVIDENCE = (*TROUBLE, "na", "manual")
"""Outcomes whose evidence stands under their control: also why it does not apply somewhere."""

_SCOPES = (
    ("hosts", "host"),
    ("groups", "group"),
    ("stores", "store"),
    ("regions", "region"),
    ("roles", "role"),
)

MOST_GROUPS = 40  # observed values per control
MOST_FINDINGS = 20_000  # evidence rows under hosts; beyond, hosts name their controls only
MOST_DRIFT = 2_000  # transitions
GROUP_VALUE = 1_500  # characters of an observed value under its control
HOST_VALUE = 200  # and under its host, where it is a repetition


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Hosts of one control with the same outcome, observed value and reason."""

    kind: str
    value: str
    reason: str
    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlRow:
    """One control over the fleet; ``counts`` by kind; groups that were left out are counted."""

    control: Control
    counts: Mapping[str, int]
    groups: tuple[Group, ...]
    more_groups: int
    more_hosts: int
    fix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreRow:
    """One store; ``high`` is its number of open failures of high severity."""

    store: str
    region: str
    hosts: int
    audited: int
    compliant: int
    effective: Fraction | None
    raw: Fraction | None
    high: int
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingRow:
    """One failed, waived or errored control of one host."""

    control: Control
    kind: str
    value: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRow:
    """One audited host with something to say."""

    audit: HostAudit
    effective: Fraction | None
    compliant: bool
    counts: Mapping[str, int]
    findings: tuple[FindingRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MissedRow:
    """One host that was not audited, and the key of the advice."""

    audit: HostAudit
    advice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftRow:
    """One transition with its values as text, and the words for one that nothing explains."""

    drift: Drift
    title: str
    value_from: str
    value_to: str
    unexplained: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiverRow:
    """One waiver; ``state`` is active, expired or unused; ``hosts`` are those it excuses now."""

    control: str
    scope: str
    justification: str
    measure: str
    value: str
    approvers: str
    ticket: str
    expires: str
    state: str
    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Everything a page shows; ``clean`` counts audited hosts with nothing to show."""

    counts: Mapping[str, int]
    audited: int
    controls: tuple[ControlRow, ...]
    stores: tuple[StoreRow, ...]
    hosts: tuple[HostRow, ...]
    clean: int
    unaudited: tuple[MissedRow, ...]
    drift: tuple[DriftRow, ...]
    drift_left: int
    waivers: tuple[WaiverRow, ...]
    remarks: tuple[str, ...]
    brief: bool
    limit: int = MOST_FINDINGS

    @property
    def has_evidence(self) -> bool:
        """Whether any control has evidence to show."""
        return any(row.groups for row in self.controls)


@dataclass(frozen=True, slots=True)
class _Seen:
    host: HostAudit
    finding: Finding
    kind: str
    waiver: Waiver | None


def view_of(report: AuditReport, words: Mapping[str, str], language: Language) -> View:
    """Arrange ``report``."""
    return _Arranger(report, words, language).view()


def kind_of(report: AuditReport, host: str, finding: Finding) -> tuple[str, Waiver | None]:
    """The outcome of a finding as reports count it, and the waiver that excuses it."""
    if finding.verdict is Verdict.FAIL:
        decision = report.waivers.decide(host, finding)
        if decision.waived:
            return "waived", decision.waiver
    return finding.verdict.value, None


def by_kind(counts: Counts) -> dict[str, int]:
    """The counts under the names of ``KINDS``."""
    return {kind: getattr(counts, "passed" if kind == "pass" else kind) for kind in KINDS}


def reason_in(finding: Finding, language: Language) -> str:
    """The reason of a finding in ``language``, else in English, else in any."""
    texts = finding.reason
    text = texts.get(language.value) or texts.get("en") or next(iter(texts.values()), "")
    return clean(text)


class _Arranger:
    """Walks over the findings once and keeps what is to be shown."""

    def __init__(self, report: AuditReport, words: Mapping[str, str], language: Language) -> None:
        self._report = report
        self._words = words
        self._language = language
        self._controls = {control.id: control for control in report.controls}
        evidence = [
            _Seen(host, finding, kind, waiver)
            for host in report.audit.hosts
            for finding in host.findings
            for kind, waiver in (kind_of(report, host.host, finding),)
            if kind in EVIDENCE
        ]
        self._trouble = [seen for seen in evidence if seen.kind in TROUBLE]
        self._by_host: dict[str, list[_Seen]] = {}
        self._by_control: dict[str, list[_Seen]] = {}
        for seen in self._trouble:
            self._by_host.setdefault(seen.host.host, []).append(seen)
        for seen in evidence:
            self._by_control.setdefault(seen.finding.control, []).append(seen)

    def view(self) -> View:
        scores, hosts = self._report.scores, self._hosts()
        return View(
            counts=by_kind(scores.fleet.score.counts),
            audited=scores.fleet.audited,
            controls=tuple(self._control(control) for control in self._report.controls),
            stores=self._stores(),
            hosts=hosts,
            clean=scores.fleet.audited - len(hosts),
            unaudited=tuple(
                MissedRow(audit=host, advice=advice_for(host))
                for host in self._report.audit.hosts
                if host.state is not AuditState.AUDITED
            ),
            drift=tuple(self._drift(d) for d in self._report.drift[:MOST_DRIFT]),
            drift_left=max(0, len(self._report.drift) - MOST_DRIFT),
            waivers=self._waivers(),
            remarks=remarks_of(self._report, self._words),
            brief=len(self._trouble) > MOST_FINDINGS,
        )

    def _control(self, control: Control) -> ControlRow:
        groups = self._groups(control.id)
        left = groups[MOST_GROUPS:]
        scored = {row.control: row.score for row in self._report.scores.controls}
        return ControlRow(
            control=control,
            counts=by_kind(scored.get(control.id, Score()).counts),
            groups=groups[:MOST_GROUPS],
            more_groups=len(left),
            more_hosts=sum(len(group.hosts) for group in left),
            fix=control.fix_text.get(self._language.value) or control.fix_text.get("en", ""),
        )

    def _groups(self, control: str) -> tuple[Group, ...]:
        """The groups of a control: failures first, the most frequent value first."""
        together: dict[tuple[str, str, str], list[_Seen]] = {}
        for seen in self._by_control.get(control, ()):
            reason = reason_in(seen.finding, self._language)
            judged = seen.kind not in ("na", "manual")  # else the value is no evidence
            key = (seen.kind, key_of(seen.finding.value) if judged else "", reason)
            together.setdefault(key, []).append(seen)
        groups = [
            Group(
                kind=kind,
                value=self._shown(members[0].finding, GROUP_VALUE) if value else "",
                reason=reason,
                hosts=tuple(seen.host.host for seen in members),
            )
            for (kind, value, reason), members in together.items()
        ]
        return tuple(sorted(groups, key=lambda g: (EVIDENCE.index(g.kind), -len(g.hosts), g.value)))

    def _shown(self, finding: Finding, limit: int) -> str:
        return shown(finding.value, self._words, limit=limit)

    def _stores(self) -> tuple[StoreRow, ...]:
        regions = {host.store: host.region for host in self._report.audit.hosts if host.region}
        high: dict[str, int] = {}
        for host in self._report.scores.hosts:
            high[host.store] = high.get(host.store, 0) + len(host.open_high)
        return tuple(
            _store(group, regions.get(group.name, ""), high.get(group.name, 0))
            for group in self._report.scores.stores
        )

    def _hosts(self) -> tuple[HostRow, ...]:
        """Hosts with trouble, those with the most open high failures first."""
        audits = {host.host: host for host in self._report.audit.hosts}
        troubled = [score for score in self._report.scores.hosts if score.host in self._by_host]
        troubled.sort(key=lambda score: (-len(score.open_high), score.score.effective or 0))
        return tuple(self._host(audits[score.host], score) for score in troubled)

    def _host(self, audit: HostAudit, score: HostScore) -> HostRow:
        rows = [
            FindingRow(
                control=self._controls[seen.finding.control],
                kind=seen.kind,
                value=self._shown(seen.finding, HOST_VALUE),
                reason=reason_in(seen.finding, self._language),
            )
            for seen in self._by_host[audit.host]
        ]
        rows.sort(key=lambda r: (r.kind == "waived", -r.control.severity.weight, r.control.id))
        return HostRow(
            audit=audit,
            effective=score.score.effective,
            compliant=score.compliant,
            counts=by_kind(score.score.counts),
            findings=tuple(rows),
        )

    def _drift(self, drift: Drift) -> DriftRow:
        control = self._controls.get(drift.control)
        before, after = contrast(drift.value_from, drift.value_to)
        return DriftRow(
            drift=drift,
            title=control.titled(self._language.value) if control else "",
            value_from=shown(before, self._words),
            value_to=shown(after, self._words),
            unexplained=self._words[
                "drift_remeasured" if drift.remeasured else "drift_unexplained"
            ],
        )

    def _waivers(self) -> tuple[WaiverRow, ...]:
        book = self._report.waivers
        over = {id(waiver) for waiver in expired(book.waivers, book.now, book.zone)}
        used: dict[int, list[str]] = {}
        for seen in self._trouble:
            if seen.waiver is not None:
                used.setdefault(id(seen.waiver), []).append(seen.host.host)
        return tuple(
            self._waiver(waiver, over=id(waiver) in over, hosts=tuple(used.get(id(waiver), ())))
            for waiver in book.waivers
        )

    def _waiver(self, waiver: Waiver, *, over: bool, hosts: tuple[str, ...]) -> WaiverRow:
        return WaiverRow(
            control=waiver.control,
            scope=scope_text(waiver, self._words),
            justification=clean(waiver.justification),
            measure=clean(waiver.compensating),
            value=shown(waiver.accepted, self._words),
            approvers=", ".join(waiver.approvers),
            ticket=clean(waiver.ticket),
            expires=waiver.expires.isoformat(),
            state="expired" if over else "active" if hosts else "unused",
            hosts=hosts,
        )


def scope_text(waiver: Waiver, words: Mapping[str, str]) -> str:
    """The scope as ``Store: S001, S002; Role: pos``."""
    named = [(words[key], sorted(getattr(waiver.scope, kind))) for kind, key in _SCOPES]
    return "; ".join(f"{label}: {', '.join(names)}" for label, names in named if names)


def _store(group: GroupScore, region: str, high: int) -> StoreRow:
    return StoreRow(
        store=group.name,
        region=region,
        hosts=group.registered,
        audited=group.audited,
        compliant=group.compliant,
        effective=group.score.effective,
        raw=group.score.raw,
        high=high,
        counts=by_kind(group.score.counts),
    )


def worst_controls(view: View) -> tuple[ControlRow, ...]:
    """Controls with failures or errors, the heaviest first: weight times hosts."""
    open_ones = [row for row in view.controls if row.counts["fail"] + row.counts["error"]]
    open_ones.sort(key=lambda row: (-_burden(row), row.control.id))
    return tuple(open_ones)


def worst_stores(view: View) -> tuple[StoreRow, ...]:
    """Stores by share of hosts that do not comply, then by score, the worst first."""
    rows = [row for row in view.stores if row.compliant < row.hosts]
    rows.sort(key=lambda row: (Fraction(row.compliant, row.hosts), row.effective or 0, row.store))
    return tuple(rows)


def _burden(row: ControlRow) -> int:
    return row.control.severity.weight * (row.counts["fail"] + row.counts["error"])


def open_high(view: View) -> tuple[ControlRow, ...]:
    """Controls of high severity that stand in the way of compliance, the heaviest first."""
    return tuple(r for r in worst_controls(view) if r.control.severity is Severity.HIGH)
