# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What chronyd knows of the time, from ``chronyc -c``.

Its values stand between commas, and are the same in all versions.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

UNITS = ("chrony.service", "chronyd.service")  # Debian's name, EL's name
SELECTED, FALSETICKER = "*", "x"
_SECONDS = 15.0


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
