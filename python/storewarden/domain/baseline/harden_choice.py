# SPDX-License-Identifier: GPL-3.0-or-later
"""Which controls of a host are to be fixed, and why the others are not.

A failure is fixed when nobody waived it, a machine can fix it and its risk is not above what was
asked for. Everything else is named with its reason, so that a plan has a line for every control.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date
from enum import Enum

from storewarden.domain.baseline.control import Control, Risk
from storewarden.domain.baseline.finding import (
    Audit,
    AuditState,
    Finding,
    HostAudit,
    Verdict,
)
from storewarden.domain.baseline.waiver import WaiverBook


class Why(Enum):
    """What is done about one control of one host."""

    FIX = "fix"  # it fails and will be fixed
    PASS = "pass"  # it is as required
    NOT_APPLICABLE = "na"  # it does not concern this host
    BLIND = "error"  # could not look, so nobody knows what to fix
    ATTESTED = "attested"  # a person has to attest it
    MANUAL = "manual"  # it fails, and only a person can fix it
    WAIVED = "waived"  # it fails, and somebody answers for that until a day
    RISK = "risk"  # it fails, and its fix is riskier than what was asked for


_BY_VERDICT = {
    Verdict.PASS: Why.PASS,
    Verdict.NOT_APPLICABLE: Why.NOT_APPLICABLE,
    Verdict.ERROR: Why.BLIND,
    Verdict.MANUAL: Why.ATTESTED,
}
RISKS = tuple(Risk)
"""From nothing to lose (R0) to "may lock people out" (R3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One control of one host; ``until`` is the last day of its waiver."""

    control: Control
    finding: Finding
    why: Why
    until: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """All choices by host, for hosts that were audited."""

    choices: Mapping[str, tuple[Choice, ...]]

    def fixes(self, host: str) -> tuple[str, ...]:
        """Ids of the controls to be fixed there."""
        return tuple(
            choice.control.id for choice in self.choices.get(host, ()) if choice.why is Why.FIX
        )

    @property
    def hosts(self) -> tuple[str, ...]:
        """Hosts with something to fix."""
        return tuple(host for host in self.choices if self.fixes(host))

    @property
    def groups(self) -> int:
        """The largest number of apply groups that one host has to go through."""
        counts = (
            len({each.control.fix_group for each in choices if each.why is Why.FIX})
            for choices in self.choices.values()
        )
        return max(counts, default=0)


def choose(
    audit: Audit, controls: Mapping[str, Control], book: WaiverBook, max_risk: Risk
) -> Wanted:
    """What is to be done about every finding of every audited host."""
    return Wanted(
        choices={
            host.host: tuple(
                _choice(host, finding, controls[finding.control], book, max_risk)
                for finding in host.findings
                if finding.control in controls
            )
            for host in audit.hosts
            if host.state is AuditState.AUDITED
        }
    )


def _choice(
    host: HostAudit, finding: Finding, control: Control, book: WaiverBook, max_risk: Risk
) -> Choice:
    if finding.verdict is not Verdict.FAIL:
        return Choice(control=control, finding=finding, why=_BY_VERDICT[finding.verdict])
    decision = book.decide(host.host, finding)
    if decision.waived:
        until = decision.waiver.expires if decision.waiver else None
        return Choice(control=control, finding=finding, why=Why.WAIVED, until=until)
    return Choice(control=control, finding=finding, why=_failed(control, max_risk))


def _failed(control: Control, max_risk: Risk) -> Why:
    if control.fix_manual or not control.fix_group:
        return Why.MANUAL
    return Why.RISK if RISKS.index(control.risk) > RISKS.index(max_risk) else Why.FIX


def expected(
    audit: Audit, wanted: Wanted, hopeless: Mapping[str, Collection[str]] | None = None
) -> Audit:
    """The audit as it would be when every fix works, but those that a host said, by ``hopeless``,
    cannot be made there."""
    without = hopeless or {}
    return replace(
        audit,
        hosts=tuple(_expected(host, wanted, without.get(host.host, ())) for host in audit.hosts),
    )


def _expected(host: HostAudit, wanted: Wanted, hopeless: Collection[str]) -> HostAudit:
    fixes = set(wanted.fixes(host.host)) - set(hopeless)
    findings = (
        replace(finding, verdict=Verdict.PASS) if finding.control in fixes else finding
        for finding in host.findings
    )
    return replace(host, findings=tuple(findings))
