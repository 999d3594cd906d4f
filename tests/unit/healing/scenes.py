# SPDX-License-Identifier: GPL-3.0-or-later
"""A chain of stores in which alerts are told, in a few words; all of it the real parts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from storewarden.domain.capacity.groups import groups_of, members_of
from storewarden.domain.change.record import Risk
from storewarden.domain.estate.device import Device
from storewarden.domain.healing.action import HealAction
from storewarden.domain.healing.alert import Alert, Signal
from storewarden.domain.healing.decide import Decisions, decide
from storewarden.domain.healing.history import PastRepair, history_of
from storewarden.domain.healing.matcher import parse_matchers
from storewarden.domain.healing.policy import HealPolicy
from storewarden.domain.healing.record import Decision, Occurrence, Reason, Stage, Verdict
from storewarden.domain.healing.rule import Impact, Mode, Rule
from storewarden.domain.healing.target import Target
from storewarden.domain.healing.world import Standing, World
from storewarden.domain.maintenance.grounds import OperationClass

NOON = datetime(2026, 6, 1, 4, 0, tzinfo=UTC)
"""12:00 in Shanghai, a Monday."""

NIGHT = datetime(2026, 6, 1, 18, 0, tzinfo=UTC)
"""02:00 in Shanghai."""

SERVICE = HealAction(
    name="service",
    risk=Risk.LOW,
    operation=OperationClass.SERVICE_RECOVERY,
    disruptive=False,
    idempotent=True,
    options={"unit": True},
    may_become=(OperationClass.SERVICE_RESTART,),
)
LINK = HealAction(
    name="link",
    risk=Risk.MEDIUM,
    operation=OperationClass.NETWORK_RESTART,
    disruptive=True,
)
ACTIONS = {each.name: each for each in (SERVICE, LINK)}
TRUSTED = Standing(mode=Mode.AUTO, runs=20, verified=20, change="GMBG-20260101-001")
POLICY = HealPolicy(hold_down=timedelta(0))
"""The defaults, but without the minute of hold-down, which has its own tests."""


def minutes(count: float) -> timedelta:
    """So many minutes."""
    return timedelta(minutes=count)


def device(name: str, store: str = "", role: str = "pos", **more: Any) -> Device:
    """A device of a store in Shanghai."""
    given = {"region": "east", "ci": f"CI-{name}", "tz": "Asia/Shanghai", **more}
    return Device(name=name, store=store, role=role, **given)


def chain(stores: int = 4, tills: int = 6) -> list[Device]:
    """Stores "001", "002", ... with tills "pos-001-1", ... and one server each."""
    found = []
    for number in range(1, stores + 1):
        store = f"{number:03}"
        found += [device(f"pos-{store}-{till}", store) for till in range(1, tills + 1)]
        found.append(device(f"srv-{store}", store, "server"))
    return found


def world(devices: Iterable[Device] | None = None, **facts: Any) -> World:
    """A world in which everything is allowed, changed by ``facts``; ``past`` are PastRepairs."""
    known = list(chain() if devices is None else devices)
    groups = {each.name: groups_of(each) for each in known}
    past = facts.pop("past", ())
    given: dict[str, Any] = {
        "devices": {each.name: each for each in known},
        "groups": groups,
        "members": members_of(groups),
        "actions": ACTIONS,
        "standings": dict.fromkeys(ACTIONS, TRUSTED),
        "history": history_of(past),
        **facts,
    }
    return World(**given)


def rule(name: str = "pos-down", action: str = "service", **more: Any) -> Rule:
    """A rule for alerts of a name that is the rule's own, aimed at the label host."""
    matchers = more.pop("matchers", f'alertname="{name}"')
    return Rule(
        name=name,
        action=action,
        matchers=parse_matchers(matchers),
        target=more.pop("target", Target(template="{host}")),
        **more,
    )


POS = rule()
UPLINK = rule("uplink-down", "link", impact=Impact.HIGH)
RULES = (POS, UPLINK)


def alert(
    host: str = "pos-001-1", name: str = "pos-down", at: datetime = NOON, **labels: str
) -> Alert:
    """A firing alert of a host."""
    told: Mapping[str, str] = {"alertname": name, "host": host, **labels}
    return Alert(
        source="prometheus",
        fingerprint=f"{name}/{host}/{sorted(labels.items())}",
        starts_at=at,
        signal=Signal.FIRING,
        name=name,
        labels=told,
    )


def heard(
    host: str = "pos-001-1", name: str = "pos-down", at: datetime = NOON, **more: Any
) -> Occurrence:
    """An occurrence that was heard of at ``at``, and nothing was decided about."""
    labels = more.pop("labels", {})
    told = more.pop("alert", None) or alert(host, name, more.pop("began", at), **labels)
    given = {"number": 1, "received_at": at, "due": at, **more}
    return Occurrence(key=told.key, alert=told, **given)


def asked(occurrence: Occurrence, due: datetime, incident: str = "") -> Occurrence:
    """The same, when a person was asked until ``due``."""
    decision = Decision(
        verdict=Verdict.ASK,
        at=occurrence.received_at,
        rule="pos-down",
        reasons=(Reason(guard="mode", en="asked", zh="已询问"),),
        due=due,
        incident=incident,
    )
    return replace(occurrence, stage=Stage.ASKING, decision=decision, due=due)


def granted(occurrence: Occurrence, until: datetime) -> Occurrence:
    """The same, when a person said yes."""
    return replace(
        asked(occurrence, until), granted="wang", granted_until=until, due=occurrence.due
    )


def repaired(
    host: str, at: datetime, *, verified: bool | None = True, action: str = "service"
) -> PastRepair:
    """A repair that began at ``at`` and took a minute."""
    return PastRepair(
        host=host,
        action=action,
        rule="pos-down",
        at=at,
        ended_at=at + minutes(1),
        verified=verified,
    )


def decided(
    *occurrences: Occurrence,
    there: World | None = None,
    now: datetime = NOON,
    rules: tuple[Rule, ...] = RULES,
    policy: HealPolicy = POLICY,
) -> Decisions:
    """What is decided about them."""
    return decide(occurrences, rules, there or world(), policy, now)


def only(occurrence: Occurrence, **more: Any) -> Decision:
    """What is decided about one alone."""
    return decided(occurrence, **more).decisions[occurrence.key]


def guards(decision: Decision) -> list[str]:
    """Who said something about it, the weightiest first."""
    return [each.guard for each in decision.reasons]
