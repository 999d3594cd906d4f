# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs whose hosts are connected while the play is still being read, over real ssh."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from storewarden.adapters.ansible import AnsibleInventory, PlaybookRunner
from storewarden.ports.runner import (
    FrozenInventory,
    HostResult,
    HostStatus,
    PlaybookRun,
    SecretFiles,
)
from tests.contract.runner_plays import ended, processes_marked, quick, until, warmed
from tests.lab.fleet import Lab, LabHost

pytestmark = pytest.mark.lab

# Counts each start, and is no good as a master.
_NO_MASTER = """#!/bin/sh
echo "$*" >> {log}
case " $* " in *" -N "*) exit 255;; esac
exec ssh "$@"
"""


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    path = tmp_path / "known_hosts"
    path.touch()
    return path


def _one(lab: Lab, host: LabHost, **variables: object) -> FrozenInventory:
    """One host of the lab, without the lab's own options of ssh."""
    estate = AnsibleInventory().resolve([lab.inventory_path])
    given = {k: v for k, v in estate.hosts[host.name].items() if not k.startswith("ansible_ssh_")}
    return FrozenInventory(hosts={host.name: {**given, **variables}}, source="test")


def _run(lab: Lab, folder: Path, inventory: FrozenInventory) -> PlaybookRun:
    return PlaybookRun(
        playbook=quick(folder),
        inventory=inventory,
        known_hosts=lab.known_hosts,
        secrets=SecretFiles(private_key=lab.private_key),
        connect_ahead=True,
    )


@pytest.fixture
def runner(tmp_path: Path, lab: Lab) -> Iterator[PlaybookRunner]:
    found = PlaybookRunner(tmp_path / "state")
    found.keep_warm(known_hosts=lab.known_hosts)
    yield from ended(warmed(found))
    found.close()


def _ended(runner: PlaybookRunner, run: PlaybookRun) -> HostResult:
    run_id = runner.start(run)
    [host] = runner.result(run_id).hosts.values()
    assert processes_marked(run_id) == []
    return host


def _started(folder: Path) -> list[str]:
    return (folder / "ssh.log").read_text().splitlines()


def _counting(folder: Path, text: str) -> Mapping[str, object]:
    path = folder / "ssh"
    path.write_text(text.format(log=folder / "ssh.log"))
    path.chmod(0o755)
    return {"ansible_ssh_executable": str(path)}


def test_the_play_uses_the_connection_that_was_opened_ahead(
    lab: Lab, lab_host: LabHost, runner: PlaybookRunner, tmp_path: Path
) -> None:
    counting = _counting(tmp_path, '#!/bin/sh\necho "$*" >> {log}\nexec ssh "$@"\n')
    host = _ended(runner, _run(lab, tmp_path, _one(lab, lab_host, **counting)))
    assert host.status is HostStatus.OK, host
    first, *others = _started(tmp_path)
    assert first.startswith("-o BatchMode=yes -o ControlMaster=yes")
    assert "StrictHostKeyChecking=yes" in first
    assert str(lab.known_hosts) in first
    assert others  # the tasks, by the same socket
    sockets = {word for line in (first, *others) for word in line.split() if "ControlPath=" in word}
    assert len(sockets) == 1


def test_an_announced_run_finds_its_host_connected(
    lab: Lab, lab_host: LabHost, runner: PlaybookRunner, tmp_path: Path
) -> None:
    """Connected before it was started, by the key that is known, and once."""
    counting = _counting(tmp_path, '#!/bin/sh\necho "$*" >> {log}\nexec ssh "$@"\n')
    run = _run(lab, tmp_path, _one(lab, lab_host, **counting))
    runner.announce(run)
    until(lambda: (tmp_path / "ssh.log").exists() and _started(tmp_path), what="a connection")
    [announced] = _started(tmp_path)
    assert "StrictHostKeyChecking=yes" in announced
    host = _ended(runner, run)
    assert host.status is HostStatus.OK, host
    first, *others = _started(tmp_path)
    assert first == announced
    assert others
    assert not [line for line in others if " -N " in line]
    sockets = {word for line in (first, *others) for word in line.split() if "ControlPath=" in word}
    assert len(sockets) == 1


def test_a_key_that_is_not_known_is_refused_ahead_as_well(
    lab: Lab, lab_host: LabHost, runner: PlaybookRunner, tmp_path: Path, empty: Path
) -> None:
    runner.close()
    runner.keep_warm(known_hosts=empty)
    run = replace(_run(lab, tmp_path, _one(lab, lab_host)), known_hosts=empty)
    host = _ended(warmed(runner), run)
    assert host.status is HostStatus.UNREACHABLE
    assert "Host key verification failed" in host.message
    assert empty.read_text() == ""


def test_a_master_that_dies_does_not_fail_the_run(
    lab: Lab, lab_host: LabHost, runner: PlaybookRunner, tmp_path: Path
) -> None:
    counting = _counting(tmp_path, _NO_MASTER)
    host = _ended(runner, _run(lab, tmp_path, _one(lab, lab_host, **counting)))
    assert host.status is HostStatus.OK, host
    assert " -N " in _started(tmp_path)[0]
