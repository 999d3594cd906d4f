# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs never mix, data stays text, and no secret is where somebody could read it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from storewarden.adapters.ansible import AnsibleInventory, PlaybookRunner
from storewarden.domain.errors import ConfigInvalid
from storewarden.ports.runner import (
    FrozenInventory,
    HostStatus,
    PlaybookRun,
    RunOutcome,
    SecretFiles,
)
from tests.contract.runner_plays import (
    LOCAL,
    at_task,
    ended,
    go,
    held,
    inventory,
    play,
    playbook,
    processes,
    processes_marked,
    seen_by_others,
    until,
)

_CANARY = "canary-7f3a9c"


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[PlaybookRunner]:
    yield from ended(PlaybookRunner(tmp_path / "state"))


def _probed(runner: PlaybookRunner, run: PlaybookRun) -> dict[str, Mapping[str, object]]:
    """Run the probe; what it reported, by host."""
    result = runner.result(runner.start(run))
    assert result.outcome is RunOutcome.COMPLETED, result
    reports = {name: host.report for name, host in result.hosts.items()}
    return {name: cast("Mapping[str, object]", r["probe"]) for name, r in reports.items()}


def _echo(folder: Path, text: object) -> str:
    return playbook(folder, play([{"sw_probe": {"echo": text}}]))


def test_parallel_runs_never_mix(runner: PlaybookRunner, tmp_path: Path) -> None:
    book = _echo(tmp_path, "{{ store }} {{ wave }}")
    stores = ["a", "b", "c"]
    runs = {
        store: runner.start(
            PlaybookRun(
                playbook=book,
                inventory=inventory(f"pos-{store}", store=store),
                variables={"wave": f"wave-{store}"},
            )
        )
        for store in stores
    }
    for store, run_id in runs.items():
        [host] = runner.result(run_id).hosts.values()
        assert host.host == f"pos-{store}"
        assert cast("Mapping[str, object]", host.report["probe"])["echo"] == f"{store} wave-{store}"


def test_text_with_lookups_stays_text_at_any_depth(runner: PlaybookRunner, tmp_path: Path) -> None:
    trap = tmp_path / "sprung"
    text = "{{ lookup('ansible.builtin.pipe', 'touch " + str(trap) + "') }} {% raw %} {# no #}"
    alert = {
        "labels": [text, {"deep": {"er": [text]}}],
        text: "as a key",
        "odd": ["0123", "yes", "a: b", "\u4e2d\u6587", "\U0001f600", "\x07\x7f\x85", "", None, 1.5],
    }
    run = PlaybookRun(
        playbook=_echo(tmp_path, "{{ alert }}"),
        inventory=inventory("pos1"),
        variables={"alert": alert},
    )
    assert _probed(runner, run)["pos1"]["echo"] == alert
    assert not trap.exists()


@pytest.mark.parametrize(
    "variables", [{"a b": 1}, {"x-y": 1}, {"x": {1: 2}}, {"x": object()}, {"ansible_ssh_args": ""}]
)
def test_variables_that_are_no_data_are_refused(
    runner: PlaybookRunner, tmp_path: Path, variables: Mapping[str, object]
) -> None:
    book = _echo(tmp_path, "x")
    with pytest.raises(ConfigInvalid, match="variables"):
        runner.start(PlaybookRun(playbook=book, inventory=inventory("pos1"), variables=variables))
    assert runner.recover() == ()


def test_a_play_sees_a_bare_environment(
    runner: PlaybookRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("VAULT_TOKEN", "GITLAB_TOKEN", "SMTP_PASSWORD", "https_proxy"):
        monkeypatch.setenv(name, _CANARY)
    book = playbook(tmp_path, play([{"sw_probe": {"env": True}}]))
    run = PlaybookRun(playbook=book, inventory=inventory("pos1"))
    env = cast("Mapping[str, str]", _probed(runner, run)["pos1"]["env"])
    assert _CANARY not in env.values()
    assert env["ANSIBLE_HOST_KEY_CHECKING"] == "True"
    assert "StrictHostKeyChecking=yes" in env["ANSIBLE_SSH_ARGS"]
    assert len(env["ANSIBLE_SSH_CONTROL_PATH_DIR"]) < 40


def _secrets(folder: Path) -> SecretFiles:
    paths = {}
    for name in ("vault_password", "become_password", "connection_password"):
        paths[name] = folder / name
        paths[name].write_text(f"{_CANARY}-{name}\n")
    return SecretFiles(**paths)


def _files_with(folder: Path, text: str) -> list[str]:
    done = subprocess.run(["grep", "-rlaF", text, str(folder)], capture_output=True, check=False)
    return done.stdout.decode().split()


def test_no_secret_in_processes_or_left_over_files(
    runner: PlaybookRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT_TOKEN", f"{_CANARY}-env")
    secrets = _secrets(tmp_path)
    tasks: list[object] = [
        {"sw_probe": {"echo": "{{ [token, ansible_become_password] | length }}"}},
        {"name": "wait", "ansible.builtin.command": held(tmp_path)},
        {
            "name": "fail",
            "ansible.builtin.command": "sh -c 'echo {{ token }} >&2; exit 1'",
            "no_log": True,
        },
    ]
    run = PlaybookRun(
        playbook=playbook(tmp_path, play(tasks)),
        inventory=inventory("pos1", ansible_become_password=f"{_CANARY}-inventory"),
        variables={"token": f"{_CANARY}-variable"},
        secrets=secrets,
    )
    run_id = runner.start(run)
    at_task(runner, run_id, "wait")
    until(lambda: len(processes_marked(run_id)) >= 3)  # ansible-playbook, a worker, the module
    watched = processes_marked(run_id) + processes(run_id)
    seen = seen_by_others(watched)
    go(tmp_path)
    result = runner.result(run_id)
    assert len(watched) >= 4
    assert b"--become-password-file" in seen
    assert _CANARY.encode() not in seen
    assert result.hosts["pos1"].status is HostStatus.FAILED
    assert result.hosts["pos1"].message == "hidden by no_log"
    assert _files_with(tmp_path / "state", _CANARY) == []
    assert not (tmp_path / "state" / "runs" / run_id / "work").exists()
    assert not list(Path("/tmp").glob(f"sw-{run_id[:18]}*"))


def test_run_files_are_for_their_owner_only(runner: PlaybookRunner, tmp_path: Path) -> None:
    run_id = runner.start(PlaybookRun(playbook=_echo(tmp_path, "x"), inventory=inventory("pos1")))
    top = tmp_path / "state" / "runs" / run_id
    runner.result(run_id)
    modes = {p.name: p.stat().st_mode & 0o077 for p in [top, *top.rglob("*")]}
    assert {name: oct(mode) for name, mode in modes.items() if mode} == {}


def test_a_frozen_inventory_means_what_it_meant(runner: PlaybookRunner, tmp_path: Path) -> None:
    """Templates of the site work, unsafe stays text, vaults open, numbers-like names stay names."""
    secret = tmp_path / "vault-password"
    secret.write_text("open sesame\n")
    done = subprocess.run(
        ["ansible-vault", "encrypt_string", "--vault-password-file", str(secret), "treasure"],
        capture_output=True, text=True, check=True,
        env={**os.environ, "PATH": f"{Path(os.sys.executable).parent}:{os.environ['PATH']}"},
    )  # fmt: skip
    site = tmp_path / "site"
    site.mkdir()
    source = site / "hosts.yml"
    source.write_text(
        "all:\n  children:\n    tills:\n      hosts:\n"
        '        "000123": {city: 上海, port: "022"}\n'
        "        pos2:\n"
        "      vars:\n"
        f"        ansible_connection: local\n"
        f"        ansible_python_interpreter: {LOCAL['ansible_python_interpreter']}\n"
        "        where: \"{{ city | default('nowhere') }} {{ inventory_dir }} {{ group_names }}\"\n"
        '        raw: !unsafe "{{ city }}"\n'
        "        hidden: " + done.stdout.replace("\n", "\n          ").rstrip() + "\n"
    )
    frozen = AnsibleInventory().resolve([source], vault_password=secret)
    run = PlaybookRun(
        playbook=_echo(
            tmp_path, ["{{ where }}", "{{ raw }}", "{{ hidden }}", "{{ port | d('-') }}"]
        ),
        inventory=frozen,
        secrets=SecretFiles(vault_password=secret),
    )
    echoes = {name: probe["echo"] for name, probe in _probed(runner, run).items()}
    assert echoes == {
        "000123": [f"上海 {site} ['tills']", "{{ city }}", "treasure", "022"],
        "pos2": [f"nowhere {site} ['tills']", "{{ city }}", "treasure", "-"],
    }


@pytest.mark.parametrize(
    "name",
    ["", "a b", "!pos1", "@file", "-v", "pos*", "pos?", "a,b", "pos1:22", "all", "ungrouped"],
)
def test_names_that_are_patterns_are_refused(
    runner: PlaybookRunner, tmp_path: Path, name: str
) -> None:
    with pytest.raises(ConfigInvalid, match="host name"):
        runner.start(
            PlaybookRun(
                playbook=_echo(tmp_path, "x"), inventory=FrozenInventory(hosts={name: LOCAL})
            )
        )


def test_paths_with_odd_signs_work(tmp_path: Path) -> None:
    """Ansible splits inventory and limit arguments at commas and colons."""
    odd = tmp_path / "a, b: c 店"
    odd.mkdir()
    for runner in ended(PlaybookRunner(odd / "state")):
        run = PlaybookRun(playbook=_echo(odd, "{{ inventory_hostname }}"), inventory=inventory("p"))
        assert _probed(runner, run)["p"]["echo"] == "p"


# Writes down how it was called, and what the real ssh would make of it.
_FAKE_SSH = """#!/bin/sh
printf '%s\\n' "$@" > {folder}/asked
ssh -F /dev/null -G "$@" > {folder}/meant 2>&1
exit 255
"""


def _ssh_options(runner: PlaybookRunner, folder: Path, run: PlaybookRun) -> dict[str, str]:
    """What ssh would do with the options it gets, host by host the same."""
    fake = folder / "ssh"
    fake.write_text(_FAKE_SSH.format(folder=folder))
    fake.chmod(0o755)
    host = {"ansible_host": "127.0.0.1", "ansible_ssh_executable": str(fake)}
    hosts = {name: {**host, **given} for name, given in run.inventory.hosts.items()}
    result = runner.result(runner.start(replace(run, inventory=FrozenInventory(hosts=hosts))))
    assert {one.status for one in result.hosts.values()} == {HostStatus.UNREACHABLE}, result
    lines = (folder / "meant").read_text().splitlines()
    return dict(line.partition(" ")[::2] for line in lines)


_CARELESS = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ConnectionAttempts=7"


@pytest.mark.parametrize("where", ["host", "untrusted", "group_vars", "play", "ansible.cfg"])
def test_nobody_switches_the_check_of_host_keys_off(
    runner: PlaybookRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """The site's other options stay, where they do not have to give way to ours."""
    given: dict[str, object] = {"ansible_ssh_common_args": _CARELESS}
    variables: dict[str, object] = {}
    if where == "host":
        given = {"ansible_ssh_args": _CARELESS, "ansible_host_key_checking": False}
    elif where == "untrusted":
        given = {"ansible_ssh_args": {"__ansible_unsafe": _CARELESS}}
    elif where == "group_vars":
        (tmp_path / "group_vars").mkdir()
        (tmp_path / "group_vars" / "all.yml").write_text(f"ansible_ssh_args: '{_CARELESS}'\n")
    elif where == "play":
        variables = {"vars": {"ansible_ssh_args": _CARELESS}}
    else:
        given = {}
        config = tmp_path / "ansible.cfg"
        config.write_text(f"[ssh_connection]\nssh_args = {_CARELESS}\n")
        monkeypatch.setenv("ANSIBLE_CONFIG", str(config))
    known = tmp_path / "known hosts"
    known.touch()
    book = playbook(tmp_path, play([{"ansible.builtin.raw": "true"}], **variables))
    run = PlaybookRun(
        playbook=book, inventory=FrozenInventory(hosts={"pos1": given}), known_hosts=known
    )
    options = _ssh_options(runner, tmp_path, run)
    assert options["stricthostkeychecking"] == "true"
    assert options["userknownhostsfile"] == str(known)
    assert options["connectionattempts"] == "7"


def test_long_names_that_begin_alike_are_different_hosts(
    runner: PlaybookRunner, tmp_path: Path
) -> None:
    names = [f"上海浦东新区世纪大道一百号旗舰门店收银终端机器{n}号机" for n in "甲乙丙"]
    run = PlaybookRun(playbook=_echo(tmp_path, "x"), inventory=inventory(*names))
    assert set(_probed(runner, run)) == set(names)


def test_this_machine_is_served_by_this_python(runner: PlaybookRunner, tmp_path: Path) -> None:
    """Unless the inventory names another; discovery may find a shim that serves nobody else."""
    book = _echo(tmp_path, "{{ ansible_python_interpreter }}")
    hosts = {
        "bare": {"ansible_connection": "local"},
        "named": {"ansible_connection": "local", "ansible_python_interpreter": "/usr/bin/python3"},
    }
    run = PlaybookRun(playbook=book, inventory=FrozenInventory(hosts=hosts))
    found = {name: probe["echo"] for name, probe in _probed(runner, run).items()}
    assert found == {"bare": sys.executable, "named": "/usr/bin/python3"}


def test_a_state_directory_of_somebody_else_is_refused(tmp_path: Path) -> None:
    state = tmp_path / "state"
    PlaybookRunner(state)
    (state / "runs").chmod(0o777)
    with pytest.raises(ConfigInvalid, match="anybody may write"):
        PlaybookRunner(state)
    (state / "runs").chmod(0o700)
    if os.geteuid() == 0:
        os.chown(state, 65534, 65534)
        with pytest.raises(ConfigInvalid, match="belongs to user 65534, not to 0"):
            PlaybookRunner(state)
