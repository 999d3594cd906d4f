# SPDX-License-Identifier: GPL-3.0-or-later
"""Every fixable control of accounts and SSH is brought from each of its failing states to pass.

A state that a program must not repair by itself is in ``LEFT``, with a piece of what the fix tells
the operator then: nothing fails silently.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.plugin_utils.baseline_controls import (
    LoadedControl,
    load_control,
    role_defaults,
)
from tests.e2e.control_states import ROOT, State, all_states
from tests.e2e.fix_plays import CHANGE, UNDO, Plays
from tests.e2e.fix_states import show_fixes
from tests.lab.fleet import Lab, LabHost

FILES = {path.stem: path for path in sorted(ROOT.glob("roles/baseline_*/controls/[AB]*.yml"))}
MANUAL = {"A16", "B12"}
STATES = [
    state
    for state in all_states()
    if state.verdict == "fail"
    and state.files_only
    and state.control in FILES
    and state.control not in MANUAL
]
# What only people can decide or do: state -> a piece of what the fix then says.
LEFT = {
    "A01-fail-the file is there but nobody loads the module": "fixed by A06",
    "A06-fail-the module file is gone": "pam_pwquality.so is not on this host",
    "A08-fail-the module file is gone": "pam_faillock.so is not on this host",
    "A08-fail-sshd has a stack of its own": "/etc/pam.d/sshd: pam_unix is neither sufficient",
    "A09-fail-the file is there but nobody loads the module": "fixed by A08",
    "A10-fail-the password of an account that programs use is years old and never ends": (
        "ops: its password is"
    ),
    "A13-fail-nobody registered it": "fitter: nobody registered when it began",
    "A14-fail-an MD5 hash is left over": "cashier: its password stays stored as 1",
    "A14-fail-a SHA-256 hash behind a lock can be unlocked": "cashier: its password stays",
    "A14-fail-a DES hash": "cashier: its password stays stored as des",
    "A17-fail-a second account with user id 0 is a system account": "toor: it has user id 0",
    "A19-fail-nobody named the account that goes without a password": "ops has no password",
    "A19-fail-an alias goes without a password": "cashier has no password",
    "A19-fail-authentication is switched off for a user": "cashier has no password",
    "B10-fail-no management network is approved": "set baseline_ssh_mgmt_nets first",
}


@pytest.fixture(scope="module")
def results(lab: Lab) -> dict[str, dict[str, Any]]:
    variables = role_defaults()
    controls: dict[str, LoadedControl] = {
        name: load_control(path, variables) for name, path in FILES.items()
    }
    return show_fixes(lab, STATES, controls)


@pytest.mark.lab
@pytest.mark.slow
@pytest.mark.parametrize("state", STATES, ids=lambda state: state.id)
def test_failing_state_is_fixed_or_named(state: State, results: dict[str, dict[str, Any]]) -> None:
    found = results[state.id]
    assert "broken" not in found, found
    assert found["before"]["verdict"] == "fail"
    if state.id in LEFT:
        said = " ".join([*found["remains"], (found["problem"] or {}).get("en", "")])
        assert LEFT[state.id] in said, found
        return
    assert found["problem"] is None, found
    assert found["after"]["verdict"] == "pass", found
    assert found["changes"], found
    assert found["again"] == [], found


# -- all of it on one host, and real logins ---------------------------------------------------

GROUPS = ["accounts", "ssh", "pam"]
BAD = r"""
echo 'cashier:Zt7#kq0Lm9xY' | chpasswd
echo 'ops:Zt7#kq0Lm9xY' | chpasswd
useradd -m -s /bin/bash mei
echo 'mei:OLD' | chpasswd
printf 'minlen = 6\nmaxrepeat = 5\nenforcing = 0\n' >> /etc/security/pwquality.conf
groupadd -f temp
useradd -m -G temp fitter
usermod -s /bin/sh www-data
passwd -d sync
sed -i 's/^ENCRYPT_METHOD.*/ENCRYPT_METHOD MD5/' /etc/login.defs
echo 'Defaults !use_pty' > /etc/sudoers.d/60-site
printf '%s\n' 'PermitRootLogin yes' 'PermitEmptyPasswords yes' 'Ciphers +3des-cbc' \
  'HostbasedAuthentication yes' > /etc/ssh/sshd_config.d/50-site.conf
systemctl reload ssh
"""
OLD, NEW, WEAK = "Rw5!hTq8#mVz", "Kp3?dXn6%gBs", "cashier1"


def ssh(host: LabHost, folder: Path, user: str, password: str) -> bool:
    """Whether sshd lets this user in with this password, and with nothing else."""
    helper = folder / f"say-{abs(hash((user, password)))}"
    helper.write_text(f"#!/bin/sh\necho {shlex.quote(password)}\n")
    helper.chmod(0o700)
    done = subprocess.run(
        [
            "ssh", "-F", "none", "-o", f"UserKnownHostsFile={host.lab.known_hosts}",
            "-o", "PubkeyAuthentication=no", "-o", "PreferredAuthentications=password",
            "-o", "NumberOfPasswordPrompts=1", f"{user}@{host.address}", "true",
        ],
        env={**os.environ, "SSH_ASKPASS": str(helper), "SSH_ASKPASS_REQUIRE": "force"},
        stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=240,
    )  # fmt: skip
    return done.returncode == 0


def passwd(host: LabHost, now: str, new: str) -> subprocess.CompletedProcess[str]:
    """mei changes her own password."""
    command = "setpriv --reuid mei --regid mei --init-groups passwd"
    said = f"{now}\n{new}\n{new}\n"
    return host.run(command, user="root", input=said, check=False)


@pytest.fixture
def plays(lab: Lab, tmp_path: Path) -> Plays:
    return Plays(lab=lab, folder=tmp_path)


def outcomes(report: Any) -> dict[str, str]:
    return {group: report["harden"][group]["outcome"] for group in GROUPS}


def failing(verdicts: dict[str, Any], wanted: Sequence[str] = ("fail",)) -> set[str]:
    return {id for id, (verdict, _value) in verdicts.items() if verdict in wanted}


@pytest.mark.lab
@pytest.mark.slow
def test_everything_at_once_and_back_while_people_log_in(
    lab_host: LabHost, plays: Plays, tmp_path: Path
) -> None:
    host = lab_host
    today = datetime.now(UTC).date().isoformat()
    site = {
        "baseline_accounts_nopasswd_allowed": ["ops"],
        "baseline_accounts_temp_accounts": [{"name": "fitter", "start": today}],
        "baseline_ssh_mgmt_nets": [host.address.rsplit(".", 2)[0] + ".0.0/16"],
        "baseline_audit_controls": ["A*", "B*"],
        "baseline_fix_groups": GROUPS,
    }
    host.run(BAD.replace("OLD", OLD), user="root")
    done = plays.fix([host], **site)
    assert done.code == 0, done.err
    before = done.verdicts(host, "audit_before")
    assert failing(before) == set(FILES) - MANUAL
    assert failing(done.verdicts(host), ["fail", "error"]) == set(), done.verdicts(host)
    assert outcomes(done.reports[host.name]) == dict.fromkeys(GROUPS, "fixed")

    assert ssh(host, tmp_path, "mei", OLD)
    assert "BAD PASSWORD" in passwd(host, OLD, WEAK).stderr
    assert passwd(host, OLD, NEW).returncode == 0
    assert "already used" in passwd(host, NEW, OLD).stderr
    with ThreadPoolExecutor(5) as pool:  # five wrong ones at once, since each is made to wait
        wrong = list(pool.map(lambda _: ssh(host, tmp_path, "mei", "wrong"), range(5)))
    assert wrong == [False] * 5
    assert not ssh(host, tmp_path, "mei", NEW), "five failures must lock the account"
    assert host.run("true").returncode == 0, "others are not locked"
    host.run("faillock --user mei --reset", user="root")
    assert ssh(host, tmp_path, "mei", NEW)

    again = plays.fix([host], **site)
    assert outcomes(again.reports[host.name]) == dict.fromkeys(GROUPS, "unchanged")

    variables = {key: value for key, value in site.items() if "_fix_" not in key}
    back = plays.run(UNDO, [host], baseline_undo_change=CHANGE, **variables)
    assert back.code == 0, back.err
    assert back.verdicts(host) == before
    assert ssh(host, tmp_path, "mei", NEW), "a password changed in between stays"
    assert ssh(host, tmp_path, "cashier", "Zt7#kq0Lm9xY")
