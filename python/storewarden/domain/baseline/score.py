# SPDX-License-Identifier: GPL-3.0-or-later
"""Scores: how much of what can be judged is as it should be.

The rules (reference: hardening, scoring):

* a control weighs 5, 3 or 1 by its severity;
* ``error`` counts as not passed: what nobody could look at is not shown to be right;
* ``na`` and ``manual`` are outside the denominator, and always counted beside the score;
* *raw* takes a waived failure as the failure it is, *effective* leaves it out;
* a host complies at 95 % effective with no unwaived high control failed or in error;
* the fleet's rate is compliant hosts over all registered ones; nobody looked = not compliant.

Rates are exact fractions; nothing to judge has no rate (None), never 100 %. They
are compared unrounded and shown rounded down, so that 94.96 is never "95.0".
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

from storewarden.domain.baseline.control import Severity
from storewarden.domain.baseline.finding import Audit, AuditState, Finding, HostAudit, Verdict
from storewarden.domain.errors import ContentMissing

BAR = Fraction(95, 100)
"""Effective score a compliant host reaches (guide 2.2.5)."""

NA_SHIFT = Fraction(10, 100)
"""A share of N/A that moved by more than this between two audits deserves an alert."""

type Waived = Callable[[HostAudit, Finding], bool]
"""Whether an active waiver covers this failed finding of this host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Findings by outcome. A waived failure is in ``waived`` and not in ``fail``."""

    passed: int = 0
    fail: int = 0
    na: int = 0
    error: int = 0
    manual: int = 0
    waived: int = 0

    def __add__(self, other: Counts) -> Counts:
        """Both together."""
        return Counts(  # written out: an audit of 1,000 hosts adds 100,000 of these
            passed=self.passed + other.passed,
            fail=self.fail + other.fail,
            na=self.na + other.na,
            error=self.error + other.error,
            manual=self.manual + other.manual,
            waived=self.waived + other.waived,
        )

    @property
    def total(self) -> int:
        """All findings."""
        return self.passed + self.fail + self.na + self.error + self.manual + self.waived

    @property
    def na_share(self) -> Fraction | None:
        """Not applicable over all findings; None without findings."""
        return _rate(self.na, self.total)


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Weighted points: ``reached`` of ``judged``, of which ``excused`` are waived failures."""

    reached: int = 0
    judged: int = 0
    excused: int = 0
    counts: Counts = Counts()

    def __add__(self, other: Score) -> Score:
        """The score of both sets of findings together."""
        return Score(
            reached=self.reached + other.reached,
            judged=self.judged + other.judged,
            excused=self.excused + other.excused,
            counts=self.counts + other.counts,
        )

    @property
    def raw(self) -> Fraction | None:
        """Reached over judged, waived failures included; None when nothing was judged."""
        return _rate(self.reached, self.judged)

    @property
    def effective(self) -> Fraction | None:
        """Reached over judged without the waived failures; None when nothing is left."""
        return _rate(self.reached, self.judged - self.excused)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostScore:
    """One registered host. ``open_high`` are its high controls failed unwaived or in error."""

    host: str
    state: AuditState
    score: Score = Score()
    open_high: tuple[str, ...] = ()
    store: str = ""

    @property
    def audited(self) -> bool:
        """Whether there are findings to speak of."""
        return self.state is AuditState.AUDITED

    @property
    def compliant(self) -> bool:
        """95 % effective or more, and nothing high left open."""
        return self.audited and not self.open_high and meets(self.score.effective, BAR)


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlScore:
    """One control over the fleet; ``failing`` are the hosts where it failed or was in error."""

    control: str
    score: Score
    failing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupScore:
    """A store or the fleet. ``registered`` counts every host, looked at or not."""

    name: str
    score: Score
    registered: int
    audited: int
    compliant: int

    @property
    def rate(self) -> Fraction | None:
        """Compliant over registered hosts; None for an empty group."""
        return _rate(self.compliant, self.registered)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """An audit, scored four ways. Hosts in the audit's order, controls and stores by name."""

    fleet: GroupScore
    stores: tuple[GroupScore, ...]
    hosts: tuple[HostScore, ...]
    controls: tuple[ControlScore, ...]


def nothing_waived(_host: HostAudit, _finding: Finding) -> bool:
    """No waiver at all."""
    return False


def score_finding(finding: Finding, severity: Severity, *, waived: bool = False) -> Score:
    """The points of one finding; only a failure can be waived."""
    return _points(finding.verdict, severity, waived and finding.verdict is Verdict.FAIL)


@cache
def _points(verdict: Verdict, severity: Severity, excused: bool) -> Score:
    """One of the few scores that a finding can have."""
    weight = severity.weight
    judged = verdict in (Verdict.PASS, Verdict.FAIL, Verdict.ERROR)
    return Score(
        reached=weight if verdict is Verdict.PASS else 0,
        judged=weight if judged else 0,
        excused=weight if excused else 0,
        counts=_counted(verdict, excused),
    )


def score_host(
    host: HostAudit, severities: Mapping[str, Severity], waived: Waived = nothing_waived
) -> HostScore:
    """The score of one host. Raises ContentMissing for a control that the catalogue lacks."""
    total, open_high = Score(), []
    for finding in host.findings:
        excused = waived(host, finding)
        severity = _severity(severities, finding.control)
        total += score_finding(finding, severity, waived=excused)
        if severity is Severity.HIGH and _open(finding, excused):
            open_high.append(finding.control)
    return HostScore(
        host=host.host,
        state=host.state,
        score=total,
        open_high=tuple(open_high),
        store=host.store,
    )


def score_audit(
    audit: Audit, severities: Mapping[str, Severity], waived: Waived = nothing_waived
) -> Scores:
    """Score an audit per host, control, store and as a fleet.

    ``severities`` maps control ids to severities. Raises ContentMissing for a
    finding whose control is not in it.
    """
    hosts = tuple(score_host(host, severities, waived) for host in audit.hosts)
    stores: dict[str, list[HostScore]] = {}
    for host in hosts:
        stores.setdefault(host.store, []).append(host)
    return Scores(
        fleet=_group("", hosts),
        stores=tuple(_group(name, stores[name]) for name in sorted(stores)),
        hosts=hosts,
        controls=_by_control(audit, severities, waived),
    )


def meets(rate: Fraction | None, bar: Fraction) -> bool:
    """Whether ``rate`` reaches ``bar``, unrounded; no rate never does."""
    return rate is not None and rate >= bar


def percent(rate: Fraction | None, places: int = 1) -> str:
    """``rate`` in percent for reading, rounded down: 0.9496 is "94.9"; None is "-"."""
    if rate is None:
        return "-"
    scaled = int(rate * 100 * 10**places)
    whole, rest = divmod(scaled, 10**places)
    return f"{whole}.{rest:0{places}d}" if places else str(whole)


def na_shifted(before: Counts, after: Counts) -> bool:
    """Whether the share of N/A moved by more than 10 points: controls may be silently off."""
    if before.na_share is None or after.na_share is None:
        return False
    return abs(after.na_share - before.na_share) > NA_SHIFT


def _rate(part: int, whole: int) -> Fraction | None:
    return Fraction(part, whole) if whole > 0 else None


def _counted(verdict: Verdict, excused: bool) -> Counts:
    if excused:
        return Counts(waived=1)
    match verdict:
        case Verdict.PASS:
            return Counts(passed=1)
        case Verdict.FAIL:
            return Counts(fail=1)
        case Verdict.NOT_APPLICABLE:
            return Counts(na=1)
        case Verdict.ERROR:
            return Counts(error=1)
        case Verdict.MANUAL:
            return Counts(manual=1)


def _open(finding: Finding, excused: bool) -> bool:
    failed = finding.verdict is Verdict.FAIL and not excused
    return failed or finding.verdict is Verdict.ERROR


def _severity(severities: Mapping[str, Severity], control: str) -> Severity:
    try:
        return severities[control]
    except KeyError:
        raise ContentMissing(
            f"the audit holds control {control}, which the catalogue does not know",
            hint="score it with the content it was made with",
        ) from None


def _group(name: str, hosts: Collection[HostScore]) -> GroupScore:
    return GroupScore(
        name=name,
        score=_sum(host.score for host in hosts),
        registered=len(hosts),
        audited=sum(host.audited for host in hosts),
        compliant=sum(host.compliant for host in hosts),
    )


def _sum(scores: Iterable[Score]) -> Score:
    total = Score()
    for score in scores:
        total += score
    return total


def _by_control(
    audit: Audit, severities: Mapping[str, Severity], waived: Waived
) -> tuple[ControlScore, ...]:
    totals: dict[str, Score] = dict.fromkeys(audit.controls, Score())
    failing: dict[str, list[str]] = {}
    for host in audit.hosts:
        for finding in host.findings:
            excused = waived(host, finding)
            control = finding.control
            points = score_finding(finding, _severity(severities, control), waived=excused)
            totals[control] = totals.get(control, Score()) + points
            if _open(finding, excused):
                failing.setdefault(control, []).append(host.host)
    return tuple(
        ControlScore(control=name, score=totals[name], failing=tuple(failing.get(name, ())))
        for name in sorted(totals)
    )
