# SPDX-License-Identifier: GPL-3.0-or-later
"""The way to the hosts' backup jobs: one run of a playbook for each word and fifty hosts.

Secrets are variables of the run: they stand in its private folder until it has ended and nowhere
else, and the run is released at once. A host that did not answer is told of as such; its jobs may
be running all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

from storewarden.domain.backup.catalog import OWN_HOME
from storewarden.domain.backup.policy import Method
from storewarden.domain.errors import Refused, StorewardenError
from storewarden.flows.backup_words import PlaceWords, job_of, order_words
from storewarden.flows.rollout_parts import EstateNow, PlaySettings
from storewarden.ports.backup_hosts import BackupOrder, JobSeen, JobState
from storewarden.ports.clock import Clock
from storewarden.ports.runner import (
    FrozenInventory,
    HostResult,
    HostStatus,
    LeaseMode,
    PlaybookRun,
    Runner,
    RunPhase,
)
from storewarden.ports.secrets import Secret

PLAYBOOK = "storewarden.ops.backup"
OWNER = "backup"
"""The owner of these runs; their label is the word."""

MOST = 50
"""Hosts of one run (reference: guard rails)."""

_CONNECTING = timedelta(minutes=3)
_READ = timedelta(minutes=10)
_STOPPING = timedelta(minutes=5)  # TERM, 30 s, then all of it

type SecretsOf = Callable[[BackupOrder], Mapping[str, Secret]]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupPlay:
    """``ports.backup_hosts.BackupHosts`` by way of the runner. ``secrets`` reads what one order
    needs (StorewardenError when it cannot); ``here`` is the inventory name under which this
    machine does jobs itself, with the variables ``own``; ``root`` is where the hosts' files begin,
    "" for the usual place; ``patience`` are seconds that a visit waits on the host for an end."""

    runner: Runner
    estate: Callable[[], EstateNow]
    clock: Clock
    places: Mapping[str, PlaceWords]
    secrets: SecretsOf
    settings: PlaySettings = field(default_factory=PlaySettings)
    here: str = ""
    own: Mapping[str, object] = field(default_factory=dict)
    root: str = ""
    patience: float = 0.0

    def begin(self, orders: Sequence[BackupOrder]) -> Mapping[str, JobSeen]:
        """As the port says."""
        return self._told("begin", orders)

    def collect(self, orders: Sequence[BackupOrder]) -> Mapping[str, JobSeen]:
        """As the port says."""
        return self._told("collect", orders)

    def forget(self, orders: Sequence[BackupOrder]) -> None:
        """As the port says."""
        self._told("forget", orders)

    def stop(self, orders: Sequence[BackupOrder]) -> Mapping[str, JobSeen]:
        """As the port says."""
        return self._told("stop", orders)

    def tidy(self) -> None:
        """Let go of visits whose controller died in their middle: their jobs are asked about anew,
        and what lies in their folders helps nobody."""
        before = self.clock.now() - _READ  # another process may just be about to read its own
        for each in self.runner.recover():
            over = each.owner == OWNER and each.phase is not RunPhase.LIVE
            if over and each.started < before:
                with suppress(Refused):  # its play still runs: it goes the next time
                    self.runner.release(each.run_id)

    def _told(self, word: str, orders: Sequence[BackupOrder]) -> dict[str, JobSeen]:
        mine = [each for each in orders if self._is_own(each)]
        others = [each for each in orders if not self._is_own(each)]
        found = self._asked(word, mine, self._alone()) if mine else {}
        return found | (self._asked(word, others, self._inventory()) if others else {})

    def _asked(
        self, word: str, orders: Sequence[BackupOrder], inventory: FrozenInventory
    ) -> dict[str, JobSeen]:
        found = {each.run: _gone(each) for each in orders if each.on not in inventory.hosts}
        if word == "begin":
            found |= {each.run: _nowhere(each) for each in orders if not self._is_place(each)}
        by_host: dict[str, list[BackupOrder]] = {}
        for each in orders:
            if each.run not in found:
                by_host.setdefault(each.on, []).append(each)
        for hosts in _some(list(by_host)):
            mine = {host: by_host[host] for host in hosts}
            secrets = self._secrets(mine, found) if word == "begin" else {}
            left = {
                host: kept
                for host, each in mine.items()
                if (kept := [one for one in each if one.run not in found])
            }
            if left:
                found |= self._visit(word, inventory.only(list(left)), left, secrets)
        return found

    def _secrets(
        self, orders: Mapping[str, Sequence[BackupOrder]], refused: dict[str, JobSeen]
    ) -> dict[str, dict[str, str]]:
        """Run -> name -> secret. An order whose secrets cannot be read is refused, no other is."""
        found: dict[str, dict[str, str]] = {}
        for order in (each for mine in orders.values() for each in mine):
            try:
                given = self.secrets(order)
            except StorewardenError as error:
                refused[order.run] = JobSeen(
                    run=order.run, state=JobState.REFUSED, reason=str(error), reason_zh=str(error)
                )
                continue
            found[order.run] = {name: one.reveal() for name, one in given.items()}
        return found

    def _visit(
        self,
        word: str,
        inventory: FrozenInventory,
        orders: Mapping[str, Sequence[BackupOrder]],
        secrets: Mapping[str, Mapping[str, str]],
    ) -> dict[str, JobSeen]:
        run_id = self.runner.start(self._run(word, inventory, orders, secrets))
        result = self.runner.result(run_id)
        self.runner.release(run_id)  # at once: leases that others wait for, and what was told
        return {
            each.run: self._seen(word, each, result.hosts.get(host))
            for host, mine in orders.items()
            for each in mine
        }

    def _run(
        self,
        word: str,
        inventory: FrozenInventory,
        orders: Mapping[str, Sequence[BackupOrder]],
        secrets: Mapping[str, Mapping[str, str]],
    ) -> PlaybookRun:
        variables: dict[str, object] = {
            "backup_word": word,
            "backup_orders": {
                host: [order_words(each, self.places) for each in mine]
                for host, mine in orders.items()
            },
            "backup_secrets": secrets,
        }
        if self.patience and word in ("begin", "collect"):
            variables["backup_wait"] = self.patience
        if self.root:
            variables["backup_root"] = self.root
        return PlaybookRun(
            playbook=PLAYBOOK,
            inventory=inventory,
            variables={**self.settings.variables, **variables},
            timeout=_STOPPING if word == "stop" else _CONNECTING,
            forks=MOST,
            lease=LeaseMode.SHARED,  # it reads; a host that is being changed is for later
            secrets=self.settings.secrets,
            known_hosts=self.settings.known_hosts,
            collections=self.settings.collections,
            owner=OWNER,
            label=word,
        )

    def _seen(self, word: str, order: BackupOrder, result: HostResult | None) -> JobSeen:
        told = result.report.get("backup") if result is not None else None
        if isinstance(told, Mapping):
            jobs = told.get("jobs")
            skew = _skew(told.get("now"), self.clock)
            if isinstance(jobs, Mapping):
                return job_of(order, jobs.get(order.run), skew)
        return _silent(word, order, result)

    def _inventory(self) -> FrozenInventory:
        """The estate's, and this machine."""
        found = self.estate().inventory
        if not self.here or self.here in found.hosts:
            return found
        hosts = {**found.hosts, **self._alone().hosts}
        return FrozenInventory(hosts=hosts, groups=found.groups, source=found.source)

    def _is_place(self, order: BackupOrder) -> bool:
        """Whether settings say where it is; else the host would work on its own repository."""
        return order.location in ("", OWN_HOME) or order.location in self.places

    def _is_own(self, order: BackupOrder) -> bool:
        """What is done as the account that runs storewarden, whatever an inventory says of a host
        of that name: as root it would leave files that this account cannot read."""
        return order.on == self.here and order.policy.method is Method.LEDGER

    def _alone(self) -> FrozenInventory:
        return FrozenInventory(hosts={self.here: {"ansible_connection": "local", **self.own}})


def _nowhere(order: BackupOrder) -> JobSeen:
    """What lies in a place that left the settings cannot be reached any more."""
    return JobSeen(
        run=order.run,
        state=JobState.REFUSED,
        reason=f"the settings name no place {order.location}",
        reason_zh=f"设置中没有存放位置 {order.location}",
    )


def _silent(word: str, order: BackupOrder, result: HostResult | None) -> JobSeen:
    """A host of which nothing came back. One that is leased to a change was not asked at all."""
    message = result.message if result is not None else "no result"
    if result is not None and word == "begin":
        if result.status is HostStatus.SKIPPED:
            done = {"end": "busy"}
            return JobSeen(run=order.run, state=JobState.REFUSED, reason=message, done=done)
        if result.status is HostStatus.FAILED:
            return JobSeen(run=order.run, state=JobState.REFUSED, reason=message)
    return JobSeen(run=order.run, state=JobState.UNREACHABLE, reason=message)


def _gone(order: BackupOrder) -> JobSeen:
    return JobSeen(
        run=order.run,
        state=JobState.UNREACHABLE,
        reason=f"{order.on} is not in the inventory",
        reason_zh=f"清单中没有 {order.on}",
    )


def _skew(told: object, clock: Clock) -> float:
    if not isinstance(told, int | float) or isinstance(told, bool):
        return 0.0
    return float(told) - clock.now().timestamp()


def _some(hosts: Sequence[str]) -> Iterable[Sequence[str]]:
    return (hosts[start : start + MOST] for start in range(0, len(hosts), MOST))
