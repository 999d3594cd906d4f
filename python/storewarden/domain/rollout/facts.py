# SPDX-License-Identifier: GPL-3.0-or-later
"""What the driver tells ``decide``: everything of the world that a decision may lean on.

A fact that could not be had is told as such (None, or a reason against); nothing is ever
assumed to be fine because nobody could say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from storewarden.domain.gates.verdict import Verdict
from storewarden.domain.rollout.events import RolloutEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreWindow:
    """May a change that needs ``spec.timing.whole`` begin in this store now?

    ``closes`` is when the allowed time ends, ``hard_stop`` when all must be done or undone;
    ``opens`` is the next start that fits. ``reason`` says why not.
    """

    allowed: bool
    reason: str = ""
    reason_zh: str = ""
    closes: datetime | None = None
    hard_stop: datetime | None = None
    opens: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Busy:
    """A host of the estate that counts as unavailable although this rollout has not made it so:
    leased by another run, in another rollout, known to be unreachable, or owing something.

    ``silent`` when it merely cannot be reached and nothing is under way on it: then it does not
    count as work (``domain.capacity``)."""

    host: str
    reason: str
    silent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The world at the moment of a decision.

    ``change`` is why the change does not let work go on ("" when it does; ``change_approved``
    whether it is approved at all; ``change_ends`` when its own window is over, None where it has
    none: afterwards nothing begins any more); ``frozen`` why everything stands still ("" for
    nothing); ``windows`` by store, of the present wave and of all stragglers (a store that is
    missing may not begin); ``groups`` maps each host of the rollout to its failure groups
    (``domain.capacity`` names them); ``members`` maps a group to all hosts of the estate in it;
    ``unavailable`` are hosts outside of this rollout's own account; ``traded`` is how long the
    stores of the wave have been open since its soak began; ``verdicts`` are the gates' answers
    when they were just asked, else None; ``wave`` is the one that these two are about (0: the
    present one); ``alive`` are dispatches whose run is known to live, ``gone`` those that neither
    live nor have a result.
    """

    change: str = ""
    change_approved: bool = True
    change_over: str = ""
    """Why nothing will ever be done on the change any more; "" while something may."""
    change_ends: datetime | None = None
    frozen: str = ""
    windows: Mapping[str, StoreWindow] = field(default_factory=dict)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    members: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unavailable: Mapping[str, Busy] = field(default_factory=dict)
    uncovered: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Hosts that have no backup to fall back on, why in English and Chinese: nothing is begun on
    them. Empty where nobody asks for backups."""
    traded: timedelta = timedelta(0)
    verdicts: tuple[Verdict, ...] | None = None
    alive: frozenset[str] = frozenset()
    gone: frozenset[str] = frozenset()
    day: str = ""  # the site's date, for what is counted per day
    wave: int = 0
    change_zh: str = ""  # the same in Chinese, where somebody can say it
    change_over_zh: str = ""
    frozen_zh: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What follows now.

    ``events`` are recorded first, in order. ``ask_gates`` is the wave whose gates the driver asks
    before it decides again (0 for none); ``look_at`` is when to decide again at the latest (None:
    when something happens); ``waiting`` says in one line what for.
    """

    events: tuple[RolloutEvent, ...] = ()
    ask_gates: int = 0
    look_at: datetime | None = None
    waiting: str = ""
    waiting_zh: str = ""
