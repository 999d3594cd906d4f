# SPDX-License-Identifier: GPL-3.0-or-later
"""Print queues of a real CUPS, clocks of a real chronyd, and a mount that really hangs.

The printer is a small TCP listener on the host, and what sends to it a script: Debian has CUPS' own
in a package with all of Ghostscript. chronyd runs with -x: the clock, which hosts of the lab share
with this machine, is not moved, and an order to step it is refused. Its error comes from a time
server whose answers chronyd is told to be wrong by 42 seconds. NFS is not in the lab's kernel: what
hangs is a FUSE filesystem that nobody serves, mounted again as a memory disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.heal_plays import Repair
from tests.e2e.heal_scenes import Story, play
from tests.e2e.restore_host import RestoreHost
from tests.lab.fixtures import built
from tests.lab.fleet import Lab
from tests.lab.software_layer import TILL

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.full]

# Takes what comes and says nothing. What begins with JAM is never finished, as with paper jammed.
_PRINTER = """
import socket, sys, threading, time

def take(line):
    first = line.recv(65536)
    if first.startswith(b"JAM"):
        time.sleep(100000)
    with open("/run/printed", "ab") as paper:
        while first:
            paper.write(first)
            paper.flush()
            first = line.recv(65536)
    line.close()

server = socket.create_server(("127.0.0.1", 9100))
while True:
    threading.Thread(target=take, args=(server.accept()[0],), daemon=True).start()
"""
# What CUPS calls to send a job: 4 is "stop the queue". It is done when the printer hangs up.
_BACKEND = """#!/usr/bin/python3
import os, re, socket, sys
if len(sys.argv) < 6:
    sys.exit(0)
address = re.match("socket://([^:/]+):([0-9]+)", os.environ["DEVICE_URI"])
job = open(sys.argv[6], "rb") if len(sys.argv) > 6 else sys.stdin.buffer
try:
    line = socket.create_connection((address[1], int(address[2])), 5)
except OSError:
    sys.exit(4)
line.settimeout(None)
line.sendall(job.read())
line.shutdown(socket.SHUT_WR)
line.recv(1)
"""
_UNIT = "[Service]\nExecStart=/usr/bin/python3 /srv/printer.py\n"


def a_stuck_queue(till: RestoreHost) -> Story:
    till.host.write("/srv/printer.py", _PRINTER)
    till.host.write("/usr/lib/cups/backend/socket", _BACKEND, mode=0o755)
    till.host.write("/etc/systemd/system/printer.service", _UNIT)
    till.sh(
        "systemctl daemon-reload; until lpstat -r | grep -q 'is running'; do sleep 0.2; done;"
        "lpadmin -p receipts -E -v 'socket://127.0.0.1:9100'"
        " -o printer-error-policy=stop-printer"
    )
    send = "printf '{0}\\n' | lp -d receipts -o raw -"
    options = {"queue": "receipts", "settle_seconds": 60}

    # The printer is off: its queue stops over the first receipt. That is a person's work.
    till.sh(
        f"{send.format('one')}; until lpstat -p receipts | grep -q disabled; do sleep 0.2; done"
    )
    till.sh(send.format("two"))
    off = yield Repair(action="printing", options=options)
    assert (off.end, off.changed) == ("escalate", False), off.said
    assert "printer socket://127.0.0.1:9100" in off.reason
    assert "receipts-1\t" in off.evidence["jobs"]

    # It is switched on: both receipts come out.
    till.sh("systemctl start printer")
    on = yield Repair(action="printing", options=options)
    assert on.end == "repaired", on.said
    assert on.steps == ["receipts prints again"]
    till.sees("grep -q two /run/printed")
    assert till.sh("cat /run/printed") == "one\ntwo\n"

    # Somebody has the printer open: what a person stopped stays so.
    till.sh("cupsdisable receipts; cupsreject receipts")
    rejects = yield Repair(action="printing", options=options)
    assert (rejects.end, "take no jobs" in rejects.reason) == ("escalate", True), rejects.said
    till.sh("cupsaccept receipts")
    paused = yield Repair(action="printing", options=options)
    assert (paused.end, paused.changed) == ("escalate", False), paused.said
    assert "somebody may have stopped it" in paused.reason
    till.sh("cupsenable receipts")

    # A job that never ends blocks the others: it is held and named, and nothing is lost.
    till.sh(f"{send.format('JAM')}; {send.format('four')}")
    till.sees("lpstat -p receipts | grep -q 'now printing receipts-3'")
    stuck = {**options, "stuck_minutes": 0.001, "settle_seconds": 3}
    jam = yield Repair(action="printing", options=stuck)
    assert jam.end == "repaired", jam.said
    assert jam.steps == ["receipts-3 blocked the queue and is held, not deleted"]
    assert "held, none deleted: receipts-3" in jam.reason
    till.sees("grep -q four /run/printed")
    assert "receipts-3" in till.sh("lpstat -o receipts")

    # CUPS hangs: systemd sees it running, nobody gets an answer.
    till.sh("kill -STOP $(systemctl show -p MainPID --value cups.service)")
    hung = yield Repair(action="printing", options=options)
    assert hung.end == "repaired", hung.said
    assert hung.steps == ["cups.service was restarted"]

    # CUPS ended by itself, and nothing listens in its place.
    till.sh("systemctl stop cups.path; kill $(systemctl show -p MainPID --value cups.service)")
    till.sees("! systemctl -q is-active cups.service")
    till.sh("systemctl stop cups.socket")
    down = yield Repair(action="printing", options=options)
    assert down.end == "repaired", down.said
    assert down.steps == ["cups.service was started"]
    assert "receipts-3" in till.sh("lpstat -o receipts")

    # Somebody stopped it.
    till.sh("systemctl stop cups.service cups.socket cups.path")
    stopped = yield Repair(action="printing", options=options)
    assert stopped.end == "escalate", stopped.said
    assert "was stopped on purpose" in stopped.reason


_DROP_IN = """[Unit]
ConditionCapability=
"""
_TIMES = """
server 127.0.0.1 port 1123 iburst minpoll 0 maxpoll 0 offset {0}
driftfile /var/lib/chrony/chrony.drift
makestep 1 3
port 0
"""
_SERVER = """
local stratum 8
allow
port 1123
cmdport 0
bindcmdaddress /
pidfile /run/time-server/pid
"""
_SERVING = """[Service]
RuntimeDirectory=time-server
ExecStart=/usr/sbin/chronyd -x -d -f /srv/server.conf
"""


def a_clock_that_drifted(till: RestoreHost) -> Story:
    def wrong_by(seconds: float) -> None:
        """chronyd follows a server whose answers are wrong by so many seconds."""
        till.host.write("/etc/chrony/chrony.conf", _TIMES.format(seconds))
        till.sh("systemctl restart chrony")
        till.sees("chronyc -c -n sources | grep -q '^^,[*]'")

    till.host.write("/srv/server.conf", _SERVER)
    till.host.write("/etc/systemd/system/time-server.service", _SERVING)
    till.host.write("/etc/systemd/system/chrony.service.d/lab.conf", _DROP_IN)
    till.host.write("/etc/default/chrony", 'DAEMON_OPTS="-x"\n')
    till.sh("systemctl daemon-reload; systemctl start time-server")
    wrong_by(0)

    till.sh("kill $(systemctl show -p MainPID --value chrony)")
    till.sees("! systemctl -q is-active chrony")
    down = yield Repair(action="time")
    assert down.end == "repaired", down.said
    assert down.steps == ["chrony.service was started"]

    # Behind: a step forwards. chronyd gets the order, and with -x it refuses, which is told.
    wrong_by(42)
    behind = yield Repair(action="time", options={"step": True})
    assert behind.end == "failed", behind.said
    assert "s behind 127.0.0.1" in behind.own["diagnosis"]["reason"]
    assert "chronyc makestep: 500 Failure" in behind.reason

    # Ahead: it would go back in an open store.
    wrong_by(-42)
    ahead = yield Repair(action="time", options={"step": True})
    assert (ahead.end, ahead.changed) == ("escalate", False), ahead.said
    assert "would go back by more than 1 s while the store is open" in ahead.reason
    assert "127.0.0.1" in ahead.evidence["chronyc sources"]

    till.sh("systemctl stop time-server")
    till.sees("chronyc -c -n sources | cut -d, -f6 | grep -qx 0")
    away = yield Repair(action="time", options={"step": True})
    assert away.end == "escalate", away.said
    assert "no time server answers: 127.0.0.1" in away.reason


_FUSE = """
import ctypes, os, time
libc = ctypes.CDLL(None, use_errno=True)
device = os.open("/dev/fuse", os.O_RDWR)
options = "fd=%d,rootmode=40000,user_id=0,group_id=0" % device
if libc.mount(b"127.0.0.1:/share", b"/srv/share", b"fuse.dead", 0, options.encode()):
    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
time.sleep(100000)
"""


def a_mount_that_hangs(till: RestoreHost) -> Story:
    till.host.write("/srv/fuse.py", _FUSE)
    # The server's other life: what is mounted again is a memory disk.
    till.host.write(
        "/sbin/mount.fuse", '#!/bin/sh\nexec mount -t tmpfs -o size=1m "$1" "$2"\n', mode=0o755
    )
    till.sh(
        "mkdir -p /srv/share;"
        "echo '127.0.0.1:/share /srv/share fuse.dead defaults 0 0' >> /etc/fstab;"
        "test -e /dev/fuse || mknod /dev/fuse c 10 229;"
        "systemd-run -q --unit dead python3 /srv/fuse.py;"
        "until grep -q fuse.dead /proc/self/mountinfo; do sleep 0.1; done"
    )
    options = {
        "mountpoint": "/srv/share",
        "allowed": ["/srv/share"],
        "kinds": {"fuse.dead": 22},
        "seconds": 1,
    }
    no = yield Repair(action="mount", options={**options, "allowed": []})
    assert (no.end, no.changed) == ("escalate", False), no.said
    assert "hangs; it is not among those" in no.reason
    away = yield Repair(action="mount", options={**options, "kinds": {"fuse.dead": 1}})
    assert away.end == "escalate", away.said
    assert "127.0.0.1:1 does not answer" in away.reason

    healed = yield Repair(action="mount", options=options)
    assert healed.end == "repaired", healed.said
    assert healed.steps == [
        "/srv/share was let go (lazily)",
        "/srv/share was mounted from 127.0.0.1:/share",
    ]
    till.sh("touch /srv/share/file")
    healthy = yield Repair(action="mount", options=options)
    assert healthy.end == "healthy", healthy.said


_STORIES = (a_stuck_queue, a_clock_that_drifted, a_mount_that_hangs)


@pytest.fixture(scope="module")
def outcome(
    lab: Lab, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, BaseException | None]]:
    tills = sorted(lab.hosts, key=lambda host: host.role != "pos")[: len(_STORIES)]
    if len(tills) < len(_STORIES):
        pytest.skip(f"{len(_STORIES)} lab hosts are needed")
    software = built(TILL)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda host: host.reset(above=software), tills[:2]))
    yield play(lab, tmp_path_factory.mktemp("heal-till"), dict(zip(tills, _STORIES, strict=True)))
    with ThreadPoolExecutor(len(tills)) as pool:
        list(pool.map(lambda host: host.reset(), tills))


@pytest.mark.parametrize("story", [one.__name__ for one in _STORIES])
def test_tills(story: str, outcome: dict[str, BaseException | None]) -> None:
    if outcome[story] is not None:
        raise outcome[story]  # type: ignore[misc]
