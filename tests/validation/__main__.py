# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m tests.validation``: scan, harden, scan, reboot, scan; writes docs/validation.md."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.lab.fixtures import lab_command
from tests.lab.fleet import Lab, LabHost
from tests.validation import host as till
from tests.validation import lynis
from tests.validation.page import page
from tests.validation.stages import Stage, harden, look

_ROOT = Path(__file__).resolve().parents[2]
_LAB = "validation"


def main() -> None:
    """The whole protocol on a lab of its own, which is taken down in the end."""
    up = lab_command("up", "--name", _LAB, "--stores", "1", "--pos", "1")
    subprocess.run([*up, "--owner", str(os.getpid())], cwd=_ROOT, check=True)
    try:
        lab = Lab(_LAB)
        host = next(one for one in lab.hosts if one.role == "pos")
        with tempfile.TemporaryDirectory(prefix="validation-") as folder:
            text = _protocol(lab, host, Path(folder))
    finally:
        subprocess.run(lab_command("down", "--name", _LAB), cwd=_ROOT, check=True)
    target = _ROOT / "docs/validation.md"
    target.write_text(text, encoding="utf-8")
    _say(f"written: {target.relative_to(_ROOT)}")


def _protocol(lab: Lab, host: LabHost, state: Path) -> str:
    till.open_till(host)
    lynis.install(host)
    before = till.services(host)
    stages = [_stage("stock", lab, host, state, before)]
    _say("hardening")
    fixed = harden(lab, host, state)
    stages.append(_stage("hardened", lab, host, state, before))
    _say("hardening a second time, then rebooting")
    again = harden(lab, host, state)
    host.stop()
    host.start()
    stages.append(_stage("rebooted", lab, host, state, before))
    return page(stages, fixed, again)


def _stage(name: str, lab: Lab, host: LabHost, state: Path, before: frozenset[str]) -> Stage:
    _say(f"{name}: our audit, OpenSCAP, Lynis")
    stage = look(name, lab, host, state, before)
    _say(f"{name}: {dict(stage.ours)}, Lynis {stage.lynis.index}, {dict(stage.probes)}")
    return stage


def _say(text: str) -> None:
    sys.stderr.write(f"validation: {text}\n")


main()
