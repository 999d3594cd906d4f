# SPDX-License-Identifier: GPL-3.0-or-later
"""Change numbers as the guide writes them, also on a busy day."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storewarden.domain.change.numbers import (
    count_of,
    number_of,
    parse_number,
    prefix_problem,
    series_of,
)

DAY = date(2026, 6, 1)
prefixes = st.from_regex(r"[A-Z][A-Z0-9]{0,11}", fullmatch=True)


@pytest.mark.parametrize(
    ("sequence", "number"),
    [
        (1, "GMBG-20260601-001"),
        (999, "GMBG-20260601-999"),
        (1000, "GMBG-20260601-1000"),
        (123456, "GMBG-20260601-123456"),
    ],
)
def test_the_guides_form_and_its_growth(sequence: int, number: str) -> None:
    assert number_of("GMBG", DAY, sequence) == number
    assert (series_of(number), count_of(number)) == ("GMBG-20260601", sequence)


@given(prefix=prefixes, day=st.dates(), sequence=st.integers(1, 10**9 - 1))
def test_numbers_are_read_back(prefix: str, day: date, sequence: int) -> None:
    text = number_of(prefix, day, sequence)
    found = parse_number(text)
    assert (found.prefix, found.day, found.sequence) == (prefix, day, sequence)
    assert str(found) == text


@given(text=st.text(max_size=20) | st.from_regex(r"[A-Z]{2}-[0-9]{8}-[0-9]{3,5}", fullmatch=True))
def test_nothing_else_is_a_number(text: str) -> None:
    try:
        found = parse_number(text)
    except ValueError:
        return
    assert str(found) == text


@pytest.mark.parametrize(
    "text",
    [
        "GMBG-20260601-000",
        "GMBG-20260601-0001",
        "GMBG-20260601-01",
        "GMBG-20260231-001",
        "gmbg-20260601-001",
        "GMBG-20260601-001 ",
        "GMBG-20260601-٠٠١",
        "",
    ],
)
def test_lookalikes_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no change number"):
        parse_number(text)


def test_numbers_sort_as_changes_were_opened() -> None:
    texts = ["GMBG-20260601-1000", "GMBG-20260602-001", "GMBG-20260601-999"]
    assert [str(each) for each in sorted(map(parse_number, texts))] == [
        "GMBG-20260601-999",
        "GMBG-20260601-1000",
        "GMBG-20260602-001",
    ]


@pytest.mark.parametrize("prefix", ["", "1A", "A-B", "gm", "TOOLONGAPREFIX", "Ä1"])
def test_a_prefix_that_would_break_numbers_is_refused(prefix: str) -> None:
    assert "capital letters" in prefix_problem(prefix)
    with pytest.raises(ValueError, match="no prefix"):
        number_of(prefix, DAY, 1)


def test_a_day_counts_from_one() -> None:
    with pytest.raises(ValueError, match="from 1"):
        number_of("GMBG", DAY, 0)
