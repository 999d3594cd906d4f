# SPDX-License-Identifier: GPL-3.0-or-later
"""The till that is validated: what it is for, and whether it still does that."""

from __future__ import annotations

import urllib.request
from collections.abc import Mapping
from typing import Any

from tests.lab.fleet import LabHost

PORT = 8080
_UNIT = f"""[Unit]
Description=The till's own program (stands in for one)
After=network.target
[Service]
ExecStart=/usr/bin/python3 -m http.server {PORT} --directory /srv/till
User=cashier
Restart=on-failure
[Install]
WantedBy=multi-user.target
"""

# What a site would write into its group variables: its own networks, servers, ports and accounts.
SITE: Mapping[str, Any] = {
    "baseline_ssh_mgmt_nets": ["10.213.0.0/16"],
    "baseline_accounts_nopasswd_allowed": ["ops"],
    "baseline_logs_time_servers": ["ntp.lab.internal"],
    "baseline_ports_allowed": [
        {"port": 22, "proto": "tcp", "process": ["sshd", "systemd"]},
        {"port": PORT, "proto": "tcp", "process": ["python3"]},
    ],
}


def open_till(host: LabHost) -> None:
    """The host gets the work that it must not lose."""
    host.write("/srv/till/index.html", "open\n")
    host.write("/etc/systemd/system/till.service", _UNIT)
    host.run("chmod 0755 /srv/till", user="root")
    host.run("systemctl daemon-reload && systemctl enable --now till.service", user="root")


def services(host: LabHost) -> frozenset[str]:
    """The services that run now."""
    told = host.run(
        "systemctl list-units --type=service --state=running --plain --no-legend --no-pager"
    ).stdout
    return frozenset(line.split()[0] for line in told.splitlines() if line.strip())


def probes(host: LabHost, before: frozenset[str]) -> dict[str, str]:
    """Probe -> "ok" or what is wrong; each over a connection of its own."""
    lost = sorted(name for name in before - services(host) if not name.startswith("user@"))
    failed = {
        line.split()[0]
        for line in host.run(
            "systemctl list-units --failed --plain --no-legend --no-pager"
        ).stdout.splitlines()
        if line.strip()
    }
    failed -= {"auditd.service"}  # a container has no audit system of its own; before and after
    return {
        "login with a key, and sudo": _said(host.run("sudo -n true", check=False).returncode == 0),
        "the till's program answers": _till(host),
        "services that ran before": "ok" if not lost else f"gone: {', '.join(lost)}",
        "no failed unit (but auditd)": "ok"
        if not failed
        else f"failed: {', '.join(sorted(failed))}",
        "the cashier's account": _said(
            host.run("su -s /bin/sh cashier -c true", user="root", check=False).returncode == 0
        ),
        "names are resolved": _said(
            host.run("getent hosts localhost >/dev/null", check=False).returncode == 0
        ),
        "cron runs": _said("cron.service" in services(host)),
    }


def _said(good: bool) -> str:
    return "ok" if good else "lost"


def _till(host: LabHost) -> str:
    try:
        with urllib.request.urlopen(f"http://{host.address}:{PORT}/", timeout=5) as answer:
            return _said(answer.read() == b"open\n")
    except OSError as error:
        return f"lost: {error}"
