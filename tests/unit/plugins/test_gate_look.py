# SPDX-License-Identifier: GPL-3.0-or-later
"""What gates ask on a host: programs, and lines of logs in a span of time."""

from __future__ import annotations

import gzip
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.storewarden.ops.plugins.module_utils.gates.log_times import written_at
from ansible_collections.storewarden.ops.plugins.module_utils.gates.look import answers

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def in_shanghai(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The host's own zone: times without one are meant in it."""
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def _one(**asked: Any) -> dict[str, Any]:
    found: dict[str, Any] = answers([{"name": "it", **asked}])["it"]
    return found


def _count(*paths: Path | str, hours: float = 1, **more: Any) -> dict[str, Any]:
    span = {"since": (NOW - timedelta(hours=hours)).timestamp(), "until": NOW.timestamp()}
    asked = {"pattern": "ERROR", **span, **more}
    return _one(kind="files", paths=[str(path) for path in paths], **asked)


@pytest.mark.parametrize(
    ("line", "at"),
    [
        ("2026-03-10T11:30:00Z ERROR", "2026-03-10T11:30:00+00:00"),
        ("2026-03-10T19:30:00.123+08:00 x", "2026-03-10T11:30:00+00:00"),
        ("2026-03-10 19:30:00,123 ERROR", "2026-03-10T11:30:00+00:00"),
        ("[2026-03-10 19:30:00] pos: ERROR", "2026-03-10T11:30:00+00:00"),
        ("Mar 10 19:30:00 till01 pos[7]: ERROR", "2026-03-10T11:30:00+00:00"),
        ("Dec 31 23:59:59 till01 pos[7]: ERROR", "2025-12-31T15:59:59+00:00"),
        ('10.0.0.1 - - [10/Mar/2026:19:30:00 +0800] "GET /"', "2026-03-10T11:30:00+00:00"),
        ("2026-03-10T06:00:00-0530 x", "2026-03-10T11:30:00+00:00"),
    ],
)
def test_times_as_programs_write_them(line: str, at: str) -> None:
    assert written_at(line, NOW.timestamp()) == datetime.fromisoformat(at).timestamp()


@pytest.mark.parametrize(
    "line", ["", "  at pos.py line 3", "2026-13-40T25:61:00Z", "Foo 1 00:00:00"]
)
def test_lines_without_a_time(line: str) -> None:
    assert written_at(line, NOW.timestamp()) is None


@given(st.text(max_size=200))
def test_no_line_breaks_the_reading(line: str) -> None:
    found = written_at(line, NOW.timestamp())
    assert found is None or isinstance(found, float)


LOG = """\
2026-03-10 18:59:59 ERROR before the hour
2026-03-10 19:00:00 ERROR the first
2026-03-10 19:10:00 INFO fine
Traceback: ERROR in a line without a time
2026-03-10 19:20:00 ERROR known: printer out of paper
2026-03-10 20:00:00 ERROR after the hour
"""


def test_lines_are_counted_in_their_hour(tmp_path: Path) -> None:
    (tmp_path / "pos.log").write_text(LOG)
    assert _count(tmp_path / "*.log") == {"count": 3, "lines": 4}
    assert _count(tmp_path / "*.log", ignore="printer") == {"count": 2, "lines": 4}
    assert _count(tmp_path / "*.log", pattern="FATAL") == {"count": 0, "lines": 4}


def test_rotated_and_packed_files_belong_to_it(tmp_path: Path) -> None:
    (tmp_path / "pos.log").write_text(LOG)
    with gzip.open(tmp_path / "pos.log.1.gz", "wt") as packed:
        packed.write("2026-03-10 19:01:00 ERROR in the packed one\n")
    assert _count(tmp_path / "pos.log*") == {"count": 4, "lines": 5}
    old = tmp_path / "pos.log.2"
    old.write_text("nothing of today\n")
    os.utime(old, (0, 0))
    assert _count(tmp_path / "pos.log*") == {"count": 4, "lines": 5}


def test_what_cannot_be_counted_says_why(tmp_path: Path) -> None:
    (tmp_path / "timeless.log").write_text("ERROR\nERROR\n")
    (tmp_path / "broken.gz").write_bytes(b"no gzip")
    assert _count(tmp_path / "none*")["problem"] == "there is no such file"
    assert _count(tmp_path / "timeless.log")["problem"].endswith("says when it was written")
    assert "broken.gz" in _count(tmp_path / "broken.gz")["problem"]
    assert "no regular expression" in _count(tmp_path / "timeless.log", pattern="(")["problem"]
    (tmp_path / "pos.log").write_text(LOG)
    both = _count(tmp_path / "*.log")["problem"]
    assert both.endswith("timeless.log: no line says when it was written")


def test_an_empty_log_is_counted_and_has_no_lines(tmp_path: Path) -> None:
    """The gate says what that means: nothing was logged."""
    (tmp_path / "pos.log").touch()
    assert _count(tmp_path / "pos.log") == {"count": 0, "lines": 0}


def test_a_pattern_that_never_ends_is_ended(tmp_path: Path) -> None:
    (tmp_path / "pos.log").write_text(f"2026-03-10 19:10:00 {'a' * 60}!\n")
    found = _count(tmp_path / "pos.log", pattern="(a|aa)+$", seconds=0.3)
    assert found == {"problem": "took longer than 0.3 s"}


def test_programs_are_run_without_a_shell() -> None:
    assert _one(kind="command", argv=["echo", "$HOME; id"]) == {"ok": True, "text": "$HOME; id\n"}
    failed = _one(kind="command", argv=["sh", "-c", "echo no >&2; exit 3"])
    assert failed == {"ok": False, "text": "status 3: no"}
    assert _one(kind="command", argv=["no-such-program"])["problem"] == (
        "no-such-program is not installed"
    )


def test_a_program_that_hangs_is_ended_with_its_children() -> None:
    found = _one(kind="command", argv=["sh", "-c", "sleep 97 & sleep 97"], seconds=0.3)
    assert found == {"problem": "took longer than 0.3 s"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_a_program_runs_as_somebody_else() -> None:
    found = _one(kind="command", argv=["sh", "-c", "id -un; id -Gn; echo $HOME"], user="nobody")
    assert found["text"].split()[0] == "nobody"
    assert "root" not in found["text"]
    assert _one(kind="command", argv=["id"], user="no-such-user") == {
        "problem": "there is no user no-such-user"
    }


def test_every_question_has_its_own_answer() -> None:
    found = answers(
        [
            {"name": "a", "kind": "command", "argv": ["true"]},
            {"name": "b", "kind": "dance"},
            {"name": "c", "kind": "command", "argv": ["false"]},
        ]
    )
    assert [found[name].get("ok") for name in "abc"] == [True, None, False]
    assert found["b"] == {"problem": "unknown question: dance"}
