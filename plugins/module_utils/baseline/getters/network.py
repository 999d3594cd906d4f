# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which ports listen, and what the packet filter lets in."""

from __future__ import annotations

import json
import re
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getter import Getter, chosen
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.nft_rules import (
    accepts,
    basics,
    counters,
    policy,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.probe_error import (
    OUTPUT,
    ProbeError,
)

_LOOPBACK = re.compile(r"^(127\.|::1$|::ffff:127\.)")


def look_listen(system: Any, query: dict[str, Any]) -> list[dict[str, Any]]:
    wanted = chosen(query, "proto", ("tcp", "udp", "any"), "any")
    found: list[dict[str, Any]] = []
    for line in system.ask(["ss", "-H", "-lntup"]).split("\n"):
        if not line.strip():
            continue
        entry = _socket(system, line)
        if wanted not in ("any", entry["proto"]):
            continue
        if not query.get("loopback") and _LOOPBACK.match(entry["address"]):
            continue
        if entry not in found:
            found.append(entry)
    return sorted(found, key=lambda one: (one["port"], one["proto"], one["address"]))


def _socket(system: Any, line: str) -> dict[str, Any]:
    words = line.split()
    match = re.match(r"(.*):(\d+)$", words[4]) if len(words) > 4 else None
    if not match:
        raise ProbeError(OUTPUT, "ss printed {0!r}".format(line))
    # [fe80::1%eth0] or 127.0.0.53%lo: the interface is not part of the address
    address = re.sub(r"%[^\]]*", "", match.group(1)).strip("[]")
    name, pid = _opener(system, re.findall(r'\("([^"]+)",pid=(\d+)', line))
    return {
        "proto": words[0],
        "address": address,
        "port": int(match.group(2)),
        "process": name,
        "user": _owner(system, pid) if pid else None,
    }


def _opener(system: Any, holders: list[tuple[str, str]]) -> tuple[str | None, str | None]:
    """Name and pid of the process that holds the socket for the longest time.

    A child that serves one client inherits the socket, and ss lists the holders in no order: the
    one that began first (systemd, or the parent of all workers) is the one that opened it.
    """
    if not holders:
        return None, None
    return min(holders, key=lambda one: (_began(system, one[1]), int(one[1])))


def _began(system: Any, pid: str) -> int:
    """Clock ticks from boot to the start of a process, proc(5); the name may hold anything."""
    fields = (system.read("/proc/{0}/stat".format(pid)) or "").rpartition(")")[2].split()
    return int(fields[19]) if len(fields) > 19 and fields[19].isdigit() else 0


def _owner(system: Any, pid: str) -> str | None:
    """The effective user of a process; it may be gone by now."""
    for line in system.lines("/proc/{0}/status".format(pid)):
        if line.startswith("Uid:"):
            return str(system.user_name(int(line.split()[2])))
    return None


def look_nft(system: Any, query: dict[str, Any]) -> Any:
    views = {
        "input_policy": lambda rules: policy(rules, "input"),
        "output_policy": lambda rules: policy(rules, "output"),
        "input_basics": lambda rules: basics(rules, "input"),
        "input_accepts": lambda rules: accepts(rules, "input"),
        "output_accepts": lambda rules: accepts(rules, "output"),
        "counters": counters,
    }
    view = chosen(query, "view", tuple(views))
    return views[view](system.remember(("nft",), lambda: _ruleset(system)))


def _ruleset(system: Any) -> list[dict[str, Any]]:
    text = system.ask(["nft", "-j", "list", "ruleset"])
    try:
        return list(json.loads(text)["nftables"])
    except (ValueError, KeyError, TypeError):
        raise ProbeError(OUTPUT, "nft did not print JSON") from None


GETTERS = (
    Getter("listen", look_listen, optional=("proto", "loopback")),
    Getter("nft", look_nft, ("view",)),
)
