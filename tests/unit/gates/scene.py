# SPDX-License-Identifier: GPL-3.0-or-later
"""A wave of stores to ask gates about, as short as a test wants it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

from storewarden.domain.gates.scope import Signal, WaveScope
from storewarden.domain.gates.verdict import Verdict

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
FRESH = NOW.timestamp() - 30


def store_names(count: int, first: int = 101) -> tuple[str, ...]:
    """ "000101", "000102" .."""
    return tuple(f"{first + n:06d}" for n in range(count))


def wave(stores: int = 3, others: int = 20, **more: Any) -> WaveScope:
    """One POS and one server per store, all verified; watched for three hours."""
    names = store_names(stores)
    hosts = tuple(f"{kind}.{store}" for store in names for kind in ("pos", "server"))
    made = WaveScope(
        rollout="GMBG-20260310-001-R1",
        wave=2,
        hosts=hosts,
        stores=names,
        others=store_names(others, first=900),
        began=NOW - timedelta(hours=4),
        since=NOW - timedelta(hours=3),
        now=NOW,
        store_of={host: host.split(".")[1] for host in hosts},
        addresses=dict.fromkeys(hosts, "127.0.0.1"),
        verified=frozenset(hosts),
        strata={host: host.split(".")[0] for host in hosts},
        open_for=timedelta(hours=3),
    )
    return replace(made, **more)


def judged(
    gate: ModuleType,
    settings: Mapping[str, object],
    data: Mapping[str, object],
    scope: WaveScope | None = None,
) -> Verdict:
    """What the gate says."""
    read = gate.Settings.read(settings, "gates.it")
    verdict: Verdict = gate.judge(
        Signal(gate="it", at=NOW, data=data), read, scope if scope is not None else wave()
    )
    return verdict


def values(stores: Sequence[str], numbers: Sequence[float]) -> dict[str, float]:
    """One value per store."""
    return dict(zip(stores, numbers, strict=True))
