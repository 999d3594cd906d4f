# SPDX-License-Identifier: GPL-3.0-or-later
"""dnf to the same contract as apt, as far as Debian's dnf goes: a lab host that has both.

Real dnf, rpm and repository; what is not here is a Red Hat host, so systemd units out of rpm
packages and restore points of rpm packages are not played (the latter do not exist).
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.package_host import archive
from tests.e2e.restore_host import RestoreHost
from tests.lab.fixtures import built
from tests.lab.fleet import Lab
from tests.lab.software_layer import RPM

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.full]

_LONG = "sw-a-package-with-a-name-that-is-so-long-that-its-row-is-folded"
_BUILD = r"""
spec() {  # name version more
  printf 'Name: %s\nVersion: %s\nRelease: 1\nSummary: a part of a test\nLicense: none\n' $1 $2
  printf 'BuildArch: noarch\n%s\n%%description\na part of a test\n%%install\n' "$3"
  printf 'mkdir -p %%{buildroot}/usr/share/%s; cd %%{buildroot}/usr/share/%s\n' $1 $1
  printf 'echo "%s %s" > version\n' $2 "$4"
  printf '%%files\n/usr/share/%s/version\n' $1
}
rpm_of() {
  mkdir -p /root/specs; spec "$@" > /root/specs/$1.spec
  rpmbuild -bb --quiet --define '_rpmdir /srv/repo' /root/specs/$1.spec
}
publish() { createrepo_c -q --update /srv/repo; }
"""
_SET_UP = r"""
# Debian switches on a plugin that makes a repository of everything that was ever installed.
sed -i 's/^enabled.*/enabled = 0/' /etc/dnf/plugins/local.conf
mkdir -p /srv/repo /etc/yum.repos.d
printf '[lab]\nname=lab\nbaseurl=file:///srv/repo\ngpgcheck=0\n' > /etc/yum.repos.d/lab.repo
"""


@pytest.fixture(scope="module")
def host(lab: Lab) -> Iterator[RestoreHost]:
    one = lab.hosts[0]
    one.reset(above=built(RPM))
    till = RestoreHost(host=one)
    till.sh(_SET_UP)
    yield till
    one.reset()


def steps(host: RestoreHost, *asked: dict[str, Any]) -> list[dict[str, Any]]:
    for step in asked:
        for given in step.values():
            given["system"] = "dnf"
    driver = (Path(__file__).parent / "package_driver.py").read_text(encoding="utf-8")
    work = json.dumps({"archive": archive(), "steps": asked})
    done = host.host.run(
        f"python3 -c {shlex.quote(driver)}", user="root", input=work, timeout=900.0
    )
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def look(host: RestoreHost, wish: dict[str, Any], **more: Any) -> dict[str, Any]:
    return steps(host, {"preflight": {"wish": wish, **more}})[0]


def test_dnf_keeps_the_same_contract(host: RestoreHost) -> None:
    host.sh(
        _BUILD + "rpm_of sw-app 1.0; rpm_of sw-app 2.0 'Requires: sw-lib'; rpm_of sw-lib 1.0;"
        f"rpm_of {_LONG} 10.20.30; rpm_of sw-old 1.0; rpm_of sw-new 1.0 'Conflicts: sw-old';"
        "rpm_of sw-bad 1.0 'Requires: nowhere';"
        "publish; dnf -y --refresh install sw-app-1.0 sw-old"
    )
    wish = {"packages": ["sw-app", _LONG]}
    fact = look(host, wish)
    assert {one["what"]: (one["before"], one["after"]) for one in fact["changes"]} == {
        "package sw-app": ("1.0-1", "2.0-1"),
        "package sw-lib": ("", "1.0-1"),
        f"package {_LONG}": ("", "10.20.30-1"),
    }
    lock = fact["lock"]
    assert (lock["system"], lock["packages"]["sw-app"]["arch"]) == ("dnf", "noarch")
    digest = host.sh("sha256sum /srv/repo/noarch/sw-app-2.0-1.noarch.rpm").split()[0]
    assert lock["packages"]["sw-app"]["sha256"] == digest
    verify = {"verify": {"wish": wish, "lock": lock, "point": ""}}
    before, job, after, again = steps(
        host,
        verify,
        {"job": {"wish": wish, "lock": lock, "point": "rp", "await": 600.0}},
        verify,
        {"preflight": {"wish": wish, "lock": lock}},
    )
    assert "sw-app is 1.0-1 (installed), the lock says 2.0-1" in before["bad"]["versions"]
    assert (job["rc"], after) == (0, {"bad": {}}), job["log"]
    assert again["nothing"] is True
    older = {"packages": ["sw-app=1.0-1"]}
    assert "sw-app 2.0-1 -> 1.0-1" in look(host, older)["refused"]
    assert "sw-old" in look(host, {"packages": ["sw-new"]})["refused"]
    assert "nowhere" in look(host, {"packages": ["sw-bad"]})["refused"]
    host.sh(_BUILD + "rpm_of sw-next 1.0 'Obsoletes: sw-old'; publish")
    assert "sw-old" in look(host, {"packages": ["sw-next"]})["refused"]
    assert "sw-nowhere" in look(host, {"packages": ["sw-nowhere"]})["refused"]
    fact = look(host, {"packages": ["sw-next"], "allow_removals": True})
    assert fact["lock"]["removals"] == ["sw-old"]


def test_a_repository_that_moved_is_refused(host: RestoreHost) -> None:
    host.sh(_BUILD + "rpm_of sw-moved 1.0; publish")
    wish = {"packages": ["sw-moved"]}
    lock = look(host, wish)["lock"]
    host.sh(_BUILD + "rpm_of sw-moved 1.0 '' changed; publish; rm -rf /var/cache/storewarden")
    said = look(host, wish, lock=lock)["refused"]
    assert said.startswith("repository moved: sw-moved 1.0-1: another file came")
    host.sh(_BUILD + "rm /srv/repo/noarch/sw-moved*; rpm_of sw-moved 2.0; publish")
    said = look(host, wish, lock=lock)["refused"]
    assert said == "repository moved: sw-moved 1.0-1: no repository offers this version any more"


def test_an_upgrade_leaves_out_what_is_on_hold(host: RestoreHost) -> None:
    host.sh(
        _BUILD + "for one in 1.0 2.0; do rpm_of sw-held $one; rpm_of sw-free $one; done; publish;"
        "dnf -y --refresh install sw-held-1.0 sw-free-1.0"
    )
    fact = look(host, {"upgrade": "all", "hold": ["sw-held"], "allow_removals": True})
    assert "sw-free" in fact["lock"]["packages"]
    assert "sw-held" not in fact["lock"]["packages"]
