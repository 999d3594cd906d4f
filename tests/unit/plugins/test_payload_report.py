# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports: what a task comes to, what roles may say, and why something failed."""

from __future__ import annotations

import time
from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.plugin_utils.payload_report import (
    bad_probes,
    failure,
    in_both,
    own_report,
    preflight_problems,
    reported,
    verify_problems,
)

READY = {"ready": True, "items": [{"kind": "file", "path": "/etc/x"}]}


def about(phase: str, **more: Any) -> dict[str, Any]:
    return {"phase": phase, "point": "rp", "began": time.monotonic(), **more}


@pytest.mark.parametrize(
    ("phase", "report", "failed"),
    [
        *(("preflight", one, False) for one in ("ready", "nothing")),
        *(("preflight", one, True) for one in ("refused", "failed")),
        ("apply", "applied", False),
        *(("apply", one, True) for one in ("restored", "residue", "refused", "failed")),
        ("judge", "verified", False),
        ("judge", "restored", True),
        *(("undo", one, False) for one in ("restored", "nothing")),
        *(("undo", one, True) for one in ("residue", "failed")),
        *(("probe", one, False) for one in ("busy", "armed", "residue", "untouched")),
        ("probe", "failed", True),
    ],
)
def test_which_reports_fail_the_task(phase: str, report: str, failed: bool) -> None:
    result = reported(about(phase), {"report": report, "reason": "why", "detail": {}})
    assert result["failed"] is failed
    assert result["msg"] == f"{phase}: {report}; why"


def test_a_report_carries_what_the_journal_needs() -> None:
    answer = {"report": "ready", "detail": {"changes": [{"what": "x"}] * 150}}
    own = reported(about("preflight", rollout="R1", check=True), answer)["storewarden"]["payload"]
    assert (own["restore_point"], own["rollout"], own["reason"]) == ("rp", "R1", in_both(""))
    assert own["detail"]["check"] is True
    assert own["detail"]["changes"][-1] == {"left_out": 50}
    assert len(own["detail"]["changes"]) == 101


def test_only_a_changed_host_counts_as_changed() -> None:
    assert reported(about("apply"), {"report": "applied"})["changed"]
    assert not reported(about("preflight"), {"report": "ready"})["changed"]
    assert not reported(about("probe"), {"report": "restored"})["changed"]


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (None, "preflight.yml has not set"),
        ({}, "preflight.yml has not set"),
        ({"items": []}, "payload_preflight.ready is missing"),
        ({"ready": True}, "payload_preflight.items is empty"),
        ({"ready": False}, "payload_preflight.reason: en and zh"),
        ({"ready": False, "reason": {"en": "no"}}, "payload_preflight.reason: en and zh"),
        ({**READY, "redy": True}, "payload_preflight.redy is no field of it"),
        ({**READY, "nothing": "no"}, "payload_preflight.nothing: true or false is meant"),
        ({**READY, "items": {}}, "payload_preflight.items: a list is meant"),
    ],
)
def test_a_slip_of_preflight_is_named(found: Any, said: str) -> None:
    assert preflight_problems(found, wants_lock=False)[0].startswith(said)


def test_what_preflight_may_say() -> None:
    assert preflight_problems(READY, wants_lock=False) == []
    assert preflight_problems({"ready": True, "nothing": True}, wants_lock=True) == []
    no = {"ready": False, "reason": {"en": "disk is full", "zh": "磁盘已满"}}
    assert preflight_problems(no, wants_lock=True) == []
    assert "lock is missing" in preflight_problems(READY, wants_lock=True)[0]
    assert preflight_problems({**READY, "lock": {"a": "1"}}, wants_lock=True) == []


@pytest.mark.parametrize(
    ("found", "good"),
    [
        ({"ok": True}, True),
        (
            {"ok": False, "probes": [{"name": "x", "ok": False, "detail": {"en": "", "zh": ""}}]},
            True,
        ),
        (None, False),
        ({"probes": []}, False),
        ({"ok": "yes"}, False),
        ({"ok": True, "probes": [{"ok": True}]}, False),
        ({"ok": True, "probes": "x"}, False),
    ],
)
def test_what_verify_may_say(found: Any, good: bool) -> None:
    assert (verify_problems(found) == []) is good


def test_probes_that_are_not_good_are_told_in_both_languages() -> None:
    probes = [
        {"name": "a", "ok": True, "detail": {"en": "fine", "zh": "正常"}},
        {"name": "b", "ok": False, "detail": {"en": "status 500", "zh": "状态码 500"}},
    ]
    assert bad_probes(probes) == {
        "en": "does not work: b: status 500",
        "zh": "检查未通过：b: 状态码 500",
    }
    assert bad_probes([])["en"] == "verify.yml says that it does not work"


def test_why_a_task_failed() -> None:
    plain = failure("Install", {"msg": "no such package.", "stderr": "x\nE: not found\n"})
    assert plain["en"] == "Install: no such package: E: not found"
    assert failure("Install", {"censored": "yes", "msg": "secret"})["en"] == (
        "Install: hidden by no_log"
    )
    loop = {"msg": "One or more items failed", "results": [{"failed": True, "msg": "item 2"}]}
    assert failure("Reload", loop)["en"] == "Reload: item 2"
    own = {"msg": "x", "reason": {"en": "port shut", "zh": "端口关闭"}}
    assert failure("Meet", own) == {"en": "port shut", "zh": "端口关闭"}
    assert "\n" not in failure("Many", {"msg": "a\nb" * 1000})["en"]
    assert len(failure("Many", {"msg": "word " * 1000})["en"]) <= 500


def test_a_failed_task_that_has_reported_is_not_reported_twice() -> None:
    result = reported(about("apply"), {"report": "refused", "reason": "epoch"})
    assert (own_report(result) or {})["report"] == "refused"
    assert own_report({"msg": "failed"}) is None
    assert own_report({"storewarden": {"harden": {}}}) is None
