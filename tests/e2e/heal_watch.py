# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults that a real monitoring sees, from the alert to its end, on several hosts side by side.

A scene is a generator: it makes its fault, and yields while it waits for somebody. That somebody is
Prometheus, Alertmanager, the controller, the lab host; the person who says yes is ``Watch`` itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx

from storewarden.domain.healing.record import End, Occurrence, Stage
from tests.e2e.heal_site import SECRET, HealSite, lay_out
from tests.e2e.serve_site import PATIENCE
from tests.lab.fleet import LabHost
from tests.servers.monitoring import RULES, Monitoring, Tools, monitoring

HEAL_RULES = RULES.parent / "heal-rules.yml"
Waiting = Generator[None, None, None]
Scene = Callable[["Watch", LabHost], Waiting]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Awaited:
    """How an alert's story ends, and what a person does then."""

    stage: Stage = Stage.HEALED
    end: End = End.REPAIRED
    mend: Callable[[], object] = lambda: None


@dataclass(slots=True)
class Watch:
    """A site that is watched: its controller, and its monitoring. ``told`` is what happened, with
    seconds since the fault."""

    heal: HealSite
    monitoring: Monitoring
    told: list[str] = field(default_factory=list)
    _targets: dict[str, Sequence[str]] = field(default_factory=dict)
    _said_yes: set[str] = field(default_factory=set)

    def add(self, host: LabHost, exporters: Sequence[str]) -> None:
        """Scrape these of a host from now on, and no others of it."""
        self._targets[host.name] = exporters
        self.monitoring.watch("hosts", self._targets)

    def healed(self, rule: str, alert: str, host: LabHost) -> Waiting:
        """The fault is there: from its alert to the moment when it is over everywhere."""
        yield from self._comes_to(rule, alert, host, _Awaited())

    def left_to_a_person(
        self, rule: str, alert: str, host: LabHost, mend: Callable[[], object]
    ) -> Waiting:
        """The fault is there, and no machine may repair it: a person does, with ``mend``."""
        ends = _Awaited(stage=Stage.ESCALATED, end=End.ESCALATE, mend=mend)
        yield from self._comes_to(rule, alert, host, ends)

    def sh(self, host: LabHost, script: str, *, check: bool = True) -> str:
        """A script on a host, as root."""
        return host.run(script, user="root", check=check).stdout

    def until(self, host: LabHost, condition: str) -> Waiting:
        """Until a command of the host ends well."""
        while host.run(condition, user="root", check=False).returncode:
            yield

    def play(self, scenes: Mapping[LabHost, Iterable[Scene]]) -> dict[str, BaseException | None]:
        """Each host's scenes one after the other, the hosts side by side; by name of the scene,
        what went wrong in it."""
        outcome: dict[str, BaseException | None] = {}
        going = [self._host(host, each, outcome) for host, each in scenes.items()]
        deadline = time.monotonic() + PATIENCE.total_seconds() * 2
        while going and time.monotonic() < deadline:
            going = [one for one in going if _goes_on(one)]
            time.sleep(0.3)
        for one in going:
            one.close()
        for each in scenes.values():
            for scene in each:
                name = scene.__name__
                outcome.setdefault(name, AssertionError(f"{name} did not end{self.heal.story()}"))
        return outcome

    def _host(
        self, host: LabHost, scenes: Iterable[Scene], outcome: dict[str, BaseException | None]
    ) -> Waiting:
        for scene in scenes:
            try:
                yield from scene(self, host)
            except GeneratorExit:
                raise
            except BaseException as error:  # noqa: BLE001 - told by the scene's own test
                outcome[scene.__name__] = error
            else:
                outcome[scene.__name__] = None

    def _comes_to(self, rule: str, alert: str, host: LabHost, ends: _Awaited) -> Waiting:
        begun = time.monotonic()
        times = list[str]()

        def mark(what: str) -> None:
            times.append(f"{what} {time.monotonic() - begun:.0f} s")

        while (alert, host.name) not in self.monitoring.firing():
            yield
        mark("fired")
        found = yield from self._decided(rule, host)
        assert found.stage is ends.stage, _story(found)
        mark(found.stage.value)
        repair = self.heal.site.ledger.alerts.repair(found.repair)
        assert repair is not None, _story(found)
        assert (host.name, ends.end) in [(each.host, each.end) for each in repair.ends], repair
        ends.mend()
        while self._resolved(found.key) is None or (alert, host.name) in self.monitoring.firing():
            yield
        mark("resolved")
        self.told.append(f"{rule}: {', '.join(times)}")
        (self.monitoring.folder / "told.txt").write_text("\n".join(self.told) + "\n")

    def _decided(self, rule: str, host: LabHost) -> Generator[None, None, Occurrence]:
        """Until nothing more is decided about it; who is asked says yes."""
        ends = {Stage.HEALED, Stage.ESCALATED, Stage.REFUSED, Stage.SUPPRESSED, Stage.OBSERVED}
        while True:
            found = self._newest(rule, host)
            if found is not None and found.stage in ends:
                return found
            if found is not None and found.stage is Stage.ASKING:
                self._yes(found.key)
            yield

    def _newest(self, rule: str, host: LabHost) -> Occurrence | None:
        for each in self.heal.alerts():
            decided = each.decision
            if decided is not None and decided.rule == rule and host.name in decided.hosts:
                return each
        return None

    def _resolved(self, key: str) -> datetime | None:
        found = self.heal.site.ledger.alerts.occurrence(key)
        return found.resolved_at if found is not None else None

    def _yes(self, key: str) -> None:
        if key in self._said_yes:
            return
        self._said_yes.add(key)
        token = (self.heal.service.folder / "head.token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": f"yes-{key[:20]}"}
        url = f"{self.heal.service.url}/api/v1/alerts/{key}/approve"
        answer = httpx.post(url, json={}, headers=headers, timeout=60.0)
        assert answer.status_code == 200, answer.text


@contextmanager
def watch(
    found: Tools,
    folder: Path,
    hosts: Sequence[LabHost],
    actions: Sequence[str],
    *,
    numbers: Mapping[str, str] | None = None,
    variables: Mapping[str, Mapping[str, object]] | None = None,
    hold_down: int = 2,
) -> Iterator[Watch]:
    """The servers and a controller with the rules that we ship. Every action has its standing
    change, and a person says yes to its first repairs. ``hold_down`` in seconds."""
    with ExitStack() as stack:
        servers = stack.enter_context(monitoring(found, folder / "monitoring", numbers))
        auth = {"type": "bearer", "secrets": [f"file:{folder / 'site' / 'hook'}"]}
        poll = {"url": servers.alertmanager.url, "every_seconds": 10, "receiver": "storewarden"}
        # Each in a region of its own: what one repair takes away does not keep the others waiting.
        own = {host.name: {"sw_region": f"region-{host.name}"} for host in hosts}
        more = {name: {**own.get(name, {}), **found} for name, found in (variables or {}).items()}
        service = lay_out(
            folder / "site",
            hosts,
            own | more,
            rules=str(HEAL_RULES),
            sources={
                "shop": {
                    "kind": "alertmanager",
                    "auth": auth,
                    "poll": poll,
                    "prometheus": {"url": servers.prometheus.url},
                }
            },
            actions={name: {"mode": "approve"} for name in actions},
            # Nor are healing's own hours in which nothing that runs is disturbed.
            policy={"hold_down": hold_down, "poll": 5, "busy_from": "00:00", "busy_to": "00:00"},
        )
        site = stack.enter_context(service.site())
        heal = HealSite(service, site, hosts)
        for name in actions:
            heal.standing_change(name)
        service.start()
        stack.callback(service.kill)
        servers.hook(f"{service.url}/hooks/shop", SECRET)
        yield Watch(heal, servers)


def _goes_on(one: Waiting) -> bool:
    try:
        next(one)
    except StopIteration:
        return False
    return True


def _story(found: Occurrence) -> str:
    now = f"{datetime.now(UTC):%H:%M:%S}"
    return f"{now} {found.alert.labels} is {found.stage.value}: {found.decision}"
