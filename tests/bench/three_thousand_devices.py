# SPDX-License-Identifier: GPL-3.0-or-later
"""(d) Building the estate of 3,000 devices from a table of 20 columns.

Timed inside Ansible: from the source to groups and variables in memory, which
is what the plugin answers for. Ansible's own start and its printing of 3,000
hosts come on top, whatever the source.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import openpyxl

from tests.bench.audit_round_trip import environment
from tests.bench.timing import Series, Timed, timed

_DEVICES = 3000
_WIDTH = 20

_PARSE = """
import sys, time
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
init_plugin_loader()
begun = time.perf_counter()
found = InventoryManager(loader=DataLoader(), sources=[sys.argv[1]]).get_hosts()
spent = time.perf_counter() - begun
assert len(found) == 3000, len(found)
print(spent)
"""


def _rows() -> list[list[str]]:
    head = ["store", "region", "role", "ci", "tier", "address", "tz", "hours"]
    head += [f"extra{n}" for n in range(_WIDTH - len(head))]
    rows = [head]
    for n in range(_DEVICES):
        first = [f"{n // 10:06d}", f"region{n // 1000}", "pos", f"POS-{n:06d}", "ordinary"]
        first += [f"10.{n // 250}.0.{n % 250 + 1}", "Asia/Shanghai", "10:00-22:00"]
        rows.append(first + [f"value {n}"] * (_WIDTH - len(first)))
    return rows


def _sources(folder: Path) -> dict[str, Path]:
    rows = _rows()
    with (folder / "devices.csv").open("w", encoding="gb18030", newline="") as out:
        csv.writer(out).writerows(rows)
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("devices")
    for row in rows:
        sheet.append(row)
    book.save(folder / "devices.xlsx")
    found = {}
    for kind in ("csv", "xlsx"):
        found[f"`storewarden.ops.stores`, {kind.upper()}"] = folder / f"{kind}.stores.yml"
        text = f"plugin: storewarden.ops.stores\nfiles: [devices.{kind}]\nhost_name: '{{ci}}'\n"
        (folder / f"{kind}.stores.yml").write_text(text)
    return found


def measure(folder: Path, rounds: int) -> list[Series]:
    """Every source ``rounds`` times, in turn; wall is the time of the parsing alone."""
    sources = _sources(folder)
    runs: dict[str, list[Timed]] = {name: [] for name in sources}
    log = folder / "parse.log"
    for number in range(rounds):
        for name, source in sources.items():
            whole = timed([sys.executable, "-c", _PARSE, str(source)], env=environment(), log=log)
            spent = float(log.read_text().splitlines()[-1])
            print(f"  round {number + 1}  {name}: {spent:.2f} s", flush=True)
            runs[name].append(Timed(wall=spent, cpu=whole.cpu, memory=0, tree=0))
    return [Series(name=name, runs=tuple(found)) for name, found in runs.items()]
