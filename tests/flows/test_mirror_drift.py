# SPDX-License-Identifier: GPL-3.0-or-later
"""Drift tickets in a ticket system: one each, whatever is away meanwhile, closed with their end."""

from __future__ import annotations

from storewarden.domain.baseline.drift_ticket import DriftTicket
from storewarden.testing.conformance_drift import drift_ticket, ended
from tests.flows.duty_scene import CHANNEL, Scene


def _open(scene: Scene, host: str = "pos1") -> DriftTicket:
    (opened,) = scene.ledger.drift_tickets.settle([drift_ticket(host, value="8")], [])
    return opened


def test_a_drift_ticket_is_a_ticket_of_its_own() -> None:
    scene = Scene()
    change, drift = scene.open(), _open(scene)
    scene.run()
    (ticket,) = scene.tickets.tickets(drift.number)
    kept = scene.tickets.kept[ticket]
    assert scene.tickets.tickets(change) != [ticket]
    assert kept.title == f"{drift.number} pos1: A01 user length"
    assert "due: 2026-03-10" in kept.body
    assert 'observed: "8"' in kept.body
    assert kept.fields == {
        "kind": "drift",
        "risk": "high",
        "requester": "storewarden",
        "hosts": "pos1",
    }
    known = scene.ledger.drift_tickets.ticket(drift.number)
    assert known is not None
    assert known.tickets == {"memory": ticket}
    assert len(scene.texts(drift.number)) == 1  # that it was mirrored is no news there


def test_its_end_closes_it() -> None:
    scene = Scene()
    drift = _open(scene)
    scene.run()
    scene.ledger.drift_tickets.settle([], [ended(drift)])
    scene.run()
    (ticket,) = scene.tickets.tickets(drift.number)
    kept = scene.tickets.kept[ticket]
    assert not kept.open
    assert kept.resolution == "the control passes (a2)"
    assert "closed\nbecause: the control passes\nby: a2" in scene.texts(drift.number)[-1]


def test_an_outage_loses_nothing_and_doubles_nothing() -> None:
    """Opened and closed while the system was away; and a controller that was killed meanwhile."""
    scene = Scene()
    with scene.tickets.faults.down():
        first, second = _open(scene, "pos1"), _open(scene, "pos2")
        scene.run(1)
        scene.ledger.drift_tickets.settle([], [ended(first)])
        scene.run(10)
        assert scene.tickets.kept == {}
    scene.restart()
    scene.run(10)
    assert {kept.run_id: kept.open for kept in scene.tickets.kept.values()} == {
        first.number: False,
        second.number: True,
    }
    scene.restart()
    scene.run(10)
    assert len(scene.tickets.kept) == 2
    assert len(scene.texts(first.number)) == 2
    assert scene.ledger.outbox.due(CHANNEL, scene.clock.now()) == ()


def test_chinese_tickets_are_chinese() -> None:
    scene = Scene(language="zh")
    drift = _open(scene)
    scene.ledger.drift_tickets.settle([], [ended(drift)])
    scene.run()
    (ticket,) = scene.tickets.tickets(drift.number)
    kept = scene.tickets.kept[ticket]
    assert kept.title == f"{drift.number} pos1: A01 用户口令长度"
    assert "严重程度: 高" in kept.body
    assert kept.resolution == "该检查项已通过 (a2)"
