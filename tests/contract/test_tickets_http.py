# SPDX-License-Identifier: GPL-3.0-or-later
"""The ``http`` adapter, with the settings of the operators' guide, against a made-up service."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from storewarden.adapters.tickets import connect_ticket_system
from storewarden.domain.errors import AdapterError, ConfigInvalid
from storewarden.ports.secrets import Secret
from storewarden.ports.tickets import TicketNote, TicketSystem
from storewarden.testing.conformance_tickets import REPORT, TicketConformance, a_run, draft
from storewarden.testing.gateway import Answered, Gateway, Passed
from storewarden.testing.loopback import Mishap
from tests.servers.itsm import SECRET, MadeUpItsm


class OneSecret:
    """The same for every reference."""

    def __init__(self, value: str) -> None:
        self.value = value

    def read(self, reference: str) -> Secret:
        assert reference.startswith("file:/etc/storewarden/")
        return Secret(self.value)


def a_lie(passed: Passed) -> Answered:
    """What such products say: all is well. A new id for a new change, nothing else."""
    data = {"id": "1734999999999999999"} if passed.path.endswith("/changes") else None
    return Answered(status=200, body=json.dumps({"code": 0, "msg": "ok", "data": data}).encode())


class Served:
    """The service behind a line that can break."""

    secret = SECRET

    def __init__(self, itsm: MadeUpItsm, faults: Gateway, section: Mapping[str, Any]) -> None:
        self.itsm = itsm
        self.faults = faults
        self.section = {**copy.deepcopy(dict(section)), "url": faults.url}
        self.plant = itsm.plant
        self.tickets = itsm.tickets
        self.texts = itsm.texts
        self.documents = itsm.documents

    def connect(self, secret: str = SECRET, **changed: object) -> TicketSystem:
        system = connect_ticket_system("http", {**self.section, **changed}, OneSecret(secret))
        assert system is not None
        return system

    def stranger(self) -> TicketSystem:
        return self.connect("not-the-secret")


@pytest.fixture(scope="module")
def section(project_root: Path) -> Mapping[str, Any]:
    """The example of the guide, word for word."""
    guide = (project_root / "docs/operators/tickets.md").read_text()
    example = guide[guide.index("### Example") :]
    found = re.search(r"```yaml\n(.*?)```", example, re.DOTALL)
    assert found is not None
    read: dict[str, Any] = yaml.safe_load(found[1])["tickets"]
    return {name: value for name, value in read.items() if name not in ("system", "language")}


@pytest.fixture
def server(section: Mapping[str, Any]) -> Iterator[Served]:
    with MadeUpItsm() as itsm, Gateway(itsm.url, lie=a_lie) as faults:
        yield Served(itsm, faults, section)


@pytest.fixture
def system(server: Served) -> Iterator[TicketSystem]:
    connected = server.connect()
    connected.check()  # logged in: what the tests count is not the login
    yield connected
    connected.shut()


class TestHttp(TicketConformance):
    """The suite."""


def test_a_token_that_has_expired_is_fetched_anew(system: TicketSystem, server: Served) -> None:
    """Said in the body of a 200, in the middle of the work."""
    run_id = a_run()
    ticket = system.open(draft(run_id)).id
    server.itsm.expire()
    system.note(ticket, TicketNote(key=f"{run_id}/1", text="with a new token"))
    assert system.noted(ticket) == (f"{run_id}/1",)


def test_a_refusal_in_the_body_is_permanent(server: Served) -> None:
    """HTTP 200 with a code that is not success."""
    section = copy.deepcopy(server.section["create"])
    section["body"]["riskLevel"] = "EXTREME"
    system = server.connect(create=section)
    with pytest.raises(AdapterError, match="参数错误: riskLevel") as caught:
        system.open(draft(a_run()))
    assert not caught.value.retryable
    system.shut()


def test_an_overload_in_the_body_is_retryable(system: TicketSystem, server: Served) -> None:
    """The site says which code means later."""
    busy = json.dumps({"code": 429, "msg": "请求过于频繁"}).encode()
    with server.faults.answering(200, busy), pytest.raises(AdapterError) as caught:
        system.find(a_run())
    assert caught.value.retryable


def test_a_line_that_goes_silent_is_retryable(server: Served) -> None:
    """It works, and answers too late."""
    system = server.connect(timeout_seconds=2.0)
    system.check()
    server.itsm.delay = 5
    server.itsm.suffer(Mishap.SLOW, method="GET")
    with pytest.raises(AdapterError, match="did not answer in time") as caught:
        system.find(a_run())
    assert caught.value.retryable
    system.shut()


@pytest.mark.parametrize(
    ("field", "words"),
    [("externalNo", "lacks the run id"), ("subject", "another title"), ("description", "text")],
)
def test_a_field_that_was_not_kept_is_noticed(server: Served, field: str, words: str) -> None:
    """The service knows no such field, or keeps something else in it, and says success."""
    create = copy.deepcopy(server.section["create"])
    create["body"][field] = "something else"
    system = server.connect(create=create)
    with pytest.raises(AdapterError, match=f"not recorded: .*{words}"):
        system.open(draft(a_run()))
    system.shut()


def test_only_secrets_are_taken_out_of_messages(server: Served) -> None:
    """A word of another header is no secret; a password in Basic's spelling is one."""
    headers = {
        "Accept-Language": "zh en externalNo",
        "X-Basic": "Basic {{ ('user:' ~ secret.client) | upper }}",
        "Authorization": "Bearer {{ login }}",
    }
    system = server.connect(headers=headers)
    system.check()
    said = f"externalNo USER:{SECRET.upper()} {SECRET}".encode()
    with server.faults.answering(400, said), pytest.raises(AdapterError) as caught:
        system.find(a_run())
    assert "externalNo *** ***" in str(caught.value)
    system.shut()


def test_a_search_that_ignores_its_filter_finds_the_right_one(server: Served) -> None:
    """Over several pages of other people's changes; and nothing when there is nothing."""
    for n in range(25):
        server.plant(f"OTHER-{n}", "somebody else's")
    find = {"path": "/itsm/v1/changes?pageNo={{ page }}", "list": "data.records"}
    system = server.connect(find=find)
    run_id = a_run()
    assert system.find(run_id) is None
    assert system.find("OTHER-24") is not None
    opened = system.open(draft(run_id))
    assert system.find(run_id) == opened
    system.shut()


def test_without_attach_the_note_says_what_stays_in_the_ledger(server: Served) -> None:
    """Name, size and digest: the file can be asked for and recognised."""
    section = {
        name: value
        for name, value in server.section.items()
        if name not in ("attach", "files", "download")
    }
    system = connect_ticket_system("http", section, OneSecret(SECRET))
    assert system is not None
    run_id = a_run()
    ticket = system.open(draft(run_id)).id
    system.note(ticket, TicketNote(key=f"{run_id}/1", text="report", attachments=(REPORT,)))
    assert server.documents(ticket) == ()
    shown = "\n".join(server.texts(ticket))
    assert re.search(r"\[file audit-report.html, \d+ bytes, sha256 [0-9a-f]{64}\] kept", shown)
    system.shut()


def test_an_upload_that_is_cut_short_is_not_believed(system: TicketSystem, server: Served) -> None:
    """Success, and other bytes."""
    run_id = a_run()
    ticket = system.open(draft(run_id)).id

    def shortened(passed: Passed, _n: int) -> Answered:
        if passed.writes and passed.path.endswith("/attachments"):
            body = json.dumps({"fileName": REPORT.name, "content": "aGFsZg=="}).encode()
            headers = {**passed.headers, "Content-Length": str(len(body))}
            passed = Passed(method="POST", path=passed.path, headers=headers, body=body)
        return server.faults.forward(passed)

    note = TicketNote(key=f"{run_id}/1", text="report", attachments=(REPORT,))
    with server.faults.suffering(shortened), pytest.raises(AdapterError, match="not recorded"):
        system.note(ticket, note)
    assert system.noted(ticket) == ()


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("find", "path"), "/x/{{ runid }}", r"find\.path: unknown variable runid \(known here: "),
        (("note", "body"), {"content": "{{ text"}, r"note\.body\.content: is no template"),
        (("notes", "text"), "content[", r"notes\.text: is no JMESPath expression"),
        (("create", "id"), None, r"create\.id: is missing"),
        (("close", "methd"), "PUT", r"close\.methd: unknown key \(did you mean method\?\)"),
        (("close", "method"), "SHOUT", r"close\.method: must be GET or POST"),
        (("files",), None, r"tickets\.http\.files: attach and files go together"),
        (("note_limit",), "8000", r"note_limit: must be a whole number"),
        (("note_limit",), 3, r"note_limit: must be 500 or more"),
        (("secrets", "client"), SECRET, r"secrets\.client: must be a reference"),
        (("ticket",), "id", r"tickets\.http\.ticket: must be keys with values"),
        (("url",), "https://me:pw@itsm.example", r"url: must hold neither user, password"),
        (("login", "body"), {"s": "{{ secrets.client }}"}, r"login\.body\.s: unknown variable"),
    ],
)
def test_mistakes_in_the_settings_are_named(
    section: Mapping[str, Any], path: tuple[str, ...], value: object, words: str
) -> None:
    """Before anything is sent; never with the value itself."""
    wrong: dict[str, Any] = copy.deepcopy(dict(section))
    place = wrong
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    with pytest.raises(ConfigInvalid, match=words) as caught:
        connect_ticket_system("http", wrong, OneSecret(SECRET))
    assert SECRET not in str(caught.value)


def test_a_login_without_a_token_shows_nothing_of_its_answer(server: Served) -> None:
    """The token may stand there under another name."""
    system = server.connect(login={**server.section["login"], "token": "data.access_token"})
    with pytest.raises(AdapterError, match=r"tickets\.http\.login\.token") as caught:
        system.check()
    assert "of-itsm" not in str(caught.value)
    system.shut()


def test_a_refused_login_says_why(server: Served) -> None:
    """In the words of the other side."""
    with pytest.raises(AdapterError, match="客户端认证失败") as caught:
        server.stranger().check()
    assert not caught.value.retryable


def test_templates_cannot_reach_into_the_program(server: Served) -> None:
    """They run in a sandbox, and a failure shows no value."""
    body = {"content": "{{ text.__class__.__mro__ }}"}
    system = server.connect(note={"path": "/itsm/v1/changes/{{ id }}/comments", "body": body})
    ticket = system.open(draft(a_run())).id
    with pytest.raises(AdapterError, match=r"tickets\.http\.note\.body\.content") as caught:
        system.note(ticket, TicketNote(key="k/1", text="x"))
    assert not caught.value.retryable
    system.shut()


def test_values_are_quoted_in_paths(server: Served, system: TicketSystem) -> None:
    """A run id of somebody's own shape cannot become another request."""
    assert system.find("a&pageNo=7/../x?y#z ü") is None
    asked = server.itsm.sent("GET", "/changes")[-1]
    assert asked.path == "/itsm/v1/changes"
    assert asked.query["externalNo"] == "a&pageNo=7/../x?y#z ü"
