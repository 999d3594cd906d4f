# SPDX-License-Identifier: GPL-3.0-or-later
"""Jira keeps the promises of every ticket system, also with an index that is behind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from storewarden.adapters.tickets import connect_ticket_system
from storewarden.domain.errors import AdapterError, ConfigInvalid
from storewarden.ports.secrets import Secret
from storewarden.ports.tickets import TicketDraft, TicketNote, TicketSystem
from storewarden.testing.conformance_tickets import (
    REPORT,
    TicketConformance,
    a_run,
    draft,
    failure,
)
from storewarden.testing.gateway import Gateway
from storewarden.testing.jira import RUN_FIELD, FakeJira
from storewarden.testing.loopback import Mishap


class Given:
    """Secrets by name."""

    def __init__(self, **values: str) -> None:
        self.values = values

    def read(self, reference: str) -> Secret:
        return Secret(self.values[reference.removeprefix("env:")])


def connected(url: str, token: str = FakeJira.token, **other: object) -> TicketSystem:
    values: dict[str, object] = {
        "url": url, "token": "env:TOKEN", "project": "OPS", "issue_type": "Change",
        "close_path": ["In Progress", "Done"], "timeout_seconds": 30.0, **other,
    }  # fmt: skip
    system = connect_ticket_system("jira", values, Given(TOKEN=token))
    assert system is not None
    return system


class Server:
    """The fake behind a gateway. Run ids are labels, or stand in the custom field."""

    secret = FakeJira.token

    def __init__(self, fake: FakeJira, faults: Gateway, run_field: str = "") -> None:
        self.fake, self.faults, self._run_field = fake, faults, run_field

    def adapter(self, token: str = FakeJira.token) -> TicketSystem:
        return connected(self.faults.url, token, run_id_field=self._run_field)

    def stranger(self) -> TicketSystem:
        return self.adapter("not the token")

    def plant(self, run_id: str, title: str) -> str:
        carried = {self._run_field: run_id} if self._run_field else {"labels": [run_id]}
        return self.fake.plant(summary=title, **carried)

    def tickets(self, run_id: str) -> tuple[str, ...]:
        return tuple(
            f"OPS-{issue.number}"
            for issue in self.fake.state.issues
            if run_id in (issue.fields.get(RUN_FIELD), *(issue.fields.get("labels") or ()))
        )

    def texts(self, ticket: str) -> tuple[str, ...]:
        issue = self.fake.state.issues[int(ticket.removeprefix("OPS-")) - 1]
        written = [str(comment["body"]) for comment in issue.comments]
        return (str(issue.fields.get("description", "")), *written)

    def documents(self, ticket: str) -> tuple[tuple[str, bytes], ...]:
        issue = self.fake.state.issues[int(ticket.removeprefix("OPS-")) - 1]
        return tuple(
            (str(file["filename"]), self.fake.state.contents[str(file["id"])])
            for file in issue.files
        )


@pytest.fixture(params=["label", "field", "slow index"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    lag = 40 if request.param == "slow index" else 0
    with FakeJira(index_lag=lag) as fake, Gateway(fake.url) as gateway:
        yield Server(fake, gateway, RUN_FIELD if request.param == "field" else "")


class TestJira(TicketConformance):
    @pytest.fixture
    def system(self, server: Server) -> Iterator[TicketSystem]:
        system = server.adapter()
        yield system
        system.shut()


@pytest.fixture
def fake() -> Iterator[FakeJira]:
    with FakeJira() as service:
        yield service


@pytest.fixture
def system(fake: FakeJira) -> Iterator[TicketSystem]:
    system = connected(fake.url)
    yield system
    system.shut()


def test_an_issue_that_is_not_indexed_yet_is_found(fake: FakeJira) -> None:
    """Also by another process, and also behind keys that were deleted."""
    fake.index_lag = 100
    system, other = connected(fake.url), connected(fake.url)
    run_id = a_run()
    for n in range(8):
        fake.plant(summary=f"somebody else's {n}")
    fake.remove("OPS-4")
    fake.remove("OPS-5")
    made = system.open(draft(run_id))
    assert other.open(draft(run_id)) == made
    assert other.find(run_id) == made


def test_an_index_that_is_indexed_out_of_order_hides_nothing(fake: FakeJira) -> None:
    """The newest issue is known to the search, ours before it is not."""
    run_id = a_run()
    fake.plant(summary="long there")
    fake.index_lag = 100
    ours = fake.plant(summary="ours", labels=[run_id])
    fake.index_lag = 0
    fake.plant(summary="the newest")
    found = connected(fake.url).find(run_id)
    assert found is not None
    assert found.id == ours


def test_an_index_far_behind_is_an_outage(fake: FakeJira) -> None:
    """Better a change without a ticket for an hour than two tickets for ever."""
    fake.index_lag = 1000
    for n in range(60):
        fake.plant(summary=f"somebody else's {n}")
    error = failure(lambda: connected(fake.url).open(draft(a_run())))
    assert error.retryable
    assert "index" in str(error)


def test_an_anonymous_users_empty_answer_is_no_answer(fake: FakeJira) -> None:
    """Expired credentials may get 200 and nothing: taken for true, each retry makes a ticket."""
    fake.anonymous_when_expired = True
    system = connected(fake.url)
    run_id = a_run()
    system.open(draft(run_id))
    fake.suffer(Mishap.EXPIRED)
    for _ in range(2):
        error = failure(lambda: system.open(draft(run_id)))
        assert not error.retryable
        assert "anonymous" in str(error)
    fake.renew()
    assert system.open(draft(run_id)).open
    assert len(fake.state.issues) == 1


def test_fields_go_where_the_settings_say(fake: FakeJira) -> None:
    system = connected(
        fake.url,
        fields={"risk": "customfield_10101", "requester": "customfield_10102"},
        values={"risk": {"low": "低"}},
    )
    run_id = a_run()
    system.open(draft(run_id))
    fields = fake.issue(run_id).fields
    assert (fields["customfield_10101"], fields["customfield_10102"]) == ("低", "li.na")
    assert fields["labels"] == [run_id]


def test_a_field_that_is_on_no_screen_is_a_refusal(fake: FakeJira) -> None:
    system = connected(fake.url, fields={"hosts": "customfield_99999"})
    error = failure(lambda: system.open(draft(a_run())))
    assert not error.retryable
    assert "customfield_99999" in str(error)
    with pytest.raises(AdapterError, match="customfield_99999"):
        system.check()


def test_without_a_way_to_the_end_it_says_what_is_offered(fake: FakeJira) -> None:
    """A workflow whose first step is not the last needs close_path."""
    system = connected(fake.url, close_path=[])
    ticket = system.open(draft(a_run())).id
    error = failure(lambda: system.close(ticket, "successful"))
    assert not error.retryable
    assert "Start" in str(error)
    assert "close_path" in str(error)


def test_a_path_that_leads_in_circles_still_ends(fake: FakeJira) -> None:
    """No status is entered twice, whatever close_path says."""
    system = connected(fake.url, close_path=["Finish", "Start", "Stop"])
    assert not system.close(system.open(draft(a_run())).id, "successful").open


def test_an_upload_that_came_to_nothing_is_noticed(fake: FakeJira, system: TicketSystem) -> None:
    """200 and the names of files that nobody can see: the comment is not written yet."""
    run_id = a_run()
    ticket = system.open(draft(run_id)).id
    note = TicketNote(key=f"{run_id}/1", text="words", attachments=(REPORT,))
    fake.suffer(Mishap.UNCHANGED, method="POST", path="attachments")
    error = failure(lambda: system.note(ticket, note))
    assert error.retryable
    assert REPORT.name in str(error)
    assert system.noted(ticket) == ()


def test_closing_goes_on_where_it_stopped(fake: FakeJira, system: TicketSystem) -> None:
    """An outage between two transitions: one resolution, no way back."""
    run_id = a_run()
    ticket = system.open(draft(run_id)).id
    fake.suffer(Mishap.BROKEN, method="POST", path="transitions", skip=1)
    assert failure(lambda: system.close(ticket, "successful")).retryable
    assert fake.issue(run_id).status == "In Progress"
    assert not system.close(ticket, "successful").open
    assert len(fake.issue(run_id).comments) == 1


def test_a_transition_that_did_not_happen_is_an_outage(
    fake: FakeJira, system: TicketSystem
) -> None:
    """204 and the old status."""
    ticket = system.open(draft(a_run())).id
    fake.suffer(Mishap.UNCHANGED, method="POST", path="transitions")
    assert failure(lambda: system.close(ticket, "successful")).retryable
    assert not system.close(ticket, "successful").open


@pytest.mark.parametrize("kind", [Mishap.UNCHANGED, Mishap.PAGE, Mishap.BUSY, Mishap.LOST])
def test_writes_that_went_wrong_are_there_once_in_the_end(
    fake: FakeJira, system: TicketSystem, kind: Mishap
) -> None:
    run_id = a_run()
    fake.suffer(kind, method="POST")
    assert failure(lambda: system.open(draft(run_id))).retryable
    ticket = system.open(draft(run_id)).id
    note = TicketNote(key=f"{run_id}/1", text="words")
    fake.suffer(kind, method="POST")
    assert failure(lambda: system.note(ticket, note)).retryable
    system.note(ticket, note)
    assert len(fake.state.issues) == 1
    assert len(fake.issue(run_id).comments) == 1


def test_two_writers_at_one_moment_end_on_one_issue(fake: FakeJira, system: TicketSystem) -> None:
    run_id = a_run()
    fake.suffer(Mishap.TWICE, method="POST", path="issue")
    assert system.open(draft(run_id)).id == "OPS-1"
    assert system.open(draft(run_id)).id == "OPS-1"
    first, second = fake.state.issues
    assert first.comments == []
    assert "OPS-1" in str(second.comments[0]["body"])


def test_attachments_pass_jiras_guard_against_forgery(fake: FakeJira, system: TicketSystem) -> None:
    """The description is too long for its field and therefore a document."""
    run_id = a_run()
    body = "\n".join(f"步骤 {n} 😀" for n in range(5000))
    system.open(TicketDraft(run_id=run_id, title="a\nb", body=body))
    issue = fake.issue(run_id)
    assert issue.fields["summary"] == "a b"
    assert "description.txt" in str(issue.fields["description"])
    assert fake.state.contents[str(issue.files[0]["id"])].decode() == body
    assert fake.sent("POST", "attachments")[0].headers["x-atlassian-token"] == "no-check"


def test_user_and_password_are_as_good_as_a_token(fake: FakeJira) -> None:
    system = connect_ticket_system(
        "jira",
        {
            "url": fake.url, "project": "OPS", "issue_type": "Change",
            "user": fake.user, "password": "env:PASSWORD",
        },
        Given(PASSWORD=fake.password),
    )  # fmt: skip
    assert system is not None
    system.check()


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({}, "token"),
        ({"token": "env:T", "user": "x", "password": "env:P"}, "token"),
        ({"token": "env:T", "run_id_field": "Run ID"}, "run_id_field"),
        ({"token": "env:T", "values": {"colour": {}}}, "values.colour"),
        ({"token": "env:T", "text_limit": 10}, "text_limit"),
    ],
)
def test_wrong_settings_are_named(values: Mapping[str, object], key: str) -> None:
    section = {"url": "https://x.example", "project": "OPS", "issue_type": "Change", **values}
    with pytest.raises(ConfigInvalid) as refusal:
        connect_ticket_system("jira", section, Given())
    assert f"tickets.jira.{key}" in str(refusal.value)


def test_the_check_names_an_unknown_issue_type(fake: FakeJira) -> None:
    with pytest.raises(AdapterError, match="Wish"):
        connected(fake.url, issue_type="Wish").check()
