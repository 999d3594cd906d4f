# SPDX-License-Identifier: GPL-3.0-or-later
"""What is not a play is an error of its own, in one line, and never looks like success."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from storewarden.adapters.ansible import PlaybookRunner, collection
from storewarden.domain.errors import ConfigInvalid, ContentMissing
from storewarden.ports.runner import (
    HostStatus,
    PlaybookRun,
    RunOutcome,
    RunResult,
    SecretFiles,
)
from tests.contract.runner_plays import ended, inventory, play, playbook, quick


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[PlaybookRunner]:
    yield from ended(PlaybookRunner(tmp_path / "state"))


def _run(runner: PlaybookRunner, book: str, *names: str) -> RunResult:
    run = PlaybookRun(playbook=book, inventory=inventory(*(names or ("pos1", "pos2"))))
    return runner.result(runner.start(run))


def _touch(path: Path) -> dict[str, object]:
    return {"ansible.builtin.file": {"path": str(path), "state": "touch"}}


def _assert_error(result: RunResult, *words: str) -> None:
    assert result.outcome is RunOutcome.ERROR, result
    assert "\n" not in result.error
    for word in words:
        assert word in result.error
    assert not {host.status for host in result.hosts.values()} & {HostStatus.OK, HostStatus.CHANGED}


def test_ansible_playbook_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    runner = PlaybookRunner(tmp_path / "state", bin_dir=tmp_path)
    with pytest.raises(ContentMissing, match="ansible-playbook is not installed"):
        runner.start(PlaybookRun(playbook=quick(tmp_path), inventory=inventory("pos1")))
    assert runner.recover() == ()


def test_ansible_playbook_that_cannot_start(tmp_path: Path) -> None:
    """A moved virtual environment: the script is there, its interpreter is not. Status 127."""
    broken = tmp_path / "bin" / "ansible-playbook"
    broken.parent.mkdir()
    broken.write_text("#!/nowhere/bin/python\n")
    broken.chmod(0o755)
    for runner in ended(PlaybookRunner(tmp_path / "state", bin_dir=broken.parent)):
        _assert_error(_run(runner, quick(tmp_path)), "could not be started", "ansible-playbook")


def test_no_host_matched(runner: PlaybookRunner, tmp_path: Path) -> None:
    book = playbook(tmp_path, play([{"ansible.builtin.debug": {}}], hosts="scales"))
    _assert_error(_run(runner, book), "matched no host")


def test_a_play_that_leaves_planned_hosts_out(runner: PlaybookRunner, tmp_path: Path) -> None:
    book = playbook(tmp_path, play([{"ansible.builtin.debug": {}}], hosts="pos1"))
    result = _run(runner, book)
    assert result.outcome is RunOutcome.ERROR
    assert result.error == "the play left out planned hosts: pos2"
    assert result.hosts["pos2"].status is HostStatus.SKIPPED


@pytest.mark.parametrize("stranger", ["localhost", "added"])
def test_a_play_that_would_touch_other_hosts_is_stopped_first(
    runner: PlaybookRunner, tmp_path: Path, stranger: str
) -> None:
    trap = tmp_path / "touched"
    adds = play([{"ansible.builtin.add_host": {"name": "added", "ansible_connection": "local"}}])
    book = playbook(tmp_path, adds, play([_touch(trap)], hosts=stranger))
    result = _run(runner, book, "pos1")
    assert result.outcome is RunOutcome.ERROR
    assert result.error == f"the play would touch hosts outside its plan: {stranger}"
    assert not trap.exists()


def test_a_broken_playbook_names_file_and_line(runner: PlaybookRunner, tmp_path: Path) -> None:
    book = tmp_path / "broken.yml"
    book.write_text("- hosts: all\n  tasks:\n    - debug: msg=1\n   - oops\n")
    _assert_error(_run(runner, str(book)), "broken.yml:4")


def test_a_missing_role_is_named(runner: PlaybookRunner, tmp_path: Path) -> None:
    book = playbook(tmp_path, play([], roles=["no_such_role"]))
    _assert_error(_run(runner, book), "no_such_role")


def test_a_missing_playbook(runner: PlaybookRunner, tmp_path: Path) -> None:
    for book in ("storewarden.ops.no_such_verb", str(tmp_path / "nothing.yml")):
        with pytest.raises(ContentMissing, match="no such playbook"):
            _run(runner, book)


def test_a_missing_secret_file(runner: PlaybookRunner, tmp_path: Path) -> None:
    run = PlaybookRun(playbook=quick(tmp_path), inventory=inventory("pos1"))
    for name in ("vault_password", "become_password", "connection_password", "private_key"):
        secrets = SecretFiles(**{name: tmp_path / "gone"})
        with pytest.raises(ConfigInvalid, match="does not exist"):
            runner.start(replace(run, secrets=secrets))


def test_a_failure_says_why_in_one_line(runner: PlaybookRunner, tmp_path: Path) -> None:
    tasks = [{"name": "restart till", "ansible.builtin.shell": "echo no such till >&2; exit 3"}]
    result = _run(runner, playbook(tmp_path, play(tasks)))
    assert result.outcome is RunOutcome.COMPLETED
    host = result.hosts["pos1"]
    assert (host.status, host.task) == (HostStatus.FAILED, "restart till")
    assert "return code" in host.message
    assert host.message.endswith(": no such till")


def test_ignored_and_rescued_failures_are_no_failures(
    runner: PlaybookRunner, tmp_path: Path
) -> None:
    block = {
        "block": [{"ansible.builtin.command": "false"}],
        "rescue": [{"sw_probe": {"echo": "rescued"}}],
    }
    tasks = [{"ansible.builtin.command": "false", "ignore_errors": True}, block]
    result = _run(runner, playbook(tmp_path, play(tasks)))
    assert {host.status for host in result.hosts.values()} <= {HostStatus.OK, HostStatus.CHANGED}


def test_unreachable_hosts_are_told_apart(runner: PlaybookRunner, tmp_path: Path) -> None:
    away = inventory("pos2").hosts["pos2"] | {
        "ansible_connection": "ssh",
        "ansible_host": "127.0.0.1",
        "ansible_port": 9,
    }
    both = inventory("pos1")
    both = replace(both, hosts={**both.hosts, "pos2": away})
    result = runner.result(runner.start(PlaybookRun(playbook=quick(tmp_path), inventory=both)))
    assert result.outcome is RunOutcome.COMPLETED
    assert result.hosts["pos1"].status is HostStatus.OK
    assert result.hosts["pos2"].status is HostStatus.UNREACHABLE
    # ssh's own words, unless it was gone before Ansible had written to it: then Ansible's.
    told = result.hosts["pos2"].message
    assert "refused" in told or "Make sure this host can be reached" in told


def test_skipped_everywhere_is_told_as_skipped(runner: PlaybookRunner, tmp_path: Path) -> None:
    result = _run(
        runner, playbook(tmp_path, play([{"ansible.builtin.command": "true", "when": False}]))
    )
    assert {host.status for host in result.hosts.values()} == {HostStatus.SKIPPED}


def test_no_task_at_all_is_no_success(runner: PlaybookRunner, tmp_path: Path) -> None:
    _assert_error(_run(runner, playbook(tmp_path, play([]))), "no task")


def test_a_second_copy_of_the_collection_is_noticed(runner: PlaybookRunner, tmp_path: Path) -> None:
    """Collections beside a playbook come before every search path."""
    ours = collection.directory()
    copy = tmp_path / "collections" / "ansible_collections" / "storewarden" / "ops"
    shutil.copytree(ours / "plugins" / "callback", copy / "plugins" / "callback")
    shutil.copy(ours / "galaxy.yml", copy)
    shutil.copytree(ours / "meta", copy / "meta")
    trap = tmp_path / "touched"
    result = _run(runner, playbook(tmp_path, play([_touch(trap)])))
    _assert_error(result, str(copy), str(ours))
    assert not trap.exists()


def test_stale_copy_in_home_does_not_win(
    runner: PlaybookRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stale = tmp_path / ".ansible/collections/ansible_collections/storewarden/ops/plugins/callback"
    stale.mkdir(parents=True)
    (stale / "run_log.py").write_text("raise SystemExit('stale')\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("ANSIBLE_HOME", raising=False)
    assert _run(runner, quick(tmp_path)).outcome is RunOutcome.COMPLETED


@pytest.mark.parametrize(
    "stops", [{"any_errors_fatal": True}, {"max_fail_percentage": 10}, {}], ids=str
)
def test_a_host_the_play_was_stopped_for_is_no_success(
    runner: PlaybookRunner, tmp_path: Path, stops: dict[str, object]
) -> None:
    """Ansible's recap counts no failure for it, though later tasks never ran there."""
    trap = tmp_path / "touched"
    fails: dict[str, object] = {"ansible.builtin.command": "false"}
    fails |= {"when": "inventory_hostname == 'pos1'"} if stops else {"run_once": True}
    book = playbook(tmp_path, play([{"sw_probe": {"echo": "x"}}, fails, _touch(trap)], **stops))
    result = _run(runner, book)
    assert not trap.exists()
    assert result.hosts["pos1"].status is HostStatus.FAILED
    other = result.hosts["pos2"]
    assert other.status is HostStatus.UNKNOWN
    assert other.message == "the play was stopped here because pos1 failed"
    assert "probe" in other.report


def test_a_rescued_stop_stops_nobody(runner: PlaybookRunner, tmp_path: Path) -> None:
    fails = {"ansible.builtin.command": "false", "when": "inventory_hostname == 'pos1'"}
    block = {"block": [fails], "rescue": [{"sw_probe": {"echo": "x"}}], "any_errors_fatal": True}
    result = _run(runner, playbook(tmp_path, play([block, {"sw_probe": {"echo": "y"}}])))
    assert {host.status for host in result.hosts.values()} == {HostStatus.OK}


def test_a_failure_in_the_middle_stops_nobody_else(runner: PlaybookRunner, tmp_path: Path) -> None:
    fails = {"ansible.builtin.command": "false", "when": "inventory_hostname == 'pos1'"}
    result = _run(runner, playbook(tmp_path, play([fails, {"sw_probe": {"echo": "y"}}])))
    assert result.hosts["pos1"].status is HostStatus.FAILED
    assert result.hosts["pos2"].status is HostStatus.OK
    assert "probe" in result.hosts["pos2"].report


def test_the_sites_own_collections_are_found(
    runner: PlaybookRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where ansible-playbook alone finds them: by ansible.cfg, else under the home directory."""
    task = {"site.tools.hello": {}}
    for place in ("home/collections", "named"):
        modules = tmp_path / place / "ansible_collections" / "site" / "tools" / "plugins/modules"
        modules.mkdir(parents=True)
        report = "json.dumps({'changed': False, 'storewarden': {'from': '" + place + "'}})"
        (modules / "hello.py").write_text(f"#!/usr/bin/python\nimport json\nprint({report})\n")
    config = tmp_path / "ansible.cfg"
    config.write_text("[defaults]\n")
    monkeypatch.setenv("ANSIBLE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ANSIBLE_CONFIG", str(config))
    book = playbook(tmp_path, play([task]))
    assert _run(runner, book).hosts["pos1"].report == {"from": "home/collections"}
    config.write_text("[defaults]\ncollections_path = named\n")
    assert _run(runner, book).hosts["pos1"].report == {"from": "named"}


def test_check_mode_changes_nothing(runner: PlaybookRunner, tmp_path: Path) -> None:
    trap = tmp_path / "touched"
    run = PlaybookRun(
        playbook=playbook(tmp_path, play([_touch(trap)])),
        inventory=inventory("pos1"),
        check_mode=True,
    )
    result = runner.result(runner.start(run))
    assert result.hosts["pos1"].status in (HostStatus.OK, HostStatus.CHANGED)
    assert not trap.exists()
