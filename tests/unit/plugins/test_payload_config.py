# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of a configuration: compared, checked, put in place all or none."""

from __future__ import annotations

import grp
import os
import pwd
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.payload.config_files import (
    BadFiles,
    Files,
    wanted,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

ME = {"owner": pwd.getpwuid(os.getuid()).pw_name, "group": grp.getgrgid(os.getgid()).gr_name}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "etc").mkdir()
    return tmp_path


def files(root: Path, *given: dict[str, Any]) -> Files:
    return Files(Host(str(root)), wanted([{**ME, **one} for one in given]))


def test_differences_are_told_without_contents(root: Path) -> None:
    (root / "etc/a").write_text("same")
    (root / "etc/a").chmod(0o644)
    (root / "etc/b").write_text("old secret")
    found = files(
        root,
        {"dest": "/etc/a", "content": "same"},
        {"dest": "/etc/b", "content": "new secret", "mode": "0600"},
        {"dest": "/etc/c", "content": "c"},
        {"dest": "/etc/d", "state": "absent"},
    ).changes()
    assert [one["what"] for one in found] == ["/etc/b", "/etc/c"]
    assert (found[1]["before"], found[0]["after"].split()[2]) == ("absent", "0600")
    assert "secret" not in str(found)


def test_all_are_put_in_place(root: Path) -> None:
    (root / "etc/old").write_text("x")
    whole = (
        {"dest": "/etc/a", "content": "ä\n", "mode": "0640", "validate": ["grep", "ä", "%s"]},
        {"dest": "/etc/old", "state": "absent"},
    )
    assert files(root, *whole).placed() == ["/etc/a", "/etc/old"]
    assert (root / "etc/a").read_text() == "ä\n"
    assert oct((root / "etc/a").stat().st_mode & 0o777) == "0o640"
    assert sorted(one.name for one in (root / "etc").iterdir()) == ["a"]
    assert files(root, *whole).changes() == []
    assert files(root, *whole).placed() == []


def test_one_that_is_not_taken_leaves_all_as_they_were(root: Path) -> None:
    (root / "etc/a").write_text("old")
    some = files(
        root,
        {"dest": "/etc/a", "content": "new"},
        {
            "dest": "/etc/b",
            "content": "bad",
            "validate": ["sh", "-c", "echo line 1: $0 >&2; exit 1", "%s"],
        },
    )
    with pytest.raises(BadFiles) as problem:
        some.placed()
    assert str(problem.value) == "/etc/b is not valid: line 1: /etc/b"
    assert "未通过校验" in problem.value.zh
    assert (root / "etc/a").read_text() == "old"
    assert [one.name for one in (root / "etc").iterdir()] == ["a"]


@pytest.mark.parametrize(
    ("one", "said"),
    [
        ({"dest": "etc/a"}, "an absolute path is meant"),
        ({"dest": "/etc/../etc/a"}, "an absolute path is meant"),
        ({"dest": "/etc/a", "mode": "rw"}, "four octal digits in quotes are meant"),
        # YAML's 0640 without quotes, which as octal digits would let others write.
        ({"dest": "/etc/a", "mode": 416}, "four octal digits in quotes are meant"),
        ({"dest": "/etc/a", "mode": "416"}, "four octal digits in quotes are meant"),
        ({"dest": "/nothere/a"}, "there is no folder /nothere"),
        ({"dest": "/etc/link"}, "is a link"),
        ({"dest": "/etc"}, "is there and is no file"),
        ({"dest": "/etc/a", "owner": "nobody-of-that-name"}, "there is no user"),
    ],
)
def test_what_can_never_be_put_in_place(root: Path, one: dict[str, Any], said: str) -> None:
    (root / "etc/link").symlink_to("a")
    with pytest.raises(BadFiles, match=said):
        files(root, {"content": "x", **one}).changes()


def test_a_file_is_declared_once(root: Path) -> None:
    twice = [{"dest": "/etc/a", "content": "1"}, {"dest": "/etc/a", "content": "2"}]
    with pytest.raises(BadFiles, match="declared twice"):
        files(root, *twice)
