# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages on real hosts, from a repository that is made, changed and broken in the test.

Most scenes go step by step, as the role's modules do; the first one is played by the playbooks.
What is compared is what dpkg, systemd and the till's own files say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import wraps
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.package_host import APP, POINT, PackageHost, depot
from tests.e2e.payload_plays import CHANGE
from tests.e2e.payload_scenes import APPLY, JUDGE, PREFLIGHT, Scenes
from tests.e2e.restore_host import RestoreHost, sh, word
from tests.e2e.restore_scenes import Scene, Stage, chosen
from tests.lab.fleet import Lab, LabHost
from tests.lab.repository import Flavour

pytestmark = [pytest.mark.lab, pytest.mark.slow]
stage = Stage()
_WHERE: dict[str, Path] = {}

_NEWEST = {"packages": [APP]}
_CONF = f"/etc/{APP}.conf"
_CRASHES = "#!/bin/sh\nsleep 0.3\nexit 1\n"
_SETTLED = 4.0  # seconds in which that has crashed, however slow the machine is


def with_depot(scene: Callable[[PackageHost], None]) -> Scene:
    """A scene on a host whose packages come from a repository of its own, with 1.0 and 1.1."""

    @wraps(scene)
    def played(till: RestoreHost) -> None:
        with depot(till.host.lab.plan.bridge_address) as own:
            for version in ("1.0", "1.1"):
                own.put(APP, version)
            scene(PackageHost(till=till, depot=own))

    return stage.alone(played)


def verify(
    lock: Mapping[str, Any], wish: Mapping[str, Any] = _NEWEST, settle: float = 0.7
) -> dict[str, Any]:
    """A step: what is not as it should be, by probe."""
    return {"verify": {"wish": wish, "lock": lock, "point": POINT, "settle": settle}}


def _forward(
    scenes: Scenes, till: LabHost, change: str, options: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Preflight, apply with the lock that it resolved, judge: their reports."""
    found = scenes.play(change, [PREFLIGHT], {till: options}).of(till, PREFLIGHT)
    assert found["report"] == "ready", found
    lock = found["detail"]["lock"]
    played = scenes.play(change, [APPLY, JUDGE], {till: options}, payload_lock=lock)
    return [found, played.of(till, APPLY), played.of(till, JUDGE)]


_LEFT = "ls -A /var/cache/storewarden /var/lib/storewarden/jobs 2>/dev/null; true"


@with_depot
def the_playbooks_take_a_good_version_forward_and_a_bad_one_back(host: PackageHost) -> None:
    till = host.till.host
    scenes = Scenes(lab=till.lab, payload="packages", folder=_WHERE["folder"])
    probe = {"name": "till", "kind": "unit", "unit": f"{APP}.service"}
    options = {"packages": [APP], "probes": [probe], "settle_seconds": 1}
    host.begin(f"{APP}=1.0")
    boot = till.boot_id()
    found, applied, judged = _forward(scenes, till, CHANGE, {**options, "reboot": "always"})
    assert (found["detail"]["reboot"], applied["report"]) == (True, "applied"), applied
    assert applied["detail"]["applied"]["rebooted"] is True
    assert judged["report"] == "verified", judged
    before = host.state()
    assert f"{APP} 1.1 ii" in before
    assert till.boot_id() != boot
    host.depot.put(APP, "2.0", Flavour(program=_CRASHES))
    host.depot.publish()
    options["settle_seconds"] = _SETTLED
    _found, applied, judged = _forward(scenes, till, f"{CHANGE}-bad", options)
    assert (applied["report"], judged["report"]) == ("applied", "restored"), judged
    assert f"{APP}.service" in judged["reason"]["en"]
    assert host.state() == before
    assert host.sh(_LEFT).split() == ["/var/lib/storewarden/jobs:", ".lock"]


@with_depot
def a_good_version_is_locked_installed_and_stays(host: PackageHost) -> None:
    ours = Flavour(files={_CONF: "as shipped\n", "DEBIAN/conffiles": f"{_CONF}\n"})
    newer = Flavour(
        fields={"Depends": "sw-lib (>= 1.0)"},
        files={_CONF: "as shipped with 2.0\n", "DEBIAN/conffiles": f"{_CONF}\n"},
    )
    host.depot.put(APP, "1.5", ours)
    host.depot.put(APP, "2.0", newer)
    host.depot.put("sw-lib", "1.0")
    host.begin(f"{APP}=1.5")
    host.sh(f"echo 'as the store wants it' > {_CONF}")
    fact = host.look(_NEWEST)
    assert (fact["ready"], fact["nothing"], fact["reboot"]) == (True, False, False)
    assert {"what": f"package {APP}", "before": "1.5", "after": "2.0"} in fact["changes"]
    packages = fact["lock"]["packages"]
    assert {name: one["version"] for name, one in packages.items()} == {
        APP: "2.0",
        "sw-lib": "1.0",
    }
    pool = host.depot.root / "public/pool"
    assert packages[APP]["size"] == (pool / f"{APP}_2.0_all.deb").stat().st_size
    job, seen, _confirmed = host.change(
        fact, _NEWEST, verify(fact["lock"]), word("confirmed", POINT)
    )
    assert (job["state"], job["rc"]) == ("finished", 0)
    assert seen == {"bad": {}}
    state = host.state()
    assert f"{APP} 2.0 ii" in state
    assert "as the store wants it" in state
    again = host.look(_NEWEST, fact["lock"])
    assert (again["ready"], again["nothing"]) == (True, True)


@with_depot
def a_version_that_breaks_its_service_is_seen_and_taken_back(host: PackageHost) -> None:
    host.depot.put(APP, "2.0", Flavour(program=_CRASHES, fields={"Depends": "sw-lib"}))
    host.depot.put("sw-lib", "1.0")
    host.begin(f"{APP}=1.1")
    before = host.state()
    fact = host.look(_NEWEST)
    looked = verify(fact["lock"], settle=_SETTLED)
    job, seen, undone = host.change(fact, _NEWEST, looked, word("undone", POINT))
    assert job["rc"] == 0
    assert list(seen["bad"]) == ["units"]
    assert f"{APP}.service" in seen["bad"]["units"]
    assert (undone["report"]["phase"], undone["report"]["residue"]) == ("restored", [])
    assert host.state() == before
    assert "sw-lib" not in before


@with_depot
def the_others_install_the_canarys_bits_or_nothing(host: PackageHost) -> None:
    host.depot.put("sw-lib", "1.0")
    host.depot.put(APP, "2.0", Flavour(fields={"Depends": "sw-lib"}))
    host.begin(f"{APP}=1.0")
    before = host.state()
    lock = host.look(_NEWEST)["lock"]
    # A newer version comes meanwhile: the lock decides, of the dependency as well.
    host.depot.put(APP, "3.0")
    host.depot.put("sw-lib", "1.9")
    host.depot.publish()
    fact = host.look(_NEWEST, lock, point="second")
    assert [one["after"] for one in fact["changes"]] == ["1.0", "2.0"]
    assert "lock" not in fact
    host.depot.put(APP, "2.0", Flavour(fields={"Depends": "sw-lib"}, program="#!/bin/sh\n"))
    host.depot.publish()
    fact = host.look(_NEWEST, lock, point="third")
    assert fact["refused"].startswith(f"repository moved: {APP} 2.0: its digest is ")
    assert lock["packages"][APP]["sha256"][:16] in fact["refused"]
    assert "软件源已变化" in fact["zh"]
    host.depot.take(APP, "2.0")
    host.depot.publish()
    gone = host.look(_NEWEST, lock, point="fourth")["refused"]
    assert gone == f"repository moved: {APP} 2.0: no repository offers this version any more"
    lock["packages"][APP]["version"] = "3.0"
    assert "altered" in host.look(_NEWEST, lock)["refused"]
    assert host.state() == before


@with_depot
def what_cannot_or_must_not_be_is_refused_by_name(host: PackageHost) -> None:
    host.depot.put("sw-old", "1.0")
    host.depot.put(APP, "2.0", Flavour(fields={"Depends": "sw-missing (>= 9)"}))
    host.depot.put("sw-new", "1.0", Flavour(fields={"Conflicts": "sw-old"}))
    host.begin(f"{APP}=1.1", "sw-old")
    before = host.state()
    conflict = host.look({"packages": [f"{APP}=2.0"]})["refused"]
    assert "sw-missing" in conflict
    assert "sw-old" in host.look({"packages": ["sw-new"]})["refused"]
    older = {"packages": [f"{APP}=1.0"]}
    assert f"{APP} 1.1 -> 1.0" in host.look(older)["refused"]
    assert host.look({**older, "allow_downgrade": True})["changes"][0]["after"] == "1.0"
    assert "sw-nowhere" in host.look({"packages": ["sw-nowhere"]})["refused"]
    host.sh(f"apt-mark hold {APP}")
    assert f"on hold here: {APP}" in host.look({**older, "allow_downgrade": True})["refused"]
    host.sh(f"apt-mark unhold {APP}")
    assert host.state() == before
    wish = {"packages": ["sw-new"], "allow_removals": True}
    fact = host.look(wish)
    job, seen, undone = host.change(fact, wish, verify(fact["lock"], wish), word("undone", POINT))
    assert (job["rc"], seen["bad"], fact["lock"]["removals"]) == (0, {}, ["sw-old"])
    assert undone["report"]["phase"] == "restored"
    assert host.state() == before


@with_depot
def an_upgrade_leaves_alone_what_is_on_hold(host: PackageHost) -> None:
    for name in ("sw-one", "sw-two", "sw-three"):
        host.depot.put(name, "1.0")
        host.depot.put(name, "1.1")
    host.begin(f"{APP}=1.0", "sw-one=1.0", "sw-two=1.0", "sw-three=1.0")
    host.sh("apt-mark hold sw-one")
    fact = host.look({"upgrade": "all", "hold": ["sw-two"]})
    assert sorted(fact["lock"]["packages"]) == ["sw-three", APP]
    assert {"what": "kept back: sw-one", "before": "", "after": ""} in fact["changes"]
    assert host.look({"upgrade": "security"})["nothing"] is True
    own = {"upgrade": "security", "security_archives": ["lab"], "hold": [APP]}
    assert sorted(host.look(own)["lock"]["packages"]) == ["sw-three", "sw-two"]


@with_depot
def a_failing_installation_is_taken_back(host: PackageHost) -> None:
    host.depot.put(APP, "2.0", Flavour(after_install="echo 'no till today' >&2; exit 3"))
    host.begin(f"{APP}=1.1")
    before = host.state()
    fact = host.look(_NEWEST)
    job, seen, undone = host.change(fact, _NEWEST, verify(fact["lock"]), word("undone", POINT))
    assert (job["state"], job["rc"]) == ("finished", 100)
    assert "no till today" in "\n".join(job["log"])
    assert "half-configured" in seen["bad"]["versions"]
    assert "package database" in seen["bad"]
    assert undone["report"]["phase"] == "restored"
    assert host.state() == before


_HOLDER = (
    "import fcntl,os,time; f=open('/var/lib/dpkg/lock-frontend','w'); "
    "fcntl.lockf(f, fcntl.LOCK_EX); open('/run/held','w').write(str(os.getpid())); "
    "time.sleep({0})"
)
_HOLD = (
    f'setsid python3 -c "{_HOLDER}" >/dev/null 2>&1 & until [ -s /run/held ]; do sleep 0.1; done'
)


@with_depot
def another_package_program_is_waited_for_and_then_named(host: PackageHost) -> None:
    host.begin(f"{APP}=1.0")
    asked = {"preflight": {"wish": _NEWEST, "patience": 0.5}}
    _started, said = host.steps(sh(_HOLD.format(600)), asked)
    assert "python3 (process " in said["refused"]
    assert "waited 0 s" in said["refused"] or "waited 1 s" in said["refused"]
    host.sh("kill $(cat /run/held); rm /run/held")
    _started, said = host.steps(
        sh(_HOLD.format(4)), {"preflight": {"wish": _NEWEST, "patience": 600.0}}
    )
    assert said["ready"]


# The first run of this postinst has its dpkg killed, as a loss of power would.
_KILLED_ONCE = "if [ ! -e /run/once ]; then touch /run/once; kill -9 $PPID; exit 1; fi"


@with_depot
def an_interrupted_dpkg_is_finished_inside_the_restore_point(host: PackageHost) -> None:
    host.depot.put(APP, "1.2", Flavour(after_install=_KILLED_ONCE))
    host.depot.put(APP, "1.3")
    host.begin(f"{APP}=1.0")
    host.sh(f"apt-get install -yq {APP}=1.2", check=False)
    assert "iF" in host.state()
    wish = {"packages": [f"{APP}=1.3"]}
    fact = host.look(wish)
    assert {"what": f"package {APP}", "before": "interrupted", "after": "configured"} in fact[
        "changes"
    ]
    assert "iF" in host.state()
    job, seen, undone = host.change(fact, wish, verify(fact["lock"], wish), word("undone", POINT))
    assert (job["rc"], seen["bad"]) == (0, {}), job["log"]
    assert undone["report"]["phase"] == "restored", undone["report"]["residue"]
    assert f"{APP} 1.2 ii" in host.state()
    # Nothing to change, but something to finish.
    host.sh(
        f"rm /run/once; dpkg --unpack /var/cache/apt/archives/{APP}_1.2_all.deb; touch /run/once"
    )
    fact = host.look({"packages": [f"{APP}=1.2"]})
    assert (fact["nothing"], fact["lock"]["packages"]) == (False, {})


@with_depot
def sigterm_in_the_middle_of_dpkg_ends_in_the_state_before(host: PackageHost) -> None:
    # It ends with the rest; the undo has dpkg finish what was unpacked, which is not to wait.
    slow = "if [ ! -e /run/in-postinst ]; then touch /run/in-postinst; sleep 300; fi"
    host.depot.put(APP, "2.0", Flavour(after_install=slow))
    host.begin(f"{APP}=1.1")
    before = host.state()
    fact = host.look(_NEWEST)
    unit = f"storewarden-job-{POINT}.service"
    _captured, _armed, _begun, _killed, undone = host.steps(
        word("captured", POINT, items=fact["items"]),
        word("armed", POINT),
        {"job": {"wish": _NEWEST, "lock": fact["lock"], "point": POINT}},
        sh(
            "until [ -e /run/in-postinst ]; do sleep 0.1; done;"
            f"systemctl kill --kill-whom=all --signal=TERM {unit};"
            f"while systemctl is-active -q {unit}; do sleep 0.1; done"
        ),
        word("undone", POINT),
    )
    assert undone["report"]["phase"] == "restored"
    assert host.state() == before


@with_depot
def another_updaters_version_fails_the_verification(host: PackageHost) -> None:
    host.begin(f"{APP}=1.0")
    fact = host.look(_NEWEST)
    assert "lock" in fact, fact
    host.depot.put(APP, "1.2")
    host.depot.publish()
    drift = sh(f"apt-get update -q; apt-get install -yq {APP}=1.2")
    _job, _drift, seen = host.change(fact, _NEWEST, drift, verify(fact["lock"]))
    assert seen["bad"] == {"versions": f"{APP} is 1.2 (installed), the lock says 1.1"}


_OWN_SERVICE = r"""
mkdir -p /usr/lib/sw-own; cp /bin/sleep /usr/lib/sw-own/run
printf '#!/usr/bin/python3\nimport time\ntime.sleep(9999)\n' > /usr/lib/sw-own/script
chmod 755 /usr/lib/sw-own/script
for one in binary script; do
  # Type=exec: once it is started it runs its own program, and systemd's no more.
  printf '[Service]\nType=exec\nExecStart=%s\n' "$(echo $one | sed \
    's|binary|/usr/lib/sw-own/run 9999|; s|script|/usr/bin/python3 /usr/lib/sw-own/script|')" \
    > /etc/systemd/system/sw-$one.service
done
systemctl daemon-reload; systemctl start sw-binary sw-script
"""
_PIDS = "systemctl show -p MainPID --value sw-binary sw-script cron | xargs"


@stage.alone
def services_that_run_replaced_files_are_started_anew(till: RestoreHost) -> None:
    with depot(till.host.lab.plan.bridge_address) as own:
        host = PackageHost(till=till, depot=own)
        host.sh(_OWN_SERVICE)
        replaced = sh(
            "sleep 0.3; cd /usr/lib/sw-own;"
            "for f in run script; do cp $f $f.new; mv $f.new $f; done;"
            "cp /usr/sbin/sshd /usr/sbin/sshd.new; mv /usr/sbin/sshd.new /usr/sbin/sshd"
        )
        quiet, _replaced, first, listed, second, restarted, third = host.steps(
            {"restart": {"mode": "list"}},
            replaced,
            sh(_PIDS),
            {"restart": {"mode": "list"}},
            sh(_PIDS),
            {"restart": {"mode": "auto"}},
            sh(_PIDS),
        )
    assert (quiet["restarted"], quiet["told"], quiet["reboot"]) == ([], [], [])
    told = {one["unit"]: one["file"] for one in listed["told"]}
    assert told["sw-binary.service"] == "/usr/lib/sw-own/run"
    assert told["sw-script.service"] == "/usr/lib/sw-own/script"
    assert first["out"] == second["out"]
    assert restarted["restarted"] == ["sw-binary.service", "sw-script.service"]
    left = {one["unit"] for one in restarted["told"]}
    assert "ssh.service" in left
    assert not left & {"sw-binary.service", "sw-script.service"}
    old, new = (said["out"].split() for said in (first, third))
    assert old[0] != new[0]
    assert old[1] != new[1]
    assert old[2] == new[2]


@pytest.fixture(scope="module")
def played(
    request: pytest.FixtureRequest, lab: Lab, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Future[None]]:
    _WHERE["folder"] = tmp_path_factory.mktemp("packages")
    return stage.play(lab, chosen(request))


@pytest.mark.parametrize("scene", stage.names)
def test_packages(played: Mapping[str, Future[None]], scene: str) -> None:
    played[scene].result()
