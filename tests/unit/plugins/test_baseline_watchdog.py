# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit ends in time also when the kernel holds the one who looks."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.evaluate import audit
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.system import FileStat
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.watchdog import guarded_audit
from ansible_collections.storewarden.ops.plugins.plugin_utils.control_cases import CaseSystem

_READS = {"get": "kv", "q": {"files": ["/etc/x"], "key": "k"}, "expect": {"eq": "1"}}


def _controls(*paths: str) -> list[dict[str, Any]]:
    return [
        {"id": f"Z{place:02}", "check": {**_READS, "q": {"files": [path], "key": "k"}}}
        for place, path in enumerate(paths, 1)
    ]


class DeadMount(CaseSystem):
    """A host whose /srv hangs as a dead network mount does: no alarm gets through, a kill does."""

    def _lstat(self, path: str) -> FileStat | None:
        if path == "/srv":
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
            time.sleep(600)
        return super()._lstat(path)


class Crashing(CaseSystem):
    """A host on which the looking process dies."""

    def _lstat(self, path: str) -> FileStat | None:
        if path == "/srv":
            os.kill(os.getpid(), signal.SIGKILL)
        return super()._lstat(path)


_CASE = {"files": {"/etc/x": "k=1\n", "/etc/y": "k=2\n"}}


def _children() -> set[str]:
    """Children of this process now, those that nobody has waited for included.

    By name and not "none at all": earlier tests in this process may have children of their own.
    """
    tasks = Path("/proc/self/task").glob("*/children")
    return {pid for task in tasks for pid in task.read_text("ascii").split()}


def _verdicts(report: dict[str, Any]) -> dict[str, str]:
    return {one["id"]: one["verdict"] for one in report["controls"]}


def test_the_report_is_that_of_a_plain_audit() -> None:
    controls = _controls("/etc/x", "/etc/y")
    plain = audit(CaseSystem(_CASE), controls, "c")
    guarded = guarded_audit(lambda: CaseSystem(_CASE), controls, "c", 5.0)
    for report in (plain, guarded):
        report.pop("ms")
        for one in report["controls"]:
            one.pop("ms")
    assert guarded == plain
    assert guarded["counts"]["pass"] == guarded["counts"]["fail"] == 1


@pytest.mark.slow
def test_a_dead_mount_loses_no_result_already_obtained() -> None:
    controls = _controls("/etc/x", "/srv/y", "/etc/y")
    before = _children()
    started = time.monotonic()
    report = guarded_audit(lambda: DeadMount(_CASE), controls, "", 0.2)
    assert time.monotonic() - started < 300  # of the 600 that it hangs
    assert _verdicts(report) == {"Z01": "pass", "Z02": "error", "Z03": "error"}
    assert report["counts"]["error"] == 2
    assert "did not answer within 0.2 s" in report["controls"][1]["reason"]["en"]
    assert report["controls"][1]["reason"]["zh"].startswith("超时")
    assert _children() <= before  # the one that hung was killed and is gone


def test_a_looker_that_dies_is_told_as_that() -> None:
    report = guarded_audit(lambda: Crashing(_CASE), _controls("/etc/x", "/srv/y"), "", 5.0)
    assert _verdicts(report) == {"Z01": "pass", "Z02": "error"}
    assert "ended early (status 9)" in report["controls"][1]["reason"]["en"]
