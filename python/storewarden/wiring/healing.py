# SPDX-License-Identifier: GPL-3.0-or-later
"""Healing at one site: its rules, its actions, its guards and its runner, joined."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from storewarden.adapters.ansible.heal_actions import installed_heal_actions
from storewarden.config.heal_policy import policy_of
from storewarden.config.heal_rules import load_rules
from storewarden.domain.errors import ConfigInvalid
from storewarden.domain.estate.device import Device
from storewarden.domain.healing.aftermath import Terms
from storewarden.domain.healing.alert import Alert, Signal
from storewarden.domain.healing.explain import Explanation, explain
from storewarden.domain.healing.record import Occurrence
from storewarden.domain.healing.rule import Mode
from storewarden.flows.heal_check import SourceCheck
from storewarden.flows.heal_repair import RepairParts, RepairWork
from storewarden.flows.heal_standing import Standings
from storewarden.flows.heal_tick import HEALING, HealingDuty, TickParts
from storewarden.flows.heal_world import WorldBook, WorldParts
from storewarden.wiring.alerts import alert_duties, alert_receiver, alert_source
from storewarden.wiring.changes import change_rules
from storewarden.wiring.harden import record_reader
from storewarden.wiring.rollout_parts import EstateSource, kill_switch, play_settings

if TYPE_CHECKING:
    from storewarden.domain.healing.action import HealAction
    from storewarden.domain.healing.policy import HealPolicy
    from storewarden.domain.healing.rule import Rule
    from storewarden.ports.engine import Duty, Engine, Work
    from storewarden.ports.heal_actions import DescribedAction
    from storewarden.wiring.site import Site

WORKER = "controller"
"""Repairs are run by the controller: there is one per ledger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealingShare:
    """Duties and works of the controller for healing."""

    duties: tuple[Duty, ...]
    works: tuple[Work, ...]


class Healing:
    """What is set up at a site for healing; nothing is read before it is asked for."""

    def __init__(self, site: Site, estate: EstateSource | None = None) -> None:
        self._site = site
        self.estate = estate or EstateSource(site)

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
        return SourceCheck({name: alert_source(config, name) for name in polled}, self._site.clock)

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
        )

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
        )

    def _protected(self, device: Device) -> tuple[str, ...]:
        groups = self.estate().inventory.groups
        wanted = self._site.config.healing.protected_groups
        return tuple(name for name in wanted if device.name in groups.get(name, ()))


def healing_share(site: Site, engine: Callable[[], Engine | None]) -> HealingShare:
    """The controller's part; nothing at a site without senders of alerts, or an inventory."""
    config = site.config
    if not config.healing.sources or not config.inventory:
        return HealingShare(duties=(), works=())

    def wake() -> None:
        found = engine()
        if found is not None:
            found.wake(HEALING)

    def submit(kind: str, key: str, body: Mapping[str, object]) -> None:
        found = engine()
        if found is not None:  # else it is submitted again by the next tick
            found.submit(kind, key, body)

    healing = Healing(site)
    duty = HealingDuty(healing.tick_parts(submit))
    work = RepairWork(healing.repair_parts(wake), at_once=healing.policy.runs)
    return HealingShare(duties=(*alert_duties(site), duty), works=(work,))


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What would be done about one alert of a payload."""

    alert: Alert
    explanation: Explanation

    @property
    def data(self) -> dict[str, object]:
        """As JSON data."""
        decision = self.explanation.decision
        return {
            "alert": self.alert.name,
            "labels": dict(self.alert.labels),
            "verdict": decision.verdict.value,
            "rule": decision.rule,
            "action": decision.action,
            "hosts": list(decision.hosts),
            "steps": [
                {"about": each.about, "mark": each.mark.value, "en": each.en, "zh": each.zh}
                for each in self.explanation.steps
            ],
        }


def explained(site: Site, source: str, body: bytes) -> tuple[Told, ...]:
    """What would be done about a payload of ``source``, were it to come now; nothing is kept.

    An alert that is known already is explained as it stands in the ledger, hold-down and all.
    Raises AlertsMalformed for the body.
    """
    now, healing = site.clock.now(), Healing(site)
    delivery = alert_receiver(site).intake.read(source, body)
    known = {each.key: site.ledger.alerts.occurrence(each.key) for each in delivery.alerts}
    world = healing.world.gathered(now)
    found = []
    for number, alert in enumerate(delivery.alerts, 1):
        there = known[alert.key] or _fresh(alert, number, now)
        explanation = explain(there, healing.rules, world, healing.policy, now)
        found.append(Told(alert=alert, explanation=explanation))
    return tuple(found)


def _fresh(alert: Alert, number: int, now: datetime) -> Occurrence:
    resolved = now if alert.signal is Signal.RESOLVED else None
    return Occurrence(
        key=alert.key, number=number, alert=alert, received_at=now, due=now, resolved_at=resolved
    )
