# SPDX-License-Identifier: GPL-3.0-or-later
"""A report is wholly in one language, so both languages must say the same things."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest

from storewarden.adapters.reports.catalogue import words
from storewarden.domain.baseline.control import GuideMark, Risk, Severity
from storewarden.domain.baseline.finding import AuditState, Verdict
from storewarden.domain.estate.device import Flaw, read_estate
from storewarden.ports.reports import Language

_EN, _ZH = words(Language.EN), words(Language.ZH)


def test_both_languages_have_the_same_keys() -> None:
    assert set(_EN) == set(_ZH)


def test_both_languages_fill_in_the_same_values() -> None:
    def fields(text: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    different = {key for key in _EN if fields(_EN[key]) != fields(_ZH[key])}
    assert different == set()


def test_every_chinese_text_is_chinese() -> None:
    latin = {key for key, text in _ZH.items() if not re.search(r"[\u4e00-\u9fff]", text)}
    assert latin == {"cis"}  # the benchmark's own name


@pytest.mark.parametrize(
    ("prefix", "members"),
    [
        ("verdict", Verdict),
        ("short", Verdict),
        ("severity", Severity),
        ("risk", Risk),
        ("mark", GuideMark),
        ("audit", AuditState),
    ],
)
def test_every_outcome_has_its_word(prefix: str, members: type) -> None:
    missing = [m.value for m in members if f"{prefix}_{m.value}" not in _EN]  # type: ignore[attr-defined]
    assert missing == []


def test_every_flaw_of_the_estate_is_said_as_the_doctor_says_it() -> None:
    """One advice in two places: the report's English is the finding's own."""
    assert {f"remark_{flaw.value}" for flaw in Flaw} <= set(_EN)
    found = read_estate({"h": {}}, lambda _zone: True).findings
    assert {f.variable: _EN[f"todo_{f.variable}"] for f in found} == {
        f.variable: f.advice for f in found
    }


def test_no_text_is_left_over(project_root: Path) -> None:
    """Every key is used somewhere, else it grows stale unseen."""
    room = project_root / "python/storewarden/adapters/reports"
    source = "".join(path.read_text() for path in room.rglob("*") if path.suffix in (".py", ".j2"))
    dynamic = (
        "verdict_",
        "short_",
        "severity_",
        "risk_",
        "mark_",
        "audit_",
        "advice_",
        "waiver_",
        "remark_",
        "todo_",
    )
    unused = [
        key
        for key in _EN
        if not key.startswith(dynamic) and not re.search(rf"""[.'"]{key}\b""", source)
    ]
    assert unused == []
