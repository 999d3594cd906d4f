# SPDX-License-Identifier: GPL-3.0-or-later
"""What each kind of fix makes of a host's files, and that it has settled after one turn."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.hardening.kinds import plan
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.own_lines import HEADER
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.step import FixFailed, Step
from tests.unit.plugins.fix_hosts import APT, ImaginedHost, lines, paths, told

CONF = "/etc/ssh/sshd_config.d/00-storewarden.conf"


def made(host: ImaginedHost, **fix: Any) -> Step:
    """The step, made; afterwards the same fix must find nothing to do."""
    step = plan(host.look(), fix)
    step.act(host)
    assert plan(host.look(), fix).changes == ()
    return step


def drop_in(*wanted: str, **more: Any) -> dict[str, Any]:
    return {"kind": "drop_in", "path": CONF, "lines": list(wanted), **more}


# -- drop_in -----------------------------------------------------------------------


def test_a_new_drop_in_says_whose_it_is_and_its_folder_goes_with_an_undo() -> None:
    host = ImaginedHost(files={"/etc/passwd": ""})
    step = made(host, **drop_in("MaxAuthTries 5", reload="ssh.service", check=["sshd", "-t"]))
    assert host.text(CONF) == HEADER + "MaxAuthTries 5\n"
    assert told(step) == [(f"{CONF}: MaxAuthTries", None, "MaxAuthTries 5")]
    assert step.items == (
        {"kind": "tree", "path": "/etc/ssh"},
        {"kind": "unit", "name": "ssh.service", "after_restore": "reload"},
    )
    assert step.checks == (("sshd", "-t"),)
    assert step.reloads == ("ssh.service",)


def test_controls_share_a_file_and_other_lines_stay() -> None:
    host = ImaginedHost(files={CONF: lines("# ours", "LoginGraceTime 60", "MaxAuthTries 9")})
    step = made(host, **drop_in("MaxAuthTries 5"))
    assert host.text(CONF) == lines("# ours", "LoginGraceTime 60", "MaxAuthTries 5")
    assert told(step) == [(f"{CONF}: MaxAuthTries", "MaxAuthTries 9", "MaxAuthTries 5")]
    assert paths(step.items) == [CONF]


def test_a_key_that_stands_twice_is_left_once() -> None:
    host = ImaginedHost(files={CONF: lines("minlen = 8", "minlen=12")})
    step = made(host, **drop_in("minlen = 12"))
    assert host.text(CONF) == lines("minlen = 12")
    assert step.changes[0].before == "minlen = 8 (and again)"


def test_sections_are_kept_apart() -> None:
    path = "/etc/systemd/journald.conf.d/50-storewarden.conf"
    host = ImaginedHost(files={path: lines("[Upload]", "Storage=none", "", "[Journal]", "Seal=no")})
    made(host, **{**drop_in("[Journal]", "Storage=persistent"), "path": path})
    assert host.text(path) == lines(
        "[Upload]", "Storage=none", "", "[Journal]", "Seal=no", "Storage=persistent"
    )


def test_a_match_block_does_not_swallow_a_later_setting() -> None:
    host = ImaginedHost(files={CONF: lines("Match Group wheel", "  MaxAuthTries 2")})
    made(host, **drop_in("MaxAuthTries 5"))
    assert host.text(CONF) == lines("MaxAuthTries 5", "Match Group wheel", "  MaxAuthTries 2")


def test_lines_without_keys_are_added_whole() -> None:
    rules = ("-w /etc/passwd -p wa -k identity", "-w /etc/shadow -p wa -k identity")
    host = ImaginedHost(files={CONF: lines(rules[0])})
    made(host, **drop_in(*rules, key=False))
    assert host.text(CONF) == lines(*rules)


def test_a_key_may_be_an_expression() -> None:
    host = ImaginedHost(files={CONF: lines("Defaults use_pty", "Defaults logfile=/var/log/a")})
    made(host, **drop_in("Defaults logfile=/var/log/b", key=r"^Defaults \w+"))
    assert host.text(CONF) == lines("Defaults use_pty", "Defaults logfile=/var/log/b")


def test_one_file_for_each_folder_that_exists() -> None:
    folders = ("/etc/postgresql/15/main/conf.d", "/etc/postgresql/16/main/conf.d")
    host = ImaginedHost(files={folder + "/x.conf": "" for folder in folders})
    path = "/etc/postgresql/*/main/conf.d/50-storewarden.conf"
    step = made(host, kind="drop_in", path=path, lines=["ssl = on"], restart="postgresql")
    assert paths(step.items) == [folder + "/50-storewarden.conf" for folder in folders]
    assert step.restarts == ("postgresql",)
    with pytest.raises(FixFailed, match="no folder matches"):
        plan(ImaginedHost().look(), {"kind": "drop_in", "path": path, "lines": ["ssl = on"]})


def test_a_mode_is_set_on_a_file_that_is_there() -> None:
    host = ImaginedHost(files={CONF: lines("MaxAuthTries 5")})
    step = made(host, **drop_in("MaxAuthTries 5", mode="0600"))
    assert told(step) == [(f"{CONF}: mode", "0644", "0600")]


def test_a_link_is_kept_with_what_it_leads_to() -> None:
    host = ImaginedHost(files={CONF: {"link": "/srv/sshd.conf"}, "/srv/sshd.conf": "UseDNS no\n"})
    step = plan(host.look(), drop_in("MaxAuthTries 5"))
    assert paths(step.items) == [CONF, "/srv/sshd.conf"]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"kind": "dir"}, "not a regular file"),
        ({"content": "caf\ufffd"}, "not UTF-8"),
        ({"link": "/nowhere"}, "link to nothing"),
    ],
)
def test_what_cannot_be_edited_is_left_alone(given: dict[str, Any], why: str) -> None:
    with pytest.raises(FixFailed, match=why):
        plan(ImaginedHost(files={CONF: given}).look(), drop_in("MaxAuthTries 5"))


# -- file, setting, comment_out, mode ----------------------------------------------


def test_a_whole_file_is_told_as_a_digest() -> None:
    host = ImaginedHost(files={"/etc/x.conf": "old\n"})
    step = made(host, kind="file", path="/etc/x.conf", content="password=hunter2", mode="0600")
    assert host.text("/etc/x.conf") == "password=hunter2\n"
    assert "hunter2" not in str(step.changes)
    assert step.changes[0].before.startswith("1 lines, sha256:")
    assert host.case["files"]["/etc/x.conf"]["mode"] == "0600"


def test_a_setting_is_replaced_in_place_and_later_ones_are_switched_off() -> None:
    path = "/etc/login.defs"
    host = ImaginedHost(
        files={path: lines("PASS_MAX_DAYS\t99999", "PASS_WARN_AGE 7", "PASS_MAX_DAYS 180")}
    )
    step = made(host, kind="setting", path=path, settings={"PASS_MAX_DAYS": 90})
    assert host.text(path) == lines("PASS_MAX_DAYS 90", "PASS_WARN_AGE 7", "# PASS_MAX_DAYS 180")
    assert told(step) == [(f"{path}: PASS_MAX_DAYS", "99999 (set again below)", "90")]


def test_a_missing_setting_goes_behind_its_example() -> None:
    path = "/etc/audit/auditd.conf"
    host = ImaginedHost(files={path: lines("#disk_full_action = HALT", "max_log_file = 8")})
    made(host, kind="setting", path=path, settings={"disk_full_action": "SYSLOG"}, sep=" = ")
    assert host.text(path) == lines(
        "#disk_full_action = HALT", "disk_full_action = SYSLOG", "max_log_file = 8"
    )


def test_a_setting_of_a_longer_name_is_another_one() -> None:
    host = ImaginedHost(files={"/etc/x": lines("minlength = 3", "min = 1")})
    made(host, kind="setting", path="/etc/x", settings={"min": "2"}, sep=" = ")
    assert host.text("/etc/x") == lines("minlength = 3", "min = 2")


def test_a_setting_needs_its_file() -> None:
    with pytest.raises(FixFailed, match="is its package installed"):
        plan(ImaginedHost().look(), {"kind": "setting", "path": "/etc/x", "settings": {"a": "b"}})


def test_lines_that_would_win_are_commented_out() -> None:
    host = ImaginedHost(
        files={
            "/etc/security/pwquality.conf": lines("# minlen = 8", " minlen = 6", "dictcheck = 1"),
            "/etc/security/pwquality.conf.d/50-storewarden.conf": "minlen = 12\n",
        }
    )
    step = made(
        host, kind="comment_out", match=r"^minlen\b",
        files=["/etc/security/pwquality.conf", "/etc/security/pwquality.conf.d/*.conf"],
        keep=["/etc/security/pwquality.conf.d/50-storewarden.conf"],
    )  # fmt: skip
    main = "/etc/security/pwquality.conf"
    assert host.text(main) == lines("# minlen = 8", "#  minlen = 6", "dictcheck = 1")
    assert list(host.written) == [main]
    assert told(step) == [(main, "minlen = 6", None)]


def test_permissions_are_taken_away_and_never_given() -> None:
    host = ImaginedHost(
        files={
            "/etc/ssh/ssh_host_rsa_key": {"content": "", "mode": "0640", "group": "daemon"},
            "/etc/ssh/ssh_host_ed25519_key": {"content": "", "mode": "0400"},
            "/etc/ssh/ssh_host_link_key": {"link": "ssh_host_rsa_key"},
        }
    )
    step = made(host, kind="mode", paths=["/etc/ssh/ssh_host_*_key"], mode="0600", owner="root")
    assert told(step) == [("/etc/ssh/ssh_host_rsa_key: mode", "0640", "0600")]
    assert list(host.modes_given) == ["/etc/ssh/ssh_host_rsa_key"]


# -- sysctl ------------------------------------------------------------------------

OURS = "/etc/sysctl.d/99-zz-storewarden.conf"


def test_a_kernel_setting_is_set_now_and_at_boot() -> None:
    name = "/proc/sys/net/ipv4/conf/"
    host = ImaginedHost(
        files={
            name + "all/rp_filter": "0\n",
            name + "eth0.7/rp_filter": "0\n",
            "/etc/sysctl.d/99-zzz.conf": lines("net.ipv4.conf.*.rp_filter = 0", "vm.swappiness=1"),
        }
    )
    fix = {"kind": "sysctl", "settings": {"net.ipv4.conf.*.rp_filter": "2"}}
    step = plan(host.look(), fix)
    step.act(host)
    assert host.text(OURS) == HEADER + "net.ipv4.conf.*.rp_filter = 2\n"
    assert host.text("/etc/sysctl.d/99-zzz.conf").startswith("# net.ipv4.conf.*.rp_filter = 0")
    assert host.ran == [
        "sysctl -q -w net.ipv4.conf.all.rp_filter=2",
        "sysctl -q -w net/ipv4/conf/eth0.7/rp_filter=2",
    ]
    assert {"kind": "sysctl", "name": "net.ipv4.conf.all.rp_filter"} in step.items


def test_a_setting_that_this_kernel_lacks_is_left_to_the_boot_file() -> None:
    host = ImaginedHost(files={"/etc/sysctl.d/README": ""})
    made(host, kind="sysctl", settings={"net.ipv6.conf.all.forwarding": "0"})
    assert host.ran == []


def test_a_containers_kernel_is_not_ours() -> None:
    mounts = lines(
        "22 1 0:20 / /proc rw,nosuid - proc proc rw",
        "23 22 0:20 /sys /proc/sys ro,nosuid - proc proc rw",
        "24 23 0:20 /sys/net /proc/sys/net rw,nosuid - proc proc rw",
    )
    files = {"/proc/self/mountinfo": mounts, "/proc/sys/kernel/kptr_restrict": "0\n"}
    host = ImaginedHost(files={**files, "/proc/sys/net/ipv4/ip_forward": "1\n"})
    with pytest.raises(FixFailed, match="read-only here"):
        plan(host.look(), {"kind": "sysctl", "settings": {"kernel.kptr_restrict": "1"}})
    fix = {"kind": "sysctl", "settings": {"net.ipv4.ip_forward": "0"}}
    assert plan(host.look(), fix).changes


# -- unit, kmod, packages ----------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "unit", "commands"),
    [
        ("enabled", {"enabled": "disabled", "active": "inactive"}, ["enable --now"]),
        ("enabled", {"active": "inactive"}, ["start"]),
        ("enabled", {"enabled": "static", "active": "active"}, []),
        (
            "enabled",
            {"load": "masked", "enabled": "masked", "active": "inactive"},
            ["unmask", "enable --now"],
        ),
        ("disabled", {}, ["disable --now"]),
        ("disabled", {"enabled": "disabled", "active": "inactive"}, []),
        ("disabled", "absent", []),
        ("masked", {}, ["mask --now"]),
        ("masked", {"load": "masked", "enabled": "masked", "active": "inactive"}, []),
        ("masked", "absent", []),
    ],
)
def test_units(state: str, unit: Any, commands: list[str]) -> None:
    host = ImaginedHost(units={"telnet.socket": unit})
    step = plan(host.look(), {"kind": "unit", "units": ["telnet.socket"], "state": state})
    step.act(host)
    assert host.ran == [f"systemctl {one} telnet.socket" for one in commands]
    assert bool(step.changes) == bool(commands)
    stops = ("telnet.socket",) if commands and state != "enabled" else ()
    assert step.stops == stops


@pytest.mark.parametrize(
    ("condition", "tried", "refused"),
    [
        ("ConditionVirtualization=!container", 7, True),
        ("ConditionPathExists=/etc/till.conf", 7, False),
        ("ConditionVirtualization=!container", 0, False),
    ],
)
def test_a_unit_that_never_runs_on_this_machine(condition: str, tried: int, refused: bool) -> None:
    show = "systemctl show --property=ConditionResult,ConditionTimestampMonotonic till.service"
    host = ImaginedHost(
        units={"till": {"active": "inactive"}},
        commands={
            show: lines("ConditionResult=no", f"ConditionTimestampMonotonic={tried}"),
            "systemctl cat till.service": lines("[Unit]", condition, "[Service]"),
        },
    )
    fix = {"kind": "unit", "units": ["till"], "state": "enabled"}
    if refused:
        with pytest.raises(FixFailed, match="does not run on this machine"):
            plan(host.look(), fix)
    else:
        assert plan(host.look(), fix).changes


def test_a_loaded_module_is_blocked_and_taken_out() -> None:
    host = ImaginedHost(files={"/proc/modules": "dccp 1 0 - Live 0x0\n"})
    fix = {"kind": "kmod", "blocked": ["dccp", "sctp"]}
    step = plan(host.look(), fix)
    step.act(host)
    text = host.text("/etc/modprobe.d/00-storewarden.conf")
    assert lines("install dccp /bin/false", "install sctp /bin/false") in text
    assert host.ran == ["modprobe -r dccp"]
    assert {"kind": "modules", "names": ["dccp"]} in step.items
    host.case["files"]["/proc/modules"] = ""
    assert plan(host.look(), fix).changes == ()


def test_what_goes_with_a_package_is_told_and_kept() -> None:
    said = lines("Remv nfs-common [1:2.6] ", "Remv rpcbind [1.2.6] ")
    host = ImaginedHost(
        packages={"rpcbind": "1.2.6", "nfs-common": "1:2.6"},
        files={"/usr/bin/apt-get": ""},
        commands={
            f"{APT} --simulate install rpcbind-": said,
            "dpkg -L rpcbind": lines("/usr/sbin/rpcbind", "/lib/systemd/system/rpcbind.socket"),
            "dpkg -L nfs-common": "/.\n",
        },
    )
    step = plan(host.look(), {"kind": "packages", "absent": ["rpcbind", "telnet*"]})
    step.act(host)
    assert told(step) == [
        ("package nfs-common", "1:2.6", None),
        ("package rpcbind", "1.2.6", None),
    ]
    assert [item["name"] for item in step.items] == ["nfs-common", "rpcbind", "rpcbind.socket"]
    assert step.stops == ("rpcbind.socket",)
    assert step.long
    assert host.ran == [f"{APT} --no-download install rpcbind-"]


def test_a_package_is_fetched_before_anything_is_armed() -> None:
    said = "Inst clamav (1.0 Debian:12 [amd64])\nConf clamav (1.0 Debian:12 [amd64])\n"
    host = ImaginedHost(
        packages={},
        files={"/usr/bin/apt-get": ""},
        commands={f"{APT} --simulate install clamav": said},
    )
    step = plan(host.look(), {"kind": "packages", "present": ["clamav"]})
    assert told(step) == [("package clamav", None, "1.0")]
    assert step.stage is not None
    step.stage(host)
    assert host.ran == [f"{APT} --download-only install clamav"]


def test_apts_own_words_say_why_not() -> None:
    refused = {"rc": 100, "stderr": "E: Unable to locate package clamav\n"}
    host = ImaginedHost(
        packages={},
        files={"/usr/bin/apt-get": ""},
        commands={f"{APT} --simulate install clamav": refused},
    )
    with pytest.raises(FixFailed, match="Unable to locate package clamav"):
        plan(host.look(), {"kind": "packages", "present": ["clamav"]})


def test_manual_is_never_done_here() -> None:
    with pytest.raises(FixFailed, match="for people"):
        plan(ImaginedHost().look(), {"kind": "manual", "how": {"en": "x", "zh": "人"}})
