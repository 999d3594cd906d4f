# SPDX-License-Identifier: GPL-3.0-or-later
"""Which drift tickets an audit opens and which it closes (reference: hardening, tickets).

For each control on each device that was audited:

* a failure opens a ticket when it is the second in a row, or the first of a high control, or
  one whose waiver has expired;
* a pass closes it, and so does "not applicable", and a waiver that covers the failure;
* ``error`` and ``manual`` say nothing: who could not look neither opens nor closes, and does
  not break a row of failures either.

A device that could not be audited says nothing of its controls. Everything here is decided
from what it is given, and deciding twice gives the same: one ticket per device and control.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from storewarden.domain.baseline.control import Severity
from storewarden.domain.baseline.drift_ticket import ClosedBecause, TicketKey, TicketKind
from storewarden.domain.baseline.finding import Finding, Verdict
from storewarden.domain.baseline.waiver import WaiverReason

LOOKED = frozenset({Verdict.PASS, Verdict.FAIL, Verdict.NOT_APPLICABLE})
"""Verdicts of somebody who could look; a row of failures is counted among these alone."""


class Why(Enum):
    """Why a ticket is opened."""

    HIGH = "high"  # one failure of a high control is enough
    AGAIN = "again"  # two audits in a row
    EXPIRED = "expired"  # its waiver has expired


WHY_TOLD: Mapping[Why, Mapping[str, str]] = MappingProxyType(
    {
        Why.HIGH: {"en": "a high control fails", "zh": "高严重程度检查项未通过"},
        Why.AGAIN: {"en": "it failed in two audits in a row", "zh": "连续两次审计未通过"},
        Why.EXPIRED: {"en": "its waiver has expired", "zh": "豁免已过期"},
    }
)
"""The same for people, by language."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """One control on one device, in one audit.

    ``waiver`` is what waivers said of a failure; ``before`` what the audit before said that
    could look (one of ``LOOKED``), None when there was none.
    """

    finding: Finding
    severity: Severity
    waiver: WaiverReason = WaiverReason.NO_WAIVER
    before: Verdict | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSights:
    """A device that was audited; ``complete`` when every control of the baseline was asked for,
    so that what is missing has left the baseline."""

    host: str
    sights: tuple[Sight, ...]
    complete: bool = True
    compliant: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A ticket to be opened for this sight."""

    key: TicketKey
    sight: Sight
    why: Why


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """A ticket to be closed."""

    key: TicketKey
    because: ClosedBecause


type Step = Opening | Closing


def tickets_for(host: HostSights, open_keys: Iterable[TicketKey]) -> tuple[Step, ...]:
    """What one device's audit does to the tickets that are open; closings last."""
    mine = {key for key in open_keys if key.host == host.host}
    sights = {sight.finding.control: sight for sight in host.sights}
    opened = (_opening(host.host, sight, mine) for sight in host.sights)
    closed = (_closing(key, sights, host) for key in sorted(mine, key=_order))
    return (*(each for each in opened if each), *(each for each in closed if each))


def undecided(host: HostSights, open_keys: Iterable[TicketKey]) -> tuple[str, ...]:
    """Controls of which the audit before has to be known: everything else is decided already."""
    there = {key.control for key in open_keys if key.host == host.host}
    return tuple(
        sight.finding.control
        for sight in host.sights
        if _stands(sight) and sight.finding.control not in there and _at_once(sight) is None
    )


def _opening(host: str, sight: Sight, there: set[TicketKey]) -> Opening | None:
    key = TicketKey(kind=TicketKind.DRIFT, host=host, control=sight.finding.control)
    if key in there or not _stands(sight):
        return None
    again = Why.AGAIN if sight.before is Verdict.FAIL else None
    why = _at_once(sight) or again
    return Opening(key=key, sight=sight, why=why) if why else None


def _stands(sight: Sight) -> bool:
    """A failure that nobody answers for."""
    return sight.finding.verdict is Verdict.FAIL and sight.waiver is not WaiverReason.ACTIVE


def _at_once(sight: Sight) -> Why | None:
    """Why it does not wait for a second failure."""
    if sight.waiver is WaiverReason.EXPIRED:
        return Why.EXPIRED
    return Why.HIGH if sight.severity is Severity.HIGH else None


def _closing(key: TicketKey, sights: Mapping[str, Sight], host: HostSights) -> Closing | None:
    because = _over(key, sights.get(key.control), host)
    return Closing(key=key, because=because) if because else None


def _over(key: TicketKey, sight: Sight | None, host: HostSights) -> ClosedBecause | None:
    if key.kind is TicketKind.UNAUDITED:
        return ClosedBecause.AUDITED if host.complete else None
    if key.kind is TicketKind.PROBLEM:
        return ClosedBecause.COMPLIANT if host.complete and host.compliant else None
    if sight is None:
        return ClosedBecause.GONE if host.complete else None
    if sight.finding.verdict in (Verdict.PASS, Verdict.NOT_APPLICABLE):
        return ClosedBecause.PASSED
    failed = sight.finding.verdict is Verdict.FAIL
    return ClosedBecause.WAIVED if failed and sight.waiver is WaiverReason.ACTIVE else None


def _order(key: TicketKey) -> tuple[str, str]:
    return key.kind.value, key.control
