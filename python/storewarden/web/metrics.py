# SPDX-License-Identifier: GPL-3.0-or-later
"""What monitoring may know, counted when it asks; never names, hosts or texts.

A registry of our own: whoever embeds the application keeps theirs. The ledger is asked at
most once in fifteen seconds, however many ask us.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections import Counter as Tally
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from storewarden.domain.change.record import DebtKind, State
from storewarden.domain.errors import StorewardenError
from storewarden.domain.rollout.record import HostState, RolloutState
from storewarden.domain.rollout.tables import ENDED, LINGERING
from storewarden.ports.outbox import Delivery
from storewarden.ports.rollouts import SILENT, Worker
from storewarden.web.heal_metrics import HealCounts, heal_counts, heal_metrics
from storewarden.web.parts import WebParts
from storewarden.wiring.rollout import Rollouts

_KEPT = timedelta(seconds=15)
_LOG = logging.getLogger("storewarden.web")
_SHOWN = 200  # characters of a path in the log
_TOKEN = re.compile(r"sw_[\w.-]{20,}", re.ASCII)  # somebody pasted it into the address
_UNDER_WAY = tuple(each for each in RolloutState if each not in ENDED or each in LINGERING)
_BUCKETS = (0.005, 0.02, 0.1, 0.5, 2.0, 10.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counts:
    """Numbers of one moment."""

    at: datetime
    states: Mapping[str, int]
    debts: Mapping[str, int]
    overdue: Mapping[str, int]
    waiting: Mapping[str, int]
    parked: Mapping[str, int]
    rollouts: Mapping[str, int]
    hosts: Mapping[str, int]
    workers: Mapping[str, int]
    stopped: bool
    healing: HealCounts


class Meter:
    """The registry with everything in it."""

    def __init__(self, parts: WebParts) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self.requests = Counter(
            "storewarden_http_requests_total",
            "Requests answered.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self.seconds = Histogram(
            "storewarden_http_request_seconds",
            "Time until the answer was complete.",
            ("route",),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.registry.register(_Site(parts))


class _Site:
    """Collects from the ledger and the duties."""

    def __init__(self, parts: WebParts) -> None:
        self._parts = parts
        self._lock = threading.Lock()
        self._counts: _Counts | None = None

    def collect(self) -> Iterator[Metric]:
        """Everything that is a number now; without a ledger, that it cannot be read."""
        now = self._parts.site.clock.now()
        counts = self._current(now)
        yield _single(
            "storewarden_ledger_readable", "1 when the ledger answers.", counts is not None
        )
        trouble = bool(self._parts.people.trouble())
        yield _single("storewarden_people_trouble", "1 when people or tokens are stale.", trouble)
        yield from _duties(self._parts.status.duties(), now)
        if counts is not None:
            yield from _counted(counts)

    def describe(self) -> Iterable[Metric]:
        """Nothing: describing would have to read the ledger."""
        return ()

    def _current(self, now: datetime) -> _Counts | None:
        with self._lock:
            if self._counts is not None and timedelta(0) <= now - self._counts.at < _KEPT:
                return self._counts
            try:
                self._counts = _count(self._parts, now)
            except StorewardenError:
                self._counts = None
            return self._counts


class RequestMeter:
    """ASGI middleware: counts every answer and notes who asked for what."""

    def __init__(self, app: ASGIApp, *, meter: Meter) -> None:
        self._app = app
        self._meter = meter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; whatever happens, it is counted."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            self._note(scope, status, time.perf_counter() - began)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "other")  # a template: paths have no end
        method = scope["method"] if route != "other" else "any"
        self._meter.requests.labels(method, route, str(status)).inc()
        self._meter.seconds.labels(route).observe(seconds)
        person = scope.get("state", {}).get("person")
        who = person.id if person is not None else "-"
        path = quote(_TOKEN.sub("sw_...", scope["path"]))[
            :_SHOWN
        ]  # quoted: it may hold line breaks
        _LOG.info("%s %s %s %d %.3f s", who, scope["method"], path, status, seconds)


def _count(parts: WebParts, now: datetime) -> _Counts:
    changes = parts.index.current()
    rollouts = Rollouts(parts.site)
    lines = rollouts.lines(states=_UNDER_WAY)
    open_debts = [(debt.kind, debt.due) for noted in changes for debt in noted.debts]
    deliveries = parts.site.outbox.deliveries()
    return _Counts(
        at=now,
        states=Tally(noted.state.value for noted in changes),
        debts=Tally(kind.value for kind, _due in open_debts),
        overdue=Tally(kind.value for kind, due in open_debts if due <= now),
        waiting=Tally(each.channel for each in deliveries if _waits(each)),
        parked=Tally(each.channel for each in deliveries if each.parked),
        rollouts=Tally(line.state.value for line in lines),
        hosts=sum((Tally(line.counts) for line in lines), Tally()),
        workers=Tally(_heard(worker, now) for worker in rollouts.book.workers()),
        stopped=bool(rollouts.stopped()),
        healing=heal_counts(parts.site, now),
    )


def _heard(worker: Worker, now: datetime) -> str:
    return "silent" if now - worker.seen > SILENT else "heard"


def _waits(delivery: Delivery) -> bool:
    return delivery.through < delivery.latest and not delivery.parked


def _counted(counts: _Counts) -> Iterator[Metric]:
    states = [state.value for state in State]
    kinds = [kind.value for kind in DebtKind]
    channels = sorted({*counts.waiting, *counts.parked})
    under_way, hosts = [state.value for state in _UNDER_WAY], [state.value for state in HostState]
    for name, about, label, wanted, found in (
        ("changes", "Changes by state.", "state", states, counts.states),
        ("debts_open", "Debts that are not settled.", "kind", kinds, counts.debts),
        ("debts_overdue", "Of those, past their time.", "kind", kinds, counts.overdue),
        ("deliveries_waiting", "Not arrived yet.", "channel", channels, counts.waiting),
        ("deliveries_parked", "Refused: look at them.", "channel", channels, counts.parked),
        ("rollouts", "Rollouts that are not over, by state.", "state", under_way, counts.rollouts),
        ("rollout_hosts", "Their hosts, by state.", "state", hosts, counts.hosts),
        ("workers", "Workers of the last day.", "state", ("heard", "silent"), counts.workers),
    ):
        family = GaugeMetricFamily(f"storewarden_{name}", about, labels=(label,))
        for each in wanted:
            family.add_metric((each,), found.get(each, 0))
        yield family
    about = "1 while the kill switch lets nothing begin."
    yield _single("storewarden_rollouts_stopped", about, counts.stopped)
    yield from heal_metrics(counts.healing)


def _duties(duties: Mapping[str, Mapping[str, object]], now: datetime) -> Iterator[Metric]:
    age = GaugeMetricFamily(
        "storewarden_duty_last_tick_age_seconds", "Since the last tick ended.", labels=("duty",)
    )
    failures = GaugeMetricFamily(
        "storewarden_duty_failures", "Failed ticks in a row.", labels=("duty",)
    )
    for name, told in sorted(duties.items()):
        last, failed = told.get("last_tick"), told.get("failures", 0)
        if isinstance(last, datetime):
            age.add_metric((name,), (now - last).total_seconds())
        if isinstance(failed, int):
            failures.add_metric((name,), failed)
    yield age
    yield failures


def _single(name: str, about: str, value: bool) -> Metric:
    return GaugeMetricFamily(name, about, value=float(value))
