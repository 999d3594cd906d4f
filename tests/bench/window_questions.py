# SPDX-License-Identifier: GPL-3.0-or-later
"""(e) A question about windows over a whole chain, without Ansible.

3,000 stores in five time zones with twelve kinds of opening hours, some with windows of their
own; a year's campaigns, public holidays and blackouts. Asked of every store: when is a patch
of a till allowed in the next 30 days, and may it begin now. The calendar's files are read in
the same time; resolving the inventory is measured elsewhere.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.bench.audit_round_trip import environment
from tests.bench.timing import Series, Timed, timed

STORES = 3000

_WINDOWS = """
windows:
  - {name: nights, rule: "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH", starts: "23:00", ends: "05:00"}
  - {name: sundays, rule: FREQ=MONTHLY;BYDAY=2SU, starts: "01:00", duration: 5h}
blackouts:
  - {name: stocktaking, days: [2026-06-30, 2026-12-31]}
campaigns:
  - {name: "6.18", days: "06-18", before: 2, after: 2}
  - {name: "11.11", days: "11-01..11-11", after: 1}
holidays:
  - {country: CN}
"""

_ASK = """
import sys, time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from storewarden.config import load_config
from storewarden.domain.estate.device import read_estate
from storewarden.domain.maintenance.almanac import Almanac
from storewarden.domain.maintenance.grounds import OperationClass
from storewarden.domain.maintenance.judge import Question, judge
from storewarden.wiring.windows import read_calendar

zones = ["Asia/Shanghai", "Asia/Urumqi", "Europe/Berlin", "America/New_York", "Asia/Tokyo"]
hours = [f"{9 + n % 3}:{30 * (n % 2):02d}-{20 + n % 4}:00" for n in range(12)]
hosts = {
    f"pos{n}": {
        "sw_store": f"{n:06d}", "sw_region": f"region{n // 300}", "sw_role": "pos",
        "sw_ci": f"POS-{n}", "sw_tier": "ordinary", "sw_failure_groups": [],
        "sw_tz": zones[n % 5], "sw_hours": hours[n % 12],
    }
    for n in range(int(sys.argv[2]))
}
devices = read_estate(hosts, lambda name: True).devices
config = load_config(Path(sys.argv[1]), {}, Path.cwd())
now = datetime(2026, 6, 10, 14, tzinfo=UTC)
begun = time.perf_counter()
books = Almanac(read_calendar(config, range(2025, 2029)))
patch, month = OperationClass.PATCH, timedelta(days=30)
found = [books.openings(device, patch, now, now + month) for device in devices]
needs = timedelta(minutes=40)
answers = [
    judge(Question(device=device, operation=patch, needs=needs), books, now) for device in devices
]
spent = time.perf_counter() - begun
assert len(found) == len(answers) == len(hosts)
assert all(found) and {answer.allowed for answer in answers} == {True, False}
print(spent)
"""


def _site(folder: Path) -> Path:
    (folder / "windows").mkdir(exist_ok=True)
    (folder / "windows/chain.yml").write_text(_WINDOWS)
    scoped = "".join(
        f"  - {{name: own {n}, rule: FREQ=DAILY, starts: '02:00', ends: '04:00', "
        f"scope: {{stores: ['{n:06d}']}}}}\n"
        for n in range(20)
    )
    (folder / "windows/stores.yml").write_text(f"windows:\n{scoped}")
    site = folder / "windows.storewarden.yml"
    site.write_text(f"state_dir: {folder / 'state'}\nwindows: {{windows_dir: windows}}\n")
    return site


def measure(folder: Path, rounds: int) -> list[Series]:
    """One series; wall is the time from reading the calendar's files to the last answer."""
    site, log = _site(folder), folder / "windows.log"
    runs = []
    for number in range(rounds):
        argv = [sys.executable, "-c", _ASK, str(site), str(STORES)]
        whole = timed(argv, env=environment(), log=log)
        spent = float(log.read_text().splitlines()[-1])
        print(f"  round {number + 1}  {STORES} stores: {spent:.2f} s", flush=True)
        runs.append(Timed(wall=spent, cpu=whole.cpu, memory=0, tree=0))
    return [Series(name=f"{STORES:,} stores, 30 days", runs=tuple(runs))]
