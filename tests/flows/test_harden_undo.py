# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking back what a change fixed, what hosts took back by themselves, and the status of both."""

from __future__ import annotations

import pytest

from storewarden.domain.baseline.harden import GroupOutcome, Standing
from storewarden.domain.change.commands import Circumstances, Close
from storewarden.domain.change.record import Outcome, State
from storewarden.domain.errors import Refused
from storewarden.domain.outbox.notice import Context, Event
from storewarden.domain.outbox.telling import notice_of
from storewarden.flows.harden_ready import UNDO
from storewarden.ports.runner import LeaseMode
from tests.flows.desk_place import ASKER
from tests.flows.harden_place import HardenPlace


def test_an_undo_brings_everything_back_and_closes_the_change() -> None:
    place = HardenPlace()
    number = place.change().number
    place.start(number)
    report = place.undo(number)
    assert place.fleet.failing["pos01"] == {"B02", "C01"}
    assert (report.differences, report.left_over) == ((), ())
    assert report.earlier == place.status(number).sessions[0].audits[0]
    assert report.outcome == Outcome.ROLLED_BACK.value
    assert place.desk(ASKER).change(number).state is State.CLOSED
    run = next(run for run in place.runner.started if run.playbook == UNDO)
    assert (run.lease, run.variables["baseline_undo_change"]) == (LeaseMode.EXCLUSIVE, number)
    assert "taken back on 2 hosts" in place.notes(number)[-1]


def test_the_way_back_asks_no_window() -> None:
    place = HardenPlace()
    number = place.change().number
    place.start(number)
    place.windows = Circumstances(forbidden="the store is open")
    assert place.undo(number).conclusion.good


def test_what_is_not_as_before_is_named_and_nobody_is_told_that_it_is() -> None:
    place = HardenPlace()
    number = place.change().number
    place.start(number)
    place.fleet.failing["pos01"] = {"B03"}  # somebody else did something meanwhile
    report = place.undo(number)
    assert [(each.host, each.control) for each in report.differences] == [("pos01", "B03")]
    assert (report.outcome, report.state) == ("", State.IN_PROGRESS.value)
    assert "not as before: pos01 B03" in place.notes(number)[-1]


def test_an_undo_of_some_hosts_leaves_the_change_open() -> None:
    place = HardenPlace()
    number = place.change().number
    place.start(number)
    report = place.undo(number, limit="pos01")
    assert (report.left_over, report.outcome) == (("pos02",), "")
    stands = {host.host: host.standing() for host in place.status(number).hosts}
    assert stands == {"pos01": Standing.MISSED, "pos02": Standing.WELL}
    assert place.undo(number).outcome == Outcome.ROLLED_BACK.value


def test_there_must_be_something_to_take_back() -> None:
    place = HardenPlace()
    number = place.change().number
    with pytest.raises(Refused, match="it is approved"):
        place.undo(number)
    place.start(number)
    place.undo(number)
    with pytest.raises(Refused, match="it is closed"):
        place.undo(number)
    other = place.change().number
    place.start(other)
    place.desk(ASKER).act(other, "c", Close(outcome=Outcome.SUCCESSFUL))
    with pytest.raises(Refused, match="it is closed"):
        place.undo(other)


def test_a_host_that_is_away_stays_a_debt() -> None:
    place = HardenPlace()
    number = place.change().number
    place.start(number)
    place.fleet.gone = {"pos02"}
    report = place.undo(number)
    assert (report.conclusion.well, report.conclusion.open) == (("pos01",), ("pos02",))
    assert report.left_over == ("pos02",)
    assert report.outcome == ""


# -- what hosts took back by themselves --------------------------------------------


def left_by_itself(place: HardenPlace, number: str) -> str:
    """pos01 was lost with its ssh group, and restored itself afterwards; the restore point."""
    point = f"{number}-ssh-0000000a"

    def act(host: str, group: str) -> dict[str, object] | None:
        told = {"outcome": "lost", "restore_point": point, "controls": [{"id": "B02"}]}
        return told if (host, group) == ("pos01", "ssh") else None

    place.fleet.act = act
    place.start(number)
    place.fleet.records["pos01"] = [
        {
            "id": point, "number": 1, "owner": number, "outcome": "restored", "cause": "deadline",
            "reason": "the deadline passed", "ended_at": "2026-06-01T15:40:00Z", "overdue": 0.4,
            "touched": ["file /etc/ssh/x"], "residue": [],
        }
    ]  # fmt: skip
    return point


def test_the_next_contact_reads_what_a_host_took_back_once() -> None:
    place = HardenPlace()
    number = place.change().number
    point = left_by_itself(place, number)
    assert place.status(number).hosts[0].standing() is Standing.OPEN
    place.plan()  # any audit is a contact
    place.plan()
    entries = [e for e in place.ledger.journal() if e.kind == "host restored itself"]
    assert [(e.body["host"], e.body["point"]) for e in entries] == [("pos01", point)]
    told = [note for note in place.notes(number) if "by itself" in note]
    assert len(told) == 1
    assert f"pos01 took back {point} by itself at 2026-06-01T15:40:00Z" in told[0]
    status = place.status(number)
    assert [record.point for record in status.records] == [point]
    (ssh,) = [group for group in status.hosts[0].groups if group.group == "ssh"]
    assert ssh.outcome is GroupOutcome.RESTORED
    assert status.hosts[0].standing() is Standing.MISSED  # known, and not fixed


def test_people_are_told_that_a_host_took_something_back() -> None:
    place = HardenPlace()
    left_by_itself(place, place.change().number)
    place.plan()
    entry = next(e for e in place.ledger.journal() if e.kind == "host restored itself")
    event = Event(
        sequence=entry.sequence, at=entry.at, kind=entry.kind, run=entry.run, body=entry.body
    )
    notice = notice_of(event, Context())
    assert notice is not None
    assert notice.words.title.en == "pos01 took a change back by itself"
    assert "主机" in notice.words.label.zh


def test_records_of_nobodys_change_and_nonsense_are_kept_or_left_out() -> None:
    place = HardenPlace()
    place.fleet.records["pos01"] = [
        {"id": "ansible-ssh-1", "owner": "ansible", "outcome": "residue", "cause": "late",
         "residue": [{"item": "unit ssh", "why": "failed"}], "ended_at": "x" * 900},
        {"id": "asked", "owner": "ansible", "outcome": "restored", "cause": "request"},
        {"number": 3}, "text", None,
    ]  # fmt: skip
    place.plan()
    entries = [e for e in place.ledger.journal() if e.kind == "host restored itself"]
    assert [e.body["point"] for e in entries] == ["ansible-ssh-1"]
    assert entries[0].body["residue"] == ["unit ssh: failed"]
    assert len(str(entries[0].body["ended"])) == 300
