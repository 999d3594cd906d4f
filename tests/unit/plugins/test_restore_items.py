# SPDX-License-Identifier: GPL-3.0-or-later
"""Kinds of items below a folder that stands for a host; real hosts are in tests/e2e.

Kernel modules and live audit rules cannot be changed inside a container, so the programs that
change them are scripts here.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.storewarden.ops.plugins.module_utils.restore.comparing import difference
from ansible_collections.storewarden.ops.plugins.module_utils.restore.failures import (
    BadItem,
    CaptureFailed,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.item_files import File
from ansible_collections.storewarden.ops.plugins.module_utils.restore.item_packages import (
    _conffiles,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.mount_calls import flag_bits
from tests.unit.plugins.restore_bench import RestoreBench


@pytest.fixture
def bench(tmp_path: Path) -> RestoreBench:
    return RestoreBench(tmp_path)


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ({"kind": "files", "path": "/x"}, "kind must be one of"),
        ({"kind": "file"}, "path is missing"),
        ({"kind": "file", "path": "etc/x"}, "absolute path"),
        ({"kind": "tree", "path": "/"}, "whole file system"),
        ({"kind": "tree", "path": "/a/.."}, "whole file system"),
        ({"kind": "file", "path": "/x", "mode": "0600"}, "nobody reads mode"),
        ({"kind": "package", "name": "-i"}, "is no name"),
        ({"kind": "package", "name": "lib*"}, "is no name"),
        ({"kind": "package", "name": "apt", "interrupted": "no"}, "interrupted is finish"),
        ({"kind": "unit", "name": "ssh", "after_restore": "stop"}, "after_restore is one of"),
        ({"kind": "sysctl", "name": "net..forward"}, "no setting's name"),
        ({"kind": "sysctl", "name": "../../etc/passwd"}, "no setting's name"),
        ({"kind": "nft", "table": "filter"}, "family and name"),
        ({"kind": "modules", "names": "usb"}, "list of texts"),
        ({"kind": "mounts", "paths": ["mnt"]}, "must be absolute"),
        ({"kind": "account"}, "either a user or a group"),
        ({"kind": "account", "user": "a", "group": "b"}, "either a user or a group"),
        ({"kind": "account", "user": "a:b"}, "is no name"),
        ({"kind": "account", "user": "a", "only": ["hash"]}, "only is about a user's max, warn"),
        ({"kind": "account", "group": "a", "only": ["max"]}, "only is about a user's max, warn"),
    ],
)
def test_an_item_that_cannot_be_meant(
    bench: RestoreBench, item: dict[str, Any], words: str
) -> None:
    with pytest.raises(BadItem, match=words) as caught:
        bench.items(item)
    assert "\n" not in str(caught.value)


def test_an_item_that_several_fixes_name_counts_once(bench: RestoreBench) -> None:
    assert bench.items(
        {"kind": "file", "path": "/etc/x"},
        {"kind": "unit", "name": "ssh", "after_restore": "reload"},
        {"kind": "file", "path": "/etc//y/../x"},
        {"kind": "unit", "name": "ssh.service", "after_restore": "restart"},
        {"kind": "unit", "name": "ssh.service", "after_restore": "leave"},
    ) == [
        {"kind": "file", "path": "/etc/x"},
        {"kind": "unit", "name": "ssh.service", "after_restore": "restart"},
    ]


# Trees

_NAMES = st.sampled_from(["a", "b", "ab", "a.b", "-", "é"])
_TREES = st.recursive(
    st.one_of(
        st.tuples(st.just("file"), st.binary(max_size=9), st.sampled_from([0o600, 0o755, 0o640])),
        st.tuples(st.just("link"), _NAMES),
        st.tuples(st.just("same"), _NAMES),
    ),
    lambda inner: st.tuples(st.just("dir"), st.dictionaries(_NAMES, inner, max_size=4)),
    max_leaves=8,
)


def _make(place: Path, tree: tuple, files: list[Path]) -> None:
    kind, what = tree[0], tree[1]
    if kind == "dir":
        place.mkdir()
        for name, inner in what.items():
            _make(place / name, inner, files)
    elif kind == "link":
        place.symlink_to(what)
    elif kind == "same" and files:
        os.link(files[len(what) % len(files)], place)
    elif kind == "file":
        place.write_bytes(what)
        place.chmod(tree[2])
        files.append(place)


def _seen(place: Path) -> Iterator[tuple]:
    """What lies there, looked at by other means than the code under test."""
    if not os.path.lexists(place):
        return
    inner = sorted(place.rglob("*")) if place.is_dir() and not place.is_symlink() else []
    firsts: dict[int, Path] = {}
    for one in [place, *inner]:
        status = one.lstat()
        content = one.readlink() if one.is_symlink() else one.is_dir() or one.read_bytes()
        first = firsts.setdefault(status.st_ino, one)
        yield one, status.st_mode, content, first


def _lost(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        for one in place.iterdir():
            _lost(one)
        place.rmdir()
    elif os.path.lexists(place):
        place.unlink()


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(before=st.none() | _TREES, after=st.none() | _TREES)
def test_any_tree_becomes_what_it_was(
    tmp_path_factory: pytest.TempPathFactory, before: Any, after: Any
) -> None:
    bench = RestoreBench(tmp_path_factory.mktemp("bench"))
    place = bench.at("/srv/new/it")
    if before:
        place.parent.mkdir(parents=True)
        _make(place, before, [])
    bench.at("/srv").mkdir(exist_ok=True)
    state = list(_seen(bench.at("/srv")))
    pack = bench.captured({"kind": "tree", "path": "/srv/new/it"})
    _lost(place)
    if after:
        place.parent.mkdir(parents=True, exist_ok=True)
        _make(place, after, [])
    record = bench.undone(pack)
    assert record["residue"] == []
    assert list(_seen(bench.at("/srv"))) == state
    assert bench.undone(pack)["touched"] == []


def test_what_is_put_back_has_its_old_time(bench: RestoreBench) -> None:
    place = bench.write("/etc/x", "before")
    os.utime(place, ns=(5, 7_000_000_001))
    pack = bench.captured({"kind": "file", "path": "/etc/x"})
    place.write_text("after")
    bench.undone(pack)
    assert place.stat().st_mtime_ns == 7_000_000_001


def test_an_undo_never_writes_through_a_link_that_was_put_in_the_way(bench: RestoreBench) -> None:
    bench.write("/etc/x/conf", "before")
    outside = bench.write("/root/secret", "mine")
    pack = bench.captured({"kind": "tree", "path": "/etc/x"})
    _lost(bench.at("/etc/x"))
    bench.at("/etc/x").symlink_to(bench.at("/root"))
    assert bench.undone(pack)["residue"] == []
    assert bench.at("/etc/x/conf").read_text() == "before"
    assert (outside.read_text(), list(outside.parent.iterdir())) == ("mine", [outside])


def test_a_link_put_where_a_folder_was_is_named_and_not_followed(bench: RestoreBench) -> None:
    bench.write("/etc/x/conf", "before")
    inside = bench.write("/root/conf", "mine")
    pack = bench.captured({"kind": "file", "path": "/etc/x/conf"})
    _lost(bench.at("/etc/x"))
    bench.at("/etc/x").symlink_to(bench.at("/root"))
    record = bench.undone(pack)
    assert "/etc/x was a folder and is a link now" in record["residue"][0]["error"]
    assert inside.read_text() == "mine"


def test_a_link_put_where_nothing_was_goes_and_what_lies_behind_it_stays(
    bench: RestoreBench,
) -> None:
    behind = bench.write("/root/sub/conf", "mine")
    bench.write("/srv/other", "x")
    pack = bench.captured({"kind": "file", "path": "/srv/new/sub/conf"})
    bench.at("/srv/new").symlink_to(bench.at("/root"))
    assert bench.undone(pack)["residue"] == []
    assert behind.read_text() == "mine"
    assert [one.name for one in bench.at("/srv").iterdir()] == ["other"]


def test_a_second_name_of_a_foreign_file_is_not_dressed(bench: RestoreBench) -> None:
    """Whoever owns the folder may have linked a file of root's, alike in content, into it."""
    place = bench.write("/srv/it", "same")
    place.chmod(0o4777)
    pack = bench.captured({"kind": "tree", "path": "/srv"})
    foreign = bench.write("/usr/it", "same")
    foreign.chmod(0o700)
    place.unlink()
    os.link(foreign, place)
    assert bench.undone(pack)["residue"] == []
    assert place.stat().st_mode & 0o7777 == 0o4777
    assert foreign.stat().st_mode & 0o7777 == 0o700


def test_a_file_that_changes_while_it_is_kept_fails_the_capture(bench: RestoreBench) -> None:
    place = bench.write("/etc/log", "one")
    kind = bench.items({"kind": "file", "path": "/etc/log"})[0]
    context = bench.context()
    Path(context.blobs.folder).mkdir(parents=True)
    state = File().observe(context, kind)
    place.write_text("two")
    with pytest.raises(CaptureFailed, match="changed while it was being captured"):
        File().keep(context, kind, state)


# Kernel settings, modules, audit rules


def test_kernel_settings_with_dots_and_slashes(bench: RestoreBench) -> None:
    forward = bench.write("/proc/sys/net/ipv4/ip_forward", "0\n")
    vlan = bench.write("/proc/sys/net/ipv4/conf/eth0.5/forwarding", "1\t2\n")
    pack = bench.captured(
        {"kind": "sysctl", "name": "net.ipv4.ip_forward"},
        {"kind": "sysctl", "name": "net.ipv4.conf.eth0/5.forwarding"},
        {"kind": "sysctl", "name": "net/ipv4/conf/none/forwarding"},
    )
    forward.write_text("1\n")
    vlan.write_text("7\n")
    assert bench.undone(pack)["residue"] == []
    assert (forward.read_text(), vlan.read_text()) == ("0\n", "1\t2\n")


MODPROBE = """
list=$ROOT/proc/modules
if [ "$1" = -r ]; then
  [ "$2" != busy ] || { echo "modprobe: FATAL: Module busy is in use." >&2; exit 1; }
  grep -v "^$2 " $list > $list.new; cat $list.new > $list; rm $list.new
else
  echo "$1 1 0 - Live 0x0" >> $list
fi
"""


def _modules(bench: RestoreBench, *names: str) -> None:
    bench.write("/proc/modules", "".join(f"{name} 1 0 - Live 0x0\n" for name in names))


def test_modules_that_came_go_and_those_that_went_come(bench: RestoreBench) -> None:
    bench.program("modprobe", MODPROBE)
    _modules(bench, "ext4", "usb_storage")
    pack = bench.captured(
        {"kind": "modules"}, {"kind": "modules", "names": ["usb-storage", "cramfs"]}
    )
    _modules(bench, "ext4", "cramfs", "dccp")
    assert bench.undone(pack)["residue"] == []
    names = [line.split()[0] for line in bench.at("/proc/modules").read_text().splitlines()]
    assert sorted(names) == ["ext4", "usb_storage"]


def test_a_module_in_use_is_residue_and_the_rest_is_restored(bench: RestoreBench) -> None:
    bench.program("modprobe", MODPROBE)
    _modules(bench, "ext4")
    pack = bench.captured({"kind": "modules"})
    _modules(bench, "busy", "dccp", "ext4")
    record = bench.undone(pack)
    assert record["outcome"] == "residue"
    assert "Module busy is in use" in record["residue"][0]["error"]
    assert "dccp" not in bench.at("/proc/modules").read_text()


AUDITCTL = """
list=$ROOT/live
case "$1" in
  -l) [ -s $list ] && cat $list || echo "No rules" ;;
  -D) [ ! -e $ROOT/locked ] || { echo "The audit system is in immutable mode" >&2; exit 1; }
      : > $list ;;
  *) echo "$*" >> $list ;;
esac
"""
RULES = "-w /etc/passwd -p wa -k identity\n-a always,exit -F arch=b64 -S mount -k mounts\n"


def test_audit_rules_in_force_and_as_files(bench: RestoreBench) -> None:
    bench.program("auditctl", AUDITCTL)
    bench.write("/live", RULES)
    bench.write("/etc/audit/rules.d/ours.rules", RULES)
    pack = bench.captured({"kind": "audit_rules"})
    bench.write("/live", "-w /tmp -p r\n")
    bench.at("/etc/audit/rules.d/ours.rules").unlink()
    assert bench.undone(pack)["residue"] == []
    assert bench.at("/live").read_text() == RULES
    assert bench.at("/etc/audit/rules.d/ours.rules").read_text() == RULES


def test_locked_audit_rules_are_residue(bench: RestoreBench) -> None:
    bench.program("auditctl", AUDITCTL)
    bench.write("/live", "")
    pack = bench.captured({"kind": "audit_rules"})
    bench.write("/live", RULES)
    bench.write("/locked", "")
    record = bench.undone(pack)
    assert "immutable" in record["residue"][0]["error"]


def test_options_of_a_mount_point_are_said_exactly() -> None:
    assert flag_bits(["rw", "relatime"]) == 1 << 21
    assert flag_bits(["ro", "nosuid", "nodev", "noexec", "noatime"]) == 1 | 2 | 4 | 8 | 1024
    assert flag_bits(["rw"]) == 1 << 24


def test_configuration_files_of_a_package_as_dpkg_names_them() -> None:
    digest = "0" * 32
    lines = [
        f" /etc/a b {digest}", f" /etc/c {digest} obsolete", " /etc/d newconffile",
        f" /etc/e {digest} obsolete remove-on-upgrade", "", "install",
    ]  # fmt: skip
    assert [one[0] for one in _conffiles(lines)] == ["/etc/a b", "/etc/c", "/etc/d", "/etc/e"]
    assert ["obsolete" in one[2] for one in _conffiles(lines)] == [False, True, False, True]


# Accounts

# What is a line's end to Python's splitlines() is a letter to everybody else.
PASSWD = "root:x:0:0::/root:/bin/sh\nann:x:1:1:A\x85n\u2028n:/:/bin/sh\nbob:x:2:2::/:/bin/sh\n"
GROUP = "root:x:0:\nteam:x:5:bob,ann,cy\nnone:x:6:\n"


def _accounts(bench: RestoreBench) -> dict[str, str]:
    names = ("passwd", "shadow", "group", "gshadow", "subuid", "subgid")
    found = {}
    for name in names:
        place = bench.at(f"/etc/{name}")
        found[name] = place.read_text() if place.exists() else ""
    return found


@pytest.mark.parametrize("files", [
    {"passwd": "root:x:0:0::/root:/bin/sh\nbob:x:2:2::/:/bin/sh\n", "group": "team:x:5:bob,cy\n"},
    {"passwd": PASSWD.replace("ann:x:1", "ann:x:0"), "group": GROUP.replace("x:6:", "x:6:ann")},
    {"passwd": "", "group": ""},
])  # fmt: skip
def test_a_user_comes_back_where_he_stood(bench: RestoreBench, files: dict[str, str]) -> None:
    bench.write("/etc/passwd", PASSWD)
    bench.write("/etc/group", GROUP)
    bench.write("/etc/subuid", "ann:100:5\nann:900:5\n")
    bench.write("/etc/shadow", "ann:$y$hash:1::::::\n").chmod(0o640)
    pack = bench.captured({"kind": "account", "user": "ann"}, {"kind": "account", "group": "team"})
    before = _accounts(bench)
    for name, text in files.items():
        bench.write(f"/etc/{name}", text)
    bench.write("/etc/shadow", "")
    bench.write("/etc/subuid", "")
    assert bench.undone(pack)["residue"] == []
    after = _accounts(bench)
    if files["passwd"]:
        assert after["passwd"] == before["passwd"]
    assert after["passwd"].count("ann:x:1:1") == 1
    assert "team:x:5:bob,ann,cy" in after["group"]
    assert (after["shadow"], after["subuid"]) == (before["shadow"], before["subuid"])
    assert bench.at("/etc/shadow").stat().st_mode & 0o777 == 0o640


def test_only_the_ages_come_back_and_a_password_changed_in_between_stays(
    bench: RestoreBench,
) -> None:
    bench.write("/etc/shadow", "bob:$y$b:5:0:99999:7:::\nann:$y$old:1:0:99999:7:::\n")
    pack = bench.captured({"kind": "account", "user": "ann", "only": ["max", "warn"]})
    bench.write("/etc/shadow", "bob:$y$b:5:0:60:7:::\nann:$y$new:9:0:90:15::20000:\n")
    assert bench.undone(pack)["residue"] == []
    assert bench.at("/etc/shadow").read_text() == (
        "bob:$y$b:5:0:60:7:::\nann:$y$new:9:0:99999:7::20000:\n"
    )


def test_shell_and_end_come_back_alone(bench: RestoreBench) -> None:
    bench.write("/etc/passwd", "ann:x:1:1:Ann:/home/ann:/bin/bash\nbob:x:2:2::/:/bin/sh\n")
    bench.write("/etc/shadow", "ann:$y$old:1:0:90:7:::\n")
    pack = bench.captured(
        {"kind": "account", "user": "ann", "only": ["shell"]},
        {"kind": "account", "user": "ann", "only": ["expires"]},
    )
    bench.write("/etc/passwd", "ann:x:1:1:Ann Lee:/home/ann:/sbin/nologin\nbob:x:2:2::/:/x\n")
    bench.write("/etc/shadow", "ann:$y$new:9:0:60:7::20000:\n")
    assert bench.undone(pack)["residue"] == []
    assert bench.at("/etc/passwd").read_text() == (
        "ann:x:1:1:Ann Lee:/home/ann:/bin/bash\nbob:x:2:2::/:/x\n"
    )
    assert bench.at("/etc/shadow").read_text() == "ann:$y$new:9:0:60:7:::\n"


def test_memberships_come_back_alone(bench: RestoreBench) -> None:
    bench.write("/etc/shadow", "ann:$y$old:1::::::\n")
    bench.write("/etc/group", "wheel:x:10:bob,ann,cy\nteam:x:11:\n")
    bench.write("/etc/gshadow", "wheel:!::bob,ann,cy\nteam:!::\n")
    pack = bench.captured({"kind": "account", "user": "ann", "only": ["groups", "max"]})
    bench.write("/etc/shadow", "ann:$y$new:9::90::::\n")
    bench.write("/etc/group", "wheel:x:10:bob,cy,dan\nteam:x:11:\n")
    bench.write("/etc/gshadow", "wheel:!::bob,cy,dan\nteam:!::\n")
    assert bench.undone(pack)["residue"] == []
    assert bench.at("/etc/group").read_text() == "wheel:x:10:bob,ann,cy,dan\nteam:x:11:\n"
    assert bench.at("/etc/gshadow").read_text() == "wheel:!::bob,ann,cy,dan\nteam:!::\n"
    assert bench.at("/etc/shadow").read_text() == "ann:$y$new:9::::::\n"


def test_no_report_shows_a_password(bench: RestoreBench) -> None:
    bench.write("/etc/passwd", PASSWD)
    bench.write("/etc/shadow", "ann:$y$secretone:1::::::\n")
    item = {"kind": "account", "user": "ann"}
    pack = bench.captured(item)
    bench.write("/etc/shadow", "ann:$y$secrettwo:1::::::\n")
    before = pack.item(0)["state"]
    bench.write("/etc/shadow", "ann:$y$secretthree:1::::::\n")
    now = bench.captured(item, name="other").item(0)["state"]
    text = difference(before, now)
    assert "shadow" in text
    assert "secret" not in text
    bench.at("/etc/shadow").unlink()
    bench.at("/etc/shadow").mkdir()
    assert "secret" not in json.dumps(bench.undone(pack))
