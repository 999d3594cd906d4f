# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a repair, and what it says of a role that does not keep to the words."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.plugin_utils.heal_report import (
    broken,
    clock_problem,
    closed_to,
    diagnosis_problems,
    finding_problems,
    own_report,
    reported,
    undone_of,
)

_HEAL = "ansible_collections.storewarden.ops.plugins.module_utils.heal"
_MODULES = {
    one: import_module(f"{_HEAL}.{one}")
    for one in ("disk", "inodes", "lockfile", "memory", "mount", "printing", "readonly")
}
REASON = {"en": "it is ill", "zh": "有故障"}
DIAGNOSIS: dict[str, Any] = {
    "state": "needed", "reason": "it is ill", "reason_zh": "有故障", "plan": {}, "facts": {"a": 1},
    "capture": [{"kind": "file", "path": "/x"}],
}  # fmt: skip
DIAGNOSED = {"diagnosis": DIAGNOSIS, "evidence": [{"name": "a", "text": "b"}], "seconds": 0.5}
ABOUT = {"action": "demo", "run": "R-1", "diagnosed": DIAGNOSED}


def test_a_report_has_all_that_was_said() -> None:
    acted = {"steps": [{"en": "did", "zh": "已做", "freed": 0}], "seconds": 1.5}
    verified = {"finding": {"well": True, "reason": "fine", "reason_zh": "正常"}, "seconds": 2.0}
    result = reported({**ABOUT, "acted": acted, "verified": verified}, "repaired", REASON)
    assert (result["changed"], result["failed"]) == (True, False)
    assert result["msg"] == "heal demo: repaired; it is ill"
    told = result["storewarden"]["heal"]
    assert told["seconds"] == {"diagnose": 0.5, "act": 1.5, "verify": 2.0}
    assert told["finding"] == verified["finding"]
    # What is captured is the host's own affair.
    assert set(told["diagnosis"]) == {"state", "reason", "reason_zh", "plan", "facts"}
    assert own_report(result) == told


@pytest.mark.parametrize("end", ["healthy", "looked", "escalate"])
def test_who_only_looked_has_changed_nothing(end: str) -> None:
    result = reported(ABOUT, end, REASON)
    assert (result["changed"], result["failed"]) == (False, False)
    assert "finding" not in result["storewarden"]["heal"]


@pytest.mark.parametrize("end", ["not_well", "failed"])
def test_what_is_not_repaired_is_an_error_of_the_play(end: str) -> None:
    assert reported({"action": "demo"}, end, REASON)["failed"] is True


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (None, "diagnose.yml has not registered heal_diagnosed"),
        ({"diagnosis": "x"}, "diagnose.yml has not registered heal_diagnosed"),
        ({"diagnosis": {**DIAGNOSIS, "state": "ill"}}, "heal_diagnosed.diagnosis.state: 'ill'"),
        ({"diagnosis": {**DIAGNOSIS, "capture": {}}}, "heal_diagnosed.diagnosis.capture: a list"),
    ],
)
def test_a_slip_of_a_role_is_named(said: object, problem: str) -> None:
    assert diagnosis_problems(said)[0].startswith(problem)
    assert diagnosis_problems(DIAGNOSED) == []


def test_a_finding_must_be_one() -> None:
    assert finding_problems({"finding": {"well": "yes"}}) != []
    assert finding_problems({"finding": {"well": False}}) == []


def test_an_actions_own_words_are_told_in_both_languages() -> None:
    assert broken("Act", {"msg": "no", "reason_zh": "不行"}) == {"en": "no", "zh": "不行"}
    assert broken("Act", {"msg": "no"})["en"] == "Act: no"


def test_an_undo_is_told_flat() -> None:
    answer = {"report": "restored", "reason": "", "detail": {"record": {"outcome": "restored"}}}
    assert undone_of(answer) == {"report": "restored", "record": {"outcome": "restored"}}


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"clock": 1000.0}, None),
        ({"clock": 1000.0 + 500}, None),
        ({"clock": 1000.0 + 700}, "the host's clock is 700 s ahead of the controller's"),
        ({"clock": 1000.0 - 7200}, "the host's clock is 7200 s behind the controller's"),
        ({}, None),  # an action that judges no ages
        ({"clock": "x"}, None),
    ],
)
def test_a_host_whose_clock_is_wrong_judges_no_ages(
    said: dict[str, Any], words: str | None
) -> None:
    found = clock_problem(said, 1000.0)
    assert (found is None) is (words is None)
    if found is not None and words is not None:
        assert words in found["en"]
        assert "秒" in found["zh"]


def test_work_that_windows_were_not_asked_about_is_not_done() -> None:
    known = ["service-recovery", "service-restart"]
    for plan, wrong in (({}, 0), ({"operation": "service-restart"}, 0), ({"operation": "x"}, 1)):
        said = {"diagnosis": {**DIAGNOSIS, "plan": plan}}
        found = diagnosis_problems(said, known)
        assert len(found) == wrong
        assert all("'x' is neither operation nor may_become" in one for one in found)


def test_work_that_is_closed_now_says_why() -> None:
    closed = {"service-restart": {"en": "a campaign", "zh": "促销"}}
    assert closed_to({"operation": "service-restart"}, closed) == {"en": "a campaign", "zh": "促销"}
    for plan in ({}, {"operation": "service-recovery"}):
        assert closed_to(plan, closed) is None
    assert closed_to({"operation": "service-restart"}, {}) is None


def test_the_actions_that_judge_ages_say_so() -> None:
    told = {one: module.ACTION.judges_ages for one, module in _MODULES.items()}
    assert [one for one, judges in told.items() if judges] == [
        "disk",
        "inodes",
        "lockfile",
        "printing",
    ]
