# SPDX-License-Identifier: GPL-3.0-or-later
"""A catalog in a real ledger, hosts in memory, and a clock that stands still."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

from storewarden.adapters.ledger.sql import SqlLedger, open_ledger
from storewarden.domain.backup.catalog import Run, Target, Verb
from storewarden.domain.backup.policy import (
    TIER_RULES,
    BackupTier,
    CopyWanted,
    Level,
    Method,
    Policy,
    Selector,
    SetKind,
)
from storewarden.flows.backup_work import Asked, WorkParts, run_name
from storewarden.ports.backup_hosts import BackupOrder
from storewarden.testing.backup_hosts import FakeBackupHosts
from storewarden.testing.ledger import ManualClock

START = datetime(2026, 11, 22, 22, tzinfo=UTC)
HOME, HUB, AWAY = "store", "hub", "away"


def policy(ident: str = "files", tier: BackupTier = BackupTier.ORDINARY, **more: object) -> Policy:
    """A policy with the guide's rules, copies at home and in two places."""
    rule = TIER_RULES[tier]
    given = {
        "id": ident,
        "tier": tier,
        "method": Method.FILES,
        "selector": Selector(),
        "window": (time(23), time(6)),
        "schedule": rule.schedule,
        "rpo": rule.rpo,
        "rto": rule.rto,
        "copies": tuple(CopyWanted(location=each) for each in (HOME, HUB, AWAY)),
        "retention": rule.retention,
        "verify": rule.verify,
        "drill": rule.drill,
    }
    return Policy(**(given | more))  # type: ignore[arg-type]


@dataclass
class BackupPlace:
    """Everything that work needs; ``restarted`` is another controller over the same ledger."""

    folder: Path
    clock: ManualClock = field(default_factory=lambda: ManualClock(START))
    policies: Mapping[str, Policy] = field(default_factory=lambda: {"files": policy()})
    readers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.hosts = FakeBackupHosts(self.clock)
        self.ledger = self._opened()

    def _opened(self) -> SqlLedger:
        return open_ledger(self.folder / "ledger.sqlite", clock=self.clock)

    def restart(self) -> None:
        self.ledger.close()
        self.ledger = self._opened()

    @property
    def catalog(self):  # type: ignore[no-untyped-def]
        return self.ledger.backups

    def parts(self, **more: object) -> WorkParts:
        def wait(seconds: float) -> bool:
            self.clock.advance(timedelta(seconds=seconds))
            return False

        given = {
            "catalog": self.ledger.backups,
            "hosts": self.hosts,
            "clock": self.clock,
            "again": self.again,
            "home": lambda _target: HOME,
            "wait": wait,
        }
        return WorkParts(**(given | more))  # type: ignore[arg-type]

    def again(self, run: Run) -> BackupOrder | None:
        there = self.policies.get(run.target.policy)
        if there is None:
            return None
        return BackupOrder(
            run=run.id,
            target=run.target,
            on=self.readers.get(run.location, run.target.host),
            verb=run.verb,
            policy=there,
            kind=run.kind,
            sets=run.sets,
            location=run.location,
            level=run.level,
        )

    def asked(
        self,
        host: str = "s000101-sv01",
        verb: Verb = Verb.TAKE,
        location: str = HOME,
        of: str = "files",
        part: tuple[int, int] = (1, 1),
        **more: object,
    ) -> Asked:
        target = Target(host=host, policy=of)
        order = BackupOrder(
            run=run_name(target, verb, location, self.clock.now(), part),
            target=target,
            on=self.readers.get(location, host),
            verb=verb,
            policy=self.policies[of],
            location=location,
        )
        return Asked(order=replace(order, **more))  # type: ignore[arg-type]

    def set(self, host: str = "s000101-sv01", of: str = "files"):  # type: ignore[no-untyped-def]
        """The newest set."""
        return self.catalog.sets(host=host, policy=of)[0]


FULL, READ = SetKind.FULL, Level.READ
