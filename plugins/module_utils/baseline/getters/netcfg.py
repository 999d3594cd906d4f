# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Network devices by their latest saved configuration, which lies on the controller.

No session to the device is opened for an audit. That is only honest as long as the file is the
device's: one that is missing, cut off, of another make or older than the daily backup that guide
1.7.2 asks for is an error of every control, never a pass.
"""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any, Callable

from ansible_collections.storewarden.ops.plugins.module_utils.baseline import (
    device_ios,
    device_vrp,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.device_facts import (
    Device,
    open_sources,
    unguarded_ports,
    unlimited_ports,
    unused_ports,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.device_text import (
    Block,
    blocks_of,
    shown_lines,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getter import (
    Getter,
    chosen,
    texts,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.probe_error import (
    QUERY,
    RECORD,
    ProbeError,
)

AUTO = "auto"  # the file itself tells which dialect it is
DIALECTS = {"ios": device_ios, "vrp": device_vrp}
_DAY = 86400.0
_SLACK = 3600.0  # seconds that a file may be younger than the controller's clock


def _netcfg(system: Any, query: dict[str, Any]) -> Any:
    place = query["device"]
    if not isinstance(place, dict) or set(place) != {"os", "file", "max_age_days"}:
        raise ProbeError(QUERY, "device wants os, file and max_age_days")
    key = ("netcfg", str(place["file"]), str(place["os"]))
    blocks, device = system.remember(key, lambda: _read(system, place))
    view = chosen(query, "view", ("lines", *_FACTS, *_RULES))
    if view == "lines":
        return _lines(blocks, query)
    return _FACTS[view](device) if view in _FACTS else _RULES[view](device, query)


def _read(system: Any, place: dict[str, Any]) -> tuple[list[Block], Device]:
    path = _latest(system, str(place["file"] or ""))
    _check_age(system, path, float(place["max_age_days"]))
    text = system.read(path)
    if text is None:
        raise ProbeError(RECORD, "no saved configuration at {0}".format(path))
    dialect = _dialect(str(place["os"]), text)
    blocks = blocks_of(text, dialect.GRAMMAR)
    return blocks, dialect.device_of(blocks)


def _latest(system: Any, pattern: str) -> str:
    """The file, or the one of several (Router-A-*.cfg) that was written last."""
    if not pattern:
        what = "no saved configuration of this device is named (set baseline_network_config)"
        raise ProbeError(RECORD, what)
    if not pattern.startswith("/"):
        raise ProbeError(RECORD, "{0} is no path that begins with /".format(pattern))
    found = [(entry.mtime, path) for path in system.glob(pattern) if (entry := system.stat(path))]
    if not found:
        raise ProbeError(RECORD, "no saved configuration at {0}".format(pattern))
    return str(max(found)[1])


def _check_age(system: Any, path: str, days: float) -> None:
    """The text of the error holds no age, which would be another one every day."""
    entry = system.stat(path)
    age = 0.0 if entry is None else system.now() - entry.mtime
    if entry is not None and (age > days * _DAY or age < -_SLACK):
        written = datetime.fromtimestamp(entry.mtime, tz=timezone.utc).date()
        how = "older than {0:g} days".format(days) if age > 0 else "from the future"
        what = "the saved configuration {0} is {1} (written {2})"
        raise ProbeError(RECORD, what.format(path, how, written))


def _dialect(name: str, text: str) -> Any:
    if name != AUTO:
        if name not in DIALECTS:
            known = ", ".join(sorted(DIALECTS))
            raise ProbeError(QUERY, "no dialect called {0} (known: {1})".format(name, known))
        return DIALECTS[name]
    lines = [line.strip() for line in shown_lines(text)]
    fitting = [
        one for one in DIALECTS.values() if any(x.startswith(one.GRAMMAR.named) for x in lines)
    ]
    if len(fitting) != 1:
        what = "neither Cisco IOS nor Huawei VRP is to be recognised (set baseline_network_os)"
        raise ProbeError(RECORD, what)
    return fitting[0]


def _lines(blocks: list[Block], query: dict[str, Any]) -> list[str]:
    """Lines of the top level, or with ``section`` those of the blocks whose first line fits."""
    wanted = re.compile(str(query.get("match", "")))
    if not query.get("section"):
        return [block.text for block in blocks if wanted.search(block.text)]
    section = re.compile(str(query["section"]))
    inside = (line for block in blocks if section.search(block.text) for line in block.lines)
    return [line for line in inside if wanted.search(line)]


def _logins(device: Device, kinds: tuple[str, ...]) -> list[dict[str, Any]]:
    return [
        {"line": one.name, "protocols": list(one.protocols), "idle_seconds": one.idle_seconds}
        for one in device.logins
        if one.kind in kinds
    ]


def _protocols(device: Device) -> list[dict[str, str]]:
    """One entry per line of the network and protocol."""
    found = [
        {"line": one["line"], "protocol": protocol}
        for one in _logins(device, ("vty",))
        for protocol in one["protocols"]
    ]
    return found + ([{"line": "telnet server", "protocol": "telnet"}] if device.telnet else [])


def _number(query: dict[str, Any], key: str) -> int:
    try:
        return int(query[key])
    except (KeyError, TypeError, ValueError):
        raise ProbeError(QUERY, "{0} must be a number".format(key)) from None


def _lockout(device: Device) -> dict[str, int | None]:
    return {"attempts": device.attempts, "block_seconds": device.block_seconds}


_FACTS: dict[str, Callable[[Device], Any]] = {
    "protocols": _protocols,
    "ssh_version": lambda device: device.ssh_version,
    "http": lambda device: device.http,
    "lockout": _lockout,
    "idle": lambda device: _logins(device, ("vty", "console", "aux")),
    "secrets": lambda device: list(device.secrets),
    "min_length": lambda device: device.min_length,
    "log_hosts": lambda device: list(device.log_hosts),
    "timestamps": lambda device: device.timestamps,
    "commands_recorded": lambda device: device.commands_recorded,
    "access_ports": lambda device: [one.name for one in device.ports],
    "unguarded_ports": unguarded_ports,
}
_RULES: dict[str, Callable[[Device, dict[str, Any]], Any]] = {
    "open_sources": lambda device, query: open_sources(device, texts(query.get("nets") or [])),
    "unused_ports": lambda device, query: unused_ports(
        device, texts(query.get("never_up") or []), str(query.get("parked_vlan", ""))
    ),
    "unlimited_ports": lambda device, query: unlimited_ports(device, _number(query, "maximum")),
}

GETTERS = (
    Getter(
        "netcfg",
        _netcfg,
        ("device", "view"),
        ("match", "section", "nets", "never_up", "parked_vlan", "maximum"),
    ),
)
