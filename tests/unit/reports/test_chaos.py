# SPDX-License-Identifier: GPL-3.0-or-later
"""The result table of an experiment, as a person reads it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta

from storewarden.adapters.reports import chaos_view
from storewarden.adapters.reports.chaos_html import render
from storewarden.domain.chaos.experiment import Experiment, Made, Proof, Stand, Taken, Undone, row
from storewarden.ports.reports import Language
from tests.unit.chaos.facts import NOON, TILL, experiment, sighting

_MADE = Made(host=TILL, good=True, en="pos.service stopped", zh="已停止 pos.service")
_TAKEN = Taken(host=TILL, by=Undone.ORDER, made_at=NOON, at=NOON + timedelta(seconds=61))


def _done(
    stand: Stand = Stand.HEALED, *, name: str = "PosDown", taken: Taken = _TAKEN
) -> Experiment:
    seen = replace(sighting(stand), name=name, why=("no change", "没有变更"))
    one = experiment()
    rows = (row(one, _MADE, taken, [seen]),)
    return replace(one, rows=rows, ended_at=NOON, outcome="completed")


def test_every_result_has_words_in_both_languages() -> None:
    assert set(chaos_view.PROOFS) == set(Proof)
    assert set(chaos_view.UNDONES) == set(Undone)


def test_the_table_says_what_happened_and_when() -> None:
    (line,) = chaos_view.lines(_done(), Language.EN)
    assert line.cells == (
        TILL, "pos.service stopped", "healed", "PosDown", "till down", "service",
        "10.0 s", "20.0 s", "25.0 s", "after 61.0 s by order",
    )  # fmt: skip
    (line,) = chaos_view.lines(_done(), Language.ZH)
    assert line.cells[1:3] == ("已停止 pos.service", "已自愈")
    assert len(chaos_view.heads(Language.ZH)) == len(line.cells)


def test_the_page_says_whether_healing_is_proved() -> None:
    page = render(_done(), Language.EN, "Shop", UTC)
    assert "Healing is proved." in page and TILL in page
    page = render(_done(Stand.PERSON), Language.ZH, "Shop", UTC)
    assert "自愈未得到证明。" in page and "没有变更" in page and 'lang="zh-CN"' in page


def test_a_host_of_which_nobody_knows_is_told_to_be_looked_at() -> None:
    lost = Taken(host=TILL, by=Undone.UNKNOWN)
    done = _done(taken=lost)
    assert "look at it" in " ".join(chaos_view.summary(done, Language.EN))


def test_what_others_wrote_stays_text() -> None:
    page = render(_done(name="<script>alert(1)</script>"), Language.EN, "Shop", UTC)
    assert "<script>" not in page and "&lt;script&gt;" in page
