# SPDX-License-Identifier: GPL-3.0-or-later
"""What a repair is asked again right before it begins: minutes may have passed since its decision.

Its standing change may have been withdrawn, a rollout may have the host or the other half of its
pair by now, and the alert may be over. A host of which one of these is true is left out; it is
decided about anew, and that was no try.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from storewarden.domain.capacity.admit import admit
from storewarden.domain.healing.record import Occurrence, Repair
from storewarden.domain.healing.world import Recheck, World
from storewarden.flows.heal_check import SourceCheck
from storewarden.flows.heal_repair import Against
from storewarden.flows.heal_world import WorldBook
from storewarden.ports.clock import Clock
from storewarden.ports.healing import HealingBook

type Covers = Callable[[str, Sequence[str], datetime], str]
"""Number of a standing change, hosts, now -> why it does not cover them; "" when it does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedAgain:
    """Call it with a repair: hosts that must not be touched now, each with the reason."""

    book: HealingBook
    world: WorldBook
    check: SourceCheck
    covers: Covers
    clock: Clock

    def __call__(self, repair: Repair) -> dict[str, Against]:
        """Raises AdapterError and LedgerConflict; then the repair has not begun."""
        now = self.clock.now()
        world = self.world.gathered(now)
        found: dict[str, Against] = {}
        for host in repair.hosts:
            against = self.covers(repair.change, (host,), now)
            busy = world.busy.get(host)
            if against:
                found[host] = f"{repair.change}: {against}", f"{repair.change}：{against}"
            elif busy is not None and busy.who != f"repair {repair.id}":
                found[host] = f"busy: {busy.who}", f"正被占用：{busy.who}"
        found |= dict.fromkeys(self._quiet(repair), _OVER)
        return dict(_crowded(repair, world, found)) | found

    def _quiet(self, repair: Repair) -> set[str]:
        """Hosts all of whose alerts are over, or silenced, by now."""
        known = [self.book.occurrence(key) for key in repair.occurrences]
        alerts = [each for each in known if each is not None]
        asked = self.check.rechecks([each for each in alerts if each.resolved_at is None])
        off = {
            each.key
            for each in alerts
            if each.resolved_at is not None or asked.get(each.key) in (Recheck.QUIET, Recheck.NOTED)
        }
        on = {_host(each) for each in alerts if each.key not in off}
        return {_host(each) for each in alerts} - on


_OVER: Against = ("its alert is over by now", "告警已恢复")


def _host(occurrence: Occurrence) -> str:
    decision = occurrence.decision
    return decision.hosts[0] if decision is not None and decision.hosts else ""


def _crowded(repair: Repair, world: World, left: Collection[str]) -> Iterator[tuple[str, Against]]:
    """Hosts whose groups have lost too much meanwhile. Who may stand still was asked before."""
    if not repair.disruptive:
        return
    hosts = [host for host in repair.hosts if host not in left]
    groups = {host: world.groups.get(host, ()) for host in hosts}
    found = admit(
        hosts,
        groups=groups,
        members=world.members,
        unavailable={*world.unavailable, *world.busy} - set(hosts),
        budgets=world.budgets,
        consent={*world.consent, *(name for names in groups.values() for name in names)},
        unreachable=world.unreachable,
        own=set(hosts),
    )
    for host, refused in found.refused.items():
        yield host, (refused.reason, refused.reason_zh)
