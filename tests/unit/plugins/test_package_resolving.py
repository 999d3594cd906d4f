# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked for, what apt, dnf and dpkg say, and the lock that is made of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.storewarden.ops.plugins.module_utils.packages import (
    apt_simulation,
    dnf_table,
    dpkg_state,
    rpm_version,
    wish,
)
from ansible_collections.storewarden.ops.plugins.module_utils.packages.dnf import Dnf
from ansible_collections.storewarden.ops.plugins.module_utils.packages.failures import PackageError
from ansible_collections.storewarden.ops.plugins.module_utils.packages.transaction import (
    Move,
    Simulation,
    Staged,
    changes_of,
    checked_lock,
    make_lock,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

_APT = """\
Reading package lists...
The following packages have been kept back:
  linux-image-amd64 nginx
  nginx-common
The following packages will be upgraded:
  libc6 openssl
Remv exim4-base [4.96-15] [mailutils:amd64 ]
Inst libc6 [2.36-9] (2.36-9+deb12u9 Debian:12.9/stable, Debian-Security:12/stable-security [amd64])
Inst libc6:i386 [2.36-9] (2.36-9+deb12u9 Debian:12.9/stable [i386]) [libc6:amd64 on libc6:i386]
Inst postfix (3.7.11-0+deb12u1 Debian:12.9/stable [amd64])
Remv exim4-config [4.96-15]
Inst tzdata [2024a] (2024b lab [all])
Conf libc6 (2.36-9+deb12u9 Debian:12.9/stable [amd64])
"""


def test_the_moves_of_apt_are_read_with_their_archives() -> None:
    found = apt_simulation.parse(_APT)
    assert found.moves[0] == Move(
        "libc6",
        "amd64",
        "2.36-9",
        "2.36-9+deb12u9",
        "Debian:12.9/stable, Debian-Security:12/stable-security",
    )
    assert [(one.name, one.old, one.new) for one in found.coming[1:]] == [
        ("libc6:i386", "2.36-9", "2.36-9+deb12u9"),
        ("postfix", None, "3.7.11-0+deb12u1"),
        ("tzdata", "2024a", "2024b"),
    ]
    assert found.coming[3].arch == "all"
    assert found.going == ["exim4-base", "exim4-config"]
    assert found.kept == ("linux-image-amd64", "nginx", "nginx-common")


def test_a_package_that_goes_to_come_back_counts_once() -> None:
    text = "Remv one [1]\nInst two [1] (2 lab [all])\nInst one (2 lab [all])\n"
    found = apt_simulation.parse(text)
    assert found.going == []
    assert {one.name: (one.old, one.new) for one in found.moves} == {
        "two": ("1", "2"),
        "one": ("1", "2"),
    }


_DNF = """\
Last metadata expiration check: 0:00:01 ago.
Dependencies resolved.
================================================================================
 Package                 Arch     Version                    Repository    Size
================================================================================
Installing:
 sw-app                  noarch   2:2.0-1                    lab          6.4 k
     replacing  sw-old.noarch 1.0-1
Upgrading:
 sw-library-with-a-very-long-name-that-does-not-fit
                         x86_64   1.1-3.el9                  lab           12 M
Installing dependencies:
 sw-dep                  noarch   1.0-1                      lab          6.1 k
Removing dependent packages:
 sw-user                 noarch   1.0-1                      @lab         0
Skipping packages with broken dependencies:
 sw-stuck                noarch   9-1                        lab          6.1 k

Transaction Summary
================================================================================
Install  2 Packages
"""


def test_the_table_of_dnf_is_read_also_where_rows_are_folded() -> None:
    long_name = "sw-library-with-a-very-long-name-that-does-not-fit"
    text = _DNF.replace("@lab         0\n", "@lab         0  \n")
    found = dnf_table.parse(text, {long_name: "1.0-1.el9"})
    assert {one.name: (one.old, one.new) for one in found.coming} == {
        "sw-app": (None, "2:2.0-1"),
        long_name: ("1.0-1.el9", "1.1-3.el9"),
        "sw-dep": (None, "1.0-1"),
    }
    assert found.going == ["sw-old", "sw-user"]
    assert found.kept == ("sw-stuck",)


# Of rpm's own tests (tests/rpmvercmp.at).
@pytest.mark.parametrize(
    ("newer", "older"),
    [
        ("2.0.1", "2.0"),
        ("2.0.1a", "2.0.1"),
        ("5.5p10", "5.5p1"),
        ("10.1xyz", "10xyz"),
        ("xyz10.1", "xyz10"),
        ("6.0.rc1", "6.0"),
        ("10b2", "10a1"),
        ("1.0", "1.0~rc1"),
        ("1.0~rc1", "1.0~rc1~git123"),
        ("1.0^", "1.0"),
        ("1.0.1", "1.0^git1"),
        ("1.0^git1", "1.0~rc1"),
        ("4.999.9", "4.999.8"),
        ("20101122", "20101121"),
        ("1:1.0-1", "9.0-1"),
        ("1.0-10", "1.0-9"),
    ],
)
def test_rpm_versions_are_ordered_as_rpm_does(newer: str, older: str) -> None:
    assert rpm_version.newer(newer, older)
    assert not rpm_version.newer(older, newer)


_EVR = st.from_regex(r"([0-9]:)?[0-9a-c.~^]{1,6}(-[0-9a]{1,3})?", fullmatch=True)


@given(_EVR, _EVR, _EVR)
def test_the_order_of_rpm_versions_is_an_order(one: str, two: str, three: str) -> None:
    assert not rpm_version.newer(one, one)
    if rpm_version.newer(one, two) and rpm_version.newer(two, three):
        assert rpm_version.newer(one, three)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "say either packages or upgrade"),
        ({"packages": ["a"], "upgrade": "all"}, "say either packages or upgrade"),
        ({"upgrade": "everything"}, "security or all, not everything"),
        ({"packages": "nginx"}, "packages is a list of texts"),
        ({"packages": ["-o=1"]}, "'-o' is no package's name"),
        ({"packages": ["a b"]}, "no package's name"),
        ({"packages": ["nginx=1 --purge"]}, "no version that a package could have"),
        ({"packages": ["nginx"], "hold": ["nginx"]}, "nginx cannot be both"),
        ({"upgrade": "all", "hold": ["*"]}, "no package's name"),
    ],
)
def test_a_wish_that_cannot_be_meant_is_told(options: dict[str, Any], words: str) -> None:
    with pytest.raises(PackageError) as told:
        wish.read(options)
    assert words in told.value.en
    assert told.value.zh


def test_a_wish_is_read() -> None:
    found = wish.read({"packages": ["nginx", "libc6:i386=2.36-9+deb12u9", "vim=2:9.0~rc1"]})
    assert found.packages == {
        "nginx": None,
        "libc6:i386": "2.36-9+deb12u9",
        "vim": "2:9.0~rc1",
    }


_MOVES = Simulation(
    (Move("a", "all", "1", "2"), Move("b", "amd64", None, "1"), Move("c", "", "3", None))
)
_FILES = {"a": Staged("/x/a", "d" * 64, 10), "b": Staged("/x/b", "e" * 64, 20)}


def test_the_lock_says_versions_and_digests_and_shows_when_it_was_touched() -> None:
    lock = make_lock("apt", _MOVES, _FILES)
    assert lock["packages"]["a"] == {
        "version": "2",
        "arch": "all",
        "sha256": "d" * 64,
        "size": 10,
    }
    assert lock["removals"] == ["c"]
    assert checked_lock(lock, "apt") == lock
    assert make_lock("apt", Simulation(_MOVES.moves[::-1]), _FILES)["digest"] == lock["digest"]
    with pytest.raises(PackageError, match="altered"):
        checked_lock({**lock, "removals": []}, "apt")
    with pytest.raises(PackageError, match="resolved by apt, this host has dnf"):
        checked_lock(lock, "dnf")
    with pytest.raises(PackageError, match="incomplete"):
        checked_lock({"digest": "x"}, "apt")


def test_changes_are_told_as_texts() -> None:
    assert changes_of(Simulation(_MOVES.moves[1:], ("k",)), ["z"]) == [
        {"what": "package z", "before": "interrupted", "after": "configured"},
        {"what": "package b", "before": "", "after": "1"},
        {"what": "package c", "before": "3", "after": ""},
        {"what": "kept back: k", "before": "", "after": ""},
    ]


_AUDIT = """\
The following packages are missing the md5sums control file in the
database, they need to be reinstalled:
 sw-till              a till's programme

The following packages are only half configured, probably due to problems
configuring them the first time.  The configuration should be retried:
 sw-lib               a library
 sw-more              more of it
"""


def test_only_complaints_of_dpkg_that_matter_are_told(tmp_path: Path) -> None:
    program = tmp_path / "dpkg"
    program.write_text(f"#!/bin/sh\ncat <<'E'\n{_AUDIT}E\n")
    program.chmod(0o755)
    found = dpkg_state.audit(Host("/", f"{tmp_path}:/bin"))
    assert [one.split()[0] for one in found] == ["sw-lib", "sw-more"]
    assert "half configured" in found[0]


def test_packages_of_versionlock_are_on_hold(tmp_path: Path) -> None:
    place = tmp_path / "etc/dnf/plugins/versionlock.list"
    place.parent.mkdir(parents=True)
    place.write_text(
        "# Added lock on Mon\nnginx-1:1.20.1-14.el9.*\n!bad-1.0-1.*\njava-11-openjdk-0:11.0-3.*\n"
    )
    assert Dnf(Host(str(tmp_path))).held() == ["java-11-openjdk", "nginx"]
