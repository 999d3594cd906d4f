# SPDX-License-Identifier: GPL-3.0-or-later
"""What `harden` says at its end: one exit code, and the next thing to type."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from storewarden.cli.exits import Exit
from storewarden.cli.harden import ended
from storewarden.cli.harden_progress import display, line_of
from storewarden.cli.harden_words import closing_lines
from storewarden.cli.progress import ProgressStyle
from storewarden.domain.baseline.finding import Verdict
from storewarden.domain.baseline.harden import GroupFix, GroupOutcome, HostFix, HostState
from storewarden.flows.harden_progress import HardenProgress, Step
from storewarden.ports.harden import Deed, Difference, HardenReport

AT = datetime(2026, 6, 1, 15, 0, tzinfo=UTC)
NUMBER = "GMBG-20260601-001"


def report(*outcomes: GroupOutcome, deed: Deed = Deed.FIX) -> HardenReport:
    hosts = tuple(
        HostFix(
            host=f"pos{n}", state=HostState.ANSWERED, groups=(GroupFix(group="ssh", outcome=each),)
        )
        for n, each in enumerate(outcomes)
    )
    return HardenReport(
        deed=deed, at=AT, change=NUMBER, session=f"{NUMBER}.1", hosts=hosts, state="in progress"
    )


GOOD = report(GroupOutcome.FIXED)
BACK = report(GroupOutcome.RESTORED, deed=Deed.UNDO)
DIFFERS = Difference(host="pos0", control="B02", before=Verdict.PASS, now=Verdict.FAIL)


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (GOOD, Exit.FINE),
        (report(GroupOutcome.FIXED, GroupOutcome.REFUSED), Exit.BELOW),
        (report(GroupOutcome.UNDONE), Exit.BELOW),
        (report(GroupOutcome.FIXED, GroupOutcome.LOST), Exit.INCOMPLETE),
        (report(GroupOutcome.REFUSED, GroupOutcome.LOST), Exit.BELOW),
        (replace(GOOD, interrupted=True), Exit.INTERRUPTED),
        (replace(GOOD, troubles=("not recorded: full",)), Exit.FOREIGN),
        (BACK, Exit.FINE),
        (replace(BACK, differences=(DIFFERS,)), Exit.BELOW),
        (replace(BACK, left_over=("pos1",)), Exit.BELOW),
        (report(GroupOutcome.PLANNED, deed=Deed.PLAN), Exit.FINE),
    ],
)
def test_the_one_code(found: HardenReport, code: Exit) -> None:
    assert ended(found) is code


def test_what_to_type_next() -> None:
    good = closing_lines(GOOD, "en", 300)
    assert good[0] == "every host is as required"
    assert f"storewarden change close {NUMBER} --outcome successful" in good[-1]
    lost = closing_lines(report(GroupOutcome.FIXED, GroupOutcome.LOST), "en", 300)
    assert lost[0].startswith("nobody knows yet: pos1; what they had not confirmed")
    assert f"next: storewarden harden start --change {NUMBER} --limit pos1" in lost
    assert lost[-1].endswith("--outcome partial --reason TEXT --left pos1")
    back = closing_lines(replace(BACK, differences=(DIFFERS,)), "en", 300)
    assert back[-1].endswith("--outcome failed --reason TEXT")
    closed = closing_lines(replace(GOOD, outcome="successful"), "zh", 300)
    assert closed[-1] == f"{NUMBER} 已关闭：successful"


def test_an_interruption_says_what_happens_on_the_hosts() -> None:
    lines = closing_lines(replace(GOOD, interrupted=True), "zh", 120)
    assert "120 秒内自行回滚" in lines[0]
    assert not any("已达标" in line for line in lines)  # nobody has looked afterwards
    assert lines[-1] == f"下一步：storewarden harden start --change {NUMBER}"


def test_a_plan_says_how_it_is_done() -> None:
    plan = report(GroupOutcome.PLANNED, deed=Deed.PLAN)
    assert closing_lines(plan, "en", 300) == [
        "nothing was changed", f"next: storewarden harden start --change {NUMBER}",
    ]  # fmt: skip
    asks = closing_lines(replace(plan, change=""), "zh", 300)
    assert "storewarden change new" in asks[-1]
    assert closing_lines(replace(plan, hosts=()), "en", 300) == ["nothing was changed"]


def test_progress_is_a_line_per_host_and_group_or_json() -> None:
    step = HardenProgress(
        step=Step.GROUP, session="S", host="pos0", group="ssh", state="refused", message="root"
    )
    assert line_of(step) == "pos0: ssh: refused: root"
    out = io.StringIO()
    with display(ProgressStyle.JSON, out) as shown:
        shown.show(step)
    assert json.loads(out.getvalue()) == {
        "step": "group", "session": "S", "host": "pos0", "group": "ssh", "state": "refused",
        "message": "root", "done": 0, "bad": 0, "total": 0,
    }  # fmt: skip
    lines = io.StringIO()
    with display(ProgressStyle.AUTO, lines) as shown:
        shown.show(replace(step, message="a\x1b[2Jb"))
        for done in range(3):
            shown.show(HardenProgress(step=Step.AUDIT, message="before", done=done, total=2))
    assert lines.getvalue().splitlines() == [
        "storewarden: pos0: ssh: refused: a [2Jb",
        "storewarden: audit before: 0 of 2 hosts",
        "storewarden: audit before: 2 of 2 hosts",
    ]
    bar = io.StringIO()
    with display(ProgressStyle.BAR, bar) as shown:
        for each in (HardenProgress(step=Step.BEGUN, session="S", total=1), step):
            shown.show(each)
    assert "refused" in bar.getvalue()
