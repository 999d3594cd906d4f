# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether this host sends its logs to another one now.

A local log younger than the retention may only go when it is not the only copy (guide 5.3.1).
That a site says so is not enough: the host must be seen sending.
"""

from __future__ import annotations

import os
import re

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


def sent(host: Host) -> bool:
    """rsyslog runs and sends everything to another host, or systemd-journal-upload runs."""
    if _runs(host, "systemd-journal-upload.service"):
        return True
    return _runs(host, "rsyslog.service") and any(_SENDS.search(one) for one in _texts(host))


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
