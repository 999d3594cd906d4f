# SPDX-License-Identifier: GPL-3.0-or-later
"""Logs leave the host, stay long enough, and cover what they must; one service keeps the time."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.audit_coverage import (
    uncovered,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getters.access import normal
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.probe_error import ProbeError
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.units import days
from tests.unit.plugins.baseline_host import Bench

_SET, _INIT = {"syscall": "settimeofday"}, {"syscall": "init_module"}
_RUNNING = (
    "for unit; do case $unit in {0}.service) state=active;; *) state=inactive;; esac\n"
    'case $unit in *.service) printf "Id=%s\\nLoadState=loaded\\nActiveState=%s\\n'
    'UnitFileState=enabled\\n\\n" $unit $state;; esac; done'
)


def _targets(bench: Bench, config: str, **files: str) -> Any:
    bench.script("systemctl", _RUNNING.format("rsyslog"))
    bench.files({"/etc/rsyslog.conf": config, **files})
    return bench.look("log_targets")


# -- where logs go ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "seen"),
    [
        ("*.* @logs:515\n", ("logs", "515", False, True)),
        (
            "*.info;mail.none @@(z9)[2001:db8::1]:601;RSYSLOG_SyslogProtocol23Format\n",
            ("2001:db8::1", "601", False, True),
        ),
        ("auth,authpriv.* @@logs\n", ("logs", "514", False, True)),
        ("*.emerg @@logs\n", ("logs", "514", False, False)),
        ("*.*;authpriv.none @@logs\n", ("logs", "514", False, False)),
        (
            'if $programname == "sshd" then action(type="omfwd" target="l")\n',
            ("l", "514", False, True),
        ),
        (
            'if $syslogseverity <= 3 then {\n action(type="omfwd" target="l")\n}\n',
            ("l", "514", False, False),
        ),
        (
            'action(type="OMFWD" Target="l" Port="6514" Protocol="TCP"\n'
            ' streamDriver="ossl" StreamDriverMode="1")',
            ("l", "6514", True, True),
        ),
        ('action(type="omrelp" target="l" port="20514" tls="on")', ("l", "20514", True, True)),
        ('action(type="omrelp" target="l" port="2514")', ("l", "2514", False, True)),
        (
            'action(type="omfwd" target="l" template="a(b)c" protocol="udp"'
            ' StreamDriver="gtls" StreamDriverMode="1")',
            ("l", "514", False, True),
        ),
    ],
)
def test_one_target(bench: Bench, config: str, seen: tuple[str, str, bool, bool]) -> None:
    (found,) = _targets(bench, config)
    assert (found["target"], found["port"], found["tls"], found["logins"]) == seen


@pytest.mark.parametrize(
    "config",
    [
        "# *.* @@logs\n",
        "/* *.* @@logs\n*/\n",
        "*.* -/var/log/syslog\n*.emerg :omusrmsg:*\n",
        "*.* @@127.0.0.1:601\n",
        '*.* action(type="omfwd" target="localhost")\n',
        'action(type="omfile" file="/var/log/x@@y")\n',
        'input(type="imtcp" port="514")\ntemplate(name="t" type="string" string="%msg%\\n")\n',
        'ruleset(name="unused") { action(type="omfile" file="/x") }\n',
    ],
)
def test_no_target(bench: Bench, config: str) -> None:
    assert _targets(bench, config) == []


def test_includes_of_both_kinds_are_followed(bench: Bench) -> None:
    config = (
        '$IncludeConfig /etc/rsyslog.d/*.conf\ninclude(file="/etc/more/*.conf" mode="optional")\n'
    )
    files = {"/etc/rsyslog.d/a.conf": "*.* @@one\n", "/etc/more/b.conf": "*.* @@two\n"}
    bench.files({"/etc/rsyslog.d/a.conf.off": "*.* @@three\n"})
    assert [one["target"] for one in _targets(bench, config, **files)] == ["one", "two"]


def test_an_ampersand_sends_what_the_line_above_sends(bench: Bench) -> None:
    first, second = _targets(bench, "mail.* @@one\n& @@two\n")
    assert (first["logins"], second["logins"]) == (False, False)


def test_a_ruleset_nobody_calls_gets_no_logins(bench: Bench) -> None:
    (found,) = _targets(bench, 'ruleset(name="r") {\n action(type="omfwd" target="l")\n}\n')
    assert found["logins"] is False


def test_a_file_that_includes_itself_ends(bench: Bench) -> None:
    assert _targets(bench, "$IncludeConfig /etc/rsyslog.conf\n*.* @@logs\n")


def test_an_anonymous_peer_is_encrypted_but_not_verified(bench: Bench) -> None:
    config = (
        'action(type="omfwd" target="l" protocol="tcp" StreamDriver="gtls" StreamDriverMode="1"'
        ' StreamDriverAuthMode="anon")'
    )
    (found,) = _targets(bench, config)
    assert (found["tls"], found["verified"]) == (True, False)


@pytest.mark.parametrize(
    ("url", "target", "port", "tls"),
    [
        ("https://logs.example.com", "logs.example.com", "19532", True),
        ("http://logs.example.com:80", "logs.example.com", "80", False),
        ("logs.example.com", "logs.example.com", "19532", True),
        ("https://[2001:db8::1]:443", "2001:db8::1", "443", True),
    ],
)
def test_journal_upload(bench: Bench, url: str, target: str, port: str, tls: bool) -> None:
    bench.script("systemctl", _RUNNING.format("systemd-journal-upload"))
    bench.files({"/etc/systemd/journal-upload.conf": f"[Upload]\nURL={url}\n"})
    (found,) = bench.look("log_targets")
    assert (found["target"], found["port"], found["tls"]) == (target, port, tls)


# -- how far back -------------------------------------------------------------------------------


def test_the_oldest_file_of_each_host_counts(tmp_path: Any, bench: Bench) -> None:
    """find is a command and sees the machine, not the redirected root: both are the same here."""
    folder = tmp_path / "remote"
    for host, name, age in (("a", "x.log", 0), ("a", "x.log.1", 200), ("b", "x.log", 10)):
        place = folder / host / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("x")
        stamp = time.time() - age * 86400
        os.utime(place, (stamp, stamp))
    (folder / "c").mkdir()
    bench.files({str(folder) + "/a/x": ""})
    assert bench.look("oldest_records", directory=str(folder), hosts=["c"]) == [
        {"host": "a", "days": 200.0},
        {"host": "b", "days": 10.0},
        {"host": "c", "days": None},
    ]


def test_a_birth_that_is_no_day_is_an_error(tmp_path: Any, bench: Bench) -> None:
    (tmp_path / "remote" / "a").mkdir(parents=True)
    (tmp_path / "remote" / "a" / "x").write_text("x")
    bench.files({str(tmp_path) + "/remote/a/x": ""})
    with pytest.raises(ProbeError, match="is not a day"):
        bench.look(
            "oldest_records",
            directory=str(tmp_path / "remote"),
            births={"a": "soon"},
            short_of_days=180,
        )


def test_logrotate_for_several_logs(bench: Bench) -> None:
    bench.files(
        {
            "/var/log/a.log": "",
            "/var/log/b.log": "",
            "/etc/logrotate.conf": "/var/log/a.log { daily\n rotate 10\n maxage 5 }\n",
        }
    )
    kept = {
        one["path"]: one["days"]
        for one in bench.look("logrotate", paths=["/var/log/*.log", "/gone"])
    }
    assert kept == {"/var/log/a.log": 5, "/var/log/b.log": 36500}


def test_newest_file_only(bench: Bench) -> None:
    bench.files({"/v/old": "", "/v/new": ""})
    os.utime(bench.root / "v/old", (1, 1))
    assert [one["path"] for one in bench.look("stat", paths=["/v/*"], newest=True)] == ["/v/new"]
    assert bench.look("stat", paths=["/none/*"], newest=True) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [("6month", 182.6), ("180d", 180.0), ("0", 0.0), ("1y", 365.2), ("often", None)],
)
def test_a_time_span_in_days(text: str, expected: float | None) -> None:
    assert days(text) == expected


# -- audit coverage -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "wanted", "covered"),
    [
        ("-w /etc/passwd -p wa -k x", {"path": "/etc/passwd", "perm": "wa"}, True),
        ("-w /etc/passwd -p rwxa", {"path": "/etc/passwd", "perm": "wa"}, True),
        ("-w /etc/passwd -p w", {"path": "/etc/passwd", "perm": "wa"}, False),
        ("-w /etc/passwd -p wa", {"path": "/etc/passwd-"}, False),
        ("-w /etc/sudoers.d/ -p wa", {"path": "/etc/sudoers.d"}, True),
        ("-w /etc -p wa", {"path": "/etc/sudoers.d"}, True),
        ("-w / -p wa", {"path": "/etc/shadow"}, True),
        ("-w /var/run/faillock -p wa", {"path": "/run/faillock"}, True),
        ("-a always,exit -F path=/etc/shadow -F perm=wa -F key=x", {"path": "/etc/shadow"}, True),
        ("-a exit,always -F arch=b64 -S adjtimex -S settimeofday -k t", _SET, True),
        ("-a always,exit -F arch=b64 -S all", _INIT, True),
        ("-a always,exit -F arch=b32 -S init_module", _INIT, False),
        ("-a always,exit -F arch=b64 -S init_module -F auid>=1000 -F auid!=-1", _INIT, True),
        ("-a always,exit -F arch=b64 -S init_module -F auid=1000", _INIT, False),
        ("-a always,exit -F arch=b64 -S init_module -F success=0", _INIT, False),
        ("-a never,exit -F arch=b64 -S init_module", _INIT, False),
        ("-a always,exit -F arch=b64 -S finit_module", _INIT, False),
    ],
)
def test_a_rule_covers(rule: str, wanted: dict[str, str], covered: bool) -> None:
    assert (uncovered([normal(rule)], [wanted]) == []) is covered


def test_never_task_switches_everything_off() -> None:
    rules = [normal(one) for one in ("-a task,never", "-w /etc -p wa")]
    assert uncovered(rules, [{"path": "/etc/passwd"}]) == ["/etc/passwd (wa)"]


def test_coverage_that_names_nothing_is_an_error() -> None:
    with pytest.raises(ProbeError, match="neither path nor syscall"):
        uncovered([], [{"file": "/etc/passwd"}])


# -- kernel modules, time -----------------------------------------------------------------------


def test_only_exposed_modules(bench: Bench) -> None:
    bench.files(
        {
            "/proc/sys/kernel/osrelease": "6.1\n",
            "/proc/modules": "rds 1 0 - Live 0x0\n",
            "/lib/modules/6.1/modules.dep": "kernel/sctp.ko.xz:\nkernel/rds.ko:\nkernel/tipc.ko:\n",
            "/etc/modprobe.d/x.conf": "blacklist tipc\ninstall rds /bin/false\n",
        }
    )
    found = bench.look("kmod", names=["dccp", "rds", "sctp", "tipc"], exposed=True)
    assert [one["name"] for one in found] == ["rds", "sctp"]


def test_the_running_timesyncd_is_asked_before_its_files(bench: Bench) -> None:
    bench.script("systemctl", _RUNNING.format("systemd-timesyncd"))
    bench.answer("timedatectl", "SystemNTPServers=a b\nFallbackNTPServers=pool\n")
    bench.files({"/etc/systemd/timesyncd.conf": "[Time]\nNTP=old\n"})
    assert bench.look("time_sync", view="servers") == ["a", "b"]
    bench.answer("timedatectl", "", 1)
    assert bench.look("time_sync", view="servers") == ["old"]


def test_an_empty_list_of_servers_falls_back(bench: Bench) -> None:
    bench.script("systemctl", _RUNNING.format("systemd-timesyncd")).answer("timedatectl", "", 1)
    bench.files(
        {
            "/etc/systemd/timesyncd.conf": "[Time]\nNTP=a\nFallbackNTP=f\n",
            "/etc/systemd/timesyncd.conf.d/x.conf": "[Time]\nNTP=\n",
        }
    )
    assert bench.look("time_sync", view="servers") == ["f"]
