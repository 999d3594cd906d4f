# SPDX-License-Identifier: GPL-3.0-or-later
"""What every gate promises, as tests.

Inherit from ``GateConformance`` in a pytest module and give two fixtures: ``gate``, the module
with ``Settings``, ``judge`` and ``NEEDS``, and ``case``, a ``GateCase``: settings, and evidence
with which it passes.
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from storewarden.domain.errors import ConfigInvalid
from storewarden.domain.gates.scope import Need, Signal, WaveScope
from storewarden.domain.gates.verdict import Outcome, Verdict

_NO_NUMBERS: tuple[object, ...] = (math.nan, math.inf, -math.inf, None, "", "NaN", [], {})
_LARGEST = 8 * 1024  # bytes of evidence; it ends in the journal
_LONGEST = 600  # characters of a reason
_NAME = "the-gate"


class GateModule(Protocol):
    """The parts of a gate that judge."""

    NEEDS: Sequence[Need]
    Settings: Any

    def judge(self, signal: Signal, settings: Any, scope: WaveScope) -> Verdict:
        """The verdict."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class GateCase:
    """``good`` is data with which the gate passes, ``worsening`` data that is worse each time.

    ``fails`` says that the last of them fails (a gate that counts what was seen only ever holds).
    ``beside`` are keys, at any depth, that are no evidence by themselves: names, texts for people,
    values of which enough others exist.
    """

    settings: Mapping[str, object]
    scope: WaveScope
    good: Mapping[str, object]
    worsening: tuple[Mapping[str, object], ...]
    fails: bool = True
    beside: frozenset[str] = frozenset()


class GateConformance:
    """The suite."""

    def test_good_evidence_passes(self, gate: GateModule, case: GateCase) -> None:
        """Else the rest of this suite would prove nothing."""
        assert _asked(gate, case, case.good).outcome is Outcome.PASS

    def test_a_signal_that_could_not_be_had_holds(self, gate: GateModule, case: GateCase) -> None:
        """The server was away; whatever data there is does not count."""
        for data in ({}, case.good):
            verdict = _asked(gate, case, data, problem="the server is away")
            assert verdict.outcome is Outcome.HOLD
            assert "the server is away" in verdict.reason

    def test_no_evidence_never_passes(self, gate: GateModule, case: GateCase) -> None:
        """An empty answer is not a good one."""
        assert _asked(gate, case, {}).outcome is not Outcome.PASS

    def test_what_is_left_out_never_passes(self, gate: GateModule, case: GateCase) -> None:
        """Every key, every entry of a list, every list as a whole, one at a time."""
        passed = [
            path
            for path, data in _without_each(case)
            if _asked(gate, case, data).outcome is Outcome.PASS
        ]
        assert passed == []

    def test_what_is_no_number_never_passes(self, gate: GateModule, case: GateCase) -> None:
        """NaN, infinity, nothing and texts in the place of every number and truth value."""
        passed = [
            (path, bad)
            for bad in _NO_NUMBERS
            for path, data in _with_each(case, bad)
            if _asked(gate, case, data).outcome is Outcome.PASS
        ]
        assert passed == []

    def test_worse_data_never_turns_a_failure_into_a_pass(
        self, gate: GateModule, case: GateCase
    ) -> None:
        """And the worst of it fails, or at least does not pass."""
        outcomes = [_asked(gate, case, data).outcome for data in case.worsening]
        assert outcomes, "a case needs data that gets worse"
        first = next((n for n, each in enumerate(outcomes) if each is Outcome.FAIL), len(outcomes))
        assert Outcome.PASS not in outcomes[first:]
        assert outcomes[-1] is (Outcome.FAIL if case.fails else Outcome.HOLD)

    def test_every_verdict_has_its_reason_in_both_languages(
        self, gate: GateModule, case: GateCase
    ) -> None:
        """One line each; the evidence is data that a journal can keep."""
        for data in (case.good, *case.worsening, *(d for _, d in _without_each(case)), {}):
            verdict = _asked(gate, case, data)
            assert verdict.gate == _NAME
            for text in (verdict.reason, verdict.reason_zh):
                assert text.strip()
                assert "\n" not in text
                assert len(text) <= _LONGEST
            assert any("\u4e00" <= each <= "\u9fff" for each in verdict.reason_zh)
            kept = json.dumps(dict(verdict.evidence), allow_nan=False)
            assert len(kept.encode()) <= _LARGEST

    def test_settings_are_strict(self, gate: GateModule, case: GateCase) -> None:
        """A key that nobody knows, and anything of a wrong type, is one line with gate and key."""
        strange = {key: {**case.settings, key: object()} for key in case.settings}
        for key, values in {"surprise": {**case.settings, "surprise": 1}, **strange}.items():
            line = _refusal(gate, values)
            assert line.startswith(f"gates.{_NAME}.{key}"), line
            assert "\n" not in line

    def test_it_says_where_its_evidence_comes_from(self, gate: GateModule) -> None:
        """So that a plan can show it."""
        assert all(isinstance(each, Need) for each in gate.NEEDS)


def _asked(
    gate: GateModule, case: GateCase, data: Mapping[str, object], *, problem: str = ""
) -> Verdict:
    settings = gate.Settings.read(case.settings, f"gates.{_NAME}")
    signal = Signal(gate=_NAME, at=case.scope.now, data=copy.deepcopy(data), problem=problem)
    verdict = gate.judge(signal, settings, case.scope)
    assert isinstance(verdict, Verdict)
    return verdict


def _refusal(gate: GateModule, values: Mapping[str, object]) -> str:
    try:
        gate.Settings.read(values, f"gates.{_NAME}")
    except ConfigInvalid as error:
        return str(error)
    raise AssertionError(f"these settings were taken: {sorted(values)}")


type _Path = tuple[str | int, ...]


def _without_each(case: GateCase) -> Iterator[tuple[_Path, dict[str, Any]]]:
    """The good data without one of its parts, and with one of its lists or mappings emptied."""
    for path, value in _parts(case.good, case.beside):
        data = copy.deepcopy(dict(case.good))
        del _holder(data, path)[path[-1]]
        yield path, data
        if isinstance(value, (Mapping, list)) and value:
            data = copy.deepcopy(dict(case.good))
            _holder(data, path)[path[-1]] = type(value)()
            yield path, data


def _with_each(case: GateCase, bad: object) -> Iterator[tuple[_Path, dict[str, Any]]]:
    """The good data with something else in the place of one number or truth value."""
    for path, value in _parts(case.good, case.beside):
        if isinstance(value, (bool, int, float)):
            data = copy.deepcopy(dict(case.good))
            _holder(data, path)[path[-1]] = bad
            yield path, data


def _parts(data: object, beside: frozenset[str], path: _Path = ()) -> Iterator[tuple[_Path, Any]]:
    entries: Sequence[tuple[str | int, object]] = ()
    if isinstance(data, Mapping):
        entries = [(key, value) for key, value in data.items() if key not in beside]
    elif isinstance(data, list):
        entries = list(enumerate(data))
    for key, value in entries:
        yield (*path, key), value
        yield from _parts(value, beside, (*path, key))


def _holder(data: Any, path: _Path) -> Any:
    for key in path[:-1]:
        data = data[key]
    return data
