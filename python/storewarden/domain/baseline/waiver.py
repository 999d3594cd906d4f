# SPDX-License-Identifier: GPL-3.0-or-later
"""Waivers: a failure that somebody answers for, on named devices, until a named day.

The check always runs; a waiver only changes how its failure is counted. It is
narrow by construction: it covers one control, the devices that match *every*
kind of its scope, and the one accepted value. Another value is another
problem, and voids it. It ends by itself, 30 days after approval at the latest
for high controls and 90 for the others, with the last day counted to its end
in the site's time zone. Expired means a normal failure again, plus a warning.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, tzinfo
from enum import Enum

from storewarden.domain.baseline.control import Severity
from storewarden.domain.baseline.finding import Finding, Verdict
from storewarden.domain.baseline.reading import state_of

LONGEST = {
    Severity.HIGH: timedelta(days=30),
    Severity.MEDIUM: timedelta(days=90),
    Severity.LOW: timedelta(days=90),
}
"""Longest life from approval to the last valid day (reference: hardening, waivers)."""

APPROVERS = {Severity.HIGH: 2, Severity.MEDIUM: 1, Severity.LOW: 1}
"""How many different people must answer for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFacts:
    """What a scope can ask of a device."""

    host: str
    groups: frozenset[str] = frozenset()
    store: str = ""
    region: str = ""
    role: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Where a waiver holds: every kind that is given must match, by any of its names."""

    hosts: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    stores: frozenset[str] = frozenset()
    regions: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()

    @property
    def empty(self) -> bool:
        """Names nothing; such a scope covers nothing."""
        return not (self.hosts or self.groups or self.stores or self.regions or self.roles)

    def covers(self, device: DeviceFacts) -> bool:
        """Whether the device is inside."""
        if self.empty or (self.groups and not self.groups & device.groups):
            return False
        asked = (
            (self.hosts, device.host),
            (self.stores, device.store),
            (self.regions, device.region),
            (self.roles, device.role),
        )
        return all(not names or name in names for names, name in asked)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver:
    """One waiver as written. ``accepted`` is the observed value it was given for, as JSON data.

    ``approved`` and ``expires`` are its first and last valid day; ``source`` is
    "file:line" for messages.
    """

    control: str
    scope: Scope
    justification: str
    approvers: tuple[str, ...]
    ticket: str
    compensating: str
    approved: date
    expires: date
    accepted: object
    source: str = ""


class WaiverReason(Enum):
    """Why a finding is waived or is not."""

    ACTIVE = "active"  # waived
    VALUE_DIFFERS = "value differs"  # a waiver was given for another value
    EXPIRED = "expired"  # its last day is over
    NOT_YET = "not yet valid"  # its approval lies in the future
    NOT_IN_SCOPE = "not in scope"  # waivers exist for this control, on other devices
    NO_WAIVER = "no waiver"  # nobody asked for one
    NOT_FAILED = "not failed"  # nothing to waive; "could not look" cannot be waived either


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiverDecision:
    """``waived`` exactly when the reason is ACTIVE; ``waiver`` is the one that decided."""

    reason: WaiverReason
    waiver: Waiver | None = None

    @property
    def waived(self) -> bool:
        """Whether the failure is left out of the effective score."""
        return self.reason is WaiverReason.ACTIVE


# When several waivers speak of a finding, the answer nearest to "waived" is the useful one.
_ORDER = tuple(WaiverReason)


def waived(
    finding: Finding,
    device: DeviceFacts,
    waivers: Iterable[Waiver],
    now: datetime,
    zone: tzinfo,
) -> WaiverDecision:
    """Whether one of ``waivers`` covers this finding of this device at ``now``."""
    if finding.verdict is not Verdict.FAIL:
        return WaiverDecision(reason=WaiverReason.NOT_FAILED)
    today = now.astimezone(zone).date()
    decisions = [
        WaiverDecision(reason=_reason(waiver, finding, device, today), waiver=waiver)
        for waiver in waivers
        if waiver.control == finding.control
    ]
    nothing = WaiverDecision(reason=WaiverReason.NO_WAIVER)
    return min(decisions, key=lambda each: _ORDER.index(each.reason), default=nothing)


def _reason(waiver: Waiver, finding: Finding, device: DeviceFacts, today: date) -> WaiverReason:
    if not waiver.scope.covers(device):
        return WaiverReason.NOT_IN_SCOPE
    if today > waiver.expires:
        return WaiverReason.EXPIRED
    if today < waiver.approved:
        return WaiverReason.NOT_YET
    if not _same(state_of(finding.value), state_of(waiver.accepted)):
        return WaiverReason.VALUE_DIFFERS
    return WaiverReason.ACTIVE


def _same(left: object, right: object) -> bool:
    """Equality of JSON data. Python's own says ``True == 1``, and a yes is not a number."""
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(_same(left[k], right[k]) for k in left)
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(_same, left, right))
    return isinstance(left, bool) is isinstance(right, bool) and left == right


def expired(waivers: Iterable[Waiver], now: datetime, zone: tzinfo) -> tuple[Waiver, ...]:
    """Those whose last day is over, for a named warning."""
    today = now.astimezone(zone).date()
    return tuple(waiver for waiver in waivers if today > waiver.expires)


def orphans(waivers: Iterable[Waiver], devices: Sequence[DeviceFacts]) -> tuple[Waiver, ...]:
    """Those that cover none of ``devices`` (all registered ones, not a selection)."""
    return tuple(w for w in waivers if not any(w.scope.covers(device) for device in devices))


def objections(waiver: Waiver, severity: Severity) -> tuple[str, ...]:
    """What is wrong with a waiver as written, one clause each; empty when it may stand."""
    found = [f"{name} is empty" for name in _TEXTS if not _text(waiver, name)]
    if waiver.scope.empty:
        found.append("scope names no host, group, store, region or role")
    people = {name.strip().casefold() for name in waiver.approvers if name.strip()}
    if len(people) < APPROVERS[severity]:
        found.append(
            f"a {severity.value} control needs {APPROVERS[severity]} different approver(s),"
            f" found {len(people)}"
        )
    return (*found, *_dates(waiver, severity))


_TEXTS = ("control", "justification", "ticket", "compensating")


def _text(waiver: Waiver, name: str) -> str:
    return str(getattr(waiver, name)).strip()


def _dates(waiver: Waiver, severity: Severity) -> tuple[str, ...]:
    life = waiver.expires - waiver.approved
    if life < timedelta(0):
        return (f"expires {waiver.expires} is before approved {waiver.approved}",)
    longest = LONGEST[severity]
    if life > longest:
        return (
            f"expires {waiver.expires} is {life.days} days after approval,"
            f" a {severity.value} control may be waived for {longest.days}",
        )
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiverBook:
    """All waivers of a site with its devices' facts, ready to answer for many findings."""

    waivers: tuple[Waiver, ...]
    devices: Mapping[str, DeviceFacts]
    now: datetime
    zone: tzinfo
    by_control: Mapping[str, tuple[Waiver, ...]] = field(init=False)

    def __post_init__(self) -> None:
        """Sort the waivers by control once."""
        sorted_out: dict[str, tuple[Waiver, ...]] = {}
        for waiver in self.waivers:
            sorted_out[waiver.control] = (*sorted_out.get(waiver.control, ()), waiver)
        object.__setattr__(self, "by_control", sorted_out)

    def decide(self, host: str, finding: Finding) -> WaiverDecision:
        """The decision for one finding; a host without facts is only known by its name."""
        device = self.devices.get(host) or DeviceFacts(host=host)
        return waived(
            finding, device, self.by_control.get(finding.control, ()), self.now, self.zone
        )
