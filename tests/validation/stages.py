# SPDX-License-Identifier: GPL-3.0-or-later
"""What each of the three says at each stage of one host's life."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from storewarden.adapters.ansible import AnsibleInventory, PlaybookRunner
from storewarden.ports.runner import LeaseMode, PlaybookRun
from tests.lab.fleet import Lab, LabHost
from tests.scanner import sides
from tests.scanner.agreement import Row, compare
from tests.scanner.datastream import cached
from tests.scanner.scan import prepare, scan, scan_profile
from tests.validation import lynis
from tests.validation.host import SITE, probes

PROFILE = "xccdf_org.ssgproject.content_profile_anssi_bp28_enhanced"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One look at the host by all three, and whether its work went on."""

    name: str
    verdicts: Mapping[str, str]  # control -> verdict of our audit
    overlap: Mapping[str, str]  # OpenSCAP, the rules that a control of ours overlaps
    profile: Mapping[str, str]  # OpenSCAP, a whole profile at our numbers
    rows: tuple[Row, ...]
    lynis: lynis.LynisReport
    probes: Mapping[str, str]

    @property
    def ours(self) -> Mapping[str, int]:
        """How often our audit gave each verdict."""
        return Counter(self.verdicts.values())


def look(name: str, lab: Lab, host: LabHost, state: Path, before: frozenset[str]) -> Stage:
    """All three, one after the other."""
    verdicts = sides.ours(lab, host, state, SITE)
    prepare(host, cached())
    rows: list[Row] = []
    overlap: dict[str, str] = {}
    every: dict[str, str] = {}
    for group in sides.rounds(sides.overlaps()):
        values = {key: value for one in group for key, value in one.values.items()}
        selected = sorted({rule for one in group for rule in one.rules})
        theirs = scan(host, cached(), selected, values)
        rows += compare(verdicts, {one.control: one.rules for one in group}, theirs)
        overlap.update(theirs)
        every.update(values)
    profile = scan_profile(host, PROFILE, every)
    host.run("rm -rf /var/tmp/scan", user="root")
    return Stage(
        name=name,
        verdicts=verdicts,
        overlap=overlap,
        profile=profile,
        rows=tuple(sorted(rows, key=lambda row: row.control)),
        lynis=lynis.look(host),
        probes=probes(host, before),
    )


def harden(lab: Lab, host: LabHost, state: Path) -> dict[str, Any]:
    """Group -> what the fix reported, by the playbook that everybody runs."""
    runner = PlaybookRunner(state)
    run = runner.start(
        PlaybookRun(
            playbook="storewarden.ops.baseline_fix",
            inventory=AnsibleInventory().resolve([lab.inventory_path], limit=host.name),
            lease=LeaseMode.EXCLUSIVE,
            timeout=timedelta(minutes=20),
            known_hosts=lab.known_hosts,
            variables={**SITE, "baseline_fix_change": "validation"},
        )
    )
    result = runner.result(run)
    report: Any = result.hosts[host.name].report
    assert report.get("harden"), (result.error, result.hosts[host.name].message)
    runner.release(run)
    found: dict[str, Any] = report["harden"]
    return found
