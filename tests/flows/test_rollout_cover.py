# SPDX-License-Identifier: GPL-3.0-or-later
"""What was approved is what is rolled out, and can be taken back in time."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from storewarden.domain.change.commands import Plan, Reject
from storewarden.domain.change.record import Kind, Risk
from storewarden.domain.errors import ConfigInvalid, Refused
from storewarden.domain.rollout.record import RolloutState
from storewarden.domain.rollout.spec import Soak, Timing
from storewarden.domain.rollout.tables import ENDED
from storewarden.domain.rollout.wish import SHOWN, wish_digest
from tests.flows.desk_place import ASKER, HEAD, LEAD
from tests.flows.rollout_place import DAY, RolloutPlace, wanted

HOUR = timedelta(hours=1)
OTHER = "this is another one"


@pytest.fixture
def place(tmp_path: Path) -> RolloutPlace:
    return RolloutPlace(tmp_path)


def test_approvers_see_what_will_be_rolled_out(place: RolloutPlace) -> None:
    """Payload, options, waves, soak and gates stand on the change before anybody says yes."""
    change = place.change(approved=False)
    rollout = place.begin(change.number).rollout
    (note,) = place.notes(change.number)
    digest = wish_digest(rollout.spec)[:SHOWN]
    for told in (
        rollout.number,
        'packages {"version": "2"} on 12 hosts',
        "waves of 1 -> 2 -> 3 stores",
        "watched for 24 h",
        "gates: probe",
        f"rollout {digest}",
        f"hosts {rollout.membership[:SHOWN]}",
    ):
        assert told in note


def test_what_approvers_saw_is_all_that_may_be_rolled_out(place: RolloutPlace) -> None:
    """After their yes neither another version nor the same one with less care, not even by who
    asked for the change, nor by withdrawing the first or taking its hosts over."""
    change = place.change(approved=False)
    first = place.begin(change.number).rollout
    place.approve(change.number)
    for spec in (wanted("3"), wanted(gates=()), wanted(soak=Soak(wall=HOUR))):
        with pytest.raises(Refused, match=OTHER):
            place.begin(change.number, spec, supersede=True)
    place.order("cancel")
    with pytest.raises(Refused, match=f"approvers saw {first.number}"):
        place.begin(change.number, wanted("3"))
    again = place.begin(change.number).rollout
    assert again.number != first.number
    place.until(RolloutState.COMPLETED)
    assert set(place.fleet.versions().values()) == {"2"}


def test_only_who_asked_opens_one_on_a_change_that_is_approved_already(
    place: RolloutPlace,
) -> None:
    change = place.change()
    with pytest.raises(Refused, match=r"only op\.one may open one"):
        place.begin(change.number, by=HEAD)
    assert place.begin(change.number).new


def test_a_change_that_was_approved_in_words_has_one_rollout(place: RolloutPlace) -> None:
    """Another one has to take its place in the open, and says so on the change."""
    change = place.change()
    place.pass_time(timedelta(minutes=1))
    first = place.begin(change.number).rollout
    with pytest.raises(Refused, match=OTHER):
        place.begin(change.number, wanted("3"))
    newer = place.begin(change.number, wanted("3", salt=first.spec.salt), supersede=True).rollout
    assert f"takes over from {first.number}" in place.notes(change.number)[-1]
    with pytest.raises(Refused, match=r"op\.one"):
        place.begin(change.number, wanted("4"), by=LEAD, supersede=True)
    assert newer.supersedes == first.number


def test_one_file_for_two_kinds_of_hosts_is_one_wish(place: RolloutPlace) -> None:
    assert wish_digest(wanted(roles=("pos",))) == wish_digest(wanted(roles=("server",), salt="x"))
    assert wish_digest(wanted()) != wish_digest(wanted(extensions=0))


def test_a_plan_that_is_written_anew_asks_for_new_approvals_of_another_rollout(
    place: RolloutPlace,
) -> None:
    change = place.change(approved=False)
    place.begin(change.number)
    place.approve(change.number)
    place.order("cancel")
    place.desk(ASKER).act(change.number, "anew", Plan(plan="version 3 instead"))
    newer = place.begin(change.number, wanted("3"))
    assert "requested" in newer.waits
    place.pass_time(2 * HOUR)
    assert not place.fleet.started
    place.approve(change.number)
    place.until(RolloutState.COMPLETED)
    assert set(place.fleet.versions().values()) == {"3"}


def test_an_emergency_is_opened_by_who_asked_for_it(place: RolloutPlace) -> None:
    """It begins before anybody has said yes, so nobody else says what it is."""
    change = place.change(approved=False, kind=Kind.EMERGENCY, risk=Risk.HIGH, operation="")
    with pytest.raises(Refused, match=r"only op\.one"):
        place.begin(change.number, by=LEAD)
    assert place.begin(change.number).new


def test_who_died_before_the_note_writes_it_when_the_start_is_said_again(
    place: RolloutPlace,
) -> None:
    change = place.change()
    place.begin(change.number)
    place.begin(change.number)
    assert len(place.notes(change.number)) == 1


def test_a_program_may_not_put_secrets_into_a_rollout_either(place: RolloutPlace) -> None:
    """What was refused is told by its place, never by its text; nothing of it is journaled."""
    change = place.change()
    for options in ({"db": {"password": "hunter2"}}, {"repo": "https://bo:hunter2@repo/"}):
        with pytest.raises(ConfigInvalid) as error:
            place.begin(change.number, wanted(options=options))
        assert "hunter2" not in str(error.value) and "looks like" in str(error.value)
    told = [str(entry.body) for entry in place.desk(ASKER).history(change.number)]
    assert not any("hunter2" in each for each in told)


def test_a_rollout_that_has_not_begun_ends_with_its_change(place: RolloutPlace) -> None:
    """It would hold its hosts for ever; another change may have them at once."""
    change = place.change(approved=False)
    first = place.begin(change.number).rollout
    place.desk(HEAD).act(change.number, "no", Reject(reason="not before the audit"))
    place.pass_time(HOUR)
    assert place.rollout(first.number).state is RolloutState.CANCELLED
    assert place.begin(place.change().number).new


def test_what_a_newer_rollout_stands_on_is_not_taken_back_beneath_it(
    place: RolloutPlace,
) -> None:
    """The order is refused, with the number of the one to take back first; so it is while that one
    only holds the hosts."""
    quick = Soak(wall=timedelta(minutes=10))
    first = place.opened(wanted(soak=quick))
    place.until(RolloutState.COMPLETED)
    second = place.opened(wanted("3", soak=quick))
    with pytest.raises(Refused, match=second.number):
        place.order("rollback", first.number)
    place.until(RolloutState.COMPLETED, number=second.number)
    with pytest.raises(Refused, match=f"{second.number} has changed"):
        place.order("rollback", first.number)
    assert set(place.fleet.versions().values()) == {"3"}
    for rollout, version in ((second, "2"), (first, "1")):
        place.order("rollback", rollout.number)
        place.until(RolloutState.ROLLED_BACK, number=rollout.number)
        assert set(place.fleet.versions().values()) == {version}


def test_a_store_that_left_the_inventory_is_released_and_holds_nobody_up(
    place: RolloutPlace,
) -> None:
    """It is never worked on; a person says by name that nobody waits for it."""
    opened = place.opened(wanted(soak=Soak(wall=HOUR)))
    gone = [name for name, host in opened.hosts.items() if host.wave == 3][:2]
    store = opened.hosts[gone[0]].store
    gone = [name for name, host in opened.hosts.items() if host.store == store]
    for name in gone:
        place.hosts = {key: value for key, value in place.hosts.items() if key != name}
    place.pass_time(4 * DAY)
    assert place.rollout().state not in ENDED
    for name in gone:
        place.order("release", host=name)
    ended = place.until(RolloutState.COMPLETED)
    assert all("planned" in ended.hosts[name].debt for name in gone)
    assert all(place.fleet.versions()[name] == "1" for name in gone)


def test_what_could_not_be_taken_back_within_the_hour_is_not_started(
    place: RolloutPlace,
) -> None:
    """The refusal names the remedy, and nothing is opened."""
    change = place.change()
    slow = wanted(timing=Timing(undo=timedelta(minutes=25)), lanes=1, forks=1, shard=1)
    with pytest.raises(Refused, match=r"would take .* min: .*would do"):
        place.begin(change.number, slow)
    assert not place.ledger.rollouts.lines(change=change.number)
