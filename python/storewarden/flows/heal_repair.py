# SPDX-License-Identifier: GPL-3.0-or-later
"""One repair as one run: adopt it or start it, wait for it, record how its hosts came out.

The repair was recorded before; its id is the run's label. So whoever comes here after a crash
finds the run by its label, and a repair is never run twice: one that was begun and has no run is
lost, and what nobody knows is said to be unknown. A repair that was not begun soon after it was
decided is not begun at all, and hosts that are another's by now are left out of it.

Its standing change is told of each run, after the end was recorded; told again it changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

from storewarden.domain.errors import Refused, StorewardenError
from storewarden.domain.healing.action import HealAction
from storewarden.domain.healing.aftermath import Terms, after_repair
from storewarden.domain.healing.events import AlertEvent
from storewarden.domain.healing.record import End, HostEnd, Occurrence, Repair, RepairState, Stage
from storewarden.flows.heal_check import VerifiedBy, by_alert
from storewarden.flows.heal_incidents import IncidentFacts, calling, read_ahead
from storewarden.flows.heal_reports import all_end, ends_of
from storewarden.flows.rollout_parts import Contact, EstateNow, PlaySettings
from storewarden.flows.rollout_stop import in_chinese
from storewarden.ports.clock import Clock
from storewarden.ports.healing import HealingBook, Numbers, Settled
from storewarden.ports.runner import FoundRun, FrozenInventory, PlaybookRun, Runner, RunPhase

REPAIR = "repair"
"""The kind of work that is one repair; its key is the repair's id."""

OWNER = "repair"
"""The owner of runs that repairs start; their label is the repair's id."""

FRESH = timedelta(minutes=5)
"""How long after its decision a repair may still begin."""

type Against = tuple[str, str]
"""What is against a host's repair, in English and in Chinese."""

type Closed = Mapping[str, Mapping[str, Against]]
"""Host -> operation class -> why such work must not be done there now."""

_PLAYBOOK = "storewarden.ops.heal"
_SLACK = timedelta(minutes=2)  # connecting, leases, undo, the supervisor's own end


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairParts:
    """What running a repair takes; ``worker`` is this process's name in the book. ``again`` says of
    which hosts of a repair there is something against it now; ``closed`` which work their diagnosis
    may find must not be done there now; ``ran`` tells its standing change.
    """

    book: HealingBook
    runner: Runner
    clock: Clock
    estate: Callable[[], EstateNow]
    actions: Mapping[str, HealAction]
    frozen: Callable[[], str]
    worker: str
    settings: PlaySettings
    contact: Contact
    terms: Terms = field(default_factory=Terms)
    wake: Callable[[], None] = lambda: None
    again: Callable[[Repair], Mapping[str, Against]] = lambda _repair: {}
    closed: Callable[[Repair], Closed] = lambda _repair: {}
    verify: VerifiedBy = by_alert
    ran: Callable[[Repair], None] = lambda _repair: None
    incidents: IncidentFacts = field(default_factory=IncidentFacts)


class RepairWork:
    """``ports.engine.Work`` for repairs."""

    kind = REPAIR

    def __init__(self, parts: RepairParts, *, at_once: int = 10) -> None:
        """``at_once``: guard rails, "10 runs"."""
        self.at_once = at_once
        self._parts = parts

    def do(self, key: str, body: Mapping[str, object]) -> None:  # noqa: ARG002 - the key says it
        """Run the repair ``key``; nothing when it has ended."""
        run_repair(self._parts, key)


def run_repair(parts: RepairParts, ident: str) -> None:
    """Run one repair to its recorded end. Raises the leaves of ``domain.errors``; called again it
    goes on where it stopped."""
    repair = parts.book.repair(ident)
    if repair is None:
        return
    found = found_run(parts.runner, ident)
    if repair.state is not RepairState.ENDED:
        ends = _ran(parts, repair, found)
        facts = read_ahead(parts.incidents)
        now = parts.clock.now()
        repair = parts.book.end_repair(
            ident, ends, now, calling(_followed(parts, repair, ends), facts)
        )
        parts.wake()
    parts.ran(repair)
    _let_go(parts, ident)


def found_run(runner: Runner, ident: str) -> FoundRun | None:
    """The run of a repair on this machine, whatever became of it."""
    runs = (each for each in runner.recover() if each.owner == OWNER)
    return next((each for each in runs if each.label == ident), None)


def _ran(parts: RepairParts, repair: Repair, found: FoundRun | None) -> tuple[HostEnd, ...]:
    if found is not None:
        return _collected(parts, repair, found.run_id, _left_out(repair, found.hosts))
    if repair.begun_at is not None:
        en, zh = "its run is gone without a result", "运行已丢失，没有结果"
        return all_end(repair, End.UNKNOWN, en, zh)
    against = _against(parts, repair)
    if against:
        return all_end(repair, End.NOT_BEGUN, *against)
    there = parts.estate().inventory
    gone = {host: _NOT_OURS for host in repair.hosts if host not in there.hosts}
    parts.runner.announce(_request(parts, repair, there.only(_but(repair, gone)), {}))
    left: dict[str, Against] = {**parts.again(repair), **gone}
    inventory = there.only(_but(repair, left))
    if not inventory.hosts:
        return tuple(_not_begun(host, left[host]) for host in repair.hosts)
    closed = parts.closed(repair)
    if parts.book.begin_repair(repair.id, parts.worker, parts.clock.now()) is None:
        raise Refused("somebody else has begun it", where=repair.id)
    try:
        run_id = parts.runner.start(_request(parts, repair, inventory, closed))
    except Refused as error:
        return all_end(repair, End.NOT_BEGUN, str(error), str(error))
    return _collected(parts, repair, run_id, left)


_NOT_OURS: Against = ("no longer in the inventory", "已不在清单中")
_LEFT_OUT: Against = ("it was left out of the run", "未包含在该次运行中")


def _but(repair: Repair, left: Collection[str]) -> list[str]:
    return [host for host in repair.hosts if host not in left]


def _left_out(repair: Repair, hosts: Collection[str]) -> dict[str, Against]:
    """Hosts of a repair that its run did not take along."""
    return {host: _LEFT_OUT for host in repair.hosts if hosts and host not in hosts}


def _not_begun(host: str, why: Against) -> HostEnd:
    return HostEnd(host=host, end=End.NOT_BEGUN, reason=why[0], reason_zh=why[1])


def _against(parts: RepairParts, repair: Repair) -> tuple[str, str] | None:
    """Why it must not begin any more, in both languages; None when it may."""
    frozen = parts.frozen()
    if frozen:
        return frozen, in_chinese(frozen)
    waited = parts.clock.now() - repair.opened_at
    if waited > FRESH:
        minutes = int(waited.total_seconds()) // 60
        return f"waited {minutes} min for a free run", f"等待空闲运行 {minutes} 分钟"
    if repair.action not in parts.actions:
        return f"no action {repair.action} is installed", f"未安装动作 {repair.action}"
    return None


def _collected(
    parts: RepairParts, repair: Repair, run_id: str, left: Mapping[str, Against]
) -> tuple[HostEnd, ...]:
    result = parts.runner.result(run_id)
    for host in result.hosts.values():
        parts.contact(host.host, host.report)
    ends = {each.host: each for each in ends_of(repair, result)}
    return tuple(
        _not_begun(host, left[host]) if host in left else ends[host] for host in repair.hosts
    )


def _request(
    parts: RepairParts, repair: Repair, inventory: FrozenInventory, closed: Closed
) -> PlaybookRun:
    settings, action = parts.settings, parts.actions[repair.action]
    return PlaybookRun(
        playbook=_PLAYBOOK,
        inventory=inventory,
        variables={
            **settings.variables,
            "heal_action": repair.action,
            "heal_options": dict(repair.options),
            "heal_change": repair.change,
            "heal_run": repair.id,
            "heal_epoch": int(repair.opened_at.timestamp()),
            "heal_closed": _told(closed),
        },
        timeout=2 * action.needs + _SLACK,
        forks=min(20, len(inventory.hosts)),  # guard rails, "forks 20"
        secrets=settings.secrets,
        known_hosts=settings.known_hosts,
        collections=settings.collections,
        owner=OWNER,
        label=repair.id,
        connect_ahead=True,
    )


def _told(closed: Closed) -> dict[str, dict[str, dict[str, str]]]:
    return {
        host: {name: {"en": en, "zh": zh} for name, (en, zh) in classes.items()}
        for host, classes in closed.items()
    }


def _followed(
    parts: RepairParts, repair: Repair, ends: tuple[HostEnd, ...]
) -> Callable[[Mapping[str, Occurrence], Numbers], Settled]:
    """What its end means for the alerts that asked for it."""
    by_host = {each.host: each for each in ends}
    action, now = parts.actions.get(repair.action), parts.clock.now()
    idempotent = action is not None and action.idempotent

    def decide(there: Mapping[str, Occurrence], _numbers: Numbers) -> Settled:
        moved = []
        for key, occurrence in there.items():
            end = by_host.get(host_of(occurrence))
            if end is None or occurrence.stage is not Stage.ACTING:
                continue
            what = after_repair(
                occurrence,
                end,
                now,
                idempotent=idempotent,
                terms=parts.terms,
                by=parts.verify(repair.rule, repair.action),
            )
            moved.append(AlertEvent(key=key, at=now, what=what))
        return Settled(events=tuple(moved))

    return decide


def host_of(occurrence: Occurrence) -> str:
    """The one host that an occurrence is about, "" before it was decided."""
    decision = occurrence.decision
    return decision.hosts[0] if decision is not None and decision.hosts else ""


def _let_go(parts: RepairParts, ident: str) -> None:
    """Its end is in the book, also when somebody else recorded it."""
    found = found_run(parts.runner, ident)
    if found is not None and found.phase is not RunPhase.LIVE:
        with suppress(StorewardenError):  # its play may still live: the next look takes it away
            parts.runner.release(found.run_id)
