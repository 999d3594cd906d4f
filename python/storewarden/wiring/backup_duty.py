# SPDX-License-Identifier: GPL-3.0-or-later
"""The duty of backups at one site: its plan of the night, its places, its caps, joined.

A mistake in the policies must not keep the controller from its other duties: this duty fails with
it, which health shows, and comes again when the files have changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from storewarden.domain.backup.catalog import Catalog, Run, Target, Verb
from storewarden.domain.backup.due_facts import Due, Facts
from storewarden.domain.backup.due_turns import Caps, Load
from storewarden.domain.backup.policy import Method, SetKind
from storewarden.domain.maintenance.interval import Interval
from storewarden.flows.backup_duty import BACKUPS, BackupDuty, DutyParts, begun_slots
from storewarden.flows.backup_expiry import propose_monthly
from storewarden.flows.backup_gaps import tell_gaps
from storewarden.flows.backup_plan import BackupPlan, plan_backups
from storewarden.flows.backup_work import Asked, run_name
from storewarden.flows.device_duty import DeviceRoundParts, DeviceRounds
from storewarden.ports.backup_hosts import BackupOrder
from storewarden.wiring.backup import chained
from storewarden.wiring.backup_coverage import gap_parts
from storewarden.wiring.backup_devices import ChangedDevices, read_devices
from storewarden.wiring.backup_proven import expiry_parts
from storewarden.wiring.backup_work import BackupSite, Bound, backup_site
from storewarden.wiring.estate_source import EstateSource
from storewarden.wiring.rollout_parts import kill_switch

if TYPE_CHECKING:
    from storewarden.flows.rollout_parts import EstateNow
    from storewarden.wiring.site import Site

_GAPS_EVERY = timedelta(minutes=15)
_ASKS_EVERY = timedelta(days=1)  # a month without old sets on its first day has some on its last
_NIGHTS = (-1, 0, 1)  # of the site's day: stores lie in other time zones


def backup_duties(site: Site) -> tuple[SiteBackups, ...]:
    """The duty of a site that has backup policies; none without."""
    if site.config.backup.policies is None or not site.config.inventory:
        return ()
    return (SiteBackups(site),)


class SiteBackups:
    """The duty with the policies as their files are now."""

    name = BACKUPS
    every = BackupDuty.every

    def __init__(self, site: Site) -> None:
        self._site = site
        self._estate = EstateSource(site)
        self._mark: tuple[tuple[str, int, int], ...] = ()
        self._duty: BackupDuty | None = None
        self._rounds: DeviceRounds | None = None

    def tick(self, now: datetime) -> datetime | None:
        """As BackupDuty. Raises ConfigInvalid for settings and policies that are wrong."""
        mark = _mark(self._site.config.backup.policies)
        if self._duty is None or mark != self._mark:
            self.shut()
            night = Nights(backup_site(self._site, self._estate))
            night.of.play().tidy()
            self._duty, self._rounds, self._mark = BackupDuty(night.parts()), night.rounds, mark
        return self._duty.tick(now)

    def shut(self) -> None:
        """Begin no more visits, read no more devices."""
        if self._rounds is not None:
            self._rounds.shut()
            self._rounds = None
        if self._duty is not None:
            self._duty.shut()
            self._duty = None


class Nights:
    """Facts and plans of a site, worked out again when its estate changes."""

    def __init__(self, of: BackupSite) -> None:
        self.of, self._site = of, of.site
        self._plans: dict[date, BackupPlan] = {}
        self._planned_for: EstateNow | None = None
        self._bound: dict[Target, Bound] = {}
        self._targets: tuple[Target, ...] = ()
        self._from: tuple[Bound, ...] | None = None
        self._gaps: datetime | None = None
        self._asked: datetime | None = None
        self.rounds = DeviceRounds(self._round_parts())

    def _round_parts(self) -> DeviceRoundParts:
        return DeviceRoundParts(
            catalog=self._site.ledger.backups,
            targets=self.devices,
            facts=self.facts,
            slots=lambda now: begun_slots(self.plan, self.days(now), now),
            changed=ChangedDevices(self._site.changes, self._follows_changes),
            read=lambda due, stopping: read_devices(self._site, due, stopping),
            frozen=kill_switch(self._site),
        )

    def parts(self) -> DutyParts:
        """What the duty needs. Raises ConfigInvalid."""
        return DutyParts(
            work=self.of.work(lambda _seconds: True),
            targets=self.targets,
            facts=self.facts,
            plan=self.plan,
            days=self.days,
            order=self.asked,
            load=self.load,
            caps=self.caps,
            frozen=kill_switch(self._site),
            also=self.also,
        )

    def targets(self) -> Sequence[Target]:
        """Everybody who is bound."""
        there = self.of.bound()
        if there is not self._from:
            self._from, self._bound = there, {each.target: each for each in there}
            self._targets = tuple(self._bound)
        return self._targets

    def devices(self) -> Sequence[Target]:
        """Network devices, which this machine reads itself."""
        return [each for each in self.targets() if self._method(each) is Method.NETWORK]

    def _follows_changes(self) -> set[str]:
        return {each.host for each in self.devices() if self._bound[each].policy.after_change}

    def _method(self, target: Target) -> Method:
        return self._bound[target].policy.method

    def days(self, now: datetime) -> tuple[date, ...]:
        """Nights that may be under way somewhere."""
        today = now.astimezone(ZoneInfo(self._site.config.site.timezone)).date()
        return tuple(today + timedelta(days=each) for each in _NIGHTS)

    def plan(self, day: date) -> BackupPlan:
        """The plan of a night, made once while the inventory stays."""
        estate = self.of.estate()
        if estate is not self._planned_for:
            self._plans.clear()
            self._planned_for = estate
        if day not in self._plans:
            good = chained(self._site, self.targets())
            parts = self.of.plan_parts(lambda host, policy: (host, policy) in good)
            oldest = day - timedelta(days=len(_NIGHTS))
            self._plans = {each: plan for each, plan in self._plans.items() if each > oldest}
            self._plans[day] = plan_backups(parts, day)
        return self._plans[day]

    def facts(self, target: Target) -> Facts:
        """What is known of a target beside its catalog."""
        bound = self._bound[target]
        places = self.of.copied_to(bound.policy)
        home = self.of.home(target)
        readers = {each: self.of.on(target, each) for each in places}
        return Facts(
            target=target,
            policy=bound.policy,
            catalog=Catalog(),
            home=home,
            places=places,
            readers={each: on for each, on in readers.items() if on != target.host},
            local=self.of.local,
            window=self._window(target),
            hub=self._hub(bound),
            line=bound.device.store or target.host,
            by=self.of.on(target, home) if self._method(target) is Method.NETWORK else "",
        )

    def _window(self, target: Target) -> Interval | None:
        """The window that is open, else any; None when the store never lets go."""
        key, now = (target.host, target.policy), self._site.clock.now()
        there = [each.windows[key] for each in self._plans.values() if key in each.windows]
        return next((each for each in there if now in each), there[0] if there else None)

    def asked(self, due: Due) -> Asked:
        """The order of what is due."""
        policy = self.of.policy_for(due.target)
        now = self._site.clock.now()
        order = BackupOrder(
            run=run_name(due.target, due.verb, due.location, now, due.part),
            target=due.target,
            on=due.on,
            verb=due.verb,
            policy=policy,
            kind=due.kind,
            parent=due.parent,
            sets=due.sets,
            location=due.location,
            level=due.level,
            part=due.part,
            disaster=now if due.verb is Verb.DRILL else None,
            kib=self.of.kib(policy),
        )
        return Asked(order=order, night=due.night)

    def load(self, run: Run) -> Load:
        """What an open run takes up."""
        bound = self._bound.get(run.target)
        on = self.of.on(run.target, run.location, run.verb)
        log = run.verb is Verb.TAKE and run.kind is SetKind.LOG
        near = run.location in self.of.local or on != run.target.host
        return Load(
            target=run.target,
            on=on,
            wan=not log and (run.verb is Verb.TAKE or not near),
            hub=self._hub(bound) if bound else "",
            line=(bound.device.store if bound else "") or run.target.host,
            log=log,
        )

    def _hub(self, bound: Bound) -> str:
        hubs = self._site.config.backup.hubs
        region = bound.device.region
        return next((name for name, each in hubs.items() if region in each.regions), "")

    def caps(self) -> Caps:
        """What hubs bear."""
        hubs = self._site.config.backup.hubs
        return Caps(hubs={name: each.at_once for name, each in hubs.items()})

    def also(self, now: datetime) -> None:
        """What a look does beside jobs on hosts."""
        self.gaps(now)
        self.rounds.look(now)
        self.old_sets(now)

    def old_sets(self, now: datetime) -> None:
        """Ask once a month whether sets that are past their time may go. Nothing goes by that: a
        person says yes. The kill switch holds it back like all that begins."""
        asked_today = self._asked is not None and now - self._asked < _ASKS_EVERY
        if asked_today or kill_switch(self._site)():
            return
        self._asked = now
        propose_monthly(expiry_parts(self._site))

    def gaps(self, now: datetime) -> None:
        """Tell of what is missing, now and then."""
        if self._gaps is None or now - self._gaps >= _GAPS_EVERY:
            self._gaps = now
            tell_gaps(gap_parts(self._site, self.of.estate), now)


def _mark(place: Path | None) -> tuple[tuple[str, int, int], ...]:
    """What changes when somebody edits the policies."""
    if place is None:
        return ()
    files = sorted(place.iterdir()) if place.is_dir() else [place]
    found = []
    for each in files:
        try:
            there = each.stat()
        except OSError:
            continue
        found.append((each.name, there.st_mtime_ns, there.st_size))
    return tuple(found)
