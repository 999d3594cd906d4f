# SPDX-License-Identifier: GPL-3.0-or-later
"""Open a rollout on a change.

The hosts are the change's items, all of them or those with the file's roles, and what is rolled
out is what people approved (``rollout_cover``). A host is in one rollout at a time. A change that
is not approved yet is fine: the rollout waits for it as a draft and begins by itself. Nothing is
opened that could not be taken back within the hour. Asked twice, it is opened once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import tzinfo
from hashlib import sha256

from storewarden.domain.change.commands import Note
from storewarden.domain.change.record import Change
from storewarden.domain.change.rules import ApprovalRules
from storewarden.domain.errors import ConfigInvalid, LedgerConflict, Refused
from storewarden.domain.rollout.authority import answering
from storewarden.domain.rollout.events import Opened, RolloutEvent
from storewarden.domain.rollout.plain import plain_spec
from storewarden.domain.rollout.plan import Plan
from storewarden.domain.rollout.record import Rollout
from storewarden.domain.rollout.secrets import secrets_in
from storewarden.domain.rollout.superseding import inherited
from storewarden.domain.rollout.tables import ENDED
from storewarden.domain.rollout.wish import SHOWN, wish_digest
from storewarden.flows.harden_ready import WorkDesk
from storewarden.flows.rollout_change import saying, scope_refusal
from storewarden.flows.rollout_cover import Wish, cover_refusal
from storewarden.flows.rollout_report import span_words
from storewarden.flows.rollout_supersede import given_up, require_say, take_over
from storewarden.ports.clock import Clock
from storewarden.ports.rollouts import RolloutBook
from storewarden.ports.signals import Gates

_SHOWN = 3
_LONGEST = 400  # characters of options that a note shows
_OPENED = (
    "{number}: {payload} {options} on {hosts} hosts, waves of {waves} stores, watched for {soak},"
    " gates: {gates}; rollout {digest}, hosts {membership}",
    "{number}：{payload} {options}，{hosts} 台主机，各波门店数 {waves}，观察 {soak}，"
    "门禁：{gates}；发布内容 {digest}，主机清单 {membership}",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StartParts:
    """What opening a rollout takes; ``wake`` makes the driver look at once; ``undo`` says why a
    plan could not be taken back in time, "" when it could; ``rules`` say who answers for a change
    whose rollout is to be superseded."""

    book: RolloutBook
    desk: WorkDesk
    clock: Clock
    gates: Gates
    zone: tzinfo
    undo: Callable[[Plan], str]
    rules: ApprovalRules = field(default_factory=ApprovalRules)
    language: str = "en"
    wake: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRequest:
    """``plan`` is frozen already; ``supersede`` takes its hosts over from another rollout."""

    change: str
    plan: Plan
    supersede: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """``new`` is False when it had been opened before; ``waits`` is what it waits for, in words
    ("" when it may begin)."""

    rollout: Rollout
    new: bool
    waits: str = ""


def start(parts: StartParts, request: StartRequest) -> Begun:
    """Open the rollout. Raises Refused with the rule's reason, ConfigInvalid for a gate that
    cannot be asked here."""
    change = parts.desk.change(request.change)
    _require_no_secrets(request.plan)
    _require_scope(change, request.plan)
    parts.gates.check(request.plan.spec.gates)
    held = _holders(parts.book, request.plan)
    same = next((each for each in held if _is_same(each, request)), None)
    if same is not None:
        take_over(parts.book, same, parts.clock.now())
        with suppress(LedgerConflict):  # told before, in other words: by an older version
            _tell(parts, same, change)  # who opened it may have died before
        return Begun(rollout=same, new=False, waits=_waits(parts, change))
    _require_cover(parts, change, held, request)
    _require_undo(parts, request.plan)
    older = _older(parts, held, request)
    told = parts.book.open_rollout(
        _key(parts.book, request),
        change.number,
        lambda number: (_opened(parts, request, number, older),),
    )
    take_over(parts.book, told.rollout, parts.clock.now())
    _tell(parts, told.rollout, change)
    parts.book.look_again(told.rollout.number, parts.clock.now())
    parts.wake()
    return Begun(rollout=told.rollout, new=told.new, waits=_waits(parts, change))


def _opened(
    parts: StartParts, request: StartRequest, number: str, older: Rollout | None
) -> RolloutEvent:
    plan = request.plan
    what = Opened(
        change=request.change,
        spec=plan.spec,
        waves=plan.waves,
        hosts=tuple(inherited(host, older) for host in plan.hosts),
        membership=plan.membership,
        supersedes="" if older is None else older.number,
    )
    person = parts.desk.person.id
    return RolloutEvent(number=number, at=parts.clock.now(), by=person, what=what)


def _require_scope(change: Change, plan: Plan) -> None:
    """The plan's hosts are the change's items, with nobody left out."""
    names = [host.name for host in plan.hosts]
    if plan.refused:
        first = plan.refused[0]
        more = f" and {len(plan.refused) - 1} more" if len(plan.refused) > 1 else ""
        raise ConfigInvalid(f"cannot take part{more}: {first.reason}", where=first.host)
    against = scope_refusal(change, names) if names else "no host takes part"
    if against:
        raise Refused(against, where=change.number, hint=f"storewarden change show {change.number}")
    roles = plan.spec.roles
    wanted = {item.host for item in change.draft.items if not roles or item.role in roles}
    _require_none(sorted(wanted - set(names)), change.number)


def _require_no_secrets(plan: Plan) -> None:
    """Also of a program that made its wish without a file."""
    for place, what in secrets_in(plan.spec.options):
        name = ".".join(str(part) for part in place)
        raise ConfigInvalid(
            f"looks like {what}",
            where=f"options.{name}",
            hint="a rollout is journaled; keep it in the inventory, under ansible-vault",
        )


def _require_cover(
    parts: StartParts, change: Change, held: Collection[Rollout], request: StartRequest
) -> None:
    """What was approved is what is rolled out."""
    lines = parts.book.lines(change=change.number)
    found = (parts.book.rollout(line.number) for line in lines)
    wish = Wish(
        person=parts.desk.person.id,
        digest=wish_digest(request.plan.spec),
        supersedes=next((each.number for each in held), "") if request.supersede else "",
    )
    said = saying(change, parts.clock.now(), parts.zone)
    rollouts = [each for each in found if each is not None]
    against = cover_refusal(change, rollouts, wish, approved=said.approved)
    if against:
        raise Refused(
            against,
            where=change.number,
            hint="open a change for it; or, before the work begins, write the plan anew"
            " (storewarden change plan), which asks for new approvals",
        )


def _require_undo(parts: StartParts, plan: Plan) -> None:
    """All of it can be taken back within the hour (guide 1.3.4, 2.5.4)."""
    against = parts.undo(plan)
    if against:
        raise Refused(
            against,
            where="undo takes longer than 1 h",
            hint="storewarden rollout plan shows it wave by wave",
        )


def _require_none(missing: Collection[str], change: str) -> None:
    if missing:
        shown = ", ".join(list(missing)[:_SHOWN])
        raise Refused(
            f"{len(missing)} of its items are not in the plan: {shown}",
            where=change,
            hint="look at the inventory and at roles of the rollout file",
        )


def _holders(book: RolloutBook, plan: Plan) -> tuple[Rollout, ...]:
    """Rollouts that hold hosts of the plan and have not ended."""
    held = book.host_states([host.name for host in plan.hosts])
    numbers = sorted({number for number, _state in held.values()})
    found = (book.rollout(number) for number in numbers)
    return tuple(each for each in found if each is not None)


def _is_same(rollout: Rollout, request: StartRequest) -> bool:
    plan = request.plan
    return (
        rollout.change == request.change
        and rollout.state not in ENDED
        and rollout.membership == plan.membership
        and rollout.spec == plan.spec
    )


def _older(parts: StartParts, held: Collection[Rollout], request: StartRequest) -> Rollout | None:
    """The rollout that gives its hosts up; None where nobody holds any. Raises Refused."""
    if not held:
        return None
    if not request.supersede:
        raise Refused(
            f"some of its hosts are in {', '.join(each.number for each in held)}",
            where=request.change,
            hint="wait for it, abort it, or take its hosts over with --supersede",
        )
    hosts, person, now = request.plan.hosts, parts.desk.person, parts.clock.now()
    for older in held:
        who = answering(parts.desk.change(older.change), parts.rules)
        require_say(parts.book, older, person, who, now)
    return given_up(parts.book, held, [host.name for host in hosts], person.id, now)


def _key(book: RolloutBook, request: StartRequest) -> str:
    """The same wish is the same rollout, until it has ended: then it may be wished again."""
    plan = request.plan
    told = json.dumps(plain_spec(plan.spec), sort_keys=True, default=str)
    digest = sha256(f"{told} {plan.membership}".encode()).hexdigest()[:16]
    ended = len(book.lines(change=request.change, states=tuple(ENDED)))
    return f"start {request.change} {digest} {ended}"


def _tell(parts: StartParts, rollout: Rollout, change: Change) -> None:
    """A line in the change's journal and ticket: what its approvers say yes to."""
    chinese = parts.language == "zh"
    note = Note(text=opened_line(rollout, chinese=chinese))
    parts.desk.act(change.number, f"{rollout.number}-opened", note)


def opened_line(rollout: Rollout, *, chinese: bool) -> str:
    """What is going to be rolled out, how carefully, and the digests by which it is known."""
    spec = rollout.spec
    language = "zh" if chinese else "en"
    waves = " -> ".join(str(len(wave.stores)) for wave in rollout.waves)
    options = json.dumps(dict(spec.options), sort_keys=True, ensure_ascii=False)
    gates = ", ".join(gate.name for gate in spec.gates) or ("无" if chinese else "none")
    words = _OPENED[chinese].format(
        number=rollout.number,
        payload=spec.payload,
        options=options if len(options) <= _LONGEST else f"{options[:_LONGEST]}...",
        hosts=len(rollout.hosts),
        waves=waves,
        soak=span_words(spec.watched.wall, language),
        gates=gates,
        digest=wish_digest(spec)[:SHOWN],
        membership=rollout.membership[:SHOWN],
    )
    if spec.emergency:
        words += "；应急通道" if chinese else "; emergency lane"
    if rollout.supersedes:
        more = ("; takes over from {n}", "；接替 {n}")[chinese]
        words += more.format(n=rollout.supersedes)
    return words


def _waits(parts: StartParts, change: Change) -> str:
    """What it waits for, as far as the change says it."""
    said = saying(change, parts.clock.now(), parts.zone)
    if not said.approved:
        return f"{change.number} is {change.state.value}: it begins when all have said yes"
    return said.against[0] or said.outside[0]
