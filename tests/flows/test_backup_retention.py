# SPDX-License-Identifier: GPL-3.0-or-later
"""Old sets go with two people's word over a real ledger, and only what they agreed on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from storewarden.adapters.ledger import open_ledger
from storewarden.domain.backup.catalog import DeletionRequest, DeletionState, Verb
from storewarden.domain.backup.catalog_events import CopySeen, HoldChanged
from storewarden.domain.backup.policy import Level, SetKind
from storewarden.domain.change.people import CLOCKWORK, Person
from storewarden.domain.change.rules import ApprovalRules
from storewarden.domain.errors import ConfigInvalid, Refused
from storewarden.flows.backup_deletion import DeletionParts, delete
from storewarden.flows.backup_expiry import ExpiryDesk, ExpiryParts, proposal_at, propose_monthly
from storewarden.testing.ledger import ManualClock
from tests.flows.proof_place import (
    AWAY,
    DAY,
    LOCATIONS,
    NOW,
    OTHER,
    TILL,
    ProofPlace,
    failed,
)

WANG = Person(id="wang", name="Wang", roles=frozenset({"operations_lead"}))
LI = Person(id="li", name="Li", roles=frozenset({"security_lead"}))
CLERK = Person(id="clerk", name="Clerk", roles=frozenset({"cashier_support"}))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[ProofPlace]:
    clock = ManualClock(NOW)
    with open_ledger(tmp_path / "ledger.sqlite", clock=clock) as ledger:
        found = ProofPlace(ledger=ledger, clock=clock)
        for age in (60, 50, 10, 2, 1):
            found.has(TILL, NOW - age * DAY)
        yield found


def expiry(place: ProofPlace, language: str = "en") -> ExpiryParts:
    return ExpiryParts(
        catalog=place.ledger.backups,
        policies=lambda: {place.policy.id: place.policy},
        rules=ApprovalRules(),
        clock=place.clock,
        language=language,
    )


def proposed(place: ProofPlace) -> DeletionRequest:
    found = ExpiryDesk(expiry(place), WANG).propose().request
    assert found is not None
    return found


def approved(place: ProofPlace) -> DeletionRequest:
    return ExpiryDesk(expiry(place), LI).approve(proposed(place).number)


def removed(place: ProofPlace, number: str) -> DeletionRequest:
    return delete(
        DeletionParts(
            expiry=expiry(place),
            locations=LOCATIONS,
            carry=place.carry,
            on=lambda target, location: target.host if location == "host" else f"{location}01",
        ),
        number,
    )


def day(age: int) -> str:
    return f"{TILL.name}/{NOW - age * DAY:%Y%m%dT%H%M%SZ}-full"


def test_what_two_people_agreed_on_is_removed_from_every_place_and_leaves_a_trace(
    place: ProofPlace,
) -> None:
    request = approved(place)
    assert request.sets == (day(60), day(50))
    place.clock.advance(3 * DAY)
    look_again(place)
    done = removed(place, request.number)
    assert (done.state, done.left) == (DeletionState.DONE, {})
    assert sorted(done.gone) == sorted(
        f"{day(age)}@{where}" for age in (60, 50) for where in ("host", "hub", "away")
    )
    assert {(each.verb, each.location, each.on) for each in place.orders} == {
        (Verb.PRUNE, "host", "pos01"),
        (Verb.PRUNE, "hub", "hub01"),
        (Verb.PRUNE, "away", "away01"),
    }
    gone = place.ledger.backups.set(day(60))
    assert gone is not None
    assert gone.expired is not None
    assert day(60) not in {each.id for each in place.ledger.backups.sets()}
    story = place.ledger.backups.history(request.number)
    assert [each.kind.rsplit(" ", 1)[-1] for each in story][-1] == "ended"
    assert place.ledger.verify().problems == ()


def look_again(place: ProofPlace) -> None:
    """Copies that stay were looked at since."""
    place.ledger.backups.record(
        [
            CopySeen(set=day(age), location=where, at=place.clock.now(), level=Level.READ)
            for age in (10, 2, 1)
            for where in LOCATIONS
        ]
    )


def test_nobody_approves_what_they_proposed(place: ProofPlace) -> None:
    request = proposed(place)
    with pytest.raises(Refused, match="wang proposed it"):
        ExpiryDesk(expiry(place), WANG).approve(request.number)
    with pytest.raises(Refused, match="须由他人批准"):
        ExpiryDesk(expiry(place, "zh"), WANG).approve(request.number)
    with pytest.raises(Refused, match="none of the roles"):
        ExpiryDesk(expiry(place), CLERK).approve(request.number)
    yes = ExpiryDesk(expiry(place), LI).approve(request.number)
    assert (yes.state, yes.decided_by) == (DeletionState.APPROVED, "li")
    assert ExpiryDesk(expiry(place), LI).approve(request.number) == yes  # once is once
    with pytest.raises(Refused, match="it is approved"):
        ExpiryDesk(expiry(place), LI).refuse(request.number, "no")


def test_nothing_is_removed_without_a_yes(place: ProofPlace) -> None:
    request = proposed(place)
    with pytest.raises(Refused, match="it is proposed"):
        removed(place, request.number)
    with pytest.raises(ConfigInvalid, match="in a few words"):
        ExpiryDesk(expiry(place), LI).refuse(request.number, "  ")
    ExpiryDesk(expiry(place), LI).refuse(request.number, "an audit is coming")
    with pytest.raises(Refused, match="it is refused"):
        removed(place, request.number)
    with pytest.raises(ConfigInvalid, match="no such request"):
        removed(place, "DEL-20200101-000000")
    assert place.orders == []


def test_a_hold_since_the_yes_withdraws_all_of_it(place: ProofPlace) -> None:
    request = approved(place)
    held = HoldChanged(set=day(60), at=NOW, hold=True, by="law", reason="a dispute")
    place.ledger.backups.record([held])
    with pytest.raises(Refused, match=r"withdrawn: .* it is under legal hold"):
        removed(place, request.number)
    there = place.ledger.backups.deletion(request.number)
    assert there is not None
    assert there.state is DeletionState.WITHDRAWN
    assert place.orders == []


def test_a_good_full_set_that_turned_out_damaged_withdraws_it(place: ProofPlace) -> None:
    request = approved(place)
    bad = [
        CopySeen(set=day(age), location=where, at=NOW, level=Level.READ, damaged="a flipped byte")
        for age in (10, 2, 1)
        for where in LOCATIONS
    ]
    place.ledger.backups.record(bad)
    with pytest.raises(Refused, match="one of the last 2 good full sets"):
        removed(place, request.number)
    assert place.orders == []


def test_a_younger_set_that_came_since_keeps_what_it_builds_upon(place: ProofPlace) -> None:
    request = approved(place)
    place.clock.advance(DAY)
    look_again(place)
    child = place.has(TILL, NOW + DAY, kind=SetKind.INCREMENTAL, parent=day(60))
    done = removed(place, request.number)
    assert {each.partition("@")[0] for each in done.gone} == {day(50)}
    assert set(done.left.values()) == {f"{child} needs it"}


def test_nothing_goes_when_what_stays_is_short_of_copies(place: ProofPlace) -> None:
    request = approved(place)
    gone = CopySeen(set=day(1), location="away", at=NOW, level=Level.READ, damaged="cut off")
    place.ledger.backups.record([gone])
    done = removed(place, request.number)
    assert done.gone == ()
    assert len(done.left) == 6
    assert all("3-2-1 does not hold for what stays" in each for each in done.left.values())


def test_what_must_not_be_emptied_yet_and_what_cannot_be_reached_stays_with_its_reason(
    place: ProofPlace,
) -> None:
    locked = CopySeen(
        set=day(50), location="away", at=NOW, level=Level.READ, immutable_until=NOW + DAY
    )
    place.ledger.backups.record([locked])
    request = approved(place)
    place.answers[Verb.PRUNE, "hub"] = AWAY
    place.answers[Verb.PRUNE, "host"] = failed("the repository is locked")
    done = removed(place, request.number)
    assert done.gone == (f"{day(60)}@away",)
    assert done.left == {
        f"{day(50)}@away": "immutable until 2026-06-02",
        f"{day(60)}@hub": "no route to host",
        f"{day(50)}@hub": "no route to host",
        f"{day(60)}@host": "the repository is locked",
        f"{day(50)}@host": "the repository is locked",
    }
    again = ExpiryDesk(expiry(place), WANG).propose().request
    assert again is not None  # what was left is proposed again, and needs a new yes
    assert (again.state, again.number != request.number) == (DeletionState.PROPOSED, True)


def test_what_only_the_place_says_is_gone_counts(place: ProofPlace) -> None:
    request = approved(place)
    place.answers[Verb.PRUNE, "hub"] = replace(failed(""), removed=(day(60),))
    done = removed(place, request.number)
    assert f"{day(60)}@hub" in done.gone
    assert done.left == {f"{day(50)}@hub": "the place did not say that it is gone"}


def test_a_deletion_that_was_cut_off_goes_on(place: ProofPlace) -> None:
    request = approved(place)

    class Cut(Exception):
        """The controller died."""

    def dying(orders: object, *, change: str = "") -> object:
        place.carry([orders[0]], change=change)  # type: ignore[index]
        raise Cut

    broken = DeletionParts(
        expiry=expiry(place),
        locations=LOCATIONS,
        carry=dying,  # type: ignore[arg-type]
        on=lambda target, _location: target.host,
    )
    with pytest.raises(Cut):
        delete(broken, request.number)
    done = removed(place, request.number)
    assert (done.state, len(done.gone)) == (DeletionState.DONE, 6)


def test_a_proposal_and_a_deletion_read_one_host_after_the_other(place: ProofPlace) -> None:
    """The sets of a whole chain do not fit into memory; the list is the same as of all at once."""
    for age in (70, 55, 3, 2):
        place.has(OTHER, NOW - age * DAY)
    whole = proposal_at(place.ledger.backups.sets(), {"tills": place.policy}, NOW)
    asked: list[str] = []

    class OneByOne:
        """The catalog, and whose sets somebody reads."""

        def sets(self, *, host: str = "", **more: Any) -> Any:
            asked.append(host)
            return place.ledger.backups.sets(host=host, **more)

        def __getattr__(self, name: str) -> Any:
            return getattr(place.ledger.backups, name)

    book = OneByOne()
    parts = replace(expiry(place), catalog=book)  # type: ignore[arg-type]
    proposed_ = ExpiryDesk(parts, WANG).propose()
    assert proposed_.proposal == whole
    assert len(whole.sets) == 4 and whole.sets[0].startswith(OTHER.name)
    assert asked == [TILL.host, OTHER.host]
    number = proposed_.request.number  # type: ignore[union-attr]
    ExpiryDesk(parts, LI).approve(number)
    done = delete(
        DeletionParts(
            expiry=parts, locations=LOCATIONS, carry=place.carry,
            on=lambda target, _location: target.host,
        ),
        number,
    )  # fmt: skip
    assert done.state is DeletionState.DONE and done.left == {}
    assert "" not in asked


def test_the_clock_proposes_once_a_month_and_anybody_but_it_approves(place: ProofPlace) -> None:
    first = propose_monthly(expiry(place))
    assert first is not None
    assert first.proposed_by == CLOCKWORK
    place.clock.advance(timedelta(hours=1))
    assert propose_monthly(expiry(place)) is None
    ExpiryDesk(expiry(place), LI).refuse(first.number, "not now")
    place.clock.advance(32 * DAY)
    assert propose_monthly(expiry(place)) is not None


def test_the_clients_clock_pushes_nothing_out(place: ProofPlace) -> None:
    """Tills that lie about the year: what counts is when the catalog heard of a set."""
    old = place.has(TILL, NOW - 400 * DAY, received=NOW - DAY)
    new = place.has(TILL, NOW + 400 * DAY, received=NOW - 40 * DAY)
    assert proposed(place).sets == (day(60), day(50), new)
    assert old not in proposed(place).sets
