# SPDX-License-Identifier: GPL-3.0-or-later
"""What every ticket system adapter promises, as tests.

Inherit from ``TicketConformance`` in a pytest module and give two fixtures: ``system``, the
adapter, connected to the server through ``server.faults`` (``storewarden.testing.gateway``,
or a fake's own), and ``server``, a ``TicketServer``: what can be known and done without the
adapter. Tests never empty the server: each works on run ids of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta

from storewarden.ports.tickets import Attachment, TicketNote, TicketSystem
from storewarden.testing.conformance_ticket_server import (
    AWKWARD,
    BINARY,
    CHINESE,
    LARGE,
    REPORT,
    Faults,
    Records,
    TicketServer,
    a_run,
    all_text,
    calls_of,
    draft,
    failure,
    numbered_lines,
    until_done,
)

__all__ = [
    "AWKWARD",
    "BINARY",
    "CHINESE",
    "LARGE",
    "REPORT",
    "Faults",
    "TicketConformance",
    "TicketServer",
    "a_run",
    "draft",
    "failure",
]


class TicketConformance:
    """The suite. ``many`` is how many notes one test writes: fewer for a slow server."""

    many = 30

    def test_opened_tickets_are_read_back(self, system: TicketSystem, server: TicketServer) -> None:
        """Run id, title and state come from the server; people find the text and the page."""
        run_id = a_run()
        ticket = system.open(draft(run_id, body="first line\nsecond line"))
        assert (ticket.run_id, ticket.title, ticket.open) == (
            run_id,
            f"Patch the tills ({run_id})",
            True,
        )
        assert server.tickets(run_id) == (ticket.id,)
        assert ticket.url.startswith("http")
        assert "first line" in server.texts(ticket.id)[0]
        assert system.find(run_id) == ticket

    def test_a_second_opening_finds_the_first(
        self, system: TicketSystem, server: TicketServer
    ) -> None:
        """Also with other words, and also when somebody made the ticket by hand."""
        run_id, planted = a_run(), a_run()
        first = system.open(draft(run_id))
        assert system.open(draft(run_id, title="other words")) == first
        assert server.tickets(run_id) == (first.id,)
        by_hand = server.plant(planted, "made by hand")
        assert system.open(draft(planted)).id == by_hand
        assert server.tickets(planted) == (by_hand,)

    def test_run_ids_are_compared_whole(self, system: TicketSystem) -> None:
        """GMBG-20260601-1 is not GMBG-20260601-10, although a search by words finds both."""
        run_id = a_run()
        system.open(draft(run_id))
        for other in (f"{run_id}0", run_id[:-1], run_id.split("-")[0], f"{run_id}%", "*"):
            assert system.find(other) is None

    def test_of_several_the_oldest_is_found(
        self, system: TicketSystem, server: TicketServer
    ) -> None:
        """People copy tickets; notes must go on into the first one."""
        run_id = a_run()
        first = server.plant(run_id, "the first")
        server.plant(run_id, "the copy")
        found = system.find(run_id)
        assert found is not None
        assert (found.id, found.title) == (first, "the first")

    def test_notes_are_written_once_per_key(
        self, system: TicketSystem, server: TicketServer
    ) -> None:
        """The same key again changes nothing, whatever the text."""
        run_id = a_run()
        ticket = system.open(draft(run_id)).id
        note = TicketNote(key=f"{run_id}/1", text="approved by wang.wei", attachments=(REPORT,))
        assert system.noted(ticket) == ()
        system.note(ticket, note)
        system.note(ticket, note)
        system.note(ticket, TicketNote(key=f"{run_id}/1", text="other words"))
        assert system.noted(ticket) == (f"{run_id}/1",)
        assert sum("approved by wang.wei" in text for text in server.texts(ticket)) == 1
        assert not any("other words" in text for text in server.texts(ticket))
        assert [name for name, _ in server.documents(ticket)] == [REPORT.name]

    def test_notes_keep_their_order(self, system: TicketSystem, server: TicketServer) -> None:
        """More notes than some servers put on a page, also seconds apart or in the same one."""
        run_id = a_run()
        ticket = system.open(draft(run_id)).id
        keys = [f"{run_id}/{n}" for n in range(1, self.many + 1)]
        for n, key in enumerate(keys, start=1):
            system.note(ticket, TicketNote(key=key, text=f"entry number {n:03d}."))
        assert list(system.noted(ticket)) == keys
        shown = "\n".join(server.texts(ticket))
        places = [shown.find(f"entry number {n:03d}.") for n in range(1, self.many + 1)]
        assert places == sorted(places)
        assert places[0] >= 0

    def test_closing_is_read_back_and_repeatable(
        self, system: TicketSystem, server: TicketServer
    ) -> None:
        """Closed twice is closed once; a closed ticket is found and not opened again."""
        run_id = a_run()
        ticket = system.open(draft(run_id))
        closed = system.close(ticket.id, "successful on all hosts")
        assert (closed.id, closed.run_id, closed.open) == (ticket.id, run_id, False)
        shown = server.texts(ticket.id)
        assert system.close(ticket.id, "successful on all hosts") == closed
        assert server.texts(ticket.id) == shown
        assert any("successful on all hosts" in text for text in shown)
        assert system.open(draft(run_id)) == closed
        assert system.find(run_id) == closed

    def test_closed_tickets_take_notes(self, system: TicketSystem) -> None:
        """Debts are settled after the end; the ticket stays closed."""
        run_id = a_run()
        ticket = system.open(draft(run_id)).id
        system.close(ticket, "partial")
        system.note(ticket, TicketNote(key=f"{run_id}/9", text="paperwork is there"))
        assert system.noted(ticket) == (f"{run_id}/9",)
        found = system.find(run_id)
        assert found is not None
        assert not found.open

    def test_chinese_arrives_unchanged(self, system: TicketSystem, server: TicketServer) -> None:
        """Title, text, note and resolution, also characters beyond the basic plane."""
        run_id = a_run()
        title = f"变更 {run_id}：更新收银机"
        ticket = system.open(draft(run_id, title=title, body=CHINESE))
        assert ticket.title == title
        system.note(ticket.id, TicketNote(key=f"{run_id}/1", text=f"备注 {CHINESE}"))
        system.close(ticket.id, "成功，全部主机已验证")
        shown = "\n".join(server.texts(ticket.id))
        assert shown.count(CHINESE) == 2
        assert "成功，全部主机已验证" in shown

    def test_no_text_is_markup(self, system: TicketSystem, server: TicketServer) -> None:
        """What looks like HTML, a template or a quotation stays what it is."""
        run_id = a_run()
        ticket = system.open(draft(run_id, body=AWKWARD)).id
        system.note(ticket, TicketNote(key=f"{run_id}/1", text=AWKWARD))
        assert system.noted(ticket) == (f"{run_id}/1",)
        shown = "\n".join(server.texts(ticket))
        for line in AWKWARD.split("\n"):
            assert shown.count(line.strip()) >= 2, line

    def test_large_texts_lose_nothing(self, system: TicketSystem, server: TicketServer) -> None:
        """Over 100 KB, in one text, several notes or a document: every line, in order."""
        run_id = a_run()
        ticket = system.open(draft(run_id, body=LARGE)).id
        assert numbered_lines(all_text(server, ticket)) == 2000
        system.note(ticket, TicketNote(key=f"{run_id}/1", text=LARGE))
        system.note(ticket, TicketNote(key=f"{run_id}/1", text=LARGE))
        assert system.noted(ticket) == (f"{run_id}/1",)
        assert numbered_lines(all_text(server, ticket)) == 4000

    def test_documents_arrive_byte_for_byte(
        self, system: TicketSystem, server: TicketServer
    ) -> None:
        """The HTML report with its line ends, any byte, a Chinese file name."""
        run_id = a_run()
        ticket = system.open(draft(run_id)).id
        note = TicketNote(key=f"{run_id}/1", text="evidence", attachments=(REPORT, BINARY))
        system.note(ticket, note)
        system.note(ticket, note)
        expected = [(document.name, document.content) for document in (REPORT, BINARY)]
        assert sorted(server.documents(ticket)) == sorted(expected)

    def test_two_notes_may_carry_documents_of_one_name(
        self, system: TicketSystem, server: TicketServer
    ) -> None:
        """The second report is another one, not a repetition of the first."""
        run_id = a_run()
        ticket = system.open(draft(run_id)).id
        later = Attachment(name=REPORT.name, media_type="text/html", content=b"<p>later</p>")
        for n, document in enumerate((REPORT, later, REPORT), start=1):
            key = f"{run_id}/{n}"
            system.note(ticket, TicketNote(key=key, text="report", attachments=(document,)))
        contents = sorted(content for _, content in server.documents(ticket))
        assert contents == sorted([REPORT.content, REPORT.content, later.content])

    def test_outages_are_retryable(self, system: TicketSystem, server: TicketServer) -> None:
        """Nobody there, overloaded, broken; and afterwards it goes on."""
        run_id = a_run()
        ticket = system.open(draft(run_id)).id
        note = TicketNote(key=f"{run_id}/1", text="after the outage")
        calls = calls_of(system, run_id, ticket)
        for fault in (server.faults.down(), *(server.faults.answering(s) for s in (500, 502, 503))):
            with fault:
                for call in calls:
                    assert failure(call).retryable
        system.note(ticket, note)
        assert system.noted(ticket) == (note.key,)

    def test_too_many_requests_names_the_pause(
        self, system: TicketSystem, server: TicketServer
    ) -> None:
        """429 is retryable, and how long to wait is kept."""
        with server.faults.answering(429, b"slow down", {"Retry-After": "17"}):
            error = failure(lambda: system.find(a_run()))
        assert error.retryable
        assert error.retry_after == timedelta(seconds=17)

    def test_refusals_are_permanent(self, system: TicketSystem, server: TicketServer) -> None:
        """The same request would be refused again; the reason is in the error."""
        with server.faults.answering(400, b'{"error": "field kind is not valid"}'):
            error = failure(lambda: system.find(a_run()))
        assert not error.retryable
        assert "field kind is not valid" in str(error)

    def test_a_page_instead_of_an_answer_is_an_outage(
        self, system: TicketSystem, server: TicketServer
    ) -> None:
        """Maintenance pages come with 200."""
        page = b"<!doctype html><html><title>Down for maintenance</title></html>"
        with server.faults.answering(200, page, {"Content-Type": "text/html"}):
            for call in calls_of(system, a_run(), "1"):
                assert failure(call).retryable

    def test_unknown_tickets_are_permanent(self, system: TicketSystem) -> None:
        """Somebody deleted it; asking again does not bring it back."""
        note = TicketNote(key="T-1/1", text="lost")
        assert not failure(lambda: system.note("99999999", note)).retryable
        assert not failure(lambda: system.close("99999999", "done")).retryable

    def test_wrong_credentials_are_permanent(self, server: TicketServer) -> None:
        """And neither they nor the right ones are in the text."""
        stranger = server.stranger()
        try:
            for call in (stranger.check, *calls_of(stranger, a_run(), "1")):
                error = failure(call)
                assert not error.retryable
                assert server.secret not in f"{error!s}{error!r}"
        finally:
            stranger.shut()

    def test_secrets_are_never_shown(self, system: TicketSystem, server: TicketServer) -> None:
        """Not in reprs, not in errors when the server repeats them, not in logs."""
        records = Records()
        root = logging.getLogger()
        level = root.level
        root.addHandler(records)
        root.setLevel(logging.DEBUG)
        try:
            run_id = a_run()
            ticket = system.open(draft(run_id)).id
            system.note(ticket, TicketNote(key=f"{run_id}/1", text="x", attachments=(REPORT,)))
            echo = f"you sent {server.secret}, which is wrong".encode()
            for status in (400, 500):
                with server.faults.answering(status, echo):
                    for call in calls_of(system, run_id, ticket):
                        error = failure(call)
                        assert server.secret not in f"{error!s}{error!r}{error.__dict__}"
        finally:
            root.removeHandler(records)
            root.setLevel(level)
        assert server.secret not in repr(system)
        assert server.secret not in "\n".join(records.lines)

    def test_lies_are_found_out(self, system: TicketSystem, server: TicketServer) -> None:
        """Success that changed nothing is an error, to be tried again later."""
        run_id, other = a_run(), a_run()
        ticket = system.open(draft(run_id)).id
        note = TicketNote(key=f"{run_id}/1", text="was it written?")
        with server.faults.lying():
            assert failure(lambda: system.open(draft(other))).retryable
            assert failure(lambda: system.note(ticket, note)).retryable
            assert failure(lambda: system.close(ticket, "done")).retryable
        assert system.find(other) is None
        assert system.noted(ticket) == ()
        found = system.find(run_id)
        assert found is not None
        assert found.open

    def test_lost_answers_make_no_doubles(self, system: TicketSystem, server: TicketServer) -> None:
        """The write arrived, its answer did not: trying again finds it, wherever that happened."""
        run_id = a_run()
        until_done(lambda: system.open(draft(run_id)), server.faults.losing_answers)
        self._once(system, server, run_id, server.faults.losing_answers)

    def test_interrupted_writes_are_completed(
        self, system: TicketSystem, server: TicketServer
    ) -> None:
        """Whichever request fails, the next attempt completes what the first began."""
        run_id = a_run()
        until_done(lambda: system.open(draft(run_id)), server.faults.failing)
        self._once(system, server, run_id, server.faults.failing)

    def _once(
        self,
        system: TicketSystem,
        server: TicketServer,
        run_id: str,
        fault: Callable[[int], AbstractContextManager[None]],
    ) -> None:
        """One ticket, one note, two documents, closed once, although every write failed once."""
        ids = server.tickets(run_id)
        assert len(ids) == 1
        note = TicketNote(key=f"{run_id}/1", text="exactly-once", attachments=(REPORT, BINARY))
        until_done(lambda: system.note(ids[0], note), fault)
        until_done(lambda: system.close(ids[0], "ended-well"), fault)
        assert system.noted(ids[0]) == (note.key,)
        shown = "\n".join(server.texts(ids[0]))
        assert (shown.count("exactly-once"), shown.count("ended-well")) == (1, 1)
        expected = [(document.name, document.content) for document in (REPORT, BINARY)]
        assert sorted(server.documents(ids[0])) == sorted(expected)
        found = system.find(run_id)
        assert found is not None
        assert not found.open

    def test_a_healthy_server_passes_the_check(self, system: TicketSystem) -> None:
        """And the name in the settings is known to it."""
        system.check()
        assert system.name

    def test_reading_writes_nothing(self, system: TicketSystem, server: TicketServer) -> None:
        """find, noted and check may be asked at any time."""
        run_id = a_run()
        ticket = system.open(draft(run_id)).id
        before = server.faults.writes
        system.find(run_id)
        system.noted(ticket)
        system.check()
        assert server.faults.writes == before
