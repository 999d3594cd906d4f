# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking at rollouts: read from the ledger, shown by a report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, cast
from zoneinfo import ZoneInfo

from storewarden.domain.outbox.rollout_words import story_line
from storewarden.domain.rollout.numbers import change_of
from storewarden.ports.journal import stamp
from storewarden.ports.rollout_status import (
    NoSuchRollout,
    RolloutStatus,
    RolloutStatusRenderer,
    StatusFormat,
)
from storewarden.wiring.rollout_parts import kill_switch

if TYPE_CHECKING:
    from storewarden.domain.rollout.record import Rollout
    from storewarden.ports.ledger import JournalEntry
    from storewarden.ports.reports import Page
    from storewarden.ports.rollouts import RolloutBook, RolloutLine
    from storewarden.wiring.site import Site

_TAIL = 40  # entries worth telling; of these the last ones are shown
_MODULES = {
    StatusFormat.TABLE: "storewarden.adapters.reports.rollout_status",
    StatusFormat.JSON: "storewarden.adapters.reports.rollout_status_json",
}


class RolloutLook:
    """One rollout, looked at again and again.

    The book reads only the hosts that changed, and of the journal only what is new is read; so a
    look at a rollout to which nothing happened asks four short questions, however large it is.
    """

    def __init__(self, site: Site, number: str) -> None:
        """Raises NoSuchRollout when there is no such rollout."""
        site.require_ledger()
        self._site = site
        self._number = number
        self._stopped = kill_switch(site)
        self._after = 0
        self._tail: tuple[JournalEntry, ...] = ()
        known(site.ledger.rollouts, number)

    def status(self) -> RolloutStatus:
        """Where it stands now. What leads there is among its tail."""
        rollout = self.rollout()
        self.news()
        config = self._site.config.site
        return RolloutStatus(
            rollout=rollout,
            at=self._site.clock.now(),
            tail=self._tail,
            stopped=self._stopped(),
            site=config.name,
            zone=ZoneInfo(config.timezone),
        )

    def rollout(self) -> Rollout:
        """The rollout itself; the same object as long as nothing happened to it."""
        return known(self._site.ledger.rollouts, self._number)

    def news(self) -> Sequence[JournalEntry]:
        """Its journal entries since the last look, oldest first."""
        found = self._site.ledger.rollouts.history(self._number, after=self._after)
        if found:
            self._after = found[-1].sequence
            self._tail = (*self._tail, *_last_told(found))[-_TAIL:]
        return found


def known(book: RolloutBook, number: str) -> Rollout:
    """The rollout of a number that somebody gave. Raises NoSuchRollout."""
    try:
        change_of(number)
        found = book.rollout(number)
    except ValueError:
        found = None
    if found is None:
        hint = "storewarden rollout list --all"
        raise NoSuchRollout("there is no such rollout", where=number[:60], hint=hint)
    return found


def _last_told(entries: Sequence[JournalEntry]) -> Iterable[JournalEntry]:
    """The last ones that have something to say; most only count."""
    found: list[JournalEntry] = []
    for entry in reversed(entries):
        if len(found) == _TAIL:
            break
        if story_line(entry.kind, entry.body) is not None:
            found.append(entry)
    return reversed(found)


def line_data(line: RolloutLine) -> dict[str, object]:
    """A line of a list as JSON data."""
    return {
        "rollout": line.number,
        "change": line.change,
        "payload": line.payload,
        "state": line.state.value,
        "opened": stamp(line.opened),
        "updated": stamp(line.updated),
        "look_at": None if line.look_at is None else stamp(line.look_at),
        "wave": line.wave,
        "waves": line.waves,
        "hosts": dict(line.counts),
        "held": line.held,
        "held_zh": line.held_zh,
    }


def status_data(status: RolloutStatus) -> dict[str, object]:
    """The status as JSON data."""
    from storewarden.adapters.reports.rollout_status_json import plain  # noqa: PLC0415

    return plain(status)


def rendered(status: RolloutStatus, shape: StatusFormat, page: Page, rows: int = 0) -> str:
    """The status as text; for a screen of ``rows`` lines, what fits there."""
    module = import_module(_MODULES[shape])
    return cast("RolloutStatusRenderer", module.render)(status, page, rows)
