# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether this host sends its logs to another one now.

A local log younger than the retention may only go when it is not the only copy (guide 5.3.1).
That a site says so is not enough, nor that the configuration does: when the line is down, the disk
fills because of that, and these are the only copies. So the connection must be seen, and no queue
on disk.
"""

from __future__ import annotations

import ipaddress
import os
import re
import struct
from typing import Iterator

from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

# Everything, and to another machine: a line for one facility sends that one alone, and an action
# that is indented stands below a condition.
_HERE = r"(?!localhost|127\.|\[?::1)"
_ACTION = (
    r"action\((?=[^)]*type\s*=\s*\"om(?:fwd|relp)\")"
    r"(?=[^)]*target\s*=\s*\"" + _HERE + r"[^\"])"
)
_LINE = r"(?:@@?(?:\([a-z0-9,]*\))?|:omrelp:)" + _HERE + r"[\w\[]"
_SENDS = re.compile(
    r"^(?:" + _ACTION + r"|\s*\*\.\*\s+(?:" + _LINE + r"|" + _ACTION + r"))",
    re.MULTILINE | re.IGNORECASE,
)
SECURITY_FILES = ("/var/log/auth.log", "/var/log/secure")


_UPLOAD_STATE = "/var/lib/systemd/journal-upload/state"
_FRESH = 3600.0  # seconds; systemd-journal-upload saves how far it came as it sends
_SPOOLS = ("/var/spool/rsyslog", "/var/lib/rsyslog")
_WORK = re.compile(r"^\s*(?:\$WorkDirectory\s+|global\(.*?workDirectory\s*=\s*\")(/[^\s\")]+)",
                   re.MULTILINE | re.IGNORECASE)  # fmt: skip
_QUEUE = re.compile(r".+\.(?:qi|[0-9]{8})$")
_ESTABLISHED = "01"


def sent(host: Host) -> bool:
    """rsyslog is told to send everything to another host, is connected to one, and nothing waits
    in its queues on disk. What goes by UDP nobody can see arrive: it does not count."""
    if not _runs(host, "rsyslog.service"):
        return False
    texts = _texts(host)
    if not any(_SENDS.search(one) for one in texts) or _queued(host, texts):
        return False
    shown = host.run(["systemctl", "show", "-p", "MainPID", "--value", "rsyslog.service"], 20.0)
    pid = shown.out.strip()
    return pid.isdigit() and int(pid) > 0 and _connected(host, pid)


def uploaded(host: Host, now: float) -> bool:
    """systemd-journal-upload runs, and has come further within the last hour."""
    if not _runs(host, "systemd-journal-upload.service"):
        return False
    try:
        saved = os.stat(host.at(_UPLOAD_STATE)).st_mtime
    except OSError:
        return False
    return 0.0 <= now - saved < _FRESH


def _queued(host: Host, texts: list[str]) -> bool:
    """Whether rsyslog keeps on disk what it could not send."""
    folders = {*_SPOOLS, *(one for text in texts for one in _WORK.findall(text))}
    for folder in folders:
        try:
            names = os.listdir(host.at(folder))
        except OSError:
            continue
        if any(_QUEUE.match(name) for name in names):
            return True
    return False


def _connected(host: Host, pid: str) -> bool:
    """Whether the process has a TCP connection to another machine."""
    own = set()
    folder = host.at("/proc/{0}/fd".format(pid))
    try:
        for name in os.listdir(folder):
            try:
                own.add(os.readlink("{0}/{1}".format(folder, name)))
            except OSError:
                continue
    except OSError:
        return False
    return any("socket:[{0}]".format(inode) in own for inode in _to_others(host))


def _to_others(host: Host) -> Iterator[str]:
    """Inodes of established connections to addresses that are not this machine's loopback."""
    for name in ("tcp", "tcp6"):
        try:
            with open(host.at("/proc/net/" + name), encoding="ascii") as lines:
                for line in list(lines)[1:]:
                    words = line.split()
                    if len(words) > 9 and words[3] == _ESTABLISHED and not _loopback(words[2]):
                        yield words[9]
        except OSError:
            continue


def _loopback(address: str) -> bool:
    """Of an address as /proc/net has it: hexadecimal words of the machine's own byte order."""
    digits = address.partition(":")[0]
    numbers = [int(digits[at : at + 8], 16) for at in range(0, len(digits), 8)]
    found = ipaddress.ip_address(struct.pack("={0}I".format(len(numbers)), *numbers))
    mapped = getattr(found, "ipv4_mapped", None)
    return bool((mapped or found).is_loopback)


def _runs(host: Host, unit: str) -> bool:
    return host.run(["systemctl", "is-active", "--quiet", unit], 20.0).code == 0


def _texts(host: Host) -> list[str]:
    paths = ["/etc/rsyslog.conf"]
    try:
        names = sorted(os.listdir(host.at("/etc/rsyslog.d")))
    except OSError:
        names = []
    paths += ["/etc/rsyslog.d/" + name for name in names if name.endswith(".conf")]
    found = []
    for path in paths:
        try:
            with open(host.at(path), encoding="utf-8", errors="replace") as file:
                found.append(file.read())
        except OSError:
            continue
    return found


def only_in_journal(host: Host) -> bool:
    """Whether security messages lie in the journal alone."""
    return not any(os.path.exists(host.at(path)) for path in SECURITY_FILES)
