# SPDX-License-Identifier: GPL-3.0-or-later
"""Much output, large reports, many tasks: whole, and in few files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

import pytest

from storewarden.adapters.ansible import PlaybookRunner
from storewarden.ports.runner import HostStatus, PlaybookRun, RunOutcome
from tests.contract.runner_plays import ended, inventory, play, playbook

_RUN_DIR = "{{ lookup('ansible.builtin.env', 'STOREWARDEN_EVENTS') | dirname }}"
_LOOK = {"sw_probe": {"tree": _RUN_DIR, "key": "look"}, "run_once": True}


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[PlaybookRunner]:
    yield from ended(PlaybookRunner(tmp_path / "state"))


def _tree(report: Mapping[str, object]) -> Mapping[str, int]:
    """The files of the run as the play itself saw them at its end."""
    look = cast("Mapping[str, object]", report["look"])
    return cast("Mapping[str, int]", look["tree"])


def test_a_report_of_half_a_megabyte_comes_whole(runner: PlaybookRunner, tmp_path: Path) -> None:
    size = 500_000
    tasks = [{"sw_probe": {"fill": size}}, {"sw_probe": {"echo": "again", "key": "second"}}]
    names = [f"pos{n}" for n in range(4)]
    run = PlaybookRun(playbook=playbook(tmp_path, play(tasks)), inventory=inventory(*names))
    run_id = runner.start(run)
    followed = [event for event in runner.follow(run_id) if "probe" in event.report]
    result = runner.result(run_id)
    assert len(followed) == len(names)
    for name in names:
        report = cast("Mapping[str, Mapping[str, str]]", result.hosts[name].report)
        assert report["probe"]["fill"] == "x" * size
        assert report["second"]["echo"] == "again"


def test_a_flood_of_terminal_codes_never_reaches_ansible_runner(
    runner: PlaybookRunner, tmp_path: Path
) -> None:
    """Its filter takes quadratic time over ESC[K; ours would have cost it a minute of CPU."""
    flood = "import sys; sys.stdout.write(('\\x1b[K' + 'progress ' * 8 + '\\n') * 60000)"
    tasks = [
        {"ansible.builtin.command": {"argv": ["{{ ansible_python_interpreter }}", "-c", flood]}},
        _LOOK,
    ]
    run = PlaybookRun(playbook=playbook(tmp_path, play(tasks)), inventory=inventory("pos1"))
    result = runner.result(runner.start(run))
    assert result.outcome is RunOutcome.COMPLETED
    assert result.hosts["pos1"].status is HostStatus.CHANGED
    sizes = {Path(name).name: size for name, size in _tree(result.hosts["pos1"].report).items()}
    assert sizes["stdout"] == 0
    assert sizes["output.log"] < 4096
    assert sizes["events.jsonl"] < 4096


def test_fifty_hosts_and_twenty_tasks_make_few_files(
    runner: PlaybookRunner, tmp_path: Path
) -> None:
    tasks = [{"ansible.builtin.debug": {"msg": f"task {n}"}} for n in range(20)]
    names = [f"pos{n:02d}" for n in range(50)]
    run = PlaybookRun(
        playbook=playbook(tmp_path, play([*tasks, _LOOK])), inventory=inventory(*names)
    )
    run_id = runner.start(run)
    kinds = [event.kind for event in runner.follow(run_id)]
    result = runner.result(run_id)
    assert kinds.count("host_ok") == 50 * 20 + 1
    assert {host.status for host in result.hosts.values()} == {HostStatus.OK}
    during = _tree(result.hosts["pos00"].report)
    assert len(during) < 25, sorted(during)
    assert not any("fact_cache" in name for name in during)
    after = [path for path in (tmp_path / "state" / "runs").rglob("*") if path.is_file()]
    assert len(after) < 10, after
    assert sum(path.stat().st_size for path in after) < 400_000
