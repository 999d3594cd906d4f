# SPDX-License-Identifier: GPL-3.0-or-later
"""Healing at one site: its rules, its actions, its guards and its runner, joined."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from storewarden.adapters.ansible.heal_actions import installed_heal_actions
from storewarden.config.heal_policy import policy_of
from storewarden.config.heal_rules import load_rules
from storewarden.domain.errors import ConfigInvalid, StorewardenError
from storewarden.domain.estate.device import Device
from storewarden.domain.healing.action import VerifyBy
from storewarden.domain.healing.aftermath import Terms
from storewarden.domain.healing.alert import Alert, Signal
from storewarden.domain.healing.explain import Explanation, explain, foretell
from storewarden.domain.healing.record import Decision, Occurrence
from storewarden.domain.healing.rule import Mode
from storewarden.flows.heal_again import AskedAgain
from storewarden.flows.heal_at_once import PromptDuty, PromptWork
from storewarden.flows.heal_check import SourceCheck, verified_by
from storewarden.flows.heal_closed import ClosedWork
from storewarden.flows.heal_incidents import IncidentFacts
from storewarden.flows.heal_record import RunTeller
from storewarden.flows.heal_repair import RepairParts, RepairWork
from storewarden.flows.heal_standing import Standings
from storewarden.flows.heal_tick import HEALING, TickParts
from storewarden.flows.heal_work import WorkBook
from storewarden.flows.heal_world import WorldBook, WorldParts
from storewarden.flows.incident_duty import FollowParts, IncidentDuty
from storewarden.flows.rollout_parts import EstateNow
from storewarden.wiring.alerts import (
    alert_duties,
    alert_receiver,
    alert_source,
    expression_checks,
)
from storewarden.wiring.changes import change_rules
from storewarden.wiring.estate_source import EstateSource
from storewarden.wiring.harden import record_reader
from storewarden.wiring.heal_duty import RuledDuty
from storewarden.wiring.play_settings import play_settings
from storewarden.wiring.rollout_parts import clock_desk, kill_switch

if TYPE_CHECKING:
    from storewarden.domain.healing.action import HealAction
    from storewarden.domain.healing.policy import HealPolicy
    from storewarden.domain.healing.record import Repair
    from storewarden.domain.healing.rule import Rule
    from storewarden.flows.heal_repair import Against, Closed
    from storewarden.ports.engine import Duty, Engine, Work
    from storewarden.ports.heal_actions import DescribedAction
    from storewarden.wiring.site import Site

_OLDEST_ESTATE = timedelta(minutes=15)
"""How old an inventory may be that an alert is decided with, while it is read again: alerts come
hours apart, and the first one should not wait for Ansible."""

_ANSWER_HOLDS = timedelta(seconds=5)  # many alerts are looked at in one tick

WORKER = "controller"
"""Repairs are run by the controller: there is one per ledger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealingShare:
    """Duties and works of the controller for healing."""

    duties: tuple[Duty, ...]
    works: tuple[Work, ...]
    soon: Callable[[], None] = lambda: None  # decide now, beside the engine


class Healing:
    """What is set up at a site for healing; nothing is read before it is asked for."""

    def __init__(self, site: Site, estate: EstateSource | None = None) -> None:
        self._site = site
        self.estate = estate or EstateSource(site, oldest=_OLDEST_ESTATE)
        self._laid_out: tuple[EstateNow, Mapping[str, Device]] | None = None

    @cached_property
    def described(self) -> tuple[DescribedAction, ...]:
        """Every heal action that is installed."""
        return installed_heal_actions()

    @cached_property
    def actions(self) -> Mapping[str, HealAction]:
        """The same, by name, as decisions need them."""
        return {each.action.name: each.action for each in self.described}

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        """The site's rules; none without ``healing.rules``. Raises ConfigInvalid."""
        place = self._site.config.healing.rules
        if place is None:
            return ()
        from storewarden.adapters.queries import condition  # noqa: PLC0415 - jmespath

        return load_rules(place, self.actions, condition, self.policy)

    @cached_property
    def policy(self) -> HealPolicy:
        """The numbers of the guards. Raises ConfigInvalid."""
        return policy_of(self._site.config.healing.policy)

    @property
    def terms(self) -> Terms:
        """What verification asks for."""
        return Terms(poll=self.policy.poll, tries=self.policy.tries)

    @cached_property
    def modes(self) -> Mapping[str, Mode]:
        """How far each action may go. Raises ConfigInvalid for an action that there is not."""
        given = self._site.config.healing.actions
        unknown = sorted(set(given) - set(self.actions))
        if unknown:
            raise ConfigInvalid(
                f"there is no heal action {unknown[0]}",
                where=f"healing.actions.{unknown[0]}",
                hint=f"one of: {', '.join(sorted(self.actions))}",
            )
        set_ = {name: Mode(each.mode) for name, each in given.items()}
        return {name: set_.get(name, Mode.OBSERVE) for name in self.actions}

    @cached_property
    def standings(self) -> Standings:
        """What each action may do, and on which standing change."""
        site = self._site
        return Standings(site.ledger.alerts, site.changes, change_rules(site), self.modes)

    @cached_property
    def check(self) -> SourceCheck:
        """Asks the sources that can be asked."""
        config = self._site.config
        polled = (name for name, each in config.healing.sources.items() if each.poll is not None)
        return SourceCheck(
            {name: alert_source(config, name) for name in polled},
            self._site.clock,
            expression_checks(config, self._site.clock),
            holds=min(_ANSWER_HOLDS, self.policy.poll / 2),
        )

    def verify(self, rule: str, action: str) -> VerifyBy:
        """What says that a host is well again. While the rules cannot be read: its alert."""
        try:
            return verified_by(self.rules, self.actions)(rule, action)
        except ConfigInvalid:
            return VerifyBy.ALERT

    def read_anew(self) -> None:
        """Rules are read again when they are next asked for."""
        self.__dict__.pop("rules", None)

    def rules_mark(self) -> tuple[tuple[str, int, int], ...]:
        """Another value as soon as a file of the rules is another."""
        place = self._site.config.healing.rules
        if place is None:
            return ()
        files = sorted(place.iterdir()) if place.is_dir() else [place]
        found = [(str(each), each.stat()) for each in files if each.exists()]
        return tuple((name, seen.st_mtime_ns, seen.st_size) for name, seen in found)

    @cached_property
    def asked_again(self) -> AskedAgain:
        """What a repair is asked right before it begins."""
        site = self._site
        return AskedAgain(
            book=site.ledger.alerts,
            world=self.world,
            check=self.check,
            covers=self.standings.covers,
            clock=site.clock,
        )

    @cached_property
    def world(self) -> WorldBook:
        """Gathers the facts of a decision."""
        from storewarden.wiring.windows import almanac  # noqa: PLC0415 - holidays cost 0.1 s

        site = self._site
        return WorldBook(
            WorldParts(
                book=site.ledger.alerts,
                rollouts=site.ledger.rollouts,
                runner=site.runner,
                estate=self.estate,
                almanac=lambda: almanac(site),
                actions=self.actions,
                standings=self.standings,
                stopped=kill_switch(site),
                policy=self.policy,
                works=WorkBook(site.changes, site.ledger.rollouts, self.policy),
                pauses=site.ledger.heal_pauses.pauses,
                protected=self._protected,
                pos_roles=frozenset(site.config.windows.pos_roles),
                zone=ZoneInfo(site.config.site.timezone),
            )
        )

    def tick_parts(self, submit: Callable[[str, str, Mapping[str, object]], None]) -> TickParts:
        """What the duty works with."""
        return TickParts(
            book=self._site.ledger.alerts,
            world=self.world,
            rules=self.rules,
            policy=self.policy,
            check=self.check,
            covers=self.standings.covers,
            submit=submit,
            clock=self._site.clock,
            terms=self.terms,
            verify=self.verify,
            incidents=self.incident_facts,
        )

    @property
    def incident_facts(self) -> IncidentFacts:
        """What incidents say beyond their alerts."""
        return IncidentFacts(
            rules=self.readable_rules,
            devices=self._devices,
            depends=lambda: self._site.config.healing.incidents.depends,
        )

    def readable_rules(self) -> tuple[Rule, ...]:
        """The rules; none while they cannot be read: a person is called all the same."""
        try:
            return self.rules
        except ConfigInvalid:
            return ()

    def _devices(self) -> Mapping[str, Device]:
        """The estate's devices by name, laid out anew only when the inventory was read again. The
        last ones, or none, while it cannot be read: a person is called all the same."""
        try:
            estate = self.estate()
        except StorewardenError:
            return self._laid_out[1] if self._laid_out is not None else {}
        if self._laid_out is None or self._laid_out[0] is not estate:
            self._laid_out = (estate, {each.name: each for each in estate.devices})
        return self._laid_out[1]

    def repair_parts(self, wake: Callable[[], None]) -> RepairParts:
        """What running repairs takes."""
        site = self._site
        return RepairParts(
            book=site.ledger.alerts,
            runner=site.runner,
            clock=site.clock,
            estate=self.estate,
            actions=self.actions,
            frozen=kill_switch(site),
            worker=WORKER,
            settings=play_settings(site),
            contact=record_reader(site),
            terms=self.terms,
            wake=wake,
            again=self._again,
            closed=self._closed,
            verify=self.verify,
            incidents=self.incident_facts,
            ran=RunTeller(desk=lambda: clock_desk(site, ())),
        )

    def _again(self, repair: Repair) -> Mapping[str, Against]:
        """Nothing is read before the first repair."""
        return self.asked_again(repair)

    def _closed(self, repair: Repair) -> Closed:
        closed = ClosedWork(
            world=self.world, actions=self.actions, policy=self.policy, clock=self._site.clock
        )
        return closed(repair)

    def _protected(self, device: Device) -> tuple[str, ...]:
        groups = self.estate().inventory.groups
        wanted = self._site.config.healing.protected_groups
        return tuple(name for name in wanted if device.name in groups.get(name, ()))


def healing_share(site: Site, engine: Callable[[], Engine | None]) -> HealingShare:
    """The controller's part; nothing at a site without an inventory, or without anything that makes
    alerts: senders, or backup policies, whose gaps are alerts of our own."""
    config = site.config
    asks = config.healing.sources or config.backup.policies
    if not asks or not config.inventory:
        return HealingShare(duties=(), works=())

    def wake() -> None:
        found = engine()
        if found is not None:
            found.wake(HEALING)

    def submit(kind: str, key: str, body: Mapping[str, object]) -> None:
        found = engine()
        if found is not None:  # else it is submitted again by the next tick
            found.submit(kind, key, body)

    def opened(kind: str, key: str, body: Mapping[str, object]) -> None:
        if engine() is not None:
            work.soon(key, body)
        submit(kind, key, body)

    healing = Healing(site)
    duty = PromptDuty(RuledDuty(healing, opened), site.clock.now)
    work = PromptWork(RepairWork(healing.repair_parts(wake), at_once=healing.policy.runs))
    duties = (*alert_duties(site, decides=wake), duty, IncidentDuty(follow_parts(site)))
    return HealingShare(duties=duties, works=(work,), soon=duty.soon)


def order_facts(site: Site) -> IncidentFacts:
    """The same for a person who takes an alert over: without the inventory, which takes long."""
    return IncidentFacts(rules=lambda: Healing(site).readable_rules())


def follow_parts(site: Site) -> FollowParts:
    """What following incidents takes."""
    return FollowParts(
        incidents=site.ledger.incidents,
        book=site.ledger.alerts,
        clock=site.clock,
        policy=site.config.healing.incidents.policy,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What would be done about one alert of a payload. ``explanation`` is the verdict when its
    hold-down is over and it fires still; ``first`` is what is decided when it comes."""

    alert: Alert
    explanation: Explanation
    first: Decision | None = None

    @property
    def data(self) -> dict[str, object]:
        """As JSON data."""
        decision = self.explanation.decision
        return {
            "alert": self.alert.name,
            "labels": dict(self.alert.labels),
            "first": self.first.verdict.value if self.first is not None else None,
            "verdict": decision.verdict.value,
            "rule": decision.rule,
            "action": decision.action,
            "hosts": list(decision.hosts),
            "steps": [
                {"about": each.about, "mark": each.mark.value, "en": each.en, "zh": each.zh}
                for each in self.explanation.steps
            ],
        }


def explained(site: Site, source: str, body: bytes, *, as_sent: bool = False) -> tuple[Told, ...]:
    """What would be done about a payload of ``source``, were it to come, and its alerts to begin,
    now; nothing is kept, and no sender is asked.

    An alert that is known already is explained as it stands in the ledger, hold-down and all.
    ``as_sent``: as if it came now with the times that it has. Raises AlertsMalformed for the body.
    """
    now, healing = site.clock.now(), Healing(site)
    delivery = alert_receiver(site).intake.read(source, body)
    known = {each.key: site.ledger.alerts.occurrence(each.key) for each in delivery.alerts}
    world = healing.world.gathered(now)

    def told(occurrence: Occurrence) -> Explanation:
        return explain(occurrence, healing.rules, world, healing.policy, now)

    found = []
    for number, alert in enumerate(delivery.alerts, 1):
        there = known[alert.key]
        if there is not None or as_sent:
            made = told(there or _fresh(alert, number, now))
            found.append(Told(alert=alert, explanation=made))
            continue
        begun = replace(alert, starts_at=now) if alert.signal is Signal.FIRING else alert
        came = _fresh(begun, number, now)
        first, later = foretell(came, healing.rules, world, healing.policy, now)
        found.append(Told(alert=alert, explanation=later, first=first))
    return tuple(found)


def _fresh(alert: Alert, number: int, now: datetime) -> Occurrence:
    resolved = now if alert.signal is Signal.RESOLVED else None
    return Occurrence(
        key=alert.key, number=number, alert=alert, received_at=now, due=now, resolved_at=resolved
    )
