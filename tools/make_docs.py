# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the pages that are made from data: controls, scanner comparison, states.

``--check`` writes nothing and fails when a page is not what the data says.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from change_pages import change_states
from rollout_pages import rollout_states

_ROOT = Path(__file__).resolve().parent.parent
_HOME = _ROOT / "docs/reference"
_FAMILIES = {
    "accounts": "Accounts and passwords",
    "ssh": "Remote login",
    "kernel": "Kernel and mounts",
    "ports": "Ports, packages, malware",
    "logs": "Logs, audit, time",
    "postgresql": "PostgreSQL",
    "mariadb": "MariaDB and MySQL",
}


def _controls() -> str:
    loader = _ROOT / "plugins/plugin_utils/baseline_controls.py"
    done = subprocess.run([sys.executable, loader, "--json"], capture_output=True, check=True)
    found = json.loads(done.stdout)["controls"]
    lines = [
        "# The controls",
        "",
        f"All {len(found)} controls, made from `roles/baseline_*/controls/` by `make docs`. Mark: S the guide's own",
        "number or rule, D derived from it, X outside it. Risk is that of the fix: R0 none, R1 low, R2 may break a",
        "service, R3 may lock people out.",
    ]
    for family, title in _FAMILIES.items():
        lines += [
            "",
            f"## {title}",
            "",
            "| id | control | 控制项 | severity | risk | guide | MLPS | CIS Debian 12 |",
        ]
        lines += ["|---|---|---|---|---|---|---|---|"]
        lines += [_control(one) for one in found if one["family"] == family]
    return "\n".join(lines) + "\n"


def _control(one: dict[str, Any]) -> str:
    guide = f"{one['guide']['section']} {one['guide']['mark']}".strip()
    refs = [", ".join(one["refs"].get(name, [])) for name in ("mlps", "cis_debian12")]
    cells = [
        one["id"],
        one["title"]["en"],
        one["title"]["zh"],
        one["severity"],
        one["risk"],
        guide,
        *refs,
    ]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _agreement() -> str:
    listed = yaml.safe_load((_ROOT / "tests/scanner/disagreements.yml").read_text())
    lines = [
        "# Our audit beside OpenSCAP",
        "",
        "Both look at the same lab host in the same state; OpenSCAP is tailored to our numbers, and only rules that one",
        "of our controls overlaps are selected. `tests/e2e/test_scanner_agreement.py` measures all of this anew in every",
        "test run and fails when a control differs that is not listed here, or no longer differs.",
        "",
        "| state of the host | OpenSCAP: pass | fail | not applicable | controls that differ |",
        "|---|---|---|---|---|",
    ]
    for name, state in listed.items():
        count = [str(state["counts"].get(kind, 0)) for kind in ("pass", "fail", "notapplicable")]
        lines.append(
            f"| {name}: {state['meaning']} | {' | '.join(count)} | {len(state['differs'])} |"
        )
    for name, state in listed.items():
        how = " and ".join(f"`tests/scanner/{script}`" for script in state["scripts"])
        lines += [
            "",
            f"## {name.capitalize()}",
            "",
            f"Reproduce it with {how}." if how else "Any fresh lab host.",
            "",
        ]
        lines += ["| control | why the two differ |", "|---|---|"]
        lines += [
            f"| {control} | {' '.join(why.split())} |" for control, why in state["differs"].items()
        ]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write or check; 1 when a page is stale."""
    stale = 0
    pages = {
        "controls.md": _controls,
        "scanner-agreement.md": _agreement,
        "change-states.md": change_states,
        "rollout-states.md": rollout_states,
    }
    for name, write in pages.items():
        text = write()
        page = _HOME / name
        if "--check" in sys.argv:
            if not page.exists() or page.read_text() != text:
                sys.stderr.write(
                    f"docs/reference/{name} is not what the data says: run 'make docs'\n"
                )
                stale = 1
        else:
            page.write_text(text)
    return stale


if __name__ == "__main__":
    sys.exit(main())
