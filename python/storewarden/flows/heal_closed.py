# SPDX-License-Identifier: GPL-3.0-or-later
"""What a repair must not become on its hosts now.

Windows were asked about the work that the alert promised: to start what is down. The diagnosis may
find something else, a service that is up and does not answer; restarting that takes something from
people who may be using it. Nobody can ask windows from the host, so the answers for all classes
that a diagnosis may find go along with the run, and the host is asked for nothing that is closed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from storewarden.domain.healing.action import HealAction
from storewarden.domain.healing.guards.window import by_day
from storewarden.domain.healing.policy import HealPolicy
from storewarden.domain.healing.record import Repair
from storewarden.domain.healing.world import Windows
from storewarden.domain.maintenance.words import operation_name
from storewarden.flows.heal_repair import Against, Closed
from storewarden.flows.heal_world import WorldBook
from storewarden.ports.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedWork:
    """Call it with a repair right before its run."""

    world: WorldBook
    actions: Mapping[str, HealAction]
    policy: HealPolicy
    clock: Clock

    def __call__(self, repair: Repair) -> Closed:
        """Only hosts on which something is closed. Nothing is read for an action whose diagnosis
        never changes what it does. Raises AdapterError; then the repair is not run."""
        action = self.actions.get(repair.action)
        if action is None or not action.may_become:
            return {}
        now = self.clock.now()
        windows = self.world.windows(now)
        found = {host: dict(self._of(action, host, windows, now)) for host in repair.hosts}
        return {host: classes for host, classes in found.items() if classes}

    def _of(
        self, action: HealAction, host: str, windows: Windows, now: datetime
    ) -> Iterator[tuple[str, Against]]:
        wall = now.astimezone(self.world.zone_of(host))
        disturbs = replace(action, disruptive=True)  # what is up may be in use, whatever it is
        for operation in action.may_become:
            answer = windows(host, operation)
            why = answer.reason if not answer.allowed else None
            why = why or by_day(disturbs, operation, self.policy, wall)
            if why is not None:
                name, name_zh = operation_name(operation), operation_name(operation, "zh")
                en, zh = f"{name} is not allowed now: {why.en}", f"现在不允许{name_zh}：{why.zh}"
                yield operation.value, (en, zh)
