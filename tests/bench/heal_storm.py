# SPDX-License-Identifier: GPL-3.0-or-later
"""A storm of alerts against a real controller that is killed twice in the middle of it.

Senders do as Alertmanager does: the same alert comes again and again, what was answered with 5xx or
not at all is tried again with growing pauses, and nothing else is. Every alert is of a host of its
own store and of one rule, so that the storm guard has to see one storm in all of them: each is
decided in the end once (a person is asked, under one incident), and none is repaired.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil
import yaml

from storewarden.domain.healing.record import Stage
from tests.e2e.heal_site import SECRET, HealSite, lay_out
from tests.e2e.serve_site import Service
from tests.servers.programs import free_port

_SENDERS = 4
_UNDECIDED = (Stage.RECEIVED, Stage.WAITING)
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
_PATIENCE = 1800.0  # seconds until everything must be decided


@dataclass(frozen=True, slots=True, kw_only=True)
class Storm:
    """``distinct`` alerts of ``hosts`` in ``seconds``, ``repeats`` of them a second time,
    ``at_once`` in one request; the controller is killed ``kills`` times meanwhile. ``policy`` are
    numbers of the guards."""

    distinct: int = 10_000
    hosts: int = 3_000
    seconds: float = 60.0
    repeats: float = 0.3
    at_once: int = 5
    kills: int = 2
    policy: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taken:
    """Seconds from the first request until all were accepted, and until all were decided; from each
    SIGKILL until the next controller listened; its resident memory in bytes, again and again."""

    accepting: float
    deciding: float
    away: Sequence[float]
    memory: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of it. ``answers`` are seconds of the requests that were accepted; ``decided`` says
    how many alerts were decided to their end how often."""

    storm: Storm
    sent: int
    requests: int
    tried_again: int
    lost: tuple[str, ...]
    decided: Counter[int]
    incidents: int
    repairs: int
    answers: Sequence[float]
    taken: _Taken
    problems: Sequence[object]

    @property
    def p99(self) -> float:
        """Seconds that 99 of 100 answers kept."""
        return sorted(self.answers)[max(0, int(len(self.answers) * 0.99) - 1)]

    @property
    def per_second(self) -> float:
        """Alerts accepted per second of the storm, repetitions included."""
        return self.sent / self.taken.accepting


class _Senders:
    """What is to be sent, and when; and what was answered."""

    def __init__(self, url: str, storm: Storm) -> None:
        self.url = url
        self.answers: list[float] = []
        self.tried_again = 0
        self.refused: list[str] = []
        self.last = 0.0
        self._due: queue.SimpleQueue[tuple[float, list[dict[str, Any]]]] = queue.SimpleQueue()
        self._begun = time.monotonic()
        self._mutex = threading.Lock()
        bodies = _bodies(storm)
        self.requests, self.sent = len(bodies), sum(map(len, bodies))
        for number, body in enumerate(bodies):
            self._due.put((self._begun + number * storm.seconds / len(bodies), body))
        self._threads = [threading.Thread(target=self._send, daemon=True) for _ in range(_SENDERS)]
        for thread in self._threads:
            thread.start()

    def join(self) -> float:
        """Until everything was accepted; seconds from the first request to the last answer."""
        for thread in self._threads:
            thread.join()
        return self.last - self._begun

    def _send(self) -> None:
        with httpx.Client(headers={"Authorization": f"Bearer {SECRET}"}, timeout=60.0) as client:
            while True:
                try:
                    at, alerts = self._due.get_nowait()
                except queue.Empty:
                    return
                time.sleep(max(0.0, at - time.monotonic()))
                self._until_accepted(client, alerts)

    def _until_accepted(self, client: httpx.Client, alerts: list[dict[str, Any]]) -> None:
        body = {"version": "4", "status": "firing", "receiver": "storewarden", "groupKey": "{}"}
        whole = {**body, "truncatedAlerts": 0, "alerts": alerts}
        pause = _FIRST_PAUSE
        while True:
            begun = time.monotonic()
            try:
                status = client.post(f"{self.url}/hooks/shop", json=whole).status_code
            except httpx.TransportError:
                status = 0
            self.last = time.monotonic()
            with self._mutex:
                if status == 200:
                    self.answers.append(self.last - begun)
                    return
                if 0 < status < 500:
                    self.refused.append(f"{status} for {len(alerts)} alerts")
                    return
                self.tried_again += 1
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)


class _Memory(threading.Thread):
    """The controller's resident memory, four times a second, whichever process it is."""

    def __init__(self, service: Service) -> None:
        super().__init__(daemon=True)
        self.seen: list[int] = []
        self.over = threading.Event()
        self._service = service

    def run(self) -> None:
        while not self.over.wait(0.25):
            try:
                self.seen.append(psutil.Process(self._service.pid).memory_info().rss)
            except (psutil.NoSuchProcess, AssertionError):  # between two lives
                continue


def measure(folder: Path, storm: Storm) -> Outcome:
    """One storm, from the first request until nothing is undecided."""
    service = _laid_out(folder, storm)
    listen = f"127.0.0.1:{free_port()}"
    service.start("--listen", listen)
    memory = _Memory(service)
    memory.start()
    try:
        begun = time.monotonic()
        senders = _Senders(service.url, storm)
        away = [_killed(service, listen, begun, storm, number) for number in range(storm.kills)]
        accepting = senders.join()
        if senders.refused:
            raise RuntimeError(f"the controller refused: {senders.refused[:3]}")
        _wait_until_decided(service)
        deciding = time.monotonic() - begun
    finally:
        memory.over.set()
        memory.join()
        service.kill()
    taken = _Taken(accepting=accepting, deciding=deciding, away=away, memory=memory.seen)
    return _counted(service, storm, senders, taken)


def told(outcome: Outcome) -> list[str]:
    """What the page says of it."""
    storm, answers = outcome.storm, sorted(outcome.answers)
    twice = sum(count for times, count in outcome.decided.items() if times > 1)
    never = outcome.decided[0]
    away = ", ".join(f"{each:.1f}" for each in outcome.taken.away)
    return [
        "| alerts sent | distinct | requests | tried again | lost | undecided | decided twice |",
        "|---|---|---|---|---|---|---|",
        f"| {outcome.sent:,} | {storm.distinct:,} | {outcome.requests:,} | {outcome.tried_again} |"
        f" {len(outcome.lost)} | {never} | {twice} |",
        "",
        "| accepted per s | answer p50 ms | p99 ms | slowest ms | all decided after s |"
        " memory at most MB | away after each SIGKILL s |",
        "|---|---|---|---|---|---|---|",
        f"| {outcome.per_second:.0f} | {1e3 * answers[len(answers) // 2]:.0f} |"
        f" {1e3 * outcome.p99:.0f} | {1e3 * answers[-1]:.0f} | {outcome.taken.deciding:.0f} |"
        f" {max(outcome.taken.memory) / 1e6:.0f} | {away} |",
        "",
        f"Incidents: {outcome.incidents}, repairs: {outcome.repairs}; the ledger verifies"
        f" {'without a problem' if not outcome.problems else 'with problems'}.",
        "",
    ]


def _bodies(storm: Storm) -> list[list[dict[str, Any]]]:
    """Requests in their order; what comes a second time comes a third of the storm later."""
    now = datetime.now(UTC)
    alerts = [_alert(number, storm, now) for number in range(storm.distinct)]
    once = [alerts[at : at + storm.at_once] for at in range(0, len(alerts), storm.at_once)]
    again = once[: int(len(once) * storm.repeats)]
    later = len(once) // 3
    placed = [(at, body) for at, body in enumerate(once)]
    placed += [(at + later, body) for at, body in enumerate(again)]
    return [body for _at, body in sorted(placed, key=lambda one: one[0])]


def _alert(number: int, storm: Storm, now: datetime) -> dict[str, Any]:
    return {
        "status": "firing",
        "labels": {"alertname": "PosDown", "host": f"till-{number % storm.hosts:05d}",
                   "unit": "pos.service", "number": str(number), "severity": "critical"},
        "annotations": {"summary": "the till does not sell"},
        "startsAt": now.isoformat(),
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus.example/graph?g0.expr=up+%3D%3D+0&g0.tab=1",
        "fingerprint": f"f{number:08d}",
    }  # fmt: skip


def _laid_out(folder: Path, storm: Storm) -> Service:
    auth = {"type": "bearer", "secrets": [f"file:{folder / 'hook'}"]}
    service = lay_out(
        folder,
        (),
        sources={"shop": {"kind": "alertmanager", "auth": auth}},
        actions={"service": {"mode": "approve"}},
        policy=storm.policy,
    )
    hosts = {
        f"till-{number:05d}": {
            **{"ansible_host": "192.0.2.1", "sw_store": f"{number:06d}", "sw_region": "east"},
            **{"sw_role": "till", "sw_ci": f"CI-{number}", "sw_tier": "ordinary"},
            **{"sw_tz": "Asia/Shanghai", "sw_hours": "closed", "sw_failure_groups": []},
        }
        for number in range(storm.hosts)
    }
    (folder / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts}}))
    with service.site() as site:
        HealSite(service, site, ()).standing_change(hosts=["till-*"])
    return service


def _killed(service: Service, listen: str, begun: float, storm: Storm, number: int) -> float:
    """SIGKILL when its share of the storm is over; seconds until the next one listens."""
    at = begun + storm.seconds * (number + 1) / (storm.kills + 1)
    time.sleep(max(0.0, at - time.monotonic()))
    killed = time.monotonic()
    service.kill()
    service.start("--listen", listen)
    return time.monotonic() - killed


def _wait_until_decided(service: Service) -> None:
    """Looks once a second: it must not be what the machine is busy with."""
    deadline = time.monotonic() + _PATIENCE
    with service.site() as site:
        while site.ledger.alerts.occurrences(stages=_UNDECIDED, limit=1):
            if time.monotonic() > deadline:
                raise RuntimeError(f"alerts are still undecided: {service.log()[-2000:]}")
            time.sleep(1.0)


def _counted(service: Service, storm: Storm, senders: _Senders, taken: _Taken) -> Outcome:
    """What the ledger says of it, from its journal."""
    with service.site() as site:
        there = {each.alert.labels["number"]: each for each in site.ledger.alerts.occurrences()}
        decisions = Counter[str]()
        for entry in site.ledger.journal():
            decision = entry.body.get("decision") if entry.kind == "alert decided" else None
            if isinstance(decision, dict) and decision["verdict"] != "wait":
                decisions[entry.run] += 1
        return Outcome(
            storm=storm,
            sent=senders.sent,
            requests=senders.requests,
            tried_again=senders.tried_again,
            lost=tuple(n for n in map(str, range(storm.distinct)) if n not in there),
            decided=Counter(decisions[each.key] for each in there.values()),
            incidents=len(site.ledger.incidents.incidents()),
            repairs=len(site.ledger.alerts.repairs()),
            answers=senders.answers,
            taken=taken,
            problems=site.ledger.verify().problems,
        )
