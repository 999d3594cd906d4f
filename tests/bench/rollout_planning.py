# SPDX-License-Identifier: GPL-3.0-or-later
"""(g) A rollout planned over a whole chain, without Ansible.

100,000 hosts in 10,000 stores of five time zones and twelve kinds of opening hours, ten devices
per store of four roles, with windows, campaigns, a blackout and public holidays. Timed are two
things, each in a process of its own: the plan alone (membership, waves, digest), and the whole
look ahead (windows of a year, dates of every wave and store, undo capacity, deadlines). Making
the devices is not in it; peak memory is the whole process.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.bench.audit_round_trip import environment
from tests.bench.timing import Series, Timed, timed

STORES = 10_000
_LIMIT_S = 2.0
_LIMIT_MB = 500

_WINDOWS = """
windows:
  - {name: nights, rule: "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH", starts: "23:00", ends: "05:00"}
blackouts:
  - {name: stocktaking, days: [2026-06-30, 2026-12-31]}
campaigns:
  - {name: "6.18", days: "06-18", before: 2, after: 2}
holidays:
  - {country: CN}
"""

_PLAN = """
import resource, sys, time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from storewarden.config import load_config
from storewarden.domain.estate.device import read_estate
from storewarden.domain.maintenance.almanac import Almanac
from storewarden.domain.rollout.plan import plan
from storewarden.domain.rollout.spec import Budgets, PayloadClass, RolloutSpec, Soak
from storewarden.flows.rollout_plan import RolloutPlanParts, RolloutPlanRequest, plan_rollout
from storewarden.ports.runner import FrozenInventory
from storewarden.testing.inventory import FixedInventory
from storewarden.wiring.windows import read_calendar

whole = sys.argv[2] == "whole"
zones = ["Asia/Shanghai", "Asia/Urumqi", "Europe/Berlin", "America/New_York", "Asia/Tokyo"]
hours = [f"{9 + n % 3}:{30 * (n % 2):02d}-{20 + n % 4}:00" for n in range(12)]
roles = ["server", "router", "kiosk", *["pos"] * 7]
hosts = {
    f"{role}{n}.{store:06d}": {
        "sw_store": f"{store:06d}", "sw_region": f"region{store // 500}", "sw_role": role,
        "sw_ci": f"CI-{store}-{n}", "sw_tier": "ordinary", "sw_failure_groups": [f"g{store}-{n}"],
        "sw_tz": zones[store % 5], "sw_hours": hours[store % 12],
    }
    for store in range(int(sys.argv[3]))
    for n, role in enumerate(roles)
}
spec = RolloutSpec(
    payload="packages", payload_class=PayloadClass.PACKAGES, salt="bench",
    soak=Soak(wall=timedelta(hours=24), trading=timedelta(hours=2)),
    budgets=Budgets(store=2, site=2000, single_consent=True), lanes=10,
)
now = datetime(2026, 6, 10, 14, tzinfo=UTC)

class Clock:
    def now(self):
        return now

if whole:
    config = load_config(Path(sys.argv[1]), {}, Path.cwd())
    books = Almanac(read_calendar(config, (2025, 2026, 2027)))
    parts = RolloutPlanParts(
        inventory=FixedInventory(FrozenInventory(hosts=hosts)), clock=Clock(),
        almanac=lambda: books, zone_known=lambda name: True,
        works=lambda: lambda day: day.weekday() < 5, change=lambda number: None,
    )
    request = RolloutPlanRequest(spec=spec, sources=("bench,",))
    begun = time.perf_counter()
    report = plan_rollout(parts, request)
    spent = time.perf_counter() - begun
    made = report.plan
    assert len(report.schedule.stores) == int(sys.argv[3]) and report.schedule.over is not None
else:
    devices = read_estate(hosts, lambda name: True).devices
    begun = time.perf_counter()
    made = plan(spec, devices)
    spent = time.perf_counter() - begun
assert len(made.hosts) == len(hosts) and len({host.name for host in made.hosts}) == len(hosts)
print(spent, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def measure(folder: Path, rounds: int) -> list[Series]:
    """The plan alone, and the whole look ahead (reading the estate's variables included); wall
    is the time of that, memory the peak of the process."""
    (folder / "rollout_windows").mkdir(exist_ok=True)
    (folder / "rollout_windows/chain.yml").write_text(_WINDOWS)
    site = folder / "rollout.storewarden.yml"
    site.write_text(f"state_dir: {folder / 'state'}\nwindows: {{windows_dir: rollout_windows}}\n")
    names = {"plan": "plan alone", "whole": "with estate, windows, dates, deadlines"}
    runs: dict[str, list[Timed]] = {name: [] for name in names}
    log = folder / "rollout.log"
    for number in range(rounds):
        for name, taken in runs.items():
            argv = [sys.executable, "-c", _PLAN, str(site), name, str(STORES)]
            done = timed(argv, env=environment(), log=log)
            spent, memory = (float(each) for each in log.read_text().split()[-2:])
            print(f"  round {number + 1}  {name}: {spent:.2f} s, {memory / 1e6:.0f} MB", flush=True)
            taken.append(Timed(wall=spent, cpu=done.cpu, memory=int(memory), tree=0))
    return [Series(name=names[name], runs=tuple(taken)) for name, taken in runs.items()]


def told(series: list[Series]) -> list[str]:
    """Peaks, and what the plan alone must keep."""
    peaks = [max(run.memory for run in one.runs) / 1e6 for one in series]
    return [
        f"Peak memory of the process: {peaks[0]:.0f} MB for the plan, {peaks[1]:.0f} MB for all of",
        f"it. The plan must stay under {_LIMIT_S:.0f} s and {_LIMIT_MB} MB.",
        "",
    ]
