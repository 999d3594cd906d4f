# SPDX-License-Identifier: GPL-3.0-or-later
"""What an audit was about, as its journal entry keeps it beside the findings.

A report that is made again later must say what it said then: who ran it, over
which inventory, with which weights and which waivers. So these are recorded
when the audit begins, so that one that is killed has them as well, and read back
instead of today's files. Only remarks that need the findings come at the end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, tzinfo
from fractions import Fraction
from typing import Any, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from storewarden.domain.baseline.control import Control, GuideMark, Risk, Severity
from storewarden.domain.baseline.finding import Audit, HostAudit
from storewarden.domain.baseline.waiver import DeviceFacts, Scope, Waiver, WaiverBook
from storewarden.ports.reports import AuditReport, Remark

KIND = "audit context"
STEP = "context"
REMARKS = "remarks"

_TEXTS = ("site", "scope", "limit", "by", "version", "since")
_SCOPES = ("hosts", "groups", "stores", "regions", "roles")


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The part of a report that the findings do not tell."""

    texts: Mapping[str, str]
    selected: bool
    first: bool
    bar: Fraction | None
    severities: Mapping[str, Severity]
    warnings: tuple[Remark, ...]
    waivers: tuple[Waiver, ...]
    groups: Mapping[str, frozenset[str]]

    def book(self, audit: Audit, zone: tzinfo) -> WaiverBook:
        """The waivers as they were, on the hosts as they were, at the time of the audit."""
        facts = {host.host: self._facts(host) for host in audit.hosts}
        return WaiverBook(waivers=self.waivers, devices=facts, now=audit.at, zone=zone)

    def _facts(self, host: HostAudit) -> DeviceFacts:
        return DeviceFacts(
            host=host.host,
            groups=self.groups.get(host.host, frozenset()),
            store=host.store,
            region=host.region,
            role=host.role,
        )


EMPTY = Context(
    texts={},
    selected=False,
    first=False,
    bar=None,
    severities={},
    warnings=(),
    waivers=(),
    groups={},
)
"""Of an audit that never told: killed between its beginning and this."""


def body_of(report: AuditReport) -> dict[str, object]:
    """The journal entry's body."""
    named = {group for waiver in report.waivers.waivers for group in waiver.scope.groups}
    facts = report.waivers.devices
    return {
        **{name: getattr(report, name) for name in _TEXTS},
        "selected": report.selected,
        "first": report.first,
        "zone": str(report.zone),
        "bar": str(report.bar) if report.bar is not None else "",
        "severities": {control.id: control.severity.value for control in report.controls},
        "warnings": remarks_body(report.warnings)[REMARKS],
        "waivers": [_flat(waiver) for waiver in report.waivers.waivers],
        "groups": {
            host.host: sorted(named & facts[host.host].groups)
            for host in report.audit.hosts
            if host.host in facts and named & facts[host.host].groups
        },
    }


def context_of(body: Mapping[str, object]) -> Context:
    """The same, read back."""
    raw = cast("Mapping[str, Any]", body)
    return Context(
        texts={name: str(raw.get(name, "")) for name in _TEXTS},
        selected=bool(raw.get("selected")),
        first=bool(raw.get("first")),
        bar=Fraction(raw["bar"]) if raw.get("bar") else None,
        severities={k: Severity(v) for k, v in raw.get("severities", {}).items()},
        warnings=remarks_in(raw.get("warnings", ())),
        waivers=tuple(_waiver(each) for each in raw.get("waivers", ())),
        groups={host: frozenset(names) for host, names in raw.get("groups", {}).items()},
    )


def remarks_body(remarks: Sequence[Remark]) -> dict[str, object]:
    """Remarks as the body of an entry."""
    return {REMARKS: [{"key": each.key, "facts": dict(each.facts)} for each in remarks]}


def remarks_in(rows: Sequence[Mapping[str, Any]]) -> tuple[Remark, ...]:
    """The same, read back."""
    return tuple(Remark(key=str(row["key"]), facts=dict(row["facts"])) for row in rows)


def zone_of(body: Mapping[str, object], default: tzinfo) -> tzinfo:
    """The zone the audit was reported in."""
    try:
        return ZoneInfo(str(body.get("zone", "")))
    except (ZoneInfoNotFoundError, ValueError):
        return default


def ended_of(body: Mapping[str, object]) -> tuple[datetime, bool]:
    """When an audit ended and whether it was interrupted, from its closing entry."""
    return datetime.fromisoformat(str(body["at"])), body["outcome"] == "interrupted"


def control_of(ident: str, known: Mapping[str, Control], severity: Severity | None) -> Control:
    """The control as it is now with the weight it had; a bare one when it is gone."""
    control = known.get(ident) or Control(
        id=ident,
        family="",
        title={"en": ident},
        severity=severity or Severity.MEDIUM,
        risk=Risk.R0,
        guide_section="",
        guide_mark=GuideMark.OUTSIDE,
    )
    return replace(control, severity=severity) if severity else control


def _flat(waiver: Waiver) -> dict[str, object]:
    return {
        "control": waiver.control,
        "scope": {kind: sorted(getattr(waiver.scope, kind)) for kind in _SCOPES},
        "justification": waiver.justification,
        "approvers": list(waiver.approvers),
        "ticket": waiver.ticket,
        "compensating": waiver.compensating,
        "approved": waiver.approved.isoformat(),
        "expires": waiver.expires.isoformat(),
        "accepted": waiver.accepted,
        "source": waiver.source,
    }


def _waiver(raw: Mapping[str, Any]) -> Waiver:
    scope = {kind: frozenset(raw["scope"].get(kind, ())) for kind in _SCOPES}
    return Waiver(
        control=raw["control"],
        justification=raw["justification"],
        ticket=raw["ticket"],
        compensating=raw["compensating"],
        source=raw["source"],
        approved=date.fromisoformat(raw["approved"]),
        expires=date.fromisoformat(raw["expires"]),
        scope=Scope(**scope),
        approvers=tuple(raw["approvers"]),
        accepted=raw["accepted"],
    )
