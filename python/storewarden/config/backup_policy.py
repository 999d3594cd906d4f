# SPDX-License-Identifier: GPL-3.0-or-later
"""Backup policies from YAML: a file, or a folder of files in the order of their names.

What an entry leaves out is the guide's rule for its tier. All mistakes are told at once, each with
its file and line. The keys are explained in ``docs/reference/backup-policies.md``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import time, timedelta
from pathlib import Path
from typing import Any

from storewarden.config.marked_yaml import Place, read_marked
from storewarden.config.sheet import Sheet, is_data, value_is
from storewarden.domain.backup.policy import (
    TIER_RULES,
    BackupTier,
    CopyWanted,
    Drill,
    Every,
    Level,
    Method,
    Policy,
    Retention,
    Selector,
    SetKind,
    Step,
    TierRule,
    Verify,
)
from storewarden.domain.errors import ConfigInvalid
from storewarden.domain.rollout.secrets import secrets_in

KEYS = (
    *("id", "tier", "method", "select", "source", "window", "splay", "bandwidth", "size"),
    *("schedule", "rpo", "rto", "copies", "keep_days", "fulls", "verify", "drill"),
    *("legal_hold", "required", "extra_full", "after_change"),
)
"""What a policy may say."""

_MUST = ("id", "tier", "method", "copies")
_SELECT = ("roles", "tiers", "regions", "stores", "hosts", "groups")
_SUFFIXES = (".yml", ".yaml")
_ID = re.compile(r"[a-z][a-z0-9-]{0,39}")
_WINDOW = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
_SIZE = re.compile(r"(\d{1,9})\s*([KMGT]?)i?B")
_EVERY_HOURS = re.compile(r"(\d{1,2})h")
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_NIGHT = (time(23, 0), time(6, 0))
"""Outside of 09:00-22:00 and of most opening hours (guide 12.1.2)."""
_NO_SECRETS = "policies are journaled; keep it in the inventory, under ansible-vault"
_MOST_DAYS = 36_525  # a hundred years
_MOST_KIB = 1 << 30
_HOURS = (1, 23)


class BackupPoliciesInvalid(ConfigInvalid):
    """Everything that is wrong with the policies; ``mistakes`` are lines for people."""

    def __init__(self, mistakes: Sequence[str], shown: str) -> None:
        others = len(mistakes) - 1
        super().__init__(mistakes[0], hint=f"{others} more mistakes in {shown}" if others else "")
        self.mistakes = tuple(mistakes)


def load_policies(path: Path, locations: Collection[str]) -> tuple[Policy, ...]:
    """The policies in the order of the file; ``locations`` are those of the site's settings.

    Raises ConfigInvalid for what cannot be read, BackupPoliciesInvalid with all mistakes.
    """
    found: dict[str, Policy] = {}
    mistakes: list[str] = []
    for file in _files(path):
        sheet = Sheet(content=read_marked(file, str(file)), shown=str(file))
        given = sheet.keys((), sheet.content.data, ("policies",))
        for number, entry in enumerate(sheet.entries(("policies",), given.get("policies", []))):
            place: Place = ("policies", number)
            _refuse_empty(sheet, place, entry)
            reader = _PolicyReader(sheet=sheet, place=place, locations=locations)
            policy = reader.policy(sheet.keys(place, entry, KEYS))
            if policy is not None and policy.id in found:
                sheet.wrong((*place, "id"), f"a policy is called {policy.id} already")
            elif policy is not None:
                found[policy.id] = policy
        mistakes += sheet.told()
    if mistakes:
        raise BackupPoliciesInvalid(mistakes, str(path))
    return tuple(found.values())


def _files(path: Path) -> tuple[Path, ...]:
    if not path.is_dir():
        return (path,)
    try:
        names = sorted(each for each in path.iterdir() if each.suffix in _SUFFIXES)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ConfigInvalid(f"cannot be read: {reason}", where=str(path)) from None
    return tuple(each for each in names if not each.name.startswith("."))


def _refuse_empty(sheet: Sheet, place: Place, entry: object) -> None:
    """A ``select`` that names nothing would mean every host, which nobody meant."""
    if not isinstance(entry, Mapping) or "select" not in entry:
        return
    chosen, hint = entry["select"], "leave it out for all hosts"
    if not chosen:
        sheet.wrong((*place, "select"), "names nothing", hint)
    elif isinstance(chosen, Mapping):
        for key, value in chosen.items():
            if not value:
                sheet.wrong((*place, "select", str(key)), "names nothing", hint)


@dataclass(frozen=True, slots=True, kw_only=True)
class _PolicyReader:
    """Turns one entry into a policy; what is wrong stays on the sheet."""

    sheet: Sheet
    place: Place
    locations: Collection[str] = field(default=())

    def policy(self, given: Mapping[str, Any]) -> Policy | None:
        for key in _MUST:
            if key not in given:
                self.sheet.wrong(self.place, f"lacks {key}")
        ident = self._id(given)
        tier = self._word("tier", given, BackupTier)
        method = self._word("method", given, Method)
        selector = self._selector(given.get("select"))
        copies = self._copies(given.get("copies"))
        if ident is None or tier is None or method is None:
            return None
        if method is Method.LEDGER and "select" in given:
            hint = "the record is the controller's; leave it out"
            self.sheet.wrong(self._at("select"), "is not for the method ledger", hint)
        rule = TIER_RULES[tier]
        if "copies" in given:
            self._enough(copies, rule, tier)
        found = {"after_change": rule.after_change} | self._terms(given, rule) | self._plain(given)
        return Policy(
            id=ident,
            tier=tier,
            method=method,
            selector=selector,
            copies=copies,
            schedule=self._schedule(given.get("schedule"), rule),
            drill=self._drill(given, rule),
            **found,
        )

    def _id(self, given: Mapping[str, Any]) -> str | None:
        if "id" not in given:
            return None
        text = self.sheet.text(self._at("id"), given["id"])
        if text is not None and not _ID.fullmatch(text):
            hint = value_is(text, "small letters, digits and -, beginning with a letter")
            self.sheet.wrong(self._at("id"), "must be a short name", hint)
            return None
        return text

    def _word[E: (BackupTier, Method)](
        self, key: str, given: Mapping[str, Any], kind: type[E]
    ) -> E | None:
        return self.sheet.word(self._at(key), given[key], kind) if key in given else None

    def _selector(self, value: object) -> Selector:
        given = self.sheet.keys(self._at("select"), value, _SELECT)
        return Selector(
            **{
                key: self.sheet.texts((*self._at("select"), key), each)
                for key, each in given.items()
            }
        )

    def _copies(self, value: object) -> tuple[CopyWanted, ...]:
        if value is None:
            return ()
        found: list[CopyWanted] = []
        for number, entry in enumerate(self.sheet.entries(self._at("copies"), value)):
            place = (*self._at("copies"), number)
            given = self.sheet.keys(place, entry, ("location", "immutable"))
            name = self.sheet.text((*place, "location"), given.get("location"))
            if name is None:
                continue
            if name not in self.locations:
                known = ", ".join(sorted(self.locations)) or "none"
                hint = f"backup.locations of the settings has: {known}"
                self.sheet.wrong((*place, "location"), f"no place is called {name}", hint)
            kept = given.get("immutable")
            length = self.sheet.length((*place, "immutable"), kept) if kept is not None else None
            found.append(CopyWanted(location=name, immutable=length or timedelta()))
        names = [each.location for each in found]
        if len(set(names)) < len(names):
            self.sheet.wrong(self._at("copies"), "names a place twice")
        return tuple(found)

    def _enough(self, copies: Sequence[CopyWanted], rule: TierRule, tier: BackupTier) -> None:
        if len(copies) < rule.copies:
            hint = f"{tier.value} needs {rule.copies} (guide 1.6.3, 1.7.3)"
            self.sheet.wrong(self._at("copies"), f"is {len(copies)} copies", hint)

    def _terms(self, given: Mapping[str, Any], rule: TierRule) -> dict[str, Any]:
        """How late, how long, how sure."""
        rpo, rto = self._length("rpo", given), self._length("rto", given)
        days = self._whole("keep_days", given, (1, _MOST_DAYS))
        fulls = self._whole("fulls", given, (1, 1000))
        keep = timedelta(days=days) if days else rule.retention.keep
        if keep < rule.retention.keep:
            hint = f"the guide asks for {rule.retention.keep.days} (1.6.3, 1.7.3)"
            self.sheet.wrong(self._at("keep_days"), "is shorter than it may be", hint)
        if fulls is not None and fulls < rule.retention.fulls:
            hint = f"the guide asks for {rule.retention.fulls} (1.6.2)"
            self.sheet.wrong(self._at("fulls"), "is fewer than there have to be", hint)
        return {
            "rpo": rpo or rule.rpo,
            "rto": rto or rule.rto,
            "retention": Retention(keep=keep, fulls=fulls or rule.retention.fulls),
            "verify": self._verify(given.get("verify"), rule),
        }

    def _plain(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Keys with one value, and what the tool is told."""
        found: dict[str, Any] = {
            "window": self._window(given.get("window")),
            "source": self._source(given.get("source")),
            "size": self._sizes(given.get("size")),
        }
        if (splay := self._length("splay", given)) is not None:
            found["splay"] = splay
        if (kib := self._whole("bandwidth", given, (1, _MOST_KIB))) is not None:
            found["bandwidth"] = kib
        for key in ("legal_hold", "required", "extra_full", "after_change"):
            if key in given:
                found[key] = bool(self.sheet.yes_no(self._at(key), given[key]))
        return found

    def _schedule(self, value: object, rule: TierRule) -> tuple[Step, ...]:
        if value is None:
            return rule.schedule
        found = []
        for number, entry in enumerate(self.sheet.entries(self._at("schedule"), value)):
            place = (*self._at("schedule"), number)
            step = self._step(place, self.sheet.keys(place, entry, ("kind", "every", "day")))
            found += [step] if step is not None else []
        if not any(each.kind is SetKind.FULL for each in found):
            self.sheet.wrong(self._at("schedule"), "has no full set to build upon")
        return tuple(found)

    def _step(self, place: Place, given: Mapping[str, Any]) -> Step | None:
        kind = self.sheet.word((*place, "kind"), given.get("kind"), SetKind)
        every = str(given.get("every", ""))
        hours = _EVERY_HOURS.fullmatch(every)
        if hours is not None and _HOURS[0] <= int(hours[1]) <= _HOURS[1]:
            return Step(kind=kind, every=Every.HOURS, hours=int(hours[1])) if kind else None
        words = [each.value for each in Every if each is not Every.HOURS]
        if every not in words:
            hint = f"{', '.join(words)}, or hours as 4h"
            self.sheet.wrong((*place, "every"), "is no period", value_is(every, hint))
            return None
        return self._on(place, given, kind, Every(every)) if kind is not None else None

    def _on(
        self, place: Place, given: Mapping[str, Any], kind: SetKind, every: Every
    ) -> Step | None:
        there = given.get("day")
        if there is None or every is Every.DAY:
            if there is not None:
                self.sheet.wrong((*place, "day"), "is for weeks and months")
            return Step(kind=kind, every=every)
        if every is Every.MONTH:
            day = self.sheet.whole((*place, "day"), there, (1, 28))
            return Step(kind=kind, every=every, day=day) if day else None
        if there not in _DAYS:
            hint = value_is(there, f"one of {', '.join(_DAYS)}")
            self.sheet.wrong((*place, "day"), "is no day of the week", hint)
            return None
        return Step(kind=kind, every=every, weekday=_DAYS.index(there))

    def _verify(self, value: object, rule: TierRule) -> tuple[Verify, ...]:
        place = self._at("verify")
        if value is None:
            return rule.verify
        names = {each.name.lower(): each for each in Level if each is not Level.CLAIMED}
        found = []
        for key, each in self.sheet.keys(place, value, tuple(names)).items():
            every = self.sheet.length((*place, key), each)
            if every:
                found.append(Verify(level=names[key], every=every))
        return tuple(sorted(found, key=lambda one: one.level))

    def _drill(self, given: Mapping[str, Any], rule: TierRule) -> Drill | None:
        place = self._at("drill")
        if "drill" not in given:
            return rule.drill
        words = self.sheet.keys(place, given["drill"], ("every", "sample"))
        every = self.sheet.length((*place, "every"), words.get("every"))
        share = self.sheet.share((*place, "sample"), words.get("sample", "10%"))
        if every is None or share is None:
            return rule.drill
        if rule.drill is not None and every > rule.drill.every:
            hint = f"the guide asks for every {rule.drill.every.days} days (1.6.4, 4.4.3)"
            self.sheet.wrong((*place, "every"), "is rarer than it may be", hint)
        return Drill(every=every, sample=max(1, int(share * 100)))

    def _window(self, value: object) -> tuple[time, time]:
        if value is None:
            return _NIGHT
        match = _WINDOW.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            self.sheet.wrong(
                self._at("window"), "is no window", value_is(value, 'as "23:00-06:00"')
            )
            return _NIGHT
        first, second, third, fourth = (int(part) for part in match.groups())
        return time(first, second), time(third, fourth)

    def _source(self, value: object) -> dict[str, object]:
        place = self._at("source")
        if value is None:
            return {}
        if not isinstance(value, Mapping) or not is_data(value):
            self.sheet.wrong(place, "must be keys with text, numbers, lists or keys")
            return {}
        for inner, what in secrets_in(dict(value)):
            self.sheet.wrong((*place, *inner), f"looks like {what}", _NO_SECRETS)
        return dict(value)

    def _sizes(self, value: object) -> dict[SetKind, int]:
        place = self._at("size")
        kinds = {each.value: each for each in SetKind}
        found = {}
        for key, each in self.sheet.keys(place, value, tuple(kinds)).items():
            match = _SIZE.fullmatch(each) if isinstance(each, str) else None
            if match is None:
                self.sheet.wrong((*place, key), "is no size", value_is(each, "as 500MB or 20GB"))
                continue
            found[kinds[key]] = int(match[1]) * _UNITS[match[2]]
        return found

    def _length(self, key: str, given: Mapping[str, Any]) -> timedelta | None:
        return self.sheet.length(self._at(key), given[key]) if key in given else None

    def _whole(self, key: str, given: Mapping[str, Any], between: tuple[int, int]) -> int | None:
        return self.sheet.whole(self._at(key), given[key], between) if key in given else None

    def _at(self, key: str) -> Place:
        return (*self.place, key)
