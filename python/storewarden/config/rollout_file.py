# SPDX-License-Identifier: GPL-3.0-or-later
"""Rollout files: what is rolled out, through which waves, judged by which gates.

Only ``payload`` has to be there; everything else is the payload's own, or the class's. All
mistakes are told at once, one line each with the file's line: a file is corrected once, not
once per mistake. The keys are explained in ``docs/reference/rollout-file.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from pathlib import Path
from typing import Any

from storewarden.config.marked_yaml import Place, read_marked
from storewarden.config.rollout_words import WAVES, wave
from storewarden.config.sheet import Sheet, is_data, value_is
from storewarden.domain.errors import ConfigInvalid
from storewarden.domain.rollout.secrets import secrets_in
from storewarden.domain.rollout.spec import (
    Budgets,
    GateSpec,
    PayloadClass,
    Reversibility,
    RolloutSpec,
    Soak,
    Stragglers,
    Timing,
    WaveSize,
)
from storewarden.domain.rollout.spec_defaults import REST, REST_AT_ONCE
from storewarden.ports.payloads import PayloadAbout

type AboutPayload = Callable[[str], PayloadAbout]
"""What a payload says of itself; raises ConfigInvalid when there is none."""

type CheckGate = Callable[[str, Mapping[str, object], str], None]
"""Kind, settings, and what messages call the gate; raises ConfigInvalid for what is wrong."""

_RENAMED = {"payload_class": "class"}
_KEYS = tuple(_RENAMED.get(each.name, each.name) for each in fields(RolloutSpec))
_MOST_WAVES = 50
_NO_SECRETS = "rollout files are journaled; keep it in the inventory, under ansible-vault"
_RESERVED = frozenset({"coverage"})
"""Names that verdicts of our own have."""


class RolloutFileInvalid(ConfigInvalid):
    """Everything that is wrong with a rollout file; ``mistakes`` are lines for people."""

    def __init__(self, mistakes: Sequence[str], shown: str) -> None:
        first, others = mistakes[0], len(mistakes) - 1
        super().__init__(first, hint=f"{others} more mistakes in {shown}" if others else "")
        self.mistakes = tuple(mistakes)


def read_rollout_file(
    path: Path, shown: str, about: AboutPayload, check_gate: CheckGate | None = None
) -> RolloutSpec:
    """The rollout that the file asks for, with what its payload says filled in.

    Raises ConfigInvalid for a file that is none, RolloutFileInvalid with all mistakes of one.
    """
    sheet = Sheet(content=read_marked(path, shown), shown=shown)
    found = _Reader(sheet=sheet, about=about, check_gate=check_gate).rollout()
    if sheet.mistakes or found is None:
        raise RolloutFileInvalid(sheet.told() or [f"{shown}:1: is empty"], shown)
    return found


_COUNTS = {
    "shard": (1, 50),  # a run has at most 50 hosts (design, mechanism 1)
    "lanes": (1, 10),  # guard rail: 10 runs at once
    "forks": (1, 200),
    "extensions": (0, 10),
}
_LENGTHS = ("deadline", "emergency_soak")
_LEAST_DEADLINE = timedelta(seconds=30)  # of a dead man; less would fire while a step runs


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    """Turns a sheet into a rollout; what is wrong stays on the sheet."""

    sheet: Sheet
    about: AboutPayload
    check_gate: CheckGate | None

    def rollout(self) -> RolloutSpec | None:
        keys = self.sheet.keys((), self.sheet.content.data, _KEYS)
        about = self._about(keys)
        simple = self._simple(keys)
        parts = {
            "options": self._options(keys),
            "gates": self._gates(keys),
            "budgets": self._budgets(keys),
            "stragglers": self._stragglers(keys),
        }
        soak = self._soak(keys, about.soak if about else None)
        timing = self._timing(keys, about.timing if about else Timing())
        waves = self._waves(keys, about.waves if about else ())
        if about is None:
            return None
        given = {"payload_class": about.payload_class, "reversibility": about.reversibility}
        if simple.get("payload_class", about.payload_class) is PayloadClass.CONTENT:
            # Its rest has three hours (guide 1.8), no time for sub-waves that are watched.
            waves = tuple(REST_AT_ONCE if size is REST else size for size in waves)
        return RolloutSpec(
            payload=about.name,
            locks=about.lock,
            soak=soak,
            timing=timing,
            waves=waves,
            **{**given, **simple, **parts},
        )

    def _about(self, keys: Mapping[str, Any]) -> PayloadAbout | None:
        if "payload" not in keys:
            self.sheet.wrong((), "lacks payload", "the name of what is rolled out: packages")
            return None
        name = self.sheet.text(("payload",), keys["payload"])
        if name is None:
            return None
        try:
            return self.about(name)
        except ConfigInvalid as error:
            self.sheet.wrong(("payload",), error.what, error.hint)
            return None

    def _simple(self, keys: Mapping[str, Any]) -> dict[str, Any]:
        """Keys with one value."""
        sheet = self.sheet
        found: dict[str, Any] = {}
        if "class" in keys:
            found["payload_class"] = sheet.word(("class",), keys["class"], PayloadClass)
        if "reversibility" in keys:
            where = ("reversibility",)
            found["reversibility"] = sheet.word(where, keys["reversibility"], Reversibility)
        for name in _COUNTS.keys() & keys.keys():
            found[name] = sheet.whole((name,), keys[name], _COUNTS[name])
        for name in keys.keys() & {"roles", "strata"}:
            found[name] = sheet.texts((name,), keys[name])
        for name in keys.keys() & set(_LENGTHS):
            found[name] = sheet.length((name,), keys[name])
        if "coverage" in keys:
            found["coverage"] = sheet.share(("coverage",), keys["coverage"])
        if "emergency" in keys:
            found["emergency"] = sheet.yes_no(("emergency",), keys["emergency"])
        if "salt" in keys:
            found["salt"] = sheet.text(("salt",), keys["salt"])
        deadline = found.get("deadline")
        if deadline is not None and deadline < _LEAST_DEADLINE:
            sheet.wrong(("deadline",), "must be 30s or more", "a host would undo while it works")
        return {key: value for key, value in found.items() if value is not None}

    def _options(self, keys: Mapping[str, Any]) -> dict[str, object]:
        options = keys.get("options", {})
        if not isinstance(options, Mapping):
            self.sheet.wrong(("options",), "must be keys with values")
            return {}
        for key, value in options.items():
            if not isinstance(key, str) or not key.isidentifier():
                self.sheet.wrong(("options", str(key)), "is no name of an option")
            elif not is_data(value):
                hint = "put dates in quotes"
                self.sheet.wrong(("options", key), "must be text, numbers, lists or keys", hint)
        for place, what in secrets_in(options):
            self.sheet.wrong(("options", *place), f"looks like {what}", _NO_SECRETS)
        return {str(key): value for key, value in options.items()}

    def _waves(self, keys: Mapping[str, Any], own: Sequence[str]) -> tuple[WaveSize, ...]:
        if "waves" not in keys:
            known = (wave(word) for word in own)
            return tuple(size for size in known if size is not None)
        found = []
        entries = self.sheet.entries(("waves",), keys["waves"])
        for place, entry in enumerate(entries):
            size = wave(entry) if isinstance(entry, str) else None
            if size is None:
                self.sheet.wrong(("waves", place), "is no wave", value_is(entry, WAVES))
            else:
                found.append(size)
        if isinstance(keys["waves"], list) and not 1 <= len(entries) <= _MOST_WAVES:
            self.sheet.wrong(("waves",), f"must be 1-{_MOST_WAVES} waves")
        return tuple(found)

    def _soak(self, keys: Mapping[str, Any], own: Soak | None) -> Soak:
        own = own or Soak(wall=timedelta(0))
        value = keys.get("soak")
        if isinstance(value, str):  # soak: 24h
            wall = self.sheet.length(("soak",), value)
            return Soak(wall=own.wall if wall is None else wall)
        given = self.sheet.keys(("soak",), value, ("wall", "trading"))
        found = {key: self.sheet.length(("soak", key), each) for key, each in given.items()}
        wall, trading = found.get("wall"), found.get("trading")
        return Soak(
            wall=own.wall if wall is None else wall,
            trading=own.trading if trading is None else trading,
        )

    def _timing(self, keys: Mapping[str, Any], own: Timing) -> Timing:
        names = [each.name for each in fields(Timing)]
        given = self.sheet.keys(("timing",), keys.get("timing"), names)
        found = {name: getattr(own, name) for name in names}
        for name, value in given.items():
            told = self.sheet.length(("timing", name), value)
            if told is not None and not told and name != "reboot":
                self.sheet.wrong(("timing", name), "must be more than 0")
            found[name] = found[name] if told is None else told
        return Timing(**found)

    def _stragglers(self, keys: Mapping[str, Any]) -> Stragglers:
        sheet, where = self.sheet, "stragglers"
        given = sheet.keys((where,), keys.get(where), [each.name for each in fields(Stragglers)])
        found: dict[str, Any] = {}
        if "share" in given:
            found["share"] = sheet.share((where, "share"), given["share"])
        if "daily" in given:
            found["daily"] = sheet.whole((where, "daily"), given["daily"], (0, 100_000))
        if "expiry" in given:
            found["expiry"] = sheet.length((where, "expiry"), given["expiry"])
        return Stragglers(**{key: value for key, value in found.items() if value is not None})

    def _budgets(self, keys: Mapping[str, Any]) -> Budgets:
        sheet, where = self.sheet, "budgets"
        given = sheet.keys((where,), keys.get(where), [each.name for each in fields(Budgets)])
        found: dict[str, Any] = {}
        for name in given.keys() & {"store", "group", "site"}:
            found[name] = sheet.whole((where, name), given[name], (1, 100_000))
        for name in given.keys() & {"pos_share", "region"}:
            found[name] = sheet.share((where, name), given[name])
        if "single_consent" in given:
            place = (where, "single_consent")
            found["single_consent"] = sheet.yes_no(place, given["single_consent"])
        return Budgets(**{key: value for key, value in found.items() if value is not None})

    def _gates(self, keys: Mapping[str, Any]) -> tuple[GateSpec, ...]:
        found: dict[str, GateSpec] = {}
        for place, entry in enumerate(self.sheet.entries(("gates",), keys.get("gates", []))):
            gate = self._gate(("gates", place), entry)
            if gate is None:
                continue
            if gate.name in found or gate.name in _RESERVED:
                hint = "give it a name of its own: name: ..."
                self.sheet.wrong(("gates", place), f"a gate is called {gate.name} already", hint)
            found[gate.name] = gate
        return tuple(found.values())

    def _gate(self, place: Place, entry: object) -> GateSpec | None:
        if isinstance(entry, str):
            entry = {entry: {}}
        if not isinstance(entry, Mapping) or len(entry) != 1:
            hint = "as - probe: {allow: 0}"
            self.sheet.wrong(place, "must be one kind with its settings", hint)
            return None
        ((kind, value),) = entry.items()
        where = (*place, str(kind))
        if value is not None and not isinstance(value, Mapping):
            self.sheet.wrong(where, "must be keys with values")
            return None
        settings = {str(key): each for key, each in (value or {}).items()}
        named = settings.pop("name", str(kind))
        name = self.sheet.text((*where, "name"), named)
        if not is_data(settings):
            self.sheet.wrong(where, "must be text, numbers, lists or keys", "put dates in quotes")
            return None
        if name is None:
            return None
        for inner, what in secrets_in(settings):
            self.sheet.wrong((*where, *inner), f"looks like {what}", _NO_SECRETS)
        return self._checked(where, GateSpec(kind=str(kind), name=name, settings=settings))

    def _checked(self, place: Place, gate: GateSpec) -> GateSpec:
        if self.check_gate is not None:
            try:
                self.check_gate(gate.kind, gate.settings, f"gate {gate.name}")
            except ConfigInvalid as error:
                head = f"{error.where}: {error.what}" if error.where else error.what
                self.sheet.wrong(place, head, error.hint)
        return gate
