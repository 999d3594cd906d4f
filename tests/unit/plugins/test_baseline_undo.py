# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything of a change taken back: which restore points, in which order, and what is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.hardening.point import Name, Point
from ansible_collections.storewarden.ops.plugins.module_utils.restore.failures import RestoreError
from ansible_collections.storewarden.ops.plugins.module_utils.restore.verbs import (
    Answer,
    Request,
    Verbs,
)
from ansible_collections.storewarden.ops.plugins.modules import baseline_undo
from tests.unit.plugins.restore_bench import RestoreBench

MINE = {"owner": "me", "epoch": None}


@pytest.fixture
def bench(tmp_path: Path) -> RestoreBench:
    return RestoreBench(tmp_path)


def packs(bench: RestoreBench, *phases: str) -> Verbs:
    """Restore points p1, p2, ... of one owner, in these phases."""
    for number, phase in enumerate(phases, 1):
        bench.write("/etc/x", str(number))
        pack = bench.captured(
            {"kind": "file", "path": "/etc/x"}, name=f"p{number}", sequence=number
        )
        pack.write_state(phase=phase)
    return Verbs(bench.host, bench.store.folder, bench.clock)


def told(found: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(one["id"], one["outcome"]) for one in found]


@pytest.mark.parametrize("newest", ["confirmed", "undoing"])
def test_a_rehearsal_names_all_that_an_undo_would_take_back(
    bench: RestoreBench, newest: str
) -> None:
    verbs = packs(bench, "confirmed", "restored", "confirmed", newest)
    found = baseline_undo.undo_all(verbs, MINE, True)
    assert told(found) == [("p4", "planned"), ("p3", "planned"), ("p1", "planned")]
    assert [one.state()["phase"] for one in bench.store.packs()][::2] == ["confirmed"] * 2


def test_a_rehearsal_stops_below_somebody_elses_change(bench: RestoreBench) -> None:
    verbs = packs(bench, "confirmed", "confirmed", "confirmed")
    bench.store.pack("p2").write_state(owner="they")
    found = baseline_undo.undo_all(verbs, MINE, True)
    assert told(found) == [("p3", "planned"), ("p1", "refused")]
    assert "lies below p2" in found[1]["reason"]


def test_what_left_something_over_is_tried_again(bench: RestoreBench) -> None:
    verbs = packs(bench, "restored", "residue", "captured")
    assert told(baseline_undo.undo_all(verbs, MINE, True)) == [("p2", "planned")]


def test_an_undo_that_breaks_off_hides_none_of_those_before_it(bench: RestoreBench) -> None:
    class Breaking(Verbs):
        def undone(self, ask: Request) -> Answer:
            if ask.id == "p1":
                raise RestoreError("undo did not come to its end")
            return Answer(True, "", {"phase": "restored"})

    packs(bench, "confirmed", "confirmed")
    verbs = Breaking(bench.host, bench.store.folder, bench.clock)
    found = baseline_undo.undo_all(verbs, MINE, False)
    assert told(found) == [("p2", "restored"), ("p1", "residue")]
    assert "did not come to its end" in found[1]["residue"][0]["why"]


@pytest.mark.parametrize("phase", ["captured", "armed", "undoing", "restored", "confirmed"])
def test_a_fix_goes_on_only_while_its_restore_point_is_armed(
    bench: RestoreBench, phase: str
) -> None:
    packs(bench, phase)
    point = Point(Name("p1", "me", None, 60.0), bench.store.folder)
    with bench.store.locked(1.0):  # an undo holds the lock while it waits for the fix to end
        assert point.stands() == (phase == "armed")
