# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the hosts that somebody wants to work on may be worked on now (invariant I1).

The rule: for every group of a host, those that are unavailable already (busy, unreachable,
unknown, in need of a person) and those let through before it, together with the host itself,
stay within the group's cap. The offline half of a pair protects its peer: counting only what is
busy would take the other half down as well (reference: rollouts, fact 7).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice

from storewarden.domain.capacity.budgets import Budgets
from storewarden.domain.capacity.groups import WORK, cap, kind_of, needs_consent

_SHOWN = 3  # unavailable members named in a refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a host has to wait: ``group`` has ``taken`` of at most ``cap`` members unavailable.

    ``who`` are some of them. ``consent`` is true when the group has no other member, and nobody
    has agreed to its standing still; ``group`` is "" when the host itself is unavailable.
    """

    host: str
    group: str = ""
    cap: int = 0
    taken: int = 0
    who: tuple[str, ...] = ()
    consent: bool = False

    @property
    def reason(self) -> str:
        """One line."""
        if not self.group:
            return "is unavailable itself"
        if self.consent:
            return f"{self.group} has no other member: that needs consent"
        return f"{self.group}: {self.taken} of at most {self.cap} unavailable{self._named()}"

    @property
    def reason_zh(self) -> str:
        """The same in Chinese."""
        if not self.group:
            return "该主机本身不可用"
        if self.consent:
            return f"{self.group} 没有其他成员：须明确同意"
        return f"{self.group}：最多 {self.cap} 台不可用，现有 {self.taken} 台{self._named()}"

    def _named(self) -> str:
        more = self.taken - len(self.who)
        tail = f" +{more}" if more > 0 else ""
        return f" ({', '.join(self.who)}{tail})" if self.who else ""

    def __str__(self) -> str:
        return self.reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """``admitted`` in the order in which they were wanted; ``refused`` says why not, per host."""

    admitted: tuple[str, ...] = ()
    refused: Mapping[str, Refusal] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class _Ledger:
    """What is taken of each group so far; worked out for a group when it is first asked about."""

    members: Mapping[str, Collection[str]]
    unavailable: Collection[str]
    unreachable: Collection[str]
    budgets: Budgets
    consent: Collection[str]
    taken: dict[str, int] = field(default_factory=dict)
    caps: dict[str, int] = field(default_factory=dict)
    shown: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def full(self, group: str, host: str = "") -> bool:
        """Whether nobody else of the group may go; ``host`` does not count against itself."""
        if group not in self.taken:
            self.taken[group] = sum(1 for _ in self.away(group))
            self.caps[group] = cap(group, len(self.members.get(group, ())), self.budgets)
        return self.taken[group] - self.counts(host, group) >= self.caps[group]

    def counts(self, host: str, group: str) -> bool:
        """Whether the host counts as unavailable in the group already."""
        if host not in self.unavailable:
            return False
        return kind_of(group) not in WORK or host not in self.unreachable

    def some(self, group: str) -> tuple[str, ...]:
        """A few of those that are away in it, for a reason's text; looked for once."""
        if group not in self.shown:
            self.shown[group] = tuple(islice(self.away(group), _SHOWN))
        return self.shown[group]

    def away(self, group: str) -> Iterable[str]:
        """Members that count as unavailable in it."""
        if not self.unavailable:
            return ()
        found = (host for host in self.members.get(group, ()) if host in self.unavailable)
        if kind_of(group) not in WORK:
            return found
        return (host for host in found if host not in self.unreachable)


def admit(  # noqa: PLR0913 - keywords, each of them a fact of its own
    wanted: Iterable[str],
    *,
    groups: Mapping[str, Collection[str]],
    members: Mapping[str, Collection[str]],
    unavailable: Collection[str],
    budgets: Budgets,
    consent: Collection[str] = (),
    unreachable: Collection[str] = (),
    broken: Collection[str] = (),
    own: Collection[str] = (),
    limit: int | None = None,
) -> Admission:
    """Which of ``wanted`` may be worked on now, the first ones first.

    ``groups`` maps each wanted host to its groups, ``members`` each group to its hosts of the
    whole estate (``groups.groups_of`` and ``members_of``). ``unavailable`` are all hosts that
    count as away, this caller's own included (a set, or a mapping by host); of these,
    ``unreachable`` are merely silent with nothing of ours under way: they count in all groups
    but those of work (``store``, ``site``), so that one till that is switched off does not close
    a store. ``broken`` are hosts that are down already: undoing them takes nothing from anybody,
    so they pass whatever the caps say, also when they are unavailable. ``own`` are wanted hosts
    that are unavailable on this caller's own account (it holds their slot, or could not reach
    them): they do not count against themselves. ``consent`` names groups
    with a single member that may stand still (``budgets.single_consent`` for all). ``limit`` is
    how many to admit at most.
    """
    ledger = _Ledger(
        members=members,
        unavailable=_quick(unavailable),
        unreachable=_quick(unreachable),
        budgets=budgets,
        consent=consent,
    )
    admitted: list[str] = []
    refused: dict[str, Refusal] = {}
    for host in dict.fromkeys(wanted):
        if limit is not None and len(admitted) >= limit:
            break
        found = None if host in broken else _objection(host, groups[host], ledger, own)
        if found is not None:
            refused[host] = found
            continue
        admitted.append(host)
        _take(host, groups[host], ledger)
    return Admission(admitted=tuple(admitted), refused=refused)


def _quick(hosts: Collection[str]) -> Collection[str]:
    return hosts if isinstance(hosts, set | frozenset | Mapping) else frozenset(hosts)


def _take(host: str, groups: Iterable[str], ledger: _Ledger) -> None:
    for group in groups:
        ledger.full(group)
        ledger.taken[group] += not ledger.counts(host, group)


def _objection(
    host: str, groups: Iterable[str], ledger: _Ledger, own: Collection[str]
) -> Refusal | None:
    if host in ledger.unavailable and host not in own:
        return Refusal(host=host)
    for group in groups:
        agreed = ledger.budgets.single_consent or group in ledger.consent
        if not agreed and needs_consent(group, len(ledger.members.get(group, ()))):
            return Refusal(host=host, group=group, cap=0, consent=True)
        if ledger.full(group, host):
            taken, most = ledger.taken[group], ledger.caps[group]
            who = ledger.some(group)
            return Refusal(host=host, group=group, cap=most, taken=taken, who=who)
    return None
