# SPDX-License-Identifier: GPL-3.0-or-later
"""Getters that ask programs, against real executables that answer like the real ones."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getters import GETTERS
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getters.access import normal
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.probe_error import ProbeError
from tests.unit.plugins.baseline_host import Bench

# -- packages and units ------------------------------------------------------------------------


def test_pkg_lists_what_dpkg_has_installed(bench: Bench) -> None:
    bench.answer(
        "dpkg-query",
        "ii \tlibc6:amd64\t2.36\nrc \ttelnetd\t1\nii \ttelnet\t2\nhi \tnis\t3\nun \trsh\t\n",
    )
    assert bench.look("pkg", names=["libc6", "telnet*", "nis", "rsh"]) == [
        {"name": "libc6", "version": "2.36"},
        {"name": "nis", "version": "3"},
        {"name": "telnet", "version": "2"},
    ]


def test_pkg_falls_back_to_rpm(bench: Bench) -> None:
    bench.answer("dpkg-query", "", 1).answer("rpm", "audit\t3.0.7-1.el9\nbash\t5.1-1.el9\n")
    assert bench.look("pkg", names=["aud*"]) == [{"name": "audit", "version": "3.0.7-1.el9"}]


def test_pkg_without_any_package_tool_is_an_error(bench: Bench) -> None:
    with pytest.raises(ProbeError, match="neither dpkg-query nor rpm"):
        GETTERS["pkg"].look(bench.system(path="/nowhere"), {"names": ["x"]})


def test_pkg_with_a_broken_database_is_an_error(bench: Bench) -> None:
    bench.answer("dpkg-query", "", 2).answer("rpm", "cannot open Packages database", 1)
    with pytest.raises(ProbeError, match="rpm ended with 1"):
        bench.look("pkg", names=["x"])


SHOW = """Id=ssh.service
LoadState=loaded
ActiveState=active
SubState=running
UnitFileState=enabled

Id=nope.service
LoadState=not-found
ActiveState=inactive
SubState=dead
UnitFileState=

Id=x.socket
LoadState=masked
ActiveState=inactive
SubState=dead
UnitFileState=
"""


def test_unit_answers_in_the_order_asked_and_keeps_the_name_asked_for(bench: Bench) -> None:
    bench.answer("systemctl", SHOW)
    found = bench.look("unit", names=["sshd", "nope", "x.socket"])
    assert [(one["name"], one["load"], one["enabled"]) for one in found] == [
        ("sshd.service", "loaded", "enabled"),
        ("nope.service", "not-found", ""),
        ("x.socket", "masked", "masked"),
    ]
    with pytest.raises(ProbeError, match="3 of 1"):
        bench.look("unit", name="sshd")


def test_unit_without_systemd_is_an_error(bench: Bench) -> None:
    bench.script("systemctl", "echo 'System has not been booted with systemd' >&2; exit 1")
    with pytest.raises(ProbeError, match="not been booted with systemd"):
        bench.look("unit", name="sshd")


# -- sshd --------------------------------------------------------------------------------------

SSHD = """spec=
while [ $# -gt 0 ]; do
  case "$1" in -C) spec="$2"; shift;; -oPort=*) echo "port ${1#-oPort=}";; -T) ;; esac
  shift
done
echo 'Ciphers aes256-ctr,aes128-cbc'
case "$spec" in
  *addr=10.9.*) echo 'permitrootlogin yes'; echo 'allowusers a'; echo 'allowusers b';;
  *) echo 'permitrootlogin no';;
esac"""


def test_sshd_shows_what_a_match_block_changes(bench: Bench) -> None:
    bench.script("sshd", SSHD)
    spec = "user=root,host=mgmt,addr=10.9.0.1"
    assert bench.look("sshd", key="PermitRootLogin") == ["no"]
    assert bench.look("sshd", key="permitrootlogin", specs=[spec]) == ["no", "yes"]
    asked = {"user": "root", "host": "mgmt", "addr": "10.9.0.1"}
    assert bench.look("sshd", key="permitrootlogin", specs=[asked]) == ["no", "yes"]
    assert bench.look("sshd", key="allowusers", specs=[spec]) == ["a", "b"]
    assert bench.look("sshd", key="ciphers", split=",") == ["aes256-ctr", "aes128-cbc"]
    assert bench.look("sshd", key="nosuchkey") == []


def test_sshd_is_asked_with_the_options_it_runs_with(bench: Bench) -> None:
    bench.script("sshd", SSHD).files(
        {"/etc/default/ssh": "#SSHD_OPTS=-x\nSSHD_OPTS='-oPort=2222'\n"}
    )
    assert bench.look("sshd", key="port") == ["2222"]


def test_sshd_that_cannot_answer_is_an_error(bench: Bench) -> None:
    bench.script("sshd", "echo 'sshd: no hostkeys available -- exiting.' >&2; exit 1")
    with pytest.raises(ProbeError, match="no hostkeys"):
        bench.look("sshd", key="port")
    with pytest.raises(ProbeError, match="user="):
        bench.look("sshd", key="port", specs=["root; rm"])


# -- listen ------------------------------------------------------------------------------------

# as printed by ss, columns and all
# ruff: noqa: E501
SS = """udp   UNCONN 0      0      127.0.0.53%lo:53        0.0.0.0:*    users:(("systemd-resolve",pid=7,fd=1))
tcp   LISTEN 0      128    0.0.0.0:22         0.0.0.0:*    users:(("sshd",pid=11,fd=3),("systemd",pid=1,fd=4))
tcp   LISTEN 0      128       [::]:22            [::]:*    users:(("sshd",pid=11,fd=4))
tcp   LISTEN 0      4096  [::1]:6379           [::]:*
udp   UNCONN 0      0      [fe80::1%eth0]:546   [::]:*
tcp   LISTEN 0      5         *:8080               *:*    users:(("till app",pid=12,fd=3))
"""


def test_listen(bench: Bench) -> None:
    bench.answer("ss", SS).files(
        {
            "/proc/11/stat": "11 (sshd) S 1 " + "0 " * 17 + "400 0\n",
            "/proc/1/stat": "1 (systemd) S 0 " + "0 " * 17 + "2 0\n",
            "/proc/1/status": "Name:\tsystemd\nUid:\t0\t0\t0\t0\n",
            "/proc/11/status": "Name:\tsshd\nUid:\t0\t0\t0\t0\n",
            "/proc/12/status": "Name:\tx\nUid:\t5\t1000\t5\t5\n",
            "/etc/passwd": "root:x:0:0::/:/bin/sh\ntill:x:1000:1::/:/bin/sh\n",
        }
    )
    found = [tuple(one.values()) for one in bench.look("listen")]
    assert found == [
        ("tcp", "0.0.0.0", 22, "systemd", "root"),  # it opened the socket that sshd serves
        ("tcp", "::", 22, "sshd", "root"),
        ("udp", "fe80::1", 546, None, None),
        ("tcp", "*", 8080, "till app", "till"),
    ]
    assert [one["port"] for one in bench.look("listen", proto="udp", loopback=True)] == [53, 546]
    assert 6379 in [one["port"] for one in bench.look("listen", loopback=True)]


def test_listen_with_output_that_makes_no_sense_is_an_error(bench: Bench) -> None:
    bench.answer("ss", "Error: ipv4: FIB table does not exist\n")
    with pytest.raises(ProbeError, match="ss printed"):
        bench.look("listen")


# -- audit rules -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "listed"),
    [
        ("-w /etc/passwd -p wa -k id", "-w /etc/passwd -p wa -k id"),
        ("-w /etc/passwd -p aw -k id", "-a always,exit -F path=/etc/passwd -F perm=wa -F key=id"),
        ("-w /etc/sudoers.d/ -p wa", "-a always,exit -S all -F dir=/etc/sudoers.d -F perm=wa"),
        (
            "-a exit,always -F arch=b64 -S settimeofday -S adjtimex -k t",
            "-a always,exit -F arch=b64 -S adjtimex,settimeofday -F key=t",
        ),
        (
            "-a always,exit -F arch=b64 -S open -F auid>=1000 -F exit=-EACCES -k x",
            "-a always,exit -F arch=b64  -S open -F auid>=1000 -F exit=-EACCES -F key=x",
        ),
    ],
)
def test_audit_rules_have_one_spelling(written: str, listed: str) -> None:
    assert normal(written) == normal(listed)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("-w /etc/passwd -p wa", "-w /etc/shadow -p wa"),
        ("-w /etc/passwd -p wa", "-w /etc/passwd -p r"),
        (
            "-w /usr/bin/sudo -p x",
            "-a always,exit -F path=/usr/bin/sudo -F perm=x -F auid>=1000",
        ),
        ("-a always,exit -F arch=b64 -S open", "-a never,exit -F arch=b64 -S open"),
        ("-a always,exit -F arch=b64 -S open", "-a always,exit -F arch=b32 -S open"),
    ],
)
def test_audit_rules_that_differ_stay_different(one: str, other: str) -> None:
    assert normal(one) != normal(other)


def test_audit_rules_loaded_and_files(bench: Bench) -> None:
    bench.answer("auditctl", "No rules\n").files(
        {
            "/etc/audit/rules.d/20.rules": "# x\n-w /b -p wa\r\n",
            "/etc/audit/rules.d/10.rules": "-D\n-w /a -p wa\n",
            "/etc/audit/audit.rules": "-w /stale -p wa\n",
        }
    )
    assert bench.look("audit_rules") == []
    files = bench.look("audit_rules", view="files")
    assert [one for one in files if one.startswith("-w")] == ["-w /a -p wa", "-w /b -p wa"]


def test_audit_rules_refused_by_the_kernel_is_an_error(bench: Bench) -> None:
    bench.script("auditctl", "echo 'You must be root to run this program.' >&2; exit 4")
    with pytest.raises(ProbeError, match="permission"):
        bench.look("audit_rules")


# -- cmd ---------------------------------------------------------------------------------------


def test_cmd_parses(bench: Bench) -> None:
    bench.answer("uname", "Linux 6.1\nline two\n").answer("nft", '{"nftables": []}')
    assert bench.look("cmd", argv=["uname", "-a"]) == "Linux 6.1\nline two"
    assert bench.look("cmd", argv=["uname", "-a"], match=r"Linux (\S+)") == "6.1"
    assert bench.look("cmd", argv=["uname", "-a"], match="BSD") is None
    assert bench.look("cmd", argv=["uname", "-a"], parse="lines", match=r"^\w+ \w+$") == [
        "line two"
    ]
    assert bench.look("cmd", argv=["nft", "-j", "list", "tables"], parse="json") == {"nftables": []}
    with pytest.raises(ProbeError, match="JSON"):
        bench.look("cmd", argv=["uname", "-a"], parse="json")


@pytest.mark.parametrize(
    "argv",
    [
        ["rm", "-rf", "/"],
        ["/bin/uname", "-a"],
        ["systemctl", "stop", "ssh"],
        ["systemctl", "show; reboot", "x"][:1],
        ["nft", "flush", "ruleset"],
        ["auditctl", "-D"],
        ["uname", "-a", "; id"],
        ["journalctl", "--vacuum-time=1d"],
        ["ip", "link", "set", "eth0", "down"],
        [],
        "uname -a",
    ],
)
def test_cmd_refuses_what_is_no_question(bench: Bench, argv: Any) -> None:
    bench.answer("rm", "ran").answer("systemctl", "ran").answer("nft", "ran")
    with pytest.raises(ProbeError, match="query"):
        bench.look("cmd", argv=argv)


def test_cmd_return_codes(bench: Bench) -> None:
    bench.answer("systemctl", "inactive\n", 3)
    argv = ["systemctl", "is-active", "x"]
    assert bench.look("cmd", argv=argv, rc_ok=[0, 3]) == "inactive"
    with pytest.raises(ProbeError, match="ended with 3"):
        bench.look("cmd", argv=argv)
    with pytest.raises(ProbeError, match="not installed"):
        bench.look("cmd", argv=["redis-cli", "INFO"])


# -- sql ---------------------------------------------------------------------------------------


def test_sql_sqlite_reads_and_never_writes(bench: Bench) -> None:
    bench.files({"/var/lib/shop/a#b.db": b""})
    connection = sqlite3.connect(bench.root / "var/lib/shop/a#b.db")
    connection.executescript("create table t (k, v); insert into t values ('a', 1), ('b', 2);")
    connection.close()
    query = {"engine": "sqlite", "database": "/var/lib/shop/a#b.db"}
    assert bench.look("sql", statement="SELECT * FROM t ORDER BY k;", **query) == [
        ["a", 1],
        ["b", 2],
    ]
    with pytest.raises(ProbeError, match="no such table"):
        bench.look("sql", statement="select * from nope", **query)
    with pytest.raises(ProbeError, match="does not exist"):
        bench.look("sql", engine="sqlite", database="/nope.db", statement="select 1")
    assert sorted(one.name for one in (bench.root / "var/lib/shop").iterdir()) == ["a#b.db"]


@pytest.mark.parametrize(
    "statement",
    ["DROP TABLE t", "select 1; drop table t", "SELECT 1;;", "explain select 1", "", None],
)
def test_sql_refuses_everything_but_one_question(bench: Bench, statement: Any) -> None:
    with pytest.raises(ProbeError, match="one SELECT or SHOW"):
        bench.look("sql", engine="sqlite", database="/x", statement=statement)


def test_sql_answers_of_show_and_of_a_refusal(bench: Bench) -> None:
    bench.script("runuser", r"printf 'on\037x y\noff\037\n'")
    query = {"statement": "SHOW ssl", "engine": "postgresql"}
    assert bench.look("sql", **query) == [["on", "x y"], ["off", ""]]
    bench.script("mariadb", r"printf 'root\t%%\n'")
    assert bench.look("sql", engine="mariadb", statement="select 1") == [["root", "%"]]
    bench.script("runuser", "echo 'FATAL: role \"x\" does not exist' >&2; exit 2")
    with pytest.raises(ProbeError, match="psql ended with 2"):
        bench.look("sql", **query)
    for bad in ({"user": "a b"}, {"database": "-c"}):
        with pytest.raises(ProbeError, match="query"):
            bench.look("sql", **query, **bad)
