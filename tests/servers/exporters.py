# SPDX-License-Identifier: GPL-3.0-or-later
"""Exporters on lab hosts: node_exporter with our own metrics script, and those of the services.

Their packages are Debian's, unpacked and not installed: a host keeps the layer of software that its
scene needs. Our script runs from the units that we ship, only more often.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.lab.fleet import LabHost
from tests.servers.monitoring import exporter

_SHIPPED = Path(__file__).parents[2] / "packaging/prometheus"
_OUTPUT = "/var/lib/prometheus/node-exporter"
_NODE = (
    # Only units of the scenes: what the lab's own boot has left is nobody's business here.
    "--collector.disable-defaults --collector.systemd"
    " --collector.systemd.unit-include='(pos|job)-.+[.]service' --collector.textfile"
    f" --collector.textfile.directory={_OUTPUT} --collector.filesystem --collector.meminfo"
    # It would hang on a mount that hangs; that is asked by our own script.
    " --collector.filesystem.fs-types-exclude="
    "'^(autofs|bpf|cgroup2?|devpts|fuse.*|mqueue|nfs.*|cifs|overlay|proc|ramfs|sysfs)$'"
)
_OFTEN = "[Timer]\nOnUnitInactiveSec=1\nAccuracySec=100ms\n"


def watched(host: LabHost, own: Mapping[str, object] | None = None) -> str:
    """node_exporter on a host, with what our script is to look at; where it is scraped."""
    host.run(f"mkdir -p {_OUTPUT} /usr/local/lib/storewarden", user="root")
    if own is not None:
        _own_metrics(host, own)
    return started(host, "node", 9110, _NODE)  # 9100 is a printer's


def looks(host: LabHost, **own: object) -> None:
    """What our script looks at from its next round on, and what it is to forget."""
    host.write("/etc/storewarden/heal-metrics.json", json.dumps(own))


def started(host: LabHost, kind: str, port: int, words: str = "", before: str = "") -> str:
    """An exporter on a host, listening on a port; ``before`` goes to systemd-run."""
    found = exporter(kind)
    assert found is not None, f"prometheus-{kind}-exporter cannot be had from apt here"
    place = f"/usr/local/bin/{found.name}"
    fresh = f"{place}.new"  # one that runs cannot be written to
    put = f"sudo -n sh -c 'cat > {fresh} && chmod 0755 {fresh} && mv -f {fresh} {place}'"
    with found.open("rb") as program:
        subprocess.run([*host.ssh(), put], stdin=program, check=True, timeout=240)
    host.run(
        f"systemctl stop exporter-{kind} 2>/dev/null;"
        f"systemd-run -q --collect --unit=exporter-{kind} {before}"
        f" {place} --web.listen-address=:{port} {words}",
        user="root",
    )
    return f"{host.address}:{port}"


def _own_metrics(host: LabHost, own: Mapping[str, object]) -> None:
    name = "storewarden_heal_metrics.py"
    host.write(f"/usr/local/lib/storewarden/{name}", (_SHIPPED / name).read_text("utf-8"))
    looks(host, **own)
    for unit in ("storewarden-heal-metrics.service", "storewarden-heal-metrics.timer"):
        host.write(f"/etc/systemd/system/{unit}", (_SHIPPED / unit).read_text("utf-8"))
    host.write("/etc/systemd/system/storewarden-heal-metrics.timer.d/often.conf", _OFTEN)
    host.run(
        "systemctl daemon-reload; systemctl start storewarden-heal-metrics.service;"
        "systemctl start storewarden-heal-metrics.timer",
        user="root",
    )
