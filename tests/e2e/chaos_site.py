# SPDX-License-Identifier: GPL-3.0-or-later
"""`storewarden chaos run` in a process of its own, on a lab host with a till's service."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.heal_site import UNIT, lay_out
from tests.e2e.serve_site import PATIENCE, Service, until
from tests.lab.fleet import LabHost

_POS = "[Service]\nExecStart=/bin/sleep infinity\n{more}[Install]\nWantedBy=multi-user.target\n"


@dataclass(slots=True)
class ChaosSite:
    """A site over one host that may be broken, and its service."""

    service: Service
    host: LabHost

    @contextmanager
    def running(self, fault: str, *words: str) -> Iterator[subprocess.Popen[str]]:
        """An experiment under way; killed when it is still there at the end."""
        with subprocess.Popen(
            [
                str(Path(sys.executable).parent / "storewarden"), "chaos", "run", fault,
                "--host", self.host.name, "--json", *words,
            ],
            cwd=self.service.folder, env=self.service.environment(), text=True,
            stdout=subprocess.PIPE, stderr=(self.service.folder / "chaos.log").open("w"),
        ) as process:  # fmt: skip
            try:
                yield process
            finally:
                process.kill()

    def comes_to(self, state: str, process: subprocess.Popen[str] | None = None) -> None:
        """Wait until the till's service is so; with ``process`` no longer than that lives."""

        def over() -> bool:
            ended = process is not None and process.poll() is not None
            return self.state() == state or ended

        assert until(over) and self.state() == state, self.told()

    def state(self) -> str:
        """What systemd says of the till's service."""
        return self.host.run(f"systemctl is-active {UNIT}", check=False).stdout.strip()

    def told(self) -> str:
        """What the experiment said."""
        return (self.service.folder / "chaos.log").read_text()

    def journal(self) -> list[tuple[str, Mapping[str, object]]]:
        """Entries of experiments."""
        with self.service.site() as site:
            entries = [(each.kind, each.body) for each in site.ledger.journal()]
            assert site.ledger.verify().problems == ()
        return [(kind, body) for kind, body in entries if kind.startswith("chaos ")]


def finished(process: subprocess.Popen[str]) -> tuple[int, Any]:
    """Exit status and what came of it."""
    out, _none = process.communicate(timeout=PATIENCE.total_seconds())
    return process.returncode, json.loads(out)


def chaos_site(folder: Path, host: LabHost, *, tag: object = "lab", more: str = "") -> ChaosSite:
    """Nothing runs yet but the till's service; ``more`` are lines of its unit."""
    host.write(f"/etc/systemd/system/{UNIT}", _POS.format(more=more))
    host.run(f"systemctl daemon-reload && systemctl enable --now {UNIT}", user="root")
    service = lay_out(folder, [host], policy={"hold_down": 0, "poll": 5})
    path = folder / "hosts.yml"
    inventory = yaml.safe_load(path.read_text())
    inventory["all"]["hosts"][host.name]["sw_chaos"] = tag
    path.write_text(yaml.safe_dump(inventory))
    return ChaosSite(service, host)
