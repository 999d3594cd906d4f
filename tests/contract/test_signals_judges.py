# SPDX-License-Identifier: GPL-3.0-or-later
"""The outside judge, gates of other distributions, and all gates of a wave together."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from fractions import Fraction
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from storewarden.adapters.signals import SiteGates, gate_kinds
from storewarden.domain.errors import ConfigInvalid
from storewarden.domain.gates.verdict import Outcome, Verdict
from storewarden.domain.rollout.spec import GateSpec
from storewarden.ports.signals import Need, Reach
from storewarden.testing.loopback import Answer, LoopbackService, Mishap, Request
from storewarden.testing.secrets import MemorySecrets
from tests.unit.gates.scene import wave

REACH = Reach(secrets=MemorySecrets({"env:T": "judge-token-0123456789"}))


class Judge(LoopbackService[dict[str, Any]]):
    """An outside judge."""

    def handle(self, request: Request) -> Answer:
        return Answer(body=dict(self.state))


@pytest.fixture
def judge() -> Iterator[Judge]:
    with Judge({"verdict": "pass", "reason": "sales are as usual", "reason_zh": "销售正常"}) as up:
        yield up


def _ask(judge: Judge, **settings: Any) -> Verdict:
    values = {"url": f"{judge.url}/judge", "token": "env:T", "tell": {"team": "pos"}, **settings}
    spec = GateSpec(kind="http", name="outside", settings=values)
    SiteGates(reach=REACH).check([spec])
    return SiteGates(reach=REACH).ask([spec], wave(3, first_wave=True))[1]


def test_the_judge_is_told_the_wave_and_taken_at_its_word(judge: Judge) -> None:
    verdict = _ask(judge)
    assert verdict.outcome is Outcome.PASS
    assert verdict.reason.startswith("the outside judge: sales are as usual")
    assert verdict.reason_zh.startswith("外部裁决：销售正常")
    (sent,) = judge.sent("POST", "/judge")
    told = sent.data
    scope = wave(3)
    assert told["stores"] == list(scope.stores)
    assert told["first_wave"] is True
    assert told["tell"] == {"team": "pos"}
    assert told["hosts"][0] == {  # type: ignore[index]
        "name": "pos.000101", "store": "000101", "stratum": "pos", "verified": True,
    }  # fmt: skip
    assert "127.0.0.1" not in sent.body.decode()
    assert sent.headers["authorization"] == "Bearer judge-token-0123456789"


def test_it_may_hold_and_fail(judge: Judge) -> None:
    judge.state = {"verdict": "fail", "reason": "refunds doubled"}
    assert _ask(judge).outcome is Outcome.FAIL
    judge.state = {"verdict": "hold", "reason": "wait for the day's end"}
    assert _ask(judge).outcome is Outcome.HOLD


@pytest.mark.parametrize("kind", [Mishap.BUSY, Mishap.BROKEN, Mishap.LOST, Mishap.PAGE,
                                  Mishap.EXPIRED, Mishap.SLOW])  # fmt: skip
def test_anything_else_holds(judge: Judge, kind: Mishap) -> None:
    judge.delay = 2.0
    judge.suffer(kind)
    verdict = _ask(judge, timeout="0.5s" if kind is Mishap.SLOW else "60s")
    assert verdict.outcome is Outcome.HOLD
    assert "judge-token" not in repr(verdict)


@pytest.mark.parametrize(
    "said", [{}, {"verdict": "ok", "reason": "x"}, {"verdict": "pass"}, {"verdict": ["pass"]}]
)
def test_a_word_that_is_no_verdict_holds(judge: Judge, said: dict[str, Any]) -> None:
    judge.state = said
    assert _ask(judge).outcome is Outcome.HOLD


def test_ours_are_found_by_their_files() -> None:
    kinds = gate_kinds([])
    assert set(kinds) == {"approval", "http", "logs", "probe", "prometheus", "volume"}
    assert kinds["approval"].needs == (Need.ORDERS,)
    for kind in kinds.values():
        assert kind.origin == "storewarden"


_THEIRS = """
import time
from collections.abc import Mapping
from storewarden.domain.gates.verdict import Outcome, Verdict
NEEDS = ()
class Settings:
    @classmethod
    def read(cls, values: Mapping[str, object], where: str) -> "Settings":
        made = cls()
        made.values = dict(values)
        made.comparisons = made.values.get("compared", 0)
        return made
def fetch(settings, scope, reach):
    if settings.values.get("fetch") == "breaks":
        raise RuntimeError("a secret in a text")
    if settings.values.get("fetch") == "hangs":
        time.sleep(60)
    return None if settings.values.get("fetch") == "nothing" else {"fine": True}
def judge(signal, settings, scope):
    if settings.values.get("judge") == "breaks":
        raise ZeroDivisionError
    if settings.values.get("judge") == "nothing":
        return None
    outcome = Outcome.PASS if signal.data.get("fine") and not signal.problem else Outcome.HOLD
    return Verdict(gate="whatever", outcome=outcome, reason="so it is", reason_zh="如此",
                   evidence={"shared": scope.metrics * scope.looks})
"""


@pytest.fixture
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EntryPoint:
    (tmp_path / "moon_gate.py").write_text(_THEIRS)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "moon_gate", raising=False)
    return EntryPoint(name="moon", value="moon_gate", group="storewarden.gates")


def _moon(theirs: EntryPoint, **settings: Any) -> Verdict:
    gates = SiteGates(reach=REACH, others=(theirs,))
    spec = GateSpec(kind="moon", name="tonight", settings=settings)
    return gates.ask([spec], wave(3), within=timedelta(seconds=60))[1]


def test_a_gate_of_another_distribution_works(theirs: EntryPoint) -> None:
    verdict = _moon(theirs)
    assert (verdict.gate, verdict.outcome) == ("tonight", Outcome.PASS)
    assert "0 of 3 stores bad: up to 63 %" in verdict.reason


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"fetch": "breaks"}, "so it is"),
        ({"fetch": "nothing"}, "so it is"),
        ({"judge": "breaks"}, "its judge broke: ZeroDivisionError"),
        ({"judge": "nothing"}, "its judge gave no verdict"),
    ],
)
def test_one_that_breaks_holds(theirs: EntryPoint, settings: dict[str, Any], said: str) -> None:
    verdict = _moon(theirs, **settings)
    assert verdict.outcome is Outcome.HOLD
    assert said in verdict.reason
    assert "a secret in a text" not in repr(verdict)


def test_one_that_hangs_is_left_behind_and_holds(theirs: EntryPoint) -> None:
    spec = GateSpec(kind="moon", name="tonight", settings={"fetch": "hangs"})
    other = GateSpec(kind="volume", name="trade", settings={"open": "1h"})
    gates = SiteGates(reach=REACH, others=(theirs,))
    verdicts = gates.ask([spec, other], wave(3), within=timedelta(seconds=4))
    assert [(each.gate, each.outcome) for each in verdicts] == [
        ("coverage", Outcome.PASS), ("tonight", Outcome.HOLD), ("trade", Outcome.PASS),
    ]  # fmt: skip
    assert all(thread.daemon for thread in threading.enumerate() if "gate-" in thread.name)


def test_an_extension_that_is_gone_holds(theirs: EntryPoint) -> None:
    spec = GateSpec(kind="moon", name="tonight", settings={})
    verdict = SiteGates(reach=REACH, others=()).ask([spec], wave(3))[1]
    assert verdict.outcome is Outcome.HOLD
    assert "no gate of the kind 'moon'" in verdict.reason


def test_two_of_one_name_are_an_error_and_hold(theirs: EntryPoint) -> None:
    twin = EntryPoint(name="http", value="moon_gate", group="storewarden.gates")
    gates = SiteGates(reach=REACH, others=(twin,))
    spec = GateSpec(kind="http", name="outside", settings={"url": "https://judge.example"})
    with pytest.raises(ConfigInvalid, match="two gates are called http"):
        gates.check([spec])
    assert gates.ask([spec], wave(3))[1].outcome is Outcome.HOLD


@pytest.mark.parametrize(
    ("specs", "said"),
    [
        ([("moon", "a", {})], "gates.a: no gate of the kind 'moon' (known: approval, http"),
        ([("volume", "a", {}), ("volume", "a", {})], "gates.a: two gates have this name"),
        ([("volume", "coverage", {})], "gates.coverage: is taken"),
        ([("volume", "trade", {"opne": "1h"})], "gates.trade.opne: unknown key (did you mean open"),
    ],
)
def test_gates_are_checked_before_a_rollout_begins(specs: list[Any], said: str) -> None:
    gates = [GateSpec(kind=kind, name=name, settings=values) for kind, name, values in specs]
    with pytest.raises(ConfigInvalid) as caught:
        SiteGates(reach=REACH, others=()).check(gates)
    assert str(caught.value).startswith(said)


def test_coverage_comes_first_and_its_share_is_the_rollouts() -> None:
    scope = wave(5, verified=frozenset(wave(5).hosts[:6]))
    gates = SiteGates(reach=REACH)
    assert gates.ask([], scope)[0].outcome is Outcome.HOLD
    assert gates.ask([], scope, coverage=Fraction(1, 2))[0].outcome is Outcome.PASS


def test_all_comparisons_of_a_wave_share_one_error(theirs: EntryPoint) -> None:
    """Two gates with two comparisons each, three looks: twelve in all."""
    specs = [GateSpec(kind="moon", name=name, settings={"compared": 2}) for name in ("a", "b")]
    gates = SiteGates(reach=REACH, others=(theirs,))
    verdicts = gates.ask(specs, wave(6, looks=3))[1:]
    assert [each.evidence["shared"] for each in verdicts] == [12, 12]
