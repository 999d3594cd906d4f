# SPDX-License-Identifier: GPL-3.0-or-later
"""(n) A night's backups planned for a whole chain, without Ansible.

3,000 stores with a server and three tills each, four policies, ten hubs with caps; opening hours in
five time zones. Timed is the plan alone; making the devices is not in it.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.bench.audit_round_trip import environment
from tests.bench.timing import Series, Timed, timed

STORES = 3000
_LIMIT_S = 2.0

_PLAN = """
import sys, time
from datetime import date, time as clock
from zoneinfo import ZoneInfo
from storewarden.domain.backup.night import Hub
from storewarden.domain.backup.policy import (
    TIER_RULES, BackupTier, Method, Policy, Selector, SetKind,
)
from storewarden.domain.estate.device import read_estate
from storewarden.flows.backup_plan import Lines, PlanParts, plan_backups

zones = ["Asia/Shanghai", "Asia/Urumqi", "Europe/Berlin", "America/New_York", "Asia/Tokyo"]
hosts = {
    f"{role}.{n:06d}": {
        "sw_store": f"{n:06d}", "sw_region": f"region{n // 300}", "sw_role": role[:3],
        "sw_ci": f"{role}-{n}", "sw_tier": "core", "sw_failure_groups": [],
        "sw_tz": zones[n % 5], "sw_hours": f"{9 + n % 3}:00-{21 + n % 3}:00",
    }
    for n in range(int(sys.argv[2])) for role in ("srv", "pos1", "pos2", "pos3")
}
devices = read_estate(hosts, lambda name: True).devices

def policy(name, tier, role, size):
    rule = TIER_RULES[tier]
    return Policy(
        id=name, tier=tier, method=Method.FILES, selector=Selector(roles=(role,)),
        window=(clock(22, 0), clock(7, 0)), schedule=rule.schedule, rpo=rule.rpo, rto=rule.rto,
        copies=(), retention=rule.retention, verify=rule.verify, drill=rule.drill,
        size=dict.fromkeys(SetKind, size),
    )

policies = (
    policy("tills", BackupTier.POS_DATABASE, "pos", 40 << 20),
    policy("store-database", BackupTier.CORE_DATABASE, "srv", 300 << 20),
    policy("files", BackupTier.ORDINARY, "srv", 100 << 20),
    policy("config", BackupTier.SERVER_CONFIG, "srv", 5 << 20),
)
hubs = {f"hub{n}": Hub(name=f"hub{n}", at_once=30, bandwidth=25000) for n in range(10)}
lines = Lines(hubs=hubs, hub_of={f"region{n}": f"hub{n}" for n in range(10)}, line=244)
known = {name: ZoneInfo(name) for name in zones}
begun = time.perf_counter()
found = plan_backups(
    PlanParts(devices=devices, policies=policies, groups=lambda host: (),
              zone=lambda device: known[device.tz], lines=lines),
    date(2026, 11, 22),
)
spent = time.perf_counter() - begun
night = found.plan
assert len(night.slots) + len(night.late) == 6 * int(sys.argv[2])
assert all(most <= 30 for most in night.busiest.values())
print(spent, len(night.slots), len(night.late), night.span.total_seconds() / 3600)
"""


def measure(folder: Path, rounds: int) -> tuple[Series, str]:
    """The plan, and what it says of the night."""
    log, runs, told = folder / "night.log", list[Timed](), ""
    for number in range(rounds):
        argv = [sys.executable, "-c", _PLAN, "-", str(STORES)]
        whole = timed(argv, env=environment(), log=log)
        spent, slots, late, hours = log.read_text().splitlines()[-1].split()
        print(f"  round {number + 1}  {STORES} stores: {float(spent):.2f} s", flush=True)
        runs.append(Timed(wall=float(spent), cpu=whole.cpu, memory=0, tree=0))
        if float(spent) > _LIMIT_S:
            print(f"  over {_LIMIT_S} s", flush=True)
        told = f"{slots} sets in {float(hours):.1f} h, {late} that do not fit their window"
    return Series(name=f"the night of {STORES:,} stores", runs=tuple(runs)), told
