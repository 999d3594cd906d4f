# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixes of accounts, ageing, sudo and the idle shell: who is changed, and who is left alone."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.hardening.step import FixFailed
from tests.unit.plugins.fix_bench import done, left, planned, told

DAY = 86400
# 2026-01-01 is day 20454 since 1970.
TODAY = 20454
DEFS = "# PASS_MAX_DAYS is explained here\nPASS_MAX_DAYS\t99999\nPASS_WARN_AGE 7\n"


def host(shadow: str, **files: Any) -> dict[str, Any]:
    """A host with root, a system account, a person, a second person and automation."""
    return {
        "files": {
            "/etc/passwd": "root:x:0:0::/root:/bin/bash\n"
            "backup:x:34:34::/var/backups:/bin/sh\n"
            "mei:x:1000:1000::/home/mei:/bin/bash\n"
            "lan:x:1001:1001::/home/lan:/bin/bash\n"
            "robot:x:1002:1002::/home/robot:/bin/bash\n"
            "toor:x:0:0::/root:/bin/bash\n",
            "/etc/group": "root:x:0:\nsudo:x:27:robot,mei\ntemp:x:50:lan\n",
            "/etc/shadow": shadow,
            "/etc/login.defs": DEFS,
            "/usr/sbin/nologin": "",
            **files,
        }
    }


def aged(name: str, days: int, longest: str = "99999") -> str:
    return f"{name}:$y$j9T$abc$def:{TODAY - days}:0:{longest}:7:::\n"


AGING: dict[str, Any] = {
    "kind": "aging",
    "accounts": [{}],
    "max": 90,
    "login_defs": {"PASS_MAX_DAYS": "90"},
    "good": {"PASS_MAX_DAYS": {"between": [1, 90]}},
    "automation": ["robot"],
}


def test_login_defs_and_a_young_password_get_the_maximum() -> None:
    step = planned(host(aged("mei", 10)), **AGING)
    assert told(step) == [
        ("/etc/login.defs: PASS_MAX_DAYS", "99999", "90"),
        ("mei: max days", 99999, 90),
    ]
    hands = done(host(aged("mei", 10)), **AGING)
    assert hands.ran == ["chage -M 90 mei"]
    assert hands.text("/etc/login.defs") == DEFS.replace(
        "PASS_MAX_DAYS\t99999", "PASS_MAX_DAYS\t90"
    )
    # an undo brings the old age back, never a password that was changed in between
    assert {"kind": "account", "user": "mei", "only": ["max", "warn"]} in step.items


def test_stricter_values_stay() -> None:
    defs = DEFS.replace("99999", "60")
    step = planned(host(aged("mei", 10, "45"), **{"/etc/login.defs": defs}), **AGING)
    assert step.changes == ()


def test_a_second_line_of_login_defs_goes() -> None:
    defs = DEFS + "PASS_MAX_DAYS 365\n"
    hands = done(host("", **{"/etc/login.defs": defs, "/etc/shadow": "root:*:1::::::\n"}), **AGING)
    assert [one for one in hands.text("/etc/login.defs").split("\n") if "MAX_DAYS" in one] == [
        "# PASS_MAX_DAYS is explained here",
        "# off, storewarden: PASS_MAX_DAYS\t99999",
        "PASS_MAX_DAYS\t90",
    ]


@pytest.mark.parametrize(
    ("name", "files", "reason"),
    [
        (
            "robot",
            {},
            "robot: its password is 400 days old and would expire at once, but automation",
        ),
        ("root", {}, "it is a system account"),
        ("lan", {"/home/lan/.ssh/authorized_keys": "ssh-ed25519 AAAA lan\n"}, "SSH keys"),
        ("lan", {"/var/spool/cron/crontabs/lan": "0 3 * * * true\n"}, "cron jobs"),
    ],
)
def test_an_old_password_that_programs_depend_on_is_named_and_left(
    name: str, files: dict[str, str], reason: str
) -> None:
    step = planned(host(aged(name, 400), **files), **AGING)
    assert f"{name}: max days" not in [what for what, _before, _after in told(step)]
    assert reason in left(step)


def test_a_person_with_an_old_password_gets_the_maximum() -> None:
    """An empty authorized_keys and a crontab of comments make nobody a program."""
    files = {
        "/home/mei/.ssh/authorized_keys": "# none\n\n",
        "/var/spool/cron/crontabs/mei": "# m h dom mon dow command\n",
    }
    step = planned(host(aged("mei", 400), **files), **AGING)
    assert ("mei: max days", 99999, 90) in told(step)
    assert left(step) == ""


def test_locked_accounts_are_left_alone() -> None:
    step = planned(host("mei:!$y$j9T$abc$def:1:0:99999:7:::\nlan:*:1:0:99999:7:::\n"), **AGING)
    assert [what for what, _b, _a in told(step)] == ["/etc/login.defs: PASS_MAX_DAYS"]


def test_the_first_accepted_method_is_taken_and_old_hashes_are_named() -> None:
    fix: dict[str, Any] = {
        "kind": "aging",
        "accounts": [],
        "login_defs": {"ENCRYPT_METHOD": ["YESCRYPT", "SHA512"]},
        "good": {"ENCRYPT_METHOD": {"in": ["SHA512"]}},
        "stored": ["6"],
    }
    step = planned(host("mei:$1$ab$cd:1::::::\n"), **fix)
    assert told(step) == [("/etc/login.defs: ENCRYPT_METHOD", None, "SHA512")]
    assert left(step) == "mei: its password stays stored as 1 until it is changed"


# -- account ----------------------------------------------------------------------------------


def test_system_accounts_lose_shell_and_password() -> None:
    fix: dict[str, Any] = {
        "kind": "account",
        "no_shell": [{"uid": "<1000", "shell_login": True, "name_not": ["root"]}],
        "lock": [{"uid": "<1000", "password": "usable", "name_not": ["root"]}],
    }
    hands = done(host(aged("backup", 1)), **fix)
    assert hands.ran == [
        "usermod --lock backup",
        "usermod --shell /usr/sbin/nologin backup",
    ]
    step = planned(host(aged("backup", 1)), **fix)
    assert "toor: it has user id 0" in left(step)
    # an undo brings back no more than what was touched
    assert step.items == (
        {"kind": "account", "user": "backup"},
        {"kind": "account", "user": "backup", "only": ["shell"]},
    )


def test_a_system_account_with_keys_keeps_its_shell() -> None:
    files = {"/var/backups/.ssh/authorized_keys": "ssh-ed25519 AAAA pull\n"}
    fix = {"kind": "account", "no_shell": [{"name": "backup"}]}
    step = planned(host("", **files, **{"/etc/shadow": aged("backup", 1)}), **fix)
    assert step.changes == ()
    assert "backup: it logs in with SSH keys" in left(step)


def test_temporary_accounts_end_a_week_after_their_start() -> None:
    fix: dict[str, Any] = {
        "kind": "account",
        "expire": {
            "group": "temp",
            "register": [{"name": "mei", "start": "2026-01-01"}],
            "longer_than": 7,
        },
    }
    step = planned(host(aged("mei", 1) + aged("lan", 1)), **fix)
    assert told(step) == [("mei: account ends", None, "2026-01-08")]
    assert step.items == ({"kind": "account", "user": "mei", "only": ["expires"]},)
    assert "lan: nobody registered when it began" in left(step)
    hands = done(host(aged("mei", 1) + aged("lan", 1)), **fix)
    assert hands.ran == ["chage -E 2026-01-08 mei"]


# -- sudo -------------------------------------------------------------------------------------

MAIN = "Defaults env_reset\nroot ALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n"
SUDO: dict[str, Any] = {
    "kind": "sudoers",
    "path": "/etc/sudoers.d/zz-storewarden",
    "defaults": ["use_pty", 'logfile="/var/log/sudo.log"'],
    "allowed": ["robot"],
}


def sudo_host(rules: str, shadow: str = "", main: str = MAIN) -> dict[str, Any]:
    people = shadow or aged("mei", 1) + aged("lan", 1) + "robot:!:1::::::\n"
    files = {
        "/etc/sudoers": {"content": main, "mode": "0440"},
        "/etc/sudoers.d/site": {"content": rules, "mode": "0440"},
    }
    return host(people, **files)


def site(rules: str, **more: str) -> str:
    return done(sudo_host(rules, **more), **SUDO).text("/etc/sudoers.d/site")


def test_our_defaults_come_last_with_the_mode_that_visudo_wants() -> None:
    hands = done(sudo_host(""), **SUDO)
    assert hands.text("/etc/sudoers.d/zz-storewarden").endswith(
        'Defaults use_pty\nDefaults logfile="/var/log/sudo.log"\n'
    )
    assert hands.case["files"]["/etc/sudoers.d/zz-storewarden"]["mode"] == "0440"
    assert planned(sudo_host(""), **SUDO).checks == (("visudo", "-cf", "/etc/sudoers"),)


def test_without_an_includedir_our_file_is_included_by_name() -> None:
    hands = done(sudo_host("", main="root ALL=(ALL) ALL"), **SUDO)
    assert hands.text("/etc/sudoers") == (
        "root ALL=(ALL) ALL\n#include /etc/sudoers.d/zz-storewarden\n"
    )


@pytest.mark.parametrize(
    ("rules", "after"),
    [
        ("Defaults:mei !use_pty, mail_badpass\n", "Defaults:mei mail_badpass\n"),
        ("Defaults !logfile\n", "# off, storewarden: Defaults !logfile\n"),
        ("mei ALL=(root) NOPASSWD: /bin/ls\n", "mei ALL=(root) /bin/ls\n"),
        ("mei ALL=(root) \\\n  NOPASSWD: /bin/ls\n", "mei ALL=(root) \\\n  /bin/ls\n"),
        ("User_Alias T = mei, lan\nT ALL=NOPASSWD: ALL\n", "User_Alias T = mei, lan\nT ALL=ALL\n"),
        ("Defaults:lan !authenticate\n", "# off, storewarden: Defaults:lan !authenticate\n"),
        ("robot ALL=(ALL) NOPASSWD: ALL\n", "robot ALL=(ALL) NOPASSWD: ALL\n"),
        ("# mei ALL=(ALL) NOPASSWD: ALL\n", "# mei ALL=(ALL) NOPASSWD: ALL\n"),
    ],
)
def test_rules_that_take_it_back_or_spare_the_password(rules: str, after: str) -> None:
    assert site(rules) == after


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        ("mei, robot ALL=(ALL) NOPASSWD: ALL\n", "only mei may not do without a password: split"),
        ("%sudo ALL=(ALL) NOPASSWD: ALL\n", "robot has no password that sudo could ask for"),
        ("ALL ALL=NOPASSWD: /bin/ls\n", "has no password that sudo"),
        ("Defaults !authenticate\n", "has no password that sudo"),
    ],
)
def test_a_rule_that_would_lock_somebody_out_is_named_and_left(rules: str, reason: str) -> None:
    assert site(rules) == rules
    assert reason in left(planned(sudo_host(rules), **SUDO))


def test_files_with_other_modes_are_made_right_since_visudo_refuses_them() -> None:
    given = sudo_host("")
    given["files"]["/etc/sudoers.d/site"] = {"content": "Defaults !use_pty\n", "mode": "0644"}
    assert done(given, **SUDO).modes_given["/etc/sudoers.d/site"] == (0o440, None, None)


# -- idle shells ------------------------------------------------------------------------------


def test_a_condition_keeps_a_body_when_its_line_goes() -> None:
    profile = 'if [ -n "$PS1" ]; then\n  TMOUT=0\nfi\numask 022\n'
    fix: dict[str, Any] = {
        "kind": "shell_timeout",
        "path": "/etc/profile.d/50-storewarden-tmout.sh",
        "seconds": 900,
        "files": ["/etc/profile", "/etc/profile.d/*.sh"],
    }
    given = {"files": {"/etc/profile": profile, "/bin/bash": ""}}
    hands = done(given, **fix)
    assert hands.text("/etc/profile") == (
        'if [ -n "$PS1" ]; then\n# off, storewarden: TMOUT=0\n:\nfi\numask 022\n'
    )
    assert hands.text(fix["path"]).endswith(
        "else\n  TMOUT=900\n  readonly TMOUT\n  export TMOUT\nfi\n"
    )
    assert ("bash", "-n", "/etc/profile") in planned(given, **fix).checks


def test_sudo_with_its_rules_elsewhere_is_left_and_named() -> None:
    given = host("", **{"/etc/shadow": "root:*:1::::::\n"})
    with pytest.raises(FixFailed, match="there is no /etc/sudoers"):
        planned(given, **SUDO)
