# SPDX-License-Identifier: GPL-3.0-or-later
"""No number without a source, and every text in two languages."""

from __future__ import annotations

from dataclasses import fields
from itertools import product

import pytest

from storewarden.domain.healing.explain import VERDICTS
from storewarden.domain.healing.guards.table import BUDGETS, GUARDS
from storewarden.domain.healing.policy import HealPolicy, source_of
from storewarden.domain.healing.record import Verdict
from storewarden.domain.healing.rule import Impact, Kind
from storewarden.domain.healing.sla import PROMISES, IncidentPolicy


def chinese(text: str) -> bool:
    """Whether it has Chinese in it."""
    return any("\u4e00" <= sign <= "\u9fff" for sign in text)


@pytest.mark.parametrize("name", [each.name for each in fields(HealPolicy)])
def test_every_number_of_a_guard_has_a_source(name: str) -> None:
    assert source_of(name).startswith(("guard rails, ", "guide ", "chosen: "))


def test_every_number_of_incidents_has_a_source() -> None:
    for each in fields(IncidentPolicy):
        assert each.name == "promises" or each.metadata["source"], each.name


def test_every_kind_and_priority_has_a_promise() -> None:
    assert PROMISES.keys() == set(product(Kind, Impact))
    for promise in PROMISES.values():
        assert promise.answer < promise.solve


def test_every_guard_and_verdict_has_a_chinese_name() -> None:
    for guard in (*GUARDS, *BUDGETS):
        assert guard.en.isascii()
        assert chinese(guard.zh)
    assert VERDICTS.keys() == set(Verdict)
    assert all(chinese(zh) for _en, zh in VERDICTS.values())
