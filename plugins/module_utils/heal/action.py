# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a heal action is on the host: look, judge, repair, look again.

An alert is somebody else's word and may be minutes old, so an action repairs only what it has seen
itself, and only what its diagnosis named. The judgement is pure: a role's cases run it anywhere.
"""

from __future__ import annotations

import signal
from typing import Any, NamedTuple

from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

NEEDED = "needed"  # the fault is there, and this action may repair it
HEALTHY = "healthy"  # nothing is wrong any more
ESCALATE = "escalate"  # something is wrong that this action must not, or cannot, repair

STATES = (NEEDED, HEALTHY, ESCALATE)

MOST_TEXT = 20000  # characters of one piece of evidence


class Evidence(NamedTuple):
    """Something a person will want to read afterwards."""

    name: str
    text: str


class Diagnosis(NamedTuple):
    """What diagnose came to.

    ``plan`` is JSON data: what exactly act may touch. ``capture`` are items of a restore point,
    empty when no state changes.
    """

    state: str
    reason: str
    reason_zh: str
    plan: dict[str, Any] = {}
    capture: tuple[dict[str, Any], ...] = ()


class Step(NamedTuple):
    """One thing that was done, in both languages; ``freed`` are bytes, where that is the point."""

    en: str
    zh: str
    freed: int = 0


class Finding(NamedTuple):
    """Whether the host is well again, and why it is or is not."""

    well: bool
    reason: str
    reason_zh: str


class HealError(Exception):
    """A repair that could not be made: one line, in English and Chinese."""

    def __init__(self, reason: str, reason_zh: str) -> None:
        super().__init__(reason)
        self.reason_zh = reason_zh


class TooLate(BaseException):
    """The phase's time is over. No Exception: who catches what goes wrong with one of many units
    must not catch this, or the work goes on after the controller has given the host away."""


def time_left() -> float:
    """Seconds until this phase has to end; infinite where nobody has set a limit."""
    left = signal.getitimer(signal.ITIMER_REAL)[0]
    return left if left > 0 else float("inf")


class Action:
    """One kind of repair. ``options`` is what the role's variables came to, without the prefix."""

    name = ""
    judges_ages = False  # of files or jobs, so that a wrong clock would make it do harm

    def facts(self, host: Host, options: dict[str, Any]) -> dict[str, Any]:
        """What the host looks like, as JSON data. Changes nothing."""
        raise NotImplementedError

    def evidence(
        self, host: Host, facts: dict[str, Any], options: dict[str, Any]
    ) -> tuple[Evidence, ...]:
        """What people will want to read; asked for unless the host is healthy. Changes nothing."""
        return ()

    def diagnose(self, facts: dict[str, Any], options: dict[str, Any]) -> Diagnosis:
        """The judgement over the facts. Pure."""
        raise NotImplementedError

    def act(self, host: Host, diagnosis: Diagnosis, options: dict[str, Any]) -> list[Step]:
        """Repair what ``diagnosis.plan`` names, and nothing else. Raises HealError."""
        raise NotImplementedError

    def verify(self, host: Host, diagnosis: Diagnosis, options: dict[str, Any]) -> Finding:
        """One look after the repair. Changes nothing."""
        raise NotImplementedError

    def undo(self, host: Host, diagnosis: Diagnosis, options: dict[str, Any]) -> list[Step]:
        """Take back what the restore point does not know; only where ``undo: role``."""
        return []
