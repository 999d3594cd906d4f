# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of a rollout file: lengths of time, shares, and how far a wave reaches.

``1 store``, ``3 stores``, ``10%``, ``label pilot``, ``1 per stratum``, ``rest``; each of them with
``by 50 stores`` or ``by 20%`` where it is to be cut into sub-waves. ``rest`` (or ``100%``) is cut
by itself; ``rest at once`` is not.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction

from storewarden.domain.rollout.spec import SizeKind, WaveSize
from storewarden.domain.rollout.spec_defaults import REST, REST_AT_ONCE

_LENGTH = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?:in)?)?(?:(\d+)s)?")
_LONGEST = timedelta(days=366)
_SHARE = re.compile(r"(\d{1,3}(?:\.\d{1,4})?)\s*%")
_STORES = re.compile(r"(\d{1,6}) stores?")
_STRATUM = re.compile(r"(\d{1,4}) (?:per|of every) stratum")
_LABEL = re.compile(r"(?:label|group) ([A-Za-z_][\w.-]*)")

WAVES = 'as "1 store", "3 stores", "10%", "label pilot", "1 per stratum", "rest" or "rest by 20%"'
"""What a wave may be called, for messages."""


def length(text: str) -> timedelta | None:
    """``24h``, ``1h30m``, ``90s``, ``7d``, ``0``; None for anything else."""
    plain = text.strip().replace(" ", "")
    if plain == "0":
        return timedelta(0)
    match = _LENGTH.fullmatch(plain)
    if match is None or not plain:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    try:
        found = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    except OverflowError:
        return None
    return found if found <= _LONGEST else None


def share(text: str) -> Fraction | None:
    """``10%`` as a fraction of 1; None for anything else."""
    match = _SHARE.fullmatch(text.strip())
    found = Fraction(match[1]) / 100 if match else None
    return found if found is not None and found <= 1 else None


def wave(text: str) -> WaveSize | None:
    """How far a wave reaches; None for what is no wave."""
    plain = " ".join(text.split())
    if plain == "rest at once":
        return REST_AT_ONCE
    size, _, cut = plain.partition(" by ")
    found = _size(size)
    if found is None or not cut:
        return None if found is None or " by" in plain else found
    stores, part = _STORES.fullmatch(cut), share(cut)
    if stores is not None and int(stores[1]):
        return replace(found, most=int(stores[1]), most_share=Fraction(0))
    return replace(found, most=0, most_share=part) if part else None


def _size(text: str) -> WaveSize | None:
    if text == "rest":
        return REST
    if match := _STORES.fullmatch(text):
        count = int(match[1])
        return WaveSize(kind=SizeKind.STORES, stores=count) if count else None
    if match := _STRATUM.fullmatch(text):
        count = int(match[1])
        return WaveSize(kind=SizeKind.STRATUM, stores=count) if count else None
    if match := _LABEL.fullmatch(text):
        return WaveSize(kind=SizeKind.LABEL, label=match[1])
    part = share(text)
    if not part:
        return None
    return REST if part == 1 else WaveSize(kind=SizeKind.SHARE, share=part)
