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
    holder = re.search(r'users:\(\("([^"]+)",pid=(\d+)', line)
    return {
        "proto": words[0],
        "address": address,
        "port": int(match.group(2)),
        "process": holder.group(1) if holder else None,
        "user": _owner(system, holder.group(2)) if holder else None,
    }


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
