# SPDX-License-Identifier: GPL-3.0-or-later
"""What drives rollouts at one site: its ledger, its runner, its calendars and its gates, joined."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, available_timezones

from storewarden.domain.change.people import CLOCK
from storewarden.domain.errors import StorewardenError
from storewarden.domain.estate.device import read_estate
from storewarden.domain.rollout.record import Rollout
from storewarden.flows.gate_look import PlaybookLook
from storewarden.flows.rollout_news import ChangeNews
from storewarden.flows.rollout_parts import DriveParts, EstateNow, PlaySettings, ShardParts
from storewarden.flows.rollout_report import document
from storewarden.flows.rollout_stop import KillSwitch
from storewarden.wiring.changes import change_windows, desk_parts
from storewarden.wiring.harden import record_reader

if TYPE_CHECKING:
    from storewarden.domain.change.commands import Circumstances
    from storewarden.domain.change.record import Change
    from storewarden.flows.change_desk import ChangeDesk, Document
    from storewarden.ports.ledger import JournalEntry
    from storewarden.ports.signals import Gates
    from storewarden.wiring.site import Site

_KEPT = timedelta(minutes=1)
"""How old an inventory may be before it is read again: it takes Ansible a second or more."""

_OLDEST = timedelta(minutes=5)
"""How old one may be that is still used while it is read again."""

LOG = logging.getLogger("storewarden.rollouts")

type Submit = Callable[[str, str, Mapping[str, object]], None]


class EstateSource:
    """The site's inventory as devices, read again every minute; the same object while it is.

    Nobody waits for that: each step of a wave would, and a wave has many. Who asks gets the last
    one while it is read again, unless that one is as old as ``oldest`` by now. There is never more
    than one reading: who has to wait while one is under way waits for that one.
    """

    def __init__(self, site: Site, *, oldest: timedelta = _OLDEST) -> None:
        self._site = site
        self._oldest = oldest
        self._lock = threading.Lock()
        self._known: tuple[datetime, EstateNow] | None = None
        self._reading: Future[EstateNow] | None = None

    def __call__(self) -> EstateNow:
        """The estate. Raises ConfigInvalid for an inventory that cannot be read."""
        with self._lock:
            now = self._site.clock.now()
            if self._known is not None and timedelta(0) <= now - self._known[0] < self._oldest:
                if now - self._known[0] >= _KEPT:
                    self._read_beside()
                return self._known[1]
            reading, mine = self._reading, self._reading is None
            if reading is None:
                reading = self._reading = Future()
        if mine:
            self._answer(reading)
        return reading.result()

    def ahead(self) -> None:
        """Begin to read it beside everything else, unless it was read before; returns at once.
        What is wrong with it is told to whoever asks for the estate."""
        with self._lock:
            if self._known is None:
                self._read_beside()

    def _read_beside(self) -> None:
        """Under the lock. One that failed changes nothing: it is read again when asked for."""
        if self._reading is not None:
            return
        self._reading = Future()
        threading.Thread(
            target=self._answer_beside, args=(self._reading,), name="estate", daemon=True
        ).start()

    def _answer_beside(self, reading: Future[EstateNow]) -> None:
        self._answer(reading)
        error = reading.exception()
        if error is not None:
            odd = None if isinstance(error, StorewardenError) else error
            said = {"fields": {"error": str(error)}}
            LOG.warning("the inventory cannot be read", extra=said, exc_info=odd)

    def _answer(self, reading: Future[EstateNow]) -> None:
        """Read it for whoever waits for ``reading``; its age is counted from the beginning."""
        try:
            now = self._site.clock.now()
            found = self._read()
        except BaseException as error:  # noqa: BLE001 - raised by whoever waits for it
            with self._lock:
                self._reading = None
            reading.set_exception(error)
            return
        with self._lock:
            found = self._keep(now, found)
            self._reading = None
        reading.set_result(found)

    def _keep(self, now: datetime, found: EstateNow) -> EstateNow:
        if self._known is not None and self._known[1].inventory == found.inventory:
            found = self._known[1]  # what was worked out of it still holds
        self._known = (now, found)
        return found

    def _read(self) -> EstateNow:
        config = self._site.config
        found = self._site.inventory.resolve(
            config.inventory, vault_password=config.secrets.vault_password_file
        )
        devices = read_estate(found.hosts, available_timezones().__contains__).devices
        return EstateNow(devices=devices, inventory=found)


def kill_switch(site: Site) -> KillSwitch:
    """The site's kill switch."""
    return KillSwitch(site.ledger, site.config.state_dir)


def site_gates(site: Site, estate: EstateSource | None = None) -> Gates:
    """The gates of the site; without ``estate`` no host is asked (checking settings needs none)."""
    from storewarden.adapters.signals import SiteGates  # noqa: PLC0415 - httpx costs 0.2 s
    from storewarden.ports.signals import Reach  # noqa: PLC0415
    from storewarden.wiring.secrets import site_secrets  # noqa: PLC0415

    look = None
    if estate is not None:
        look = PlaybookLook(runner=site.runner, estate=estate, settings=play_settings(site))
    return SiteGates(
        reach=Reach(
            secrets=site_secrets(site.config),
            folder=site.config.folder or Path.cwd(),
            look=look,
            roles_of=lambda person: roles_of(site, person),
        )
    )


def roles_of(site: Site, person: str) -> tuple[str, ...]:
    """A person's roles; nobody's for who is not in the people file."""
    found = site.people.person(person)
    return () if found is None else tuple(sorted(found.roles))


def play_settings(site: Site) -> PlaySettings:
    """What every run at this site is given."""
    from storewarden.wiring.site import AuditOptions  # noqa: PLC0415 - it imports us

    audit = site.audit_request(AuditOptions())
    return PlaySettings(
        secrets=audit.secrets, known_hosts=audit.known_hosts, collections=audit.collections
    )


def shard_parts(
    site: Site, estate: EstateSource, worker: str, wake: Callable[[], None]
) -> ShardParts:
    """What running dispatches takes in this process."""
    return ShardParts(
        book=site.ledger.rollouts,
        runner=site.runner,
        clock=site.clock,
        estate=estate,
        frozen=kill_switch(site),
        worker=worker,
        settings=play_settings(site),
        contact=record_reader(site),
        wake=wake,
    )


def drive_parts(site: Site, shard: ShardParts, estate: EstateSource, submit: Submit) -> DriveParts:
    """What looking at rollouts takes in the controller."""
    from storewarden.wiring.backup_guard import guard_of  # noqa: PLC0415 - it imports us
    from storewarden.wiring.windows import almanac  # noqa: PLC0415 - holidays cost 0.1 s

    language, zone = site.config.site.language, ZoneInfo(site.config.site.timezone)

    def report(rollout: Rollout, _history: Sequence[JournalEntry]) -> Document:
        return document(rollout, language, zone)

    return DriveParts(
        shard=shard,
        changes=site.changes,
        desk=lambda hosts: clock_desk(site, hosts),
        almanac=lambda: almanac(site),
        gates=site_gates(site, estate),
        submit=submit,
        report=report,
        changed=ChangeNews(site.ledger),
        repairing=lambda: {
            host: repair.id
            for repair in site.ledger.alerts.repairs(open_only=True)
            for host in repair.hosts
        },
        uncovered=guard_of(site, estate),
        roles=lambda person: roles_of(site, person),
        pos_roles=frozenset(site.config.windows.pos_roles),
        zone=zone,
        language=language,
    )


def clock_desk(site: Site, hosts: Sequence[str]) -> ChangeDesk:
    """The desk with "storewarden" in front of it, which asks windows for ``hosts`` alone: the
    stores of later waves may be trading while the first ones begin."""
    from storewarden.flows.change_desk import ChangeDesk  # noqa: PLC0415

    windows, chosen = change_windows(site), frozenset(hosts)

    def judge(change: Change, now: datetime) -> Circumstances:
        items = tuple(item for item in change.draft.items if item.host in chosen)
        narrow = replace(change, draft=replace(change.draft, items=items))
        return windows.judge_start(narrow, now)

    return ChangeDesk(replace(desk_parts(site), judge_start=judge), CLOCK)


def worker_name(given: str = "") -> str:
    """This process's name in the book: the machine's, unless it is given another."""
    return given or socket.gethostname() or "localhost"
