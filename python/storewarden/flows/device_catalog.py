# SPDX-License-Identifier: GPL-3.0-or-later
"""What came of reading a device, as the backup catalog has it.

A configuration that was kept is a set, proven by its own marks (Level.READ). One that has not
changed is the last set, seen again. Run and end are written in one step after the reading: whoever
dies before has read nothing, and it is due again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from storewarden.domain.backup.catalog import BackupSet, Run, RunEnd, Verb
from storewarden.domain.backup.catalog_events import (
    CatalogEvent,
    CopySeen,
    RunBegan,
    RunEnded,
    SetFound,
)
from storewarden.domain.backup.device_config import config_file
from storewarden.domain.backup.due_devices import Reading
from storewarden.domain.backup.policy import Level, SetKind
from storewarden.flows.backup_work import run_name
from storewarden.flows.device_backup import GOOD, Came, DeviceResult
from storewarden.ports.backup_catalog import BackupCatalog
from storewarden.ports.clock import Clock
from storewarden.ports.devices import ConfigStore

_SAID = {
    Came.FIRST: ("", ""),
    Came.CHANGED: ("changed", "有变化"),
    Came.UNCHANGED: ("unchanged", "无变化"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceCatalog:
    """Records results, for each policy that asked for them. ``readings``: device -> who asked."""

    catalog: BackupCatalog
    store: ConfigStore
    clock: Clock
    readings: Mapping[str, Sequence[Reading]]

    def __call__(self, result: DeviceResult) -> None:
        """Write down one device. Raises LedgerConflict and AdapterError."""
        events: list[CatalogEvent] = []
        for reading in self.readings.get(result.device, ()):
            events += self._events(reading, result)
        if events:
            self.catalog.record(events)

    def _events(self, reading: Reading, result: DeviceResult) -> list[CatalogEvent]:
        now = self.clock.now()
        began, good = result.began or now, result.came in GOOD
        name = f"{reading.target.name}/{result.file}" if good else ""
        run = _run(reading, began)
        en, zh = _SAID.get(result.came, (result.en, result.zh))
        events: list[CatalogEvent] = [
            RunBegan(run=run),
            RunEnded(
                run=run.id, at=now, end=_end(result), reason=en, reason_zh=zh, set=name,
                seconds=result.seconds,
            ),
        ]  # fmt: skip
        if good:
            if self.catalog.set(name) is None:
                events.append(SetFound(set=self._set(reading, result, name, now)))
            # As of the reading: a change that ended after it is not in it.
            events.append(CopySeen(set=name, location=reading.home, at=began, level=Level.READ))
        return events

    def _set(self, reading: Reading, result: DeviceResult, name: str, now: datetime) -> BackupSet:
        file = config_file(result.file)
        text = self.store.text(file).encode() if file is not None else b""
        return BackupSet(
            id=name,
            target=reading.target,
            kind=SetKind.FULL,
            taken=result.began or now,
            received=now,
            size=len(text),
            manifest=hashlib.sha256(text).hexdigest(),
        )


def by_device(readings: Sequence[Reading]) -> dict[str, list[Reading]]:
    """Device -> what is asked of it; it is read once for all of it."""
    found: dict[str, list[Reading]] = {}
    for each in readings:
        found.setdefault(each.target.host, []).append(each)
    return found


def _run(reading: Reading, began: datetime) -> Run:
    at = began.astimezone(UTC)
    return Run(
        id=run_name(reading.target, Verb.TAKE, reading.home, at, (1, 1)),
        target=reading.target,
        kind=SetKind.FULL,
        began=began,
        location=reading.home,
        level=Level.READ,
        night=reading.night,
        by=reading.by,
        change=reading.change,
    )


def _end(result: DeviceResult) -> RunEnd:
    if result.came in GOOD:
        return RunEnd.DONE
    if result.came is Came.REJECTED:
        return RunEnd.REJECTED
    return RunEnd.AUTH if result.auth else RunEnd.FAILED
