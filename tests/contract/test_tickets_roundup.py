# SPDX-License-Identifier: GPL-3.0-or-later
"""The Roundup adapter against a real Roundup."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from storewarden.adapters.tickets import connect_ticket_system
from storewarden.domain.errors import AdapterError, ConfigInvalid
from storewarden.ports.secrets import Secret
from storewarden.ports.tickets import TicketDraft, TicketNote, TicketSystem
from storewarden.testing.conformance_tickets import TicketConformance, a_run, draft
from storewarden.testing.gateway import Answered, Gateway, Passed
from tests.servers.roundup import Tracker

pytestmark = pytest.mark.slow


class FileSecrets:
    """``file:`` references only."""

    def read(self, reference: str) -> Secret:
        return Secret(Path(reference.removeprefix("file:")).read_text().strip())


class SeenFromOutside:
    """The tracker, without the adapter: its REST interface and its pages, asked directly."""

    def __init__(self, tracker: Tracker, faults: Gateway, folder: Path) -> None:
        self.secret = tracker.password
        self.faults = faults
        self.tracker = tracker
        self.folder = folder
        self.client = httpx.Client(
            base_url=tracker.url,
            auth=(tracker.section["user"], tracker.password),
            headers={
                "X-Requested-With": "test",
                "Referer": f"{tracker.url}/",
                "Origin": tracker.url,
            },
            timeout=60,
        )

    def section(self, **changed: object) -> dict[str, object]:
        return {**self.tracker.section, "url": self.faults.url, **changed}

    def connect(self, **changed: object) -> TicketSystem:
        section = self.section(**changed)
        system = connect_ticket_system(str(section.pop("system")), section, FileSecrets())
        assert system is not None
        return system

    def stranger(self) -> TicketSystem:
        wrong = self.folder / "wrong"
        wrong.write_text("not-the-password")
        return self.connect(password=f"file:{wrong}")

    def get(self, path: str, **params: str) -> Any:
        answer = self.client.get(f"/rest/data/{path}", params=params)
        answer.raise_for_status()
        return answer.json()["data"]

    def issue(self, ticket: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.get(f"issue/{ticket}", **{"@verbose": "2"})["attributes"]
        return found

    def plant(self, run_id: str, title: str) -> str:
        made = self.client.post("/rest/data/issue", json={"title": title, "runid": run_id})
        made.raise_for_status()
        return str(made.json()["data"]["id"])

    def tickets(self, run_id: str) -> tuple[str, ...]:
        found = self.get("issue", **{"@fields": "runid"})["collection"]
        return tuple(item["id"] for item in found if item["runid"] == run_id)

    def texts(self, ticket: str) -> tuple[str, ...]:
        numbers = [item["id"] for item in self.issue(ticket)["messages"]]
        return tuple(
            self.get(f"msg/{number}", **{"@verbose": "3"})["attributes"]["content"]
            for number in sorted(numbers, key=int)
        )

    def documents(self, ticket: str) -> tuple[tuple[str, bytes], ...]:
        found = []
        for item in self.issue(ticket)["files"]:
            content = self.client.get(f"/file{item['id']}/x")
            content.raise_for_status()
            found.append((item["name"], content.content))
        return tuple(found)


@pytest.fixture
def server(roundup_tracker: Tracker, tmp_path: Path) -> Iterator[SeenFromOutside]:
    with Gateway(roundup_tracker.url) as faults:
        outside = SeenFromOutside(roundup_tracker, faults, tmp_path)
        yield outside
        outside.client.close()


@pytest.fixture
def system(server: SeenFromOutside) -> Iterator[TicketSystem]:
    connected = server.connect()
    yield connected
    connected.shut()


class TestRoundup(TicketConformance):
    """The suite."""


def test_somebody_else_edits_the_issue_at_the_same_moment(
    system: TicketSystem, server: SeenFromOutside
) -> None:
    """Between our reading and our writing: their change stays, and our note arrives."""
    run_id = a_run()
    ticket = system.open(draft(run_id)).id
    edits = iter(range(2))

    def edit_before(passed: Passed, _n: int) -> Answered:
        if passed.method == "PATCH" and next(edits, None) is not None:
            now = server.client.get(f"/rest/data/issue/{ticket}")
            server.client.patch(
                f"/rest/data/issue/{ticket}",
                json={"title": f"{now.json()['data']['attributes']['title']}!"},
                headers={"If-Match": now.headers["ETag"]},
            ).raise_for_status()
        return server.faults.forward(passed)

    with server.faults.suffering(edit_before):
        system.note(ticket, TicketNote(key=f"{run_id}/1", text="in between"))
    assert system.noted(ticket) == (f"{run_id}/1",)
    assert server.issue(ticket)["title"].endswith("!!")


def test_a_person_at_the_keyboard_all_the_time_is_an_outage(
    system: TicketSystem, server: SeenFromOutside
) -> None:
    """After a few tries it is left for later; nothing was overwritten."""
    ticket = system.open(draft(a_run())).id
    conflict = Answered(status=412, body=b"{}")
    busy = server.faults.suffering(
        lambda passed, _n: conflict if passed.method == "PATCH" else server.faults.forward(passed)
    )
    with busy, pytest.raises(AdapterError, match="edited by somebody else") as caught:
        system.note(ticket, TicketNote(key="k/1", text="never"))
    assert caught.value.retryable
    assert system.noted(ticket) == ()


def test_a_link_that_was_not_made_is_noticed(system: TicketSystem, server: SeenFromOutside) -> None:
    """The message is there, the issue says that it was changed, and shows nothing of it."""
    run_id = a_run()
    ticket = system.open(draft(run_id)).id
    fine = Answered(status=200, body=b'{"data": {"attribute": {}}}')
    lying = server.faults.suffering(
        lambda passed, _n: fine if passed.method == "PATCH" else server.faults.forward(passed)
    )
    note = TicketNote(key=f"{run_id}/1", text="was it linked?")
    with lying, pytest.raises(AdapterError, match="not recorded") as caught:
        system.note(ticket, note)
    assert caught.value.retryable
    system.note(ticket, note)
    assert server.texts(ticket)[1:] == ("was it linked?",)


def test_notes_of_people_are_not_ours(system: TicketSystem, server: SeenFromOutside) -> None:
    """And they keep their place beside ours."""
    run_id = a_run()
    ticket = system.open(draft(run_id)).id
    me = server.get("user", username=server.tracker.section["user"])["collection"][0]["id"]
    message = server.client.post(
        "/rest/data/msg", json={"content": "[storewarden x/1] quoted", "author": me}
    ).json()["data"]["id"]
    now = server.client.get(f"/rest/data/issue/{ticket}", params={"@verbose": "0"})
    linked = ",".join([*now.json()["data"]["attributes"]["messages"], message])
    server.client.patch(
        f"/rest/data/issue/{ticket}",
        json={"messages": linked},
        headers={"If-Match": now.headers["ETag"]},
    ).raise_for_status()
    system.note(ticket, TicketNote(key=f"{run_id}/1", text="ours"))
    assert system.noted(ticket) == (f"{run_id}/1",)
    assert len(server.texts(ticket)) == 3


def test_a_message_never_reopens_a_resolved_issue(
    system: TicketSystem, server: SeenFromOutside
) -> None:
    """Roundup's own rule would set it to chatting."""
    run_id = a_run()
    ticket = system.open(draft(run_id)).id
    system.close(ticket, "done")
    system.note(ticket, TicketNote(key=f"{run_id}/1", text="afterwards"))
    assert server.issue(ticket)["status"]["name"] == "resolved"


def test_a_ticket_reopened_by_a_person_is_closed_again(
    system: TicketSystem, server: SeenFromOutside
) -> None:
    """With the same words, which are not written a second time."""
    run_id = a_run()
    ticket = system.open(draft(run_id)).id
    system.close(ticket, "done")
    now = server.client.get(f"/rest/data/issue/{ticket}")
    server.client.patch(
        f"/rest/data/issue/{ticket}",
        json={"status": "in-progress"},
        headers={"If-Match": now.headers["ETag"]},
    ).raise_for_status()
    reopened = system.find(run_id)
    assert reopened is not None
    assert reopened.open
    assert not system.close(ticket, "done").open
    assert sum("done" in text for text in server.texts(ticket)) == 1


def test_the_check_names_what_is_missing(server: SeenFromOutside) -> None:
    """With what to do about it."""
    for changed, words in (
        ({"run_id_property": "changenumber"}, "no property changenumber.*add changenumber=String"),
        ({"fields": {"risk": "risk_level"}}, "no property risk_level"),
        ({"closed": ["geschlossen"]}, "no status geschlossen"),
        ({"issue_class": "ticket"}, "ticket"),
    ):
        system = server.connect(**changed)
        with pytest.raises(AdapterError, match=words) as caught:
            system.check()
        assert not caught.value.retryable
        system.shut()


def test_fields_go_into_the_properties_that_the_site_names(server: SeenFromOutside) -> None:
    """A link by its name (priority), a text as it is."""
    system = server.connect(fields={"risk": "priority"})
    run_id = a_run()
    opened = system.open(
        TicketDraft(run_id=run_id, title="t", body="b", fields={"risk": "urgent", "kind": "x"})
    )
    assert server.issue(opened.id)["priority"]["name"] == "urgent"
    with pytest.raises(AdapterError) as caught:
        system.open(TicketDraft(run_id=a_run(), title="t", body="b", fields={"risk": "no-such"}))
    assert not caught.value.retryable
    system.shut()


def test_a_rotated_password_is_read_without_a_restart(
    server: SeenFromOutside, tmp_path: Path
) -> None:
    """A refused one is read again once."""
    file = tmp_path / "password"
    file.write_text("old")
    system = server.connect(password=f"file:{file}")
    with pytest.raises(AdapterError):
        system.check()
    file.write_text(server.secret)
    system.check()
    system.shut()


def test_settings_need_a_closing_status(server: SeenFromOutside) -> None:
    with pytest.raises(ConfigInvalid, match=r"tickets\.roundup\.closed"):
        server.connect(closed=[])
