# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents beside notes: sent once, found again, and long texts that become one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storewarden.adapters.tickets.documents import (
    Room,
    composed,
    fitted,
    left_to_send,
    octets,
    one_line,
    paper,
    utf16,
)
from storewarden.adapters.tickets.marks import normal
from storewarden.ports.tickets import Attachment

REPORT = Attachment(name="报告 (final).html", media_type="text/html", content=b"<p>97 %</p>")
OTHER = Attachment(name=REPORT.name, media_type="text/html", content=b"<p>98 %</p>")
ROOM = Room(limit=4000, name="note")


@given(st.text(max_size=6000), st.sampled_from([utf16, octets]))
def test_no_text_is_longer_than_its_field_and_none_is_lost(text: str, size: object) -> None:
    assert callable(size)
    room = Room(limit=1000, name="note", size=size)
    written, documents = composed("[storewarden k]", text, (REPORT,), room)
    assert size(written) <= 1000
    assert documents[-1] == REPORT
    whole = written if len(documents) == 1 else documents[0].content.decode()
    assert normal(text) in whole


def test_a_long_text_says_where_it_is() -> None:
    text = "\n".join(f"step {n}" for n in range(2000))
    short = fitted(text, 4000, "plan")
    assert short.text.startswith("step 0 step 1 ")
    assert "plan.txt" in short.text
    assert short.documents[0].content.decode() == text


def test_what_was_left_behind_is_not_sent_again() -> None:
    """An upload whose note never came is taken for this note's."""
    assert left_to_send((REPORT, OTHER), [paper(REPORT)], []) == (OTHER,)
    assert left_to_send((REPORT, REPORT), [paper(REPORT)], []) == (REPORT,)


def test_what_another_note_speaks_of_is_that_notes() -> None:
    written, _ = composed("[storewarden k/1]", "report", (REPORT,), ROOM)
    assert left_to_send((REPORT,), [paper(REPORT)], [written]) == (REPORT,)
    assert left_to_send((REPORT,), [paper(REPORT)] * 2, [written]) == ()


def test_a_document_that_somebody_deleted_is_not_missed() -> None:
    """What an old note speaks of may be gone; the next note's documents are sent all the same."""
    written, _ = composed("[storewarden k/1]", "report", (REPORT,), ROOM)
    assert left_to_send((REPORT, OTHER), [], [written]) == (REPORT, OTHER)


@pytest.mark.parametrize("name", ["a/b.html", "a\nb.html", "  a   b.html "])
def test_names_are_names_everywhere(name: str) -> None:
    """No path, one line: what the server shows is what was sent."""
    sent, _ = paper(Attachment(name=name, media_type="text/html", content=b""))
    assert sent in ("a_b.html", "a b.html")


@given(st.text(max_size=400), st.integers(10, 300))
def test_titles_are_one_line_and_fit(title: str, limit: int) -> None:
    line = one_line(title, limit)
    assert utf16(line) <= limit
    assert "\n" not in line


def test_a_title_that_was_cut_says_so() -> None:
    assert one_line("门店 " * 100, 20).endswith("...")
    assert one_line("a\tb\r\nc", 20) == "a b c"
