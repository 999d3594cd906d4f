# SPDX-License-Identifier: GPL-3.0-or-later
"""What a gate is asked about, and what was found out for it.

A signal that could not be had is evidence too (``problem``), and every gate holds on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum


class Need(StrEnum):
    """Where a gate's evidence comes from; ``plan`` shows it, a site without it is refused."""

    REPORTS = "reports"  # what hosts said of themselves in the rollout's own phases
    ORDERS = "orders"  # what people ordered in the rollout
    HOSTS = "hosts"  # a look at the hosts themselves, by a playbook that only reads
    NETWORK = "network"  # another server, or the hosts' ports, asked from here


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeSeen:
    """One probe of one host. ``ok`` is None when nobody can say; ``silent`` when nothing at all
    answered in time, which may be the host's fault or that of the line to it."""

    name: str
    ok: bool | None
    detail: str = ""
    silent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSeen:
    """An order that a person gave in this rollout, and that was accepted."""

    order: str
    by: str
    at: datetime
    roles: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveScope:
    """What a gate is asked about: the wave's own hosts and stores, and those to compare with.

    ``began`` is when the wave began, ``since`` when its soak began, ``now`` the end of the
    evidence. ``addresses`` are hosts' ``ansible_host``; ``others`` are stores that no wave has
    reached yet; ``open_for`` is how long the wave's stores have been open since ``since``.
    ``strata`` maps hosts to their stratum, ``reported`` to the probes of their last judge phase,
    ``failed`` to why their change failed. ``looks`` is how often this wave will be looked at in
    all (or has been, if that is more), ``metrics`` how many comparisons all its gates make:
    both divide the error probability that a comparison may have.
    """

    rollout: str
    wave: int
    hosts: tuple[str, ...]
    stores: tuple[str, ...]
    others: tuple[str, ...]
    began: datetime
    since: datetime
    now: datetime
    store_of: Mapping[str, str] = field(default_factory=dict)
    addresses: Mapping[str, str] = field(default_factory=dict)
    verified: frozenset[str] = frozenset()
    strata: Mapping[str, str] = field(default_factory=dict)
    open_for: timedelta = timedelta(0)
    first_wave: bool = False
    reported: Mapping[str, tuple[ProbeSeen, ...]] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)
    orders: tuple[OrderSeen, ...] = ()
    looks: int = 1
    metrics: int = 1

    @property
    def watched(self) -> timedelta:
        """How long the wave has been watched."""
        return self.now - self.since

    @property
    def seen_stores(self) -> tuple[str, ...]:
        """Stores with at least one verified host."""
        return tuple(dict.fromkeys(self.store_of.get(h, h) for h in self.hosts if self.seen(h)))

    def seen(self, host: str) -> bool:
        """Whether the host was verified."""
        return host in self.verified


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """What was fetched for one gate: data whose shape the gate's module defines; ``problem``
    is why it could not be had ("" when it could), ``at`` how fresh it is."""

    gate: str
    at: datetime
    data: Mapping[str, object] = field(default_factory=dict)
    problem: str = ""
