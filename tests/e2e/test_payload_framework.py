# SPDX-License-Identifier: GPL-3.0-or-later
"""The five phases of a payload on real hosts: forward, refused, taken back, interrupted, probed.

Every scene has a host of its own; several are played at a time, first those that wait for a
deadline. A deadline leaves room for what must happen before it on a slow machine that is busy.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.payload_plays import CHANGE, STAGE, TRIAL_FILE, Payload
from tests.e2e.restore_host import CONF, RestoreHost, until
from tests.e2e.restore_scenes import Stage, chosen
from tests.lab.fleet import Lab

pytestmark = [pytest.mark.lab, pytest.mark.slow]
stage = Stage()
_WHERE: dict[str, Any] = {}

UNIT = "sw-demo.service"
# A service that serves its configuration file, and is started as soon as it does.
SERVICE = """[Service]
ExecStart=/usr/bin/python3 -m http.server 8099 --bind 127.0.0.1 --directory /srv/demo
ExecStartPost=/bin/bash -c 'until (: </dev/tcp/127.0.0.1/8099) 2>/dev/null; do sleep 0.1; done'
[Install]
WantedBy=multi-user.target
"""
PAGE = (
    "python3 -c 'import urllib.request as r;"
    'print(r.urlopen("http://127.0.0.1:8099/state").read().decode(), end="")\''
)
WATCHED = (CONF, "/srv/demo")
SOON = 20  # a deadline that a scene waits for, in seconds
LATE = 3000  # one that must not pass


def payload(till: RestoreHost, name: str, options: dict[str, Any], **variables: Any) -> Payload:
    """A payload under a restore point of its own."""
    lab: Lab = _WHERE["lab"]
    folder: Path = _WHERE["folder"] / f"{till.host.name}-{len(list(_WHERE['folder'].iterdir()))}"
    point = f"{CHANGE}-R1-{till.host.name[-2:]}{len(list(_WHERE['folder'].iterdir()))}"
    folder.mkdir()
    return Payload(lab, till, folder, name, point, options, dict(variables))


def served(till: RestoreHost) -> dict[str, Any]:
    """A service whose configuration is rolled out; its options for payload_config."""
    till.sh("mkdir -p /srv/demo; echo old > /srv/demo/state; chown 65534 /srv/demo/state")
    till.host.write(f"/etc/systemd/system/{UNIT}", SERVICE)
    till.sh(f"systemctl daemon-reload; systemctl start {UNIT}")
    return {
        "files": [
            {"dest": CONF, "content": "colour = green\n", "mode": "0600"},
            {"dest": "/srv/demo/state", "content": "new\n"},
        ],
        "validate": ["grep", "-qv", "broken", "%s"],
        "restart": [UNIT],
        "probes": [
            {
                "name": "page",
                "kind": "http",
                "url": "http://127.0.0.1:8099/state",
                "match": "^new$",
            }
        ],
        "within": 120,
    }


@stage.alone
def a_host_that_lost_its_controller_does_not_wait_for_the_longest_apply(till: RestoreHost) -> None:
    """Killed in the middle of a job: one deadline after the last visit, not after timing.apply."""
    till.host.write(TRIAL_FILE, "old\n")
    script = f"echo half > {TRIAL_FILE}; sleep 3000"
    trial = payload(till, "trial", {"script": script}, payload_deadline=SOON)
    play = trial.started("preflight", "apply")
    till.sees(f"grep -q half {TRIAL_FILE}")
    # From its first visit on the job has the deadline, and no more.
    until(lambda: till.state(trial.point)["deadline"]["granted"] == SOON, "the deadline of a visit")
    play.kill()
    record = till.record(trial.point)
    assert (record["cause"], record["outcome"]) == ("deadline", "restored")
    assert till.sh(f"cat {TRIAL_FILE}") == "old\n"
    # Its job stays until somebody visits it, or for a month.
    assert trial.point in trial.left_behind()


@stage.alone
def nobody_confirms_and_the_host_tells_what_it_did(till: RestoreHost) -> None:
    till.host.write(TRIAL_FILE, "old\n")
    trial = payload(till, "trial", {"script": f"echo new > {TRIAL_FILE}"}, payload_deadline=SOON)
    assert trial.through("preflight", "apply") == ["ready", "applied"]
    record = till.record(trial.point)
    assert record["cause"] == "deadline"
    assert till.sh(f"cat {TRIAL_FILE}") == "old\n"
    probe, late = trial.all(["probe", "judge"])
    assert probe.report == "restored"
    assert probe.detail["restored_at"] == record["ended_at"]
    assert [one["id"] for one in probe.detail["records"]] == [trial.point]
    assert late.report == "restored"
    assert "came too late" in late.own["reason"]["en"]
    # What was restored, and is different again, is not "restored".
    till.host.write(TRIAL_FILE, "somebody\n")
    again = trial.run("probe")
    assert again.report == "residue"
    assert [one["item"] for one in again.detail["residue"]] == [f"file {TRIAL_FILE}"]


@stage.alone
def a_check_that_hangs_ends_with_a_report(till: RestoreHost) -> None:
    till.host.write(TRIAL_FILE, "old\n")
    options = {"script": f"echo new > {TRIAL_FILE}", "hang": 3000}
    hanging = payload(till, "trial", options, payload_deadline=SOON)
    *_before, judged = hanging.all(["preflight", "apply", "judge"])
    assert judged.report == "restored", judged.said
    assert till.sh(f"cat {TRIAL_FILE}") == "old\n"
    assert hanging.left_behind() == ""


@stage.alone
def hardening_goes_forward_and_back_and_touches_nothing_that_is_not_kept(till: RestoreHost) -> None:
    watched = ("/etc/ssh", "/etc/security")
    options = {"controls": ["A01", "B03", "B04"], "skip": ["B04"], "max_risk": "R1"}
    first = payload(till, "baseline", options)
    ready = first.run("preflight")
    assert ready.report == "ready", ready.said
    assert [one["what"].split()[0] for one in ready.detail["changes"]] == ["B03"]
    # Another control begins to fail: its files are not in the restore point.
    till.sh("echo 'minlen = 7' >> /etc/security/pwquality.conf")
    before = till.files(*watched)
    drifted = first.run("apply")
    assert drifted.report == "restored", drifted.said
    assert "which the restore point did not keep" in drifted.own["reason"]["en"]
    assert till.files(*watched) == before

    whole = payload(till, "baseline", options)
    ready, applied, judged = whole.all(["preflight", "apply", "judge"])
    assert judged.report == "verified", judged.said
    assert sorted(applied.detail["applied"]["fixed"]) == ["A01", "B03"]
    assert till.files(*watched) != before
    assert whole.run("undo").report == "restored"
    assert till.files(*watched) == before
    again = payload(till, "baseline", options).run("preflight")
    assert again.detail["changes"] == ready.detail["changes"]


@stage.alone
def nobody_undoes_what_belongs_to_another_change(till: RestoreHost) -> None:
    till.host.write(TRIAL_FILE, "old\n")
    first = payload(till, "trial", {"script": f"echo one > {TRIAL_FILE}"})
    assert first.through("preflight", "apply", "judge") == ["ready", "applied", "verified"]
    other = "GMBG-20260301-002"
    stolen = first.run("undo", payload_change=other)
    assert stolen.report == "failed"
    assert f"belongs to {CHANGE}, not to {other}" in stolen.own["reason"]["en"]
    assert till.sh(f"cat {TRIAL_FILE}") == "one\n"

    # A newer change takes the older one's pack back as well, when it names its owner.
    newer = payload(till, "trial", {"script": f"echo two > {TRIAL_FILE}"}, payload_change=other)
    assert newer.through("preflight", "apply", "judge") == ["ready", "applied", "verified"]
    both = [newer.point, {"id": first.point, "owner": CHANGE}]
    back, told = newer.all(["undo", "probe"], payload_points=both)
    assert (back.report, told.report) == ("restored", "restored"), back.own
    assert [one["outcome"] for one in back.detail["points"]] == ["restored", "restored"]
    assert till.sh(f"cat {TRIAL_FILE}") == "old\n"
    assert newer.run("probe", payload_point="never-there", payload_points=both).report == (
        "untouched"
    )
    assert newer.run("undo", payload_points=["never-there"]).report == "nothing"


@stage.alone
def a_job_outlives_play_and_line_and_is_adopted(till: RestoreHost) -> None:
    script = (
        f"echo begun >> /srv/count; echo token $TRIAL_TOKEN; echo half > {TRIAL_FILE};"
        f"until test -e /srv/go; do sleep 0.2; done; echo new > {TRIAL_FILE}; echo done"
    )
    trial = payload(till, "trial", {"script": script}, payload_deadline=600)
    killed = trial.started("preflight", "apply")
    till.sees("test -s /srv/count")
    killed.kill()
    busy = trial.run("probe")
    assert busy.report == "busy", busy.own
    assert [one["state"] for one in busy.detail["jobs"]] == ["running"]
    before = till.state(trial.point)["deadline"]["due"]

    second = trial.started("apply")
    until(
        lambda: till.state(trial.point)["deadline"]["due"] > before, "extended by the second play"
    )
    # Every login on the host dies, and with it the visit that waits there.
    till.sh("pkill -KILL -f 'sshd: .*notty' || true", check=False)
    till.sees("systemctl is-active -q 'storewarden-job-*'")
    till.sh("touch /srv/go")
    ended = second.end()
    assert ended.report == "applied", ended.said
    assert ended.detail["applied"] == {"adopted": True, "log": ["token ***", "done"]}
    assert till.sh("cat /srv/count") == "begun\n"
    assert "not-for-logs" not in ended.said

    # Once more, as after a lost report: it is not run again.
    assert trial.through("apply", "judge") == ["applied", "verified"]
    assert till.sh("cat /srv/count") == "begun\n"
    assert till.sh(f"cat {TRIAL_FILE}") == "new\n"
    assert trial.left_behind() == ""


@stage.alone
def a_good_configuration_goes_forward_and_all_the_way_back(till: RestoreHost) -> None:
    config = payload(till, "config", served(till), payload_deadline=LATE)
    before = till.files(*WATCHED)
    ready = config.run("preflight")
    assert (ready.report, ready.code) == ("ready", 0), ready.said
    assert [one["what"] for one in ready.detail["changes"]] == [CONF, "/srv/demo/state"]
    assert till.files(*WATCHED) == before
    assert config.run("apply", "--check").report == "applied"
    assert till.files(*WATCHED) == before
    applied, armed, judged, confirmed = config.all(["apply", "probe", "judge", "probe"])
    assert (applied.report, armed.report) == ("applied", "armed"), armed.said
    assert LATE - 1000 < armed.detail["left"] <= LATE
    assert (judged.report, confirmed.report) == ("verified", "confirmed"), judged.own
    assert {one["name"]: one["ok"] for one in judged.detail["probes"]} == {
        "files": True,
        f"unit {UNIT}": True,
        "page": True,
    }
    assert till.timers() == ""
    again = payload(till, "config", config.options).run("preflight")
    assert again.report == "nothing"
    back, told = config.all(["undo", "probe"])
    assert (back.report, told.report, back.code) == ("restored", "restored", 0)
    assert till.files(*WATCHED) == before
    assert till.sh(PAGE) == "old\n"
    assert told.detail["restored_at"] == back.detail["restored_at"]
    assert config.left_behind() == ""


@stage.alone
def what_the_program_does_not_take_changes_nothing(till: RestoreHost) -> None:
    options = served(till)
    options["files"].append({"dest": "/srv/demo/second", "content": "broken\n"})
    config = payload(till, "config", options)
    before = till.files(*WATCHED)
    refused = config.run("preflight")
    assert refused.report == "refused"
    assert refused.code != 0
    assert "/srv/demo/second is not valid" in refused.own["reason"]["en"]
    assert "未通过校验" in refused.own["reason"]["zh"]
    # Nothing was captured, so nothing is armed.
    assert config.through("probe", "apply") == ["untouched", "refused"]
    config.options["colour"] = "green"
    assert "colour is no option" in config.run("preflight").own["reason"]["en"]
    assert till.files(*WATCHED) == before
    assert till.sh(f"test -e {config.pack()} || echo none") == "none\n"
    # Judging what was never armed neither confirms nor undoes anything.
    config.options = {"files": []}
    assert config.run("judge").report == "failed"


@stage.alone
def what_does_not_work_is_taken_back_byte_for_byte(till: RestoreHost) -> None:
    config = payload(till, "config", served(till))
    config.options["probes"][0]["match"] = "^something else$"
    config.options["within"] = 1
    before = till.files(*WATCHED)
    ready, applied, judged = config.all(["preflight", "apply", "judge"])
    assert (ready.report, applied.report) == ("ready", "applied")
    assert (judged.report, judged.code) == ("restored", 2), judged.said
    assert "page: status 200, but the text" in judged.own["reason"]["en"]
    assert [one["ok"] for one in judged.detail["probes"]] == [True, True, False]
    assert till.files(*WATCHED) == before
    assert till.sh(PAGE) == "old\n"
    assert config.left_behind() == ""


@stage.alone
def a_port_that_the_controller_does_not_reach_is_a_reason_to_go_back(till: RestoreHost) -> None:
    """All is well on the host itself."""
    shut = payload(till, "config", served(till), payload_probe_seconds=8)
    before = till.files(*WATCHED)
    *_before, closed = shut.all(["preflight", "apply", "judge"], payload_probe_ports=[22, 9])
    assert closed.report == "restored"
    assert "does not reach port 9 " in closed.own["reason"]["en"]
    assert till.files(*WATCHED) == before


@stage.alone
def a_change_that_fails_half_way_goes_back_at_once(till: RestoreHost) -> None:
    half = payload(till, "config", {**served(till), "check": ["false"]})
    before = till.files(*WATCHED)
    failed = half.through("preflight", "apply")
    assert failed == ["ready", "restored"]
    assert till.files(*WATCHED) == before


@stage.alone
def a_job_that_fails_is_taken_back_with_its_last_words(till: RestoreHost) -> None:
    till.host.write(TRIAL_FILE, "old\n")
    trial = payload(till, "trial", {"script": f"echo x > {TRIAL_FILE}; echo no paper; exit 3"})
    assert trial.run("preflight").report == "ready"
    assert till.sh(f"ls {STAGE}") == f"{trial.point}\n"
    failed = trial.run("apply")
    assert failed.report == "restored", failed.said
    assert "finished with status 3" in failed.own["reason"]["en"]
    assert "no paper" in failed.own["reason"]["en"]
    assert [one["rc"] for one in failed.detail["jobs"]] == [3]
    assert till.sh(f"cat {TRIAL_FILE} /srv/undone") == "old\nyes\n"
    assert trial.left_behind() == ""


@stage.alone
def a_service_that_is_stopped_stays_stopped(till: RestoreHost) -> None:
    config = payload(till, "config", served(till))
    config.options["probes"] = []
    till.sh(f"systemctl stop {UNIT}")
    assert config.through("preflight", "apply", "judge") == ["ready", "applied", "verified"]
    assert till.sh(f"systemctl is-active {UNIT} || true") == "inactive\n"
    assert till.sh("cat /srv/demo/state") == "new\n"
    config.options["restart"] = ["no-such-till"]
    config.options["files"] = [{"dest": CONF, "content": "colour = red\n", "mode": "0600"}]
    other = payload(till, "config", config.options)
    refused = other.run("preflight")
    assert refused.report == "refused"
    assert "there is no unit no-such-till.service" in refused.own["reason"]["en"]


@pytest.fixture(scope="module")
def played(
    lab: Lab, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Future[None]]:
    _WHERE.update(lab=lab, folder=tmp_path_factory.mktemp("payload"))
    return stage.play(lab, chosen(request))


@pytest.mark.parametrize("scene", stage.names)
def test_scene(scene: str, played: Mapping[str, Future[None]]) -> None:
    played[scene].result()
