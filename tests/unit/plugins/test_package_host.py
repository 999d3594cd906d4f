# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks, processes and reboots of a host: a folder with a /proc of the test's own stands for it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.packages import (
    locks,
    reboots,
    restarts,
    stale,
    units,
)
from ansible_collections.storewarden.ops.plugins.module_utils.packages.failures import PackageError
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

_LOCK = "/var/lib/dpkg/lock-frontend"
_HOLDER = """
import fcntl, sys, time
file = open(sys.argv[1], "w")
fcntl.lockf(file, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(60)
"""


class Folder:
    """A folder that stands for a host."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.host = Host(str(root))

    def write(self, path: str, text: str) -> Path:
        place = self.root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        return place

    def process(
        self, pid: int, unit: str, maps: str = "", cmdline: str = "", age: float = 60
    ) -> None:
        ticks = int((time.clock_gettime(time.CLOCK_BOOTTIME) - age) * os.sysconf("SC_CLK_TCK"))
        self.write(f"/proc/{pid}/maps", maps)
        self.write(f"/proc/{pid}/cmdline", cmdline.replace(" ", "\0"))
        self.write(f"/proc/{pid}/comm", f"p{pid}\n")
        self.write(f"/proc/{pid}/cgroup", f"0::{unit}\n")
        self.write(f"/proc/{pid}/stat", f"{pid} (a b) S 1" + " 0" * 17 + f" {ticks} 0\n")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.fixture
def holder(folder: Folder) -> Iterator[int]:
    """A process that holds dpkg's lock."""
    place = folder.write(_LOCK, "")
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(place)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process.pid
        process.kill()


@pytest.mark.slow
def test_who_holds_a_lock_is_named(folder: Folder, holder: int) -> None:
    folder.write(f"/proc/{holder}/comm", "unattended-upgr\n")
    with pytest.raises(PackageError) as told:
        locks.wait(folder.host, [_LOCK, "/nowhere"], 0.0)
    assert f"unattended-upgr (process {holder})" in told.value.en
    assert str(holder) in told.value.zh


def test_a_lock_that_nobody_holds_bars_nobody(folder: Folder) -> None:
    folder.write(_LOCK, "")
    folder.write("/var/cache/dnf/metadata_lock.pid", "4242")
    noted = ["/var/cache/dnf/metadata_lock.pid"]
    assert locks.holders(folder.host, [_LOCK, *noted]) == []
    folder.write("/proc/4242/comm", "dnf\n")
    assert locks.holders(folder.host, noted) == ["dnf (process 4242)"]


_GONE = "7f00-7f01 r-xp 00000000 00:2b 1234                       {} (deleted)\n"


def test_who_runs_on_replaced_files_is_found_with_its_unit(folder: Folder) -> None:
    lib = _GONE.format("/usr/lib/x86_64-linux-gnu/libssl.so.3")
    folder.process(11, "/system.slice/nginx.service", lib)
    folder.process(12, "/system.slice/system-getty.slice/getty@tty1.service", lib)
    folder.process(13, "/user.slice/user-0.slice/session-3.scope", lib)
    folder.process(14, "/system.slice/clean.service", lib.replace(" (deleted)", ""))
    for pid, path in ((15, "/memfd:x"), (16, "/tmp/x"), (17, "/dev/shm/x"), (18, "/SYSV00")):
        folder.process(pid, "/system.slice/other.service", _GONE.format(path))
    data = lib.replace("r-xp", "r--p")
    folder.process(19, "/system.slice/data.service", data)
    found = {one.pid: (one.unit, one.file) for one in stale.processes(folder.host)}
    path = "/usr/lib/x86_64-linux-gnu/libssl.so.3"
    assert found == {
        11: ("nginx.service", path),
        12: ("getty@tty1.service", path),
        13: ("session", path),
    }


def test_a_script_that_is_younger_than_its_process_is_found(folder: Folder) -> None:
    folder.write("/usr/lib/till/run.py", "new")
    words = "/usr/bin/python3 -u /usr/lib/till/run.py --open"
    folder.process(21, "/system.slice/till.service", cmdline=words, age=60)
    folder.process(22, "/system.slice/fresh.service", cmdline=words, age=-1)
    folder.process(23, "/system.slice/other.service", cmdline="/usr/sbin/till /usr/lib/till/run.py")
    assert [one.unit for one in stale.processes(folder.host)] == ["till.service"]


@pytest.mark.parametrize(
    ("unit", "after"),
    [
        ("nginx.service", "restart"),
        ("ssh.service", "reload"),
        ("dbus.service", "leave"),
        ("systemd-logind.service", "leave"),
        ("lightdm.service", "leave"),
        ("cleanup.timer", "leave"),
    ],
)
def test_an_undo_does_not_end_logins_or_desktops(unit: str, after: str) -> None:
    assert units.item(unit) == {"kind": "unit", "name": unit, "after_restore": after}


def test_a_reboot_is_needed_when_the_host_says_so_or_has_a_newer_kernel(folder: Folder) -> None:
    folder.write("/proc/sys/kernel/osrelease", "6.1.0-9-amd64\n")
    folder.write("/boot/vmlinuz-6.1.0-9-amd64", "")
    folder.write("/lib/modules/6.1.0-9-amd64/x", "")
    assert reboots.reasons(folder.host) == []
    folder.write("/boot/vmlinuz-6.1.0-10-amd64", "")
    folder.write("/boot/vmlinuz-0-rescue-abc", "")
    assert reboots.reasons(folder.host) == [
        "kernel 6.1.0-9-amd64 runs, 6.1.0-10-amd64 is installed"
    ]
    folder.write("/run/reboot-required", "")
    folder.write("/run/reboot-required.pkgs", "linux-base\ndbus\n")
    assert reboots.reasons(folder.host)[0] == "/run/reboot-required: dbus, linux-base"


def test_a_container_boots_into_no_kernel_of_its_own(folder: Folder) -> None:
    folder.write("/proc/sys/kernel/osrelease", "6.8.0-host\n")
    folder.write("/boot/vmlinuz-6.1.0-10-amd64", "")
    assert reboots.reasons(folder.host) == []


@pytest.mark.parametrize(
    ("policy", "names", "expected"),
    [
        ("never", ["linux-image-6.1.0-10-amd64"], False),
        ("if-needed", ["linux-image-6.1.0-10-amd64"], True),
        ("if-needed", ["nginx"], False),
        ("always", ["nginx"], True),
    ],
)
def test_what_will_reboot_is_told_before(policy: str, names: list[str], expected: bool) -> None:
    assert reboots.expected(policy, names) is expected


def test_a_host_is_booted_once_for_a_change(folder: Folder) -> None:
    folder.write("/proc/sys/kernel/random/boot_id", "one\n")
    place = "/var/cache/storewarden/point"
    assert not restarts.booted_since(folder.host, place)
    assert not restarts.booted_since(folder.host, place)
    folder.write("/proc/sys/kernel/random/boot_id", "two\n")
    assert restarts.booted_since(folder.host, place)
