# SPDX-License-Identifier: GPL-3.0-or-later
"""The main job on real hosts: what was changed behind our back shows, and nothing else does."""

from __future__ import annotations

import json
import random
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.audit_cli import Place
from tests.lab.fleet import Lab, LabHost

# What somebody "just quickly" does on a host -> the controls whose finding it changes.
_MEDDLING: dict[str, frozenset[str]] = {
    "umask 077; echo 'PermitRootLogin yes' > /etc/ssh/sshd_config.d/00-x.conf;"
    " systemctl reload ssh; sleep 1": frozenset({"B01", "B11"}),
    "echo 0 > /proc/sys/net/ipv4/tcp_syncookies": frozenset({"C01"}),
    # A kernel that forwards also stops accepting redirects, on every interface.
    "echo 1 > /proc/sys/net/ipv4/ip_forward": frozenset({"C01", "C03"}),
    "sed -i 's/^PASS_MAX_DAYS.*/PASS_MAX_DAYS 12345/' /etc/login.defs": frozenset({"A10"}),
    "sed -i 's/^PASS_WARN_AGE.*/PASS_WARN_AGE 3/' /etc/login.defs": frozenset({"A12"}),
    "echo 'cashier ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/x": frozenset({"A19"}),
    "mkdir -p /etc/systemd/journald.conf.d;"
    " printf '[Journal]\\nStorage=volatile\\n' > /etc/systemd/journald.conf.d/x.conf": frozenset(
        {"E06"}
    ),
    "systemd-run -q --unit x python3 -m http.server 8099": frozenset({"D01"}),
    "echo 'install rds /bin/true' > /etc/modprobe.d/x.conf": frozenset(),
}

pytestmark = [pytest.mark.lab, pytest.mark.slow]


@pytest.fixture
def site(lab: Lab, tmp_path: Path) -> Iterator[Place]:
    """A site whose inventory is the lab; every host is fresh before and after."""
    place = Place(tmp_path)
    place.settings(f"inventory: [{lab.inventory_path}]\n")
    for host in lab.hosts:
        host.reset()
    yield place
    for host in lab.hosts:
        host.reset()


def _drift(site: Place) -> set[tuple[str, str]]:
    done = site.run("audit", "--since", "last", "--format", "json")
    assert done.code in (0, 1), done.err
    report = json.loads(done.out)
    assert report["fleet"]["audited"] == report["fleet"]["registered"]
    assert not any(one["change"] for one in report["drift"]), "there is no change to explain it"
    return {(one["host"], one["control"]) for one in report["drift"]}


def _meddle(hosts: list[LabHost], dice: random.Random) -> set[tuple[str, str]]:
    expected = set()
    for host in hosts:
        for script in dice.sample(sorted(_MEDDLING), 3):
            host.run(script, user="root")
            expected |= {(host.name, control) for control in _MEDDLING[script]}
    return expected


def test_the_audit_shows_the_drift_that_was_injected_and_nothing_else(
    lab: Lab, site: Place
) -> None:
    seed = secrets.randbits(32)
    dice = random.Random(seed)  # noqa: S311  a draw of lots, not a secret
    first = site.run("audit", "--format", "json")
    assert first.code == 1, first.err
    assert _drift(site) == set(), "an untouched fleet has no drift"
    meddled = dice.sample(lab.hosts, 2)
    expected = _meddle(meddled, dice)
    assert _drift(site) == expected, f"seed {seed}"
    assert _drift(site) == set(), "what was reported once is not reported again"
    verified = site.run("ledger", "verify")
    assert verified.code == 0, verified.out


def test_an_audit_leaves_no_trace_on_the_host(lab_host: LabHost, tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.settings(f"inventory: [{lab_host.lab.inventory_path}]\n")
    lab_host.run("true", user="root")  # so that sudo's and ssh's own first-use files exist
    look = (
        "find / -xdev \\( -path /proc -o -path /sys -o -path /run -o -path /dev"
        " -o -path /var/log \\) -prune -o -newer /run/mark -type f -print"
    )
    lab_host.run("touch /run/mark; sleep 0.1", user="root")
    done = place.run("audit", "--limit", lab_host.name, "--format", "json")
    assert done.code == 1, done.err
    left = lab_host.run(look, user="root").stdout.split()
    assert left == []
    processes = lab_host.run("ps -eo args=", user="root").stdout
    assert "baseline_audit" not in processes
    assert "AnsiballZ" not in processes
    assert lab_host.run("ls -A /home/ops/.ansible 2>/dev/null || true").stdout == ""
