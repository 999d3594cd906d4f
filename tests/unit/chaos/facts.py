# SPDX-License-Identifier: GPL-3.0-or-later
"""Wishes, facts and experiments for the tests of this room."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from storewarden.domain.chaos.experiment import Experiment, Sighting, Stand
from storewarden.domain.chaos.plan import Facts, HostFacts, Tag, Wish

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
TILL, OTHER = "pos01.000101", "pos02.000101"


def wish(*hosts: str, fault: str = "stop-unit", span: float = 300, **options: str) -> Wish:
    """Somebody wants to break a till."""
    given = options or ({"unit": "pos.service"} if fault in ("stop-unit", "kill-process") else {})
    return Wish(fault=fault, hosts=hosts or (TILL,), options=given, span=timedelta(seconds=span))


def lab_host(**facts: object) -> HostFacts:
    """A host about which nothing is in the way."""
    return HostFacts(**{"tag": Tag.LAB, **facts})  # type: ignore[arg-type]


def facts(**given: object) -> Facts:
    """A moment at which everything is well."""
    return Facts(**{"hosts": {TILL: lab_host()}, **given})  # type: ignore[arg-type]


def experiment(*, expect: str = "") -> Experiment:
    """One that runs."""
    return Experiment(
        name="chaos-1", fault="stop-unit", hosts=(TILL,), begun_at=NOON,
        span=timedelta(minutes=5), by="op.one", expect=expect,
    )  # fmt: skip


def sighting(
    stand: Stand = Stand.HEALED, *, rule: str = "till down", after: float = 20
) -> Sighting:
    """What healing has about the till: seen after 10 s, repaired after 20."""
    healed = stand is Stand.HEALED
    return Sighting(
        key=f"{rule} {stand} {after}",
        name="PosDown",
        host=TILL,
        rule=rule,
        action="service",
        seen_at=NOON + timedelta(seconds=10),
        stand=stand,
        since=NOON + timedelta(seconds=after + 5) if healed else None,
        repair="R-1",
        repaired_at=NOON + timedelta(seconds=after) if healed else None,
    )
