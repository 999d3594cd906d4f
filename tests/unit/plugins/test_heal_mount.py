# SPDX-License-Identifier: GPL-3.0-or-later
"""A hung network mount, as a declared fixture: a folder with the host's tables, and programs that
hang, let go and mount as they would. The kernels of tests have no NFS."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.heal.action import (
    Diagnosis,
    HealError,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.mount import (
    ACTION,
    OPTIONS,
    PROBE,
    answers,
    server_of,
    sleepers,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.visit import _at_most
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

PLACE = "/srv/share"
LINE = "40 22 0:44 / /srv/share rw,relatime - nfs4 127.0.0.1:/share rw,vers=4.2\n"
OTHERS = "22 1 8:2 / / rw,relatime - ext4 /dev/sda2 rw\n"


@pytest.fixture
def port() -> Iterator[int]:
    """Somebody who listens, as an NFS server does."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in ("proc/self", "proc/7", "etc", "srv/share", "bin"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "proc/self/mountinfo").write_text(OTHERS + LINE)
    (tmp_path / "etc/fstab").write_text(f"127.0.0.1:/share {PLACE} nfs4 defaults 0 0\n")
    (tmp_path / "proc/7/stat").write_text("7 (pos (till)) D 1 7 7 0\n")
    (tmp_path / "proc/7/wchan").write_text("rpc_wait_bit_killable")
    (tmp_path / "hung").touch()
    table = tmp_path / "proc/self/mountinfo"
    _program(
        tmp_path, "stat",
        f"case $* in *{PROBE}) test ! -e {tmp_path}/deaf || sleep 60; exit;; esac\n"
        f"test ! -e {tmp_path}/hung || sleep 60",
    )  # fmt: skip
    _program(
        tmp_path, "umount",
        f"echo umount $* >> {tmp_path}/said\n"
        f"case $* in *{PROBE}) ;; *) sed -i /nfs4/d {table};; esac",
    )  # fmt: skip
    _program(
        tmp_path, "mount",
        f"echo mount $* >> {tmp_path}/said\n"
        f"case $* in *{PROBE}) test ! -e {tmp_path}/unready; exit;; esac\n"
        f"test ! -e {tmp_path}/broken || exit 32\n"
        f"rm {tmp_path}/hung; echo '{LINE.strip()}' >> {table}",
    )  # fmt: skip
    return tmp_path


def _program(root: Path, name: str, script: str) -> None:
    file = root / "bin" / name
    file.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")
    file.chmod(0o755)


def _host(root: Path) -> Host:
    return Host(str(root), path=str(root / "bin"))


def _options(port: int, **given: Any) -> dict[str, Any]:
    defaults = {name: spec.get("default") for name, spec in OPTIONS.items()}
    ours = {"mountpoint": PLACE, "allowed": [PLACE], "seconds": 0.3, "kinds": {"nfs4": port}}
    return {**defaults, **ours, **given}


def _diagnosed(root: Path, asked: dict[str, Any]) -> Diagnosis:
    return ACTION.diagnose(ACTION.facts(_host(root), asked), asked)


@pytest.mark.slow
def test_a_hung_mount_is_let_go_and_mounted_again(root: Path, port: int) -> None:
    asked = _options(port)
    found = _diagnosed(root, asked)
    assert (found.state, found.plan["hung"]) == ("needed", True), found.reason
    done = ACTION.act(_host(root), found, asked)
    assert [one.en for one in done] == [
        "/srv/share was let go (lazily)",
        "/srv/share was mounted from 127.0.0.1:/share",
    ]
    let_go = "umount --lazy --no-canonicalize --internal-only"
    assert (root / "said").read_text().splitlines() == [
        f"mount -t nfs4 -o defaults 127.0.0.1:/share {PROBE}",
        f"{let_go} {PROBE}",
        f"{let_go} /srv/share",
        "mount /srv/share",
    ]
    assert not (root / PROBE[1:]).exists()
    assert ACTION.verify(_host(root), found, asked).well
    assert _diagnosed(root, asked).state == "healthy"


@pytest.mark.slow
def test_what_answers_meanwhile_is_left_alone(root: Path, port: int) -> None:
    asked = _options(port)
    found = _diagnosed(root, asked)
    (root / "hung").unlink()
    assert ACTION.act(_host(root), found, asked) == []
    assert not (root / "said").exists()


@pytest.mark.slow
def test_a_mount_that_does_not_come_back_is_told(root: Path, port: int) -> None:
    asked = _options(port)
    found = _diagnosed(root, asked)
    (root / "broken").touch()
    with pytest.raises(HealError, match=r"NOTHING IS MOUNTED AT /srv/share NOW.*status 32"):
        ACTION.act(_host(root), found, asked)
    assert (root / "said").read_text().splitlines().count("mount /srv/share") == 2
    assert not ACTION.verify(_host(root), found, asked).well


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "why"), [("unready", "status 1"), ("deaf", "hangs there too")])
def test_nothing_is_let_go_that_cannot_be_mounted(
    root: Path, port: int, fault: str, why: str
) -> None:
    """The server listens, and does not serve yet."""
    asked = _options(port)
    found = _diagnosed(root, asked)
    (root / fault).touch()
    with pytest.raises(HealError, match=f"nothing was let go: .*{why}"):
        ACTION.act(_host(root), found, asked)
    assert f"{PLACE}\n" not in (root / "said").read_text()
    assert LINE in (root / "proc/self/mountinfo").read_text()


@pytest.mark.slow
def test_nothing_is_let_go_that_there_is_no_time_to_mount(root: Path, port: int) -> None:
    asked = _options(port)
    found = _diagnosed(root, asked)
    with pytest.raises(HealError, match="no time left"), _at_most(50.0):
        ACTION.act(_host(root), found, asked)
    assert LINE in (root / "proc/self/mountinfo").read_text()


@pytest.mark.slow
def test_a_slow_server_is_no_dead_one(root: Path, port: int) -> None:
    _program(root, "stat", "sleep 1")
    assert _diagnosed(root, _options(port)).state == "healthy"


@pytest.mark.slow
def test_nothing_is_let_go_while_the_server_is_away(root: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        gone = int(server.getsockname()[1])
    found = _diagnosed(root, _options(gone))
    assert found.state == "escalate"
    assert f"127.0.0.1:{gone} does not answer" in found.reason


@pytest.mark.slow
def test_who_hangs_is_named(root: Path, port: int) -> None:
    assert sleepers(_host(root)) == "7 pos (till) D rpc_wait_bit_killable\n"
    asked = _options(port)
    facts = ACTION.facts(_host(root), asked)
    names = [one.name for one in ACTION.evidence(_host(root), facts, asked)]
    assert names == ["mounted", "fstab", "processes that cannot be interrupted"]


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("10.0.0.9:/export", "10.0.0.9"),
        ("nas.store:/a b", "nas.store"),
        ("[fd00::9]:/export", "fd00::9"),
        ("//10.0.0.9/share", "10.0.0.9"),
        ("/dev/sda1", ""),
        ("tmpfs", ""),
    ],
)
def test_the_server_of_a_mount(source: str, name: str) -> None:
    assert server_of(source) == name


def test_a_folder_that_answers() -> None:
    assert answers(Host(), "/", 60.0)
    assert not answers(Host(), "/no-such-folder", 60.0)
