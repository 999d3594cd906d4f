# SPDX-License-Identifier: GPL-3.0-or-later
"""What is off the baseline, on terminals of every width."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from datetime import date
from zoneinfo import ZoneInfo

import pytest

from storewarden.cli.drift import listing
from storewarden.domain.baseline.drift_ticket import DriftTicket
from storewarden.ports.reports import Language
from storewarden.testing.conformance_drift import drift_ticket

_ZONE = ZoneInfo("Asia/Shanghai")
_TITLE = {
    "en": "No password is changed without passing the quality check of the baseline",
    "zh": "修改口令时必须通过基线规定的口令质量检查，不得绕过",
}


def _tickets() -> list[DriftTicket]:
    known = {"roundup": "41", "redmine": "1207"}
    first = replace(drift_ticket("pos1.000101"), title=_TITLE, tickets=known)
    return [first, replace(drift_ticket("a-till-with-a-long-name.000117"), title=_TITLE)]


def _cells(line: str) -> int:
    return sum(2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in line)


def _shown(language: Language, columns: int | None) -> str:
    return listing(_tickets(), date(2026, 3, 20), language, _ZONE, columns=columns)


@pytest.mark.parametrize("columns", [80, 100, 132])
@pytest.mark.parametrize("language", list(Language))
def test_a_terminal_gets_lines_that_it_holds(language: Language, columns: int) -> None:
    lines = _shown(language, columns).splitlines()
    assert max(map(_cells, lines)) <= columns
    assert len(lines) > 3  # it had to be folded


@pytest.mark.parametrize("columns", [60, 80, 100, 132])
@pytest.mark.parametrize("language", list(Language))
def test_nothing_is_lost_to_the_width(language: Language, columns: int) -> None:
    said = "".join(_shown(language, columns).split())
    for each in _tickets():
        for part in (each.number, each.key.host, each.key.control, each.title[language.value]):
            assert "".join(part.split()) in said
    assert "redmine1207" in said
    assert "2026-03-01" in said


def test_a_program_and_a_wide_terminal_get_a_line_for_each_ticket() -> None:
    whole = _shown(Language.EN, None)
    assert len(whole.splitlines()) == 3
    assert _shown(Language.EN, 400) == whole


def test_the_number_that_show_asks_for_is_never_broken() -> None:
    for columns in (60, 80, 100):
        assert all(each.number in _shown(Language.EN, columns) for each in _tickets())
