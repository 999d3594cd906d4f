# SPDX-License-Identifier: GPL-3.0-or-later
"""The fixes of kernel, ports, logs and tills on two hosts that fail all of them at once.

One fix brings every control to pass, a second one finds nothing to do, the undo leaves what the
first audit saw, and SSH answers new connections all along, with both packet filters in force.
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.fix_plays import CHANGE, UNDO, Played, Plays
from tests.lab.fleet import Lab, LabHost

# Controls that each of the hosts fails, and that the fix can bring to pass.
BOTH = (
    *("C01", "C02", "C03", "C05", "C06"),
    *("D01", "D02", "D03", "D05", "D06", "D07", "E01", "E02", "E03", "E05", "E06", "E09"),
)
TILL = {*BOTH, "E04", "F01", "F03", "F04", "F05"}
SERVER = {*BOTH, "D04", "E08"}
# /proc/sys/kernel is the machine's own: the fix says so and leaves it
READ_ONLY = "C04"
VARIABLES: dict[str, Any] = {
    "baseline_audit_controls": ["C*", "D*", "E*", "F*"],
    "baseline_ssh_mgmt_nets": ["10.0.0.0/8"],
    "baseline_ports_allowed": [
        {"port": 22, "process": ["sshd", "systemd"]},
        {"port": 3306, "process": "python3", "sources": "10.20.0.0/16"},
        {"port": 8443, "process": "python3", "expires": "2024-02-29"},
    ],
    "baseline_ports_idle_samples": [
        {"at": f"2024-01-0{day}T00:00:00+00:00", "counters": {"allow_tcp_4559": 0}}
        for day in (1, 2)
    ],
    "baseline_ports_antimalware_packages": [],
    "baseline_logs_is_log_server": "{{ sw_role == 'store_server' }}",
    "baseline_logs_target": "logs.invalid",
    "baseline_logs_ca_file": "/etc/ssl/certs/ca-certificates.crt",
    "baseline_logs_time_servers": ["ntp1.shop.invalid"],
    "baseline_pos_egress": [{"to": "10.20.0.0/16", "port": 443}],
    "baseline_fix_deadline": 300,
}
# Kernel modules, auditd, ClamAV and dconf are not in a container: stand-ins of the same name, as in
# tests/lab_states; packages are small ones of our own, whose files lie in apt's cache for the undo.
BAD = r"""
package() {
  mkdir -p /root/deb/DEBIAN
  printf '%s\n' "Package: $1" 'Version: 1' 'Architecture: all' 'Maintainer: lab <lab@example.com>' \
    'Description: stand-in' > /root/deb/DEBIAN/control
  dpkg-deb -b /root/deb "/var/cache/apt/archives/$1_1_all.deb" > /dev/null
  dpkg -i "/var/cache/apt/archives/$1_1_all.deb" > /dev/null
}
unit() {
  printf '%s\n' '[Service]' "ExecStart=$2" 'ExecReload=/bin/true' '[Install]' \
    'WantedBy=multi-user.target' > "/etc/systemd/system/$1.service"
}
echo 1 > /proc/sys/net/ipv4/ip_forward
mkdir -p "/usr/lib/modules/$(uname -r)"
printf 'kernel/%s\n' net/rds/rds.ko: drivers/usb/storage/usb-storage.ko: \
  > "/usr/lib/modules/$(uname -r)/modules.dep"
unit cups '/usr/bin/python3 -m http.server 8631'
unit shop-db '/usr/bin/python3 -m http.server 3306'
unit shop-temporary '/usr/bin/python3 -m http.server 8443'
for name in auditd clamav-daemon clamav-freshclam; do unit "$name" '/bin/sleep infinity'; done
mkdir -p /etc/systemd/system/systemd-timesyncd.service.d
printf '[Unit]\nConditionVirtualization=\n' \
  > /etc/systemd/system/systemd-timesyncd.service.d/50-lab.conf
systemctl daemon-reload
systemctl -q enable --now cups shop-db shop-temporary
systemctl -q disable --now systemd-timesyncd
systemctl stop auditd || true
systemctl -q disable auditd
systemctl reset-failed auditd || true
mkdir -p /var/lib/clamav /etc/dconf/db /run/audit
touch /var/lib/clamav/daily.cld
package telnetd
package w3m
: > /run/audit/loaded
cat > /usr/sbin/auditctl <<'END'
#!/bin/sh
case $1 in
  -s) echo "enabled 1";;
  -l) cat /run/audit/loaded;;
  -D) : > /run/audit/loaded;;
  *) echo "$*" >> /run/audit/loaded;;
esac
END
cat > /usr/sbin/augenrules <<'END'
#!/bin/sh
cat /etc/audit/rules.d/*.rules | grep "^-[wa]" > /run/audit/loaded
END
printf '#!/bin/sh\ntouch /etc/dconf/db/storewarden\n' > /usr/bin/dconf
chmod 0755 /usr/sbin/auditctl /usr/sbin/augenrules /usr/bin/dconf
sed -i 's/^disk_full_action.*/disk_full_action = HALT/' /etc/audit/auditd.conf
echo x > /var/log/audit/audit.log; chmod 0640 /var/log/audit/audit.log
echo x > /var/log/log-access.log
printf '/var/log/log-access.log { weekly\n rotate 4\n }\n' > /etc/logrotate.d/log-access
mkdir -p /var/log/journal
usermod -aG sudo cashier
until ss -Hltn | grep -q ':8443 '; do sleep 0.1; done
"""
IDLE = r"""
nft -f - <<'END'
table inet storewarden {
  counter allow_tcp_4559 { }
  chain input {
    type filter hook input priority filter; policy accept;
    tcp dport 4559 counter name allow_tcp_4559 accept
  }
}
END
"""


@pytest.fixture
def spoiled(lab: Lab) -> Any:
    """A till and a store server that fail the controls."""
    till = next(host for host in lab.hosts if host.role == "pos")
    server = next(host for host in lab.hosts if host.role == "store_server")
    try:
        till.run(f"set -eu\n{BAD}", user="root")
        server.run(f"set -eu\n{BAD}{IDLE}", user="root")
        yield till, server
    finally:
        till.reset()
        server.reset()


def verdicts(played: Played, host: LabHost, name: str = "audit") -> dict[str, Any]:
    """Control -> (verdict, value); the reading of D04 without its time."""
    found = played.verdicts(host, name)
    for _verdict, value in found.values():
        if isinstance(value, dict) and isinstance(value.get("reading"), dict):
            value["reading"] = {**value["reading"], "at": None, "observed_days": None}
    return found


def answers(host: LabHost, port: int) -> bool:
    """Whether a port of the host answers this machine, which is none of the named networks'."""
    try:
        with socket.create_connection((host.address, port), timeout=5.0):
            return True
    except OSError:
        return False


def outcomes(played: Played, host: LabHost) -> dict[str, str]:
    report = played.reports[host.name]["harden"]
    return {group: one["outcome"] for group, one in report.items()}


@pytest.mark.lab
@pytest.mark.slow
def test_all_are_fixed_once_and_taken_back(
    lab: Lab, tmp_path: Path, spoiled: tuple[LabHost, LabHost]
) -> None:
    till, server = spoiled
    plays = Plays(lab=lab, folder=tmp_path)
    shut = [(host, port) for host in spoiled for port in (3306, 8443, 8631)]
    assert [one for one in shut if not answers(*one)] == []

    first = plays.fix(spoiled, **VARIABLES)
    assert first.code == 0, first.err[-4000:]
    for host, wanted in ((till, TILL), (server, SERVER)):
        before = verdicts(first, host, "audit_before")
        after = verdicts(first, host)
        assert {id for id, (verdict, _value) in before.items() if verdict == "fail"} >= wanted
        left = {id: after[id] for id in wanted if after[id][0] not in ("pass", "na")}
        assert left == {}, (outcomes(first, host), left)
        refused = first.harden(host, "sysctl")["controls"]
        said = next(one for one in refused if one["id"] == READ_ONLY)
        assert "read-only here" in said["problem"]["en"]

    assert [one for one in shut if answers(*one)] == []
    second = plays.fix(spoiled, **VARIABLES)
    for host in spoiled:
        found = outcomes(second, host)
        assert found.pop("sysctl") == "refused"
        assert set(found.values()) == {"unchanged"}
        changes = [
            one
            for group in second.reports[host.name]["harden"].values()
            for one in group["controls"]
            if one["changes"]
        ]
        assert changes == []
        assert host.run("true").returncode == 0

    taken_back = plays.run(UNDO, spoiled, baseline_undo_change=CHANGE, **VARIABLES)
    for host in spoiled:
        assert verdicts(taken_back, host) == verdicts(first, host, "audit_before")
