# SPDX-License-Identifier: GPL-3.0-or-later
"""Heal rules from YAML: a file, or a folder of files that are read in the order of their names.

All mistakes are told at once, each with its file and line; a rule that is not understood in full is
no rule, and a site with one of those does not start to heal. The keys are explained in
``docs/reference/heal-rules.md``.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import timedelta
from pathlib import Path
from typing import Any

from storewarden.config.marked_yaml import Place, read_marked
from storewarden.config.sheet import Sheet, is_data, value_is
from storewarden.domain.errors import ConfigInvalid
from storewarden.domain.healing.action import HealAction, Limits, VerifyBy
from storewarden.domain.healing.matcher import Matcher, parse_matchers
from storewarden.domain.healing.policy import HealPolicy
from storewarden.domain.healing.rule import Condition, Impact, Kind, Mode, Rule
from storewarden.domain.healing.target import Target, Via
from storewarden.domain.healing.template import labels_in
from storewarden.domain.maintenance.grounds import OperationClass
from storewarden.domain.maintenance.words import duration
from storewarden.domain.rollout.secrets import secrets_in

type Conditions = Callable[[str, str], Condition]
"""Where it stands, the expression -> the condition; raises ConfigInvalid."""

KEYS = (
    *("name", "match", "when", "action", "target", "options", "mode", "hold_down", "verify"),
    *("impact", "kind", "enabled", "operation", "limits"),
)
"""What a rule may say."""

_MUST = ("name", "match", "action", "target")
_SUFFIXES = (".yml", ".yaml")
_NO_SECRETS = "rules are journaled; keep it in the inventory, under ansible-vault"


class HealRulesInvalid(ConfigInvalid):
    """Everything that is wrong with the rules; ``mistakes`` are lines for people."""

    def __init__(self, mistakes: Sequence[str], shown: str) -> None:
        first, others = mistakes[0], len(mistakes) - 1
        super().__init__(first, hint=f"{others} more mistakes in {shown}" if others else "")
        self.mistakes = tuple(mistakes)


def load_rules(
    path: Path,
    actions: Mapping[str, HealAction],
    conditions: Conditions,
    policy: HealPolicy | None = None,
) -> tuple[Rule, ...]:
    """The rules in the order in which they are tried.

    Raises ConfigInvalid for what cannot be read, HealRulesInvalid with all mistakes of the files.
    """
    reading = _Reading(actions=actions, conditions=conditions, policy=policy or HealPolicy())
    for file in _files(path):
        reading.file(file)
    if reading.mistakes:
        raise HealRulesInvalid(reading.mistakes, str(path))
    return tuple(reading.rules.values())


def _files(path: Path) -> tuple[Path, ...]:
    if not path.is_dir():
        return (path,)
    try:
        names = sorted(each for each in path.iterdir() if each.suffix in _SUFFIXES)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ConfigInvalid(f"cannot be read: {reason}", where=str(path)) from None
    return tuple(each for each in names if not each.name.startswith("."))


@dataclass(slots=True, kw_only=True)
class _Reading:
    """All files, with what was found in them so far."""

    actions: Mapping[str, HealAction]
    conditions: Conditions
    policy: HealPolicy
    rules: dict[str, Rule] = field(default_factory=dict)
    mistakes: list[str] = field(default_factory=list)

    def file(self, path: Path) -> None:
        sheet = Sheet(content=read_marked(path, str(path)), shown=str(path))
        given = sheet.keys((), sheet.content.data, ("rules",))
        for number, entry in enumerate(sheet.entries(("rules",), given.get("rules", []))):
            place: Place = ("rules", number)
            reader = _RuleReader(sheet=sheet, place=place, reading=self)
            rule = reader.rule(sheet.keys(place, entry, KEYS))
            if rule is None:
                continue
            if rule.name in self.rules:
                there = self.rules[rule.name].place
                sheet.wrong((*place, "name"), f"a rule is called {rule.name} already", there)
            self.rules[rule.name] = rule
        self.mistakes += sheet.told()


@dataclass(frozen=True, slots=True, kw_only=True)
class _RuleReader:
    """Turns one entry into a rule; what is wrong stays on the sheet."""

    sheet: Sheet
    place: Place
    reading: _Reading

    def rule(self, given: Mapping[str, Any]) -> Rule | None:
        for key in _MUST:
            if key not in given:
                self.sheet.wrong(self.place, f"lacks {key}")
        name = self._text("name", given)
        action = self._action(given)
        matchers = self._matchers(given.get("match"))
        target = self._target(given.get("target"))
        expression = self._text("when", given) or ""
        found = self._words(given) | {
            "options": self._options(given.get("options"), action),
            "limits": self._limits(given.get("limits")),
            "condition": self._condition(expression),
            "expression": expression,
        }
        if name is None or action is None or not matchers or target is None:
            return None
        place = f"{self.sheet.shown}:{self.sheet.content.line(self.place)}"
        return Rule(
            name=name,
            action=action.name,
            matchers=matchers,
            target=target,
            place=place,
            **{key: value for key, value in found.items() if value is not None},
        )

    def _text(self, key: str, given: Mapping[str, Any]) -> str | None:
        return self.sheet.text((*self.place, key), given[key]) if key in given else None

    def _action(self, given: Mapping[str, Any]) -> HealAction | None:
        name = self._text("action", given)
        known = self.reading.actions
        if name is None or name in known:
            return known[name] if name else None
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(sorted(known))}"
        self.sheet.wrong((*self.place, "action"), f"no action {name} is installed", hint)
        return None

    def _matchers(self, value: object) -> tuple[Matcher, ...]:
        if value is None:
            return ()
        texts = value if isinstance(value, list) else [value]
        found: list[Matcher] = []
        for number, text in enumerate(texts):
            place = (*self.place, "match", number) if isinstance(value, list) else None
            told = self.sheet.text(place or (*self.place, "match"), text)
            if told is None:
                continue
            try:
                found += parse_matchers(told)
            except ValueError as error:
                self.sheet.wrong(place or (*self.place, "match"), str(error))
        if isinstance(value, list) and not value:
            self.sheet.wrong((*self.place, "match"), "must hold a matcher", 'alertname="PosDown"')
        if found and all(each.matches({}) for each in found):
            self.sheet.wrong((*self.place, "match"), "matches an alert without any label")
        return tuple(found)

    def _condition(self, expression: str) -> Condition | None:
        if not expression:
            return None
        try:
            return self.reading.conditions("when", expression)
        except ConfigInvalid as error:
            self.sheet.wrong((*self.place, "when"), error.what, error.hint)
            return None

    def _target(self, value: object) -> Target | None:
        place = (*self.place, "target")
        if value is None:
            return None
        given = self.sheet.keys(place, value, ("name", "address", "store", "terminal"))
        texts = {key: self._template((*place, key), each) for key, each in given.items()}
        if set(texts) == {"store", "terminal"}:
            both = texts["store"], texts["terminal"]
            template = "/".join(each for each in both if each)
            return Target(template=template, via=Via.PLACE) if all(both) else None
        if len(texts) == 1 and (key := next(iter(texts))) in ("name", "address"):
            template = texts[key] or ""
            return Target(template=template, via=Via(key)) if template else None
        hint = 'as {name: "{host}"}, {address: "{instance}"} or {store: "{store}", terminal: "{t}"}'
        self.sheet.wrong(place, "must say how the host is found", hint)
        return None

    def _template(self, place: Place, value: object) -> str | None:
        text = self.sheet.text(place, value)
        if text is None:
            return None
        try:
            if labels_in(text):
                return text
            self.sheet.wrong(place, "names no label", value_is(text, 'a label is "{host}"'))
        except ValueError as error:
            self.sheet.wrong(place, str(error))
        return None

    def _options(self, value: object, action: HealAction | None) -> dict[str, object]:
        place = (*self.place, "options")
        if value is not None and not isinstance(value, Mapping):
            self.sheet.wrong(place, "must be keys with values")
            return {}
        given = {str(key): each for key, each in (value or {}).items()}
        for key, each in given.items():
            self._option((*place, key), each)
        if action is not None:
            self._known_options(given, action)
        for inner, what in secrets_in(given):
            self.sheet.wrong((*place, *inner), f"looks like {what}", _NO_SECRETS)
        return given

    def _option(self, place: Place, value: object) -> None:
        if not is_data(value):
            self.sheet.wrong(place, "must be text, numbers, lists or keys", "put dates in quotes")
            return
        for text in _texts(value):
            try:
                found = labels_in(text)
            except ValueError as error:
                self.sheet.wrong(place, str(error))
                continue
            if found and not isinstance(value, str):
                # Those are programs, and what may be touched at all: not for a sender to say.
                what = "holds a label, which can only stand in an option that is one text"
                self.sheet.wrong(place, what, "write out what is meant")

    def _known_options(self, given: Mapping[str, object], action: HealAction) -> None:
        place = (*self.place, "options")
        for key in given:
            if key not in action.options:
                close = difflib.get_close_matches(key, action.options, n=1)
                known = ", ".join(sorted(action.options)) or "none"
                hint = f"did you mean {close[0]}?" if close else f"known: {known}"
                self.sheet.wrong((*place, key), f"action {action.name} has no such option", hint)

    def _words(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Keys with one value."""
        sheet, at = self.sheet, self.place
        kinds = {"mode": Mode, "verify": VerifyBy, "impact": Impact, "kind": Kind}
        found: dict[str, Any] = {
            key: sheet.word((*at, key), given[key], kind)
            for key, kind in kinds.items()
            if key in given
        }
        if "enabled" in given:
            found["enabled"] = sheet.yes_no((*at, "enabled"), given["enabled"])
        if "hold_down" in given:
            found["hold_down"] = self._hold_down(given["hold_down"])
        if "operation" in given:
            found["operation"] = self._operation(given["operation"])
        return found

    def _hold_down(self, value: object) -> timedelta | None:
        place = (*self.place, "hold_down")
        found = self.sheet.length(place, value)
        most = self.reading.policy.staleness
        if found is not None and found >= most:
            what = f"must be less than {duration(most)}"
            self.sheet.wrong(place, what, "an alert is stale after that")
        return found

    def _operation(self, value: object) -> OperationClass | None:
        known = [each.value for each in OperationClass]
        if isinstance(value, str) and value in known:
            return OperationClass(value)
        close = difflib.get_close_matches(str(value), known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}"
        self.sheet.wrong((*self.place, "operation"), "is no class of operation", hint)
        return None

    def _limits(self, value: object) -> Limits:
        place, policy = (*self.place, "limits"), self.reading.policy
        given = self.sheet.keys(place, value, [each.name for each in fields(Limits)])
        found: dict[str, Any] = {}
        if "cooldown" in given:
            found["cooldown"] = self.sheet.length((*place, "cooldown"), given["cooldown"])
            if (told := found["cooldown"]) is not None and told < policy.cooldown:
                self.sheet.wrong((*place, "cooldown"), "is shorter than the site's", "never looser")
        for key in ("per_6h", "per_24h"):
            if key in given:
                most = getattr(policy, key)
                found[key] = self.sheet.whole((*place, key), given[key], (1, most))
        return Limits(**found)


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        return [text for each in value.values() for text in _texts(each)]
    return [text for each in value for text in _texts(each)] if isinstance(value, list) else []
