# SPDX-License-Identifier: GPL-3.0-or-later
"""One group on one host: what is done in which order, and what happens when something fails."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.hardening import (
    listeners,
    settling,
    transaction,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.lockout import Surroundings
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.logged_in import LoggedIn
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.point import Name
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.step import FixFailed
from ansible_collections.storewarden.ops.plugins.module_utils.restore.failures import (
    CaptureFailed,
    Refused,
    RestoreError,
)
from tests.unit.plugins.fix_hosts import APT, ImaginedHost, ss

NOBODY = Surroundings(LoggedIn(None, None, False), ())
CONF = "/etc/till.conf"
FIX = {"kind": "drop_in", "path": CONF, "lines": ["tls = on"]}


class Point:
    """A restore point that writes down what it is told; ``no``: word -> what it raises."""

    def __init__(self, host: ImaginedHost, deadline: float, **no: RestoreError) -> None:
        self.name = Name("rp-1", "C1", None, deadline)
        self.kept: list[dict[str, Any]] = []
        self._host, self._no = host, no
        self._before: dict[str, Any] = {}

    def _say(self, word: str) -> None:
        self._host.ran.append("- " + word)
        if word in self._no:
            raise self._no[word]

    def capture(self, items: list[dict[str, Any]]) -> None:
        self._say("capture")
        self.kept = items
        self._before = dict(self._host.case["files"])

    def arm(self, long: bool) -> None:
        self._say("arm")

    def stands(self) -> bool:
        return self._host.ran.count("- arm") > 0 and "- gone back" not in self._host.ran

    def extend(self) -> None:
        self._say("extend")

    def confirm(self) -> dict[str, Any]:
        self._say("confirm")
        return {"phase": "confirmed"}

    def undo(self) -> dict[str, Any]:
        self._say("undo")
        self._host.case["files"] = dict(self._before)
        return {"record": {"residue": [], "overdue": -20.0}}

    def inspect(self) -> dict[str, Any]:
        return {"phase": "restored", "left": None, "record": {"overdue": 1.5, "residue": []}}

    @contextlib.contextmanager
    def kept_alive(self, wanted: bool) -> Iterator[None]:
        yield


def imagined(**more: Any) -> ImaginedHost:
    case = {"commands": ss(("0.0.0.0:22", "sshd", 5)), "units": {"till": {}}}
    case["files"] = {"/etc/hostname": "", **more.pop("files", {})}
    return ImaginedHost(**{**case, **more})


def tools(host: ImaginedHost, deadline: float = 300.0, **no: RestoreError) -> settling.Tools:
    return settling.Tools(host.look, host, Point(host, deadline, **no))


def controls(*fixes: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"id": f"Z{place:02}", "risk": "R1", "group": "logs", "steps": [fix]}
        for place, fix in enumerate(fixes, 1)
    ]


def test_kept_and_armed_before_and_told_after() -> None:
    host = imagined()
    fix = {**FIX, "check": ["till", "-t"], "load": ["till", "--load"], "reload": "till"}
    work = tools(host)
    answer = transaction.applied(work, controls(fix, {**FIX, "lines": ["port = 9"]}), NOBODY)
    assert answer["outcome"] == "applied"
    assert answer["restore_point"] == "rp-1"
    assert answer["listeners"] == [{"port": 22, "process": "sshd"}]
    assert host.ran == [
        "- capture", "- arm", "till -t", "till --load", "systemctl reload-or-restart till.service",
    ]  # fmt: skip
    assert host.text(CONF).endswith("tls = on\nport = 9\n")
    assert [item["kind"] for item in work.point.kept] == ["file", "unit"]
    assert [one["id"] for one in answer["controls"]] == ["Z01", "Z02"]


def test_an_apply_that_took_long_gives_the_controller_the_deadline_once_more() -> None:
    host = imagined()
    assert transaction.applied(tools(host, 0.0), controls(FIX), NOBODY)["outcome"] == "applied"
    assert host.ran == ["- capture", "- arm", "- extend"]


def test_nothing_to_do_touches_nothing() -> None:
    host = imagined(files={CONF: "tls = on\n"})
    answer = transaction.applied(tools(host), controls(FIX), NOBODY)
    assert (answer["outcome"], answer["restore_point"], host.ran) == ("unchanged", None, [])


def test_a_plan_equals_what_is_done() -> None:
    host = imagined()
    plan = transaction.planned(host.look, controls(FIX), NOBODY)
    assert (plan["outcome"], host.ran) == ("planned", [])
    assert plan["controls"] == transaction.applied(tools(host), controls(FIX), NOBODY)["controls"]


def test_what_would_lock_out_is_refused_before_anything_is_kept() -> None:
    host = imagined()
    (one,) = controls(FIX)
    answer = transaction.applied(
        tools(host), [{**one, "id": "B10"}], Surroundings(LoggedIn("ops", "10.1.1.7", True), ())
    )
    assert answer["outcome"] == "refused"
    assert "baseline_ssh_mgmt_nets" in answer["reason"]["en"]
    assert host.ran == []


@pytest.mark.parametrize(
    ("no", "outcome", "ran"),
    [
        ({"capture": CaptureFailed("no room")}, "failed", ["- capture"]),
        ({"capture": Refused("C2 is live")}, "refused", ["- capture"]),
        ({"arm": RestoreError("no timer")}, "failed", ["- capture", "- arm"]),
    ],
)
def test_without_a_restore_point_nothing_is_changed(
    no: dict[str, RestoreError], outcome: str, ran: list[str]
) -> None:
    host = imagined()
    answer = transaction.applied(tools(host, **no), controls(FIX), NOBODY)
    assert (answer["outcome"], answer["restore_point"]) == (outcome, None)
    assert (host.ran, host.written) == (ran, {})


def test_a_failing_checker_takes_everything_back_and_tells_nobody() -> None:
    host = imagined()
    host.answers["till -t"] = FixFailed("till -t: line 1: no such word")
    answer = transaction.applied(
        tools(host), controls({**FIX, "check": ["till", "-t"], "reload": "till"}), NOBODY
    )
    assert answer["outcome"] == "failed"
    assert "no such word" in answer["reason"]["en"]
    assert "restored_after" not in answer
    assert host.ran[-1] == "- undo"
    assert not any(line.startswith("systemctl") for line in host.ran)
    assert CONF not in host.case["files"]


def test_a_service_that_does_not_come_up_takes_everything_back() -> None:
    host = imagined()

    def dies() -> None:
        host.case["units"]["till"] = {"active": "failed"}

    host.answers["systemctl restart"] = dies
    answer = transaction.applied(tools(host), controls({**FIX, "restart": "till"}), NOBODY)
    assert answer["outcome"] == "failed"
    assert "till.service (failed)" in answer["reason"]["en"]
    assert host.ran[-1] == "- undo"


def test_sshd_and_sudo_are_checked_whatever_the_control_says() -> None:
    host = imagined(files={"/etc/ssh/sshd_config": "", "/etc/sudoers": ""})
    own = {**FIX, "path": "/etc/ssh/sshd_config.d/00-storewarden.conf"}
    other = {**FIX, "path": "/etc/sudoers.d/till", "lines": ["Defaults use_pty"]}
    transaction.applied(tools(host), controls(own, other), NOBODY)
    assert host.ran[2:4] == ["sshd -t", "visudo -c -q"]


def test_a_pam_line_without_its_module_takes_everything_back() -> None:
    host = imagined(files={"/etc/pam.d/sshd": "-auth optional pam_gone.so\n"})
    fix = {**FIX, "path": "/etc/pam.d/su", "lines": ["auth required pam_missing.so"], "key": False}
    answer = transaction.applied(tools(host), controls(fix), NOBODY)
    assert answer["outcome"] == "failed"
    assert "pam_missing.so" in answer["reason"]["en"]
    assert "pam_gone" not in answer["reason"]["en"]
    assert "/etc/pam.d/su" not in host.case["files"]


def test_a_host_that_went_back_meanwhile_is_told_so() -> None:
    host = imagined()
    late = Refused("the extension came too late", {"record": {"overdue": 2.0}})
    answer = transaction.applied(tools(host, 0.0, extend=late), controls(FIX), NOBODY)
    assert (answer["outcome"], answer["restored_after"]) == ("undone", 2.0)


@pytest.mark.parametrize("fails", [False, True])
def test_nothing_more_is_changed_once_the_host_goes_back(fails: bool) -> None:
    """Its undo may be waiting for this very process, so nobody waits for the undo either."""
    host = imagined()
    again = {"kind": "unit", "units": ["till"], "state": "disabled"}
    host.case["units"]["till"] = {"active": "active", "enabled": "enabled"}

    def undo_begins() -> None:
        host.ran.append("- gone back")
        if fails:
            raise FixFailed("ended by the undo")

    host.answers["systemctl"] = undo_begins
    work = tools(host, 0.0)
    answer = transaction.applied(work, controls(again, FIX), NOBODY)
    assert answer["outcome"] == "applied"  # the second visit hears that it is too late
    assert CONF not in host.case["files"]
    assert host.ran[-1] == "- gone back"


def test_confirmed_when_everything_listens() -> None:
    host = imagined()
    before = [{"port": 22, "process": "sshd"}]
    assert settling.confirmed(tools(host), before, 0.0) == {"outcome": "fixed"}
    gone = settling.confirmed(tools(host), [*before, {"port": 80, "process": "nginx"}], 0.0)
    assert gone["outcome"] == "undone"
    assert gone["reason"]["en"] == "no longer listening: 80 (nginx)"


def test_a_late_confirmation_says_how_late_the_host_was() -> None:
    late = Refused("has been undone", {"record": {"overdue": 3.25, "residue": [{"item": "x"}]}})
    answer = settling.confirmed(tools(imagined(), confirm=late), [], 0.0)
    assert (answer["outcome"], answer["restored_after"]) == ("undone", 3.25)
    assert answer["residue"] == [{"item": "x"}]


def test_old_package_lists_are_renewed_once_before_giving_up() -> None:
    host = imagined(packages={}, files={"/usr/bin/apt-get": ""})
    refused = {"rc": 100, "stderr": "E: Unable to locate package clamav\n"}
    found = "Inst clamav (1.0 Debian:12 [amd64])\n"
    simulate = f"{APT} --simulate install clamav"
    host.case["commands"][simulate] = refused
    fix = {"kind": "packages", "present": ["clamav"]}
    answer = transaction.applied(tools(host), controls(fix), NOBODY)
    assert (answer["outcome"], len(host.ran)) == ("refused", 1)
    assert "Unable to locate package clamav" in answer["reason"]["en"]

    host.answers["apt-get -q -o"] = lambda: host.case["commands"].update({simulate: found})
    answer = transaction.applied(tools(host), controls(fix), NOBODY)
    assert answer["outcome"] == "applied"
    assert "--download-only" in host.ran[2]


# -- what listens ------------------------------------------------------------------


def test_what_is_meant_to_stop_need_not_listen_afterwards() -> None:
    commands = ss(
        ("0.0.0.0:22", "sshd", 5),
        ("127.0.0.1:25", "master", 6),
        ("[::]:23", "systemd", 1),
        ("0.0.0.0:111", "rpcbind", 7),
        ("*:6379", "redis-server", 8),
        ("0.0.0.0:40001", "rpc.statd", 9),
    )
    commands["systemctl show --property=Listen telnet.socket"] = "Listen=[::]:23 (Stream)\n"
    host = ImaginedHost(
        commands=commands, files={"/proc/7/cgroup": "0::/system.slice/rpcbind.service\n"}
    )
    found = listeners.standing(host.look(), ("telnet.socket", "rpcbind.service"), (6379,))
    assert found == [{"port": 22, "process": "sshd"}]
