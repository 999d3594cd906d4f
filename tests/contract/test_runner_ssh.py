# SPDX-License-Identifier: GPL-3.0-or-later
"""Over real ssh: host keys are always checked, and no connection outlives its run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from storewarden.adapters.ansible import AnsibleInventory, PlaybookRunner
from storewarden.ports.runner import (
    FrozenInventory,
    HostStatus,
    PlaybookRun,
    RunOutcome,
    SecretFiles,
)
from tests.contract.runner_plays import (
    at_task,
    ended,
    play,
    playbook,
    processes,
    processes_marked,
    quick,
    seen_by_others,
    until,
)
from tests.lab.fleet import Lab, LabHost

pytestmark = pytest.mark.lab

# How sites switch the check off; none of it may work.
_CARELESS = {
    "ansible_host_key_checking": False,
    "ansible_ssh_common_args": "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null",
    "ansible_ssh_args": "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null",
}


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[PlaybookRunner]:
    yield from ended(PlaybookRunner(tmp_path / "state"))


@pytest.fixture(scope="module")
def estate(lab: Lab) -> FrozenInventory:
    return AnsibleInventory().resolve([lab.inventory_path])


def _run(lab: Lab, estate: FrozenInventory, book: str) -> PlaybookRun:
    return PlaybookRun(
        playbook=book,
        inventory=estate,
        known_hosts=lab.known_hosts,
        secrets=SecretFiles(private_key=lab.private_key),
    )


def _with(estate: FrozenInventory, **variables: object) -> FrozenInventory:
    """The estate without its own ssh options, and with these."""
    hosts = {
        name: {k: v for k, v in given.items() if not k.startswith("ansible_ssh_")} | variables
        for name, given in estate.hosts.items()
    }
    return replace(estate, hosts=hosts)


def test_known_hosts_are_reached_and_masters_are_closed(
    lab: Lab, estate: FrozenInventory, runner: PlaybookRunner, tmp_path: Path
) -> None:
    run_id = runner.start(_run(lab, _with(estate), quick(tmp_path)))
    result = runner.result(run_id)
    assert result.outcome is RunOutcome.COMPLETED
    assert {host.status for host in result.hosts.values()} == {HostStatus.OK}
    assert processes_marked(run_id) == []


@pytest.mark.parametrize("careless", [{}, _CARELESS], ids=["plain", "careless"])
def test_an_unknown_host_key_is_refused(
    lab: Lab,
    estate: FrozenInventory,
    runner: PlaybookRunner,
    tmp_path: Path,
    careless: dict[str, object],
) -> None:
    empty = tmp_path / "known_hosts"
    empty.touch()
    run = replace(_run(lab, _with(estate, **careless), quick(tmp_path)), known_hosts=empty)
    result = runner.result(runner.start(run))
    assert {host.status for host in result.hosts.values()} == {HostStatus.UNREACHABLE}
    assert all("Host key verification failed" in host.message for host in result.hosts.values())
    assert empty.read_text() == ""


def test_cancel_closes_every_connection(
    lab: Lab, estate: FrozenInventory, runner: PlaybookRunner, tmp_path: Path
) -> None:
    task = {"name": "wait", "ansible.builtin.command": "sleep 60.25"}
    run_id = runner.start(_run(lab, _with(estate), playbook(tmp_path, play([task]))))
    # The task has begun everywhere: a host that it had not come to would be "skipped".
    until(lambda: len(processes("sleep\x0060.25")) >= len(estate.hosts), what="sleep on all hosts")
    runner.cancel(run_id)
    result = runner.result(run_id)
    assert result.outcome is RunOutcome.CANCELLED
    assert {host.status for host in result.hosts.values()} == {HostStatus.UNKNOWN}
    assert processes_marked(run_id) == []


def _person(host: LabHost, password: str) -> None:
    """Somebody who may become root, but is asked for the password each time."""
    host.run(
        f"useradd --create-home clerk && echo 'clerk:{password}' | chpasswd"
        " && echo 'clerk ALL=(ALL:ALL) ALL' > /etc/sudoers.d/clerk"
        " && printf 'PasswordAuthentication yes\\nMaxAuthTries 20\\n'"
        " > /etc/ssh/sshd_config.d/00-clerk.conf && systemctl reload ssh",
        user="root",
    )


def _secret(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(f"{text}\n")
    path.chmod(0o600)
    return path


def test_passwords_come_from_files_and_stay_there(
    lab: Lab, lab_host: LabHost, estate: FrozenInventory, runner: PlaybookRunner, tmp_path: Path
) -> None:
    """Login and sudo by password: they work, nobody sees them, and a wrong one says so."""
    word = "Kanarienvogel-7f3a"
    _person(lab_host, word)
    right, wrong = (_secret(tmp_path, *pair) for pair in (("right", word), ("wrong", "oops")))
    tasks = [
        {"ansible.builtin.command": "id -u", "register": "who", "changed_when": False},
        {"sw_probe": {"echo": "{{ who.stdout }}"}},
        {"name": "wait", "ansible.builtin.command": "sleep 4"},
    ]
    run = replace(
        _run(lab, _with(estate.only([lab_host.name]), ansible_user="clerk"), ""),
        playbook=playbook(tmp_path, play(tasks, become=True)),
        secrets=SecretFiles(connection_password=right, become_password=right),
    )
    run_id = runner.start(run)
    at_task(runner, run_id, "wait")
    seen = seen_by_others(processes_marked(run_id) + processes(run_id))
    result = runner.result(run_id).hosts[lab_host.name]
    assert (result.status, result.message) == (HostStatus.CHANGED, "")
    assert result.report["probe"] == {"echo": "0", "fill": ""}
    assert b"--become-password-file" in seen
    assert word.encode() not in seen
    denied = replace(run, secrets=SecretFiles(connection_password=right, become_password=wrong))
    host = runner.result(runner.start(denied)).hosts[lab_host.name]
    assert host.status in (HostStatus.FAILED, HostStatus.UNREACHABLE)
    assert "password" in host.message
