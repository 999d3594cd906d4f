# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What chronyd knows of the time, from ``chronyc -c``.

Its values stand between commas, and are the same in all versions. What it would do when it is
started stands in its configuration alone: most have it step the clock then, in any direction.
"""

from __future__ import annotations

import glob
import os
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.heal.host_files import text_of
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

UNITS = ("chrony.service", "chronyd.service")  # Debian's name, EL's name
SELECTED, FALSETICKER = "*", "x"
_SECONDS = 15.0
_FILES = ("/etc/chrony/chrony.conf", "/etc/chrony.conf")  # Debian's, EL's
_PORT = 123
_DEPTH = 5  # includes within includes
_REMARKS = "!;#%"


def tracking(host: Host) -> dict[str, Any] | None:
    """As ``parsed_tracking``; None when chronyd does not answer."""
    done = host.run(["chronyc", "-c", "-n", "tracking"], _SECONDS)
    return parsed_tracking(done.out) if done.code == 0 else None


def parsed_tracking(text: str) -> dict[str, Any] | None:
    """``{reference, stratum, ahead, leap}``. ``ahead``: seconds by which the host's clock is ahead
    of true time, negative when it is behind (chronyc counts the other way round)."""
    words = text.strip().split(",")
    if len(words) < 14:
        return None
    try:
        return {
            "reference": words[1] or words[0],
            "stratum": int(words[2]),
            "ahead": -float(words[4]),
            "leap": words[13],
        }
    except ValueError:
        return None


def sources(host: Host) -> list[dict[str, Any]]:
    """As ``parsed_sources``; none when chronyd does not answer."""
    done = host.run(["chronyc", "-c", "-n", "sources"], _SECONDS)
    return parsed_sources(done.out) if done.code == 0 else []


def parsed_sources(text: str) -> list[dict[str, Any]]:
    """``{name, state, stratum, reached}``: ``reached`` is how many of the last eight requests were
    answered, ``state`` chrony's own sign (``*`` followed, ``x`` lies, ``?`` cannot be used)."""
    found = []
    for line in text.splitlines():
        words = line.strip().split(",")
        if len(words) < 8:
            continue
        try:
            reached = bin(int(words[5], 8)).count("1")
        except ValueError:
            continue
        found.append({"name": words[2], "state": words[1], "stratum": words[3], "reached": reached})
    return found


def at_start(host: Host) -> dict[str, Any]:
    """``{steps_from, servers}``: seconds from which it steps the clock when it is started (None:
    it never does), and its time servers, each ``(name, port)``."""
    found: dict[str, Any] = {"steps_from": None, "servers": []}
    for path in _FILES:
        _read(host, path, found, 0)
    return found


def _read(host: Host, path: str, found: dict[str, Any], depth: int) -> None:
    for line in (text_of(host, path) or "").splitlines() if depth < _DEPTH else ():
        words = line.split()
        if not words or words[0][0] in _REMARKS:
            continue
        key, rest = words[0].lower(), words[1:]
        if key in ("server", "pool", "peer") and rest:
            found["servers"].append((rest[0], _port(rest)))
        elif key in ("makestep", "initstepslew"):
            _add_step(key, rest, found)
        else:
            for included in _included(host, key, rest):
                _read(host, included, found, depth + 1)


def _port(words: list[str]) -> int:
    said = words[words.index("port") + 1 :][:1] if "port" in words else []
    return int(said[0]) if said and said[0].isdigit() else _PORT


def _add_step(key: str, rest: list[str], found: dict[str, Any]) -> None:
    """``makestep THRESHOLD UPDATES``: 0 updates are none. A bare one steps from 1 s, thrice."""
    try:
        numbers = [float(one) for one in rest[:2]] if key == "makestep" else [float(rest[0])]
    except (ValueError, IndexError):
        numbers = []
    seconds = numbers[0] if numbers else 1.0
    if len(numbers) < 2 or numbers[1] != 0:
        before = found["steps_from"]
        found["steps_from"] = seconds if before is None else min(before, seconds)


def _included(host: Host, key: str, rest: list[str]) -> list[str]:
    """Files that a line leads to; of the same name in several folders all count."""
    if key == "include":
        patterns = rest[:1]
    elif key in ("confdir", "sourcedir"):
        ending = "*.conf" if key == "confdir" else "*.sources"
        patterns = [os.path.join(one, ending) for one in rest]
    else:
        return []
    found = [path for one in patterns for path in sorted(glob.glob(host.at(one)))]
    return [path[len(host.root) :] for path in found]
