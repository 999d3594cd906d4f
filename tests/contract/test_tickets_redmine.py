# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Redmine keeps the promises of every ticket system; and what only Redmine does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import httpx
import pytest

from storewarden.adapters.tickets import connect_ticket_system
from storewarden.domain.errors import ConfigInvalid
from storewarden.ports.secrets import Secret
from storewarden.ports.tickets import TicketNote, TicketSystem
from storewarden.testing.conformance_tickets import TicketConformance, a_run, draft, failure
from storewarden.testing.gateway import Gateway
from tests.servers.redmine import Redmine, redmine_server

__all__ = ["redmine_server"]


class Given:
    """Secrets by name."""

    def __init__(self, **values: str) -> None:
        self.values = values

    def read(self, reference: str) -> Secret:
        return Secret(self.values[reference.removeprefix("env:")])


def connected(redmine: Redmine, url: str, key: str, **other: object) -> TicketSystem:
    values: dict[str, object] = {
        "url": url, "api_key": "env:KEY", "project": redmine.project, "tracker": redmine.tracker,
        "run_id_field": redmine.fields["run"], "closed_status": redmine.closed,
        "fields": {"risk": redmine.fields["risk"], "hosts": redmine.fields["hosts"]},
        "values": {"risk": {"low": "Low", "medium": "Medium", "high": "High"}},
        "timeout_seconds": 30.0, **other,
    }  # fmt: skip
    system = connect_ticket_system("redmine", values, Given(KEY=key))
    assert system is not None
    return system


class Server:
    """Redmine behind a gateway, looked at through its own API."""

    def __init__(self, redmine: Redmine, faults: Gateway) -> None:
        self.redmine, self.faults, self.secret = redmine, faults, redmine.key
        self._client = httpx.Client(
            base_url=redmine.url, headers={"X-Redmine-API-Key": redmine.key}, trust_env=False,
            timeout=60,
        )  # fmt: skip

    def adapter(self, key: str, **other: object) -> TicketSystem:
        return connected(self.redmine, self.faults.url, key, **other)

    def stranger(self) -> TicketSystem:
        return self.adapter("0" * 40)

    def plant(self, run_id: str, title: str) -> str:
        issue = {
            "project_id": self.redmine.project, "tracker_id": self.redmine.tracker,
            "subject": title,
            "custom_fields": [{"id": self.redmine.fields["run"], "value": run_id}],
        }  # fmt: skip
        made = self._client.post("/issues.json", json={"issue": issue}).raise_for_status()
        return str(made.json()["issue"]["id"])

    def tickets(self, run_id: str) -> tuple[str, ...]:
        """Every issue is looked at, so that a filter has no say."""
        found, seen, total = [], 0, 1
        while seen < total:
            page = self._client.get(
                "/issues.json",
                params={"status_id": "*", "sort": "id", "limit": 100, "offset": seen},
            ).json()
            total, seen = page["total_count"], seen + 100
            found += [
                str(issue["id"])
                for issue in page["issues"]
                if run_id in [each["value"] for each in issue["custom_fields"]]
            ]
        return tuple(found)

    def issue(self, ticket: str) -> Mapping[str, object]:
        path = f"/issues/{ticket}.json?include=journals,attachments"
        issue: Mapping[str, object] = self._client.get(path).raise_for_status().json()["issue"]
        return issue

    def texts(self, ticket: str) -> tuple[str, ...]:
        issue = self.issue(ticket)
        notes = [journal["notes"] for journal in issue["journals"] if journal["notes"]]
        return (issue["description"] or "", *notes)

    def documents(self, ticket: str) -> tuple[tuple[str, bytes], ...]:
        attached = self.issue(ticket)["attachments"]
        return tuple(
            (each["filename"], self._client.get(each["content_url"]).raise_for_status().content)
            for each in attached
        )

    def close(self) -> None:
        self._client.close()


@pytest.fixture
def server(redmine_server: Redmine) -> Iterator[Server]:
    with Gateway(redmine_server.url) as gateway:
        server = Server(redmine_server, gateway)
        yield server
        server.close()


@pytest.fixture
def system(server: Server) -> Iterator[TicketSystem]:
    system = server.adapter(server.secret)
    yield system
    system.shut()


@pytest.mark.full
@pytest.mark.slow
class TestRedmine(TicketConformance):
    """The suite."""

    def test_fields_go_where_the_settings_say(self, system: TicketSystem, server: Server) -> None:
        """By their ids, lists in Redmine's own words."""
        ticket = system.open(draft(a_run())).id
        held = {each["name"]: each["value"] for each in server.issue(ticket)["custom_fields"]}
        assert (held["Risk"], held["Hosts"]) == ("Low", "pos-0001")

    def test_a_value_that_no_list_has_is_a_refusal(self, server: Server) -> None:
        """422, and nothing was made."""
        system = server.adapter(server.secret, values={"risk": {"low": "Tiny"}})
        run_id = a_run()
        error = failure(lambda: system.open(draft(run_id)))
        assert not error.retryable
        assert "Risk" in str(error)
        assert server.tickets(run_id) == ()

    def test_a_custom_field_that_does_not_exist_is_named_once(self, server: Server) -> None:
        """Redmine answers 201 and leaves it out."""
        system = server.adapter(server.secret, fields={"hosts": 999})
        run_id = a_run()
        error = failure(lambda: system.open(draft(run_id)))
        assert not error.retryable
        assert "custom field 999" in str(error)
        assert system.open(draft(run_id)).run_id == run_id

    @pytest.mark.parametrize("column", ["blind", "absent"])
    def test_a_run_id_that_cannot_be_searched_makes_no_tickets(
        self, server: Server, column: str
    ) -> None:
        """Redmine ignores such a filter and finds every issue."""
        server.plant(a_run(), "somebody else's")
        number = {**server.redmine.fields, "absent": 999}[column]
        system = server.adapter(server.secret, run_id_field=number)
        run_id = a_run()
        error = failure(lambda: system.open(draft(run_id)))
        assert not error.retryable
        assert f"custom field {number}" in str(error)
        assert server.tickets(run_id) == ()

    def test_a_forbidden_way_to_the_end_is_a_refusal(self, server: Server) -> None:
        """Redmine would answer 204, write the note and leave the status."""
        system = server.adapter(server.secret, closed_status=server.redmine.rejected)
        ticket = system.open(draft(a_run())).id
        before = server.texts(ticket)
        error = failure(lambda: system.close(ticket, "successful"))
        assert not error.retryable
        assert "In Progress" in str(error)
        assert server.texts(ticket) == before

    def test_a_status_that_does_not_close_is_refused_at_once(self, server: Server) -> None:
        error = failure(server.adapter(server.secret, closed_status=99).check)
        assert not error.retryable
        assert "status 99" in str(error)

    @pytest.mark.parametrize(
        ("wrong", "words"),
        [({"tracker": 99}, "tracker 99"), ({"fields": {"risk": 99}}, "custom field 99"),
         ({"project": "absent"}, "404")],
    )  # fmt: skip
    def test_the_check_names_what_is_wrong(
        self, server: Server, wrong: Mapping[str, object], words: str
    ) -> None:
        server.plant(a_run(), "one issue, so that fields are known")
        assert words in str(failure(server.adapter(server.secret, **wrong).check))

    def test_a_key_that_ends_does_not_turn_us_into_a_visitor(self, server: Server) -> None:
        """The project is public: a visitor sees it empty of what only members see."""
        error = failure(lambda: server.stranger().find(a_run()))
        assert not error.retryable
        assert "401" in str(error)

    def test_a_note_is_one_request(self, system: TicketSystem, server: Server) -> None:
        """Its documents wait outside until it takes them along."""
        run_id = a_run()
        ticket = system.open(draft(run_id)).id
        before = server.faults.writes
        system.note(ticket, TicketNote(key=f"{run_id}/1", text="words"))
        assert server.faults.writes == before + 1


def test_wrong_settings_are_named() -> None:
    values = {
        "url": "https://x.example", "api_key": "env:K", "project": "p", "tracker": 1,
        "run_id_field": 1, "closed_status": 5, "fields": {"colour": 7},
    }  # fmt: skip
    with pytest.raises(ConfigInvalid, match=r"tickets\.redmine\.fields\.colour"):
        connect_ticket_system("redmine", values, Given(K="", T=""))
