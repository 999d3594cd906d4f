# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a group: rehearsed, without secrets, and with whoever is connected still let in."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.hardening import claims, lockout_ssh
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.lockout import (
    Surroundings,
    judge,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.logged_in import LoggedIn
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.planning import (
    GroupPlan,
    plan_group,
)
from tests.unit.plugins.fix_hosts import ImaginedHost, lines

OPS = LoggedIn("ops", "10.1.1.7", True)
QUALITY = "/etc/security/pwquality.conf.d/50-storewarden.conf"


def control(id: str, *steps: dict[str, Any], risk: str = "R1") -> dict[str, Any]:
    return {"id": id, "risk": risk, "group": "pam", "steps": list(steps)}


def drop_in(path: str, *wanted: str) -> dict[str, Any]:
    return {"kind": "drop_in", "path": path, "lines": list(wanted)}


def planned(host: ImaginedHost, *controls: dict[str, Any]) -> GroupPlan:
    return plan_group(host.look(), list(controls))


# -- the plan ----------------------------------------------------------------------


def test_a_later_control_sees_what_an_earlier_one_would_write() -> None:
    host = ImaginedHost()
    found = planned(
        host,
        control("A01", drop_in(QUALITY, "minlen = 8")),
        control("A02", drop_in(QUALITY, "minlen = 12")),
        control("A03", drop_in(QUALITY, "minlen = 12")),
    )
    first, second, third = found.report()
    assert first["changes"][0]["before"] is None
    assert second["changes"][0] == {
        "what": f"{QUALITY}: minlen",
        "before": "minlen = 8",
        "after": "minlen = 12",
    }
    assert third["changes"] == []
    assert (host.written, host.ran) == ({}, [])


def test_a_control_that_cannot_be_planned_leaves_nothing_behind_in_the_plan() -> None:
    found = planned(
        ImaginedHost(),
        control(
            "A10",
            drop_in(QUALITY, "minlen = 8"),
            {"kind": "setting", "path": "/etc/login.defs", "settings": {"a": "b"}},
        ),
        control("A11", drop_in(QUALITY, "minlen = 8")),
    )
    broken, good = found.report()
    assert broken["changes"] == []
    assert "/etc/login.defs does not exist" in broken["problem"]["en"]
    assert good["changes"][0]["before"] is None
    reasons = found.problems()
    assert reasons is not None
    assert reasons["zh"].startswith("A10：/etc/login.defs 不存在")


def test_secrets_stay_on_the_host() -> None:
    (told,) = planned(
        ImaginedHost(files={"/etc/redis/x.conf": "requirepass tillkey1\n"}),
        control("I01", drop_in("/etc/redis/x.conf", "requirepass tillkey2")),
    ).report()
    assert "tillkey" not in str(told)
    assert told["changes"][0]["before"] != told["changes"][0]["after"]


def test_the_restore_point_gets_each_thing_once() -> None:
    items = claims.union(
        [
            [{"kind": "unit", "name": "ssh", "after_restore": "reload"}],
            [{"kind": "unit", "name": "ssh.service"}, {"kind": "tree", "path": "/srv/a"}],
            [{"kind": "file", "path": "/srv/a/b/c"}, {"kind": "file", "path": "/srv/x/"}],
        ]
    )
    assert items == [
        {"kind": "unit", "name": "ssh.service", "after_restore": "restart"},
        {"kind": "tree", "path": "/srv/a"},
        {"kind": "file", "path": "/srv/x"},
    ]
    assert claims.uncovered([{"kind": "file", "path": "/srv/a/b"}], items) == []
    assert claims.uncovered([{"kind": "file", "path": "/srv/ab"}], items) == ["file /srv/ab"]


# -- who would be locked out -------------------------------------------------------


def verdict(found: GroupPlan, who: LoggedIn = OPS, *nets: str) -> str:
    """The reason in English, empty when nobody is locked out."""
    reason = judge(found, Surroundings(who, nets))
    if reason is None:
        return ""
    assert reason["zh"] != reason["en"]
    return reason["en"]


SUDOERS = {
    "/etc/sudoers": lines("@includedir /etc/sudoers.d"),
    "/etc/sudoers.d/ops": lines("%till-ops ALL=(ALL:ALL) NOPASSWD: ALL"),
    "/etc/passwd": lines("ops:x:1000:1000::/home/ops:/bin/sh"),
    "/etc/group": lines("till-ops:x:900:wang,ops"),
}
AWAY = {"kind": "comment_out", "files": ["/etc/sudoers.d/*"], "match": "NOPASSWD"}


def test_losing_sudo_without_a_password_is_refused() -> None:
    found = planned(ImaginedHost(files=dict(SUDOERS)), control("A19", AWAY))
    assert verdict(found).startswith("A19: ops would lose sudo")
    (told,) = found.report()
    assert "lockout" in told


def test_another_way_to_sudo_is_enough() -> None:
    files = {**SUDOERS, "/etc/sudoers.d/all": lines("ALL ALL=(ALL) NOPASSWD: ALL")}
    step = {**AWAY, "files": ["/etc/sudoers.d/ops"]}
    assert verdict(planned(ImaginedHost(files=files), control("A19", step))) == ""
    host = ImaginedHost(files=dict(SUDOERS))
    assert verdict(planned(host, control("A19", AWAY)), LoggedIn("root", "10.1.1.7", False)) == ""


@pytest.mark.parametrize(
    ("address", "nets", "reason"),
    [
        ("10.1.1.7", ("10.1.0.0/16",), ""),
        ("::ffff:10.1.1.7", ("10.1.0.0/16",), ""),
        ("10.2.1.7", ("10.1.0.0/16",), "outside the management networks 10.1.0.0/16"),
        ("10.2.1.7", (), "set baseline_ssh_mgmt_nets"),
        (None, (), ""),
    ],
)
def test_sources_are_limited_only_when_they_hold_this_connection(
    address: str | None, nets: tuple[str, ...], reason: str
) -> None:
    found = planned(
        ImaginedHost(), control("B10", drop_in("/etc/ssh/x.conf", "AllowUsers *@10.1.0.0/16"))
    )
    # what sshd itself says is another matter; here is no sshd to ask
    said = verdict(found, LoggedIn("ops", address, True), *nets)
    assert reason in said
    assert bool(said) == bool(reason)


def settings(**changed: str) -> dict[str, list[str]]:
    plain = {
        "permitrootlogin": "prohibit-password",
        "passwordauthentication": "yes",
        "kbdinteractiveauthentication": "no",
        "pubkeyauthentication": "yes",
        "authorizedkeysfile": ".ssh/authorized_keys .ssh/authorized_keys2",
        "authorizedkeyscommand": "none",
        "trustedusercakeys": "none",
        "authenticationmethods": "any",
    }
    return {key: [value] for key, value in {**plain, **changed}.items()}


HOME = {
    "/etc/passwd": lines(
        "root:x:0:0::/root:/bin/sh",
        "ops:x:1000:1000::/home/ops:/bin/sh",
        "bare:x:1001:1001::/home/bare:/bin/sh",
    ),
    "/etc/group": lines("ops:x:1000:", "admins:x:900:ops"),
    "/home/ops/.ssh/authorized_keys": lines("# old", "ssh-ed25519 AAAA ops"),
    "/root/.ssh/authorized_keys": lines("", "# nobody"),
}


@pytest.mark.parametrize(
    ("user", "changed", "reason"),
    [
        ("ops", {}, ""),
        ("root", {"permitrootlogin": "no"}, "logs in as root"),
        ("root", {"permitrootlogin": "yes"}, ""),
        ("root", {}, "root has no authorized key"),
        ("ops", {"passwordauthentication": "no"}, ""),
        ("bare", {"passwordauthentication": "no"}, "bare has no authorized key"),
        ("bare", {"passwordauthentication": "no", "trustedusercakeys": "/etc/ca"}, ""),
        ("ops", {"passwordauthentication": "no", "pubkeyauthentication": "no"}, "no authorized"),
        (
            "ops",
            {
                "passwordauthentication": "no",
                "pubkeyauthentication": "no",
                "trustedusercakeys": "/etc/ca",
            },
            "no authorized",
        ),
        ("ops", {"allowusers": "nobody"}, "not be among"),
        ("ops", {"allowusers": "op?"}, ""),
        ("ops", {"allowusers": "ops@10.1.0.0/16"}, ""),
        ("ops", {"allowusers": "ops@192.0.2.0/24"}, "not be among"),
        ("ops", {"allowusers": "* !ops"}, "not be among"),
        ("ops", {"denyusers": "ops"}, "not be among"),
        ("ops", {"allowgroups": "admins wheel"}, ""),
        ("ops", {"allowgroups": "wheel"}, "not be among"),
        ("ops", {"denygroups": "adm*"}, "not be among"),
        ("ops", {"authenticationmethods": "publickey,keyboard-interactive"}, "more than one"),
        ("ops", {"authenticationmethods": "publickey,password publickey"}, ""),
    ],
)
def test_who_gets_in(user: str, changed: dict[str, str], reason: str) -> None:
    system = ImaginedHost(files=HOME).look()
    found = lockout_ssh.shut_out(system, settings(**changed), user, "10.1.1.7")
    text = " ".join(one[1]["en"] for one in found.values())
    assert reason in text
    assert bool(text) == bool(reason)
