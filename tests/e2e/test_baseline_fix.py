# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixes on real hosts: made and confirmed, refused, taken back at once, and taken back by the host.

One play per question, all hosts at once where their answers do not meet.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.fix_plays import CHANGE, UNDO, Plays
from tests.lab.fleet import Lab, LabHost

pytestmark = [pytest.mark.lab, pytest.mark.slow]

DROP_IN = "/etc/ssh/sshd_config.d/00-storewarden.conf"
SSH = {"baseline_audit_controls": ["B0*"], "baseline_fix_groups": ["ssh"]}


@pytest.fixture(scope="module")
def hosts(lab: Lab) -> Iterator[list[LabHost]]:
    """Every till, fresh afterwards."""
    tills = [host for host in lab.hosts if host.role == "pos"]
    yield tills
    for host in tills:
        host.reset()


@pytest.fixture
def plays(lab: Lab, tmp_path: Path) -> Plays:
    return Plays(lab=lab, folder=tmp_path)


def test_forward_and_backward(plays: Plays, hosts: list[LabHost]) -> None:
    till = hosts[0]
    alone = [{"group": "ssh", "controls": ["B0*"]}]
    planned = plays.trial(alone, [till], "--check")
    assert planned.code == 0, planned.err
    assert till.run(["test", "-e", DROP_IN], check=False).returncode == 1
    done = plays.fix([till], **SSH)
    assert done.code == 0, done.err
    report, plan = done.harden(till, "ssh"), planned.harden(till, "ssh")
    assert (plan["outcome"], report["outcome"]) == ("planned", "fixed")
    assert plan["controls"] == report["controls"]
    before, after = done.verdicts(till, "audit_before"), done.verdicts(till)
    fixed = {one["id"] for one in report["controls"] if one["changes"]}
    assert fixed == {id for id in before if before[id][0] == "fail"} >= {"B03", "B04"}
    assert all(after[id][0] == "pass" for id in fixed)
    assert "MaxAuthTries 5" in till.read(DROP_IN)

    again = plays.trial(alone, [till])
    assert again.harden(till, "ssh")["outcome"] == "unchanged"
    assert "host_changed" not in again.kinds[till.name]

    back = plays.run(UNDO, [till], baseline_undo_change=CHANGE, baseline_audit_controls=["B0*"])
    assert back.code == 0, back.err
    (point,) = back.reports[till.name]["undo"]["restore_points"]
    assert (point["id"], point["outcome"]) == (report["restore_point"], "restored")
    assert back.verdicts(till) == before
    assert till.run(["test", "-e", DROP_IN], check=False).returncode == 1


def test_what_does_not_stand_the_probe_goes_back(plays: Plays, hosts: list[LabHost]) -> None:
    shut, broken, sealed = hosts[:3]
    ours = {"kind": "drop_in", "path": DROP_IN, "reload": "ssh.service"}
    # listens on, but nobody outside reaches it
    plays.control("Z01", "ssh", {**ours, "lines": ["ListenAddress 127.0.0.1"]})
    plays.control("Z02", "ssh", {**ours, "lines": ["MaxAuthTries many"]})
    plays.control("Z03", "ssh", {**ours, "lines": ["MaxAuthTries 4"]})
    trial = {shut.name: ["Z01", []], broken.name: ["Z02", []], sealed.name: ["Z03", [9]]}
    task = {
        "group": "ssh", "deadline": 30, "probe_seconds": 2,
        "controls": "{{ trial[inventory_hostname][0] }}",
        "probe_ports": "{{ trial[inventory_hostname][1] }}",
    }  # fmt: skip
    done = plays.trial([task], [shut, broken, sealed], trial=trial)
    lost = done.harden(shut, "ssh")
    assert lost["outcome"] == "undone", lost
    assert 0 < lost["restored_after"] < 600
    assert "no new connection" in lost["reason"]["en"]
    failed = done.harden(broken, "ssh")
    assert failed["outcome"] == "failed", failed
    assert "sshd -t" in failed["reason"]["en"]
    assert "restored_after" not in failed
    closed = done.harden(sealed, "ssh")
    assert closed["outcome"] == "undone", closed
    assert "port 9" in closed["reason"]["en"]
    assert done.code == 2
    for host in (shut, broken, sealed):
        assert host.run(["test", "-e", DROP_IN], check=False).returncode == 1
        assert host.run(["systemctl", "is-active", "ssh"]).stdout.strip() == "active"


def test_whoever_is_connected_is_not_locked_out(plays: Plays, hosts: list[LabHost]) -> None:
    ours = {"kind": "drop_in", "path": DROP_IN, "reload": "ssh.service"}
    no_passwords = ["PasswordAuthentication no", "KbdInteractiveAuthentication no"]
    plays.control("Z11", "ssh", {**ours, "lines": ["AllowUsers nobody"]})
    plays.control("Z12", "ssh", {**ours, "lines": [*no_passwords, "AuthorizedKeysFile none"]})
    plays.control("Z13", "accounts", {**ours, "lines": ["HostKey /etc/ssh/ssh_host_rsa_key"]})
    plays.control(
        "Z14", "accounts", {**ours, "lines": ["AuthenticationMethods publickey,password"]}
    )
    away = {"kind": "comment_out", "files": ["/etc/sudoers.d/*"], "match": "NOPASSWD"}
    plays.control("Z15", "accounts", away)
    one, two, three = hosts[:3]
    trial = {
        one.name: {"ssh": "Z11", "accounts": "Z13"},
        two.name: {"ssh": "Z12", "accounts": "Z14"},
        three.name: {"ssh": "B10", "accounts": "Z15"},
    }
    tasks = [
        {"group": group, "controls": f"{{{{ [trial[inventory_hostname].{group}] }}}}"}
        for group in ("ssh", "accounts")
    ]
    done = plays.trial(tasks, hosts[:3], trial=trial, baseline_ssh_mgmt_nets=["192.0.2.0/24"])
    assert done.code == 0, done.err
    expected = {
        (one, "ssh"): "Z11: ops from",
        (one, "accounts"): "Z13: host keys would change: /etc/ssh/ssh_host_ecdsa_key",
        (two, "ssh"): "Z12: ops has no authorized key, and passwords would be refused",
        (two, "accounts"): "Z14: ops would need more than one factor",
        (three, "ssh"): "outside the management networks 192.0.2.0/24",
        (three, "accounts"): "Z15: ops would lose sudo without a password",
    }
    for (host, group), reason in expected.items():
        report = done.harden(host, group)
        assert (report["outcome"], report["restore_point"]) == ("refused", None), report
        assert reason in report["reason"]["en"]
        (control,) = report["controls"]
        assert control["lockout"]["zh"] in report["reason"]["zh"]
    for host in hosts[:3]:
        assert host.run(["test", "-e", DROP_IN], check=False).returncode == 1


def test_a_package_and_what_it_brings(plays: Plays, hosts: list[LabHost]) -> None:
    till = hosts[-1]
    unit = {"kind": "unit", "units": ["storewarden-demo-pos"], "state": "enabled"}
    plays.control(
        "Z21", "packages", {"kind": "packages", "present": ["storewarden-demo-pos"]}, unit
    )
    plays.control("Z22", "services", {"kind": "packages", "absent": ["storewarden-demo-*"]})
    tasks = [{"group": "packages"}, {"group": "services"}]
    done = plays.trial([{**one, "controls": ["Z2*"]} for one in tasks], [till])
    assert done.code == 0, done.err
    came, went = done.harden(till, "packages"), done.harden(till, "services")
    assert (came["outcome"], went["outcome"]) == ("fixed", "fixed")
    assert came["controls"][0]["changes"][0]["what"] == "package storewarden-demo-pos"
    shown = "systemctl is-active storewarden-demo-pos"
    assert till.run(shown, check=False).stdout.split()[-1] == "inactive"
    back = plays.run(UNDO, [till], baseline_undo_change=CHANGE, baseline_audit_controls=["B02"])
    assert back.code == 0, back.err
    points = back.reports[till.name]["undo"]["restore_points"]
    assert [one["id"] for one in points] == [went["restore_point"], came["restore_point"]]
    assert till.run("dpkg-query -W storewarden-demo-pos", check=False).returncode == 1
