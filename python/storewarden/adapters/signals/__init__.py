# SPDX-License-Identifier: GPL-3.0-or-later
"""Gates, found by their names, and all of a wave's gates asked at once.

A gate is one module of this folder with ``Settings`` (frozen, with ``read(values, where)``),
``fetch(settings, scope, reach)``, ``judge(signal, settings, scope)`` and ``NEEDS``; the module's
name is the gate's kind. Ours take all but ``fetch`` from ``domain.gates``, which is pure. Other
distributions add gates by entry points of the group ``storewarden.gates`` that name such a
module.

Whatever goes wrong on the way is no evidence: a server that is away, a fetcher that hangs or
breaks, a judge that breaks. All of it holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from fractions import Fraction
from functools import partial
from importlib.metadata import EntryPoint
from typing import Any

from storewarden.adapters.extensions import Extension, Family
from storewarden.adapters.signals.abreast import abreast
from storewarden.domain.errors import ConfigInvalid, StorewardenError
from storewarden.domain.gates import combine
from storewarden.domain.gates.scope import Need, Signal, WaveScope
from storewarden.domain.gates.verdict import Outcome, Verdict
from storewarden.domain.rollout.spec import GateSpec
from storewarden.ports.signals import COVERAGE, WITHIN, Reach


@dataclass(frozen=True, slots=True, kw_only=True)
class GateKind(Extension):
    """One kind of gate."""

    @property
    def needs(self) -> tuple[Need, ...]:
        """Where its evidence may come from."""
        return tuple(self.load().NEEDS)


_KINDS = Family(
    kind=GateKind,
    folder=__name__,
    group="storewarden.gates",
    parts=("Settings", "fetch", "judge", "NEEDS"),
    one="gate",
    many="gates",
    unknown="no gate of that kind",
    guide="docs/developers/add-a-gate.md",
)


def gate_kinds(others: Iterable[EntryPoint] | None = None) -> Mapping[str, GateKind]:
    """Every kind of gate by name. ``others``: entry points; by default the installed ones.

    Raises ConfigInvalid for two of one name.
    """
    return _KINDS.found(others)


@dataclass(frozen=True, slots=True)
class _Gate:
    """A gate of a rollout, its settings read."""

    spec: GateSpec
    module: Any
    settings: Any

    @property
    def comparisons(self) -> int:
        """How many comparisons it makes at one look."""
        return int(getattr(self.settings, "comparisons", 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteGates:
    """The gates of a site; ``others`` are entry points, by default the installed ones."""

    reach: Reach
    others: tuple[EntryPoint, ...] | None = field(default=None, repr=False)

    def check(self, gates: Sequence[GateSpec]) -> None:
        """Raises ConfigInvalid, naming gate and key, for what cannot be asked; asks nothing."""
        kinds, known = gate_kinds(self.others), set[str]()
        for spec in gates:
            if spec.name in known or spec.name == combine.COVERAGE:
                taken = "two gates have this name" if spec.name in known else "is taken"
                raise ConfigInvalid(taken, where=f"gates.{spec.name}", hint="give it another name")
            known.add(spec.name)
            _read(spec, kinds)

    def ask(
        self,
        gates: Sequence[GateSpec],
        scope: WaveScope,
        *,
        within: timedelta = WITHIN,
        coverage: Fraction = COVERAGE,
    ) -> tuple[Verdict, ...]:
        """Coverage and one verdict per gate. Never raises for what anybody else does."""
        ready, verdicts = self._ready(gates)
        scope = replace(scope, metrics=max(1, sum(each.comparisons for each in ready)))
        signals = abreast([partial(_fetched, each, scope, self.reach) for each in ready], within)
        for gate, signal in zip(ready, signals, strict=True):
            late = f"did not answer within {within.total_seconds():g} s"
            heard = signal or Signal(gate=gate.spec.name, at=scope.now, problem=late)
            verdicts[gate.spec.name] = _judged(gate, heard, scope)
        ordered = [verdicts[spec.name] for spec in gates]
        return combine.combine(ordered, scope, combine.Exposure(share=coverage)).verdicts

    def _ready(self, gates: Sequence[GateSpec]) -> tuple[list[_Gate], dict[str, Verdict]]:
        """Gates that can be asked, and verdicts on those that cannot: settings may have been good
        when the rollout was planned, and their extension gone since."""
        ready, verdicts = list[_Gate](), dict[str, Verdict]()
        try:
            kinds = gate_kinds(self.others)
        except StorewardenError as error:
            return [], {spec.name: _broken(spec.name, str(error)) for spec in gates}
        for spec in gates:
            try:
                ready.append(_read(spec, kinds))
            except StorewardenError as error:
                verdicts[spec.name] = _broken(spec.name, str(error))
            except Exception as error:  # noqa: BLE001 - somebody else's module; it holds
                verdicts[spec.name] = _broken(spec.name, _crash("its settings", error))
        return ready, verdicts


def _read(spec: GateSpec, kinds: Mapping[str, GateKind]) -> _Gate:
    where = f"gates.{spec.name}"
    if spec.kind not in kinds:
        raise ConfigInvalid(
            f"no gate of the kind {spec.kind!r}", where=where, hint=f"known: {', '.join(kinds)}"
        )
    module = kinds[spec.kind].load()
    return _Gate(spec, module, module.Settings.read(spec.settings, where))


def _fetched(gate: _Gate, scope: WaveScope, reach: Reach) -> Signal:
    name = gate.spec.name
    try:
        data = gate.module.fetch(gate.settings, scope, reach)
    except StorewardenError as error:
        return Signal(gate=name, at=scope.now, problem=str(error))
    except Exception as error:  # noqa: BLE001 - a fetcher that breaks brings no evidence
        return Signal(gate=name, at=scope.now, problem=_crash("its fetcher", error))
    if not isinstance(data, Mapping):
        return Signal(gate=name, at=scope.now, problem="its fetcher brought no data")
    return Signal(gate=name, at=scope.now, data=data)


def _judged(gate: _Gate, signal: Signal, scope: WaveScope) -> Verdict:
    try:
        verdict = gate.module.judge(signal, gate.settings, scope)
    except Exception as error:  # noqa: BLE001 - a judge that breaks gives no verdict
        return _broken(gate.spec.name, _crash("its judge", error))
    if not isinstance(verdict, Verdict):
        return _broken(gate.spec.name, "its judge gave no verdict")
    return replace(verdict, gate=gate.spec.name)


def _crash(part: str, error: Exception) -> str:
    """Of a foreign exception only its kind: its text may hold anything."""
    return f"{part} broke: {type(error).__name__}"


def _broken(name: str, why: str) -> Verdict:
    return Verdict(
        gate=name,
        outcome=Outcome.HOLD,
        reason=f"no evidence: {why}",
        reason_zh=f"无法取得证据：{why}",
        evidence={"problem": why},
    )
