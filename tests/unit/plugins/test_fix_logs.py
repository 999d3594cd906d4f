# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixes of logs, audit rules, time, ports, and of tills."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.hardening.kinds import plan
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.step import FixFailed
from tests.unit.plugins.fix_hosts import ImaginedHost, lines, told

GLOBAL = "weekly\nrotate 4\ninclude /etc/logrotate.d\n"
VENDOR = "/etc/logrotate.d/rsyslog"


# -- logrotate ------------------------------------------------------------------------------------


def rotate(text: str, days: int = 180, conf: str = GLOBAL) -> str:
    """What becomes of the vendor's section; a second turn finds nothing to do."""
    host = ImaginedHost(files={"/var/log/auth.log": "", "/etc/logrotate.conf": conf, VENDOR: text})
    fix = {"kind": "logrotate", "logs": ["/var/log/auth.log"], "days": days}
    step = plan(host.look(), fix)
    assert step.checks == (("logrotate", "-d", "/etc/logrotate.conf"),)
    step.act(host)
    assert plan(host.look(), fix).changes == ()
    return host.text(VENDOR)


SECTION = "/var/log/syslog\n/var/log/auth.log\n{{\n{0}\tpostrotate\n\t\trotate 1\n\tendscript\n}}\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("\trotate 4\n\tweekly\n", "\trotate 27\n\tweekly\n"),
        ("\trotate 4\n\tmonthly\n", "\trotate 7\n\tmonthly\n"),
        ("\tdaily\n\trotate 7\n\tmissingok\n", "\tdaily\n\trotate 181\n\tmissingok\n"),
    ],
)
def test_as_many_rotations_as_the_days_take(before: str, after: str) -> None:
    assert rotate(SECTION.format(before)) == SECTION.format(after)


def test_what_the_section_leaves_to_the_global_settings_is_said_in_it() -> None:
    found = rotate("/var/log/auth.log {\n\tcompress\n}\n")
    assert found == "/var/log/auth.log {\n\tcompress\n\trotate 27\n}\n"


def test_sizes_and_a_short_maxage_are_switched_off() -> None:
    found = rotate("/var/log/auth.log {\n\trotate 500\n\tsize 10M\n\tmaxsize 1G\n\tmaxage 30\n}\n")
    assert "# off, storewarden: size 10M\n" in found
    assert "# off, storewarden: maxsize 1G\n" in found
    assert "# off, storewarden: maxage 30\n" in found
    assert "\tweekly\n" in found


def test_a_section_on_one_line_is_spread() -> None:
    found = rotate("/var/log/auth.log { daily\n rotate 7\n }\n")
    assert found == "/var/log/auth.log {\n\tdaily\n rotate 181\n}\n"


def test_a_log_that_is_kept_long_enough_stays_as_it_is() -> None:
    host = ImaginedHost(
        files={
            "/var/log/auth.log": "",
            "/etc/logrotate.conf": "/var/log/*.log { weekly\n rotate 30\n }\n",
        }
    )
    fix = {"kind": "logrotate", "logs": ["/var/log/auth.log"], "days": 180}
    assert plan(host.look(), fix).changes == ()


# -- journald -------------------------------------------------------------------------------------

JOURNAL = "/etc/systemd/journald.conf.d/zz-storewarden.conf"
JOURNALD = {"kind": "journald", "days": 180, "min_bytes": 943718400}


def test_only_what_is_missing_is_set_and_room_is_never_taken_away() -> None:
    host = ImaginedHost(
        files={
            "/etc/systemd/journald.conf": "[Journal]\nSystemMaxUse=20G\nMaxRetentionSec=1month\n"
        }
    )
    step = plan(host.look(), JOURNALD)
    step.act(host)
    assert host.text(JOURNAL).split("\n")[1:] == [
        "[Journal]",
        "Storage=persistent",
        "MaxRetentionSec=0",
        "",
    ]
    assert step.restarts == ("systemd-journald",)
    assert plan(host.look(), JOURNALD).changes == ()


def test_a_drop_in_that_sorts_late_is_beaten() -> None:
    host = ImaginedHost(
        files={"/usr/lib/systemd/journald.conf.d/90-small.conf": "[Journal]\nSystemMaxUse=64M\n"}
    )
    plan(host.look(), JOURNALD).act(host)
    assert "SystemMaxUse=943718400\n" in host.text(JOURNAL)
    assert plan(host.look(), JOURNALD).changes == ()


# -- audit rules ----------------------------------------------------------------------------------

RULES = "/etc/audit/rules.d/50-storewarden.rules"
COVERAGE = {
    "kind": "audit_rules",
    "coverage": [
        {"path": "/etc/passwd", "perm": "wa"},
        {"path": "/var/log/lastlog", "when_present": True},
        {"syscall": "init_module"},
    ],
}


def audited(files: dict[str, Any], loaded: str = "No rules\n", enabled: int = 1) -> ImaginedHost:
    commands = {"auditctl -s": f"enabled {enabled}\n", "auditctl -l": loaded}
    return ImaginedHost(files=files, commands=commands)


def test_only_what_no_other_file_records_is_written() -> None:
    host = audited({"/etc/audit/rules.d/10.rules": "-w /etc/ -p wa -k etc\n"})
    plan(host.look(), COVERAGE).act(host)
    assert [line for line in host.text(RULES).split("\n") if line.startswith("-")] == [
        "-a always,exit -F arch=b64 -S init_module -k storewarden",
        "-a always,exit -F arch=b32 -S init_module -k storewarden",
    ]
    assert host.ran == ["augenrules --load"]
    host.case["commands"]["auditctl -l"] = (
        "-w /etc -p wa\n-a always,exit -F arch=b64 -S init_module\n"
    )
    assert plan(host.look(), COVERAGE).changes == ()


def test_a_path_that_this_system_lacks_is_not_watched() -> None:
    host = audited({"/etc/audit/rules.d/10.rules": "-D\n"})
    plan(host.look(), COVERAGE).act(host)
    assert "lastlog" not in host.text(RULES)
    host = audited({"/var/log/lastlog": "x"})
    plan(host.look(), COVERAGE).act(host)
    assert "-w /var/log/lastlog -p wa -k storewarden\n" in host.text(RULES)


def test_a_rule_that_keeps_every_task_out_goes_and_recording_is_switched_on() -> None:
    host = audited({"/etc/audit/rules.d/10.rules": "-a never,task\n"}, enabled=0)
    plan(host.look(), COVERAGE).act(host)
    assert host.text("/etc/audit/rules.d/10.rules") == "# -a never,task\n"
    assert host.ran == ["augenrules --load", "auditctl -e 1"]


def test_locked_rules_are_refused() -> None:
    with pytest.raises(FixFailed, match="locked until the next boot"):
        plan(audited({}, enabled=2).look(), COVERAGE)


# -- log forwarding -------------------------------------------------------------------------------

FORWARD = "/etc/rsyslog.d/zz-storewarden.conf"


def forward(**more: Any) -> dict[str, Any]:
    return {
        "kind": "log_forward", "target": "logs.example.com", "port": 6514, "ca": "/etc/ssl/ca.pem",
        "peer": "", **more,
    }  # fmt: skip


def sender(**files: str) -> ImaginedHost:
    texts = {"/etc/" + name.replace("__", "/") + ".conf": text for name, text in files.items()}
    return ImaginedHost(files={"/etc/ssl/ca.pem": "x", **texts}, units={"rsyslog": {}})


def test_everything_goes_to_the_server_over_tls() -> None:
    host = sender(rsyslog='include(file="/etc/rsyslog.d/*.conf")\n')
    step = plan(host.look(), forward())
    step.act(host)
    text = host.text(FORWARD)
    for words in (
        'target="logs.example.com" port="6514" protocol="tcp"',
        'StreamDriver="gtls" StreamDriverMode="1" StreamDriverAuthMode="x509/name"',
        'StreamDriverPermittedPeers="logs.example.com"',
        'DefaultNetstreamDriverCAFile="/etc/ssl/ca.pem"',
    ):
        assert words in text
    assert (step.checks, step.restarts) == ((("rsyslogd", "-N1"),), ("rsyslog",))
    assert plan(host.look(), forward()).changes == ()


@pytest.mark.parametrize(
    ("fix", "host", "said"),
    [
        (forward(target=""), sender(), "no central log server is named"),
        (forward(ca="/etc/ssl/other.pem"), sender(), "/etc/ssl/other.pem is not on this host"),
        (forward(target='x" y="z'), sender(), "is no name of a host"),
        (forward(), sender(rsyslog="*.* @@10.0.0.9\n"), "sends to 10.0.0.9 in the clear"),
    ],
)
def test_forwarding_is_refused(fix: dict[str, Any], host: ImaginedHost, said: str) -> None:
    with pytest.raises(FixFailed) as caught:
        plan(host.look(), fix)
    assert said in caught.value.en


# -- time -----------------------------------------------------------------------------------------

SERVICES = ("systemd-timesyncd", "chrony", "chronyd", "ntp", "ntpd", "ntpsec", "openntpd")
CTL = {"/usr/bin/systemctl": {"content": "x", "mode": "0755"}}


def timed(files: dict[str, Any] | None = None, **units: Any) -> ImaginedHost:
    named = {name.replace("_", "-"): one for name, one in units.items()}
    return ImaginedHost(files={**CTL, **(files or {})}, units=named)


def test_the_service_that_runs_is_kept_and_the_others_are_masked() -> None:
    host = timed(chrony={}, systemd_timesyncd={"active": "inactive"})
    step = plan(host.look(), {"kind": "time_sync", "keep": "", "servers": []})
    step.act(host)
    assert host.ran == ["systemctl mask --now systemd-timesyncd.service"]


def test_approved_servers_take_back_what_was_named_before() -> None:
    host = timed(systemd_timesyncd={"active": "inactive", "enabled": "disabled"})
    fix = {"kind": "time_sync", "keep": "", "servers": ["ntp1.example", "ntp2.example"]}
    step = plan(host.look(), fix)
    step.act(host)
    text = host.text("/etc/systemd/timesyncd.conf.d/zz-storewarden.conf")
    assert "NTP=\nNTP=ntp1.example ntp2.example\nFallbackNTP=\n" in text
    assert host.ran == ["systemctl enable --now systemd-timesyncd.service"]
    assert step.restarts == ("systemd-timesyncd",)
    host.case["units"] = {"systemd-timesyncd": {}}
    assert plan(host.look(), fix).changes == ()


def test_chrony_loses_its_own_servers() -> None:
    main = "/etc/chrony/chrony.conf"
    host = timed({main: "pool 2.debian.pool.ntp.org iburst\nmakestep 1 3\n"}, chrony={})
    fix = {"kind": "time_sync", "keep": "chrony", "servers": ["ntp1.example"]}
    plan(host.look(), fix).act(host)
    assert host.text(main) == lines(
        "# pool 2.debian.pool.ntp.org iburst", "makestep 1 3", "server ntp1.example iburst"
    )
    assert plan(host.look(), fix).changes == ()


def test_a_service_that_is_not_there_cannot_be_kept() -> None:
    for fix in ({"keep": "chrony"}, {"keep": ""}):
        with pytest.raises(FixFailed, match=r"is not on this host|no time service"):
            plan(timed().look(), {"kind": "time_sync", "servers": [], **fix})


# -- ports ----------------------------------------------------------------------------------------


def listening(*rows: str, **files: str) -> ImaginedHost:
    cgroups = {
        f"/proc/{name[1:]}/cgroup": f"0::/system.slice/{unit}\n" for name, unit in files.items()
    }
    return ImaginedHost(
        files={**CTL, **cgroups},
        units={"cups": {}, "cups.socket": {}, "till": {}},
        commands={
            "ss -H -lntup": lines(*rows),
            "systemctl show --no-pager --property=Id,Listen -- cups.socket": (
                "Id=cups.socket\nListen=[::]:631 (Stream)\n"
            ),
        },
    )


PORTS = {
    "kind": "close_ports",
    "allowed": [{"port": 22}],
    "unneeded": ["cups.service", "cups.socket"],
}


def test_a_needless_service_is_stopped_with_its_socket_and_another_is_named() -> None:
    host = listening(
        'tcp LISTEN 0 5 0.0.0.0:22 0.0.0.0:* users:(("sshd",pid=7,fd=3))',
        'tcp LISTEN 0 5 0.0.0.0:631 0.0.0.0:* users:(("cupsd",pid=8,fd=3),("systemd",pid=1,fd=9))',
        'tcp LISTEN 0 5 0.0.0.0:9100 0.0.0.0:* users:(("till",pid=9,fd=3))',
        p8="cups.service",
        p9="till.service",
    )
    step = plan(host.look(), PORTS)
    step.act(host)
    assert host.ran == [
        "systemctl disable --now cups.service",
        "systemctl disable --now cups.socket",
    ]
    assert step.closes == (631,)
    assert step.remains[0]["en"] == (
        "port 9100/tcp is held by till.service: stop it, or have the port approved"
    )


def test_a_socket_that_systemd_holds_itself() -> None:
    host = listening('tcp LISTEN 0 5 *:631 *:* users:(("systemd",pid=1,fd=9))')
    assert [one.what for one in plan(host.look(), PORTS).changes] == [
        "unit cups.service",
        "unit cups.socket",
    ]


def test_only_foreign_programs_nothing_is_touched() -> None:
    host = listening('tcp LISTEN 0 5 0.0.0.0:9100 0.0.0.0:* users:(("till",pid=9,fd=3))')
    step = plan(host.look(), PORTS)
    assert step.changes == ()
    assert "is held by till" in step.remains[0]["en"]


# -- tills ----------------------------------------------------------------------------------------


def test_a_cashier_leaves_the_administrators_groups() -> None:
    host = ImaginedHost(
        files={
            "/etc/passwd": "cashier:x:1001:27::/home/cashier:/bin/bash\n",
            "/etc/group": "sudo:x:27:ops\ndocker:x:998:cashier,ops\n",
        }
    )
    fix = {"kind": "membership", "users": ["cashier"], "groups": ["sudo", "docker"]}
    step = plan(host.look(), fix)
    step.act(host)
    assert told(step) == [("cashier: member of docker", True, False)]
    assert host.ran == ["gpasswd -d cashier docker"]
    assert "sudo is the primary group of cashier" in step.remains[0]["en"]
    assert step.items == ({"kind": "account", "user": "cashier", "only": ["groups"]},)


DCONF = {
    "kind": "dconf",
    "settings": {"/org/gnome/desktop/session/idle-delay": "uint32 300"},
    "clear": ["/etc/dconf/db/*.d/*"],
}


def test_a_desktop_setting_is_written_locked_and_compiled() -> None:
    other = "/etc/dconf/db/local.d/50-more"
    host = ImaginedHost(
        files={
            "/usr/bin/dconf": {"content": "x", "mode": "0755"},
            "/etc/dconf/profile/user": "user-db:user\nsystem-db:local\n",
            other: "[org/gnome/desktop/session]\nidle-delay=uint32 3600\n",
        }
    )
    plan(host.look(), DCONF).act(host)
    assert host.text("/etc/dconf/profile/user") == lines(
        "user-db:user", "system-db:storewarden", "system-db:local"
    )
    ours = "/etc/dconf/db/storewarden.d/"
    assert "[org/gnome/desktop/session]\nidle-delay=uint32 300\n" in host.text(
        ours + "00-storewarden"
    )
    assert host.text(ours + "locks/00-storewarden") == lines(
        "/org/gnome/desktop/session/idle-delay"
    )
    assert "# idle-delay=uint32 3600\n" in host.text(other)
    assert host.ran == ["dconf update"]
    host.case["files"]["/etc/dconf/db/storewarden"] = "compiled"
    assert plan(host.look(), DCONF).changes == ()


def test_without_dconf_the_kiosk_has_to_be_declared() -> None:
    with pytest.raises(FixFailed, match="baseline_pos_kiosk_lock_seconds"):
        plan(ImaginedHost().look(), DCONF)
