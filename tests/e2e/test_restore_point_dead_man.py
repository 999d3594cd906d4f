# SPDX-License-Identifier: GPL-3.0-or-later
"""Nobody confirms: the host goes back by itself, whatever has become of controller and line.

Nothing here asserts how long anything took, only what came of it. A deadline leaves room for what
must happen before it on a slow machine that is busy with other tests; hosts wait side by side.
A jump of the wall clock is a fixture in the unit tests: lab hosts share the machine's clock.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path

import pytest

from tests.e2e.restore_host import CONF, FOLDER, ITEM, LOOK, OWNER, RestoreHost, sh, until, word
from tests.e2e.restore_scenes import Stage, chosen
from tests.lab.fleet import Lab
from tests.lab.places import LabError

pytestmark = [pytest.mark.lab, pytest.mark.slow]
stage = Stage()

BEFORE = "before\n640 root root\n"
_REBOOT = 40  # seconds in which a host has gone down, and nearly always come up


def _reboot(till: RestoreHost) -> None:
    before = till.host.boot_id()
    till.host.run("systemctl reboot", user="root", check=False)

    def back() -> bool:
        with contextlib.suppress(LabError):
            done = till.host.run("cat /proc/sys/kernel/random/boot_id", check=False, timeout=60.0)
            return done.returncode == 0 and done.stdout.strip() != before
        return False

    until(back, "booted again")


def _undone_by_itself(till: RestoreHost) -> None:
    record = till.record()
    assert (record["outcome"], record["residue"]) == ("restored", [])
    assert (record["cause"], record["reason"]) == ("deadline", "the deadline passed")
    assert till.sh(LOOK) == BEFORE
    till.gone_quiet()


@stage.alone
def after_a_reboot_the_rest_of_the_deadline_runs_on(till: RestoreHost) -> None:
    # What the host looks like right after its boot, whenever we get to see it.
    till.host.write(
        "/etc/systemd/system/sw-look.service",
        f"[Service]\nType=oneshot\nExecStart=/bin/cp {CONF} /root/at-boot\n"
        "[Install]\nWantedBy=sysinit.target\n[Unit]\nDefaultDependencies=no\n"
        "After=local-fs.target\nBefore=sysinit.target\n",
    )
    till.sh("systemctl enable sw-look")
    till.arm(ITEM, deadline=_REBOOT, then=f"echo after > {CONF}")
    _reboot(till)
    till.sees(f"grep -q '.boots.:1' {FOLDER}/rp/state.json")
    assert till.sh("cat /root/at-boot") == "after\n"
    assert till.state()["deadline"]["granted"] == _REBOOT
    _undone_by_itself(till)
    assert till.record()["overdue"] >= 0


@stage.alone
def a_watcher_is_brought_back_by_cron_after_a_reboot(till: RestoreHost) -> None:
    till.arm(ITEM, deadline=_REBOOT, dead_man="watcher", then=f"echo after > {CONF}")
    assert till.timers() == "/etc/cron.d/storewarden-restore\n"
    _reboot(till)
    _undone_by_itself(till)
    assert till.state()["boots"] == 1


@stage.alone
def without_systemd_and_cron_rc_local_brings_it_back(till: RestoreHost) -> None:
    till.host.write("/etc/rc.local", "#!/bin/sh\nexit 0\n", mode=0o755)
    till.sh("mv /usr/sbin/cron /root/")
    till.arm(ITEM, deadline=_REBOOT, dead_man="watcher", then=f"echo after > {CONF}")
    _reboot(till)
    _undone_by_itself(till)
    assert till.state()["boots"] == 1
    until(lambda: till.sh("cat /etc/rc.local") == "#!/bin/sh\nexit 0\n", "rc.local as it was")


PLAY = """\
- hosts: {host}
  gather_facts: false
  tasks:
    - storewarden.ops.restore_point: &ask
        state: captured
        id: rp
        owner: {owner}
        epoch: 7
        items: [{{kind: file, path: {conf}}}]
    - storewarden.ops.restore_point: {{<<: *ask, state: armed, deadline: 45}}
    - ansible.builtin.copy: {{dest: {conf}, content: "half of it\\n", mode: "0600"}}
    - ansible.builtin.pause: {{seconds: 600}}
"""


@stage.alone
def the_controller_is_killed_right_after_arming(till: RestoreHost) -> None:
    with tempfile.TemporaryDirectory() as folder:
        play = Path(folder, "play.yml")
        play.write_text(PLAY.format(host=till.host.name, owner=OWNER, conf=CONF))
        tool = str(Path(sys.executable).with_name("ansible-playbook"))
        controller = subprocess.Popen(
            [tool, "-i", str(till.host.lab.inventory_path), str(play)], start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            till.sees(f"grep -q half {CONF}")
        finally:
            os.killpg(controller.pid, signal.SIGKILL)
            controller.wait()
    _undone_by_itself(till)
    assert till.state()["epoch"] == 7


# The line of the very command that does it ends with it, so it comes a moment later. The host looks
# for itself whether anybody could still come in.
_LATER = "systemd-run --quiet --on-active=1s --timer-property=AccuracySec=100ms bash -c "
_TRY = "; timeout 5 bash -c '</dev/tcp/127.0.0.1/22' || touch /root/locked-out"
_WAYS_IN = [
    {"kind": "nft"},
    {"kind": "tree", "path": "/etc/ssh"},
    {"kind": "unit", "name": "ssh.service"},
]
_WAYS = "nft -s list ruleset; systemctl is-active ssh; systemctl is-enabled ssh"


def _locked_out(till: RestoreHost, change: str) -> None:
    """The change makes ssh unreachable, and the host comes back alone."""
    before, files = till.sh(_WAYS), till.files("/etc/ssh")
    till.arm(*_WAYS_IN, deadline=20, then=_LATER + shlex.quote(change + _TRY))
    record = till.record()
    assert (record["outcome"], record["residue"]) == ("restored", [])
    assert till.sh("ls /root/locked-out") == "/root/locked-out\n"
    assert till.sh(_WAYS) == before
    assert till.files("/etc/ssh") == files


@stage.alone
def a_packet_filter_that_shuts_ssh_out_is_taken_back(till: RestoreHost) -> None:
    till.sh("nft add table inet keep")
    _locked_out(
        till,
        "nft add table inet shut;"
        "nft add chain inet shut in '{ type filter hook input priority 0; }';"
        "nft add rule inet shut in tcp dport 22 drop; nft delete table inet keep",
    )


@stage.alone
def a_broken_sshd_config_is_taken_back(till: RestoreHost) -> None:
    _locked_out(
        till,
        "echo 'NoSuchWord yes' > /etc/ssh/sshd_config.d/99-broken.conf; rm /etc/ssh/*_key;"
        "systemctl restart ssh",
    )


# Stops only when it is let go, so that an undo can be met in its middle.
HELD = """\
[Service]
ExecStart=/bin/sleep inf
ExecStop=/bin/sh -c 'until [ -e /run/go ]; do sleep 0.1; done'
TimeoutStopSec=300
"""
_HELD = {"kind": "unit", "name": "sw-held"}


def _held_unit(till: RestoreHost) -> None:
    till.host.write("/lib/systemd/system/sw-held.service", HELD)
    till.sh("systemctl daemon-reload; systemctl start cron")


@stage.alone
def an_undo_that_is_killed_in_its_middle_goes_on(till: RestoreHost) -> None:
    _held_unit(till)
    pid = till.sh("systemctl show -p MainPID --value cron")
    cron, late = {"kind": "unit", "name": "cron"}, {"kind": "file", "path": "/etc/late"}
    change = f"echo after > {CONF}; systemctl start sw-held; echo x > /etc/late"
    till.arm(ITEM, _HELD, cron, late, deadline=12, then=change)
    # The files are back, and it waits for the unit to stop: the middle.
    till.sees(f"grep -q before {CONF}")
    till.sh("systemctl kill -s KILL 'storewarden-restore-*.service'")
    assert till.state()["phase"] == "undoing"
    till.sh("touch /run/go")
    _undone_by_itself(till)
    assert till.record()["continued"] >= 1
    assert till.sh("systemctl is-active sw-held; ls /etc/late 2>&1", check=False)[:5] == "inact"
    # The first run wrote down that something changed, so the second one restarts cron.
    assert till.sh("systemctl show -p MainPID --value cron") != pid


@stage.alone
def an_undo_asked_for_survives_its_asker_and_a_power_cut(till: RestoreHost) -> None:
    _held_unit(till)
    till.arm(ITEM, _HELD, then=f"echo after > {CONF}; systemctl start sw-held")
    till.must("confirmed")
    program = f"/usr/bin/python3 -I -B {FOLDER}/rp/program.zip undo 'asked for'"
    till.sh(f"setsid {program} >/dev/null 2>&1 & sleep 0.1")
    till.sees(f"grep -q before {CONF}")
    till.host.stop()
    till.host.start()
    record = till.record()
    assert (record["outcome"], record["cause"], record["reason"]) == (
        "restored", "request", "asked for",
    )  # fmt: skip
    assert record["continued"] >= 1
    assert till.sh(LOOK) == BEFORE
    till.gone_quiet()


@stage.alone
def line_lost_and_back_while_the_play_goes_on_sending(till: RestoreHost) -> None:
    till.arm(ITEM, deadline=8, then=f"echo after > {CONF}")
    till.host.cut()
    time.sleep(10)
    till.host.mend()
    till.host.wait()
    assert till.record()["cause"] == "deadline"
    # The play knows nothing of that, and goes on.
    change = {"sh": f"echo more > {CONF}; chmod 0777 {CONF}"}
    late = till.steps(change, word("extended"))[-1]
    assert late["refused"]
    assert "came too late" in late["text"]
    assert till.sh(LOOK) == BEFORE
    late = till.steps({"sh": f"rm {CONF}"}, word("confirmed"))[-1]
    assert late["refused"]
    record = late["report"]["record"]
    assert (late["report"]["phase"], record["cause"]) == ("restored", "late")
    assert record["reason"] == "confirmation came too late"
    # The next contact reads of all three.
    assert [one["cause"] for one in record["earlier"]] == ["deadline", "late"]
    assert till.sh(LOOK) == BEFORE
    till.gone_quiet()


@stage.alone
def a_deadline_that_passed_without_its_timer_fires_at_boot(till: RestoreHost) -> None:
    # As if the machine had gone down just before the deadline: no timer acts any more.
    said = till.arm(
        ITEM,
        deadline=12,
        then=f"systemctl stop 'storewarden-restore-*.timer'; echo after > {CONF}; sleep 13;"
        f"cat {CONF}",
    )
    assert said == "after\n"
    till.host.stop()
    till.host.start()
    _undone_by_itself(till)


@stage.tidy
def extended_step_by_step_and_confirmed(till: RestoreHost) -> None:
    # One visit: only the host's own clock and work lie between the words.
    step = (sh("sleep 5"), word("extended", deadline=12))
    said = till.steps(
        word("captured", items=[ITEM]), word("armed", deadline=12), sh(f"echo after > {CONF}"),
        *step, *step, *step, word("extended", deadline=900), word("extended", deadline=5),
    )  # fmt: skip
    assert [one["text"] for one in said if one.get("failed")] == []
    assert [one["report"]["left"] > 400 for one in said[-2:]] == [True, True]
    assert till.must("confirmed")["phase"] == "confirmed"
    till.gone_quiet()
    assert till.sh(f"cat {CONF}; ls {FOLDER}/rp").split()[0] == "after"
    assert "reserve" not in till.sh(f"ls {FOLDER}/rp").split()
    # The pack stays: it can still be taken back by request.
    assert till.must("undone")["phase"] == "restored"
    assert till.sh(LOOK) == BEFORE


@stage.alone
def without_systemd_a_watcher_keeps_the_deadline(till: RestoreHost) -> None:
    till.arm(ITEM, deadline=8, dead_man="watcher", then=f"echo after > {CONF}")
    _undone_by_itself(till)


@stage.alone
def the_live_apply_is_stopped_before_anything_is_put_back(till: RestoreHost) -> None:
    loop = f"while :; do echo again >> {CONF}; sleep 0.02; done"
    script = {"sh": f"systemd-run --quiet --unit=sw-apply sh -c '{loop}'"}
    said = till.steps(
        word("captured", items=[ITEM]), word("armed", deadline=60), script,
        word("extended", deadline=4, apply={"unit": "sw-apply.service"}),
        word("inspected"), word("undone"),
    )  # fmt: skip
    assert said[-2]["report"]["apply_running"]
    assert said[-1]["report"]["record"]["apply"] == {"stopped": True, "running": False}
    assert said[-1]["report"]["phase"] == "restored"
    time.sleep(0.5)
    assert till.sh(LOOK) == BEFORE
    assert till.sh("systemctl is-active sw-apply", check=False).strip() == "inactive"


@stage.alone
def processes_of_an_apply_end_with_all_their_children(till: RestoreHost) -> None:
    # It begins when it is told to: what is armed must be as it was captured.
    loop = f"trap '' TERM; while :; do echo again >> {CONF}; sleep 0.02; done"
    wait = "until [ -e /run/go ]; do sleep 0.05; done"
    pid = till.sh(
        f"setsid sh -c '{wait}; (sh -c \"{loop}\") & wait' >/dev/null 2>&1 & echo $!"
    ).strip()
    till.arm(ITEM, deadline=8, apply={"pid": int(pid)}, then="touch /run/go")
    assert till.record()["apply"] == {"stopped": True, "running": False}
    time.sleep(0.5)
    _undone_by_itself(till)


@stage.tidy
def a_stranger_under_an_old_process_number_is_left_alone(till: RestoreHost) -> None:
    pid = till.sh("setsid sleep 600 >/dev/null 2>&1 & echo $!").strip()
    till.arm(ITEM, apply={"pid": int(pid)})
    till.sh(f"kill {pid}; setsid sleep 600 >/dev/null 2>&1 & echo $! > /run/stranger")
    # As if its number had come round again.
    forge = (
        "import hashlib, json, sys\n"
        f"place = '{FOLDER}/rp/state.json'\n"
        "body = json.load(open(place))['body']\n"
        "body['apply']['pid'] = int(open('/run/stranger').read())\n"
        "text = json.dumps(body, sort_keys=True, separators=(',', ':'))\n"
        "digest = hashlib.sha256(text.encode()).hexdigest()\n"
        "json.dump({'body': body, 'digest': digest}, open(place, 'w'))\n"
    )
    till.sh(f"python3 -c {shlex.quote(forge)}")
    assert till.must("undone")["record"]["apply"] == {"stopped": False, "running": False}
    assert till.sh("cat /proc/$(cat /run/stranger)/comm; kill $(cat /run/stranger)") == "sleep\n"


@stage.tidy
def what_a_killed_arming_leaves_takes_itself_away(till: RestoreHost) -> None:
    """Timer and boot unit are set before the state says "armed"; killed right in between."""
    till.must("captured", items=[ITEM])
    killed = (
        f"import sys; sys.path.insert(0, '{FOLDER}/rp/program.zip')\n"
        "from storewarden_restore import dead_man, pack, system\n"
        f"one = pack.Pack(system.Host(), '{FOLDER}/rp')\n"
        "dead_man.DeadMan(one, 'systemd', '/usr/bin/python3').start(300.0, 10.0, 1)\n"
    )
    till.sh(f"python3 -I -B -c {shlex.quote(killed)}; echo by hand > {CONF}")
    till.gone_quiet()
    assert till.state()["phase"] == "captured"
    assert till.sh(f"cat {CONF}") == "by hand\n"


@stage.tidy
def a_timer_of_an_older_pack_leaves_the_newer_ones_boot_unit_alone(till: RestoreHost) -> None:
    till.arm(ITEM, id="older")
    till.must("confirmed", "older")
    till.arm(ITEM, id="newer")
    both = till.timers()
    # As it fires when whoever confirmed was killed before it was stopped.
    till.sh(f"python3 -I -B {FOLDER}/older/program.zip tick")
    assert till.timers() == both
    assert till.must("inspected", "newer")["dead_man"] == {"mode": "systemd", "alive": True}


@pytest.fixture(scope="module")
def played(request: pytest.FixtureRequest, lab: Lab) -> Mapping[str, Future[None]]:
    return stage.play(lab, chosen(request))


@pytest.mark.parametrize("scene", stage.names)
def test_dead_man(played: Mapping[str, Future[None]], scene: str) -> None:
    played[scene].result()
