# SPDX-License-Identifier: GPL-3.0-or-later
"""Rulebooks of ansible-rulebook as heal rules, where a mapping file says what their playbooks are.

Nothing is guessed: a rule whose condition, action or throttle means something that our rules cannot
say is left, with the reason, for a person. What comes out are entries of a rules file in mode
observe, to be read before they act.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from storewarden.config.marked_yaml import Place, read_marked
from storewarden.config.rulebook_condition import NotSimple, Way, ways_of
from storewarden.config.sheet import Sheet
from storewarden.domain.errors import ConfigInvalid

_SILENT = frozenset({"debug", "print_event", "none"})
"""Actions that only say something."""

_RUNS = {"run_playbook": "playbooks", "run_module": "modules"}
_GIVEN = {"run_playbook": "extra_vars", "run_module": "module_args"}
_SPAN = re.compile(r"(\d+)\s*(second|minute|hour|day)s?")
_UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_LABEL = re.compile(r"\{\{\s*event\.alert\.labels\.([A-Za-z_]\w*)\s*\}\}")
_LONGEST_HOLD = timedelta(minutes=15)
_RULE_KEYS = frozenset({"name", "condition", "action", "actions", "enabled", "throttle"})
_ANSWER_KEYS = (*("action", "target", "options", "vars", "impact", "kind", "verify", "operation"),)
_COPIED = ("impact", "kind", "verify", "operation")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """What a mapping file says: playbook or module -> what answers instead."""

    playbooks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    modules: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    target: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """A rule, or a part of one, that was not taken over as it was, and why."""

    rulebook: str
    rule: str
    reason: str

    def __str__(self) -> str:
        return f"{self.rulebook}: {self.rule}: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """``entries`` of a rules file; ``left`` was not taken over; ``notes`` were, with a
    difference."""

    entries: tuple[Mapping[str, object], ...] = ()
    left: tuple[Left, ...] = ()
    notes: tuple[Left, ...] = ()

    def text(self) -> str:
        """The rules file."""
        # Copied, because YAML would name what several rules share instead of writing it out.
        data = {"rules": [deepcopy(dict(each)) for each in self.entries]}
        told: str = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=120)
        return told


def read_mapping(path: Path) -> Mapped:
    """The mapping file. Raises ConfigInvalid, with the line."""
    sheet = Sheet(content=read_marked(path, str(path)), shown=str(path))
    given = sheet.keys((), sheet.content.data, ("playbooks", "modules", "target"))
    found: dict[str, dict[str, Mapping[str, Any]]] = {"playbooks": {}, "modules": {}}
    for part, answers in found.items():
        section = given.get(part, {})
        for name, entry in section.items() if isinstance(section, Mapping) else ():
            place: Place = (part, str(name))
            answer = sheet.keys(place, entry, _ANSWER_KEYS)
            if "action" not in answer:
                sheet.wrong(place, "lacks action", "the heal action that does the same")
            answers[str(name)] = answer
        if not isinstance(section, Mapping):
            sheet.wrong((part,), "must be keys with values")
    target = sheet.keys(("target",), given.get("target"), ("name", "address", "store", "terminal"))
    if sheet.mistakes:
        raise ConfigInvalid(sheet.told()[0])
    return Mapped(playbooks=found["playbooks"], modules=found["modules"], target=target)


def import_rulebook(path: Path, mapped: Mapped) -> Imported:
    """What becomes of a rulebook. Raises ConfigInvalid for a file that is none."""
    shown = path.name
    content = read_marked(path, str(path))
    if not isinstance(content.data, list):
        raise ConfigInvalid("is no rulebook: it must be a list of rulesets", where=f"{path}:1")
    made = _Made(rulebook=shown, mapped=mapped)
    for number, ruleset in enumerate(content.data):
        rules = ruleset.get("rules") if isinstance(ruleset, Mapping) else None
        if not isinstance(rules, list):
            line = content.line((number,))
            raise ConfigInvalid("is no ruleset: it has no rules", where=f"{path}:{line}")
        for rule in rules:
            made.take(rule if isinstance(rule, Mapping) else {})
    return Imported(entries=tuple(made.entries), left=tuple(made.left), notes=tuple(made.notes))


@dataclass(slots=True, kw_only=True)
class _Made:
    """What was made of a rulebook so far."""

    rulebook: str
    mapped: Mapped
    entries: list[Mapping[str, object]] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    notes: list[Left] = field(default_factory=list)

    def take(self, rule: Mapping[str, Any]) -> None:
        name = str(rule.get("name") or "a rule without a name")
        try:
            entries, notes = _entries(name, rule, self.mapped)
        except NotSimple as error:
            self.left.append(Left(rulebook=self.rulebook, rule=name, reason=str(error)))
            return
        self.entries += entries
        self.notes += [Left(rulebook=self.rulebook, rule=name, reason=each) for each in notes]


def _entries(
    name: str, rule: Mapping[str, Any], mapped: Mapped
) -> tuple[list[Mapping[str, object]], list[str]]:
    """The entries of one rule, and what is different about them. Raises NotSimple."""
    strange = sorted(str(key) for key in rule.keys() - _RULE_KEYS)
    if strange:
        raise NotSimple(f"{strange[0]} is not known here")
    ways = ways_of(rule.get("condition"))
    if not ways.any_of:
        raise NotSimple("it answers only alerts that are over, which need no repair")
    if any(not way for way in ways.any_of):
        raise NotSimple("it answers every alert there is")
    answer, notes = _answer(rule, mapped)
    throttle, differs = _throttle(rule.get("throttle"))
    rest = {**answer, **throttle, "mode": "observe"}
    if rule.get("enabled") is False:
        rest["enabled"] = False
    names = (
        [name]
        if len(ways.any_of) == 1
        else [f"{name} ({place})" for place in range(1, len(ways.any_of) + 1)]
    )
    pairs = zip(names, ways.any_of, strict=True)
    made = [{"name": each, "match": _match(way), **rest} for each, way in pairs]
    return list(made), [*ways.notes, *notes, *differs]


def _match(way: Way) -> list[str]:
    return [str(each) for each in way]


def _answer(rule: Mapping[str, Any], mapped: Mapped) -> tuple[dict[str, object], list[str]]:
    """Action, target and options."""
    kind, given = _run(rule)
    name = str(given.get("name", ""))
    known = getattr(mapped, _RUNS[kind])
    answer = known.get(name)
    if answer is None:
        raise NotSimple(f"the mapping file has no answer for {kind} {name or 'without a name'}")
    target = answer.get("target") or mapped.target
    if not target:
        raise NotSimple(f"the mapping file says no target for {name}")
    options, notes = _options(answer, given.get(_GIVEN[kind]) or {})
    made: dict[str, object] = {"action": answer["action"], "target": dict(target)}
    if options:
        made["options"] = options
    return made | {key: answer[key] for key in _COPIED if key in answer}, notes


def _run(rule: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """The one action of a rule that does something."""
    found = [
        (str(kind), given if isinstance(given, Mapping) else {})
        for action in _actions(rule)
        for kind, given in action.items()
        if kind not in _SILENT
    ]
    if len(found) != 1:
        raise NotSimple(f"it has {len(found)} actions that do something; a rule of ours has one")
    if found[0][0] not in _RUNS:
        raise NotSimple(f"the action {found[0][0]} has no counterpart")
    return found[0]


def _actions(rule: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    given = rule.get("actions", [rule["action"]] if "action" in rule else [])
    for each in given if isinstance(given, list) else [given]:
        if not isinstance(each, Mapping):
            raise NotSimple("its action cannot be read")
        yield each


def _options(answer: Mapping[str, Any], given: object) -> tuple[dict[str, object], list[str]]:
    """The mapping's own options, and those that it takes from variables of the rulebook."""
    options, notes = dict(answer.get("options") or {}), list[str]()
    names = answer.get("vars") or {}
    for name, value in given.items() if isinstance(given, Mapping) else ():
        if name in names:
            options[str(names[name])] = _value(str(name), value)
        else:
            notes.append(f"the variable {name} is not handed on: the mapping file does not name it")
    return options, notes


def _value(name: str, value: object) -> object:
    if not isinstance(value, str):
        return value
    found = _LABEL.sub(lambda match: "{" + match.group(1) + "}", value)
    if "{{" in found or "{%" in found:
        raise NotSimple(f"the variable {name} is computed: {value}")
    return found


def _throttle(value: object) -> tuple[dict[str, object], Sequence[str]]:
    if value is None:
        return {}, ()
    if not isinstance(value, Mapping):
        raise NotSimple("its throttle cannot be read")
    if "accumulate_within" in value or "threshold" in value:
        raise NotSimple("accumulate_within counts events; a rule of ours sees one alert")
    notes = ["throttle counts per host and action here, whatever group_by_attributes says"]
    if "once_after" in value:
        hold = _span(value["once_after"])
        if hold >= _LONGEST_HOLD:
            raise NotSimple("once_after is so long that the alert would be stale (15 min)")
        return {"hold_down": f"{int(hold.total_seconds())}s"}, notes
    if "once_within" not in value:
        raise NotSimple("its throttle is of a kind that is not known")
    pause = _span(value["once_within"])
    if pause <= timedelta(minutes=30):
        return {}, [*notes, "once_within is no longer than our own cooldown (30 min), which counts"]
    return {"limits": {"cooldown": f"{int(pause.total_seconds())}s"}}, notes


def _span(value: object) -> timedelta:
    match = _SPAN.fullmatch(str(value).strip())
    if match is None:
        raise NotSimple(f"{value} is no length of time that is known")
    return timedelta(seconds=int(match[1]) * _UNITS[match[2]])
