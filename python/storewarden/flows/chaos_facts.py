# SPDX-License-Identifier: GPL-3.0-or-later
"""What a decision about an experiment needs, gathered: the inventory's tags, and healing's world.

Healing's world is asked, because whatever stands in the way of a repair stands in the way of
breaking something as well: rollouts, repairs, freezes, the kill switch.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from storewarden.domain.change.record import Change, State
from storewarden.domain.change.recording import run_refusal
from storewarden.domain.change.rules import ApprovalRules
from storewarden.domain.chaos.experiment import Experiment
from storewarden.domain.chaos.plan import (
    GROUP,
    MOST_HOSTS,
    PATHS,
    VARIABLE,
    Facts,
    HostFacts,
    Tag,
    Wish,
    tag_of,
)
from storewarden.domain.healing.world import World
from storewarden.domain.maintenance.grounds import OperationClass
from storewarden.flows.rollout_parts import EstateNow
from storewarden.ports.changes import ChangeBook
from storewarden.ports.runner import FrozenInventory

PREFIX = "chaos "
"""What the action of a standing change for experiments begins with: "chaos stop-unit"."""

_CLASSES = {
    Tag.OPEN: OperationClass.SERVICE_RESTART,
    Tag.LAB: OperationClass.SERVICE_RECOVERY,
    Tag.NONE: OperationClass.SERVICE_RESTART,
}
"""What windows are asked for: a real host loses something that works; in a lab nobody waits for a
window, and a blackout that names everything counts there, too."""

_STRICT = (Tag.NONE, Tag.OPEN, Tag.LAB)  # of two tags the first one counts


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
    world, last, estate = parts.world(now), parts.world(now + wish.span), parts.estate()
    tags = _tags(estate.inventory)
    broken = {host: each.name for each in running for host in each.hosts}
    asked = {*wish.hosts, *broken}
    hosts = {
        name: _host(name, tags[name], (world, last), estate.inventory, broken)
        for name in asked
        if name in tags
    }
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tagged:
    """What may be done to a machine, and the name that says so. ``names`` are all that it has."""

    tag: Tag
    by: str
    names: tuple[str, ...]


def _tags(inventory: FrozenInventory) -> Mapping[str, _Tagged]:
    """What may be done to each host. A tag belongs to a machine: of several names for the same one
    the strictest tag counts, or a second name would make a lab host of a till."""
    member = frozenset(inventory.groups.get(GROUP, ()))
    machines: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, variables in inventory.hosts.items():
        machines[_machine(name, variables)].append(name)
    found: dict[str, _Tagged] = {}
    for names in machines.values():
        said = {name: _said(inventory.hosts[name], member=name in member) for name in names}
        by = min(said, key=lambda name: _STRICT.index(said[name]))
        for name in names:  # a name that says the same itself needs no other's word
            own = name if said[name] is said[by] else by
            found[name] = _Tagged(tag=said[by], by=own, names=tuple(names))
    return found


def _machine(name: str, variables: Mapping[str, object]) -> tuple[str, str]:
    """Address and port. An address that is a template is the same as any that is written so."""
    address = _plain(variables.get("ansible_host")) or name
    port = _plain(variables.get("ansible_port")) or 22
    return str(address).strip().casefold(), str(port).strip()


def _said(variables: Mapping[str, object], *, member: bool) -> Tag:
    own = {VARIABLE: _plain(variables[VARIABLE])} if VARIABLE in variables else {}
    return tag_of(own, (GROUP,) if member else ())


def _host(
    name: str,
    tagged: _Tagged,
    worlds: tuple[World, World],
    inventory: FrozenInventory,
    broken: Mapping[str, str],
) -> HostFacts:
    """``worlds`` are those of the beginning and of the end; ``broken`` who is broken by what."""
    variables = {key: _plain(each) for key, each in inventory.hosts[name].items()}
    world, busy = worlds[0], worlds[0].busy.get(name)
    return HostFacts(
        tag=tagged.tag,
        groups=world.groups.get(name, ()),
        protected=tuple(world.protected.get(name, ())),
        busy=busy.who if busy is not None else _under_another_name(name, tagged, broken),
        closed=_closed(name, _CLASSES[tagged.tag], worlds),
        units=_names(variables.get("sw_chaos_units"), ()),
        paths=_names(variables.get("sw_chaos_paths"), PATHS),
        twin="" if tagged.by == name else tagged.by,
    )


def _under_another_name(name: str, tagged: _Tagged, broken: Mapping[str, str]) -> str:
    """The experiment that has the same machine by another inventory name, "" for none."""
    for other in tagged.names:
        if other != name and other in broken:
            return f"{broken[other]}, as {other}"
    return ""


def _closed(
    name: str, operation: OperationClass, worlds: tuple[World, World]
) -> tuple[str, str] | None:
    """The window's refusal: it has to be open at the beginning and when the time is up."""
    begins, ends = (world.windows(name, operation) for world in worlds)
    if not begins.allowed:
        return begins.reason.en, begins.reason.zh
    if not ends.allowed:
        return f"when its time is up: {ends.reason.en}", f"到期时：{ends.reason.zh}"
    return None


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
