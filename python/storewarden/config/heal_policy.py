# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers of the guards as a site sets them: seconds, percent, counts and times of day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import time, timedelta
from fractions import Fraction
from typing import Any

from storewarden.domain.errors import ConfigInvalid
from storewarden.domain.healing.policy import HealPolicy

_WHERE = "healing.policy"
_LEAST_POLL = timedelta(seconds=1)


def policy_of(given: Mapping[str, object]) -> HealPolicy:
    """The guard rails' defaults with the site's own numbers.

    Raises ConfigInvalid, naming the number.
    """
    usual = HealPolicy()
    known = {each.name: getattr(usual, each.name) for each in fields(HealPolicy)}
    found: dict[str, Any] = {}
    for name, value in given.items():
        if name not in known:
            raise ConfigInvalid(
                f"{name} is no number of the guards",
                where=_WHERE,
                hint=f"one of: {', '.join(sorted(known))}",
            )
        found[name] = _read(name, value, known[name])
    made = replace(usual, **found)
    if made.poll < _LEAST_POLL:
        raise ConfigInvalid(
            "must be 1 or more: what waits would be looked at without end", where=f"{_WHERE}.poll"
        )
    if made.hold_down >= made.staleness:
        raise ConfigInvalid(
            "must be less than staleness: nothing would ever be repaired",
            where=f"{_WHERE}.hold_down",
        )
    return made


def _read(name: str, value: object, usual: object) -> object:
    where = f"{_WHERE}.{name}"
    if isinstance(usual, time):
        return _time(value, where)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise ConfigInvalid("must be a number, 0 or more", where=where)
    if isinstance(usual, timedelta):
        return timedelta(seconds=value)
    if isinstance(usual, Fraction):
        if value > 100:
            raise ConfigInvalid("must be a share in percent, 0-100", where=where)
        return Fraction(str(value)) / 100
    if not isinstance(value, int) or value < 1:
        raise ConfigInvalid("must be a whole number, 1 or more", where=where)
    return value


def _time(value: object, where: str) -> time:
    try:
        return time.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise ConfigInvalid("must be a time of day like 08:00, in quotes", where=where) from None
