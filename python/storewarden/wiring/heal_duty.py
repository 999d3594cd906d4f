# SPDX-License-Identifier: GPL-3.0-or-later
"""The duty of healing at a site, with the rules as their files are now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from storewarden.flows.heal_tick import HEALING, HealingDuty

if TYPE_CHECKING:
    from storewarden.wiring.healing import Healing


class RuledDuty:
    """The duty of healing with the rules as they are now.

    A mistake in the rules, or an action that is gone, must not keep the controller from receiving
    alerts: the duty fails with it, which health shows, and nothing is decided until it is mended.
    """

    name = HEALING
    every = HealingDuty.every

    def __init__(
        self, healing: Healing, submit: Callable[[str, str, Mapping[str, object]], None]
    ) -> None:
        self._healing, self._submit = healing, submit
        self._duty: HealingDuty | None = None
        self._mark: tuple[tuple[str, int, int], ...] = ()
        self._begun = False

    def tick(self, now: datetime) -> datetime | None:
        """As HealingDuty. Raises ConfigInvalid for settings and rules that are wrong."""
        if not self._begun:  # so that the first alert does not wait for the inventory
            self._begun = True
            self._healing.estate.ahead()
        mark = self._healing.rules_mark()
        if self._duty is None or mark != self._mark:
            self._duty = None
            self._healing.read_anew()
            self._duty = HealingDuty(self._healing.tick_parts(self._submit))
            self._mark = mark
        return self._duty.tick(now)
