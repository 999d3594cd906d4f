# SPDX-License-Identifier: GPL-3.0-or-later
"""Incidents and alerts in a real ledger, as deciding about alerts leaves them there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count

from storewarden.adapters.ledger.sql import SqlLedger
from storewarden.domain.healing.alert import Alert, Delivery, Signal
from storewarden.domain.healing.events import AlertEvent, Decided, Moved
from storewarden.domain.healing.incident import IncidentEvent, Needs, Opened, Solved
from storewarden.domain.healing.record import (
    Decision,
    End,
    HostEnd,
    Occurrence,
    Reason,
    Repair,
    Stage,
    Verdict,
)
from storewarden.domain.healing.rule import Impact, Kind
from storewarden.ports.healing import Numbers, Settled

_COUNT = count(1)
RULE = "till service down"


def arrived(ledger: SqlLedger, host: str, at: datetime, name: str = "PosDown") -> str:
    """An alert of a host that has just come; its key."""
    alert = Alert(
        source="shop",
        fingerprint=f"{name}/{host}/{next(_COUNT)}",
        starts_at=at,
        signal=Signal.FIRING,
        name=name,
        labels={"alertname": name, "host": host},
    )
    return ledger.alerts.receive(Delivery(source="shop", alerts=(alert,)), at).new[0]


def asked(ledger: SqlLedger, host: str, now: datetime) -> str:
    """An alert about which a person is asked for half an hour; its key."""
    key = arrived(ledger, host, now)
    reason = Reason(
        guard="mode", en="action service is in mode approve", zh="动作 service 为审批模式"
    )
    decision = Decision(
        verdict=Verdict.ASK,
        at=now,
        rule=RULE,
        action="service",
        hosts=(host,),
        reasons=(reason,),
        due=now + timedelta(minutes=30),
    )
    event = AlertEvent(key=key, at=now, what=Decided(decision=decision))
    ledger.alerts.amend((key,), lambda _there, _numbers: Settled(events=(event,)))
    return key


def repaired(ledger: SqlLedger, host: str, began: datetime, *ends: tuple[End, Stage]) -> list[str]:
    """Alerts of a host that were repaired, each with such an end; their keys."""
    return [_repaired(ledger, host, began, end, stage) for end, stage in ends]


def incident(ledger: SqlLedger, began: datetime, **more: object) -> str:
    """An incident of a till whose service is down since ``began``; its number."""
    opened = Opened(
        number="",
        name="rule:till service down@pos01.000101",
        rule=RULE,
        kind=Kind.DOWN,
        priority=Impact.HIGH,
        began_at=began,
        hosts=("pos01.000101",),
        items=("POS-0101-01",),
        dependents=("SHOP-0101",),
        summary=Reason(guard="standing-change", en="no standing change", zh="没有标准变更"),
        needs=Needs.PERSON,
    )
    opened = replace(opened, **more)  # type: ignore[arg-type]
    made: list[str] = []

    def decide(_there: Mapping[str, Occurrence], numbers: Numbers) -> Settled:
        number = numbers.incident()
        made.append(number)
        what = replace(opened, number=number)
        return Settled(incidents=(IncidentEvent(number=number, at=began, what=what),))

    ledger.alerts.amend((), decide)
    return made[-1]


def verified(ledger: SqlLedger, number: str, at: datetime) -> None:
    """The repair of an incident was seen to be well."""
    what = Solved(verified=True, how="its alert is quiet", how_zh="告警已恢复")
    event = IncidentEvent(number=number, at=at, what=what)
    ledger.incidents.amend(number, lambda _there: (event,))


def _repaired(ledger: SqlLedger, host: str, began: datetime, end: End, stage: Stage) -> str:
    key, now = arrived(ledger, host, began), began + timedelta(minutes=1)
    decision = Decision(verdict=Verdict.ACT, at=now, rule=RULE, action="service", hosts=(host,))

    def decide(_there: Mapping[str, Occurrence], numbers: Numbers) -> Settled:
        ident = numbers("GMBG-20260601-001")
        repair = Repair(
            id=ident,
            change="GMBG-20260601-001",
            action="service",
            rule=RULE,
            hosts=(host,),
            occurrences=(key,),
            opened_at=now,
        )
        event = AlertEvent(key=key, at=now, what=Decided(decision=decision, repair=ident))
        return Settled(events=(event,), repairs=(repair,))

    ident = ledger.alerts.amend((key,), decide).repairs[0].id
    ledger.alerts.begin_repair(ident, "controller", now)
    later = now + timedelta(minutes=1)
    moves = [Moved(stage=Stage.VERIFYING, reason="repaired", due=later)]
    moves += [Moved(stage=stage, reason="seen")]
    if end is not End.REPAIRED and end is not End.HEALTHY:
        moves = moves[1:]
    events = tuple(AlertEvent(key=key, at=later, what=each) for each in moves)
    ledger.alerts.end_repair(
        ident, (HostEnd(host=host, end=end),), later, lambda _there, _n: Settled(events=events)
    )
    return key
