# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a host was not audited, recognised from its message, and so what to do about it.

The patterns are the messages of OpenSSH, sudo and Ansible; the first that
matches wins, so the more telling ones come first.
"""

from __future__ import annotations

import re

from storewarden.domain.baseline.finding import AuditState, HostAudit

_SIGNS: tuple[tuple[str, str], ...] = (
    ("disk", r"no space left on device|disk quota exceeded"),
    ("sudo", r"password is required|missing sudo password|incorrect sudo password|missing become"),
    ("python", r"python\S*: (command )?not found|no python|interpreter.*(not found|unsupported)"),
    ("python", r"no such file or directory.*python|python.*no such file|python is not install"),
    ("hostkey", r"host key verification failed|host identification has changed|host key"),
    ("login", r"permission denied|authentication fail|invalid/incorrect password|no such identity"),
    ("busy", r"\bbusy\b|holds the host|leased"),
    ("timeout", r"timed out waiting|deadline|took too long|timeout \(\d+s\) waiting for priv"),
    ("line", r"timed out|no route to host|refused|unreachable|reset by peer|could not resolve"),
    ("line", r"closed by remote host|connection closed|name or service not known"),
)
_COMPILED = tuple((key, re.compile(sign, re.IGNORECASE)) for key, sign in _SIGNS)
_BY_STATE = {
    AuditState.UNREACHABLE: "line",
    AuditState.SKIPPED: "cancelled",
    AuditState.UNKNOWN: "unknown",
}


def advice_for(host: HostAudit) -> str:
    """The key of the advice, without its ``advice_`` prefix."""
    for key, sign in _COMPILED:
        if sign.search(host.message):
            return key
    return _BY_STATE.get(host.state, "other")
