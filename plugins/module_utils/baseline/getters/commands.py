# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read-only commands from a list: a control can ask a program, it can never tell one to act.

The list holds the first word and a pattern for the rest, because ``systemctl show`` is a
question and ``systemctl stop`` is not.
"""

from __future__ import annotations

import json
import re
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getter import Getter, chosen
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.probe_error import (
    OUTPUT,
    QUERY,
    TOOL,
    ProbeError,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.system import command_failed

ALLOWED = {
    "aa-status": r"(--json|--enabled|--profiled|)$",
    "auditctl": r"-[sl]$",
    "chronyc": r"(-n |-c )*(sources|tracking|activity|sourcestats|authdata)$",
    "clamscan": r"--version$",
    "clamdscan": r"--version$",
    "faillock": r"$",
    "findmnt": r".*$",
    "firewall-cmd": r"--(state|get-default-zone|list-all(-zones)?|get-active-zones)$",
    "freshclam": r"--version$",
    "getent": r"(passwd|group|hosts|services|networks)( [\w.@-]+)*$",
    "getenforce": r"$",
    "hostnamectl": r"(status)?$",
    "id": r"[\w.@ -]*$",
    "ip": r"(-j |-o |-[46] )*(addr|address|link|route|rule)( show.*)?$",
    "journalctl": r"--(header|disk-usage|verify|list-boots)$",
    "localectl": r"status$",
    "loginctl": r"(show-(session|user|seat)|list-sessions)( [\w. =-]*)?$",
    "lsblk": r"[\w, =-]*$",
    "nginx": r"-[TtVv]$",
    "ntpq": r"-[cnp ]+(peers)?$",
    "nft": r"-j list [\w ]+$",
    "redis-cli": r"(--no-auth-warning )?(CONFIG GET|ACL LIST|INFO)[\w* -]*$",
    "rsyslogd": r"-(v|N1)$",
    "sestatus": r"-?\w*$",
    "sshd": r"(-T|-V|-t|-G)( -C [\w.,=:@-]+)?$",
    "ss": r"-[a-zA-Z]+$",
    "swapon": r"--show.*$",
    "systemctl": (
        r"(show|is-active|is-enabled|is-failed|cat|list-units|list-unit-files|list-timers"
        r"|list-sockets|is-system-running|get-default)( .*)?$"
    ),
    "systemd-analyze": r"(cat-config|verify|security) [\w./@ -]+$",
    "timedatectl": r"(status|show|timesync-status|show-timesync)?( [\w= -]*)?$",
    "ufw": r"status( verbose| numbered)?$",
    "uname": r"-[a-z]+$",
    "visudo": r"-c$",
}


def refusal(argv: Any) -> str | None:
    """Why a control may not run this, or None."""
    if not isinstance(argv, list) or not argv or not all(isinstance(one, str) for one in argv):
        return "argv must be a list of texts"
    pattern = ALLOWED.get(argv[0])
    if pattern is None:
        return "{0} is not on the list of read-only commands".format(argv[0])
    if not re.match(pattern, " ".join(argv[1:])):
        return "{0} is not allowed with these arguments".format(argv[0])
    return None


def _cmd(system: Any, query: dict[str, Any]) -> Any:
    argv = query["argv"]
    problem = refusal(argv)
    if problem:
        raise ProbeError(QUERY, problem)
    result = system.run(argv)
    if result.rc == 127:
        raise ProbeError(TOOL, "{0} is not installed".format(argv[0]))
    if result.rc not in query.get("rc_ok", [0]):
        raise command_failed(argv, result)
    return _parsed(result.stdout, query)


def _parsed(text: str, query: dict[str, Any]) -> Any:
    parse = chosen(query, "parse", ("text", "lines", "json"), "text")
    pattern = re.compile(str(query["match"]), re.M) if query.get("match") else None
    if parse == "json":
        try:
            return json.loads(text)
        except ValueError:
            raise ProbeError(OUTPUT, "{0} did not print JSON".format(query["argv"][0])) from None
    if parse == "lines":
        lines = [line for line in text.split("\n") if line.strip()]
        if pattern is None:
            return lines
        return [_last_group(match) for match in map(pattern.search, lines) if match]
    if pattern is None:
        return text.strip()
    match = pattern.search(text)
    return _last_group(match) if match else None


def _last_group(match: Any) -> str:
    """The expression's group if it has one, else all that it matched."""
    return (match.group(1) if match.re.groups else match.group(0)) or ""


GETTERS = (Getter("cmd", _cmd, ("argv",), ("parse", "match", "rc_ok")),)
