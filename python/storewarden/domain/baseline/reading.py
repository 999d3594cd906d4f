# SPDX-License-Identifier: GPL-3.0-or-later
"""Readings: what a finding measured, told apart from the state it judged.

A mapping with ``counters`` in a finding's value is a reading (control D04):
packet counters at a moment since a boot. Tomorrow's differs without anything
having changed on the host, so drift and waivers look past it; and it is the
next sample that tomorrow's audit needs to see a month of silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from storewarden.domain.baseline.finding import Finding

COUNTERS = "counters"
"""The key that makes a mapping a reading; maps a named port to packets."""

_MEASURED = frozenset({COUNTERS, "at", "boot", "observed_days"})


def state_of(value: object) -> object:
    """The part of a finding's value that is state: readings keep only what was concluded."""
    if not isinstance(value, Mapping):
        return value
    left_out = _MEASURED if COUNTERS in value else frozenset()
    return {key: state_of(part) for key, part in value.items() if key not in left_out}


def reading_of(findings: Iterable[Finding]) -> dict[str, object] | None:
    """The first reading in the findings, in a value itself or one level in.

    ``counters`` is always there; ``at``, a datetime, and ``boot``, text, when the host told.
    """
    for finding in findings:
        for value in _candidates(finding.value):
            if isinstance(value, Mapping) and isinstance(value.get(COUNTERS), Mapping):
                return {COUNTERS: value[COUNTERS], **_told(value)}
    return None


def _candidates(value: object) -> tuple[object, ...]:
    return (value, *value.values()) if isinstance(value, Mapping) else ()


def _told(reading: Mapping[str, object]) -> dict[str, object]:
    boot, told = reading.get("boot"), {}
    if isinstance(boot, str):
        told["boot"] = boot
    at = _moment(reading.get("at"))
    return {**told, "at": at} if at else dict(told)


def _moment(text: object) -> datetime | None:
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return at if at.tzinfo else None
