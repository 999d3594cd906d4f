# SPDX-License-Identifier: GPL-3.0-or-later
"""The 3-2-1 proof of what is in the catalog, and of places that claim to be immutable.

A place that says of itself that nothing can be deleted there is asked to delete something: an
object made for it, with the very credentials that backups are made with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from storewarden.domain.backup.catalog import BackupSet, Location, Target, Verb, chain_of
from storewarden.domain.backup.policy import Policy
from storewarden.domain.backup.proof import Proof, Term, proof_of
from storewarden.domain.errors import ConfigInvalid
from storewarden.flows.backup_work import Outcome
from storewarden.flows.drill import Carry, On, run_id
from storewarden.ports.backup_catalog import BackupCatalog
from storewarden.ports.backup_hosts import BackupOrder
from storewarden.ports.clock import Clock

_GRACE = timedelta(hours=6)
_LONGEST = timedelta(days=31)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofParts:
    """What proving takes; ``journal`` gets a kind, the run and what a canary showed."""

    catalog: BackupCatalog
    policies: Mapping[str, Policy]
    locations: Mapping[str, Location]
    clock: Clock
    carry: Carry | None = None
    on: On = lambda target, _location: target.host
    journal: Callable[[str, str, Mapping[str, object]], object] = lambda _kind, _run, _body: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """The proofs of a chain, the full set first (a chain is as good as its worst member), and
    what the canary found by place."""

    backup: BackupSet
    proofs: tuple[Proof, ...]
    missing: str = ""
    canaries: Mapping[str, Term] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """Whether every term of every member does, and no immutable place let go."""
        fine = all(each.holds for each in self.proofs)
        return fine and not self.missing and all(each.holds for each in self.canaries.values())


def prove(
    parts: ProofParts, subject: str, policy: str = "", *, canary: bool = False
) -> tuple[Proven, ...]:
    """The proof of a set, or of the newest one of each policy of a host. Raises ConfigInvalid."""
    found = []
    for backup in _meant(parts, subject, policy):
        mine = parts.policies.get(backup.target.policy)
        if mine is None:
            raise ConfigInvalid("there is no such policy any more", where=backup.target.policy)
        tried = _canaries(parts, backup.target, mine) if canary else {}
        found.append(_proven(parts, backup, mine, tried))
    return tuple(found)


def _meant(parts: ProofParts, subject: str, policy: str) -> tuple[BackupSet, ...]:
    named = parts.catalog.set(subject)
    if named is not None:
        return (named,)
    newest: dict[Target, BackupSet] = {}
    for each in parts.catalog.sets(host=subject, policy=policy):
        newest.setdefault(each.target, each)
    if not newest:
        raise ConfigInvalid(
            "there is neither a set nor a host with sets of that name",
            where=subject,
            hint="storewarden backup plan shows the hosts",
        )
    return tuple(newest.values())


def _proven(
    parts: ProofParts, backup: BackupSet, policy: Policy, canaries: Mapping[str, Term]
) -> Proven:
    known = {each.id: each for each in parts.catalog.of([backup.target]).sets}
    chain = chain_of(backup, known | {backup.id: backup})
    within = max((each.every for each in policy.verify), default=_LONGEST) + _GRACE
    now = parts.clock.now()
    proofs = [proof_of(each, parts.locations, now, within=within) for each in chain.sets]
    return Proven(backup=backup, proofs=tuple(proofs), missing=chain.missing, canaries=canaries)


def _canaries(parts: ProofParts, target: Target, policy: Policy) -> dict[str, Term]:
    """Every place of the policy that claims to be immutable, asked to prove it."""
    claimed = [each.location for each in policy.copies if each.immutable > timedelta()]
    if not claimed or parts.carry is None:
        return {}
    at = parts.clock.now()
    orders = [
        BackupOrder(
            run=run_id(Verb.CANARY, target, at, place),
            target=target,
            on=parts.on(target, place),
            verb=Verb.CANARY,
            policy=policy,
            location=place,
        )
        for place in claimed
    ]
    seen = parts.carry(orders)
    found = {}
    for each in orders:
        told = _told(each.location, seen.get(each.run))
        found[each.location] = told
        body = {"target": target.name, "place": each.location, "immutable": told.holds}
        parts.journal("canary tried", each.run, body | {"found": told.en})
    return found


def _told(place: str, outcome: Outcome | None) -> Term:
    report = outcome.report if outcome is not None else None
    if report is None or report.immutable is None:
        why = (outcome.en if outcome else "") or "nobody answered"
        return Term(
            name=f"immutable {place}",
            holds=False,
            en=f"{place} was not proven immutable: {why}",
            zh=f"{place} 的不可变性未得到证明：{why}",
        )
    if report.immutable:
        return Term(
            name=f"immutable {place}",
            holds=True,
            en=f"{place} refused to delete a canary",
            zh=f"{place} 拒绝删除测试对象",
        )
    return Term(
        name=f"immutable {place}",
        holds=False,
        en=f"{place} let a canary be deleted: it is not immutable",
        zh=f"{place} 允许删除测试对象：并非不可变",
    )
