# SPDX-License-Identifier: GPL-3.0-or-later
"""Apply and undo is nothing done, for every kind of item, on a real host.

Before and after are compared as the host's ordinary tools show them, byte for byte. What cannot
be tried inside a container (modules of the shared kernel, live audit rules) is in the unit tests,
with programs that stand for modprobe and auditctl.
"""

from __future__ import annotations

import base64
import json
import shlex
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.e2e.restore_host import FOLDER, RestoreHost, word
from tests.e2e.restore_scenes import Stage, chosen
from tests.lab.fleet import Lab

pytestmark = [pytest.mark.lab, pytest.mark.slow]
stage = Stage()


@stage.alone
def files_of_every_sort(till: RestoreHost) -> None:
    till.sh(
        "mkdir -p /srv/a/deep; cd /srv/a; echo one > text; echo two > second; ln second third;"
        "ln -s text link; mkfifo pipe; echo x > attr; setfattr -n user.note -v hi attr;"
        "setfacl -m u:cashier:rw,g:ops:r attr; setfacl -d -m u:cashier:r deep; chmod 2750 deep;"
        "echo suid > suid; chown cashier:ops suid; chmod 4711 suid; printf '\\377\\0' > bytes;"
        "touch \"$(printf 'odd\\377\\nname')\"; echo fixed > fixed; chattr +i fixed;"
        "echo alone > /srv/alone; chmod 0601 /srv/alone; echo dir > /srv/b; truncate -s 3M big;"
        "cp /bin/ping cap 2>/dev/null || cp /bin/true cap; setcap cap_net_raw+ep cap || true"
    )
    places = ("/srv/a", "/srv/alone", "/srv/b", "/srv/new")
    before = till.files(*places)
    till.arm(
        {"kind": "tree", "path": "/srv/a"},
        {"kind": "file", "path": "/srv/alone"},
        {"kind": "file", "path": "/srv/b"},
        {"kind": "file", "path": "/srv/new/sub/of/mine.conf"},
        {"kind": "tree", "path": "/srv/newtree"},
        {"kind": "file", "path": "/srv/way/in.conf"},
    )
    till.sh(
        "ln -s /etc /srv/way; cd /srv/a; echo changed > text; rm second; echo other > third;"
        "rm link; mkdir link;"
        "echo in > link/in; rm pipe; echo no > pipe; setfattr -x user.note attr; setfacl -b attr;"
        "rm -r deep; echo file > deep; chmod 0644 suid; chown root:root suid; echo > bytes;"
        "rm -f odd*; chattr -i fixed; echo broken > fixed; chattr +i fixed; rm big; rm cap;"
        "mkdir -p more/than; echo x > more/than/that; chmod 0777 /srv/a; chown ops /srv/a;"
        "rm /srv/alone; ln -s /etc/passwd /srv/alone; rm /srv/b; mkdir /srv/b; echo x > /srv/b/x;"
        "mkdir -p /srv/new/sub/of; echo mine > /srv/new/sub/of/mine.conf;"
        "mkdir -p /srv/newtree/x; chattr +i /srv/newtree/x"
    )
    assert till.files(*places) != before
    report = till.must("undone")
    assert (report["phase"], report["residue"]) == ("restored", [])
    assert till.files(*places) == before
    assert till.sh("ls -d /srv/new /srv/newtree /srv/way; true") == ""
    assert till.sh("cat /etc/passwd | head -1").startswith("root:")


_DEBS = r"""
build() {  # name version depends
  d=/root/build/$1_$2; mkdir -p $d/DEBIAN $d/etc/$1 $d/usr/share/$1
  printf 'Package: %s\nVersion: %s\nArchitecture: all\n' $1 $2 > $d/DEBIAN/control
  echo 'Maintainer: x <x@x.example>' >> $d/DEBIAN/control
  [ -z "$3" ] || echo "Depends: $3" >> $d/DEBIAN/control
  echo 'Description: a part of a test' >> $d/DEBIAN/control
  echo "setting of $2" > $d/etc/$1/conf; echo /etc/$1/conf > $d/DEBIAN/conffiles
  echo $2 > $d/usr/share/$1/version
  # The newer version brings a configuration file that the older one does not know.
  if [ $1-$2 = sw-own-2 ]; then
    echo x > $d/etc/sw-own/more; echo /etc/sw-own/more >> $d/DEBIAN/conffiles
  fi
  dpkg-deb --root-owner-group -Znone --build $d /root/debs/$1_$2_all.deb >/dev/null
}
mkdir -p /root/debs
"""


@stage.alone
def packages_go_back_together_and_new_ones_go(till: RestoreHost) -> None:
    till.sh(
        _DEBS + "build sw-lib 1:1.0 ''; build sw-lib 1:2.0 '';"
        "build sw-app 1.0 'sw-lib (= 1:1.0)'; build sw-app 2.0 'sw-lib (= 1:2.0)';"
        "build sw-more 1 ''; build sw-late 1 'sw-app'; build sw-own 1 ''; build sw-own 2 '';"
        "cd /root/debs; mv sw-lib_1:1.0_all.deb sw-lib_1%3a1.0_all.deb;"
        "dpkg -i sw-lib_1%3a*.deb sw-app_1*.deb sw-more*.deb sw-own_1*.deb;"
        "echo 'ours' > /etc/sw-own/conf; apt-mark auto sw-lib; apt-mark hold sw-app;"
        "apt-get update -q; apt-get install -yq storewarden-demo-pos=1.0"
    )  # fmt: skip
    look = (
        "dpkg-query -W -f '${Package} ${Version} ${db:Status-Abbrev}\\n' 'sw-*' 'storewarden*';"
        "apt-mark showhold; apt-mark showauto | grep ^sw-;"
        "systemctl is-active storewarden-demo-pos; /usr/lib/storewarden-demo-pos/till --version;"
        "cat /etc/sw-*/*; stat -c '%n %a %U' /etc/sw-*/*; cat /usr/share/sw-*/version"
    )
    before = till.sh(look)
    names = ("sw-lib", "sw-app", "sw-more", "sw-late", "sw-own", "storewarden-demo-pos")
    packages = [{"kind": "package", "name": name} for name in names]
    unit = {"kind": "unit", "name": "storewarden-demo-pos"}
    till.must("captured", items=[*packages, unit], package_sources=["/root/debs"])
    till.must("armed")
    till.sh(
        "cd /root/debs; dpkg -i --force-hold sw-lib_1:2*.deb sw-app_2*.deb; dpkg -P sw-more;"
        "dpkg -i sw-late*.deb; dpkg -i --force-confnew sw-own_2*.deb; echo x > /etc/sw-own/conf;"
        "apt-mark manual sw-lib; apt-mark unhold sw-app; rm -rf /root/debs;"
        "apt-get install -yq storewarden-demo-pos=1.1; rm -rf /var/lib/apt/lists/*"
    )
    assert "2.0" in till.sh(look, check=False)
    report = till.must("undone")
    assert (report["phase"], report["residue"]) == ("restored", [])
    assert till.sh(look) == before
    assert "sw-late" not in before


# What dpkg-repack does, which comes with a compiler's worth of packages: a package file made anew
# from what is installed. It counts only when it names itself as the very version that is.
_REPACK = r"""#!/bin/sh
set -e
d=$(mktemp -d); mkdir $d/DEBIAN
dpkg-query -W -f 'Package: ${Package}\nVersion: ${Version}\nArchitecture: ${Architecture}\n' $1 \
  > $d/DEBIAN/control
printf 'Maintainer: x <x@x.example>\nDescription: rebuilt\n' >> $d/DEBIAN/control
dpkg-query -W -f '${Conffiles}\n' $1 | awk 'NF {print $1}' > $d/DEBIAN/conffiles
dpkg -L $1 | while read -r f; do [ ! -f "$f" ] || install -D -m 644 "$f" "$d$f"; done
dpkg-deb --root-owner-group --build $d "$1_rebuilt.deb"
"""


@stage.alone
def a_package_file_comes_out_of_the_cache_or_is_rebuilt(till: RestoreHost) -> None:
    till.host.write("/usr/bin/dpkg-repack", _REPACK, mode=0o755)
    till.sh(
        _DEBS + "for name in sw-kept sw-made; do build $name 1 ''; build $name 2 ''; done;"
        "cd /root/debs; dpkg -i *_1_all.deb; mkdir -p /var/cache/apt/archives;"
        # The other one in the cache has the right name and another version inside.
        "mv sw-kept_1_all.deb /var/cache/apt/archives/; rm sw-made_1_all.deb;"
        "cp sw-made_2_all.deb /var/cache/apt/archives/sw-made_1_all.deb"
    )
    look = (
        "dpkg-query -W -f '${Package} ${Version} ${db:Status-Abbrev}\\n' 'sw-*';"
        "cat /etc/sw-*/* /usr/share/sw-*/version; dpkg --verify sw-kept sw-made"
    )
    before = till.sh(look)
    names = ("sw-kept", "sw-made")
    till.must("captured", items=[{"kind": "package", "name": name} for name in names])
    told = till.sh(f"cat {FOLDER}/rp/items/*.json; rm -r /var/cache/apt/archives")
    assert [place in told for place in ('"cache"', '"rebuilt"')] == [True, True], told
    till.must("armed")
    till.sh("dpkg -i /root/debs/*_2_all.deb; rm -r /root/debs")
    assert till.sh(look) != before
    report = till.must("undone")
    assert (report["phase"], report["residue"]) == ("restored", [])
    assert till.sh(look) == before


@stage.tidy
def a_package_whose_old_file_cannot_be_had_fails_the_capture(till: RestoreHost) -> None:
    said = till.say("captured", items=[{"kind": "package", "name": "bash"}])
    assert said["failed"]
    assert "bash" in said["text"]
    assert "5.2" in said["text"]
    assert till.sh(f"ls -A {FOLDER}").split() == [".lock", "fence.json"]


_UNITS = r"""
unit() {
  printf '[Unit]\nDescription=%s\n[Service]\nExecStart=/bin/sleep inf\n' $1 > $2/$1.service
  printf '[Install]\nWantedBy=multi-user.target\n' >> $2/$1.service
}
"""


@stage.alone
def units(till: RestoreHost) -> None:
    till.sh(
        _UNITS + "unit sw-on /lib/systemd/system; unit sw-off /lib/systemd/system;"
        "unit sw-own /etc/systemd/system; unit sw-masked /lib/systemd/system;"
        "systemctl daemon-reload; systemctl enable --now sw-on sw-own; systemctl mask sw-masked"
    )
    names = ("sw-on", "sw-off", "sw-own", "sw-masked", "sw-new")
    look = "systemctl show -p UnitFileState -p ActiveState -p Description -p CPUWeight " + " ".join(
        names
    )
    before, links = till.sh(look), till.files("/etc/systemd/system")
    pid = "systemctl show -p MainPID --value sw-on"
    first = till.sh(pid)
    till.arm(*({"kind": "unit", "name": name} for name in names))
    till.sh(
        _UNITS + "systemctl disable --now sw-on sw-own; systemctl mask sw-on;"
        "systemctl unmask sw-masked; systemctl enable --now sw-off sw-masked;"
        "rm /etc/systemd/system/sw-own.service; systemctl set-property sw-off CPUWeight=7;"
        "unit sw-new /etc/systemd/system; mkdir /etc/systemd/system/sw-on.service.d;"
        "printf '[Service]\\nCPUWeight=9\\n' > /etc/systemd/system/sw-on.service.d/x.conf;"
        "systemctl daemon-reload; systemctl enable --now sw-new"
    )
    report = till.must("undone")
    assert (report["phase"], report["residue"]) == ("restored", [])
    assert till.sh(look) == before
    assert till.files("/etc/systemd/system") == links
    assert till.sh(pid) != first


@stage.tidy
def a_unit_is_restarted_only_when_something_was_put_back(till: RestoreHost) -> None:
    pid = "systemctl show -p MainPID --value cron"
    first = till.arm(
        {"kind": "unit", "name": "cron"}, {"kind": "file", "path": "/srv/conf"}, then=pid
    )
    till.must("undone")
    assert till.sh(pid) == first
    till.steps({"sh": "echo > /srv/conf"}, word("undone"))
    assert till.sh(f"{pid}; ls /srv") != first
    assert till.sh("ls /srv") == ""


@stage.alone
def kernel_settings_packet_filter_mounts_and_logins(till: RestoreHost) -> None:
    till.sh(
        "nft add table inet keep;"
        "nft add chain inet keep in '{ type filter hook input priority 0; }';"
        "nft add rule inet keep in tcp dport 81 counter drop;"
        "nft add set inet keep s '{ type ipv4_addr; }';"
        "mkdir -p /mnt/held /mnt/gone /mnt/came /mnt/shut; mount -t tmpfs shut /mnt/shut;"
        "mount -t tmpfs -o size=1m,nosuid held /mnt/held;"
        "mount -t tmpfs -o size=2m,noexec gone /mnt/gone; echo '# mine' >> /etc/fstab;"
        "mkdir -p /etc/audit/rules.d; echo '-w /etc/passwd -p wa' > /etc/audit/rules.d/a.rules"
    )
    look = (
        "nft -s list ruleset; sysctl net.ipv4.ip_forward net.ipv4.ip_local_port_range;"
        "findmnt -rno TARGET,SOURCE,FSTYPE,OPTIONS | grep ' */mnt/\\|^/mnt'; cat /etc/fstab;"
        "echo GET libpam-runtime/profiles | debconf-communicate; systemctl is-active ssh"
    )
    places = ("/etc/pam.d", "/var/lib/pam", "/etc/audit")
    before, files = till.sh(look), till.files(*places)
    till.arm(
        {"kind": "nft"},
        {"kind": "sysctl", "name": "net.ipv4.ip_forward"},
        {"kind": "sysctl", "name": "net/ipv4/ip_local_port_range"},
        {"kind": "mounts", "paths": ["/mnt/held", "/mnt/gone", "/mnt/came", "/mnt/shut/"]},
        {"kind": "pam_profile"},
        {"kind": "audit_rules"},
        {"kind": "modules", "names": ["cramfs", "usb-storage"]},
    )
    till.sh(
        "nft flush ruleset; nft add table ip other; sysctl -w net.ipv4.ip_forward=1;"
        "sysctl -w net.ipv4.ip_local_port_range='2000 3000';"
        "mount -o remount,size=3m,suid,noexec,ro /mnt/held; umount /mnt/gone;"
        "mount -o remount,ro /mnt/shut;"
        "mount -t tmpfs came /mnt/came; echo 'x /mnt/x tmpfs defaults 0 0' >> /etc/fstab;"
        "pam-auth-update --package --enable mkhomedir;"
        "pam-auth-update --remove pwquality --package;"
        "echo 'auth required pam_tally2.so' >> /etc/pam.d/sshd; rm /etc/audit/rules.d/a.rules;"
        "echo '-e 2' > /etc/audit/rules.d/z.rules"
    )
    assert till.files(*places) != files
    report = till.must("undone")
    assert (report["phase"], report["residue"]) == ("restored", [])
    assert till.sh(look) == before
    assert till.files(*places) == files


@stage.alone
def one_table_of_the_packet_filter_leaves_the_others_alone(till: RestoreHost) -> None:
    till.sh("nft add table inet mine; nft add chain inet mine c")
    till.arm({"kind": "nft", "table": "inet mine"}, {"kind": "nft", "table": "ip fresh"})
    till.sh("nft delete table inet mine; nft add table ip fresh; nft add table inet others")
    till.must("undone")
    assert till.sh("nft list tables").split("\n")[:-1] == ["table inet others", "table inet mine"]


@stage.alone
def accounts_go_back_and_later_changes_of_others_stay(till: RestoreHost) -> None:
    till.sh("useradd -m -G sudo,adm -p '$y$abc' gone; useradd -m kept; groupadd team;"
            "gpasswd -a kept team; passwd -d cashier")  # fmt: skip
    files = "/etc/passwd /etc/shadow /etc/group /etc/gshadow /etc/subuid /etc/subgid"
    before = till.sh(f"cat {files}")
    homes = till.files("/home")
    users = ("gone", "kept", "cashier", "fresh")
    till.arm(
        *({"kind": "account", "user": name} for name in users),
        {"kind": "account", "group": "team"},
        {"kind": "account", "group": "fresh"},
        {"kind": "account", "group": "gone"},
        {"kind": "tree", "path": "/home"},
    )
    till.sh(
        "userdel -r gone 2>/dev/null; usermod -L -s /bin/false -aG adm kept; chage -M 9 kept;"
        "useradd -m fresh; groupdel team; passwd -l cashier; gpasswd -a cashier sudo"
    )
    till.must("undone")
    assert till.sh(f"cat {files}") == before
    assert till.files("/home") == homes
    till.sh("useradd -M others; usermod -s /bin/dash kept")
    report = till.must("undone")
    assert report["phase"] == "restored"
    rest = [line for line in till.sh(f"cat {files}").splitlines() if not line.startswith("others:")]
    assert rest == before.splitlines()
    assert "others" in till.sh(
        "getent passwd others; getent shadow others; grep others /etc/subuid"
    )


@stage.tidy
def a_dump_rides_along_and_is_never_replayed(till: RestoreHost) -> None:
    till.sh("echo 'sales until ten' > /srv/dump.sql; echo on > /srv/conf")
    till.arm({"kind": "dump", "path": "/srv/dump.sql"}, {"kind": "file", "path": "/srv/conf"})
    till.sh("rm /srv/dump.sql; echo off > /srv/conf")
    report = till.must("undone")
    assert report["record"]["dumps"] == ["dump /srv/dump.sql"]
    assert till.sh("cat /srv/conf; ls /srv") == "on\nconf\n"
    assert "sales until ten" in till.sh(f"cat {FOLDER}/rp/blobs/*")


@stage.tidy
def what_is_excluded_is_left_alone_and_named(till: RestoreHost) -> None:
    till.sh("mkdir -p /srv/a/log; echo 1 > /srv/a/log/x; echo 1 > /srv/a/conf")
    exclude = [{"name": "its own log", "paths": ["/srv/a/log/*"]}]
    till.must("captured", items=[{"kind": "tree", "path": "/srv/a"}], exclude=exclude)
    till.must("armed")
    till.sh("echo 2 > /srv/a/log/x; echo 2 > /srv/a/log/y; echo 2 > /srv/a/conf")
    report = till.must("undone")
    assert report["record"]["exclude"] == exclude
    assert till.sh("cat /srv/a/conf /srv/a/log/x /srv/a/log/y") == "1\n2\n2\n"


# Trees before and after, made up by hypothesis; all of them go to the host in one visit.

_NAMES = st.sampled_from(["a", "b", "c.d", "-x", "ü", "e f", "n\nl"])
_OWNERS = st.sampled_from([(0, 0), (1000, 1000), (1001, 0)])
_LEAVES = st.one_of(
    st.tuples(st.just("file"), st.binary(max_size=40), st.integers(0, 0o7777), _OWNERS,
              st.dictionaries(st.sampled_from(["user.x", "trusted.y"]), st.binary(max_size=8))),
    st.tuples(st.just("link"), st.sampled_from(["a", "/nowhere", "../b"]), _OWNERS),
    st.tuples(st.just("pipe"), st.integers(0, 0o777), _OWNERS),
)  # fmt: skip
_FOLDERS = st.recursive(
    _LEAVES,
    lambda inner: st.tuples(
        st.just("dir"), st.dictionaries(_NAMES, inner, max_size=4), st.integers(0, 0o7777), _OWNERS
    ),
    max_leaves=10,
)
_SOMETHING = st.one_of(st.none(), _FOLDERS)

_MAKE = r"""
import base64, json, os, sys
def make(path, tree):
    kind = tree[0]
    if kind == "file":
        open(path, "wb").write(base64.b64decode(tree[1]))
        dress(path, tree[2], tree[3])
        for name, value in tree[4].items():
            os.setxattr(path, name, base64.b64decode(value))
    elif kind == "link":
        os.symlink(tree[1], path); os.lchown(path, *tree[2])
    elif kind == "pipe":
        os.mkfifo(path); dress(path, tree[1], tree[2])
    else:
        os.mkdir(path)
        for name, inner in tree[1].items():
            make(path + "/" + name, inner)
        dress(path, tree[2], tree[3])
def dress(path, mode, owner):
    os.chown(path, *owner); os.chmod(path, mode)
for number, tree in enumerate(json.load(sys.stdin)):
    os.system("rm -rf /srv/trees/%d" % number)
    if tree: make("/srv/trees/%d" % number, tree)
"""


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, tuple | list) else value


def _made_up(count: int) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []

    @settings(max_examples=count, database=None, phases=[Phase.generate], deadline=None,
              suppress_health_check=list(HealthCheck), derandomize=True)  # fmt: skip
    @given(_FOLDERS, _SOMETHING)
    def collect(before: Any, after: Any) -> None:
        found.append((_plain(before), _plain(after)))

    collect()
    return found


@stage.tidy
def any_tree_becomes_what_it_was(till: RestoreHost) -> None:
    pairs = _made_up(40)
    # Some of them are created from nothing instead of changed.
    pairs = [(None, one) if n % 4 == 0 else (one, other) for n, (one, other) in enumerate(pairs)]
    make = f"mkdir -p /srv/trees; python3 -c {shlex.quote(_MAKE)}"
    till.host.run(make, user="root", input=json.dumps([before for before, _after in pairs]))
    state = till.files("/srv/trees")
    assert state.count("\n") > 100
    items = [{"kind": "tree", "path": f"/srv/trees/{n}"} for n in range(len(pairs))]
    till.arm(*items)
    till.host.run(make, user="root", input=json.dumps([after for _before, after in pairs]))
    assert till.files("/srv/trees") != state
    report = till.must("undone")
    assert (report["phase"], report["residue"]) == ("restored", [])
    assert till.files("/srv/trees") == state


@pytest.fixture(scope="module")
def played(request: pytest.FixtureRequest, lab: Lab) -> Mapping[str, Future[None]]:
    return stage.play(lab, chosen(request))


@pytest.mark.parametrize("scene", stage.names)
def test_apply_and_undo_is_nothing_done(played: Mapping[str, Future[None]], scene: str) -> None:
    played[scene].result()
