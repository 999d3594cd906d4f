#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Metrics that no exporter of the distribution has, for node_exporter's textfile collector.

    storewarden_heal_metrics.py CONFIGURATION OUTPUT.prom

The configuration says what to look at (JSON; every key may be left out):

    {"names": ["till.example.com"], "mounts": ["/srv/share"], "clock": true,
     "lines": ["203.0.113.9:443"], "locks": [{"unit": "pos.service", "path": "/run/pos.lock"}],
     "memory": ["pos-*.service"], "queues": [{"name": "receipts", "minutes": 10}]}

It reads and changes nothing; each question has a time limit, so that a sick host still tells of
everything else. The output is replaced as a whole. Python 3.9, standard library only.
"""

from __future__ import annotations

import contextlib
import fnmatch
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

SECONDS = 5.0
"""What takes longer than this does not answer."""

Sample = tuple[str, dict[str, str], float]


def asked(argv: list[str]) -> tuple[int, str]:
    """Exit status and output of a program; 124 for one that takes too long. That one is killed
    and not waited for: behind a dead server it may never end."""
    process = subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env={**os.environ, "LC_ALL": "C"}, text=True,
    )  # fmt: skip
    try:
        said = process.communicate(timeout=SECONDS)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        return 124, ""
    return process.returncode, said


def names(given: list[str]) -> Iterator[Sample]:
    """Whether the host's own programs would find these names."""
    for name in given:
        found = asked(["getent", "ahosts", name])[0] == 0
        yield "storewarden_name_resolves", {"name": name}, float(found)


def mounts(given: list[str]) -> Iterator[Sample]:
    """Whether these filesystems say how full they are."""
    for path in given:
        found = asked(["stat", "--file-system", path])[0] == 0
        yield "storewarden_mount_answers", {"mountpoint": path}, float(found)


def clock(wanted: bool) -> Iterator[Sample]:
    """Whether chrony follows a server, and how far off it says that the clock is."""
    if not wanted:
        return
    code, said = asked(["chronyc", "-c", "-n", "tracking"])
    told = said.strip().split(",")
    follows = code == 0 and told[-1] in ("Normal", "Insert second", "Delete second")
    yield "storewarden_clock_synchronised", {}, float(follows)
    if follows:
        yield "storewarden_clock_offset_seconds", {}, float(told[4])


def lines(given: list[str]) -> Iterator[Sample]:
    """Whether ADDRESS:PORT is reached over the route of now; a refusal is an answer, too."""
    for target in given:
        host, _colon, port = target.rpartition(":")
        carries = True
        try:
            socket.create_connection((host, int(port)), 1.0).close()
        except ConnectionRefusedError:
            pass
        except OSError:
            carries = False
        yield "storewarden_line_carries", {"target": target}, float(carries)


def locks(given: list[dict[str, str]]) -> Iterator[Sample]:
    """Whether a file names a process that is gone. A file without a number says nothing."""
    for one in given:
        try:
            words = Path(one["path"]).read_text().split()
        except OSError:
            words = []
        number = words[0] if words and words[0].isdigit() else ""
        stale = bool(number) and not Path("/proc", number).exists()
        yield "storewarden_stale_lock", {"name": one["unit"], "path": one["path"]}, float(stale)


def memory(given: list[str]) -> Iterator[Sample]:
    """Resident bytes of the units that fit these patterns."""
    found: dict[str, int] = {}
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            unit = (place / "cgroup").read_text().strip().rpartition("/")[2]
            pages = int((place / "statm").read_text().split()[1])
            found[unit] = found.get(unit, 0) + pages * os.sysconf("SC_PAGE_SIZE")
    for unit, size in sorted(found.items()):
        if any(fnmatch.fnmatchcase(unit, pattern) for pattern in given):
            yield "storewarden_unit_memory_bytes", {"name": unit}, float(size)


def queues(given: list[dict[str, Any]]) -> Iterator[Sample]:
    """Whether a queue of CUPS is stopped, its oldest job is too old, or CUPS does not answer."""
    for one in given:
        code, said = asked(["lpstat", "-p", one["name"]])
        stuck = code != 0 or " disabled since" in said
        stuck = stuck or _waits_too_long(one["name"], float(one.get("minutes", 10)))
        yield "storewarden_print_queue_stuck", {"queue": one["name"]}, float(stuck)


def _waits_too_long(queue: str, minutes: float) -> bool:
    told = asked(["lpstat", "-l", "-o", queue])[1]
    jobs: list[str] = []
    for line in told.splitlines():
        if not line[:1].isspace():
            jobs.append(line)
        elif "job-hold" in line and jobs:  # it waits for a person, on purpose
            jobs.pop()
    return any(time.time() - _since(job) > 60 * minutes for job in jobs)


def _since(job: str) -> float:
    """When it came: ``receipts-3  root  1024  Sun Nov 22 18:00:00 2026``; now, if unreadable."""
    try:
        return time.mktime(time.strptime(" ".join(job.split()[3:]), "%a %b %d %H:%M:%S %Y"))
    except ValueError:
        return time.time()


LOOKS: dict[str, Callable[[Any], Iterator[Sample]]] = {
    "names": names,
    "mounts": mounts,
    "clock": clock,
    "lines": lines,
    "locks": locks,
    "memory": memory,
    "queues": queues,
}


def text(configuration: dict[str, Any]) -> str:
    """The page. ValueError for a key that is not known."""
    strange = sorted(set(configuration) - set(LOOKS))
    if strange:
        raise ValueError(f"unknown: {', '.join(strange)}; known: {', '.join(LOOKS)}")
    page = []
    for key, given in configuration.items():
        for name, labels, value in LOOKS[key](given):
            said = ",".join(f"{k}={json.dumps(v)}" for k, v in labels.items())
            page.append(f"{name}{{{said}}} {value}\n")
    return "".join(page)


def write(page: str, output: Path) -> None:
    """All of it or nothing: node_exporter may read at any moment."""
    handle, fresh = tempfile.mkstemp(dir=str(output.parent), prefix=".storewarden-")
    with os.fdopen(handle, "w") as file:
        file.write(page)
    Path(fresh).chmod(0o644)
    Path(fresh).replace(output)


def main() -> None:
    """One look."""
    if len(sys.argv) != 3:
        sys.exit("usage: storewarden_heal_metrics.py CONFIGURATION OUTPUT.prom")
    try:
        configuration = json.loads(Path(sys.argv[1]).read_text())
        write(text(configuration), Path(sys.argv[2]))
    except (OSError, ValueError) as error:
        sys.exit(f"storewarden_heal_metrics: {error}")


if __name__ == "__main__":
    main()
