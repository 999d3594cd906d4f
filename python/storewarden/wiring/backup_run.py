# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person orders of backups: sets, copies, looks; each written down with who asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from storewarden.domain.backup.catalog import BackupSet, Run, Target, Verb, chain_of
from storewarden.domain.backup.drill import Source, source_of
from storewarden.domain.backup.due import kind_for, missing_at, parent_of
from storewarden.domain.backup.policy import Level, Method, SetKind
from storewarden.domain.errors import ConfigInvalid, Refused
from storewarden.flows.backup_work import (
    Asked,
    Outcome,
    WorkParts,
    awaited,
    begin,
    collect,
    run_name,
    stop,
)
from storewarden.ports.backup_hosts import BackupOrder
from storewarden.wiring.backup_work import PATIENCE, BackupSite, Bound, backup_site
from storewarden.wiring.here import operator
from storewarden.wiring.interrupts import interruption

if TYPE_CHECKING:
    from storewarden.wiring.site import Site

type Told = Callable[[Outcome], None]
type Orders = Callable[[BackupSite], Sequence[BackupOrder]]

_PLAN = "storewarden backup plan shows what binds which host"


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What came of all orders; ``interrupted`` when somebody did not want to wait any more."""

    outcomes: tuple[Outcome, ...]
    interrupted: bool = False


def taking(hosts: Sequence[str], policy: str, kind: SetKind) -> Orders:
    """One set of each target that is named."""

    def orders(of: BackupSite) -> Sequence[BackupOrder]:
        if not hosts and not policy:
            raise ConfigInvalid("say which hosts, or which policy", where="HOST", hint=_PLAN)
        return [_take(of, each, kind) for each in chosen(of, hosts, policy)]

    return orders


def copying(what: str, to: str) -> Orders:
    """Whatever is missing of a set, or of a host's sets, in the places of its policy."""

    def orders(of: BackupSite) -> Sequence[BackupOrder]:
        backup = of.site.ledger.backups.set(what)
        found = []
        for each in _of_what(of, what, backup, network=True):
            places = of.copied_to(each.policy)
            if to and to not in places:
                known = ", ".join(places) or "none"
                raise ConfigInvalid(
                    f"the policy {each.policy.id} copies nothing there",
                    where=f"--to {to}",
                    hint=f"its places are: {known}",
                )
            found += [
                made
                for place in ([to] if to else places)
                if (made := _copy(of, each, place, backup)) is not None
            ]
        return found

    return orders


def verifying(what: str, level: Level, at: str) -> Orders:
    """A look at a set, or at a host's sets, where they lie."""

    def orders(of: BackupSite) -> Sequence[BackupOrder]:
        backup = of.site.ledger.backups.set(what)
        found: list[BackupOrder] = []
        for each in _of_what(of, what, backup, network=True):
            found += _looks(of, each, level, at, backup)
        return found

    return orders


def chosen(
    of: BackupSite, hosts: Sequence[str], policy: str = "", *, network: bool = False
) -> tuple[Bound, ...]:
    """The targets of these hosts (all for none) and this policy (all for ""); network devices only
    where they are meant (``network``). Raises ConfigInvalid for a name that there is not, or that
    no policy binds."""
    there = [each for each in of.bound() if network or each.policy.method is not Method.NETWORK]
    if policy and policy not in of.policies:
        known = ", ".join(sorted(of.policies))
        raise ConfigInvalid("there is no such policy", where=policy, hint=f"there are: {known}")
    there = [each for each in there if policy in ("", each.policy.id)]
    for name in hosts:
        if all(each.target.host != name for each in there):
            raise ConfigInvalid("no such policy binds it", where=name, hint=_PLAN)
    return tuple(each for each in there if not hosts or each.target.host in hosts)


def carried(site: Site, orders: Orders, told: Told, *, wait: bool = True) -> Carried:
    """Carry out orders. Open runs of before are asked about first: what ended is recorded, and one
    that is the same as an order is waited for in its place."""
    with interruption() as asked_to_stop:
        of = backup_site(site)
        parts = of.work(asked_to_stop.wait, patience=PATIENCE if wait else 0.0)
        wanted = orders(of)
        there = {_place(each.run): each for each in _adopted(parts) if each.run.end is None}
        asked = [Asked(order=each, by=operator()) for each in wanted]
        fresh = [each for each in asked if _place_of(each.order) not in there]
        found = [there[_place_of(each)] for each in wanted if _place_of(each) in there]
        for some in _rounds(fresh) if wait else [fresh]:
            fresh_ones = begin(parts, some)
            for each in fresh_ones:
                told(each)
            begun = (*found, *fresh_ones)
            found = list(awaited(parts, begun, told) if wait else begun)
            if asked_to_stop.is_set():
                break
        if wait and not fresh:
            found = list(awaited(parts, found, told))
        return Carried(outcomes=tuple(found), interrupted=asked_to_stop.is_set())


def _rounds(asked: Sequence[Asked]) -> list[list[Asked]]:
    """One order of each target at a time: its host would call the second one busy."""
    rounds: list[list[Asked]] = []
    times: Counter[Target] = Counter()
    for each in asked:
        number = times[each.order.target]
        times[each.order.target] += 1
        rounds += [[]] if number == len(rounds) else []
        rounds[number].append(each)
    return rounds


def stopped(site: Site, run: str) -> Outcome:
    """End a run in the middle. Raises ConfigInvalid for one that there is not, Refused for one that
    has ended."""
    parts = backup_site(site).work(lambda _seconds: True)
    there = parts.catalog.run(run)
    if there is None:
        raise ConfigInvalid("there is no such run", where=run, hint="storewarden backup status")
    if there.end is not None:
        raise Refused(f"it has ended: {there.end.value}", where=run)
    return stop(parts, there)


def _adopted(parts: WorkParts) -> Sequence[Outcome]:
    """Open runs as they stand now."""
    return collect(parts, parts.catalog.open_runs())


def _place(run: Run) -> tuple[Target, Verb, str]:
    return run.target, run.verb, run.location


def _place_of(order: BackupOrder) -> tuple[Target, Verb, str]:
    return order.target, order.verb, order.location


def _order(of: BackupSite, bound: Bound, verb: Verb, location: str) -> BackupOrder:
    now = of.site.clock.now()
    return BackupOrder(
        run=run_name(bound.target, verb, location, now, (1, 1)),
        target=bound.target,
        on=of.on(bound.target, location, verb),
        verb=verb,
        policy=of.policy_for(bound.target),
        location=location,
        kib=of.kib(bound.policy),
    )


def _take(of: BackupSite, bound: Bound, kind: SetKind) -> BackupOrder:
    there = of.site.ledger.backups.of([bound.target])
    made = kind_for(bound.policy.method, kind)
    parent = parent_of(there, made)
    made = made if parent else SetKind.FULL
    return replace(_order(of, bound, Verb.TAKE, of.home(bound.target)), kind=made, parent=parent)


def _copy(of: BackupSite, bound: Bound, place: str, only: BackupSet | None) -> BackupOrder | None:
    there, home = of.site.ledger.backups.of([bound.target]), of.home(bound.target)
    lacking = [each.id for each in missing_at(there, home, place, damaged=True)]
    wanted = [each for each in lacking if only is None or each in _with_chain(only, there.sets)]
    if not wanted:
        return None
    return replace(_order(of, bound, Verb.COPY, place), sets=tuple(wanted))


def _with_chain(backup: BackupSet, sets: Sequence[BackupSet]) -> set[str]:
    return {each.id for each in chain_of(backup, {one.id: one for one in sets}).sets}


def _looks(
    of: BackupSite, bound: Bound, level: Level, at: str, only: BackupSet | None
) -> list[BackupOrder]:
    there = of.site.ledger.backups.of([bound.target])
    network = bound.policy.method is Method.NETWORK
    if network and level > Level.READ:
        raise Refused(
            "nothing can be started of a configuration", where=bound.target.name,
            hint="levels 1 and 2 are all that there are",
        )  # fmt: skip
    if level > Level.READ:
        source = source_of(there, named=only.id if only else "", location=at)
        if not isinstance(source, Source):
            raise Refused(source.en, where=bound.target.name)
        made = _order(of, bound, Verb.DRILL, source.places[0])
        sets = tuple(each.id for each in source.chain.sets)
        return [replace(made, sets=sets, level=level, disaster=of.site.clock.now())]
    sets_ = [only] if only else there.sets
    lying = {copy.location for each in sets_ for copy in each.copies if copy.deleted is None}
    if network:  # there each reading of the device compares it
        lying.discard(of.home(bound.target))
    if (at and at not in lying) or not (lying or not network):
        where = at or bound.target.name
        raise Refused("nothing of it lies there", where=where, hint="storewarden backup list")
    named = (only.id,) if only else ()
    return [
        replace(_order(of, bound, Verb.VERIFY, place), level=level, sets=named)
        for place in sorted(lying)
        if at in ("", place)
    ]


def _of_what(
    of: BackupSite, what: str, backup: BackupSet | None, *, network: bool = False
) -> tuple[Bound, ...]:
    """The targets that a set, or a host, stands for."""
    if backup is not None:
        return chosen(of, [backup.target.host], backup.target.policy, network=network)
    if "/" in what:
        raise ConfigInvalid("there is no such set", where=what, hint="storewarden backup list")
    return chosen(of, [what], network=network)
