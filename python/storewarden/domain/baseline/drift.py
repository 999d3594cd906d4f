# SPDX-License-Identifier: GPL-3.0-or-later
"""Drift: a control whose verdict or value is not what it was when last looked at.

What counts as a transition, so that drift is news and not noise:

* the first time a control is seen on a host is its baseline, never drift;
* a host that was not audited (unreachable, failed, ...) says nothing: what was
  known of it stays, and the next audit compares with that;
* ``error`` means "could not look". Losing sight of a control and seeing it
  again are transitions of their own, once each, whatever the error said;
  ``net`` folds the pair away when the control came back as it was;
* of ``na``, ``manual`` and ``error`` only the verdict is compared, since their
  value is no state of the host; and readings, which differ every time, are left
  out of the comparison.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from storewarden.domain.baseline.finding import Audit, AuditState, Finding, HostAudit, Verdict
from storewarden.domain.baseline.reading import state_of

_JUDGED = (Verdict.PASS, Verdict.FAIL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One transition; ``change`` is the change number that explains it, or "" when unexplained.

    It happened after ``seen`` (when the earlier state was last looked at; None
    when nobody knows) and not after ``at`` (when the new one was found).
    """

    host: str
    control: str
    verdict_from: Verdict
    verdict_to: Verdict
    value_from: object
    value_to: object
    audit: str
    at: datetime
    change: str = ""
    seen: datetime | None = None

    @property
    def worse(self) -> bool:
        """True when the host left a passing state."""
        return self.verdict_from is Verdict.PASS and self.verdict_to is not Verdict.PASS

    @property
    def blind(self) -> bool:
        """True when one side is "could not look": sight was lost or came back."""
        return Verdict.ERROR in (self.verdict_from, self.verdict_to)

    @property
    def remeasured(self) -> bool:
        """True when the host stayed as it was and the requirement changed (a parameter, say)."""
        judged = self.verdict_from in _JUDGED and self.verdict_to in _JUDGED
        return judged and state_of(self.value_from) == state_of(self.value_to)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One host's audit against what was known: its baseline part and its transitions."""

    first_seen: tuple[Finding, ...] = ()
    drifts: tuple[Drift, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeSpan:
    """What drift needs to know of a change: on which hosts it worked, and when.

    ``until`` is None while it is under way.
    """

    number: str
    hosts: frozenset[str]
    start: datetime
    until: datetime | None = None


def differs(before: Finding, after: Finding) -> bool:
    """Whether two findings of the same control are a transition worth storing."""
    if before.verdict is not after.verdict:
        return True
    return before.verdict in _JUDGED and state_of(before.value) != state_of(after.value)


def compare(
    known: Mapping[str, Finding], found: HostAudit, *, audit: str, at: datetime
) -> Comparison:
    """What ``found`` changes in what was ``known`` of the host (control -> latest finding)."""
    if found.state is not AuditState.AUDITED:
        return Comparison()
    first = tuple(finding for finding in found.findings if finding.control not in known)
    drifts = tuple(
        _transition(known[after.control], after, found.host, audit, at)
        for after in found.findings
        if after.control in known and differs(known[after.control], after)
    )
    return Comparison(first_seen=first, drifts=drifts)


def _transition(before: Finding, after: Finding, host: str, audit: str, at: datetime) -> Drift:
    return Drift(
        host=host,
        control=after.control,
        verdict_from=before.verdict,
        verdict_to=after.verdict,
        value_from=before.value,
        value_to=after.value,
        audit=audit,
        at=at,
    )


def net(drifts: Iterable[Drift]) -> tuple[Drift, ...]:
    """What is different at the end: one transition per host and control, first "from" to last
    "to"; a control that came back to where it was is left out.

    ``drifts`` oldest first. The order is that of each pair's last transition.
    """
    folded: dict[tuple[str, str], Drift] = {}
    for drift in drifts:
        earlier = folded.pop((drift.host, drift.control), None)
        folded[drift.host, drift.control] = _joined(earlier, drift) if earlier else drift
    return tuple(drift for drift in folded.values() if _moved(drift))


def within(drifts: Iterable[Drift], audit: Audit) -> tuple[Drift, ...]:
    """Those of the hosts and controls that ``audit`` was to look at.

    An audit of one store says nothing of the others, whatever happened there.
    """
    hosts = {host.host for host in audit.hosts}
    controls = set(audit.controls)
    return tuple(d for d in drifts if d.host in hosts and d.control in controls)


def _joined(earlier: Drift, later: Drift) -> Drift:
    return replace(
        later,
        verdict_from=earlier.verdict_from,
        value_from=earlier.value_from,
        seen=earlier.seen,
    )


def _moved(drift: Drift) -> bool:
    before = Finding(control=drift.control, verdict=drift.verdict_from, value=drift.value_from)
    after = Finding(control=drift.control, verdict=drift.verdict_to, value=drift.value_to)
    return differs(before, after)


def explained_by(drift: Drift, changes: Iterable[ChangeSpan]) -> str:
    """The number of the change that explains ``drift``, or "".

    A change explains what happened on its own hosts while it ran, as far as
    anybody can know: its time must meet the time between the last look and
    this one. Of several, the one that began last.
    """
    candidates = [change for change in changes if _meets(drift, change)]
    latest = max(candidates, key=lambda change: (change.start, change.number), default=None)
    return latest.number if latest else ""


def explained(drifts: Iterable[Drift], changes: Iterable[ChangeSpan]) -> tuple[Drift, ...]:
    """The same transitions with ``change`` filled in."""
    spans = tuple(changes)
    return tuple(replace(drift, change=explained_by(drift, spans)) for drift in drifts)


def _meets(drift: Drift, change: ChangeSpan) -> bool:
    if drift.host not in change.hosts or change.start > drift.at:
        return False
    return drift.seen is None or change.until is None or change.until >= drift.seen
