# SPDX-License-Identifier: GPL-3.0-or-later
"""The desk: who stands there is known, what is refused is recorded, nothing happens twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from storewarden.domain.change.commands import (
    Approve,
    ApproveOverride,
    AskOverride,
    Circumstances,
    Close,
    Finish,
    Note,
    Reject,
    Start,
    StepCheck,
    StepDone,
)
from storewarden.domain.change.record import (
    DebtKind,
    Draft,
    EvidenceKind,
    KeyStep,
    Kind,
    Outcome,
    Risk,
    Span,
    State,
)
from storewarden.domain.errors import AdapterError, ConfigInvalid, LedgerConflict, Refused
from storewarden.flows.change_desk import ChangeDesk, Document, NoSuchChange
from storewarden.ports.runner import FrozenInventory
from tests.flows.desk_place import ASKER, HEAD, LEAD, SEC, START, Place, request


@pytest.fixture
def place() -> Place:
    return Place()


def test_a_number_is_of_the_sites_day_and_the_items_are_frozen(place: Place) -> None:
    first = place.opened()
    assert first.number == "GMBG-20260601-001"
    assert [(item.host, item.ci, item.store) for item in first.draft.items] == [
        ("pos01", "POS-1", "000101"),
        ("pos02", "POS-2", "000101"),
    ]
    place.inventory.answer = replace(place.inventory.answer, groups={})  # type: ignore[type-var]
    assert place.desk(ASKER).change(first.number).hosts == ("pos01", "pos02")
    place.clock.advance(timedelta(hours=1))  # 00:30 in Shanghai, still 1 June in UTC
    assert place.opened(hosts=("pos01",)).number == "GMBG-20260602-001"


def test_nobody_approves_their_own_and_the_attempt_is_recorded(place: Place) -> None:
    change = place.opened()
    desk = place.desk(ASKER)
    with pytest.raises(Refused) as caught:
        desk.act(change.number, "yes", Approve())
    assert "their own" in caught.value.what
    assert "department head" in caught.value.hint
    assert desk.change(change.number).approvals == ()
    last = desk.history(change.number)[-1]
    assert (last.kind, last.body["by"], last.body["tried"]) == (
        "change refused", "op.one", "approve",
    )  # fmt: skip


def test_a_refusal_stays_one_for_the_same_key(place: Place) -> None:
    change = place.opened()
    for _ in range(2):
        with pytest.raises(Refused, match="their own"):
            place.desk(ASKER).act(change.number, "yes", Approve())
    assert len(place.desk(ASKER).history(change.number)) == 2


def test_another_person_approves_and_the_change_may_start(place: Place) -> None:
    change = place.opened()
    desk = place.desk(HEAD)
    assert desk.waits_for(change) == "department head"
    done = desk.act(change.number, "yes", Approve(comment="seen"))
    assert (done.state, desk.waits_for(done)) == (State.APPROVED, "")
    started = place.desk(ASKER).act(change.number, "go", Start())
    assert started.state is State.IN_PROGRESS


def test_the_same_key_again_does_nothing_twice(place: Place) -> None:
    change = place.opened()
    for _ in range(3):
        place.desk(HEAD).act(change.number, "n", Note(text="looked at it"))
    assert len(place.desk(HEAD).history(change.number)) == 2
    place.desk(LEAD).act(change.number, "n", Note(text="me too"))  # another person's key
    assert len(place.desk(HEAD).history(change.number)) == 3


def test_one_key_opens_one_change_of_one_person(place: Place) -> None:
    desk = place.desk(ASKER)
    first = desk.open("import-7", request())
    assert desk.open("import-7", request()).number == first.number
    assert place.desk(HEAD).open("import-7", request()).number != first.number
    with pytest.raises(LedgerConflict, match=first.number):
        desk.open("import-7", request(summary="Something else"))


@pytest.mark.parametrize("key", ["", "a b", "x#2", "k" * 101, "钥匙", "a\n"])
def test_a_key_that_could_be_mistaken_is_refused(place: Place, key: str) -> None:
    with pytest.raises(ConfigInvalid, match="key"):
        place.desk(ASKER).open(key, request())
    assert list(place.ledger.journal()) == []


def test_without_items_it_is_rejected_by_rule_and_keeps_its_number(place: Place) -> None:
    with pytest.raises(Refused, match="no configuration item") as caught:
        place.desk(ASKER).open("k", request(hosts=()))
    number = caught.value.where
    assert place.desk(ASKER).change(number).state is State.REJECTED
    assert place.opened().number != number


@pytest.mark.parametrize(
    ("hosts", "said"),
    [
        (("pos99",), "matches no host"),
        (("pos01", "pos99"), "pos99 matches no host"),
        (("@/etc/passwd",), "neither a host nor a pattern"),
        (("pos01,@/etc/passwd",), "neither a host nor a pattern"),
        (("~.*",), "neither a host nor a pattern"),
        (("pos01 pos02",), "neither a host nor a pattern"),
    ],
)
def test_hosts_that_are_none_use_up_no_number(
    place: Place, hosts: tuple[str, ...], said: str
) -> None:
    with pytest.raises(ConfigInvalid, match=said):
        place.desk(ASKER).open("k", request(hosts=hosts))
    assert place.opened().number.endswith("-001")


@pytest.mark.parametrize(
    ("hosts", "found"),
    [
        (("pos01",), ["pos01"]),
        (("srv01", "pos01"), ["pos01", "srv01"]),
        (("tills", "pos01"), ["pos01", "pos02"]),
        (("all",), ["pos01", "pos02", "srv01"]),
        (("tills,srv01",), ["pos01", "pos02", "srv01"]),
    ],
)
def test_hosts_and_groups_become_items_each_once(
    place: Place, hosts: tuple[str, ...], found: list[str]
) -> None:
    assert [item.host for item in place.opened(hosts=hosts).draft.items] == found


def test_thousands_of_hosts_are_no_longer_than_a_command_line(place: Place) -> None:
    names = [f"pos{n:05d}.store-with-a-long-name-{n:06d}" for n in range(5000)]
    place.inventory.answer = FrozenInventory(hosts={name: {} for name in names})
    assert len(place.opened(hosts=tuple(names)).draft.items) == 5000
    with pytest.raises(ConfigInvalid, match="too long"):
        place.opened(hosts=(*names, "x*"))


def test_an_operation_nobody_knows_is_refused_with_those_that_are(place: Place) -> None:
    with pytest.raises(ConfigInvalid, match="network-restart"):
        place.desk(ASKER).open("k", request(operation="reboot-all"))


def test_windows_are_asked_at_the_start_whatever_the_caller_claims(place: Place) -> None:
    change = place.opened()
    place.desk(HEAD).act(change.number, "yes", Approve())
    place.against = Circumstances(forbidden="opening hours", hint="wait until 22:00")
    with pytest.raises(Refused, match="opening hours") as caught:
        place.desk(ASKER).act(change.number, "go", Start(circumstances=Circumstances()))
    assert "22:00" in caught.value.hint
    place.against = Circumstances()
    assert place.desk(ASKER).act(change.number, "go2", Start()).state is State.IN_PROGRESS


def test_work_that_does_not_fit_before_windows_close_does_not_begin(place: Place) -> None:
    change = place.opened()
    place.desk(HEAD).act(change.number, "yes", Approve())
    morning = place.clock.now() + timedelta(hours=23)
    parts = replace(place.parts(), next_window=lambda _draft, needs, now: Span(
        starts=now if needs <= timedelta(minutes=40) else morning, ends=morning + needs
    ))  # fmt: skip
    desk = ChangeDesk(parts, ASKER)
    with pytest.raises(Refused, match="does not fit before the windows close") as caught:
        desk.act(change.number, "go", Start(needs=timedelta(minutes=41)))
    assert "wait until Tue 2026-06-02 22:30" in caught.value.hint
    started = desk.act(change.number, "again", Start(needs=timedelta(minutes=40)))
    assert started.state is State.IN_PROGRESS


def test_an_emergency_is_not_held_up_by_how_long_it_takes(place: Place) -> None:
    """Not even by an inventory that cannot be read."""

    def away(_draft: Draft, _needs: timedelta, _now: datetime) -> Span | None:
        raise AdapterError("the inventory does not answer")

    parts = replace(place.parts(), next_window=away)
    change = place.opened(kind=Kind.EMERGENCY)
    started = ChangeDesk(parts, ASKER).act(change.number, "go", Start(needs=timedelta(hours=9)))
    assert started.state is State.IN_PROGRESS


def test_an_override_waits_in_the_list_of_everybody_who_may_approve_it(place: Place) -> None:
    change = place.opened()
    place.desk(HEAD).act(change.number, "yes", Approve())
    assert place.desk(SEC).changes(mine=True) == ()
    asked = AskOverride(reason="no sale", expires=START + timedelta(hours=2))
    place.desk(ASKER).act(change.number, "o", asked)
    for person in (SEC, LEAD):
        desk = place.desk(person)
        assert [each.number for each in desk.changes(mine=True)] == [change.number]
        desk.act(change.number, "y", ApproveOverride())
        assert desk.changes(mine=True) == ()


def test_an_emergency_acts_first_and_its_debts_are_listed_by_urgency(place: Place) -> None:
    change = place.opened(kind=Kind.EMERGENCY, risk=Risk.HIGH, reason="")
    desk = place.desk(ASKER)
    desk.act(change.number, "go", Start())
    owed = desk.debts()
    assert [each.debt.kind for each in owed] == [
        DebtKind.APPROVAL, DebtKind.PAPERWORK, DebtKind.TEST,
    ]  # fmt: skip
    assert not any(each.overdue for each in owed)
    assert {each.summary for each in owed} == {"New price service"}
    assert desk.debts(overdue=True) == ()
    place.clock.advance(timedelta(hours=24))
    assert {each.debt.kind for each in desk.debts(overdue=True)} == {
        DebtKind.APPROVAL, DebtKind.PAPERWORK,
    }  # fmt: skip
    assert desk.waits_for(desk.change(change.number)) == "operations lead, security lead"


def test_what_is_owed_follows_what_others_do(place: Place) -> None:
    """Another process writes to the same ledger: nothing of it is missed."""
    desk = place.desk(ASKER)
    assert desk.debts() == ()
    other = Place.over(place.ledger, place.clock)
    change = other.opened(kind=Kind.EMERGENCY, risk=Risk.LOW)
    other.desk(ASKER).act(change.number, "go", Start())
    assert {each.debt.kind for each in desk.debts()} == {
        DebtKind.APPROVAL, DebtKind.PAPERWORK, DebtKind.TEST,
    }  # fmt: skip
    other.desk(HEAD).act(change.number, "yes", Approve())
    assert DebtKind.APPROVAL not in {each.debt.kind for each in desk.debts()}


def test_mine_are_those_i_asked_for_or_may_approve_now(place: Place) -> None:
    low, high = place.opened(), place.opened(risk=Risk.HIGH, hosts=("srv01",))
    numbers = {
        person.id: {change.number for change in place.desk(person).changes(mine=True)}
        for person in (ASKER, HEAD, SEC)
    }
    assert numbers == {
        "op.one": {low.number, high.number},
        "head": {low.number},
        "sec": {high.number},
    }
    place.desk(SEC).act(high.number, "yes", Approve())
    assert place.desk(SEC).changes(mine=True) == ()
    assert [c.number for c in place.desk(HEAD).changes(host="srv01")] == [high.number]


def test_a_key_step_needs_the_second_person(place: Place) -> None:
    steps = (KeyStep(name="backup", two_person=True),)
    change = place.opened(steps=steps)
    place.desk(HEAD).act(change.number, "yes", Approve())
    desk = place.desk(ASKER)
    desk.act(change.number, "go", Start())
    desk.act(change.number, "s", StepDone(step="backup"))
    with pytest.raises(Refused, match="another person"):
        desk.act(change.number, "c", StepCheck(step="backup"))
    with pytest.raises(Refused, match="second person"):
        desk.act(change.number, "e", Close(outcome=Outcome.SUCCESSFUL))
    place.desk(LEAD).act(change.number, "c", StepCheck(step="backup"))
    desk.act(change.number, "f", Finish())
    closed = desk.act(change.number, "e2", Close(outcome=Outcome.SUCCESSFUL))
    assert (closed.state, closed.outcome) == (State.CLOSED, Outcome.SUCCESSFUL)


def test_evidence_is_stored_before_it_is_named_and_given_out_by_the_change_alone(
    place: Place,
) -> None:
    change, other = place.opened(), place.opened(hosts=("srv01",))
    document = Document(
        kind=EvidenceKind.TEST, name="结果.html", media_type="text/html", content=b"<p>ok"
    )
    desk = place.desk(ASKER)
    (evidence,) = desk.attach(change.number, "k", document).evidence
    assert desk.document(change.number, evidence.digest) == ("结果.html", "text/html", b"<p>ok")
    with pytest.raises(NoSuchChange):
        desk.document(other.number, evidence.digest)
    with pytest.raises(NoSuchChange):
        desk.attach("GMBG-20260601-999", "k", replace(document, content=b"x"))
    assert len(place.evidence.kept) == 1


@pytest.mark.parametrize("number", ["", "GMBG-20260601-777", "../../etc", "' OR 1=1", "x" * 9999])
def test_a_number_that_is_none(place: Place, number: str) -> None:
    with pytest.raises(NoSuchChange):
        place.desk(HEAD).act(number, "k", Approve())
    with pytest.raises(NoSuchChange):
        place.desk(HEAD).history(number)


def test_who_has_no_say_cannot_reject(place: Place) -> None:
    change = place.opened()
    with pytest.raises(Refused, match="no say"):
        place.desk(LEAD).act(change.number, "no", Reject(reason="I do not like it"))
    done = place.desk(HEAD).act(change.number, "no", Reject(reason="not now"))
    assert (done.state, done.reason) == (State.REJECTED, "not now")


def test_an_inventory_is_asked_once_for_many_at_once(place: Place) -> None:
    for _ in range(5):
        place.opened()
    assert len(place.inventory.asked) == 1
    place.clock.advance(timedelta(minutes=1))
    place.opened()
    assert len(place.inventory.asked) == 2


def test_times_are_those_of_the_clock(place: Place) -> None:
    change = place.opened()
    assert change.opened_at == START
    place.clock.advance(timedelta(days=8))
    assert place.desk(HEAD).changes(since=datetime(2026, 6, 2, tzinfo=UTC)) == ()
