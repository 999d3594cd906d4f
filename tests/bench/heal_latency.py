# SPDX-License-Identifier: GPL-3.0-or-later
"""How soon after an alert something happens on the host that it is about, by three ways.

All three listen, are warm, and get the same alert about the same lab host in turn, one alert after
the other. Each then runs the same playbook, ``storewarden.ops.heal``, with the same settings of ssh
(pipelining, no connection open from before: alerts come hours apart, so what Ansible would keep
for a minute is ended after each of them). Measured is from the moment before the request is sent
to the first command of the play on the host: the Python that modules are run with is a script there
which writes down the time, and lab hosts have this machine's clock. The client that sends it is
made before, since that has to do with nobody. Our hold-down is 0, as the others have none, and so
are our limits per host and hour; everything else stands: the ledger, guards, the standing change,
the lease, the supervisor. Who is first changes from round to round.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import httpx
import psutil
import yaml

from storewarden.adapters.ansible import collection
from storewarden.domain.healing.record import RepairState, Stage
from tests.bench.rulebook import NotHere, installed, java_home
from tests.e2e.heal_site import UNIT, HealSite, alert, lay_out
from tests.e2e.serve_site import until
from tests.lab.fleet import Lab, LabHost
from tests.lab.shape import connection

ALERTS = 20
_PLAIN = "a webhook that starts `ansible-playbook`"
_WARMING = 2  # alerts that are not counted
_PROBE, _MARKS = "/usr/local/bin/storewarden-probe", "/var/tmp/storewarden-marks"
_PYTHON = f'#!/bin/sh\ndate +%s.%N >> {_MARKS}\nexec /usr/bin/python3 "$@"\n'
_POS = "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n"
_OFF = (
    "Hold-down, coalescing and limits are off on our side. Nobody has a connection open from the"
    " alert before. The goal is 3 and 1.5."
)
_MANY = 100_000
_POLICY = {
    "hold_down": 0,
    "poll": 1,
    "cooldown": 0,
    "promotion_runs": 1,
    "failed_share": 100,
    **dict.fromkeys(("per_6h", "per_24h", "hosts_10min", "hosts_hour", "hosts_day"), _MANY),
    **dict.fromkeys(("storm_hosts", "fault_hosts", "failed_in_row"), _MANY),
}
_SENDER = httpx.Client(timeout=60.0, headers={"Connection": "close"})
_MINIMAL = """
import http.server, subprocess, sys
class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
        self.wfile.flush()
        subprocess.Popen(sys.argv[2:])
    def log_message(self, *words):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Hook).serve_forever()
"""


class Contender(Protocol):
    """Something that listens for alerts."""

    name: str

    def send(self, number: int) -> None:
        """Post alert ``number``."""
        ...

    def idle(self) -> bool:
        """Whether what it began has ended."""
        ...

    def disconnect(self) -> None:
        """End the connections to the host that it has left open."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Seconds of one contender, alert by alert."""

    name: str
    seconds: tuple[float, ...]

    @property
    def p50(self) -> float:
        """Half of the alerts took less."""
        return statistics.median(self.seconds)

    @property
    def p99(self) -> float:
        """Of so few alerts it is close to the slowest."""
        return statistics.quantiles(self.seconds, n=100, method="inclusive")[98]


@dataclass(slots=True)
class _Ours:
    """`storewarden serve`; each alert is about another name of the host, as an action touches a
    host three times a day at most."""

    place: HealSite
    tills: Sequence[LabHost]
    name: str = "`storewarden serve`"
    _sent: tuple[LabHost, datetime] | None = None

    def send(self, number: int) -> None:
        self._sent = self.tills[number], datetime.now(UTC)
        answer = self.place.send(alert(*self._sent), post=_SENDER.post)
        if answer.status_code != 200 or answer.json()["new"] != 1:
            raise RuntimeError(f"the alert was not taken: {answer.text}")

    def idle(self) -> bool:
        newest = self.place.alerts()[0]
        if newest.stage in (Stage.ASKING, Stage.ESCALATED, Stage.REFUSED):
            raise RuntimeError(f"nothing is done about it: {self.place.story()}")
        repairs = self.place.site.ledger.alerts.repairs()
        there = [each for each in repairs if each.id == newest.repair]
        if not there or there[0].state is not RepairState.ENDED or self._sent is None:
            return False
        self.place.send(alert(*self._sent, over=True))
        return True

    def disconnect(self) -> None:
        """None is left: each ends with its play."""

    def promote(self) -> None:
        """Mode auto has to be earned: one run with a person watching, which is all we ask for."""
        first, begun = self.tills[0], datetime.now(UTC)
        first.run(f"systemctl kill --signal=KILL {UNIT}", user="root")
        self.place.send(alert(first, begun))
        asked = self.place.comes_to(Stage.ASKING)
        self.place.cli("heal", "approve", asked.key[:12])
        self.place.comes_to(Stage.VERIFYING)
        self.place.send(alert(first, begun, over=True))
        self.place.comes_to(Stage.HEALED)


@dataclass(slots=True)
class _Other:
    """A program that listens and starts ansible-playbook below itself."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    sockets: Path

    def send(self, number: int) -> None:
        body = {"alertname": "PosDown", "unit": UNIT, "number": number}
        _SENDER.post(f"http://127.0.0.1:{self.port}/alert", json=body).raise_for_status()

    def idle(self) -> bool:
        below = psutil.Process(self.process.pid).children(recursive=True)
        return not any("ansible-playbook" in " ".join(_words(each)) for each in below)

    def disconnect(self) -> None:
        for path in self.sockets.iterdir():
            subprocess.run(
                ["ssh", "-F", "none", "-O", "exit", "-o", f"ControlPath={path}", "host"],
                check=True, capture_output=True,
            )  # fmt: skip
        if not until(lambda: not list(self.sockets.iterdir())):
            raise RuntimeError(f"{self.name}: a connection stays open")


def measure(lab: Lab, folder: Path, alerts: int = ALERTS) -> tuple[list[Latency], str]:
    """Each in turn, ``alerts`` times; and why somebody is missing, or ""."""
    host, missing = lab.hosts[0], ""
    _prepare(host)
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        contenders: list[Contender] = [
            stack.enter_context(_ours(folder / "site", host, alerts + _WARMING + 1))
        ]
        try:
            contenders.append(stack.enter_context(_rulebook(folder, host)))
        except NotHere as error:
            missing = str(error)
        contenders.append(stack.enter_context(_minimal(folder, host)))
        taken: dict[str, list[float]] = {each.name: [] for each in contenders}
        for number in range(1, alerts + _WARMING + 1):
            first = number % len(contenders)  # nobody is always the one after the slowest
            for each in [*contenders[first:], *contenders[:first]]:
                seconds = _one(each, number, host)
                print(f"  alert {number}  {each.name}: {seconds:.2f} s", flush=True)
                if number > _WARMING:
                    taken[each.name].append(seconds)
    return [Latency(name=name, seconds=tuple(found)) for name, found in taken.items()], missing


def told(found: Sequence[Latency], missing: str) -> list[str]:
    """The table, and what the figures must keep."""
    ours = found[0]
    lines = [
        "| what | p50, s | p99, s | fastest-slowest | p50 against ours |",
        "|---|---|---|---|---|",
    ]
    for each in found:
        spread = f"{min(each.seconds):.2f}-{max(each.seconds):.2f}"
        ratio = each.p50 / ours.p50
        lines.append(f"| {each.name} | {each.p50:.2f} | {each.p99:.2f} | {spread} | {ratio:.2f} |")
    if missing:
        lines += ["", f"ansible-rulebook could not be installed here: {missing}."]
    return [*lines, "", _OFF, ""]


def _one(contender: Contender, number: int, host: LabHost) -> float:
    """Send, wait until all is quiet again, and read what the host has written down meanwhile."""
    known, sent = len(_marks(host)), time.time()
    contender.send(number)
    if not until(lambda: len(_marks(host)) > known and contender.idle()):
        raise RuntimeError(f"{contender.name} did nothing about alert {number}")
    contender.disconnect()
    return _marks(host)[known] - sent


def _marks(host: LabHost) -> list[float]:
    time.sleep(0.5)  # looking costs the host something, too
    return [float(line) for line in host.read(_MARKS).split()]


def _prepare(host: LabHost) -> None:
    host.write(_PROBE, _PYTHON, mode=0o755)
    host.write(_MARKS, "", mode=0o666)
    host.write(f"/etc/systemd/system/{UNIT}", _POS)
    host.run(f"systemctl daemon-reload && systemctl enable --now {UNIT}", user="root")


@contextmanager
def _ours(folder: Path, host: LabHost, count: int) -> Iterator[_Ours]:
    tills = [_named(host, f"till{number:03d}") for number in range(count)]
    variables: Mapping[str, Mapping[str, object]] = {
        till.name: {
            "ansible_host": host.address,
            "ansible_python_interpreter": _PROBE,
            "sw_store": f"{number:06d}",
            "sw_region": "east",
            "sw_role": "till",
            "sw_ci": f"CI-{number}",
            "sw_tier": "ordinary",
            "sw_failure_groups": [],
            "sw_tz": "Asia/Shanghai",
            "sw_hours": "closed",
        }
        for number, till in enumerate(tills, 100)
    }
    service = lay_out(
        folder,
        [host],
        variables,
        actions={"service": {"mode": "auto"}},
        policy=_POLICY,
    )
    with service.site() as site:
        service.start()
        try:
            ours = _Ours(HealSite(service, site, tills), tills)
            ours.place.standing_change()
            ours.promote()
            service.kill()  # the next one counts the record anew
            service.start()
            yield ours
        finally:
            service.kill()


@contextmanager
def _rulebook(folder: Path, host: LabHost) -> Iterator[_Other]:
    programs, port = installed(), _free_port()
    rules = {
        "name": "alerts",
        "hosts": "all",
        "sources": [{"eda.builtin.webhook": {"host": "127.0.0.1", "port": port}}],
        "rules": [
            {
                "name": "till service down",
                "condition": 'event.payload.alertname == "PosDown"',
                "action": {
                    "run_playbook": {
                        "name": "storewarden.ops.heal",
                        "extra_vars": {"heal_action": "service", "heal_options": {"unit": UNIT}},
                    }
                },
            }
        ],
    }
    file = folder / "rulebook.yml"
    file.write_text(yaml.safe_dump([rules]))
    argv = [str(programs / "ansible-rulebook"), "-r", str(file), "-i", str(_hosts(folder, host))]
    environment = _environment(programs, folder / "r")
    yield from _listening("ansible-rulebook", port, argv, folder, environment)


@contextmanager
def _minimal(folder: Path, host: LabHost) -> Iterator[_Other]:
    port, script = _free_port(), folder / "minimal.py"
    script.write_text(_MINIMAL)
    options = json.dumps({"heal_action": "service", "heal_options": {"unit": UNIT}})
    play = ["ansible-playbook", "-i", str(_hosts(folder, host)), "-e", options]
    argv = [sys.executable, str(script), str(port), *play, "storewarden.ops.heal"]
    environment = _environment(Path(sys.executable).parent, folder / "m")
    yield from _listening(
        "a webhook that starts `ansible-playbook`", port, argv, folder, environment
    )


def _listening(
    name: str, port: int, argv: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> Iterator[_Other]:
    with (folder / f"{port}.log").open("wb") as log:
        process = subprocess.Popen(argv, env=environment, cwd=folder, stdout=log, stderr=log)
    sockets = Path(environment["ANSIBLE_SSH_CONTROL_PATH_DIR"])
    try:
        if not until(lambda: process.poll() is not None or _answers(port)) or process.poll():
            raise RuntimeError(f"{name}: {(folder / f'{port}.log').read_text()[-2000:]}")
        yield _Other(name, port, process, sockets)
    finally:
        process.terminate()
        process.wait()


def _environment(programs: Path, sockets: Path) -> dict[str, str]:
    """What a careful operator would set, the same for both; ``sockets`` is where ssh keeps those of
    open connections, a short path."""
    sockets.mkdir(mode=0o700)
    return {
        **os.environ,
        "PYTHONDONTWRITEBYTECODE": "",  # else ansible-playbook compiles itself each time
        "PATH": f"{programs}:{os.environ['PATH']}",
        "JAVA_HOME": java_home(),
        "ANSIBLE_COLLECTIONS_PATH": str(collection.search_root()),
        "ANSIBLE_PIPELINING": "True",
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(sockets),
        "ANSIBLE_HOST_KEY_CHECKING": "True",
    }


def _hosts(folder: Path, host: LabHost) -> Path:
    variables = {"ansible_host": host.address, "ansible_python_interpreter": _PROBE}
    inventory = {"all": {"vars": connection(host.lab.places), "hosts": {host.name: variables}}}
    file = folder / "hosts.yml"
    file.write_text(yaml.safe_dump(inventory))
    return file


def _named(host: LabHost, name: str) -> LabHost:
    """The same machine under another name."""
    return replace(host, plan=replace(host.plan, name=name))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []
