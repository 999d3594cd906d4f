# SPDX-License-Identifier: GPL-3.0-or-later
"""Notes with keys: split, found again, put together."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from storewarden.adapters.tickets.marks import (
    Mark,
    cut,
    mark_of,
    marked,
    normal,
    noted_keys,
    same_text,
)
from storewarden.domain.outbox.ticket import note_key

KEY = note_key("GMBG-20260601-001", 17, "9c2f" * 16)  # as the mirror makes them


def _octets(text: str) -> int:
    return len(text.encode())


@given(st.text(), st.integers(8, 80))
def test_pieces_are_the_text(text: str, limit: int) -> None:
    for size in (len, _octets):
        pieces = cut(text, limit, size)
        assert "".join(pieces) == text
        assert all(size(piece) <= limit for piece in pieces)


@given(st.text(max_size=2000), st.integers(80, 200))
def test_parts_of_a_note_are_the_text(text: str, limit: int) -> None:
    parts = marked(KEY, text, limit)
    assert all(len(part) <= limit for part in parts)
    assert "".join(part.split("\n", 1)[1] for part in parts) == normal(text)
    assert noted_keys(parts) == (KEY,)
    marks = [mark_of(part) for part in parts]
    assert marks == [Mark(KEY, n, len(parts)) for n in range(1, len(parts) + 1)]


def test_texts_are_cut_at_line_breaks() -> None:
    assert cut("one\ntwo\nthree\n", 9) == ("one\ntwo\n", "three\n")
    assert cut("a\n" + "b" * 20, 10) == ("a\n" + "b" * 8, "b" * 10, "bb")


def test_a_note_is_there_when_all_its_parts_are() -> None:
    parts = marked(KEY, "line\n" * 100, 200)
    assert len(parts) > 2
    assert noted_keys(parts[:-1]) == ()
    assert noted_keys([*parts[1:], parts[0]]) == (KEY,)
    assert noted_keys([*parts[:-1], marked("k/2", "x", 200)[0], parts[-1]]) == (KEY, "k/2")


def test_parts_of_two_attempts_are_not_mixed() -> None:
    """The text became another one in between: two of three and one of two are no whole."""
    assert noted_keys(["[storewarden k/1 1/3]\na", "[storewarden k/1 2/3]\nb"]) == ()
    assert noted_keys(["[storewarden k/1 1/3]\na", "[storewarden k/1 2/2]\nb"]) == ()


def test_quotations_are_not_marks() -> None:
    assert mark_of(f"\n [storewarden {KEY}] yes") == Mark(KEY)
    assert mark_of(f"> [storewarden {KEY}]") is None
    assert mark_of(f"see [storewarden {KEY}]") is None
    assert mark_of("[storewarden two words]") is None


def test_what_systems_do_to_texts_is_no_lie() -> None:
    assert same_text("a  \r\nb\n\n", "a\nb")
    assert not same_text("a\nb", "a b")
    assert not same_text("approved", "")
    assert not same_text("  indented", "  x")
