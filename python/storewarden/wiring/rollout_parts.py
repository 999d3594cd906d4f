# SPDX-License-Identifier: GPL-3.0-or-later
"""What drives rollouts at one site: its ledger, its runner, its calendars and its gates, joined."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from storewarden.domain.change.people import CLOCK
from storewarden.domain.rollout.record import Rollout
from storewarden.flows.gate_look import PlaybookLook
from storewarden.flows.rollout_news import ChangeNews
from storewarden.flows.rollout_parts import DriveParts, ShardParts
from storewarden.flows.rollout_report import document
from storewarden.flows.rollout_stop import KillSwitch
from storewarden.wiring.backup_guard import guard_of
from storewarden.wiring.changes import change_windows, desk_parts
from storewarden.wiring.harden import record_reader
from storewarden.wiring.play_settings import play_settings

if TYPE_CHECKING:
    from storewarden.domain.change.commands import Circumstances
    from storewarden.domain.change.record import Change
    from storewarden.flows.change_desk import ChangeDesk, Document
    from storewarden.ports.ledger import JournalEntry
    from storewarden.ports.signals import Gates
    from storewarden.wiring.estate_source import EstateSource
    from storewarden.wiring.site import Site

type Submit = Callable[[str, str, Mapping[str, object]], None]


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
