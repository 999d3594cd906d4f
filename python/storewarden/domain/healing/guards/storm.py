# SPDX-License-Identifier: GPL-3.0-or-later
"""Many alerts of one rule at once are one cause that the rule does not know: a person decides.

Ten stores whose till is broken in the same minute got a bad release, not ten broken tills;
repairing them one after the other makes it ten times worse. It is told once, not ten times.
"""

from __future__ import annotations

from math import ceil

from storewarden.domain.healing.look import Look, Objection, ask
from storewarden.domain.healing.policy import HealPolicy


def storm(look: Look) -> Objection | None:
    """ASK for every alert of the rule, under one incident."""
    name = look.rule.name
    count = len(look.tally.storm_hosts.get(name, ()))
    limit = storm_limit(len(look.world.devices), look.policy)
    holds = look.now < look.world.storms.get(name, look.now)
    if count < limit and not holds:
        return None
    minutes = int(look.policy.storm_span.total_seconds()) // 60
    en = f"storm: {count} hosts with alerts of rule {name} in {minutes} min ({limit} are a storm)"
    zh = f"告警风暴：规则 {name} 在 {minutes} 分钟内涉及 {count} 台主机（达到 {limit} 台即为风暴）"
    return ask(look, "storm", (en, zh), incident=f"storm:{name}")


def storm_limit(fleet: int, policy: HealPolicy) -> int:
    """How many hosts make a storm in an estate of ``fleet`` hosts."""
    return max(policy.storm_hosts, ceil(policy.storm_share * fleet))
