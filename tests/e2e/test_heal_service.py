# SPDX-License-Identifier: GPL-3.0-or-later
"""Services, failed units, lock files and memory hogs on real hosts, each with the real fault.

Three hosts have different faults in one run of Ansible.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.heal_plays import Healed, Healing, Repair
from tests.e2e.restore_host import until
from tests.lab.fleet import Lab, LabHost

pytestmark = [pytest.mark.lab, pytest.mark.slow]
UNIT = "sw-till.service"
WHERE = f"/etc/systemd/system/{UNIT}"
LOCK = "/run/sw-till.lock"
# Serves its folder; ends at once while /srv/broken is there.
TILL = """[Unit]
StartLimitIntervalSec=600
StartLimitBurst=4
[Service]
ExecStartPre=/bin/sh -c '! test -e /srv/broken'
ExecStart=/usr/bin/python3 -m http.server 8099 --bind 127.0.0.1 --directory /srv
{more}
[Install]
WantedBy=multi-user.target
"""
# Does not start while a file is there.
GUARDED = """[Service]
ExecStartPre=/usr/bin/test ! -e {file}
ExecStart=/usr/bin/sleep infinity
[Install]
WantedBy=multi-user.target
"""
PROBE = {"name": "page", "kind": "http", "url": "http://127.0.0.1:8099/", "seconds": 3}
# Takes 100 MiB when /run/hog is there; what is taken is gone with the next start.
HOG = """[Service]
ExecStart=/bin/sh -c 'rm /run/hog 2>/dev/null || exec sleep infinity; \
  exec python3 -c "import time; kept = bytes(range(256)) * 409600; time.sleep(1e6)"'
"""


class Store:
    """Three tills and what is wrong with them."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.hosts = [host for host in lab.hosts if host.role == "pos"][:3]
        self.healing = Healing(lab, self.hosts[0], folder)

    def sh(self, host: LabHost, script: str, *, check: bool = True) -> str:
        return host.run(script, user="root", check=check).stdout

    def till(self, host: LabHost, more: str = "") -> None:
        """A till's service that runs and serves."""
        host.write(WHERE, TILL.format(more=more))
        self.sh(host, f"systemctl daemon-reload; systemctl enable --now {UNIT}")
        self.sh(host, "systemctl reset-failed")  # what has nothing to do with these scenes

    def state(self, host: LabHost, unit: str = UNIT) -> str:
        return self.sh(host, f"systemctl is-active {unit}", check=False).strip()

    def until(self, host: LabHost, state: str, unit: str = UNIT) -> None:
        until(lambda: self.state(host, unit) == state, f"{unit} of {host.name} is {state}")

    def heal(self, *asked: tuple[str, dict[str, Any]]) -> list[Healed]:
        """An action with options for each host."""
        repairs = {
            host: Repair(action=action, options={"settle": 1, **options})
            for host, (action, options) in zip(self.hosts, asked, strict=True)
        }
        return list(self.healing.together(repairs).values())


@pytest.fixture(scope="module")
def store(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    made = Store(lab, tmp_path_factory.mktemp("heal"))
    yield made
    for host in made.hosts:
        host.reset()


def test_crashed_is_restarted_looping_and_stopped_are_left_to_people(store: Store) -> None:
    crashed, looping, stopped = store.hosts
    for host in store.hosts:
        more = "Restart=always\nRestartSec=100ms" if host is looping else ""
        store.till(host, more)
    store.sh(crashed, f"systemctl kill -s KILL {UNIT}")
    store.sh(looping, f"touch /srv/broken; systemctl kill -s KILL {UNIT}")
    store.sh(stopped, f"systemctl stop {UNIT}")
    store.until(crashed, "failed")
    store.until(looping, "failed")
    ask = ("service", {"unit": "sw-till", "probes": [PROBE]})
    one, two, three = store.heal(ask, ask, ask)
    assert one.end == "repaired", one.said
    assert f"{UNIT} is failed (result signal, exit status 9)" in one.own["diagnosis"]["reason"]
    assert one.plan["operation"] == "service-recovery"
    assert one.steps[-1] == f"restarted {UNIT}"
    assert "status=9/KILL" in one.evidence[f"journal of {UNIT}"]
    assert store.state(crashed) == "active"
    assert two.end == "escalate", two.said
    assert f"{UNIT} was started " in two.reason
    assert f"journal of {UNIT}" in two.evidence
    assert store.state(looping) == "failed"
    assert three.end == "escalate", three.said
    assert "stopped on purpose" in three.reason
    assert store.state(stopped) == "inactive"


def test_healthy_cured_and_hung(store: Store) -> None:
    """The second look finds nothing; a start limit is cleared; a till in a sale is left alone."""
    crashed, looping, hung = store.hosts
    store.sh(looping, "rm /srv/broken")
    store.sh(hung, f"systemctl start {UNIT}")
    store.until(hung, "active")
    store.sh(hung, f"systemctl kill -s STOP {UNIT}; touch /srv/sale")
    plain = {"unit": UNIT, "probes": [PROBE]}
    busy = {**plain, "busy_check": ["test", "!", "-e", "/srv/sale"]}
    one, two, three = store.heal(
        ("service", plain), ("service", {**plain, "max_restarts": 99}), ("service", busy)
    )
    assert (one.end, one.changed) == ("healthy", False), one.said
    assert two.end == "repaired", two.said
    assert two.steps == [f"forgot that {UNIT} had failed", f"restarted {UNIT}"]
    assert three.end == "escalate", three.said
    assert "it may be in use (busy_check ended with 1" in three.reason
    # The sale is over; meanwhile somebody has masked one, and disabled another.
    store.sh(crashed, f"systemctl stop {UNIT}; rm {WHERE}; systemctl mask {UNIT}")
    store.sh(looping, f"touch /srv/broken; systemctl disable {UNIT}")
    store.sh(looping, f"systemctl kill -s KILL {UNIT}")
    store.until(looping, "failed")
    store.sh(hung, "rm /srv/sale")
    one, two, three = store.heal(("service", plain), ("service", plain), ("service", busy))
    assert (one.end, "masked" in one.reason) == ("escalate", True), one.said
    assert (two.end, "disabled" in two.reason) == ("escalate", True), two.said
    assert three.end == "repaired", three.said
    assert three.plan["operation"] == "service-restart"


def test_failed_units_a_stale_lock_and_a_memory_hog(store: Store) -> None:
    failed, locked, short = store.hosts
    for unit in ("sw-one", "systemd-two", "other"):
        job = "[Service]\nType=oneshot\nExecStart=/usr/bin/test -e /srv/cured\n"
        failed.write(f"/etc/systemd/system/{unit}.service", job)
    store.sh(failed, "systemctl daemon-reload; systemctl start sw-one systemd-two other || true")
    store.sh(failed, "touch /srv/cured")
    locked.write(WHERE, GUARDED.format(file=LOCK))
    store.sh(locked, f"echo 4000000000 > {LOCK}; touch -d '1 hour ago' {LOCK}")
    store.sh(locked, f"systemctl daemon-reload; systemctl enable {UNIT}; systemctl stop {UNIT}")
    store.sh(locked, f"systemctl reset-failed {UNIT}; systemctl start {UNIT} || true")
    short.write("/etc/systemd/system/sw-hog.service", HOG)
    store.sh(short, "touch /run/hog; systemctl daemon-reload; systemctl start sw-hog")
    big = "grep -q '^VmRSS:.*[0-9]\\{6\\}' /proc/$(systemctl show -P MainPID sw-hog)/status && echo"
    until(lambda: store.sh(short, big, check=False), "the hog has its memory")
    # A host of the lab has the memory of the whole machine: the limits are made to fit.
    hog = {"allowed": ["sw-hog"], "share": 0.1, "below": 100.5, "enough": 1}
    hog["always_idle"] = ["sw-hog"]
    lock = {"unit": UNIT, "paths": [LOCK]}
    one, two, three = store.heal(
        ("units", {"allowed": ["sw-*", "systemd-*"]}), ("lockfile", lock), ("memory", hog)
    )
    assert one.end == "repaired", one.said
    assert one.steps == ["restarted sw-one.service"]
    assert one.reason == "well again: sw-one.service; left to people: other.service, " + (
        "systemd-two.service"
    )
    assert two.end == "repaired", two.said
    assert two.steps[0] == f"removed {LOCK} of process 4000000000, which is gone"
    assert store.sh(locked, f"ls {LOCK}", check=False) == ""
    assert store.state(locked) == "active"
    assert three.end == "repaired", three.said
    assert three.steps == ["restarted sw-hog.service"]
    assert "sw-hog.service python3 -c" in three.evidence["largest processes"]


def test_what_is_left_what_is_taken_back_and_what_is_well(store: Store) -> None:
    """After the scenes above: names for people; a lock without a process is worth nothing."""
    locked = store.hosts[1]
    store.sh(locked, f"systemctl stop {UNIT}; touch /srv/cold")
    locked.write(WHERE, GUARDED.format(file="/srv/cold"))
    store.sh(locked, f"echo 4000000000 > {LOCK}; touch -d '1 hour ago' {LOCK}")
    store.sh(locked, f"systemctl daemon-reload; systemctl start {UNIT} || true")
    one, two, three = store.heal(
        ("units", {"allowed": ["sw-*"]}),
        ("lockfile", {"unit": UNIT, "paths": [LOCK]}),
        ("memory", {"allowed": ["sw-hog"], "below": 0.01}),
    )
    assert one.end == "escalate", one.said
    assert "2 failed units, none of them may be restarted" in one.reason
    assert two.end == "failed", two.said
    assert "could not be started" in two.reason
    assert "undone" not in two.own
    assert store.sh(locked, f"ls {LOCK}", check=False) == ""
    assert store.state(locked) != "active"
    assert (three.end, three.changed) == ("healthy", False), three.said
