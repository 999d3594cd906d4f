# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may give which order.

Stopping is open to everybody who has a token: a pause, withdrawing what has not begun, the kill
switch. Whoever sees harm must not have to look for somebody first. What changes hosts or lets a
rollout go on is for the people who answer for its change: who asked for it, who owns it, who began
its work, who approves it. Going back is for whoever approves any change at all. A wave that waits
for named people (an ``approval`` gate) is promoted by these and by nobody else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from storewarden.domain.change.people import CLOCKWORK, Person
from storewarden.domain.change.record import Change
from storewarden.domain.change.rules import ApprovalRules
from storewarden.domain.change.spoken import role_name
from storewarden.domain.errors import ConfigInvalid
from storewarden.domain.gates.approval import Settings
from storewarden.domain.gates.scope import OrderSeen
from storewarden.domain.rollout.spec import RolloutSpec
from storewarden.domain.rollout.waving import APPROVAL

PROMOTE = "promote"
SUPERSEDE = "supersede"
"""Taking a rollout's hosts over is an order to it as well."""

STOPPING = frozenset({"pause", "cancel"})
"""Orders that anybody may give."""

GOING_BACK = frozenset({"abort", "rollback"})
"""Orders that restore hosts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answering:
    """Who answers for a change: ``people`` by id, ``roles`` that approve it, ``approving`` the
    roles that approve any change."""

    people: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    approving: tuple[str, ...] = ()


def answering(change: Change | None, rules: ApprovalRules) -> Answering:
    """Who answers for ``change``. For one that is gone every approving role does: somebody has to
    be able to take its rollout back."""
    if change is None:
        return Answering(roles=rules.approving, approving=rules.approving)
    approved = (each.person for each in change.approvals if not each.expired)
    named = (change.requester, change.owner, change.started_by, *approved)
    people = tuple(dict.fromkeys(name for name in named if name and name != CLOCKWORK))
    roles = tuple(dict.fromkeys(rules.roles(change.draft.kind, change.draft.risk)))
    return Answering(people=people, roles=roles, approving=rules.approving)


def authority_refusal(
    order: str, person: Person, spec: RolloutSpec, who: Answering
) -> tuple[str, str] | None:
    """Why ``person`` may not give ``order``, in English and Chinese; None when they may."""
    if order in STOPPING:
        return None
    people, roles = _entitled(order, spec, who)
    if person.id in people or person.roles & set(roles):
        return None
    en = _joined([*people, *(role_name(role, "en") for role in roles)], ", ", " or ")
    zh = _joined([*people, *(role_name(role, "zh") for role in roles)], "、", "或")
    return (
        f"{person.id} may not {order} it: that is for {en} (to pause is open to everybody)",
        f"{person.id} 无权下达 {order}：仅限{zh}（任何人均可暂停）",
    )


def people_wanted(spec: RolloutSpec) -> int:
    """How many people an ``approval`` gate wants to promote a wave; 1 without such a gate."""
    return max((gate.least for gate in _approvals(spec)), default=1)


def still_wanted(spec: RolloutSpec, orders: Iterable[OrderSeen]) -> int:
    """How many people more have to promote the wave before it is promoted, with ``orders`` of
    this wave given so far. A single person cannot stand in for two."""
    given = [each for each in orders if each.order == PROMOTE]
    return max((gate.least - _counted(gate, given) for gate in _approvals(spec)), default=0)


def _counted(gate: Settings, given: Iterable[OrderSeen]) -> int:
    roles = set(gate.roles)
    return len({o.by for o in given if o.by in gate.people or roles & set(o.roles)})


def _entitled(
    order: str, spec: RolloutSpec, who: Answering
) -> tuple[Collection[str], Collection[str]]:
    """People and roles that may give the order."""
    gates = list(_approvals(spec)) if order == PROMOTE else []
    if gates:
        people = dict.fromkeys(name for gate in gates for name in gate.people)
        return tuple(people), tuple(dict.fromkeys(role for gate in gates for role in gate.roles))
    if order in GOING_BACK:
        return who.people, tuple(dict.fromkeys((*who.roles, *who.approving)))
    return who.people, who.roles


def _approvals(spec: RolloutSpec) -> Iterator[Settings]:
    """What the rollout's gates say of people who promote."""
    for gate in spec.gates:
        if gate.kind != APPROVAL:
            continue
        try:
            found = Settings.read(gate.settings)
        except ConfigInvalid:  # checked when it was opened; such a gate holds by itself
            continue
        if found.order == PROMOTE:
            yield found


def _joined(names: Sequence[str], comma: str, last: str) -> str:
    return last.join(part for part in (comma.join(names[:-1]), *names[-1:]) if part)
