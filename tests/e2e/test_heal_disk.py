# SPDX-License-Identifier: GPL-3.0-or-later
"""Full disks, used-up inodes and read-only filesystems on real hosts, repaired by the playbook.

A till gets a small disk of its own (a memory disk below its root), which is really filled.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.e2e.heal_plays import Repair
from tests.e2e.heal_scenes import Story, freed, mounted, play
from tests.e2e.restore_host import RestoreHost
from tests.lab.fleet import Lab

pytestmark = [pytest.mark.lab, pytest.mark.slow]

MB = 1 << 20
_DISK = 96  # megabytes: what a host writes to boot, and room to fill

# Everything that may go, eight megabytes each, and what lies beside it and must stay.
_FILL = r"""
import glob, json, os, struct, subprocess, time
MB, YEAR = 1 << 20, 365 * 86400

def put(path, days=400, size=8 * MB):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(b"\1" * size)
    os.utime(path, (time.time() - days * 86400,) * 2)

def room():
    seen = os.statvfs("/")
    return seen.f_bavail * seen.f_frsize, seen.f_blocks * seen.f_frsize

put("/var/cache/apt/archives/pos_1.0_all.deb")
subprocess.run(["journalctl", "--rotate"], check=True)
old = sorted(glob.glob("/var/log/journal/*/system@*.journal"))[0]
with open(old, "r+b") as file:
    while file.seek(16) and file.read(1) != b"\2":  # journald is still closing it
        time.sleep(0.1)
    for place in (184, 192):  # its oldest and newest line are of last year
        file.seek(place)
        file.write(struct.pack("<Q", int((time.time() - YEAR) * 1e6)))
    file.seek(0, 2)
    file.write(b"\0" * 8 * MB)
os.utime(old, (time.time() - YEAR,) * 2)
put("/var/log/pos/pos.log.9.gz")
put("/var/log/pos/pos.log.1", days=20, size=1024)
put("/var/log/auth.log.4.gz", days=170, size=1024)
with open("/var/log/syslog", "ab") as file:
    file.write(b"\1" * 8 * MB)
os.unlink("/var/log/syslog")  # rsyslog writes on
put("/opt/pos/tmp/upload")
os.symlink("/srv/pos/sales", "/opt/pos/tmp/link")
put("/srv/pos/sales", size=room()[0] - 4 * MB)
avail, size = room()
print(json.dumps({"goal": (avail + 37 * MB) / size}))
"""
_STAY = (
    "/var/log/pos/pos.log.1 /var/log/auth.log.4.gz /opt/pos/tmp/link /opt/pos/tmp/open "
    "/srv/pos/sales /tmp/young"
)


def a_full_disk(till: RestoreHost) -> Story:
    till.host.reset(disk_mb=_DISK)
    till.sh(
        "logger here; until grep -q here /var/log/syslog; do sleep 0.1; done; touch /tmp/young;"
        "mkdir -p /opt/pos/tmp;"
        "systemd-run -q --unit holder"
        " sh -c 'exec 3>/opt/pos/tmp/open; echo x >&3; exec sleep infinity';"
        "until test -s /opt/pos/tmp/open; do sleep 0.1; done"
    )
    goal = json.loads(till.sh(f"python3 - <<'END'\n{_FILL}\nEND"))["goal"]
    rule = {"unit": "rsyslog.service", "how": "signal", "signal": "HUP"}
    # A second's worth of days, in a folder that only the till's own software has.
    options = {
        "mountpoint": "/",
        "free_share": goal,
        "temp_days": {"/tmp": 10, "/opt/pos/tmp": 1e-5},
        "reopen": [{**rule, "young": True}],
    }
    before = till.sh(f"cd / && stat -c '%n %i %s' {_STAY}")

    # What was deleted and is written still is for a person, unless the site says otherwise.
    look = {"action": "disk", "variables": {"heal_look": True}}
    looked = yield Repair(**look, options={**options, "reopen": [rule]})
    assert looked.end == "looked", looked.said
    assert "for a person to decide: /var/log/syslog (rsyslog.service, " in looked.reason

    healed = yield Repair(action="disk", options=options)
    assert healed.end == "repaired", healed.said
    # In this order, and each gave back what the filesystem says it gave back.
    given = freed(healed)
    assert list(given) == [
        "package cache",
        "archived journal files",
        "rotated logs",
        "deleted logs that are still open",
        "old temporary files",
    ]
    assert {name: size // (7 * MB) for name, size in given.items()} == dict.fromkeys(given, 1)
    assert till.sh(f"cd / && stat -c '%n %i %s' {_STAY}") == before
    assert "may go: package cache 8.4 MB, " in healed.own["diagnosis"]["reason"]
    till.sh("logger again; until grep -q again /var/log/syslog; do sleep 0.1; done")

    healthy = yield Repair(action="disk", options={**options, "free_share": goal - 0.05})
    assert (healthy.end, healthy.changed) == ("healthy", False), healthy.said

    # Data grows on; what may go is not enough, and the reason names what takes the room.
    till.sh("head -c 100000 /dev/zero > /opt/pos/tmp/last")
    short = yield Repair(action="disk", options={**options, "free_share": 0.9})
    assert short.end == "not_well", short.said
    assert "old temporary files" in short.steps[-1]
    assert "/srv/pos/sales " in short.reason.partition("; largest: ")[2]
    assert till.sh(f"cd / && stat -c '%n %i %s' {_STAY}") == before

    nothing = yield Repair(action="disk", options={**options, "free_share": 0.9})
    assert nothing.end == "escalate", nothing.said
    assert "nothing that may go lies on it" in nothing.reason
    assert "/srv/pos/sales" in nothing.evidence["largest files (bytes)"]


def used_up_inodes(till: RestoreHost) -> Story:
    full = "for i in $(seq 400); do touch $i 2>/dev/null || break; done"
    folders = [{"path": "/srv/small/sessions", "pattern": "[0-9]*", "days": 1e-5}]
    options = {"mountpoint": "/srv/small", "folders": folders}
    with mounted(till, "/srv/small", "size=8m,nr_inodes=300"):
        till.sh(f"mkdir /srv/small/sessions /srv/small/pos; cd /srv/small/sessions; {full}")
        assert till.sh("touch /srv/small/pos/sale 2>&1; true").strip().endswith("left on device")
        healed = yield Repair(action="inodes", options=options)
        assert healed.end == "repaired", healed.said
        assert "in /srv/small/sessions" in healed.own["diagnosis"]["reason"]
        till.sh(f"rm -f /srv/small/sessions/*; cd /srv/small/pos; touch sale; {full}")

        data = yield Repair(action="inodes", options=options)
        assert data.end == "escalate", data.said
        assert "/srv/small/pos; nothing there may be removed" in data.reason
        assert "/srv/small/pos" in data.evidence["folders with the most entries"]
        till.sh("test -e /srv/small/pos/sale")


def a_disk_that_turned_read_only(till: RestoreHost) -> Story:
    line = "scene /srv/data tmpfs size=4m 0 0"
    till.sh(f"echo '{line}' >> /etc/fstab; mkdir -p /srv/data; mount /srv/data")
    till.sh("mount -o remount,ro /srv/data")
    flags = till.sh("grep /srv/data /proc/self/mountinfo")
    told = yield Repair(action="readonly", options={"mountpoint": "/srv/data"})
    assert (told.end, told.changed) == ("escalate", False), told.said
    assert told.reason == (
        "scene (tmpfs) on /srv/data turned read-only; /etc/fstab wants it writable"
    )
    assert {"mount options", "kernel messages", "open for writing"} <= set(told.evidence)
    assert till.sh("grep /srv/data /proc/self/mountinfo") == flags

    till.sh("mount -o remount,rw /srv/data")
    healthy = yield Repair(action="readonly", options={"mountpoint": "/srv/data"})
    assert healthy.end == "healthy", healthy.said
    till.sh("umount /srv/data; sed -i '/srv.data/d' /etc/fstab")


_STORIES = (a_full_disk, used_up_inodes, a_disk_that_turned_read_only)


@pytest.fixture(scope="module")
def outcome(
    lab: Lab, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, BaseException | None]]:
    tills = sorted(lab.hosts, key=lambda host: host.role != "pos")
    if len(tills) < len(_STORIES):
        pytest.skip(f"{len(_STORIES)} lab hosts are needed")
    yield play(lab, tmp_path_factory.mktemp("heal-disk"), dict(zip(tills, _STORIES, strict=False)))
    for host in tills[: len(_STORIES)]:
        host.reset()


@pytest.mark.parametrize("story", [one.__name__ for one in _STORIES])
def test_disks(story: str, outcome: dict[str, BaseException | None]) -> None:
    if outcome[story] is not None:
        raise outcome[story]  # type: ignore[misc]
