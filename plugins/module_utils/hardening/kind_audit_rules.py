# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``audit_rules``: rules for what the kernel's audit does not record yet, on disk and loaded.

Only what no other rule file covers is written: the kernel refuses the same rule twice, and then
everything behind it stays unloaded.
"""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.audit_coverage import (
    uncovered,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getters import GETTERS
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getters.access import (
    expected,
    normal,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.step import (
    Change,
    FixFailed,
    Step,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.telling import told
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.touching import (
    content,
    file_items,
)

_OURS = "/etc/audit/rules.d/50-storewarden.rules"
_HEADER = "# Written by storewarden: what the other rule files do not record.\n"
_NEVER = re.compile(r"\s*-[aA]\s+(never,task|task,never)\b")


def plan(system: Any, fix: dict[str, Any]) -> Step:
    """``coverage``: entries {path, perm, when_present} or {syscall}, as the getter audit_rules."""
    wanted = expected(system, fix["coverage"])
    status = system.ask(["auditctl", "-s"])
    if re.search(r"^enabled 2", status, re.M):
        raise FixFailed(
            "the audit rules are locked until the next boot (-e 2): take that line out and reboot",
            "审计规则已锁定（-e 2），须删除该行并重启后才能修改",
        )
    texts = _others_without_never(system)
    text = _HEADER + "".join(line + "\n" for line in _rules(system, wanted, texts))
    if content(system, _OURS) != text:
        texts[_OURS] = text
    changes = [Change(path, _known(system, path), "new rules") for path in texts]
    query = {"view": "loaded", "uncovered": wanted}
    changes += [
        Change("audit of " + one, "not loaded", "loaded")
        for one in GETTERS["audit_rules"].look(system, query)
    ]
    off = bool(re.search(r"^enabled 0", status, re.M))
    changes += [Change("audit: recording", "off", "on")] if off else []
    items: list[dict[str, Any]] = [{"kind": "audit_rules"}]
    items += [item for path in texts for item in file_items(system, path)]

    def act(hands: Any) -> None:
        for path, new in texts.items():
            hands.write(path, new, 0o640)
        hands.run(["augenrules", "--load"])
        if off:
            hands.run(["auditctl", "-e", "1"])

    return told(fix, changes, items, act)


def _known(system: Any, path: str) -> Any:
    return "other rules" if content(system, path) is not None else None


def _others(system: Any) -> list[str]:
    return [path for path in system.glob("/etc/audit/rules.d/*.rules") if path != _OURS]


def _others_without_never(system: Any) -> dict[str, str]:
    """Other rule files that keep every task out of the audit, with that line taken out."""
    found = {}
    for path in _others(system):
        lines = (content(system, path) or "").splitlines()
        kept = ["# " + line if _NEVER.match(line) else line for line in lines]
        if kept != lines:
            found[path] = "".join(line + "\n" for line in kept)
    return found


def _rules(system: Any, wanted: list[Any], texts: dict[str, str]) -> list[str]:
    """Rule lines for every entry that the other files leave out."""
    lines = [
        line.strip()
        for path in _others(system)
        for line in texts.get(path, content(system, path) or "").splitlines()
    ]
    rules = [normal(line) for line in lines if line.startswith("-")]
    missing = [one for one in wanted if uncovered(rules, [one])]
    found = [
        "-w {0} -p {1} -k storewarden".format(one["path"], one.get("perm", "wa"))
        for one in missing
        if "path" in one
    ]
    calls = sorted({str(one["syscall"]) for one in missing if "syscall" in one})
    for arch in ("b64", "b32") if calls else ():
        what = "-a always,exit -F arch={0} -S {1} -k storewarden"
        found.append(what.format(arch, ",".join(calls)))
    return found
