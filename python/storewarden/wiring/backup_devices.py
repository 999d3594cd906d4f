# SPDX-License-Identifier: GPL-3.0-or-later
"""Network devices at one site: who is read when, and where what was read is written down."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from storewarden.domain.backup.catalog import Target
from storewarden.domain.backup.due_devices import Changed, Reading
from storewarden.domain.backup.policy import Method
from storewarden.domain.change.record import State
from storewarden.domain.errors import ConfigInvalid
from storewarden.flows.device_backup import (
    Came,
    DeviceBackupParts,
    DeviceResult,
    back_up_devices,
)
from storewarden.flows.device_catalog import DeviceCatalog, by_device
from storewarden.ports.devices import DeviceAccess
from storewarden.wiring.backup import (
    access_of,
    accesses,
    device_store,
    groups_by_host,
    policies,
    reader,
)
from storewarden.wiring.backup_work import home_of
from storewarden.wiring.estate_source import EstateSource
from storewarden.wiring.here import operator

if TYPE_CHECKING:
    from storewarden.ports.changes import ChangeBook
    from storewarden.wiring.site import Site

_ENDED = frozenset({State.DONE, State.CLOSED})
_OPENED = timedelta(days=31)  # changes of before are not asked about: none works that long
_LATELY = timedelta(days=2)  # how long a device that is away is read for a change's sake
_ASKED_EVERY = timedelta(minutes=5)


def device_backup(
    site: Site,
    hosts: Sequence[str],
    told: Callable[[DeviceResult], None],
    *,
    smaller: bool = False,
) -> tuple[DeviceResult, ...]:
    """Read the configurations of network devices, keep what changed, and write it down; ``told``
    hears of each. ``smaller`` takes those with far less in them than before.

    Raises ConfigInvalid, Refused when somebody else is at it, AdapterError for folder and ledger.
    """
    parts = _parts(site, readings(site, hosts))
    wanted = accesses(site, hosts)
    return back_up_devices(replace(parts, smaller=smaller), wanted, told)


def read_devices(site: Site, due: Sequence[Reading], stopping: Callable[[], bool]) -> None:
    """One round of the controller; who left the inventory meanwhile is left out, and one whose
    variables are wrong fails alone."""
    variables, parts = EstateSource(site)().inventory.hosts, _parts(site, due)
    wanted = list[DeviceAccess]()
    for name in by_device(due):
        if name not in variables:
            continue
        try:
            wanted.append(access_of(name, variables[name]))
        except ConfigInvalid as error:
            bad = DeviceResult(device=name, came=Came.FAILED, en=error.what, zh=error.what)
            parts.recorded(bad)
    back_up_devices(replace(parts, stopping=stopping), wanted)


def readings(site: Site, hosts: Collection[str]) -> tuple[Reading, ...]:
    """What a person asks for: these devices (all for none), for each policy that binds them."""
    estate = EstateSource(site)()
    groups = groups_by_host(estate.inventory.groups)
    wanted = [each for each in policies(site) if each.method is Method.NETWORK]
    return tuple(
        Reading(
            target=Target(host=device.name, policy=policy.id),
            home=home_of(site, policy),
            by=operator(),
        )
        for device in estate.devices
        for policy in wanted
        if (not hosts or device.name in hosts) and policy.binds(device, groups.get(device.name, ()))
    )


def _parts(site: Site, asked: Sequence[Reading]) -> DeviceBackupParts:
    store = device_store(site)
    return DeviceBackupParts(
        devices=reader(site),
        store=store,
        ledger=site.ledger,
        clock=site.clock,
        zone=ZoneInfo(site.config.site.timezone),
        at_once=site.config.backup.devices.at_once,
        recorded=DeviceCatalog(
            catalog=site.ledger.backups,
            store=store,
            clock=site.clock,
            readings=by_device(asked),
        ),
    )


class ChangedDevices:
    """Devices that a change named whose work has ended lately; the book is asked every five
    minutes, and only of changes that name one of ``devices``."""

    def __init__(self, book: ChangeBook, devices: Callable[[], Collection[str]]) -> None:
        self._book, self._devices = book, devices
        self._known: dict[str, Changed] = {}
        self._asked: datetime | None = None

    def __call__(self, now: datetime) -> Mapping[str, Changed]:
        """Device -> the last of them."""
        if self._asked is None or not timedelta(0) <= now - self._asked < _ASKED_EVERY:
            self._asked, self._known = now, self._found(now)
        return self._known

    def _found(self, now: datetime) -> dict[str, Changed]:
        devices, found = set(self._devices()), dict[str, Changed]()
        for change in self._book.changes(states=_ENDED, since=now - _OPENED) if devices else ():
            ended = change.ended_at
            if ended is None or now - ended > _LATELY:
                continue
            for host in devices.intersection(change.hosts):
                if host not in found or found[host].ended < ended:
                    found[host] = Changed(number=change.number, ended=ended)
        return found
