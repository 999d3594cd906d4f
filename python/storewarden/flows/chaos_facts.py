# SPDX-License-Identifier: GPL-3.0-or-later
"""What a decision about an experiment needs, gathered: the inventory's tags, and healing's world.

Healing's world is asked, because whatever stands in the way of a repair stands in the way of
breaking something as well: rollouts, repairs, freezes, the kill switch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from storewarden.domain.change.record import Change, State
from storewarden.domain.change.recording import run_refusal
from storewarden.domain.change.rules import ApprovalRules
from storewarden.domain.chaos.experiment import Experiment
from storewarden.domain.chaos.plan import MOST_HOSTS, PATHS, Facts, HostFacts, Tag, Wish, tag_of
from storewarden.domain.healing.world import World
from storewarden.domain.maintenance.grounds import OperationClass
from storewarden.flows.rollout_parts import EstateNow
from storewarden.ports.changes import ChangeBook

PREFIX = "chaos "
"""What the action of a standing change for experiments begins with: "chaos stop-unit"."""

_CLASSES = {
    Tag.OPEN: OperationClass.SERVICE_RESTART,
    Tag.LAB: OperationClass.SERVICE_RECOVERY,
    Tag.NONE: OperationClass.SERVICE_RESTART,
}
"""What windows are asked for: a real host loses something that works; in a lab nobody waits for a
window, and a blackout that names everything counts there, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FactParts:
    """Where facts come from. ``rules`` are names of heal rules."""

    world: Callable[[datetime], World]
    estate: Callable[[], EstateNow]
    changes: ChangeBook
    approvals: ApprovalRules
    rules: Callable[[], Iterable[str]]


def gathered(
    parts: FactParts,
    wish: Wish,
    running: Sequence[Experiment],
    now: datetime,
    most: int = MOST_HOSTS,
) -> Facts:
    """The facts for one wish; ``running`` are the experiments under way."""
    world, estate = parts.world(now), parts.estate()
    broken = {host: each.name for each in running for host in each.hosts}
    asked = {*wish.hosts, *broken}
    hosts = {name: _host(name, world, estate) for name in asked if name in estate.inventory.hosts}
    change, against = _change(parts, wish, hosts, now)
    stopped = world.stopped or world.frozen
    return Facts(
        hosts=hosts,
        members=world.members,
        budgets=world.budgets,
        unavailable=frozenset(world.unavailable),
        stopped=None if stopped is None else (stopped.en, stopped.zh),
        change=change,
        against=against,
        experiments=broken,
        rules=frozenset(parts.rules()) if wish.expect else frozenset(),
        most=most,
    )


def _host(name: str, world: World, estate: EstateNow) -> HostFacts:
    variables = {key: _plain(each) for key, each in estate.inventory.hosts[name].items()}
    member = [group for group, names in estate.inventory.groups.items() if name in names]
    tag, busy = tag_of(variables, member), world.busy.get(name)
    window = world.windows(name, _CLASSES[tag])
    return HostFacts(
        tag=tag,
        groups=world.groups.get(name, ()),
        protected=tuple(world.protected.get(name, ())),
        busy=busy.who if busy is not None else "",
        closed=None if window.allowed else (window.reason.en, window.reason.zh),
        units=_names(variables.get("sw_chaos_units"), ()),
        paths=_names(variables.get("sw_chaos_paths"), PATHS),
    )


def _plain(value: object) -> object:
    """The text inside ``{"__ansible_unsafe": text}``, as ansible-inventory marks data."""
    if isinstance(value, Mapping) and set(value) == {"__ansible_unsafe"}:
        return value["__ansible_unsafe"]
    return value


def _names(value: object, default: tuple[str, ...]) -> tuple[str, ...]:
    """A list of names; what is none allows nothing."""
    if value is None:
        return default
    if not isinstance(value, list | tuple):
        return ()
    plain = (_plain(each) for each in value)
    return tuple(each for each in plain if isinstance(each, str))


def _change(
    parts: FactParts, wish: Wish, hosts: Mapping[str, HostFacts], now: datetime
) -> tuple[str, tuple[str, str]]:
    """The standing change that covers the fault on the hosts that need one."""
    needing = sorted(name for name in wish.hosts if name in hosts and hosts[name].tag is Tag.OPEN)
    against = ("there is none", "不存在")
    if not needing:
        return "", against
    for change in _standing(parts.changes, wish.fault):
        refused = run_refusal(change, needing, parts.approvals, now)
        if not refused:
            return change.number, against
        against = (f"{change.number}: {refused}", f"{change.number}：{refused}")
    return "", against


def _standing(book: ChangeBook, fault: str) -> Sequence[Change]:
    """Its standing changes, the newest first."""
    found = (
        change
        for change in book.changes(states=(State.REQUESTED, State.APPROVED))
        if change.standing is not None and change.standing.action == f"{PREFIX}{fault}"
    )
    return sorted(found, key=lambda each: each.number, reverse=True)
