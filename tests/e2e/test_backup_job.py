# SPDX-License-Identifier: GPL-3.0-or-later
"""Backup jobs on a real host: begun by a play, alive without its line, and collected later."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.lab.fixtures import built
from tests.lab.fleet import Lab, LabHost
from tests.lab.software_layer import BACKUP

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.full]

_ROOT = Path(__file__).resolve().parents[2]
_SECRET = "Ladder-Tractor-Umbrella"
_PATIENCE = 300.0
_CUT = 25.0  # seconds in which a job of some seconds comes to its end


@dataclass
class Plays:
    """Runs of ansible-playbook on one host."""

    lab: Lab
    host: LabHost
    folder: Path
    events: list[Path] = field(default_factory=list)

    def play(self, playbook: str, **variables: Any) -> subprocess.CompletedProcess[str]:
        values = self.folder / "values.json"
        values.write_text(json.dumps(variables))
        self.events.append(self.folder / f"events-{len(self.events)}.jsonl")
        reported = "backup_word" in variables
        env = {**os.environ, "ANSIBLE_CONFIG": str(_ROOT / "ansible.cfg"),
               "ANSIBLE_HOME": str(self.folder / "home"),
               "STOREWARDEN_EVENTS": str(self.events[-1])}  # fmt: skip
        if reported:
            env["ANSIBLE_STDOUT_CALLBACK"] = "storewarden.ops.run_log"
        return subprocess.run(
            [str(Path(sys.executable).parent / "ansible-playbook"), playbook,
             "-i", str(self.lab.inventory_path), "--limit", self.host.name, "-e", f"@{values}"],
            env=env, cwd=_ROOT, check=False, timeout=_PATIENCE, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def word(self, word: str, *orders: dict[str, Any]) -> dict[str, Any]:
        """What the host told of each order."""
        done = self.play(
            "storewarden.ops.backup",
            backup_word=word,
            backup_orders={self.host.name: list(orders)},
            backup_secrets={each["run"]: {"repository": _SECRET} for each in orders},
        )
        lines = self.events[-1].read_text().splitlines() if self.events[-1].exists() else []
        told = [found for line in lines for found in _reports(json.loads(line))]
        assert told, done.stdout
        jobs: dict[str, Any] = {}
        for each in told:
            jobs |= each["jobs"]
        return jobs


def _reports(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if isinstance(value.get("backup"), dict) and "jobs" in value["backup"]:
            yield value["backup"]
        for each in value.values():
            yield from _reports(each)


@pytest.fixture
def plays(lab: Lab, lab_host: LabHost, tmp_path: Path) -> Plays:
    lab_host.reset(above=built(BACKUP))
    lab_host.run("systemctl is-system-running --wait", user="root", check=False)
    return Plays(lab, lab_host, tmp_path)


def _order(plays: Plays, run: str, verb: str = "take", **words: Any) -> dict[str, Any]:
    return {
        "format": 1, "run": run, "verb": verb, "host": plays.host.name, "policy": "till",
        "method": "files", "source": {"paths": ["/etc", "/srv/till"], "settled": 0},
        "repository": "/var/lib/storewarden/backup/repositories/till", **words,
    }  # fmt: skip


def test_a_job_outlives_its_line_and_is_collected_afterwards(plays: Plays) -> None:
    host = plays.host
    host.run("mkdir -p /srv/till; head -c 150M /dev/urandom > /srv/till/sales", user="root")
    order = _order(plays, "run-1")
    begun = plays.word("begin", order)["run-1"]
    host.cut()
    try:
        assert begun["state"] == "running"
        time.sleep(_CUT)
        mended = time.time()
    finally:
        host.mend()
    host.wait()
    found = plays.word("collect", order)["run-1"]
    assert found["state"] == "ended" and found["report"]["end"] == "done", found
    assert found["report"]["ended"] < mended
    assert plays.word("begin", order)["run-1"] == found  # a name is carried out once
    word = _SECRET.replace("T", "[T]")  # sudo logs what it is asked to look for
    look = f"grep -rl '{word}' /var/lib/storewarden /var/log /run/storewarden 2>/dev/null; true"
    assert host.run(look, user="root").stdout == ""
    stopped = _order(plays, "run-2", source={"paths": ["/srv/till"], "settled": 0})
    slow = (
        "printf '#!/bin/sh\\nsleep 200\\n' > /usr/local/bin/restic; chmod 755 /usr/local/bin/restic"
    )
    host.run(slow, user="root")
    assert plays.word("begin", stopped)["run-2"]["state"] == "running"
    ended = plays.word("stop", stopped)["run-2"]
    assert ended["state"] == "ended" and ended["report"]["end"] == "interrupted", ended
    assert plays.word("forget", order, stopped) == {
        "run-1": {"state": "absent"}, "run-2": {"state": "absent"},
    }  # fmt: skip


def test_a_plain_playbook_backs_up_verifies_and_rehearses(plays: Plays, tmp_path: Path) -> None:
    roles = ["backup_files", "backup_verify", "backup_drill"]
    play = tmp_path / "play.yml"
    play.write_text(json.dumps([{
        "hosts": "all", "become": True, "gather_facts": False,
        "roles": [f"storewarden.ops.{role}" for role in roles],
    }]))  # fmt: skip
    given = {f"{role}_password": _SECRET for role in roles}
    for changed in (True, False):
        done = plays.play(str(play), backup_drill_source={"paths": ["/etc"]}, **given)
        assert done.returncode == 0, done.stdout
        assert _SECRET not in done.stdout
        assert ("changed=0" not in done.stdout) is changed, done.stdout
    wrong = {**given, "backup_files_password": "guessed", "backup_files_run": "again"}
    done = plays.play(str(play), **wrong)
    assert done.returncode != 0 and "refused the password" in done.stdout, done.stdout
