# SPDX-License-Identifier: GPL-3.0-or-later
"""Heal rules: which alert is answered by which action, on which host, and how far it may go alone.

Rules are tried in their order; the first one that matches is the only one. Two rules that answered
one alert would repair one host twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

from storewarden.domain.healing.action import Limits, VerifyBy
from storewarden.domain.healing.alert import Alert
from storewarden.domain.healing.matcher import Matcher
from storewarden.domain.healing.target import Target
from storewarden.domain.maintenance.grounds import OperationClass


class Mode(StrEnum):
    """How far an action may go without a person."""

    OBSERVE = "observe"  # only says what it would do
    APPROVE = "approve"  # a person says yes each time
    AUTO = "auto"  # acts by itself, once it has earned that


class Kind(StrEnum):
    """What is wrong, as far as the clocks of an incident care (guide 2.3.1)."""

    DOWN = "down"  # a service does not serve
    DEGRADED = "degraded"  # it serves badly
    SECURITY = "security"  # somebody may be where nobody should be


class Impact(StrEnum):
    """How much it matters (guide 2.3.1)."""

    HIGH = "high"  # trade stands still, or soon will
    MEDIUM = "medium"  # trade is hindered
    LOW = "low"  # nobody notices yet


class Condition(Protocol):
    """A compiled expression over an alert (``facts_of``); the language is not our matter."""

    def __call__(self, data: Mapping[str, object], /) -> object:
        """What it finds. Raises ValueError when it cannot work on this alert."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule. ``mode`` is the most that it may do, whatever its action may.

    ``options`` may hold ``{label}``. ``expression`` is the condition's text, for people. None
    leaves ``hold_down`` to the site, ``verify`` and ``operation`` to the action. ``limits`` are
    only ever stricter than the site's and the action's. ``place`` is where it was written.
    """

    name: str
    action: str
    matchers: tuple[Matcher, ...]
    target: Target
    condition: Condition | None = None
    expression: str = ""
    options: Mapping[str, object] = field(default_factory=dict)
    mode: Mode = Mode.AUTO
    hold_down: timedelta | None = None
    verify: VerifyBy | None = None
    impact: Impact = Impact.MEDIUM
    kind: Kind = Kind.DOWN
    enabled: bool = True
    operation: OperationClass | None = None
    limits: Limits = field(default_factory=Limits)
    place: str = ""


def facts_of(alert: Alert) -> dict[str, object]:
    """What a condition can ask about: source, name, labels, annotations, starts_at, url, signal."""
    return {
        "source": alert.source,
        "name": alert.name,
        "signal": alert.signal.value,
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "starts_at": alert.starts_at.isoformat(),
        "expression": alert.expression,
        "url": alert.url,
    }


def truthy(found: object) -> bool:
    """Truth as JMESPath has it: empty texts, lists and objects, false and null are not true; every
    number is, zero too."""
    if found is None or found is False:
        return False
    return bool(found) if isinstance(found, str | list | tuple | Mapping) else True
