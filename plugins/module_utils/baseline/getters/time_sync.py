# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who sets this host's clock, and from where.

Two time services pull a clock in two directions, so they are counted, under the one name systemd
knows them by: `chrony` and `chronyd` may be one unit. The servers are asked of the running
service first (they may come from a lease or a drop-in); its files speak when it does not answer.
"""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getter import Getter, chosen
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getters.daemons import UNIT
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getters.text_files import (
    drop_ins,
    files_of,
)

_SERVICES = ("systemd-timesyncd", "chrony", "chronyd", "ntp", "ntpd", "ntpsec", "openntpd")
_TIMESYNCD = [
    "/etc/systemd/timesyncd.conf",
    "/etc/systemd/timesyncd.conf.d/*.conf",
    "/run/systemd/timesyncd.conf.d/*.conf",
    "/usr/lib/systemd/timesyncd.conf.d/*.conf",
]
_SHOWN = ("LinkNTPServers", "SystemNTPServers", "RuntimeNTPServers")
_SOURCE = re.compile(r"^\s*(?:server|pool|peer|servers)\s+(\S+)", re.I)
_NTP_FILES = ["/etc/ntpsec/ntp.conf", "/etc/ntp.conf", "/etc/openntpd/ntpd.conf", "/etc/ntpd.conf"]


def _time_sync(system: Any, query: dict[str, Any]) -> Any:
    view = chosen(query, "view", ("running", "running_count", "enabled_count", "servers"))
    running, enabled = system.remember(("time services",), lambda: _services(system))
    if view == "running_count":
        return len(running)
    if view == "enabled_count":
        return len(enabled)
    if view == "running":
        return running
    found: list[str] = []
    for name in running:
        found += [one for one in _servers(system, name) if one not in found]
    return found


def _services(system: Any) -> tuple[list[str], list[str]]:
    """Names of the active and of the enabled time services, each once."""
    output = system.ask(UNIT + [name + ".service" for name in _SERVICES])
    running: list[str] = []
    enabled: list[str] = []
    for block in re.split(r"\n\s*\n", output.strip()):
        properties = dict(line.split("=", 1) for line in block.split("\n") if "=" in line)
        name = properties.get("Id", "")
        name = name[: -len(".service")] if name.endswith(".service") else name
        if properties.get("ActiveState") == "active" and name not in running:
            running.append(name)
        if properties.get("UnitFileState") == "enabled" and name not in enabled:
            enabled.append(name)
    return running, enabled


def _servers(system: Any, service: str) -> list[str]:
    if service == "systemd-timesyncd":
        return _asked_timesyncd(system) or _timesyncd_files(system)
    if service.startswith("chrony"):
        return _asked_chrony(system) or _chrony_files(system)
    return _sources(system, files_of(system, _NTP_FILES))


def _asked_timesyncd(system: Any) -> list[str]:
    result = system.run(["timedatectl", "show-timesync", "--no-pager"])
    if result.rc != 0:
        return []
    shown = dict(line.split("=", 1) for line in result.stdout.split("\n") if "=" in line)
    named = [word for key in _SHOWN for word in shown.get(key, "").split()]
    # the fallback list counts only when nobody named a server
    return named or shown.get("FallbackNTPServers", "").split()


def _timesyncd_files(system: Any) -> list[str]:
    lists: dict[str, list[str]] = {"NTP": [], "FallbackNTP": []}
    for path in drop_ins(system, _TIMESYNCD):
        for line in system.lines(path):
            match = re.match(r"\s*(NTP|FallbackNTP)\s*=\s*(.*?)\s*$", line)
            if match:
                words = match.group(2).split()
                lists[match.group(1)] = lists[match.group(1)] + words if words else []
    return lists["NTP"] or lists["FallbackNTP"] or ["(built-in fallback servers)"]


def _asked_chrony(system: Any) -> list[str]:
    """Names as they were configured; a pool is named once, not by its members."""
    result = system.run(["chronyc", "-c", "-N", "sources"])
    if result.rc != 0:
        return []
    rows = [line.split(",") for line in result.stdout.split("\n") if line.count(",") > 2]
    # chronyc lists the members of a pool as they come and go: sorted, or two audits would differ
    return sorted({row[2] for row in rows if row[0] in ("^", "=")})


def _chrony_files(system: Any) -> list[str]:
    main = files_of(system, ["/etc/chrony/chrony.conf", "/etc/chrony.conf"])
    found = []
    for path in main:
        found.append(path)
        for line in system.lines(path):
            match = re.match(r"\s*(confdir|sourcedir|include)\s+(.+?)\s*$", line)
            if match:
                ending = {"confdir": "/*.conf", "sourcedir": "/*.sources"}.get(match.group(1), "")
                found += files_of(system, [word + ending for word in match.group(2).split()])
    return _sources(system, found)


def _sources(system: Any, paths: list[str]) -> list[str]:
    names = []
    for path in paths:
        for line in system.lines(path):
            match = _SOURCE.match(line)
            if match and match.group(1) not in names:
                names.append(match.group(1))
    return names


GETTERS = (Getter("time_sync", _time_sync, ("view",)),)
