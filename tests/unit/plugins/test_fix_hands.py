# SPDX-License-Identifier: GPL-3.0-or-later
"""The hands of a real host, in a folder of the test: whole files, nothing lost on the way."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.hardening.hands_host import HostHands
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.logged_in import logged_in
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.step import FixFailed

hands = HostHands()


@pytest.fixture(autouse=True)
def narrow_umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


def test_an_old_file_keeps_what_it_had(tmp_path: Path) -> None:
    file = tmp_path / "x.conf"
    file.write_text("old\n")
    file.chmod(0o640)
    os.setxattr(file, "user.till", b"7")
    hands.write(str(file), "new\n", 0o600)
    assert file.read_text() == "new\n"
    assert file.stat().st_mode & 0o7777 == 0o640
    assert os.getxattr(file, "user.till") == b"7"
    assert [one.name for one in tmp_path.iterdir()] == ["x.conf"]


def test_a_new_file_and_its_folders_can_be_read_whatever_the_umask(tmp_path: Path) -> None:
    file = tmp_path / "a" / "b" / "x.conf"
    hands.write(str(file), "new\n")
    assert file.stat().st_mode & 0o7777 == 0o644
    assert {one.stat().st_mode & 0o7777 for one in (tmp_path / "a", tmp_path / "a/b")} == {0o755}
    hands.write(str(tmp_path / "secret"), "s\n", 0o600)
    assert (tmp_path / "secret").stat().st_mode & 0o7777 == 0o600


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old\n")
    (tmp_path / "link").symlink_to("real")
    hands.write(str(tmp_path / "link"), "new\n")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new\n"


def test_what_cannot_be_written_says_where(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FixFailed, match="file/x: "):
        hands.write(str(tmp_path / "file" / "x"), "new\n")
    with pytest.raises(FixFailed, match="larger than"):
        hands.write(str(tmp_path / "large"), "x" * (4 * 1024 * 1024 + 1))
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_removing_what_is_gone_is_nothing(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    hands.remove(str(tmp_path / "x"))
    hands.remove(str(tmp_path / "x"))
    assert list(tmp_path.iterdir()) == []


def test_modes_and_owners(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_text("")
    file.chmod(0o4755)
    own = file.stat()
    hands.modes(str(file), None, None, None)
    assert file.stat().st_mode & 0o7777 == 0o4755
    hands.modes(str(file), 0o600, None, None)
    assert (file.stat().st_mode & 0o7777, file.stat().st_uid) == (0o600, own.st_uid)
    with pytest.raises(FixFailed, match="there is no user nobody-of-that-name"):
        hands.modes(str(file), None, "nobody-of-that-name", None)


def test_commands_run_plain_and_say_why_they_failed() -> None:
    assert hands.run(["cat"], stdin="in") == "in"
    assert "LC_ALL=C\n" in hands.run(["env"])
    with pytest.raises(FixFailed, match=r"sh -c .*: first \| second"):
        hands.run(["sh", "-c", "echo first >&2; echo second >&2; exit 3"])
    with pytest.raises(FixFailed, match="status 3"):
        hands.run(["sh", "-c", "exit 3"])
    with pytest.raises(FixFailed, match="no-such-tool is not installed"):
        hands.run(["no-such-tool"])


@pytest.mark.slow
def test_a_command_that_hangs_is_ended_with_what_it_started(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    with pytest.raises(FixFailed, match=r"did not end within 2 s"):
        hands.run(["sh", "-c", f"sleep 60 & echo $! > {pid}; wait"], seconds=2.0)
    state = Path(f"/proc/{pid.read_text().strip()}/stat")
    assert not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z"


def test_who_is_connected_is_found_above_us(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "ops")
    # a process without parents in sight: only what the controller said is left
    found = logged_in({"user": "wang", "address": "10.1.1.7"}, pid=1)
    assert found == ("ops", "10.1.1.7", True)
    monkeypatch.delenv("SUDO_USER")
    assert logged_in({"user": "root", "address": None}, pid=1) == ("root", None, False)
    assert logged_in({}, pid=1) == (None, None, False)
