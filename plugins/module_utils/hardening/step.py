# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One fix on one host, worked out but not made yet.

A kind of fix is a function ``plan(system, fix) -> Step``. It only looks: everything that it would
do lies in ``act``. So the same code tells the plan, feeds the restore point and makes the change,
and what the plan promised cannot be something else than what is done.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from ansible_collections.storewarden.ops.plugins.module_utils.hardening.hands import Hands


class Change(NamedTuple):
    """One thing that will be different. ``None`` = absent; a secret is never a value here."""

    what: str  # the place: "/etc/ssh/sshd_config.d/00-storewarden.conf: MaxAuthTries", a unit, ...
    before: Any
    after: Any


class Step(NamedTuple):
    """What one fix comes to on this host.

    ``changes`` empty means that the host has it already, and then ``act`` does nothing.
    ``items`` are restore point items (docs/reference/restore-point.md) for everything that
    ``act``, the reloads and the restarts may touch; they are captured before ``act`` runs.
    ``checks`` are commands that must end with status 0 after ``act`` and before any reload;
    ``reloads`` and ``restarts`` are units that must be told; one that does not run is left alone.
    ``remains``: what this fix leaves to a person on this host, and why, as ``{en, zh}``.
    ``loads`` are commands by which the running system takes what was written, run after ``checks``.
    ``stage`` fetches what ``act`` needs from elsewhere, before anything is armed.
    ``stops`` are units that are meant to stop, ``closes`` TCP ports that are meant to close: what
    else listened before must still listen afterwards.
    ``long`` says that ``act`` is a transaction that must not be ended in its middle.
    """

    changes: tuple[Change, ...] = ()
    items: tuple[dict[str, Any], ...] = ()
    act: Callable[[Hands], None] = lambda hands: None  # noqa: ARG005
    checks: tuple[tuple[str, ...], ...] = ()
    reloads: tuple[str, ...] = ()
    restarts: tuple[str, ...] = ()
    remains: tuple[dict[str, str], ...] = ()
    loads: tuple[tuple[str, ...], ...] = ()
    stage: Callable[[Hands], None] | None = None
    stops: tuple[str, ...] = ()
    closes: tuple[int, ...] = ()
    long: bool = False


class FixFailed(Exception):
    """A fix that cannot be planned or made; one line that says what and what to do.

    ``zh`` is the same in Chinese; without it, the English line stands in both places.
    """

    def __init__(self, en: str, zh: str = "") -> None:
        super().__init__(en)
        self.en = " ".join(en.split())
        self.zh = " ".join((zh or en).split())

    def reason(self) -> dict[str, str]:
        """``{en, zh}``."""
        return {"en": self.en, "zh": self.zh}
