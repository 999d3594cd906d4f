# SPDX-License-Identifier: GPL-3.0-or-later
"""An approved list of sets is removed, place by place, by the trusted host of each place.

What two people agreed on is made again first, by the same rules and as of the same moment. When it
is not the same list any more, nothing goes and the request is withdrawn. What has changed since for
single sets (a hold, a younger set that builds upon one, a place that must not be emptied yet, fewer
copies of what stays) keeps those sets, each with its reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from storewarden.domain.backup.catalog import (
    BackupSet,
    DeletionRequest,
    DeletionState,
    Location,
    Target,
    Verb,
    chain_of,
    dependants,
)
from storewarden.domain.backup.catalog_events import (
    DeletionDecided,
    DeletionEnded,
)
from storewarden.domain.backup.policy import Level, Policy
from storewarden.domain.backup.proof import COPIES, proof_of
from storewarden.domain.change.people import CLOCKWORK
from storewarden.domain.errors import Refused
from storewarden.flows.backup_expiry import ExpiryParts, named, proposal_of
from storewarden.flows.backup_work import Outcome
from storewarden.flows.drill import Carry, On, run_id
from storewarden.ports.backup_catalog import BackupCatalog
from storewarden.ports.backup_hosts import BackupOrder

_GRACE = timedelta(days=31)
"""Within which a remaining copy has to have been looked at where a policy does not say. Chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletionParts:
    """What removing takes; ``on`` is the trusted host of a place, ``locations`` the site's."""

    expiry: ExpiryParts
    locations: Mapping[str, Location]
    carry: Carry
    on: On
    told: Callable[[str, str], None] = lambda _copy, _why: None


@dataclass(slots=True)
class _Work:
    """One deletion under way: ``gone`` are "SET@LOCATION", ``left`` the others with the reason."""

    request: DeletionRequest
    at: datetime
    gone: list[str] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)


def delete(parts: DeletionParts, number: str) -> DeletionRequest:
    """Remove what was approved. Raises NoSuchDeletion, and Refused when it is not approved or when
    it was withdrawn because the list is not the same."""
    catalog, clock = parts.expiry.catalog, parts.expiry.clock
    request = named(catalog, number)
    if request.state is not DeletionState.APPROVED:
        raise Refused(
            f"it is {request.state.value}",
            where=number,
            hint="only what another person approved is removed",
        )
    policies = parts.expiry.policies()
    why = changed(request, catalog, policies)
    if why:
        _withdraw(parts, number, why)
        raise Refused(f"withdrawn: {why}", where=number, hint="propose it again")
    work = _Work(request=request, at=clock.now(), gone=_gone_before(parts, request))
    going = _checked(parts, work, _of_its_hosts(catalog, request), policies)
    _remove(parts, work, going, policies)
    ended = DeletionEnded(
        number=number, at=clock.now(), gone=tuple(work.gone), left=tuple(work.left.items())
    )
    return catalog.amend_deletion(number, lambda _there: (ended,))


def _gone_before(parts: DeletionParts, request: DeletionRequest) -> list[str]:
    """What this request has removed before it was cut off."""
    found = [parts.expiry.catalog.set(name) for name in request.sets]
    since = request.decided_at or request.proposed_at
    return [
        f"{each.id}@{copy.location}"
        for each in found
        if each is not None
        for copy in each.copies
        if copy.deleted is not None and copy.deleted >= since
    ]


def _of_its_hosts(catalog: BackupCatalog, request: DeletionRequest) -> list[BackupSet]:
    """All sets of the hosts that a request is about; chains do not reach beyond a host."""
    found = [catalog.set(name) for name in request.sets]
    hosts = dict.fromkeys(each.target.host for each in found if each is not None)
    return [each for host in hosts for each in catalog.sets(host=host)]


def changed(
    request: DeletionRequest, catalog: BackupCatalog, policies: Mapping[str, Policy]
) -> str:
    """Why the list is not the one that was approved; "" when it is. What this request has removed
    already, before it was cut off, is not missing."""
    known = [catalog.set(name) for name in request.sets]
    if any(each is None for each in known):
        return "a set of it is not in the catalog"
    gone = (each for each in known if each is not None and each.expired is not None)
    back = [replace(each, expired=None) for each in gone]
    again = proposal_of(catalog, policies, request.proposed_at, back)
    if again.digest == request.digest:
        return ""
    stays = [name for name in request.sets if name not in again.sets]
    if stays:
        why = again.kept.get(stays[0], "it is not old enough")
        return f"{stays[0]} stays now: {why}"
    return f"the list is longer now by {len(set(again.sets) - set(request.sets))}"


def _withdraw(parts: DeletionParts, number: str, why: str) -> None:
    event = DeletionDecided(
        number=number,
        at=parts.expiry.clock.now(),
        state=DeletionState.WITHDRAWN.value,
        by=CLOCKWORK,
        reason=why,
    )
    parts.expiry.catalog.amend_deletion(number, lambda _there: (event,))


def _checked(
    parts: DeletionParts,
    work: _Work,
    everything: Sequence[BackupSet],
    policies: Mapping[str, Policy],
) -> tuple[BackupSet, ...]:
    """Those that may really go, the newest first, so that no chain loses its head before its
    tail."""
    known = {each.id: each for each in everything}
    wanted = [known[name] for name in work.request.sets if name in known]
    going = {each.id: each for each in wanted}
    for target in dict.fromkeys(each.target for each in wanted):
        why = short_without(
            target,
            going,
            everything,
            policies[target.policy],
            locations=parts.locations,
            now=work.at,
        )
        for each in [one for one in wanted if why and one.target == target]:
            _leave(parts, work, [each], why)
            del going[each.id]
    for each in wanted:
        needed = [one for one in dependants(each.id, everything) if one not in going]
        why = "it is under legal hold" if each.hold else f"{needed[0]} needs it" if needed else ""
        if why and each.id in going:
            _leave(parts, work, [each], why)
            del going[each.id]
    return tuple(sorted(going.values(), key=lambda one: (one.received, one.id), reverse=True))


def short_without(
    target: Target,
    going: Mapping[str, BackupSet],
    everything: Iterable[BackupSet],
    policy: Policy,
    *,
    locations: Mapping[str, Location],
    now: datetime,
) -> str:
    """Why what is left of a target would not be enough; "" when it is: the newest set whole and
    read, and 3-2-1 where the policy asks for three copies."""
    rest = {e.id: e for e in everything if e.target == target and e.id not in going}
    good = [e for e in rest.values() if chain_of(e, rest).level >= Level.READ]
    if not good:
        return "nothing that was read and is whole would be left"
    newest = max(good, key=lambda each: (each.received, each.id))
    within = max((each.every for each in policy.verify), default=_GRACE) + timedelta(hours=6)
    for each in chain_of(newest, rest).sets:
        proof = proof_of(each, locations, now, within=within)
        if len(policy.copies) >= COPIES and not proof.holds:
            return f"3-2-1 does not hold for what stays ({each.id}): {proof.failing[0].en}"
    return ""


def _remove(
    parts: DeletionParts,
    work: _Work,
    going: Sequence[BackupSet],
    policies: Mapping[str, Policy],
) -> None:
    groups: dict[tuple[Target, str], list[BackupSet]] = {}
    for each in going:
        for copy in each.copies:
            if copy.deleted is not None:
                continue
            if copy.immutable_until is not None and copy.immutable_until > work.at:
                until = f"{copy.immutable_until:%Y-%m-%d}"
                _leave(parts, work, [each], f"immutable until {until}", copy.location)
                continue
            groups.setdefault((each.target, copy.location), []).append(each)
    orders = {key: _order(parts, work, key, sets, policies) for key, sets in groups.items()}
    if not orders:
        return
    seen = parts.carry(tuple(orders.values()), change=work.request.number)
    for key, order in orders.items():
        _settle(parts, work, groups[key], order, seen.get(order.run))


def _order(
    parts: DeletionParts,
    work: _Work,
    key: tuple[Target, str],
    sets: Sequence[BackupSet],
    policies: Mapping[str, Policy],
) -> BackupOrder:
    target, location = key
    return BackupOrder(
        run=run_id(Verb.PRUNE, target, work.at, location),
        target=target,
        on=parts.on(target, location),
        verb=Verb.PRUNE,
        policy=policies[target.policy],
        sets=tuple(each.id for each in reversed(sets)),
        location=location,
    )


def _settle(
    parts: DeletionParts,
    work: _Work,
    sets: Sequence[BackupSet],
    order: BackupOrder,
    outcome: Outcome | None,
) -> None:
    """What the place itself says that it removed is gone; nothing else is. The catalog has heard
    of that already, with the request's number."""
    report = outcome.report if outcome is not None else None
    removed = set(report.removed) if report is not None else set()
    for each in sets:
        if each.id in removed:
            work.gone.append(f"{each.id}@{order.location}")
            parts.told(f"{each.id}@{order.location}", "")
    why = (outcome.en if outcome else "") or "the place did not say that it is gone"
    _leave(parts, work, [each for each in sets if each.id not in removed], why, order.location)


def _leave(
    parts: DeletionParts, work: _Work, sets: Iterable[BackupSet], why: str, location: str = ""
) -> None:
    for each in sets:
        places = [location] if location else [c.location for c in each.copies if not c.deleted]
        for place in places:
            work.left[f"{each.id}@{place}"] = why or "it is not known why"
            parts.told(f"{each.id}@{place}", work.left[f"{each.id}@{place}"])
