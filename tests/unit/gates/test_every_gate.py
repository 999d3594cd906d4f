# SPDX-License-Identifier: GPL-3.0-or-later
"""What all gates promise: no evidence never passes, and worse never becomes better."""

from __future__ import annotations

import copy
from types import ModuleType
from typing import Any

import pytest

from storewarden.domain.gates import approval, http, logs, probe, prometheus, volume
from storewarden.testing.conformance_gates import GateCase, GateConformance
from tests.unit.gates.scene import FRESH, NOW, store_names, values, wave

STORES, OTHERS = store_names(6), store_names(20, first=900)
SERVER = {"url": "https://prometheus.example"}
QUERY = {**SERVER, "query": "errors", "freshness": "errors_total"}


def _changed(data: dict[str, Any], *path: str | int, to: object) -> dict[str, Any]:
    changed = copy.deepcopy(data)
    holder: Any = changed
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = to
    return changed


def _all_at(value: float) -> dict[str, float]:
    return dict.fromkeys(STORES, value)


LIMITED = {"now": _all_at(1.0), "newest": dict.fromkeys(STORES, FRESH)}
BESIDE_OTHERS = {
    **LIMITED,
    "rest": values(OTHERS, [0.5 + n / 10 for n in range(20)]),
}
OVER_WEEKS = {
    **LIMITED,
    "now": values(STORES, [90, 110, 200, 310, 95, 105]),
    "past": {store: [100 + n, 98, 103] for n, store in enumerate(STORES)},
}
PROBED = {
    "reported": {host: [{"name": "unit", "ok": True, "detail": ""}] for host in wave(1).hosts},
    "fresh": {},
}
ASKED = {
    **PROBED,
    "fresh": {host: [{"name": "till", "ok": True, "detail": ""}] for host in wave(1).hosts},
}
LOGGED = {
    "hosts": {
        host: {"now": [6, 900], "hours": 3.0, "before": [60, 7000], "before_hours": 24.0}
        for host in wave(1).hosts
    }
}
ORDERED = {
    "orders": [
        {"order": "promote", "by": "li.na", "at": NOW.isoformat(), "roles": ["ops"], "reason": "ok"}
    ]
}

CASES: dict[str, tuple[ModuleType, GateCase]] = {
    "prometheus limit": (
        prometheus,
        GateCase(
            settings={**QUERY, "max": 2.0},
            scope=wave(6),
            good=LIMITED,
            worsening=tuple({**LIMITED, "now": _all_at(v)} for v in (1.5, 2.0, 2.1, 9e99)),
        ),
    ),
    "prometheus beside other stores": (
        prometheus,
        GateCase(
            settings={**QUERY, "compare": ["rest"], "worse": "up"},
            scope=wave(6),
            good=BESIDE_OTHERS,
            worsening=tuple({**BESIDE_OTHERS, "now": _all_at(v)} for v in (1.2, 2, 2.45, 3, 1e9)),
            beside=frozenset(OTHERS),
        ),
    ),
    "prometheus beside itself": (
        prometheus,
        GateCase(
            settings={**QUERY, "compare": ["itself"], "worse": "down", "weeks": 3},
            scope=wave(6),
            good=OVER_WEEKS,
            worsening=tuple({**OVER_WEEKS, "now": _all_at(v)} for v in (98, 95, 50, 1, 0)),
            beside=frozenset(STORES),
        ),
    ),
    "probes that hosts reported": (
        probe,
        GateCase(
            settings={},
            scope=wave(1),
            good=PROBED,
            worsening=(
                _changed(PROBED, "reported", "pos.000101", to=[{"name": "unit", "ok": False}]),
                {"reported": {h: [{"name": "unit", "ok": False}] for h in wave(1).hosts}},
            ),
            beside=frozenset({"fresh", "name", "detail"}),
        ),
    ),
    "probes asked now": (
        probe,
        GateCase(
            settings={"probes": [{"name": "till", "tcp": 8443}], "allow": 0},
            scope=wave(1, first_wave=True),
            good=ASKED,
            worsening=(
                _changed(ASKED, "fresh", "pos.000101", 0, "ok", to=None),
                _changed(ASKED, "fresh", "pos.000101", 0, "ok", to=False),
                {"fresh": {h: [{"name": "till", "ok": False}] for h in wave(1).hosts}},
            ),
            beside=frozenset({"reported", "detail"}),
        ),
    ),
    "logs": (
        logs,
        GateCase(
            settings={"unit": "pos.service", "pattern": "ERROR", "times": 2.0, "max_per_hour": 60},
            scope=wave(1),
            good=LOGGED,
            worsening=tuple(
                _changed(LOGGED, "hosts", "pos.000101", "now", to=[errors, 900])
                for errors in (7, 15, 16, 181, 900)
            ),
        ),
    ),
    "volume": (
        volume,
        GateCase(
            settings={"transactions": 200, "open": "2h", "http": SERVER},
            scope=wave(3),
            good={"transactions": 250, "open_seconds": 8000.0},
            worsening=({"transactions": 199, "open_seconds": 8000.0},
                       {"transactions": 0, "open_seconds": 0}),
            fails=False,
        ),
    ),
    "approval": (
        approval,
        GateCase(
            settings={"people": ["wang.wei"], "roles": ["ops"]},
            scope=wave(3),
            good=ORDERED,
            worsening=({"orders": []},),
            fails=False,
            beside=frozenset({"reason"}),
        ),
    ),
    "an outside judge": (
        http,
        GateCase(
            settings={**SERVER, "tell": {"team": "pos"}},
            scope=wave(3),
            good={"verdict": "pass", "reason": "sales are as usual", "evidence": {"z": 0.2}},
            worsening=(
                {"verdict": "hold", "reason": "wait"},
                {"verdict": "fail", "reason": "down"},
            ),
            beside=frozenset({"evidence"}),
        ),
    ),
}  # fmt: skip


class TestEveryGate(GateConformance):
    """All of ours keep what every gate promises."""

    @pytest.fixture(params=CASES)
    def both(self, request: pytest.FixtureRequest) -> tuple[ModuleType, GateCase]:
        return CASES[request.param]

    @pytest.fixture
    def gate(self, both: tuple[ModuleType, GateCase]) -> ModuleType:
        return both[0]

    @pytest.fixture
    def case(self, both: tuple[ModuleType, GateCase]) -> GateCase:
        return both[1]


def test_the_suite_notices_a_gate_that_takes_silence_for_a_yes() -> None:
    """A gate as most of them are written."""
    careless = ModuleType("careless")
    careless.NEEDS, careless.Settings = prometheus.NEEDS, prometheus.Settings  # type: ignore[attr-defined]

    def judge(signal, settings, scope):  # type: ignore[no-untyped-def]
        found = signal.data.get("now", {})
        bad = [each for each in found.values() if isinstance(each, float) and each > 2]
        said = prometheus.Saying(gate=signal.gate)
        return said.fails("bad", "异常") if bad else said.passes("good", "正常")

    careless.judge = judge  # type: ignore[attr-defined]
    case = CASES["prometheus limit"][1]
    for name in (
        "test_a_signal_that_could_not_be_had_holds",
        "test_no_evidence_never_passes",
        "test_what_is_left_out_never_passes",
        "test_what_is_no_number_never_passes",
    ):
        with pytest.raises(AssertionError):
            getattr(GateConformance(), name)(careless, case)
