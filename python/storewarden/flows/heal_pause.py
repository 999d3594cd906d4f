# SPDX-License-Identifier: GPL-3.0-or-later
"""Pausing a rule, an action or a source of alerts, and taking that back.

Both are open to everybody with a token, like the kill switch, and both say why: whoever sees harm
must not have to look for somebody first, and the journal has the name. A name that nobody knows is
refused with the nearest ones: a misspelt pause would silently not hold.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import Any

from storewarden.domain.change.people import Person
from storewarden.domain.errors import ConfigInvalid
from storewarden.domain.healing.pause import Pause
from storewarden.ports.clock import Clock
from storewarden.ports.heal_pauses import HealPauses

type Known = Mapping[str, Callable[[], Collection[str]]]
"""Kind ("rule", "action", "source") -> the names that there are; asked for when needed."""

KINDS = ("rule", "action", "source")
"""What can be paused."""

_NEAR = 3  # names that a refusal suggests


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """A pause that was taken back; ``was`` is false when there was none, ``over`` when there was
    one whose time had run out already."""

    what: str
    was: bool
    over: bool


class PauseOrders:
    """A person's word about pauses."""

    def __init__(self, pauses: HealPauses, known: Known, clock: Clock, person: Person) -> None:
        self._pauses, self._known = pauses, known
        self._clock, self._person = clock, person

    def pause(self, what: str, reason: str, until: datetime | None = None) -> Pause:
        """Leave it alone until then, or until somebody resumes it; one that holds already gets
        this reason and this end. Raises ConfigInvalid."""
        now, said = self._clock.now(), _reason(reason)
        if until is not None and until <= now:
            raise ConfigInvalid("lies in the past", where="--until", hint="or --for 2h")
        name = resolve(what, self._known)
        there = next((each for each in holding(self._pauses, now) if each.what == name), None)
        if there is not None and (there.by, there.reason, there.until) == (
            self._person.id, said, until,
        ):  # fmt: skip
            return there  # its answer was lost: one pause is one entry
        return self._pauses.pause(
            Pause(what=name, by=self._person.id, at=now, reason=said, until=until)
        )

    def resume(self, what: str, reason: str) -> Resumed:
        """Take it back. Raises ConfigInvalid."""
        said, now = _reason(reason), self._clock.now()
        there = {each.what: each.holds(now) for each in self._pauses.pauses()}
        paused = list(there)
        # A rule that was paused and is gone has to be found as well.
        known = {kind: _with(self._known[kind], kind, paused) for kind in KINDS}
        name = resolve(what, known, first=paused)
        was = self._pauses.resume(name, self._person.id, said)
        return Resumed(what=name, was=was, over=was and not there.get(name, True))


def holding(pauses: HealPauses, now: datetime) -> tuple[Pause, ...]:
    """Those that count now."""
    return tuple(each for each in pauses.pauses() if each.holds(now))


def resolve(text: str, known: Known, first: Collection[str] = ()) -> str:
    """``text`` as "kind:NAME". A plain name stands for the one thing that is called so; of several
    the one among ``first``. Raises ConfigInvalid, with the nearest names."""
    kind, colon, rest = text.partition(":")
    if colon and kind in KINDS:
        names = known[kind]()
        if rest in names:
            return text
        raise _unknown(text, [f"{kind}:{each}" for each in _nearest(rest, names)])
    every = {f"{each}:{name}": name for each in KINDS for name in known[each]()}
    found = [whole for whole, name in every.items() if name == text]
    found = [each for each in found if each in first] or found
    if len(found) > 1:
        raise ConfigInvalid(
            f"{text[:60]!r} is the name of several", where="WHAT", hint=f"say {' or '.join(found)}"
        )
    if not found:
        near = _nearest(text, set(every.values()))
        raise _unknown(text, [whole for whole, name in every.items() if name in near][:_NEAR])
    return found[0]


def pause_data(pause: Pause) -> dict[str, Any]:
    """One pause as JSON data."""
    return {
        "what": pause.what,
        "by": pause.by,
        "at": pause.at.isoformat(),
        "reason": pause.reason,
        "until": None if pause.until is None else pause.until.isoformat(),
    }


def _with(
    names: Callable[[], Collection[str]], kind: str, paused: Collection[str]
) -> Callable[[], Collection[str]]:
    begin = f"{kind}:"
    more = [each.removeprefix(begin) for each in paused if each.startswith(begin)]
    return lambda: {*names(), *more}


def _nearest(text: str, names: Collection[str]) -> list[str]:
    lowered = {name.lower(): name for name in sorted(names)}
    return [lowered[each] for each in get_close_matches(text.lower(), lowered, _NEAR)]


def _unknown(text: str, near: Collection[str]) -> ConfigInvalid:
    nearest = f"did you mean {' or '.join(near)}?" if near else "storewarden heal rules has them"
    return ConfigInvalid(f"{text[:60]!r} is no rule, action or source", where="WHAT", hint=nearest)


def _reason(text: str) -> str:
    said = " ".join(text.split())
    if not said:
        raise ConfigInvalid("say why", where="--reason", hint="it stands in the journal")
    return said
