# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# ruff: noqa: ARG002 - the methods of all kinds take the same arguments
"""``audit_rules``: the kernel's audit rules, in force and as files."""

from __future__ import annotations

from . import trees
from .context import Context
from .failures import RestoreError
from .item import Item, Kind, Saved

_PLACES = ("/etc/audit/rules.d", "/etc/audit/audit.rules")


class AuditRules(Kind):
    """Files under /etc/audit, and what ``auditctl -l`` says (None where nobody answers)."""

    name = "audit_rules"

    def label(self, item: Item) -> str:
        return "audit rules"

    def estimate(self, context: Context, item: Item) -> int:
        return sum(trees.size(context, place) for place in _PLACES)

    def observe(self, context: Context, item: Item) -> Saved:
        done = context.host.run(["auditctl", "-l"])
        live = None if done.code != 0 else [one for one in done.out.splitlines() if one.strip()]
        files = {place: trees.observe(context, place) for place in _PLACES}
        return {"live": [] if live == ["No rules"] else live, "files": files}

    def keep(self, context: Context, item: Item, state: Saved) -> Saved:
        return {one: trees.keep(context, one, state["files"][one]) for one in _PLACES}

    def contents(self, saved: Saved) -> list[str]:
        return [one for state in saved["state"]["files"].values() for one in trees.digests(state)]

    def restore(self, context: Context, item: Item, saved: Saved) -> bool:
        state = saved["state"]
        changed = False
        for place in _PLACES:
            changed |= trees.restore(context, place, state["files"][place], saved["extra"][place])
        now = self.observe(context, item)["live"]
        if state["live"] is not None and now != state["live"]:
            _load(context, state["live"])
            changed = True
        return changed


def _load(context: Context, rules: list[str]) -> None:
    """Rules that were locked (``-e 2``) stay until the next boot; then this fails and says so."""
    context.host.must(["auditctl", "-D"])
    wrong = []
    for rule in rules:
        done = context.host.run(["auditctl", *rule.split()])
        if done.code != 0:
            wrong.append("{0}: {1}".format(rule, done.last))
    if wrong:
        raise RestoreError("; ".join(wrong[:3]))
