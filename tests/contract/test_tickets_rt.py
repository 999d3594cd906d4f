# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Request Tracker keeps the promises of every ticket system; and what only RT does."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest

from storewarden.adapters.tickets import connect_ticket_system
from storewarden.domain.errors import ConfigInvalid
from storewarden.ports.secrets import Secret
from storewarden.ports.tickets import TicketSystem
from storewarden.testing.conformance_tickets import TicketConformance, a_run, draft, failure
from storewarden.testing.gateway import Answered, Gateway, Passed
from tests.servers.rt import Rt, rt_server

__all__ = ["rt_server"]


class Given:
    """Secrets by name."""

    def __init__(self, **values: str) -> None:
        self.values = values

    def read(self, reference: str) -> Secret:
        return Secret(self.values[reference.removeprefix("env:")])


def connected(url: str, token: str, **other: object) -> TicketSystem:
    values: dict[str, object] = {
        "url": url, "token": "env:TOKEN", "queue": "Changes",
        "fields": {"risk": "Risk", "hosts": "Hosts"},
        "values": {"risk": {"low": "Low", "medium": "Medium", "high": "High"}},
        "timeout_seconds": 60.0, **other,
    }  # fmt: skip
    system = connect_ticket_system("rt", values, Given(TOKEN=token))
    assert system is not None
    return system


class Server:
    """RT behind a gateway, looked at through its own API."""

    def __init__(self, rt: Rt, faults: Gateway) -> None:
        self.faults, self.secret = faults, rt.token
        self._client = httpx.Client(
            base_url=f"{rt.url}/REST/2.0", headers={"Authorization": f"token {rt.token}"},
            trust_env=False, timeout=60,
        )  # fmt: skip

    def adapter(self, **other: object) -> TicketSystem:
        return connected(self.faults.url, self.secret, **other)

    def stranger(self) -> TicketSystem:
        return connected(self.faults.url, "1-99-0123456789abcdef0123456789abcdef")

    def plant(self, run_id: str, title: str) -> str:
        values = {"Queue": "Changes", "Subject": title, "CustomFields": {"RunID": run_id}}
        return str(self._client.post("/ticket", json=values).raise_for_status().json()["id"])

    def tickets(self, run_id: str) -> tuple[str, ...]:
        """Every ticket is looked at, so that a query has no say."""
        found, page = [], 1
        while items := self._page("/tickets?query=id>0&orderby=id&fields=CustomFields", page):
            found += [
                str(ticket["id"])
                for ticket in items
                if any(run_id in field["values"] for field in ticket["CustomFields"])
            ]
            page += 1
        return tuple(found)

    def _page(self, path: str, page: int) -> list[Any]:
        answer = self._client.get(f"{path}&per_page=100&page={page}").raise_for_status().json()
        items: list[Any] = answer["items"]
        return items

    def ticket(self, number: str) -> Mapping[str, Any]:
        ticket: Mapping[str, Any] = self._client.get(f"/ticket/{number}").json()
        return ticket

    def _messages(self, number: str) -> list[Any]:
        found, page = [], 1
        while items := self._page(f"/ticket/{number}/attachments?fields=ContentType", page):
            found += [self._client.get(f"/attachment/{each['id']}").json() for each in items]
            page += 1
        return sorted(found, key=lambda each: int(each["id"]))

    def texts(self, ticket: str) -> tuple[str, ...]:
        return tuple(
            _bytes(message).decode()
            for message in self._messages(ticket)
            if message["ContentType"] == "text/plain" and not message.get("Filename")
        )

    def documents(self, ticket: str) -> tuple[tuple[str, bytes], ...]:
        return tuple(
            (message["Filename"], _bytes(message))
            for message in self._messages(ticket)
            if message.get("Filename")
        )

    def close(self) -> None:
        self._client.close()


def _bytes(message: Mapping[str, Any]) -> bytes:
    return base64.b64decode(message["Content"] or "")


@pytest.fixture
def server(rt_server: Rt) -> Iterator[Server]:
    with Gateway(rt_server.url) as gateway:
        server = Server(rt_server, gateway)
        yield server
        server.close()


@pytest.fixture
def system(server: Server) -> Iterator[TicketSystem]:
    system = server.adapter()
    yield system
    system.shut()


@pytest.mark.full
@pytest.mark.slow
class TestRt(TicketConformance):
    """The suite."""

    def test_fields_go_where_the_settings_say(self, system: TicketSystem, server: Server) -> None:
        """By their names, lists in RT's own words."""
        ticket = system.open(draft(a_run())).id
        fields = server.ticket(ticket)["CustomFields"]
        held = {each["name"]: each["values"] for each in fields}
        assert (held["Risk"], held["Hosts"]) == (["Low"], ["pos-0001"])

    def test_a_value_that_no_list_has_is_named_once(self, server: Server) -> None:
        """RT answers 201 and leaves it out."""
        system = server.adapter(values={"risk": {"low": "Tiny"}})
        run_id = a_run()
        error = failure(lambda: system.open(draft(run_id)))
        assert not error.retryable
        assert "Risk" in str(error)
        assert system.open(draft(run_id)).run_id == run_id

    @pytest.mark.parametrize("wrong", [{"run_id_field": "Nope"}, {"fields": {"kind": "Nope"}}])
    def test_a_field_that_does_not_exist_makes_no_tickets(
        self, server: Server, wrong: Mapping[str, object]
    ) -> None:
        """A search by it finds nothing, and RT would create without it, each time anew."""
        system = server.adapter(**wrong)
        run_id = a_run()
        before = server.faults.writes
        for call in (lambda: system.open(draft(run_id)), system.check):
            error = failure(call)
            assert not error.retryable
            assert "custom field Nope" in str(error)
        assert server.faults.writes == before

    def test_a_status_that_does_not_exist_is_not_believed(self, server: Server) -> None:
        """RT answers 200 and says in words that it is not valid."""
        system = server.adapter(closed=["finished"])
        ticket = system.open(draft(a_run())).id
        error = failure(lambda: system.close(ticket, "successful"))
        assert "isn't a valid status" in str(error)
        assert server.ticket(ticket)["Status"] == "new"

    def test_somebody_elses_change_at_the_same_moment_is_noticed(
        self, system: TicketSystem, server: Server
    ) -> None:
        """The version that we read is not the current one any more: 412, and once more later."""
        ticket = system.open(draft(a_run())).id

        def older(passed: Passed, _n: int) -> Answered:
            if passed.method == "PUT":
                stale = {**passed.headers, "If-Match": '"1"'}
                passed = Passed(method="PUT", path=passed.path, headers=stale, body=passed.body)
            return server.faults.forward(passed)

        with server.faults.suffering(older):
            error = failure(lambda: system.close(ticket, "successful"))
        assert error.retryable
        assert "same moment" in str(error)
        assert not system.close(ticket, "successful").open
        assert sum("successful" in text for text in server.texts(ticket)) == 1

    def test_the_check_names_an_unknown_queue(self, server: Server) -> None:
        error = failure(server.adapter(queue="Nowhere").check)
        assert not error.retryable
        assert "queue/Nowhere" in str(error)


def test_wrong_settings_are_named() -> None:
    """A quote in a name would end the query's text."""
    values = {"url": "https://x.example", "token": "env:T", "queue": "Store's changes"}
    with pytest.raises(ConfigInvalid, match=r"tickets\.rt\.queue"):
        connect_ticket_system("rt", values, Given(K="", T=""))
