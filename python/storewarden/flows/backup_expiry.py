# SPDX-License-Identifier: GPL-3.0-or-later
"""Old sets go when two people want it: one proposes a list, another one says yes to that very list
(guide 1.6.3, 1.7.3). Removing them is in ``backup_deletion``.

The list is made by the catalog's own times and the policies' rules. Who proposed it, and nobody
else's machine, is remembered; whoever approves has one of the roles that approve changes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from storewarden.domain.backup.catalog import (
    BackupSet,
    DeletionRequest,
    DeletionState,
    chain_of,
)
from storewarden.domain.backup.catalog_events import CatalogEvent, DeletionDecided
from storewarden.domain.backup.policy import Level, Policy
from storewarden.domain.backup.retention import Proposal, expired
from storewarden.domain.change.people import CLOCKWORK, Person
from storewarden.domain.change.rules import ApprovalRules
from storewarden.domain.change.spoken import role_name
from storewarden.domain.errors import ConfigInvalid, Refused
from storewarden.ports.backup_catalog import BackupCatalog
from storewarden.ports.clock import Clock

STATES: Mapping[DeletionState, tuple[str, str]] = {
    DeletionState.PROPOSED: ("proposed", "已提议"),
    DeletionState.APPROVED: ("approved", "已批准"),
    DeletionState.REFUSED: ("refused", "已拒绝"),
    DeletionState.WITHDRAWN: ("withdrawn", "已撤回"),
    DeletionState.DONE: ("done", "已完成"),
}


class NoSuchDeletion(ConfigInvalid):
    """There is no request to delete of that number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiryParts:
    """What proposing and approving take; ``language`` is that of refusals, the site's."""

    catalog: BackupCatalog
    policies: Callable[[], Mapping[str, Policy]]
    rules: ApprovalRules
    clock: Clock
    language: str = "en"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed:
    """A list, and the request it became; None when there is nothing to remove."""

    proposal: Proposal
    request: DeletionRequest | None


def proposal_at(
    sets: Sequence[BackupSet], policies: Mapping[str, Policy], moment: datetime
) -> Proposal:
    """What might go at a moment, of the sets that the catalog had then."""
    known = {each.id: each for each in sets}
    return expired(
        (each for each in sets if each.received <= moment),
        policies,
        moment,
        safe=lambda each: chain_of(each, known).level >= Level.READ,
    )


def proposal_of(
    catalog: BackupCatalog,
    policies: Mapping[str, Policy],
    moment: datetime,
    back: Sequence[BackupSet] = (),
) -> Proposal:
    """The same of everything that the catalog has, and of the sets ``back`` that are gone; one host
    after the other, because the sets of a chain do not fit into memory."""
    going, kept = list[tuple[datetime, str]](), dict[str, str]()
    for host in sorted({*catalog.hosts(), *(each.target.host for each in back)}):
        there = [*catalog.sets(host=host), *(each for each in back if each.target.host == host)]
        found = proposal_at(there, policies, moment)
        received = {each.id: each.received for each in there}
        going += [(received[name], name) for name in found.sets]
        kept |= found.kept
    return Proposal(sets=tuple(name for _at, name in sorted(going)), kept=kept)


def propose(parts: ExpiryParts, by: str) -> Proposed:
    """Make the list as of now, and ask for a second person's yes. The same list again is the
    same request."""
    found = proposal_of(parts.catalog, parts.policies(), parts.clock.now())
    if not found.sets:
        return Proposed(proposal=found, request=None)
    return Proposed(proposal=found, request=parts.catalog.propose(found.sets, found.digest, by))


def propose_monthly(parts: ExpiryParts) -> DeletionRequest | None:
    """The clock's own proposal, once in a calendar month; None when there is nothing to ask."""
    now = parts.clock.now()
    month = (now.year, now.month)
    for each in parts.catalog.deletions(limit=200):
        at = each.proposed_at.astimezone(now.tzinfo)
        if each.proposed_by == CLOCKWORK and (at.year, at.month) == month:
            return None
    return propose(parts, CLOCKWORK).request


class ExpiryDesk:
    """One person's word about a request. Each gives the request as it is then.

    They raise NoSuchDeletion, ConfigInvalid for an empty reason, and Refused for what is not this
    person's to say, or cannot be said any more. The same word of the same person again is none.
    """

    def __init__(self, parts: ExpiryParts, person: Person) -> None:
        self._parts, self._person = parts, person

    def propose(self) -> Proposed:
        """Make the list, in this person's name."""
        return propose(self._parts, self._person.id)

    def approve(self, number: str) -> DeletionRequest:
        """Yes to this very list."""
        return self._decide(number, DeletionState.APPROVED, "")

    def refuse(self, number: str, reason: str) -> DeletionRequest:
        """No, with a reason."""
        said = " ".join(reason.split())
        if not said:
            raise ConfigInvalid("say why in a few words", where="--reason")
        return self._decide(number, DeletionState.REFUSED, said)

    def _decide(self, number: str, state: DeletionState, reason: str) -> DeletionRequest:
        named(self._parts.catalog, number)
        now = self._parts.clock.now()

        def decide(request: DeletionRequest) -> Sequence[CatalogEvent]:
            if request.state is state and request.decided_by == self._person.id:
                return ()
            self._require(request, state)
            return (
                DeletionDecided(
                    number=number, at=now, state=state.value, by=self._person.id, reason=reason
                ),
            )

        return self._parts.catalog.amend_deletion(number, decide)

    def _require(self, request: DeletionRequest, state: DeletionState) -> None:
        person, wanted = self._person, self._parts.rules.approving
        if request.state is not DeletionState.PROPOSED:
            en, zh = STATES[request.state]
            raise self._no(request, f"it is {en}", f"{zh}")
        if state is DeletionState.APPROVED and request.proposed_by == person.id:
            raise self._no(
                request,
                f"{person.id} proposed it: somebody else approves that",
                f"{person.id} 提议了删除，须由他人批准",
            )
        if not set(wanted) & set(person.roles):
            en, zh = ("; ".join(role_name(role, each) for role in wanted) for each in ("en", "zh"))
            raise self._no(
                request,
                f"{person.id} has none of the roles that approve",
                f"{person.id} 没有可批准的角色",
                f"one of: {en}",
                f"可批准的角色：{zh}",
            )

    def _no(
        self, request: DeletionRequest, en: str, zh: str, hint: str = "", hint_zh: str = ""
    ) -> Refused:
        told = (zh, hint_zh) if self._parts.language == "zh" else (en, hint)
        return Refused(told[0], where=request.number, hint=told[1])


def named(catalog: BackupCatalog, number: str) -> DeletionRequest:
    """The request of that number. Raises NoSuchDeletion."""
    found = catalog.deletion(number)
    if found is None:
        raise NoSuchDeletion(
            "there is no such request to delete",
            where=number[:60],
            hint="storewarden backup expire list",
        )
    return found


def deletion_data(request: DeletionRequest) -> dict[str, Any]:
    """A request for programs."""
    return {
        "number": request.number,
        "state": request.state.value,
        "state_zh": STATES[request.state][1],
        "sets": list(request.sets),
        "digest": request.digest,
        "proposed_by": request.proposed_by,
        "proposed_at": request.proposed_at.isoformat(timespec="seconds"),
        "decided_by": request.decided_by,
        "decided_at": request.decided_at.isoformat(timespec="seconds")
        if request.decided_at
        else None,
        "reason": request.reason,
        "gone": list(request.gone),
        "left": dict(request.left),
    }


def proposed_data(found: Proposed) -> dict[str, Any]:
    """A list for programs; ``number`` is "" when there is nothing to remove."""
    if found.request is None:
        return {
            "number": "",
            "state": "",
            "state_zh": "",
            "sets": [],
            "digest": "",
            "proposed_by": "",
            "proposed_at": "",
            "decided_by": "",
            "decided_at": None,
            "reason": "",
            "gone": [],
            "left": {},
            "kept": dict(found.proposal.kept),
        }
    return deletion_data(found.request) | {"kept": dict(found.proposal.kept)}
