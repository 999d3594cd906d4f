# SPDX-License-Identifier: GPL-3.0-or-later
"""What may go from a full filesystem, and what never does: names, ages, links, open files."""

from __future__ import annotations

import os
import struct
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.heal import room
from ansible_collections.storewarden.ops.plugins.module_utils.heal.disk import ACTION, OPTIONS
from ansible_collections.storewarden.ops.plugins.module_utils.heal.disk_plan import (
    kept_days,
    rotated,
    steps,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.journal_files import (
    archived,
    newest_line,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.open_files import (
    open_now,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.safe_files import (
    files,
    forbidden,
    remove,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.tree_walk import mount_at
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

DAY = 86400.0
NOW = time.time()
DEFAULTS = {name: spec.get("default") for name, spec in OPTIONS.items()}


def options(**given: Any) -> dict[str, Any]:
    return {**DEFAULTS, "mountpoint": "/", **given}


def put(root: Path, path: str, *, days: float = 400, size: int = 8192) -> Path:
    """A file of the host that was last written so many days ago."""
    file = root / path.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"x" * size)
    os.utime(file, (NOW - days * DAY, NOW - days * DAY))
    return file


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder that stands for a host's files, all on one filesystem."""
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/mounts").write_text("disk / ext4 rw 0 0\n")
    return tmp_path


def host_at(root: Path) -> Host:
    return Host(str(root), path=str(root / "no-programs"))


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("syslog.1", True),
        ("syslog.2.gz", True),
        ("messages-20260131", True),
        ("messages-20260131.xz", True),
        ("pos.log.zst", True),
        ("syslog", False),
        ("pos.log", False),
        ("sales.sql.gz", False),
        ("etc.tar.gz", False),
        ("pos.db.1", False),
        ("backup-20260131", False),
        ("1", False),
        ("mysql-bin.000123", False),
        ("mysql-relay-bin.000004", False),
        ("mysql-bin.log.1", False),
        ("ej-20250101", False),
        ("ej.log.1", False),
        ("receipts.20250101", False),
        ("sales-20250101.gz", False),
        ("sales.log.2.gz", False),
        ("journal.csv.gz", False),
        ("dump-20250101.gz", False),
        ("redis.12345", False),
    ],
)
def test_rotated_logs_by_their_names(name: str, is_one: bool) -> None:
    assert rotated(f"/var/log/{name}") is is_one


@pytest.mark.parametrize(
    ("path", "central", "sent", "days"),
    [
        ("/var/log/syslog.1", False, False, 180),
        ("/var/log/syslog.1", True, True, 7),
        ("/var/log/syslog.1", True, False, 180),
        ("/var/log/syslog.1", False, True, 180),
        ("/var/log/auth.log.2.gz", True, True, 180),
        ("/var/log/audit/audit.log.3", True, True, 180),
        ("/var/log/log-access.log.1", True, True, 365),
        ("journal", True, True, 7),
        ("/var/log/nginx/access.log.1", True, True, 180),
        ("/var/log/pos/pos.log.3.gz", True, True, 180),
        ("/var/log/apt/history.log.1.gz", True, True, 180),
        ("/var/log/messages-20260131", True, True, 180),
        ("/var/log/kern.log.1", True, True, 7),
    ],
)
def test_how_long_logs_stay(path: str, central: bool, sent: bool, days: int) -> None:
    facts = {"sent": sent, "uploaded": False, "only_in_journal": False}
    assert kept_days(path, facts, options(central_logs=central)) == days


def test_a_journal_that_is_the_only_security_log_stays() -> None:
    facts = {"sent": True, "uploaded": True, "only_in_journal": True}
    for path in ("journal", "/var/log/syslog.1"):
        assert kept_days(path, facts, options(central_logs=True)) == 180


def test_uploading_the_journal_sends_no_file() -> None:
    facts = {"sent": False, "uploaded": True, "only_in_journal": False}
    asked = options(central_logs=True)
    assert kept_days("journal", facts, asked) == 7
    assert kept_days("/var/log/syslog.1", facts, asked) == 180


@pytest.mark.parametrize(
    "folder",
    [
        *("/", "/var", "/var/lib", "/var/lib/mysql", "/home/pos", "/etc", "/srv", "/var/spool"),
        *("/var/log/../lib", "var/log", "/var/lib/storewarden/restore", "/var/log/remote/pos"),
        "/srv/backups/db",
    ],
)
def test_folders_that_no_option_opens(folder: str) -> None:
    assert forbidden(folder, ["/var/log/remote"])


@pytest.mark.parametrize("folder", ["/var/log", "/var/log/", "/tmp", "/var/tmp", "/opt/pos/log"])
def test_folders_that_may_be_cleaned(folder: str) -> None:
    assert not forbidden(folder, ["/var/log/remote"])


def _found(root: Path, folder: str, *data: str) -> set[str]:
    mount = mount_at(str(root), "/")
    return {one.path for one in files(str(root), folder, mount, data)}


def test_links_and_files_with_two_names_and_databases_are_not_seen(root: Path) -> None:
    put(root, "/var/log/pos/a.1")
    outside = put(root, "/srv/sales")
    (root / "var/log/link.1").symlink_to(outside)
    (root / "var/log/folder").symlink_to(root / "srv")
    os.link(outside, root / "var/log/hard.1")
    put(root, "/var/log/pg/PG_VERSION")
    put(root, "/var/log/pg/base/16.1")
    put(root, "/var/log/remote/till01/syslog.1")
    os.mkfifo(root / "var/log/pipe.1")
    assert _found(root, "/var/log", "/var/log/remote") == {"/var/log/pos/a.1"}
    # A folder that is reached through a link is not looked at.
    (root / "var/logs").symlink_to(root / "var/log")
    assert _found(root, "/var/logs") == set()


def _wanted(file: Path, path: str) -> dict[str, Any]:
    info = file.stat()
    touched = max(info.st_mtime, info.st_atime, info.st_ctime)
    return {
        "path": path, "inode": info.st_ino, "written": info.st_mtime, "touched": touched
    }  # fmt: skip


def test_a_file_goes_only_while_it_is_the_one_that_was_looked_at(root: Path) -> None:
    mount = mount_at(str(root), "/")
    old = put(root, "/var/log/a.1")
    wanted = _wanted(old, "/var/log/a.1")
    with old.open():
        assert not remove(str(root), wanted, mount, open_now())
    os.utime(old, (NOW + 5, old.stat().st_mtime))  # somebody has read it
    assert not remove(str(root), wanted, mount, frozenset())
    old.write_text("written since")
    assert not remove(str(root), wanted, mount, frozenset())
    assert old.exists()
    assert remove(str(root), _wanted(old, "/var/log/a.1"), mount, frozenset())
    assert not old.exists()
    assert not remove(str(root), wanted, mount, frozenset())


def test_a_folder_that_became_a_link_leads_nowhere(root: Path) -> None:
    mount = mount_at(str(root), "/")
    old = put(root, "/tmp/work/a")
    wanted = _wanted(old, "/tmp/work/a")
    (root / "tmp/work").rename(root / "elsewhere")
    (root / "tmp/work").symlink_to(root / "elsewhere")
    assert not remove(str(root), wanted, mount, frozenset())
    assert (root / "elsewhere/a").exists()


def _header(newest: float, state: int = 2) -> bytes:
    head = bytearray(256)
    head[:8] = b"LPKSHHRH"
    head[16] = state
    struct.pack_into("<QQ", head, 184, 1, int(newest * 1e6))
    return bytes(head)


def test_the_newest_line_of_a_journal_file() -> None:
    assert newest_line(_header(NOW)) == pytest.approx(NOW, abs=1)
    assert newest_line(_header(NOW, state=1)) is None  # journald writes it
    assert newest_line(_header(0)) is None
    assert newest_line(b"no journal" * 40) is None
    assert newest_line(b"") is None


def test_only_archived_files_of_the_journal_count(root: Path) -> None:
    folder = "/var/log/journal/0123"
    for name in ("system.journal", "system@00ab-01-02.journal", "notes.txt"):
        put(root, f"{folder}/{name}").write_bytes(_header(NOW - 300 * DAY))
    found = list(archived(str(root), mount_at(str(root), "/")))
    assert [one.path for one, _newest in found] == [f"{folder}/system@00ab-01-02.journal"]


def test_a_full_disk_is_cleaned_in_order_and_nothing_else_goes(root: Path) -> None:
    gone = [
        put(root, "/var/log/journal/0123/system@00ab-01-02.journal"),
        put(root, "/var/log/syslog.7.gz"),
        put(root, "/opt/pos/tmp/old"),
    ]
    gone[0].write_bytes(_header(NOW - 300 * DAY) + b"x" * 8192)
    os.utime(gone[0], (NOW - 300 * DAY, NOW - 300 * DAY))
    stay = [
        put(root, "/var/log/syslog.1", days=20),
        put(root, "/var/log/syslog"),
        put(root, "/srv/pos/sales.1"),
        put(root, "/home/pos/notes.1"),
        put(root, "/opt/pos/tmp/systemd-private-1/tmp/a"),
        put(root, "/opt/pos/tmp/.X0-lock"),
        put(root, "/opt/pos/tmp/kept/a"),
        put(root, "/var/log/journal/remote/till@00ab-01-02.journal"),
        put(root, "/var/lib/pos/base.1"),
    ]
    put(root, "/etc/tmpfiles.d/kept.conf").write_text("d /opt/x\nX /opt/pos/tmp/kept\n")
    stay[-1].write_bytes(_header(NOW - 300 * DAY) + b"x" * 8192)
    host = host_at(root)
    # A goal that no disk meets: everything that may go goes.
    asked = options(free_share=1.0, temp_days={"/opt/pos/tmp": 1})
    facts = ACTION.facts(host, asked)
    facts["now"] += 2 * DAY  # all of them were made just now
    found = ACTION.diagnose(facts, asked)
    assert found.state == "needed", found.reason
    assert [one["kind"] for one in found.plan["steps"]] == ["journal", "logs", "temp"]
    done = ACTION.act(host, found, asked)
    assert [one.en.partition(":")[0] for one in done] == [
        "archived journal files",
        "rotated logs",
        "old temporary files",
    ]
    assert [one.exists() for one in gone] == [False] * 3
    assert [one.exists() for one in stay] == [True] * 9
    seen = ACTION.verify(host, found, asked)
    assert not seen.well
    assert "; largest: /" in seen.reason


def test_a_plan_is_left_alone_once_there_is_room(root: Path) -> None:
    old = put(root, "/var/log/syslog.7.gz")
    host = host_at(root)
    asked = options(free_share=1.0)
    found = ACTION.diagnose(ACTION.facts(host, asked), asked)
    found.plan["free_share"] = 0.0
    assert ACTION.act(host, found, asked) == []
    assert old.exists()


def test_temporary_folders_have_ages_of_their_own() -> None:
    def one(path: str, days: float) -> dict[str, Any]:
        at = NOW - days * DAY
        return {"path": path, "bytes": 1, "inode": 1, "written": at, "touched": at}

    facts: dict[str, Any] = {
        "now": NOW, "sent": False, "only_in_journal": True, "cache": {}, "journal": [],
        "logs": [], "deleted": [],
        "temp": [one("/tmp/a", 11), one("/tmp/keep/b", 11), one("/tmp/c", 9), one("/tmpx/d", 99)],
    }  # fmt: skip
    found = steps(facts, options(temp_days={"/tmp": 10, "/tmp/keep": 90}))
    assert [file["path"] for one in found for file in one["files"]] == ["/tmp/a"]


def test_the_share_that_is_free_is_the_alerts_own(root: Path) -> None:
    seen, ours = os.statvfs(root), room.room(Host(str(root)), "/")
    assert ours.size == seen.f_blocks * seen.f_frsize
    assert ours.free_share == pytest.approx(seen.f_bavail / seen.f_blocks, abs=0.01)


def test_the_largest_are_named(root: Path) -> None:
    put(root, "/srv/pos/sales", size=900_000)
    for number in range(20):
        put(root, f"/srv/many/{number}", size=20_000)
    found = room.biggest(room.largest(Host(str(root)), "/"))
    assert [path for _size, path in found][:2] == ["/srv/pos/sales", "/srv/many/"]
    assert len(found) <= 10


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (999, "999 B"), (1536000, "1.5 MB"), (7e15, "7000.0 TB")]
)
def test_sizes_as_people_read_them(size: float, text: str) -> None:
    assert room.human(size) == text
