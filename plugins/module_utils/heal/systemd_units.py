# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What systemd and the journal know of a unit: its state, who stopped it, how often it was started.

The state alone does not say why a unit is not running. Whether somebody stopped it stands in the
journal: only a stop that was asked for has a job, a program that ends by itself has none.
"""

from __future__ import annotations

import fnmatch
import json
import re
import time
from typing import Any, Iterable, Optional

from ansible_collections.storewarden.ops.plugins.module_utils.heal.action import HealError
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

Facts = dict[str, Any]
LINES = 100  # of a unit's journal, as evidence
# Units that no action restarts: without them nobody reaches the host any more, or it boots anew.
NEVER = (
    *("dbus*", "systemd-*", "init.scope", "user@*", "user-runtime-dir@*", "session-*", "*.slice"),
    *("ssh.socket", "ssh.service", "ssh@*", "sshd.service", "sshd.socket", "sshd@*"),
    *("networking.service", "NetworkManager*", "network-manager*", "network.service"),
    *("netplan-*", "dhcpcd*", "dhclient*", "ifup@*", "ifplugd*", "wpa_supplicant*", "iwd.service"),
    # Tunnels and what decides who gets in or out: a till behind one is gone with it.
    *("wg-quick@*", "openvpn*", "strongswan*", "ipsec*", "tailscaled*"),
    *("firewalld*", "nftables*", "iptables*", "ip6tables*", "ufw*", "netfilter-persistent*"),
    *("keepalived*", "frr*", "corosync*", "pacemaker*", "patroni*"),
    *("emergency*", "rescue*"),
    *("getty@*", "serial-getty@*", "*fsck*", "*.swap", "*.device", "*.target", "-.mount"),
    *("boot.mount", "usr.mount", "var.mount", "storewarden-*"),
)
_NAME = re.compile(r"[A-Za-z0-9:_.@\\-]{1,255}")
_SUFFIX = re.compile(r"\.(service|socket|timer|path|mount|automount|swap|target|slice|scope)$")
_SHOWN = {
    **{"name": "Id", "load": "LoadState", "active": "ActiveState", "sub": "SubState"},
    **{"result": "Result", "file_state": "UnitFileState", "type": "Type"},
    **{"condition": "ConditionResult", "checked": "ConditionTimestampMonotonic"},
    **{"restarts": "NRestarts", "pid": "MainPID"},
    **{"entered": "ActiveEnterTimestampMonotonic", "triggers": "TriggeredBy"},
    **{"remains": "RemainAfterExit", "status": "ExecMainStatus"},
    **{"names": "Names", "reloads": "CanReload"},
}
_NUMBERS = ("checked", "restarts", "pid", "entered", "status")
# systemd's own messages (systemd/sd-messages.h).
_STARTING, _STARTED = "7d4958e842da4a758f6c1cdc7b36dcc5", "39f53479d3a045ac8e11786248231fbf"
_STOPPED = "9d1aaa27d60140bd96365438aad20286"
_SECONDS = 20.0  # for systemctl and journalctl, on a host that is not well


def full_name(unit: str) -> str:
    """The unit's name with its type; HealError for what cannot be a name."""
    if not _NAME.fullmatch(unit) or unit.startswith("-"):
        raise HealError(
            "{0!r} is no name of a unit".format(unit), "{0!r} 不是有效的单元名".format(unit)
        )
    return unit if _SUFFIX.search(unit) else unit + ".service"


def matches(unit: str, patterns: Iterable[str]) -> bool:
    """Whether a pattern of the shell covers it; a pattern without a type means a service."""
    for pattern in patterns:
        typed = _SUFFIX.search(pattern) or pattern.endswith("*")
        whole = pattern if typed else pattern + ".service"
        if fnmatch.fnmatchcase(unit, whole):
            return True
    return False


def shown(host: Host, units: list[str]) -> list[Facts]:
    """The state of each unit, in order. HealError where systemd does not run or answer."""
    if not host.has_systemd():
        raise HealError("systemd does not run this host", "本机未由 systemd 管理")
    if not units:
        return []
    names = ",".join(_SHOWN.values())
    done = host.run(["systemctl", "show", "--property=" + names, "--", *units], _SECONDS)
    if done.code != 0:
        raise HealError(
            "systemctl: {0}".format(done.last), "systemctl 执行失败：{0}".format(done.last)
        )
    return [_unit(block) for block in done.out.split("\n\n") if block.strip()]


def _unit(block: str) -> Facts:
    said = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
    found: Facts = {name: said.get(key, "") for name, key in _SHOWN.items()}
    for name in _NUMBERS:
        found[name] = int(found[name]) if str(found[name]).isdigit() else 0
    found["triggers"] = str(found["triggers"]).split()
    # Before anybody tried to start it, it says no as well.
    found["condition"] = found["condition"] != "no" or not found["checked"]
    found["remains"] = found["remains"] == "yes"
    found["reloads"] = found["reloads"] == "yes"
    # An alias is the same unit: what is said of one of its names is said of all.
    found["names"] = sorted({*str(found["names"]).split(), str(found["name"])} - {""})
    return found


def unit_facts(host: Host, unit: str, minutes: float) -> Facts:
    """``shown`` of one unit, with ``up_for`` (seconds since it became active), ``starts`` of the
    last minutes, ``stop_asked`` and ``triggered`` (active units that start it)."""
    found = shown(host, [unit])[0]
    found["name"] = unit
    found["up_for"] = up_for(found)
    triggers = shown(host, found["triggers"])
    found["triggered"] = [one["name"] for one in triggers if one["active"] == "active"]
    found.update(history(host, unit, minutes))
    return found


def up_for(found: Facts) -> float:
    """Seconds since it became active; 0 when it is not."""
    if found["active"] != "active" or not found["entered"]:
        return 0.0
    return round(max(0.0, time.clock_gettime(time.CLOCK_MONOTONIC) - found["entered"] / 1e6), 1)


def history(host: Host, unit: str, minutes: float) -> Facts:
    """``starts``: attempts to start it in the last minutes. ``stop_asked``: whether its last end
    was asked for. Either is None where the journal does not know."""
    fields = "MESSAGE_ID,INVOCATION_ID,JOB_TYPE,_SOURCE_REALTIME_TIMESTAMP"
    argv = ["journalctl", "-q", "--no-pager", "-b", "-o", "json", "-n", "1000", "_PID=1"]
    done = host.run([*argv, "--output-fields=" + fields, "UNIT=" + unit], _SECONDS)
    if done.code != 0:
        return {"starts": None, "stop_asked": None}
    records = [one for one in (_record(line) for line in done.out.splitlines()) if one]
    return judged_history(records, time.time() - 60.0 * minutes)


def judged_history(records: list[Facts], since: float) -> Facts:
    """As ``history``, of the journal's records in order; ``since`` in seconds of 1970."""
    if not records:
        return {"starts": None, "stop_asked": None}
    starts: set[str] = set()
    asked: Optional[bool] = None
    for number, one in enumerate(records):
        kind = one.get("MESSAGE_ID")
        if kind in (_STARTING, _STARTED):
            asked = False
            if int(one.get("__REALTIME_TIMESTAMP") or 0) / 1e6 >= since:
                # Both messages of one start carry the same number.
                starts.add(str(one.get("INVOCATION_ID") or number))
        elif kind == _STOPPED:
            # Older journals (systemd 239) do not say which job it was: then nobody knows.
            asked = one["JOB_TYPE"] == "stop" if one.get("JOB_TYPE") else None
    return {"starts": len(starts), "stop_asked": asked}


def _record(line: str) -> Optional[Facts]:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def journal(host: Host, unit: str) -> str:
    """The last lines of a unit's journal, or why there are none."""
    argv = ["journalctl", "-q", "--no-pager", "-o", "short-iso", "-n", str(LINES), "-u", unit]
    done = host.run(argv, _SECONDS)
    return done.out or "journalctl: " + done.last


def status(host: Host, unit: str) -> str:
    """What systemctl says of it to people."""
    argv = ["systemctl", "status", "--no-pager", "--full", "--lines=0", "--", unit]
    return host.run(argv, _SECONDS).out


def restart(host: Host, unit: str, clear: bool, seconds: float) -> None:
    """Restart it, or start it when it is down. ``clear``: forget first that it failed, or a start
    limit would refuse. HealError with what systemd says."""
    if clear:
        host.run(["systemctl", "reset-failed", "--", unit], _SECONDS)
    done = host.run(["systemctl", "restart", "--", unit], seconds)
    if done.code != 0:
        raise HealError(
            "{0} could not be started: {1}".format(unit, done.last),
            "{0} 无法启动：{1}".format(unit, done.last),
        )
