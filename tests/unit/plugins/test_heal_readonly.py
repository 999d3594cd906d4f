# SPDX-License-Identifier: GPL-3.0-or-later
"""A read-only filesystem is told and never touched; tables of mounts as the kernel writes them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.heal.action import (
    Diagnosis,
    HealError,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.mount_tables import (
    declared,
    mounts,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.readonly import (
    ACTION,
    disks,
    whole_disk,
    writers,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

MOUNTINFO = """\
22 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw,errors=remount-ro
31 22 8:3 / /var rw,relatime shared:9 master:2 - ext4 /dev/sda3 ro,errors=remount-ro
32 22 8:4 / /opt/a\\040b ro,nodev - ext4 /dev/sda4 rw
"""
FSTAB = """\
# <file system> <mount point> <type> <options>
/dev/sda2 / ext4 errors=remount-ro 0 1
/dev/sda3\t/var\text4\tdefaults 0 2

/dev/sda4 /opt/a\\040b ext4
"""


@pytest.fixture
def host(tmp_path: Path) -> Host:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/mountinfo").write_text(MOUNTINFO)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/fstab").write_text(FSTAB)
    return Host(str(tmp_path), path=str(tmp_path / "no-programs"))


def _state(host: Host, place: str) -> Diagnosis:
    asked: dict[str, Any] = {"mountpoint": place}
    return ACTION.diagnose(ACTION.facts(host, asked), asked)


def test_tables_as_the_kernel_writes_them(host: Host) -> None:
    found = mounts(host)
    assert sorted(found) == ["/", "/opt/a b", "/var"]
    assert (found["/var"]["mount_ro"], found["/var"]["super_ro"]) == (False, True)
    assert (found["/opt/a b"]["mount_ro"], found["/opt/a b"]["super_ro"]) == (True, False)
    assert declared(host)["/var"] == {
        "source": "/dev/sda3", "type": "ext4", "options": ["defaults"]
    }  # fmt: skip
    assert declared(host)["/opt/a b"]["options"] == ["defaults"]


def test_what_turned_read_only_is_told(host: Host) -> None:
    assert _state(host, "/").state == "healthy"
    var = _state(host, "/var")
    assert (var.state, var.plan, var.capture) == ("escalate", {}, ())
    assert "/dev/sda3 (ext4) on /var turned read-only" in var.reason
    assert "itself is not" in _state(host, "/opt/a b").reason
    assert _state(host, "/nowhere").state == "escalate"


def test_evidence_needs_no_program(host: Host) -> None:
    asked = {"mountpoint": "/var"}
    found = {one.name: one.text for one in ACTION.evidence(host, ACTION.facts(host, asked), asked)}
    assert set(found) == {"mount options", "kernel messages", "open for writing"}
    assert "errors=remount-ro" in found["mount options"]
    assert "status 127" in found["kernel messages"]


def test_it_repairs_nothing(host: Host) -> None:
    with pytest.raises(HealError, match="never remounted"):
        ACTION.act(host, _state(host, "/var"), {"mountpoint": "/var"})


def test_who_still_writes_there(tmp_path: Path) -> None:
    with (tmp_path / "sales.log").open("w"), (tmp_path / "sales.log").open():
        mine = [one for one in writers(str(tmp_path)) if one.endswith("sales.log")]
    assert len(mine) == 1
    assert mine[0].startswith(f"{os.getpid()} ")


@pytest.mark.parametrize(
    ("source", "disk"),
    [
        ("/dev/sda3", "/dev/sda"),
        ("/dev/nvme0n1p2", "/dev/nvme0n1"),
        ("/dev/nvme0n1", "/dev/nvme0n1"),
        ("/dev/mmcblk0p1", "/dev/mmcblk0"),
        ("/dev/vdb", "/dev/vdb"),
        ("/dev/mapper/vg0-root", "/dev/mapper/vg0-root"),
    ],
)
def test_the_disk_of_a_partition(source: str, disk: str) -> None:
    assert whole_disk(source) == disk


def test_the_disks_below_a_logical_volume(host: Host, tmp_path: Path) -> None:
    """As /sys has it: dm-0 is made of the partition sda3 and of the whole disk nvme0n1."""
    for name in ("sda/sda3", "nvme0n1", "dm-0/slaves"):
        (tmp_path / "sys/devices" / name).mkdir(parents=True)
    (tmp_path / "sys/devices/sda/sda3/partition").write_text("3\n")
    for folder, name, target in (
        ("class/block", "sda3", "devices/sda/sda3"),
        ("class/block", "nvme0n1", "devices/nvme0n1"),
        ("dev/block", "253:0", "devices/dm-0"),
        ("dev/block", "8:3", "devices/sda/sda3"),
    ):
        (tmp_path / "sys" / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / "sys" / folder / name).symlink_to(tmp_path / "sys" / target)
    for name in ("sda3", "nvme0n1"):
        (tmp_path / "sys/devices/dm-0/slaves" / name).touch()
    assert disks(host, "/dev/mapper/vg0-root", "253:0") == ["/dev/nvme0n1", "/dev/sda"]
    assert disks(host, "/dev/sda3", "8:3") == ["/dev/sda"]
    assert disks(host, "/dev/sdb1", "8:17") == ["/dev/sdb"]
    assert disks(host, "tmpfs", "0:50") == []
