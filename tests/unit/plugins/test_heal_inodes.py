# SPDX-License-Identifier: GPL-3.0-or-later
"""What may go when inodes run out: by folder, pattern and age, and never data."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.heal.inodes import (
    ACTION,
    OPTIONS,
    refused,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.visit import _at_most
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

DEFAULTS = {name: spec.get("default") for name, spec in OPTIONS.items()}


@pytest.fixture
def host(tmp_path: Path) -> Host:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/mounts").write_text("disk / ext4 rw 0 0\n")
    for name in ("sess_1", "sess_2", "other"):
        (tmp_path / "var/lib/php/sessions").mkdir(parents=True, exist_ok=True)
        (tmp_path / "var/lib/php/sessions" / name).touch()
    (tmp_path / "srv").mkdir()
    (tmp_path / "srv/sess_3").touch()
    return Host(str(tmp_path), path="/nowhere")


def _options(*folders: dict[str, Any]) -> dict[str, Any]:
    # A goal that no filesystem meets.
    return {**DEFAULTS, "mountpoint": "/", "free_share": 1.1, "folders": list(folders)}


SESSIONS = {"path": "/var/lib/php/sessions", "pattern": "sess_*", "days": 1}
DAY = 86400.0


def test_old_sessions_go_and_nothing_else(host: Host, tmp_path: Path) -> None:
    (tmp_path / "etc/tmpfiles.d").mkdir(parents=True)
    rules = tmp_path / "etc/tmpfiles.d/php.conf"
    rules.write_text("x /var/lib/php/sessions/sess_2\n")
    asked = _options(SESSIONS)
    facts = ACTION.facts(host, asked)
    # As if the diagnosis were made in two days.
    facts["found"] = [{**SESSIONS, "before": time.time() + DAY, "count": 2}]
    found = ACTION.diagnose(facts, asked)
    assert found.state == "needed"
    late = tmp_path / "var/lib/php/sessions/sess_late"
    late.touch()
    os.utime(late, (time.time() + 2 * DAY, time.time() + 2 * DAY))
    with (tmp_path / "var/lib/php/sessions/sess_1").open():
        [step] = ACTION.act(host, found, asked)
    assert "0 files like sess_* removed" in step.en
    rules.unlink()
    [step] = ACTION.act(host, found, asked)
    assert "2 files like sess_* removed" in step.en
    left = sorted(path.name for path in (tmp_path / "var/lib/php/sessions").iterdir())
    assert left == ["other", "sess_late"]
    assert (tmp_path / "srv/sess_3").exists()
    seen = ACTION.verify(host, found, asked)
    assert not seen.well
    assert "most entries: " in seen.reason


def test_sessions_that_are_young_are_a_persons_question(host: Host) -> None:
    asked = _options({**SESSIONS, "days": 2})
    found = ACTION.diagnose(ACTION.facts(host, asked), asked)
    assert found.state == "escalate"
    assert "most entries: " in found.reason


def test_what_is_old_is_counted_as_it_would_go(host: Host, tmp_path: Path) -> None:
    folder = tmp_path / "opt/pos/sessions"
    folder.mkdir(parents=True)
    for name in ("sess_1", "other"):
        (folder / name).touch()
    asked = _options({"path": "/opt/pos/sessions", "pattern": "sess_*", "days": 1e-9})
    found = ACTION.facts(host, asked)["found"]
    assert [(one["path"], one["count"]) for one in found] == [("/opt/pos/sessions", 1)]


def test_an_act_whose_time_is_over_begins_nothing(host: Host, tmp_path: Path) -> None:
    asked = _options(SESSIONS)
    facts = ACTION.facts(host, asked)
    facts["found"] = [{**SESSIONS, "before": time.time() + DAY, "count": 2}]
    found = ACTION.diagnose(facts, asked)
    with _at_most(19.0):
        assert ACTION.act(host, found, asked) == []
    assert (tmp_path / "var/lib/php/sessions/sess_1").exists()


@pytest.mark.parametrize(
    ("folder", "no"),
    [
        ("/tmp", False),
        ("/var/lib/php/sessions/", False),
        ("/var/lib/php", True),
        ("/var/lib/pos", True),
        ("/var/spool/cups", True),
        ("/home/pos/tmp", True),
        ("/var/log/keep", True),
    ],
)
def test_which_folders_may_be_cleared(folder: str, no: bool) -> None:
    assert refused(folder, ["/var/log/keep"]) is no


def test_a_filesystem_with_enough_is_well(host: Host) -> None:
    asked = {**_options(SESSIONS), "free_share": 0.0}
    facts = ACTION.facts(host, asked)
    assert facts["now"] <= time.time()
    assert ACTION.diagnose(facts, asked).state == "healthy"
