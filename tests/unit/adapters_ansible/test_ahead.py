# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections that are opened ahead: to whom, and what a task does about them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from storewarden.adapters.ansible.ahead import MOST, Masters, Reach, noted
from storewarden.adapters.ansible.rundir import RunDir
from storewarden.ports.runner import FrozenInventory, PlaybookRun, SecretFiles

pytestmark = pytest.mark.slow

_SSH = "-o StrictHostKeyChecking=yes"


def _run(**hosts: Mapping[str, object]) -> PlaybookRun:
    return PlaybookRun(
        playbook="site.yml", inventory=FrozenInventory(hosts=hosts), connect_ahead=True
    )


def _noted(run: PlaybookRun) -> dict[str, dict[str, object]]:
    text = noted(run, _SSH, "-o LogLevel=ERROR")
    found: dict[str, dict[str, object]] = json.loads(text) if text else {}
    return found


def test_a_host_is_noted_with_what_says_how_to_reach_it() -> None:
    given = {"ansible_host": "10.0.0.7", "ansible_become_password": "Zeisig", "sw_store": "1"}
    run = replace(_run(pos1=given), secrets=SecretFiles(private_key=Path("/keys/one")))
    assert _noted(run) == {
        "pos1": {
            "ansible_host": "10.0.0.7",
            "ansible_private_key_file": "/keys/one",
            "ansible_ssh_args": f"{_SSH} -o LogLevel=ERROR",
            "inventory_hostname": "pos1",
        }
    }


@pytest.mark.parametrize(
    "given",
    [
        {"ansible_host": "{{ sw_address }}"},
        {"ansible_password": "Zeisig"},
        {"ansible_ssh_pass": {"__ansible_vault": "00"}},
        {"ansible_ssh_private_key": "-----BEGIN"},
        {"ansible_connection": "local"},
    ],
    ids=["template", "password", "vault", "key", "local"],
)
def test_a_host_that_needs_more_than_data_is_left_to_its_play(given: dict[str, object]) -> None:
    assert noted(_run(pos1=given), _SSH, "") == ""


def test_so_are_runs_that_nobody_waits_for_and_those_with_many_hosts_or_a_password() -> None:
    one = _run(pos1={})
    many = _run(**{f"pos{number}": {} for number in range(MOST + 1)})
    asked = replace(one, secrets=SecretFiles(connection_password=Path("/password")))
    assert noted(one, _SSH, "")
    for run in (replace(one, connect_ahead=False), many, asked):
        assert noted(run, _SSH, "") == ""


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    found = RunDir(tmp_path / "runs/one")
    found.work.mkdir(parents=True)
    return found


@pytest.fixture
def masters() -> Iterator[Masters]:
    found = Masters()
    yield found
    found.end()


def _program(folder: Path, text: str) -> bytes:
    path = folder / "ssh"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return bytes(path)


def _begin(masters: Masters, run: RunDir, text: str, host: str = "pos1") -> list[bytes]:
    """Start a master by a program of ours; the command of a task that would use it."""
    hosts = {host: {"inventory_hostname": host}}
    socket = str(run.path / "socket")
    command = (_program(run.path, text), f'ControlPath="{socket}"'.encode())
    reach = Reach(command=command, host=host, socket=socket)
    masters.begin(hosts, {"pos1"}, lambda _variables: reach)
    return [*command, b"pos1", b"true"]


def _seconds(masters: Masters, command: list[bytes]) -> float:
    begun = time.monotonic()
    masters.settle(command)
    return time.monotonic() - begun


def test_no_host_is_connected_that_is_not_leased(masters: Masters, run: RunDir) -> None:
    """It may be in the inventory, and have been noted; somebody else has it."""
    _begin(masters, run, f"touch {run.path}/connected", host="pos2")
    time.sleep(0.3)
    assert not (run.path / "connected").exists()
    _begin(masters, run, f"touch {run.path}/connected", host="pos1")
    masters.settle([b'ControlPath="%s"' % bytes(run.path / "socket")])
    assert (run.path / "connected").exists()


def test_a_task_waits_for_the_socket_and_only_once(masters: Masters, run: RunDir) -> None:
    command = _begin(masters, run, f"sleep 0.4; touch {run.path}/socket; exec sleep 60")
    assert 0.2 < _seconds(masters, command) < 1.9
    (run.path / "socket").unlink()  # a play that resets its connection
    assert _seconds(masters, command) < 0.2


def test_a_master_that_died_is_not_waited_for(masters: Masters, run: RunDir) -> None:
    assert _seconds(masters, _begin(masters, run, "exit 255")) < 1.5


def test_one_that_hangs_is_waited_for_two_seconds(masters: Masters, run: RunDir) -> None:
    assert 1.9 < _seconds(masters, _begin(masters, run, "exec sleep 60")) < 10


def test_a_command_with_a_connection_of_its_own_waits_for_nothing(
    masters: Masters, run: RunDir
) -> None:
    _begin(masters, run, "exec sleep 60")
    assert _seconds(masters, [b"ssh", b"-o", b"ControlPath=none", b"pos1"]) < 0.5


def test_a_program_that_is_not_there_is_no_obstacle(masters: Masters) -> None:
    reach = Reach(command=(b"/nowhere/ssh",), host="pos1", socket="/nowhere/socket")
    assert masters.begin({"pos1": {}}, {"pos1"}, lambda _variables: reach) is False
