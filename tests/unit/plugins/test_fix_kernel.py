# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixes of kernel settings that must not weaken a host, and of mount options."""

from __future__ import annotations

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.hardening.kind_mount import (
    with_options,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.kinds import plan
from tests.unit.plugins.fix_hosts import ImaginedHost, lines, paths, told

SYSCTL = "/etc/sysctl.d/99-zz-storewarden.conf"
OPTIONS = ["nodev", "nosuid", "noexec"]
SYSTEMCTL = {"/usr/bin/systemctl": {"content": "x", "mode": "0755"}}


# -- sysctl ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "value", "after"),
    [
        ("2", {"at_least": 1}, "2"),
        ("1", {"at_least": "1"}, "1"),
        ("0", {"at_least": 1}, "1"),
        ("1", ["2", "1"], "1"),
        ("0", ["2", "1"], "2"),
    ],
)
def test_a_stricter_value_in_force_stays(now: str, value: object, after: str) -> None:
    host = ImaginedHost(files={"/proc/sys/kernel/kptr_restrict": f"{now}\n"})
    fix = {"kind": "sysctl", "settings": {"kernel.kptr_restrict": value}}
    plan(host.look(), fix).act(host)
    assert f"kernel.kptr_restrict = {after}\n" in host.text(SYSCTL)
    assert any("sysctl -q -w" in line for line in host.ran) is (now != after)


def test_redirects_stay_off_when_forwarding_is_switched_off() -> None:
    """The kernel turns conf.all.accept_redirects on by itself then (ip-sysctl.rst)."""
    host = ImaginedHost(files={"/proc/sys/net/ipv4/ip_forward": "1\n"})
    host.answers["sysctl -n"] = "0\n"
    fix = {"kind": "sysctl", "settings": {"net.ipv4.ip_forward": "0"}}
    plan(host.look(), fix).act(host)
    assert host.ran[-2:] == [
        "sysctl -q -w net.ipv4.ip_forward=0",
        "sysctl -q -w net.ipv4.conf.all.accept_redirects=0",
    ]


# -- mount ----------------------------------------------------------------------------------------


def mounts(*entries: str) -> dict[str, str]:
    return {"/proc/self/mountinfo": lines(*entries)}


def mount_fix(*places: str, **more: object) -> dict[str, object]:
    return {"kind": "mount", "paths": list(places), "options": OPTIONS, **more}


def test_a_folder_of_the_root_file_system_is_bound_onto_itself() -> None:
    host = ImaginedHost(
        files={
            **mounts("20 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw"),
            "/etc/fstab": "/dev/sda1 / ext4 defaults 0 1\n",
            "/var/tmp": {"kind": "dir"},
            **SYSTEMCTL,
        }
    )
    step = plan(host.look(), mount_fix("/var/tmp"))
    step.act(host)
    line = "/var/tmp /var/tmp none bind,nodev,nosuid,noexec 0 0"
    assert host.text("/etc/fstab") == lines("/dev/sda1 / ext4 defaults 0 1", line)
    assert told(step) == [
        ("mount /var/tmp", None, "nodev,nosuid,noexec"),
        ("/etc/fstab: /var/tmp", None, line),
    ]
    assert {"kind": "mounts", "paths": ["/var/tmp"]} in step.items
    assert host.ran == [
        "systemctl daemon-reload",
        "mount --bind /var/tmp /var/tmp",
        "mount -o remount,bind,nodev,nosuid,noexec /var/tmp",
    ]
    host.case["files"]["/proc/self/mountinfo"] += (
        "21 20 8:1 /var/tmp /var/tmp rw,nosuid,nodev,noexec,relatime - ext4 /dev/sda1 rw\n"
    )
    assert plan(host.look(), mount_fix("/var/tmp")).changes == ()


def test_a_line_of_fstab_gets_the_options_and_loses_their_opposite() -> None:
    text = lines(
        "# /tmp is small", "tmpfs\t/tmp\ttmpfs\tsize=1g,exec\t0\t0", "/dev/sdb1 /data ext4"
    )
    assert with_options(text, "/tmp", OPTIONS) == lines(
        "# /tmp is small",
        "tmpfs\t/tmp\ttmpfs\tsize=1g,nodev,nosuid,noexec\t0\t0",
        "/dev/sdb1 /data ext4",
    )


def test_the_flags_that_a_mount_has_stay() -> None:
    host = ImaginedHost(
        files={
            **mounts("23 20 0:31 / /dev/shm ro,nosuid,noatime - tmpfs tmpfs ro,size=64k,mode=1770"),
            "/dev/shm": {"kind": "dir"},
        }
    )
    plan(host.look(), mount_fix("/dev/shm")).act(host)
    assert host.ran == ["mount -o remount,bind,ro,nosuid,noatime,nodev,noexec /dev/shm"]
    assert host.text("/etc/fstab") == lines(
        "tmpfs /dev/shm tmpfs nodev,nosuid,noexec,mode=1770 0 0"
    )


def test_a_units_own_options_are_repeated_in_front_of_ours() -> None:
    unit = "[Mount]\nWhat=tmpfs\nWhere=/tmp\nOptions=mode=1777,strictatime,exec,nosuid,size=50%%\n"
    host = ImaginedHost(
        files={
            **mounts("21 20 0:30 / /tmp rw,nosuid - tmpfs tmpfs rw,size=1024k"),
            "/tmp": {"kind": "dir"},
            "/usr/lib/systemd/system/tmp.mount": unit,
            "/etc/systemd/system/other.service": "",
        }
    )
    step = plan(host.look(), mount_fix("/tmp"))
    step.act(host)
    ours = "/etc/systemd/system/tmp.mount.d/50-storewarden.conf"
    assert "Options=mode=1777,strictatime,nosuid,size=50%%,nodev,noexec\n" in host.text(ours)
    assert paths(step.items)[-1] == ours.rsplit("/", 1)[0]  # the folder goes with an undo
    host.case["files"]["/proc/self/mountinfo"] = lines(
        "21 20 0:30 / /tmp rw,nosuid,nodev,noexec - tmpfs tmpfs rw,size=1024k"
    )
    assert plan(host.look(), mount_fix("/tmp")).changes == ()


def test_a_mount_of_unknown_origin_is_changed_now_and_named() -> None:
    host = ImaginedHost(
        files={
            **mounts("22 20 8:2 / /var/tmp rw - ext4 /dev/sda2 rw"),
            "/var/tmp": {"kind": "dir"},
        }
    )
    step = plan(host.look(), mount_fix("/var/tmp"))
    assert [one.what for one in step.changes] == ["mount /var/tmp"]
    assert "see to its options at boot" in step.remains[0]["en"]


def test_a_waived_folder_is_left_alone() -> None:
    host = ImaginedHost(files={**mounts(), "/tmp": {"kind": "dir"}})
    assert plan(host.look(), mount_fix("/tmp", waived=["/tmp"])).changes == ()
