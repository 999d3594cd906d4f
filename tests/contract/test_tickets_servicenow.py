# SPDX-License-Identifier: GPL-3.0-or-later
"""ServiceNow keeps the promises of every ticket system; and what only ServiceNow does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from storewarden.adapters.tickets import connect_ticket_system
from storewarden.domain.errors import AdapterError, ConfigInvalid
from storewarden.ports.secrets import Secret
from storewarden.ports.tickets import Attachment, TicketDraft, TicketNote, TicketSystem
from storewarden.testing.conformance_tickets import (
    REPORT,
    TicketConformance,
    a_run,
    draft,
    failure,
)
from storewarden.testing.gateway import Gateway
from storewarden.testing.loopback import Mishap
from storewarden.testing.servicenow import FakeServiceNow

PATH = ["-2", "-1", "0", "3"]


class Given:
    """Secrets by name, and how often each was read."""

    def __init__(self, **values: str) -> None:
        self.values = values

    def read(self, reference: str) -> Secret:
        return Secret(self.values[reference.removeprefix("env:")])


def connected(url: str, password: str = FakeServiceNow.password, **other: object) -> TicketSystem:
    values: dict[str, object] = {
        "url": url, "user": FakeServiceNow.user, "password": "env:PASSWORD",
        "close_path": PATH, "timeout_seconds": 30.0, **other,
    }  # fmt: skip
    system = connect_ticket_system("servicenow", values, Given(PASSWORD=password))
    assert system is not None
    return system


class Server:
    """The fake behind a gateway."""

    secret = FakeServiceNow.password

    def __init__(self, fake: FakeServiceNow, faults: Gateway) -> None:
        self.fake, self.faults = fake, faults

    def stranger(self) -> TicketSystem:
        return connected(self.faults.url, "not the password")

    def plant(self, run_id: str, title: str) -> str:
        return self.fake.plant(correlation_id=run_id, short_description=title)

    def tickets(self, run_id: str) -> tuple[str, ...]:
        return tuple(
            row["sys_id"] for row in self.fake.state.records if row["correlation_id"] == run_id
        )

    def texts(self, ticket: str) -> tuple[str, ...]:
        record = next(row for row in self.fake.state.records if row["sys_id"] == ticket)
        notes = [row["value"] for row in self.fake.state.journal if row["element_id"] == ticket]
        closing = [record["close_notes"]] if record["close_notes"] else []
        return (record["description"], *notes, *closing)

    def documents(self, ticket: str) -> tuple[tuple[str, bytes], ...]:
        return tuple(
            (row["file_name"], self.fake.state.contents[row["sys_id"]])
            for row in self.fake.state.files
            if row["table_sys_id"] == ticket
        )


@pytest.fixture
def fake() -> Iterator[FakeServiceNow]:
    with FakeServiceNow() as service:
        yield service


@pytest.fixture
def server(fake: FakeServiceNow) -> Iterator[Server]:
    with Gateway(fake.url) as gateway:
        yield Server(fake, gateway)


class TestServiceNow(TicketConformance):
    @pytest.fixture
    def system(self, server: Server) -> Iterator[TicketSystem]:
        system = connected(server.faults.url)
        yield system
        system.shut()


@pytest.fixture
def system(fake: FakeServiceNow) -> Iterator[TicketSystem]:
    system = connected(fake.url)
    yield system
    system.shut()


def with_settings(fake: FakeServiceNow, **other: object) -> TicketSystem:
    return connected(fake.url, **other)


def test_fields_go_where_the_settings_say(fake: FakeServiceNow) -> None:
    """In the system's own words, with what every record of ours shall have."""
    system = with_settings(
        fake,
        fields={"kind": "type", "risk": "risk", "requester": "requested_by", "hosts": "u_hosts"},
        values={"risk": {"low": "4", "high": "2"}},
        extra={"category": "Stores"},
    )
    run_id = a_run()
    system.open(draft(run_id))
    record = fake.record(run_id)
    assert (record["type"], record["risk"]) == ("standard", "4")
    assert (record["requested_by"], record["u_hosts"]) == ("li.na", "pos-0001")
    assert record["category"] == "Stores"


@pytest.mark.parametrize("column", ["u_hosts_absent", "risk"])
def test_a_field_that_was_left_out_is_named(fake: FakeServiceNow, column: str) -> None:
    """Unknown or protected columns are ignored with 201: people must hear of it, once."""
    fake.read_only = {"risk"}
    system = with_settings(fake, fields={"hosts": column})
    run_id = a_run()
    error = failure(lambda: system.open(draft(run_id)))
    assert not error.retryable
    assert column in str(error)
    assert "CHG00" in str(error)
    assert system.open(draft(run_id)).run_id == run_id


def test_a_run_id_column_that_does_not_exist_makes_no_tickets(fake: FakeServiceNow) -> None:
    """A query by it finds everything: without care, the first record would be taken for ours."""
    fake.plant(correlation_id="somebody-else", short_description="x")
    system = with_settings(fake, run_id_field="u_run_id")
    error = failure(lambda: system.open(draft(a_run())))
    assert not error.retryable
    assert "u_run_id" in str(error)
    assert len(fake.state.records) == 1


def test_notes_that_cannot_be_read_are_not_repeated(fake: FakeServiceNow) -> None:
    """Without rights sys_journal_field is empty: one note, and an error that stays."""
    fake.hidden_journal = True
    system = with_settings(fake)
    run_id = a_run()
    ticket = system.open(draft(run_id)).id
    note = TicketNote(key=f"{run_id}/1", text="words")
    for _ in range(3):
        assert "sys_journal_field" in str(failure(lambda: system.note(ticket, note)))
    assert len(fake.state.journal) == 1


def test_a_state_that_the_model_forbids_is_a_refusal(fake: FakeServiceNow) -> None:
    """The business rule's words reach the operator."""
    system = with_settings(fake, close_path=["3"])
    ticket = system.open(draft(a_run())).id
    error = failure(lambda: system.close(ticket, "successful"))
    assert not error.retryable
    assert "Check State Transition" in str(error)


@pytest.mark.parametrize(
    ("resolution", "code"),
    [
        ("successful on all hosts", "successful"),
        ("successful with debts", "successful_issues"),
        ("rolled back", "unsuccessful"),
        ("成功，全部主机已验证", "successful"),
    ],
)
def test_the_close_code_follows_the_resolution(
    fake: FakeServiceNow, resolution: str, code: str
) -> None:
    codes = {
        "successful": "successful", "successful with debts": "successful_issues",
        "成功": "successful", "": "unsuccessful",
    }  # fmt: skip
    system = with_settings(fake, close_codes=codes)
    run_id = a_run()
    system.close(system.open(draft(run_id)).id, resolution)
    record = fake.record(run_id)
    assert (record["state"], record["close_code"]) == ("3", code)
    assert record["close_notes"] == resolution


def test_an_upload_that_came_to_nothing_is_noticed(
    fake: FakeServiceNow, system: TicketSystem
) -> None:
    """201 and the name of a file that nobody can see: the note is not written yet."""
    run_id = a_run()
    ticket = system.open(draft(run_id)).id
    note = TicketNote(key=f"{run_id}/1", text="words", attachments=(REPORT,))
    fake.suffer(Mishap.UNCHANGED, method="POST", path="attachment")
    error = failure(lambda: system.note(ticket, note))
    assert error.retryable
    assert REPORT.name in str(error)
    assert system.noted(ticket) == ()


def test_closing_goes_on_where_it_stopped(fake: FakeServiceNow, system: TicketSystem) -> None:
    """An outage between two states."""
    ticket = system.open(draft(a_run())).id
    fake.suffer(Mishap.BROKEN, method="PATCH", skip=2)
    assert failure(lambda: system.close(ticket, "successful")).retryable
    assert not system.close(ticket, "successful").open
    states = [r.data["state"] for r in fake.sent("PATCH") if "state" in r.data]
    assert states == ["-2", "-1", "0", "0", "3"]


def test_two_writers_at_one_moment_end_on_one_record(
    fake: FakeServiceNow, system: TicketSystem
) -> None:
    """The older record is the ticket; the other one says so."""
    run_id = a_run()
    fake.suffer(Mishap.TWICE, method="POST", path="/table/")
    ticket = system.open(draft(run_id))
    first, second = (row["sys_id"] for row in fake.state.records)
    assert ticket.id == first
    assert system.open(draft(run_id)).id == first
    assert [row["element_id"] for row in fake.state.journal] == [second]
    assert "double" in fake.state.journal[0]["value"]


@pytest.mark.parametrize("kind", [Mishap.UNCHANGED, Mishap.PAGE, Mishap.BUSY, Mishap.BROKEN])
def test_a_write_that_came_to_nothing_is_written_by_the_next_attempt(
    fake: FakeServiceNow, system: TicketSystem, kind: Mishap
) -> None:
    """Also when the instance hibernates (a page with 200) or echoes what it did not store."""
    run_id = a_run()
    fake.suffer(kind, method="POST")
    assert failure(lambda: system.open(draft(run_id))).retryable
    ticket = system.open(draft(run_id)).id
    note = TicketNote(key=f"{run_id}/1", text="words")
    fake.suffer(kind, method="PATCH")
    assert failure(lambda: system.note(ticket, note)).retryable
    system.note(ticket, note)
    assert (len(fake.state.records), len(fake.state.journal)) == (1, 1)


def test_a_record_that_is_not_there_is_called_not_recorded(
    fake: FakeServiceNow, system: TicketSystem
) -> None:
    """201 with a sys_id under which there is nothing."""
    fake.suffer(Mishap.UNCHANGED, method="POST")
    assert "not recorded" in str(failure(lambda: system.open(draft(a_run()))))


def test_an_answer_that_comes_too_late_is_an_outage(fake: FakeServiceNow) -> None:
    """It was written all the same, and is not written again."""
    system = with_settings(fake, timeout_seconds=2.0)
    run_id = a_run()
    fake.suffer(Mishap.SLOW, method="POST")
    assert failure(lambda: system.open(draft(run_id))).retryable
    assert system.open(draft(run_id)).run_id == run_id
    assert len(fake.state.records) == 1


def test_a_token_that_was_renewed_is_read_again(fake: FakeServiceNow) -> None:
    """OAuth tokens live half an hour; whatever renews them writes the same reference."""
    secrets = Given(TOKEN="stale")
    system = connect_ticket_system("servicenow", {"url": fake.url, "token": "env:TOKEN"}, secrets)
    assert system is not None
    assert not failure(system.check).retryable
    secrets.values["TOKEN"] = fake.token
    system.check()


def test_an_expired_token_is_a_refusal_that_says_so(
    fake: FakeServiceNow, system: TicketSystem
) -> None:
    ticket = system.open(draft(a_run())).id
    fake.suffer(Mishap.EXPIRED, method="PATCH")
    error = failure(lambda: system.note(ticket, TicketNote(key="k", text="words")))
    assert not error.retryable
    assert "expired" in str(error)
    fake.renew()
    system.note(ticket, TicketNote(key="k", text="words"))


def test_a_report_of_another_day_is_a_document_of_its_own(
    fake: FakeServiceNow, system: TicketSystem
) -> None:
    """An upload that was interrupted is taken up, one that a note speaks of is not."""
    run_id = a_run()
    ticket = system.open(draft(run_id)).id
    report = Attachment(name="report.html", media_type="text/html", content=b"<p>97 %</p>")
    fake.suffer(Mishap.BROKEN, method="PATCH")
    for n in (1, 2):
        note = TicketNote(key=f"{run_id}/{n}", text="report", attachments=(report,))
        if n == 1:
            assert failure(lambda note=note: system.note(ticket, note)).retryable
            assert len(fake.state.files) == 1
        system.note(ticket, note)
        assert len(fake.state.files) == n


def test_titles_and_texts_are_never_cut_in_silence(
    fake: FakeServiceNow, system: TicketSystem
) -> None:
    """A long title says that it goes on; a long text is a document, and the field says so."""
    run_id = a_run()
    body = "\n".join(f"step {n}" for n in range(1000))
    ticket = system.open(TicketDraft(run_id=run_id, title="长" * 300, body=body))
    assert ticket.title == "长" * 157 + "..."
    assert "description.txt" in fake.record(run_id)["description"]
    assert fake.state.contents[fake.state.files[0]["sys_id"]].decode() == body


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({}, "token"),
        ({"user": "x"}, "token"),
        ({"token": "env:T", "user": "x", "password": "env:P"}, "token"),
        ({"token": "env:T", "close_path": ["9"]}, "close_path"),
        ({"token": "env:T", "fields": {"colour": "u_colour"}}, "fields.colour"),
        ({"token": "env:T", "text_limit": 10}, "text_limit"),
    ],
)
def test_wrong_settings_are_named(values: Mapping[str, object], key: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid) as refusal:
        connect_ticket_system(
            "servicenow", {"url": "https://x.example", **values}, Given(), tmp_path
        )
    assert f"tickets.servicenow.{key}" in str(refusal.value)


def test_the_check_names_what_is_missing(fake: FakeServiceNow) -> None:
    fake.plant(correlation_id="x", short_description="x")
    system = with_settings(fake, fields={"hosts": "u_absent"})
    with pytest.raises(AdapterError, match="u_absent"):
        system.check()
