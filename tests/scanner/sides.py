# SPDX-License-Identifier: GPL-3.0-or-later
"""Both sides of the comparison on one lab host: our audit, and OpenSCAP at our numbers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from storewarden.adapters.ansible import AnsibleInventory, PlaybookRunner
from storewarden.ports.runner import LeaseMode, PlaybookRun
from tests.lab.fleet import Lab, LabHost
from tests.scanner.agreement import Row, compare
from tests.scanner.datastream import cached, rules
from tests.scanner.scan import prepare, scan

_HERE = Path(__file__).parent
_LOADER = _HERE.parents[1] / "plugins/plugin_utils/baseline_controls.py"


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """A control with OpenSCAP rules for the same thing, and the values these are to measure."""

    control: str
    rules: tuple[str, ...]
    values: Mapping[str, str]


def overlaps() -> list[Overlap]:
    """Every control that names OpenSCAP rules; an AssertionError for a rule that does not exist."""
    known = rules(cached())
    wanted: dict[str, Any] = yaml.safe_load((_HERE / "values.yml").read_text())
    found = []
    for control in _catalogue():
        names = tuple(control["scanners"].get("openscap", ()))
        assert set(names) <= set(known), (control["id"], set(names) - set(known))
        if names:
            values = _values(control, wanted.get(control["id"], {}))
            found.append(Overlap(control=control["id"], rules=names, values=values))
    return found


def _catalogue() -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, str(_LOADER), "--json"], capture_output=True, text=True, check=True
    )
    listed: list[dict[str, Any]] = json.loads(done.stdout)["controls"]
    return listed


def _values(control: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, str]:
    return {name: _value(control, source) for name, source in wanted.items()}


def _value(control: Mapping[str, Any], source: Mapping[str, str]) -> str:
    return (
        source["text"] if "text" in source else str(control["params"][source["param"]]["default"])
    )


def rounds(found: Sequence[Overlap]) -> list[list[Overlap]]:
    """The overlaps in as few scans as possible: no rule and no value twice in one."""
    scans: list[list[Overlap]] = []
    for one in found:
        for group in scans:
            settings = {k: v for other in group for k, v in other.values.items()}
            taken = {rule for other in group for rule in other.rules}
            clash = any(settings.get(k, v) != v for k, v in one.values.items())
            if not clash and not taken & set(one.rules):
                group.append(one)
                break
        else:
            scans.append([one])
    return scans


# What a site with the hardened state would set: its own networks, servers and automation account.
HARDENED = {
    "baseline_ssh_mgmt_nets": ["10.213.0.0/16"],
    "baseline_accounts_nopasswd_allowed": ["ops"],
    "baseline_logs_time_servers": ["ntp.lab.internal"],
}


def ours(lab: Lab, host: LabHost, state: Path, variables: Mapping[str, Any]) -> dict[str, str]:
    """Control -> verdict, by the playbook that everybody runs."""
    inventory = AnsibleInventory().resolve([lab.inventory_path], limit=host.name)
    runner = PlaybookRunner(state)
    run = runner.start(
        PlaybookRun(
            playbook="storewarden.ops.baseline_audit",
            inventory=inventory,
            lease=LeaseMode.SHARED,
            timeout=timedelta(minutes=3),
            known_hosts=lab.known_hosts,
            variables=variables,
        )
    )
    result = runner.result(run)
    audit: Any = result.hosts[host.name].report.get("audit")
    assert audit, (result.error, result.hosts[host.name].message)
    runner.release(run)
    return {one["id"]: one["verdict"] for one in audit["controls"]}


def look(
    lab: Lab, host: LabHost, state: Path, variables: Mapping[str, Any] | None = None
) -> tuple[list[Row], dict[str, int]]:
    """Rows of the comparison and how often OpenSCAP gave each result."""
    datastream = cached()
    verdicts = ours(lab, host, state, variables or {})
    prepare(host, datastream)
    rows: list[Row] = []
    results: dict[str, int] = {}
    for group in rounds(overlaps()):
        selected = sorted({rule for one in group for rule in one.rules})
        values = {k: v for one in group for k, v in one.values.items()}
        theirs = scan(host, datastream, selected, values)
        rows += compare(verdicts, {one.control: one.rules for one in group}, theirs)
        for result in theirs.values():
            results[result] = results.get(result, 0) + 1
    host.run("rm -rf /var/tmp/scan", user="root")
    return sorted(rows, key=lambda row: row.control), results
