# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/validation.md from what was measured; nothing on it is written by hand but the sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from tests.validation.stages import PROFILE, Stage

_REASONS: Mapping[str, Mapping[str, str]] = yaml.safe_load(
    (Path(__file__).parent / "reasons.yml").read_text(encoding="utf-8")
)

_HEAD = """# Honest validation

One lab host (Debian 12 with systemd and sshd in a container), a till with a program of its own.
Three readers look at it: our audit, OpenSCAP (Debian 12 data stream of `ssg-debian`, tailored to
our numbers) and Lynis {lynis}. Then `storewarden.ops.baseline_fix` hardens it, all three look
again; it reboots, all three look again.

Made by `python -m tests.validation` (root, about ten minutes); every figure is from one run of it.

A container has no kernel of its own: controls about kernel settings, loaded audit rules and disks
end in `na` or `error` here, before and after. They are counted, not hidden.
"""


def page(stages: Sequence[Stage], fixed: Mapping[str, Any], again: Mapping[str, Any]) -> str:
    """The whole page, Markdown."""
    parts = [
        _HEAD.format(lynis=stages[0].lynis.version),
        "## What the three say\n\n" + _table(stages),
        "## What the fix did\n\n" + _fixes(fixed, again),
        "## Does the till still work\n\n" + _probes(stages),
        "## Where OpenSCAP and our audit differ\n\n" + _differences(stages),
        "## Controls that did not become `pass`\n\n" + _rest(stages),
        "## Went wrong by hardening or by the reboot\n\n" + _regressions(stages),
    ]
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def _rows(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(map(str, row)) + " |" for row in rows)])


def _counted(results: Mapping[str, str], names: Sequence[str]) -> list[int]:
    counts = Counter(results.values())
    others = sum(count for name, count in counts.items() if name not in names)
    return [*(counts[name] for name in names), others]


def _table(stages: Sequence[Stage]) -> str:
    ours = ("pass", "fail", "na", "error", "manual")
    theirs = ("pass", "fail", "notapplicable", "error")
    first = _rows(
        ["stage", *(f"our audit: {name}" for name in ours)],
        ([stage.name, *(stage.ours.get(name, 0) for name in ours)] for stage in stages),
    )
    head = ["stage", *theirs, "other"]
    second = _rows(head, ([s.name, *_counted(s.overlap, theirs)] for s in stages))
    third = _rows(head, ([s.name, *_counted(s.profile, theirs)] for s in stages))
    fourth = _rows(
        ["stage", "Lynis index", "tests", "warnings", "suggestions"],
        ([s.name, s.lynis.index, s.lynis.tests, s.lynis.warnings, s.lynis.suggestions]
         for s in stages),
    )  # fmt: skip
    return (
        f"{first}\n\nOpenSCAP, the rules that one of our controls overlaps:\n\n{second}\n\n"
        f"OpenSCAP, all rules of `{PROFILE.rpartition('profile_')[2]}` at our numbers (most of the "
        f"rest is no matter of this baseline: partitions, SELinux, a boot loader):\n\n{third}\n\n"
        f"{fourth}"
    )


def _fixes(fixed: Mapping[str, Any], again: Mapping[str, Any]) -> str:
    rows = []
    for group, told in fixed.items():
        names = " ".join(one["id"] for one in told.get("controls", ())) or "-"
        second = again.get(group, {}).get("outcome", "-")
        rows.append([group, told["outcome"], names, second, _said(told)])
    return _rows(["group", "outcome", "controls", "run a second time", "reason"], rows)


def _said(told: Mapping[str, Any]) -> str:
    """The group's reason, or the problems of its controls; a bar would end the table's cell."""
    problems = [
        f"{one['id']}: {one['problem']['en']}"
        for one in told.get("controls", ())
        if one.get("problem")
    ]
    text = told.get("reason", {}).get("en", "") or "; ".join(problems)
    return text.replace("|", "\\|")


def _probes(stages: Sequence[Stage]) -> str:
    names = list(stages[0].probes)
    return _rows(
        ["probe", *(stage.name for stage in stages)],
        ([name, *(stage.probes[name] for stage in stages)] for name in names),
    )


def _differences(stages: Sequence[Stage]) -> str:
    """One row per control: what it and the rules said at the stages where they differ, and why."""
    found: dict[str, list[str]] = {}
    for stage in stages:
        for row in stage.rows:
            if row.kind != "agree":
                against = ", ".join(f"`{rule}`" for rule in row.contrary) or "no answer"
                found.setdefault(row.control, []).append(f"{stage.name}: {row.ours}, not {against}")
    rows = [[name, "; ".join(told), _reason("differs", name)] for name, told in found.items()]
    return _rows(["control", "stage: our verdict, and who says otherwise", "why"], sorted(rows))


def _reason(sort: str, control: str) -> str:
    assert control in _REASONS[sort], f"{control} has no reason under {sort} in reasons.yml"
    return _REASONS[sort][control]


def _rest(stages: Sequence[Stage]) -> str:
    last = stages[-1].verdicts
    return _rows(
        ["verdict after the reboot", "controls"],
        ([verdict, " ".join(sorted(name for name, one in last.items() if one == verdict))]
         for verdict in ("fail", "error", "manual", "na")),
    )  # fmt: skip


def _regressions(stages: Sequence[Stage]) -> str:
    rows = [
        [after.name, name, before.verdicts[name], after.verdicts[name], _reason("lost", name)]
        for before, after in pairwise(stages)
        for name in sorted(before.verdicts)
        if before.verdicts[name] == "pass" and after.verdicts[name] != "pass"
    ]
    if not rows:
        return "Nothing: no control that passed at one stage failed to pass at the next."
    return _rows(["stage", "control", "before", "after", "why"], rows)
