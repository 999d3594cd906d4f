# SPDX-License-Identifier: GPL-3.0-or-later
"""What one audit found: a verdict per control and host, or why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum


class Verdict(Enum):
    """The outcome of one control on one host."""

    PASS = "pass"  # looked, and it is as required
    FAIL = "fail"  # looked, and it is not
    NOT_APPLICABLE = "na"  # the control does not concern this host; a reason is given
    ERROR = "error"  # could not look; counts as not passed
    MANUAL = "manual"  # a person has to attest it


class AuditState(Enum):
    """How far the audit of one host came."""

    AUDITED = "audited"  # the module answered for every control asked for
    UNREACHABLE = "unreachable"  # no connection
    FAILED = "failed"  # connected, but the module could not run (no Python, sudo asks, ...)
    UNKNOWN = "unknown"  # started, and nobody knows how it ended
    SKIPPED = "skipped"  # not tried: busy with a change, run cancelled, play did not select it


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One control on one host. ``value`` is the observed value as JSON data, secrets hashed."""

    control: str
    verdict: Verdict
    value: object = None
    reason: Mapping[str, str] = field(default_factory=dict)  # language -> text, for na and error
    milliseconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HostAudit:
    """All findings of one host in one audit; ``findings`` is empty unless audited."""

    host: str
    state: AuditState
    findings: tuple[Finding, ...] = ()
    message: str = ""  # one line: why the host was not audited
    store: str = ""
    region: str = ""
    role: str = ""
    item: str = ""  # configuration item id (sw_ci)
    bundle: str = ""  # sha256 over the controls and parameters that were evaluated


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """One audit of a fleet: every registered host has an entry, audited or not."""

    id: str
    at: datetime
    hosts: tuple[HostAudit, ...]
    controls: tuple[str, ...]
    content: str = ""  # sha256 of the catalogue
