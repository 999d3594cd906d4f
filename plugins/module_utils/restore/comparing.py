# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Is the host as it was at capture? Item by item, in words that a person can act on."""

from __future__ import annotations

import contextlib
from typing import Any

from .context import Context
from .failures import PackDamaged
from .kinds import kind_of, label
from .pack import Pack, fingerprint

Residue = dict[str, str]
_LONGEST = 160


def compare(pack: Pack, context: Context) -> tuple[list[Residue], str]:
    """What differs (``item`` and ``why``), and the fingerprint as it is now."""
    found: list[Residue] = []
    states: list[list[Any]] = []
    names = _labels(pack)
    for number in range(pack.count()):
        try:
            body = pack.item(number)
        except PackDamaged as error:
            found.append({"item": names.get(number, "?"), "why": str(error)})
            continue
        name = label(body["item"])
        try:
            now: Any = kind_of(body["item"]).observe(context, body["item"])
        except Exception as error:  # one item that cannot be looked at hides no other one
            found.append({"item": name, "why": "cannot be looked at: {0}".format(error)})
            continue
        states.append([name, now])
        if now != body["state"]:
            found.append({"item": name, "why": difference(body["state"], now)})
    return found, fingerprint(states)


def _labels(pack: Pack) -> dict[int, str]:
    with contextlib.suppress(PackDamaged):
        return {n: one["label"] for n, one in enumerate(pack.manifest()["items"])}
    return {}


def difference(wanted: Any, now: Any, place: str = "") -> str:
    """The first place where two states differ, and how. Secrets do not appear: see `_shown`."""
    if isinstance(wanted, dict) and isinstance(now, dict):
        for key in sorted(set(wanted) | set(now)):
            if key not in now:
                return "{0} is gone".format(_join(place, key))
            if key not in wanted:
                return "{0} is new".format(_join(place, key))
            if wanted[key] != now[key]:
                return difference(wanted[key], now[key], _join(place, key))
    if "/shadow" in place or "/gshadow" in place:
        return "{0} differs".format(place)
    return "{0}: was {1}, is {2}".format(place, _shown(wanted), _shown(now))


def _join(place: str, key: str) -> str:
    return "{0} {1}".format(place, key) if place else str(key)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "..."
