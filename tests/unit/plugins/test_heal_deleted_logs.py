# SPDX-License-Identifier: GPL-3.0-or-later
"""Deleted logs that are still open, and whether a host is seen sending its logs elsewhere."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.heal import deleted_logs
from ansible_collections.storewarden.ops.plugins.module_utils.heal.disk import OPTIONS
from ansible_collections.storewarden.ops.plugins.module_utils.heal.disk_plan import steps
from ansible_collections.storewarden.ops.plugins.module_utils.heal.log_forwarding import (
    _SENDS,
    sent,
    uploaded,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

DAY = 86400.0
NOW = time.time()
DEFAULTS = {name: spec.get("default") for name, spec in OPTIONS.items()}


def options(**given: Any) -> dict[str, Any]:
    return {**DEFAULTS, "mountpoint": "/", **given}


def put(root: Path, path: str, text: str = "") -> Path:
    file = root / path.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder that stands for a host's files."""
    return tmp_path


def test_a_deleted_log_is_emptied_where_the_site_says_so(tmp_path: Path) -> None:
    """The process that holds it open is this one."""
    log = tmp_path / "pos.log"
    with log.open("wb") as file:
        file.write(b"x" * 65536)
        file.flush()
        log.unlink()
        place = deleted_logs.place_of("", str(tmp_path))
        mine = [
            one
            for one in deleted_logs.deleted([str(tmp_path)], place)
            if one["path"] == str(log) and one["pid"] == os.getpid()
        ]
        assert [one["size"] for one in mine] == [65536]
        assert list(deleted_logs.deleted([str(tmp_path / "other")], place)) == []
        changed = {**mine[0], "inode": mine[0]["inode"] + 1}
        rule = {"unit": mine[0]["unit"], "how": "truncate", "signal": ""}
        assert deleted_logs.let_go(Host(), changed, rule, place) == ""
        assert deleted_logs.let_go(Host(), mine[0], rule, place) == "emptied"
        assert os.fstat(file.fileno()).st_size == 0


def test_nobody_empties_another_file_than_the_deleted_one(tmp_path: Path) -> None:
    """A process may put any file behind the number that it had."""
    sales = tmp_path / "sales"
    sales.write_text("1000")
    with sales.open("r+b") as file:
        seen = os.fstat(file.fileno())
        one = {"pid": os.getpid(), "fd": file.fileno(), "inode": seen.st_ino, "device": seen.st_dev}
        assert not deleted_logs.emptied(one)  # it has a name
        (tmp_path / "other").write_text("x")
        assert not deleted_logs.emptied({**one, "inode": (tmp_path / "other").stat().st_ino})
        sales.unlink()
        assert not deleted_logs.emptied({**one, "device": seen.st_dev + 1})
        assert os.fstat(file.fileno()).st_size == 4
        assert deleted_logs.emptied(one)
        assert os.fstat(file.fileno()).st_size == 0


def test_what_was_deleted_below_data_is_not_even_listed(tmp_path: Path) -> None:
    log = tmp_path / "remote" / "till01.log"
    log.parent.mkdir()
    with log.open("w") as file:
        file.write("x")
        log.unlink()
        place = deleted_logs.place_of("", str(tmp_path))
        folders = [str(tmp_path)]
        mine = [one["path"] for one in deleted_logs.deleted(folders, place)]
        assert str(log) in mine
        mine = [one["path"] for one in deleted_logs.deleted(folders, place, [str(log.parent)])]
        assert str(log) not in mine


def _held(unit: str, path: str, **more: Any) -> dict[str, Any]:
    held = {"pid": 7, "fd": 3, "started": "1", "size": 10, "device": 1, "inode": 1}
    return {**held, "unit": unit, "path": path, "written": NOW, **more}


@pytest.mark.parametrize(
    ("held", "sent", "young", "goes"),
    [
        (_held("rsyslog.service", "/var/log/syslog"), True, False, True),
        (_held("rsyslog.service", "/var/log/syslog"), False, False, False),
        (_held("rsyslog.service", "/var/log/syslog"), False, True, True),
        (_held("rsyslog.service", "/var/log/syslog", written=NOW - 200 * DAY), False, False, True),
        (_held("rsyslog.service", "/var/log/auth.log"), True, True, False),
        (_held("rsyslog.service", "/var/log/log-access.log"), True, True, False),
        (_held("rsyslog.service", "/var/log/pos/pos.log"), True, False, False),
        (_held("postgresql@15-main.service", "/var/log/pg.log"), True, True, False),
    ],
)
def test_which_deleted_logs_are_let_go(
    held: dict[str, Any], sent: bool, young: bool, goes: bool
) -> None:
    facts: dict[str, Any] = {
        "now": NOW, "sent": sent, "uploaded": False, "only_in_journal": False, "cache": {},
        "journal": [], "logs": [], "temp": [], "deleted": [held],
    }  # fmt: skip
    rule = {"unit": "rsyslog.service", "how": "signal", "young": young}
    found = steps(facts, options(central_logs=True, reopen=[rule]))
    assert [one["path"] for step in found for one in step["open"]] == [held["path"]] * goes


@pytest.mark.parametrize(
    ("line", "sends"),
    [
        ("*.* @@10.0.0.1:6514", True),
        ("*.* @logs.example", True),
        ('action(type="omfwd" target="10.0.0.1" protocol="tcp")', True),
        ("*.* :omrelp:10.0.0.1:2514", True),
        ("# *.* @@10.0.0.1:6514", False),
        ("*.* /var/log/syslog", False),
        ('module(load="imuxsock")', False),
        ('*.* action(type="omrelp" target="logs.example" port="2514")', True),
        ("local7.* @@10.0.0.1:6514", False),
        ("*.* @127.0.0.1:1514", False),
        ('action(type="omfwd" target="127.0.0.1" protocol="tcp")', False),
        ('  action(type="omfwd" target="10.0.0.1" protocol="tcp")', False),
        ('template(name="t" type="string" string="a @b")', False),
    ],
)
def test_what_sends_logs_away(line: str, sends: bool) -> None:
    assert bool(_SENDS.search(f"$WorkDirectory /var/spool\n{line}\n")) is sends


def _sender(root: Path) -> Host:
    """A host whose rsyslog, process 77, has one connection to another machine."""
    for name, text in (
        ("systemctl", "case $1 in is-active) [ $3 = rsyslog.service ];; *) echo 77;; esac"),
    ):
        program = put(root, f"/bin/{name}")
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)
    put(root, "/etc/rsyslog.conf").write_text("*.* @@10.0.0.1:6514\n")
    put(root, "/var/lib/rsyslog/imjournal.state")
    (root / "proc/77/fd").mkdir(parents=True)
    (root / "proc/77/fd/9").symlink_to("socket:[4242]")
    _connection(root, "0100000A:1970")
    return Host(str(root), path=str(root / "bin"))


def _connection(root: Path, address: str, state: str = "01") -> None:
    head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid"
    line = f"0: 0500000A:9000 {address} {state} 00000000:00000000 00:00000000 00000000 0 0 4242 1"
    put(root, "/proc/net/tcp").write_text(f"{head}\n{line}\n")


@pytest.mark.slow
def test_a_host_is_seen_sending(root: Path) -> None:
    host = _sender(root)
    assert sent(host)
    _connection(root, "0100007F:1970")  # to itself
    assert not sent(host)
    _connection(root, "0100000A:1970", state="02")  # it tries to reach it
    assert not sent(host)
    _connection(root, "0100000A:1970")
    waiting = put(root, "/var/lib/rsyslog/central.00000001")
    assert not sent(host)
    waiting.unlink()
    (root / "proc/77/fd/9").unlink()  # the connection is another program's
    assert not sent(host)


@pytest.mark.slow
def test_a_journal_is_uploaded_only_while_it_comes_further(root: Path) -> None:
    program = put(root, "/bin/systemctl")
    program.write_text("#!/bin/sh\nexit 0\n")
    program.chmod(0o755)
    host = Host(str(root), path=str(root / "bin"))
    assert not uploaded(host, NOW)
    state = put(root, "/var/lib/systemd/journal-upload/state")
    os.utime(state, (NOW, NOW))
    assert uploaded(host, NOW + 60)
    assert not uploaded(host, NOW + 7200)


@pytest.mark.parametrize(
    ("cgroup", "service"),
    [
        ("0::/system.slice/rsyslog.service\n", "rsyslog.service"),
        # Whoever has an account may call a service of theirs as they like.
        ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/rsyslog.service\n", ""),
        ("0::/user.slice/user-1000.slice/session-4.scope\n", ""),
        ("0::/machine.slice/libpod-1.scope/system.slice/rsyslog.service\n", ""),
        ("0::/\n", ""),
    ],
)
def test_whose_process_it_is(cgroup: str, service: str) -> None:
    assert deleted_logs.service_of(cgroup) == service
