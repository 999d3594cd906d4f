# SPDX-License-Identifier: GPL-3.0-or-later
"""What a hardening works with, and what it can be refused for before a host is touched."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from storewarden.domain.baseline.control import Control, Risk
from storewarden.domain.baseline.harden_choice import RISKS
from storewarden.domain.baseline.harden_gate import (
    Effort,
    Refusal,
    rounds,
    start_refusal,
    time_refusal,
)
from storewarden.domain.change.commands import Circumstances, Command, Start
from storewarden.domain.change.people import Person
from storewarden.domain.change.record import Change, Kind, State
from storewarden.domain.change.recording import run_refusal
from storewarden.domain.change.rules import ApprovalRules
from storewarden.domain.errors import ConfigInvalid, Refused
from storewarden.flows.audit_ready import AuditParts, AuditRequest, Contact
from storewarden.flows.change_desk import Document
from storewarden.ports.harden import HardenReport
from storewarden.ports.inventory import Inventory
from storewarden.ports.reports import AuditReport
from storewarden.ports.runner import FrozenInventory, PlaybookRun

FIX = "storewarden.ops.baseline_fix"
UNDO = "storewarden.ops.baseline_undo"
FEWEST_SECONDS, MOST_SECONDS = 30, 3600
"""How short and how long the dead man's deadline may be."""


class WorkDesk(Protocol):
    """The desk as a hardening needs it: the service, or the desk of one's own process."""

    @property
    def person(self) -> Person:
        """Who stands in front of it."""
        ...

    def change(self, number: str) -> Change:
        """One change. Raises ConfigInvalid when there is none."""
        ...

    def act(self, number: str, key: str, command: Command) -> Change:
        """Ask for something. Raises Refused with the rule's reason."""
        ...

    def attach(self, number: str, key: str, document: Document) -> Change:
        """Attach a document as evidence."""
        ...


type JudgeTime = Callable[[Change, datetime, timedelta], Circumstances]
"""What windows say to work on the change that begins at a moment and takes so long."""

type Audited = Callable[[AuditReport], AuditReport]
"""What follows every audit of the site; the report with the changes that explain its drift."""

type MakeDocument = Callable[[HardenReport], Document]
"""The report as a piece of evidence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HardenParts:
    """What a hardening works with; ``desk`` is None for a plan without a change;
    ``language`` is that of notes."""

    audit: AuditParts
    rules: ApprovalRules
    judge: JudgeTime
    document: MakeDocument
    contact: Contact
    audited: Audited = lambda report: report
    desk: WorkDesk | None = None
    language: str = "en"

    @property
    def at_desk(self) -> WorkDesk:
        """The desk of a verb that needs one."""
        assert self.desk is not None, "this verb was wired without a desk"  # noqa: S101
        return self.desk


@dataclass(frozen=True, slots=True, kw_only=True)
class HardenRequest:
    """What to harden and how. ``audit`` is the site's ordinary audit request; its ``limit`` and
    ``selection`` are those of the caller.

    ``variables`` go to the playbook beside our own; ``finish`` closes the change as successful
    when every host is as required.
    """

    audit: AuditRequest
    change: str = ""
    max_risk: Risk = Risk.R3
    deadline: timedelta = timedelta(minutes=5)
    finish: bool = False
    variables: Mapping[str, object] = field(default_factory=dict)

    @property
    def lanes(self) -> int:
        """How many hosts are worked on at a time."""
        return (self.audit.at_once or 2) * min(self.audit.shard_size, self.audit.forks)


class _Remembered:
    """Resolves each question once: several parts of one hardening ask the same."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self._known: dict[tuple[str, str], FrozenInventory] = {}

    def resolve(
        self,
        sources: Sequence[Path | str],
        *,
        limit: str = "",
        vault_password: Path | None = None,
    ) -> FrozenInventory:
        key = (repr(tuple(sources)), limit)
        if key not in self._known:
            self._known[key] = self._inventory.resolve(
                sources, limit=limit, vault_password=vault_password
            )
        return self._known[key]


def remembering(parts: HardenParts) -> HardenParts:
    """The same parts, asking the inventory each question only once."""
    inventory = _Remembered(parts.audit.inventory)
    return replace(parts, audit=replace(parts.audit, inventory=inventory))


def hosts_of(parts: HardenParts, request: HardenRequest, change: Change | None) -> tuple[str, ...]:
    """The hosts to work on: those of the limit, else all of the change, else all there are."""
    if request.audit.fixed is not None:
        return tuple(request.audit.fixed.hosts)
    if change is not None and not request.audit.limit:
        return change.hosts
    found = parts.audit.inventory.resolve(
        request.audit.sources,
        limit=request.audit.limit,
        vault_password=request.audit.secrets.vault_password,
    )
    return tuple(found.hosts)


def on(request: HardenRequest, hosts: Sequence[str]) -> HardenRequest:
    """The request, limited to these hosts by name."""
    return replace(request, audit=replace(request.audit, limit=",".join(hosts)))


def effort(request: HardenRequest, hosts: int, groups: int, *, canary: bool = False) -> Effort:
    """How much there is to do; with ``canary`` one host goes first, alone."""
    alone = canary and hosts > 1
    turns = alone + rounds(hosts - alone, request.lanes)
    return Effort(rounds=turns, groups=groups, deadline=request.deadline)


def groups_at_most(controls: Sequence[Control], max_risk: Risk) -> int:
    """How many apply groups a host could have to go through."""
    risky = RISKS[RISKS.index(max_risk) + 1 :]
    return len(
        {
            control.fix_group
            for control in controls
            if control.fix_group and not control.fix_manual and control.risk not in risky
        }
    )


def require_gate(
    parts: HardenParts, change: Change, hosts: Sequence[str], needs: timedelta
) -> None:
    """Raise Refused unless the change allows work of ``needs`` on ``hosts`` to begin now."""
    now, zone = parts.audit.clock.now(), parts.rules.zone
    found = start_refusal(change, hosts)
    if found is None and change.standing is not None:
        reason = run_refusal(change, hosts, parts.rules, now)
        found = Refusal(reason=reason) if reason else None
    found = found or time_refusal(change, needs, now, zone)
    if found is not None:
        raise Refused(found.reason, where=change.number, hint=found.hint)
    if change.draft.kind is Kind.EMERGENCY:
        return
    items = tuple(item for item in change.draft.items if item.host in set(hosts))
    narrow = replace(change, draft=replace(change.draft, items=items))  # the others may trade
    around = parts.judge(narrow, now, needs)
    if around.forbidden:
        raise Refused(around.forbidden, where=change.number, hint=around.hint)


def require_deadline(deadline: timedelta) -> None:
    """Raise ConfigInvalid for one in which nothing can be confirmed, or nobody would wait."""
    if not FEWEST_SECONDS <= deadline.total_seconds() <= MOST_SECONDS:
        raise ConfigInvalid(
            f"a host waits {FEWEST_SECONDS} to {MOST_SECONDS} s for its confirmation",
            where="--deadline",
            hint="300 is the default",
        )


def begun(parts: HardenParts, change: Change) -> Change:
    """The change in progress: started when it is approved. A standing change is never started."""
    if change.standing is not None or change.state is State.IN_PROGRESS:
        return change
    return parts.at_desk.act(change.number, new_key(parts, "start"), Start())


def new_key(parts: HardenParts, verb: str) -> str:
    """A key for one request at the desk: a refusal of an hour ago must not answer this one."""
    return f"harden-{verb}-{int(parts.audit.clock.now().timestamp() * 1_000_000)}"


@contextmanager
def claimed(parts: HardenParts, change: str) -> Iterator[None]:
    """The change for us alone: two hardenings of it at once would answer for each other."""
    name = f"harden {change}"
    if not parts.audit.claims.take(name):
        raise Refused(
            "somebody hardens or undoes on this change at present",
            where=change,
            hint=f"storewarden harden status --change {change}",
        )
    try:
        yield
    finally:
        parts.audit.claims.drop(name)


def play(
    request: HardenRequest,
    inventory: FrozenInventory,
    variables: Mapping[str, object],
    **more: object,
) -> PlaybookRun:
    """The run of a playbook of ours over ``inventory``."""
    audit = request.audit
    fields: dict[str, object] = {
        "inventory": inventory,
        "variables": {**audit.variables, **request.variables, **variables},
        "forks": audit.forks,
        "secrets": audit.secrets,
        "known_hosts": audit.known_hosts,
        "collections": audit.collections,
    }
    return PlaybookRun(**(fields | more))  # type: ignore[arg-type]
