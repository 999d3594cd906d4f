# SPDX-License-Identifier: GPL-3.0-or-later
"""From a closed month to changes, tickets and runs.

Every step is a journal entry of the run "forced fix 2026-05", written once:

* ``planned automatic`` and ``planned approval``: for which devices, under which change, why;
* ``began N`` before a batch of devices is touched and ``ended N`` after it. A batch that began
  is never begun again, so that no device is fixed by force twice for one month;
* ``done``: nothing is left to do for this month.

A standing change named in the settings is used for the fixes of low risk; without one, or when
it does not cover a device, a change is opened that waits for approval like any other. What it
asks for is asked by "storewarden" itself, so nobody approves their own wish.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, cast

from storewarden.domain.baseline.compliance import Month
from storewarden.domain.baseline.control import Control, Risk
from storewarden.domain.baseline.drift_ticket import DriftTicket, TicketKind
from storewarden.domain.baseline.forced import ForcedPlan, ForcedWork, batches, forced_plan
from storewarden.domain.change import record
from storewarden.domain.errors import Refused, StorewardenError
from storewarden.domain.outbox.drift_words import FORCED
from storewarden.flows.change_desk import ChangeDesk, ChangeRequest
from storewarden.flows.compliance import ComplianceParts, HostWords, host_tickets
from storewarden.ports.forced import ForcedOrder, ForcedOutcome, StartHarden

NAME = "forced-fix"
BEGAN = "forced fix began"
ENDED = "forced fix ended"
DONE = "forced fix done"
AT_ONCE = 10
"""Devices in one batch, after the first one alone: a tick of the controller stays short."""

_NEEDS = timedelta(hours=1)
_AGAIN = timedelta(minutes=15)
_OPERATION = "configuration"
_CANARY = "harden one device first and look at it"
"""It begins with "harden", so that hardening itself may do it."""

_BY_HAND = HostWords(
    title={"en": "to be put right by hand", "zh": "需人工整改"},
    reason={
        "en": "off the baseline two months running, and no machine can fix what fails",
        "zh": "连续两个月不合规，且未通过项无法自动整改",
    },
)
_STILL = HostWords(
    title={"en": "still failing after a forced fix", "zh": "强制整改后仍不合规"},
    reason={
        "en": "a fix by force was planned after the month before, and it is still off the baseline",
        "zh": "上月结束后已安排强制整改，目前仍不合规",
    },
)
_REASON = {
    "en": "off the baseline two months running (guide 2.2.5)",
    "zh": "连续两个月偏离基线（指南 2.2.5）",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ForcedParts:
    """What planning and running takes.

    ``desk`` is where "storewarden" itself stands; ``harden`` is None when this process cannot
    touch hosts; ``standing`` is the number of the standing change, "" for none.
    """

    months: ComplianceParts
    controls: Callable[[], Mapping[str, Control]]
    desk: Callable[[], ChangeDesk]
    harden: StartHarden | None = None
    standing: str = ""
    owner: str = ""


class ForcedFix:
    """The duty: plans what the last closed month asks for, and runs what needs no approval."""

    def __init__(self, parts: ForcedParts) -> None:
        self._parts = parts
        self._over: set[Month] = set()
        self._rest_until: datetime | None = None
        self.name = NAME
        self.every = timedelta(hours=1)

    def tick(self, now: datetime) -> datetime | None:
        """One step: a plan, or one batch of devices."""
        closed = self._parts.months.book.months()
        month = closed[-1] if closed else None
        if month is None or month in self._over:
            return None
        plan_forced(self._parts, month)
        if self._rest_until is not None and now < self._rest_until <= now + _AGAIN:
            return self._rest_until  # asking for windows reads the inventory
        self._rest_until = None
        if run_next(self._parts, month):
            return now
        if _is_done(self._parts, month):
            self._over.add(month)
            return None
        self._rest_until = now + _AGAIN
        return self._rest_until


def plan_forced(parts: ForcedParts, month: Month) -> None:
    """Open the changes and tickets that a closed month asks for; again: nothing happens."""
    if _entry(parts, month, "planned") is not None:
        return
    fleet = parts.months.book.month(month)
    if fleet is None:
        return
    plan = forced_plan(fleet, parts.controls(), _planned_hosts(parts, month.before))
    _tickets(parts, plan)
    automatic = _automatic(parts, plan)
    approval = _approval(parts, plan)
    hosts = list(dict.fromkeys((*plan.automatic.hosts, *plan.approval.hosts)))
    body = {"month": str(month), "hosts": hosts, "automatic": automatic, "approval": approval}
    parts.months.ledger.append("forced fix judged", body, run=_run(month), step="planned")
    if not automatic or automatic != parts.standing or parts.harden is None:
        _note(parts, DONE, month, "done", {"month": str(month)})


def run_next(parts: ForcedParts, month: Month) -> bool:
    """Run the next batch of the standing change; whether another one follows at once."""
    if _is_done(parts, month) or parts.harden is None:
        return False
    work, done = _ordered(parts, month), _begun(parts, month)
    left = batches(work.hosts, AT_ONCE, done)
    if not left or _stopped(parts, month):
        _note(parts, DONE, month, "done", {"month": str(month)})
        return False
    order = _order(parts, work, left[0])
    if parts.harden.refusal(order) or parts.harden.waits(order):
        return False  # asked again in a while
    return _run_batch(parts, month, order, parts.harden)


def _run_batch(parts: ForcedParts, month: Month, order: ForcedOrder, harden: StartHarden) -> bool:
    """Noted before anything is touched: whatever happens then, it is not begun a second time."""
    count = len(_entries(parts, month, BEGAN)) + 1
    began = {"month": str(month), "change": order.change, "hosts": order.hosts}
    _note(parts, BEGAN, month, f"began {count}", began)
    try:
        outcome = harden.start(order)
    except StorewardenError as error:  # nothing was touched; the month goes on with the others
        outcome = ForcedOutcome(left=order.hosts, said=str(error))
    came = {"well": outcome.well, "left": outcome.left, "open": outcome.open}
    body = {**began, **came, "said": outcome.said}
    _note(parts, ENDED, month, f"ended {count}", body)
    return True


def _automatic(parts: ForcedParts, plan: ForcedPlan) -> str:
    """Under which change the fixes of low risk are made; "" when there are none."""
    work = plan.automatic
    if not work.fixes:
        return ""
    why = _uncovered(parts, work)
    if parts.standing and not why:
        told = {
            "en": f"{_REASON['en']}; fixes of risk R0 and R1, in the next window",
            "zh": f"{_REASON['zh']}；R0、R1 级整改，在下一个窗口执行",
        }
        _planned(parts, plan.month, "automatic", (work, parts.standing, told))
        return parts.standing
    number = _opened(parts, plan.month, "automatic", work)
    told = {
        "en": f"{_REASON['en']}; fixes of risk R0 and R1 wait for approval: {why}",
        "zh": f"{_REASON['zh']}；R0、R1 级整改待审批",
    }
    _planned(parts, plan.month, "automatic", (work, number, told))
    return number


def _approval(parts: ForcedParts, plan: ForcedPlan) -> str:
    """The change for fixes of higher risk; "" when there are none."""
    work = plan.approval
    if not work.fixes:
        return ""
    number = _opened(parts, plan.month, "approval", work)
    told = {
        "en": f"{_REASON['en']}; fixes up to risk {work.risk.value} wait for approval and begin"
        " with one device",
        "zh": f"{_REASON['zh']}；最高 {work.risk.value} 级整改待审批，先在一台设备上试行",
    }
    _planned(parts, plan.month, "approval", (work, number, told))
    return number


def _uncovered(parts: ForcedParts, work: ForcedWork) -> str:
    """Why the standing change of the settings cannot be used."""
    if not parts.standing:
        return "no standing change is named"
    if parts.harden is None:
        return "nothing here can run it"
    return parts.harden.refusal(_order(parts, work, work.hosts))


def _opened(parts: ForcedParts, month: Month, path: str, work: ForcedWork) -> str:
    """A change that waits for approval; the same again after a crash."""
    desk, key = parts.desk(), f"forced-fix-{month}-{path}"
    request = _request(parts, month, work)
    try:
        return desk.open(key, request).number
    except Refused:
        return desk.open(key, replace(request, needs=None)).number  # no window fits all devices


def _request(parts: ForcedParts, month: Month, work: ForcedWork) -> ChangeRequest:
    risks = {Risk.R2: record.Risk.MEDIUM, Risk.R3: record.Risk.HIGH}
    risk = risks.get(work.risk, record.Risk.LOW)
    lines = "\n".join(f"{host}: {' '.join(names)}" for host, names in work.fixes.items())
    canary = () if risk is record.Risk.LOW else (record.KeyStep(name=_CANARY, two_person=True),)
    return ChangeRequest(
        summary=f"forced baseline fix after {month}: {len(work.hosts)} devices",
        kind=record.Kind.STANDARD,
        risk=risk,
        reason=_REASON["en"],
        hosts=work.hosts,
        plan=(
            f"storewarden harden start on one device first, then on the others, up to risk"
            f" {work.risk.value}.\n{lines}"
        ),
        rollback=record.RollbackPlan(
            trigger="a service of the device does not answer, or people are locked out",
            steps="each device restores itself when the fix is not confirmed; storewarden harden"
            " undo takes back the rest",
            owner=parts.owner or parts.desk().person.id,
        ),
        operation=_OPERATION,
        needs=_NEEDS,
        owner=parts.owner,
        steps=canary,
    )


def _planned(
    parts: ForcedParts, month: Month, path: str, what: tuple[ForcedWork, str, Mapping[str, str]]
) -> None:
    work, number, told = what
    body = {
        "month": str(month),
        "path": path,
        "change": number,
        "hosts": work.hosts,
        "fixes": {host: list(names) for host, names in work.fixes.items()},
        "risk": work.risk.value,
        "reason": dict(told),
    }
    _note(parts, FORCED, month, f"planned {path}", body)


def _tickets(parts: ForcedParts, plan: ForcedPlan) -> None:
    if not parts.months.tickets:
        return
    made = host_tickets(parts.months, plan.month)
    opened: dict[str, DriftTicket] = {}
    for devices, words in ((plan.still, _STILL), (plan.by_hand, _BY_HAND)):
        for each in devices:
            ticket = made.ticket(TicketKind.PROBLEM, each.device, words)
            opened.setdefault(each.device.host, ticket)
    parts.months.drift.settle(list(opened.values()), [])


def _order(parts: ForcedParts, work: ForcedWork, hosts: Sequence[str]) -> ForcedOrder:
    chosen = {name for host in hosts for name in work.fixes[host]}
    return ForcedOrder(
        change=parts.standing,
        hosts=tuple(hosts),
        controls=tuple(sorted(chosen)),
        max_risk=work.risk,
    )


def _ordered(parts: ForcedParts, month: Month) -> ForcedWork:
    entry = parts.months.ledger.entry(_run(month), "planned automatic")
    if entry is None:
        return ForcedWork()
    raw = cast("Mapping[str, Any]", entry.body)
    fixes = {host: tuple(raw["fixes"][host]) for host in raw["hosts"]}
    return ForcedWork(fixes=fixes, risk=Risk(raw["risk"]))


def _begun(parts: ForcedParts, month: Month) -> tuple[str, ...]:
    """Devices that were touched for this month already."""
    entries = _entries(parts, month, BEGAN)
    return tuple(host for body in entries for host in cast("list[str]", body["hosts"]))


def _stopped(parts: ForcedParts, month: Month) -> bool:
    """Whether a batch ended with a device of which nobody knows: then no other one begins."""
    return any(body["open"] for body in _entries(parts, month, ENDED))


def _entries(parts: ForcedParts, month: Month, kind: str) -> list[Mapping[str, object]]:
    found: list[Mapping[str, object]] = []
    word = kind.rpartition(" ")[2]
    while (entry := _entry(parts, month, f"{word} {len(found) + 1}")) is not None:
        found.append(entry)
    return found


def _planned_hosts(parts: ForcedParts, month: Month) -> Sequence[str]:
    body = _entry(parts, month, "planned")
    return cast("list[str]", body["hosts"]) if body else ()


def _is_done(parts: ForcedParts, month: Month) -> bool:
    return _entry(parts, month, "done") is not None


def _entry(parts: ForcedParts, month: Month, step: str) -> Mapping[str, object] | None:
    entry = parts.months.ledger.entry(_run(month), step)
    return entry.body if entry else None


def _note(
    parts: ForcedParts, kind: str, month: Month, step: str, body: Mapping[str, object]
) -> None:
    if _entry(parts, month, step) is None:
        parts.months.ledger.append(kind, body, run=_run(month), step=step)


def _run(month: Month) -> str:
    return f"forced fix {month}"
