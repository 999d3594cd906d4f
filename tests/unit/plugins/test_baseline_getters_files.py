# SPDX-License-Identifier: GPL-3.0-or-later
"""Getters that read files, against real files below a redirected root."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.evaluate import (
    evaluate_control,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.probe_error import ProbeError
from tests.unit.plugins.baseline_host import Bench

CONF = "/etc/app.conf"


# -- kv ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "query", "value"),
    [
        ("minlen = 8\n", {}, "8"),
        ("minlen=8", {}, "8"),
        ("minlen\t8\r\n", {}, "8"),
        ("  minlen = 8  # note\n", {}, "8"),
        ("#minlen = 8\n", {}, None),
        ("minlength = 9\n", {}, None),
        ("minlen = 8\nminlen = 12\n", {}, "12"),
        ("minlen = 8\nminlen = 12\n", {"take": "first"}, "8"),
        ("minlen = 8\nminlen = 12\n", {"take": "all"}, ["8", "12"]),
        ("other = 1\n", {"take": "all"}, []),
        ("minlen\n", {}, None),
        ("minlen\n", {"flag": True}, "true"),
        ("MinLen = 8\n", {}, None),
        ("MinLen = 8\n", {"ignore_case": True}, "8"),
        ("minlen: 8\n", {"sep": r"\s*:\s*"}, "8"),
        ('minlen = "8"\n', {}, "8"),
        ("minlen =\n", {}, ""),
        ("minlen = 1h 30min\n", {"as": "seconds"}, 5400),
        ("minlen = 6month\n", {"as": "seconds"}, 15778800),
        ("minlen = 500M\n", {"as": "bytes"}, 524288000),
        ("minlen = soon\n", {"as": "seconds"}, None),
        ("\ufeffminlen = 8\n", {}, None),
        ("minlen = 8\x0b\nx\x85y\n", {}, "8"),
    ],
)
def test_kv(bench: Bench, text: str, query: dict[str, Any], value: Any) -> None:
    bench.files({CONF: text.encode()})
    assert bench.look("kv", files=[CONF], key="minlen", **query) == value


def test_kv_follows_the_order_given_and_sorts_drop_ins_by_name(bench: Bench) -> None:
    bench.files(
        {
            CONF: "k = main\n",
            "/etc/app.conf.d/9.conf": "k = nine\n",
            "/etc/app.conf.d/10.conf": "k = ten\n",
            "/etc/app.conf.d/.hidden.conf": "k = hidden\n",
            "/etc/app.conf.d/z.conf.bak": "k = backup\n",
        }
    )
    drop_ins = "/etc/app.conf.d/*.conf"
    assert bench.look("kv", files=[CONF, drop_ins], key="k", take="all") == ["main", "ten", "nine"]
    assert bench.look("kv", files=[drop_ins, CONF], key="k") == "main"


def test_absent_files_are_no_value(bench: Bench) -> None:
    assert bench.look("kv", files=["/etc/no", "/no/*.conf"], key="k") is None


def test_a_drop_in_linked_to_dev_null_is_switched_off(bench: Bench) -> None:
    bench.files({"/dev/null": "", "/etc/d/10.conf": "k = 1\n"}).link("/etc/d/20.conf", "/dev/null")
    assert bench.look("kv", files=["/etc/d/*.conf"], key="k") == "1"


def test_links_stay_below_the_root(bench: Bench) -> None:
    bench.files({"/srv/real.conf": "k = inside\n"}).link(CONF, "/srv/real.conf")
    assert bench.look("kv", files=[CONF], key="k") == "inside"
    bench.link("/etc/up.conf", "../../../../../../srv/real.conf")
    assert bench.look("kv", files=["/etc/up.conf"], key="k") == "inside"


@pytest.mark.parametrize("make", ["directory", "pipe", "loop", "huge"])
def test_what_cannot_be_read_is_an_error_never_absent(bench: Bench, make: str) -> None:
    place = bench.root / "etc" / "app.conf"
    place.parent.mkdir(parents=True)
    {
        "directory": place.mkdir,
        "pipe": lambda: os.mkfifo(place),
        "loop": lambda: place.symlink_to("app.conf"),
        "huge": lambda: os.truncate(_touched(place), 5 * 1024 * 1024),
    }[make]()
    with pytest.raises(ProbeError):
        bench.look("kv", files=[CONF], key="k")


def _touched(place: Path) -> Path:
    place.touch()
    return place


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give root up")
def test_a_file_without_permission_is_an_error(bench: Bench) -> None:
    bench.files({"/etc/shadow": "root:*:1::::::\n", "/etc/passwd": "root:x:0:0::/root:/bin/sh\n"})
    (bench.root / "etc/shadow").chmod(0)
    for folder in (bench.root, *bench.root.parents):
        if "pytest" in str(folder):
            folder.chmod(0o755)
    control = {"id": "A16", "check": {"get": "users", "q": {}, "expect": {"present": True}}}
    os.seteuid(65534)
    try:
        result = evaluate_control(bench.system(), control)
    finally:
        os.seteuid(0)
    assert result["verdict"] == "error"
    assert "Permission denied" in result["reason"]["en"]
    assert "权限不足" in result["reason"]["zh"]


# -- ini and lines -----------------------------------------------------------------------------


def test_ini_drop_ins_win_by_name_and_the_first_folder_hides_a_name(bench: Bench) -> None:
    bench.files(
        {
            "/etc/systemd/journald.conf": "[Journal]\n#Storage=auto\nStorage=volatile\n",
            "/etc/systemd/journald.conf.d/20-a.conf": "[Journal]\r\nStorage=persistent\r\n",
            "/usr/lib/systemd/journald.conf.d/20-a.conf": "[Journal]\nStorage=none\n",
            "/usr/lib/systemd/journald.conf.d/10-z.conf": "[Journal]\nStorage=auto\n",
            "/etc/systemd/journald.conf.d/30-b.conf": "[Other]\nStorage=none\n",
        }
    )
    files = [
        "/etc/systemd/journald.conf",
        "/etc/systemd/journald.conf.d/*.conf",
        "/usr/lib/systemd/journald.conf.d/*.conf",
    ]
    query = {"files": files, "section": "Journal", "key": "Storage"}
    assert bench.look("ini", **query) == "persistent"
    assert bench.look("ini", take="all", **query) == ["volatile", "auto", "persistent"]


def test_ini_an_empty_assignment_resets_and_a_backslash_continues(bench: Bench) -> None:
    bench.files({CONF: "[T]\nNTP=a\nNTP=\nNTP=b \\\n  c\nKeep=6month\n"})
    assert bench.look("ini", files=[CONF], section="T", key="NTP", take="all") == ["b c"]
    assert bench.look("ini", files=[CONF], section="T", key="Keep", **{"as": "seconds"}) == 15778800
    assert bench.look("ini", files=[CONF], section="T", key="Nope") is None


def test_lines(bench: Bench) -> None:
    bench.files({"/etc/a": "#x 1\nx 2\r\n  x 3 off\ny 4\nx 5", "/etc/b": "x 6\n"})
    assert bench.look("lines", files=["/etc/*"], match=r"x (\d)", group=1, exclude="off") == [
        "2",
        "5",
        "6",
    ]
    assert bench.look("lines", files=["/etc/a"], match=r"^#x.*", comment="") == ["#x 1"]
    with pytest.raises(ProbeError, match="no group"):
        bench.look("lines", files=["/etc/a"], match="x", group=3)
    with pytest.raises(ProbeError, match="bad regular expression"):
        bench.look("lines", files=["/etc/a"], match="(")


# -- stat --------------------------------------------------------------------------------------


def test_stat(bench: Bench) -> None:
    bench.files({"/etc/ssh/ssh_host_a_key": "k", "/etc/passwd": "shop:x:4711:4711::/:/bin/sh\n"})
    key = bench.root / "etc/ssh/ssh_host_a_key"
    if os.geteuid() == 0:
        os.chown(key, 4711, 0)
    key.chmod(0o4640)
    bench.link("/etc/ssh/ssh_host_b_key", "ssh_host_a_key").link("/etc/ssh/ssh_host_c_key", "none")
    found = bench.look("stat", paths=["/etc/ssh/ssh_host_*_key"])
    assert [one["kind"] for one in found] == ["file", "link", "link"]
    assert (found[0]["mode"], found[0]["size"]) == ("4640", 1)
    if os.geteuid() == 0:
        assert found[0]["owner"] == "shop"
    followed = bench.look("stat", paths=["/etc/ssh/ssh_host_*_key"], follow=True, kinds=["file"])
    assert [one["path"][-5:] for one in followed] == ["a_key", "b_key"]
    assert bench.look("stat", paths=["/nope", "/etc/nope/*"]) == []


# -- sysctl, kmod, mount -----------------------------------------------------------------------

SYSCTL_CASES: list[tuple[dict[str, str], str | None]] = [
    ({}, None),
    ({"/etc/sysctl.d/10-a.conf": "net.ipv4.conf.all.rp_filter=1\n"}, "1"),
    ({"/etc/sysctl.d/10-a.conf": "net/ipv4/conf/all/rp_filter = 1\r\n"}, "1"),
    ({"/etc/sysctl.d/10-a.conf": "-net.ipv4.conf.all.rp_filter = 1"}, "1"),
    ({"/etc/sysctl.d/10-a.conf": "net.ipv4.conf.all.rp_filter=1\n",
      "/usr/lib/sysctl.d/50-d.conf": "net.ipv4.conf.all.rp_filter=2\n"}, "2"),
    ({"/etc/sysctl.d/50-d.conf": "# nothing\n",
      "/usr/lib/sysctl.d/50-d.conf": "net.ipv4.conf.all.rp_filter=2\n"}, None),
    ({"/etc/sysctl.d/90.conf": "net.ipv4.conf.*.rp_filter=0\n",
      "/etc/sysctl.d/10.conf": "net.ipv4.conf.all.rp_filter=1\n"}, "1"),
    ({"/etc/sysctl.d/10.conf": "net.ipv4.conf.*.rp_filter=2\n"}, "2"),
    ({"/etc/sysctl.d/10.conf": "net.ipv4.conf.*.rp_filter=2\n",
      "/etc/sysctl.d/11.conf": "-net.ipv4.conf.all.rp_filter\n"}, None),
    ({"/etc/sysctl.d/10.conf": "net.ipv4.*.rp_filter=2\n"}, None),
    ({"/etc/sysctl.d/10.conf": ";net.ipv4.conf.all.rp_filter=1\n"}, None),
    ({"/etc/sysctl.conf": "net.ipv4.conf.all.rp_filter=1\n"}, None),
]  # fmt: skip


@pytest.mark.parametrize(("files", "persisted"), SYSCTL_CASES)
def test_sysctl_persisted(bench: Bench, files: dict[str, str], persisted: str | None) -> None:
    bench.files({**files, "/proc/sys/net/ipv4/conf/all/rp_filter": "0\n"})
    value = bench.look("sysctl", key="net.ipv4.conf.all.rp_filter")
    assert value == {"runtime": "0", "persisted": persisted}


def test_sysctl_conf_counts_through_the_link_that_debian_makes(bench: Bench) -> None:
    bench.files({"/etc/sysctl.conf": "kernel.x = 1\n"})
    bench.link("/etc/sysctl.d/99-sysctl.conf", "../sysctl.conf")
    assert bench.look("sysctl", key="kernel.x") == {"runtime": None, "persisted": "1"}


def test_sysctl_of_an_interface_with_a_dot(bench: Bench) -> None:
    bench.files({"/proc/sys/net/ipv4/conf/eth0.100/rp_filter": "1\n"})
    assert bench.look("sysctl", key="net.ipv4.conf.eth0/100.rp_filter")["runtime"] == "1"
    assert bench.look("sysctl", key="net/ipv4/conf/eth0.100/rp_filter")["runtime"] == "1"


def test_kmod(bench: Bench) -> None:
    bench.files(
        {
            "/proc/sys/kernel/osrelease": "6.1.0-test\n",
            "/proc/modules": "usb_storage 81920 0 - Live 0x0\nsctp 1 0 - Live 0x0\n",
            "/lib/modules/6.1.0-test/modules.dep": (
                "kernel/net/dccp/dccp.ko.xz: kernel/x.ko\nkernel/drivers/usb-storage.ko:\n"
            ),
            "/lib/modules/6.1.0-test/modules.builtin": "kernel/net/tipc/tipc.ko\n",
            "/etc/modprobe.d/a.conf": "install dccp /bin/false\ninstall usb_storage /bin/true\n",
            "/etc/modprobe.d/b.conf": "blacklist tipc\n#install rds /bin/false\n",
            "/etc/modprobe.d/c.conf": "install sctp /sbin/modprobe --ignore-install sctp\n",
            "/etc/modprobe.d/d.txt": "install rds /bin/false\n",
        }
    )
    found = bench.look("kmod", names=["dccp", "usb-storage", "tipc", "sctp", "rds"])
    table = {one["name"]: (one["loaded"], one["blocked"], one["available"]) for one in found}
    assert table == {
        "dccp": (False, True, True),
        "usb-storage": (True, True, True),
        "tipc": (False, True, True),
        "sctp": (True, False, False),
        "rds": (False, False, False),
    }
    assert "note" not in found[0]


def test_kmod_in_a_container_says_that_there_are_no_modules(bench: Bench) -> None:
    bench.files({"/proc/sys/kernel/osrelease": "6.1.0-test\n"})
    (found,) = bench.look("kmod", names=["dccp"])
    assert found["available"] is False
    assert "6.1.0-test" in found["note"]


def test_mount_answers_for_the_topmost_mount(bench: Bench) -> None:
    bench.files(
        {
            "/proc/self/mountinfo": (
                "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro\n"
                "30 22 0:30 / /tmp rw,nosuid,nodev - tmpfs tmpfs rw,size=1g\n"
                "31 30 0:31 / /tmp rw,noexec master:3 propagate_from:2 - tmpfs over rw\n"
                "32 22 0:32 / /mnt/a\\040b ro - ext4 /dev/sdb ro\n"
            )
        }
    )
    assert bench.look("mount", path="/tmp/") == {
        "source": "over",
        "fstype": "tmpfs",
        "options": ["rw", "noexec"],
    }
    assert bench.look("mount", path="/var/tmp") is None
    assert bench.look("mount", path="/mnt/a b")["fstype"] == "ext4"
    assert "errors=remount-ro" in bench.look("mount", path="/")["options"]


# -- logrotate ---------------------------------------------------------------------------------

ROTATE: list[tuple[str, str, dict[str, Any] | None]] = [
    ("weekly\nrotate 4\n", "/var/log/x.log {\n}\n", {"days": 28, "size_only": False}),
    ("weekly\nrotate 4\n", "/var/log/*.log { daily\n rotate 180 }\n", {"days": 180, "count": 180}),
    ("", "/var/log/x.log {\n rotate 3\n}\n", {"days": None, "size_only": True}),
    ("weekly\n", "/var/log/x.log {\n size 10M\n rotate 99\n}\n", {"size_only": True}),
    ("", '"/var/log/x.log" /b\n{\n monthly\n rotate 6\n}\n', {"days": 180, "period_days": 30}),
    ("", "/var/log/x.log {\n daily\n rotate 365\n maxage 30\n}\n", {"days": 30}),
    ("", "/var/log/x.log {\n daily\n rotate -1\n}\n", {"days": 36500}),
    ("", "/var/log/x.log {\n daily\n rotate 5\n maxsize 1M\n}\n", {"max_size": 1048576}),
    ("", "/a {\n postrotate\n /x {\n daily }\n endscript\n}\n", None),
    ("", "/var/log/x.log.1 {\n daily\n}\n", None),
    ("rotate=7\n", "/var/log/x.log {\r\n\tdaily\r\n}\r\n", {"days": 7}),
]


@pytest.mark.parametrize(("conf", "entry", "expected"), ROTATE)
def test_logrotate(bench: Bench, conf: str, entry: str, expected: dict[str, Any] | None) -> None:
    bench.files(
        {
            "/etc/logrotate.conf": conf + "include /etc/logrotate.d\n",
            "/etc/logrotate.d/app": entry,
            "/etc/logrotate.d/app.dpkg-old": "/var/log/x.log {\n yearly\n rotate 99\n}\n",
        }
    )
    found = bench.look("logrotate", path="/var/log/x.log")
    if expected is None:
        assert found is None
    else:
        assert {name: found[name] for name in expected} == expected


def test_logrotate_globals_of_one_file_do_not_leak_into_the_next(bench: Bench) -> None:
    bench.files(
        {
            "/etc/logrotate.conf": "daily\nrotate 2\ninclude /etc/logrotate.d\n",
            "/etc/logrotate.d/a": "rotate 99\n/a {\n}\n",
            "/etc/logrotate.d/b": "/b {\n}\n",
        }
    )
    assert bench.look("logrotate", path="/a")["days"] == 99
    assert bench.look("logrotate", path="/b")["days"] == 2


def test_logrotate_including_itself_is_an_error(bench: Bench) -> None:
    bench.files({"/etc/logrotate.conf": "include /etc/logrotate.conf\n"})
    with pytest.raises(ProbeError, match="includes itself"):
        bench.look("logrotate", path="/a")
