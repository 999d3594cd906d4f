# SPDX-License-Identifier: GPL-3.0-or-later
"""How much of what belongs together may be away at once: numbers that a site can set."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Budgets:
    """How much may be unavailable at once. Shares are of the members, at least one.

    Whatever is set, one member of a group with several stays: a budget that would let a whole
    HA pair go is cut to one of the two.
    """

    store: int = 1  # disruptive runs per store (guard rails: "1 disruptive run/store")
    pos_share: Fraction = Fraction(1, 5)  # of a store's POS lanes, at least 1
    group: int = 1  # of a failure group such as an HA pair
    region: Fraction = Fraction(1, 5)
    site: int = 200  # hosts of the whole site in change at once
    single_consent: bool = False  # groups with one member need somebody's explicit yes
