# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m tests.bench``: measure, print, and rewrite the table in docs/performance.md."""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.bench import (
    audit_round_trip,
    backup_look,
    backup_night,
    backup_postgresql,
    hardening,
    heal_latency,
    heal_storm,
    lab_boot,
    network_devices,
    rollout_overhead,
    rollout_planning,
    rollout_waiting,
    rollout_workers,
    runner_overhead,
    thousand_hosts,
    three_thousand_devices,
    window_questions,
)
from tests.bench.timing import Series
from tests.lab.fleet import Lab

_ALERTS = int(os.environ.get("STOREWARDEN_BENCH_ALERTS", heal_latency.ALERTS))
_PAGE = Path(__file__).parent.parent.parent / "docs/performance.md"


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {memory:.0f} GB, Python {platform.python_version()}"


def _table(series: list[Series], against: Series) -> list[str]:
    lines = [
        "| what | wall, median s | fastest-slowest | CPU of the machine, median s | wall ratio |",
        "|---|---|---|---|---|",
    ]
    for one in series:
        ratio = one.wall / against.wall
        lines.append(
            f"| {one.name} | {one.wall:.2f} | {one.spread} | {one.cpu:.1f} | {ratio:.2f} |"
        )
    return lines


def _audit(folder: Path, rounds: int) -> list[str]:
    command = [sys.executable, "-m", "tests.lab"]
    subprocess.run([*command, "up", "--name", "bench", "--owner", str(os.getpid())], check=True)
    try:
        lab = Lab("bench")
        series = audit_round_trip.measure(lab.inventory_path, folder, rounds)
        count = len(lab.hosts)
    finally:
        subprocess.run([*command, "down", "--name", "bench"], check=False)
    controls = len(audit_round_trip.control_ids())
    title = f"### Audit of {count} lab hosts, {controls} controls (ratio: against our audit)"
    return [title, "", *_table(series, series[0]), ""]


def _harden(folder: Path, _rounds: int) -> list[str]:
    command = [sys.executable, "-m", "tests.lab"]
    subprocess.run([*command, "up", "--name", "bench", "--owner", str(os.getpid())], check=True)
    try:
        lab = Lab("bench")
        found = hardening.measure(lab, folder)
        count = len(lab.hosts)
    finally:
        subprocess.run([*command, "down", "--name", "bench"], check=False)
    same = "the same, file by file" if not found.differing else ", ".join(found.differing)
    return [
        f"### Hardening {count} lab hosts, groups {hardening.GROUPS}, one run",
        "",
        *_table(list(found.series), found.series[0]),
        "",
        f"The plain playbook has {found.tasks} tasks. End states: {same}.",
        "",
    ]


def _lab(folder: Path, rounds: int) -> list[str]:
    series, hosts = lab_boot.measure(folder, rounds)
    return [f"### A lab of {hosts} hosts up and answering SSH", "", *_table([series], series), ""]


def _overhead(folder: Path, rounds: int) -> list[str]:
    series = runner_overhead.measure(folder, rounds)
    return [
        "### Our runner over bare ansible-playbook, same play",
        "",
        *_table(series, series[0]),
        "",
    ]


def _thousand(folder: Path, _rounds: int) -> list[str]:
    run, audited = thousand_hosts.measure(folder)
    return [
        "### Controller, 1,000 simulated hosts on a local connection, one run",
        "",
        "| hosts audited | wall s | peak memory of `storewarden audit`, MB | with all plays, MB |",
        "|---|---|---|---|",
        f"| {audited} | {run.wall:.0f} | {run.memory / 1e6:.0f} | {run.tree / 1e6:.0f} |",
        "",
        "Memory is the proportional share. The plays are Ansible's own: 4 at once with 20 forks",
        "each, and here the simulated hosts' modules as well. All share this machine's cores.",
        "",
    ]


def _estate(folder: Path, rounds: int) -> list[str]:
    series = three_thousand_devices.measure(folder, rounds)
    title = "### Building an estate of 3,000 devices, 20 columns (wall: the parsing alone)"
    return [title, "", *_table(series, series[0]), ""]


def _windows(folder: Path, rounds: int) -> list[str]:
    series = window_questions.measure(folder, rounds)
    title = "### A window question over 3,000 stores for the next 30 days, and one for now each"
    return [title, "", *_table(series, series[0]), ""]


def _night(folder: Path, rounds: int) -> list[str]:
    series, told = backup_night.measure(folder, rounds)
    looks, grown = backup_look.measure(folder, rounds)
    title = f"### A night of backups planned for {backup_night.STORES:,} stores with ten hubs"
    remembered = f"What {backup_look.TARGETS:,} targets with {backup_look.NIGHTS} sets in three"
    return [
        title,
        "",
        *_table([series, *looks], series),
        "",
        f"{told}. {remembered} places leave in memory: {grown:.0f} MB.",
        "",
    ]


def _postgresql(_folder: Path, _rounds: int) -> list[str]:
    title = "### A PostgreSQL of 1 GB backed up by pgBackRest and rehearsed, one run"
    return [title, "", *backup_postgresql.told(backup_postgresql.measure())]


def _devices(folder: Path, _rounds: int) -> list[str]:
    title = f"### Configurations of {network_devices.DEVICES} network devices read, one run"
    return [title, "", *network_devices.told(network_devices.measure(folder / "devices"))]


def _rollout(folder: Path, rounds: int) -> list[str]:
    command = [sys.executable, "-m", "tests.lab"]
    subprocess.run([*command, "up", "--name", "bench", "--owner", str(os.getpid())], check=True)
    try:
        wave = rollout_overhead.measure(Lab("bench"), folder / "rollout", min(rounds, 3))
    finally:
        subprocess.run([*command, "down", "--name", "bench"], check=False)
    return [
        f"### One wave of a rollout on {wave.hosts} lab hosts, median of {min(rounds, 3)}",
        "",
        *_table(list(wave.series), wave.series[0]),
        "",
        *rollout_overhead.told(wave),
    ]


def _planning(folder: Path, rounds: int) -> list[str]:
    series = rollout_planning.measure(folder, rounds)
    title = f"### A rollout planned: 100,000 hosts in {rollout_planning.STORES:,} stores"
    return [title, "", *_table(series, series[0]), "", *rollout_planning.told(series)]


def _waiting(folder: Path, _rounds: int) -> list[str]:
    rest = rollout_waiting.measure(folder / "waiting")
    return ["### A controller with rollouts that wait", "", *rollout_waiting.told(rest)]


def _workers(folder: Path, _rounds: int) -> list[str]:
    shared = rollout_workers.measure(folder / "workers")
    return ["### Two workers on one PostgreSQL share shards", "", *rollout_workers.told(shared)]


def _latency(folder: Path, _rounds: int) -> list[str]:
    command = [sys.executable, "-m", "tests.lab"]
    small = ["--stores", "1", "--pos", "1", "--owner", str(os.getpid())]
    subprocess.run([*command, "up", "--name", "bench", *small], check=True)
    try:
        found, missing = heal_latency.measure(Lab("bench"), folder / "latency", _ALERTS)
    finally:
        subprocess.run([*command, "down", "--name", "bench"], check=False)
    title = f"### From an alert to the first command on the host, {_ALERTS} alerts each"
    return [title, "", *heal_latency.told(found, missing)]


def _storm(folder: Path, _rounds: int) -> list[str]:
    storm = heal_storm.Storm()
    outcome = heal_storm.measure(folder / "storm", storm)
    title = f"### A storm of {storm.distinct:,} alerts in {storm.seconds:.0f} s, SIGKILL twice"
    return [title, "", *heal_storm.told(outcome)]


_PARTS = {
    "audit": _audit,
    "harden": _harden,
    "lab": _lab,
    "overhead": _overhead,
    "thousand": _thousand,
    "estate": _estate,
    "windows": _windows,
    "night": _night,
    "backup_postgresql": _postgresql,
    "devices": _devices,
    "rollout": _rollout,
    "planning": _planning,
    "waiting": _waiting,
    "workers": _workers,
    "storm": _storm,
    "latency": _latency,
}


def _write(part: str, text: str) -> None:
    start, end = f"<!-- bench: {part} -->\n", f"<!-- bench: end {part} -->"
    head, rest = _PAGE.read_text().split(start)
    _PAGE.write_text(f"{head}{start}{text}\n{end}{rest.split(end)[1]}")


def main() -> None:
    """Parse, measure, write."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("parts", nargs="*", choices=[[], *_PARTS], help="default: all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dry", action="store_true", help="print only, leave the page alone")
    chosen = parser.parse_args()
    how = f"`make bench`, {chosen.rounds} rounds, on {_machine()}"
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        for part in chosen.parts or _PARTS:
            print(f"{part} ...", flush=True)
            text = "\n".join([*_PARTS[part](Path(name), chosen.rounds), f"Made by {how}.", ""])
            print(text, flush=True)
            if not chosen.dry:
                _write(part, text)


main()
