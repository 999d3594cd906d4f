# SPDX-License-Identifier: GPL-3.0-or-later
"""(p) Configurations of network devices read by ``storewarden backup devices``, and by Ansible's
own ``network_cli``.

The devices are simulated, in a process of their own whose CPU is in neither figure. Ansible reads
fewer of them, because it takes so long; the table says how many and compares by device.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.audit_round_trip import environment
from tests.servers.network_collections import network_collections
from tests.servers.network_devices import PASSWORD, USER

DEVICES, OF_ANSIBLE, AT_ONCE = 100, 20, 12
_PATIENCE = 300.0  # seconds until simulated routers answer

_SETTINGS = f"""
site: {{language: en}}
state_dir: state
inventory: [hosts.yml]
ssh: {{known_hosts: known_hosts}}
backup:
  policies: policies.yml
  locations:
    here: {{medium: disk, credentials: here}}
    away: {{medium: disk, credentials: away}}
  devices: {{user: {USER}, password: "file:password", at_once: {AT_ONCE}}}
"""
_POLICIES = """
policies:
  - id: network
    tier: core-network
    method: network
    select: {roles: [router]}
    copies: [{location: here}, {location: away}]
"""
_PLAY = """
- hosts: all
  gather_facts: false
  tasks:
    - cisco.ios.ios_command:
        commands: [show running-config]
      register: shown
    - ansible.builtin.copy:
        content: "{{ shown.stdout[0] }}"
        dest: "{{ playbook_dir }}/kept-{{ inventory_hostname }}.cfg"
        mode: "0600"
      delegate_to: localhost
      vars: {ansible_connection: local, ansible_become: false}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One command: how many devices it read, seconds, CPU seconds with all children."""

    name: str
    devices: int
    wall: float
    cpu: float


def measure(folder: Path) -> list[Reading]:
    """Ours for the first time, ours when nothing has changed, Ansible's."""
    collections = network_collections()
    if collections is None:
        raise RuntimeError("the ansible wheel cannot be had")
    folder.mkdir(parents=True, exist_ok=True)
    with _routers(folder) as there:
        _site(folder, there)
        program = str(Path(sys.executable).with_name("storewarden"))
        ours = [program, "backup", "devices", "--config", str(folder / "storewarden.yml")]
        found = [
            _timed(folder, "storewarden, each for the first time", DEVICES, ours, {}),
            _timed(folder, "storewarden, nothing has changed", DEVICES, ours, {}),
        ]
        kept = list((folder / "state/configurations").glob("*/*.cfg"))
        if len(kept) != DEVICES:
            raise RuntimeError(f"{len(kept)} of {DEVICES} devices were kept")
        found.append(_by_ansible(folder, there, collections))
    return found


def told(found: list[Reading]) -> list[str]:
    """The table."""
    lines = [
        "| what | devices | wall s | CPU s | wall s by device | CPU s by device | CPU ratio |",
        "|---|---|---|---|---|---|---|",
    ]
    against = found[1].cpu / found[1].devices
    for one in found:
        wall, cpu = one.wall / one.devices, one.cpu / one.devices
        lines.append(
            f"| {one.name} | {one.devices} | {one.wall:.1f} | {one.cpu:.1f} | {wall:.3f} |"
            f" {cpu:.3f} | {cpu / against:.1f} |"
        )
    return [
        *lines,
        "",
        f"Both {AT_ONCE} at once. CPU is that of the command and of everything it started; the",
        "simulated devices, on the same cores, are not in it. Ours has the start of the command,",
        "the inventory, the checks, the history and the catalog in it; for the first time each",
        "device is read twice. Ansible's is `ios_command` and `copy`, over fewer devices.",
        "",
    ]


def _by_ansible(folder: Path, there: Mapping[str, int], collections: Path) -> Reading:
    (folder / "play.yml").write_text(_PLAY)
    some = dict(list(there.items())[:OF_ANSIBLE])
    variables = {
        "ansible_connection": "ansible.netcommon.network_cli",
        "ansible_password": PASSWORD,
        "ansible_become": True,
        "ansible_become_method": "enable",
    }
    _hosts(folder / "ansible-hosts.json", some, variables)
    env = {
        "ANSIBLE_COLLECTIONS_PATH": str(collections),
        "ANSIBLE_HOST_KEY_CHECKING": "False",
        "ANSIBLE_FORKS": str(AT_ONCE),
        "ANSIBLE_HOME": str(folder / "ansible"),
    }
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    argv = [program, "-i", str(folder / "ansible-hosts.json"), str(folder / "play.yml")]
    reading = _timed(folder, "Ansible's network_cli", len(some), argv, env)
    kept = [each for each in folder.glob("kept-*.cfg") if each.stat().st_size > 1000]
    if len(kept) != len(some):
        raise RuntimeError(f"Ansible kept {len(kept)} of {len(some)} devices")
    return reading


def _timed(
    folder: Path, name: str, devices: int, argv: list[str], more: Mapping[str, str]
) -> Reading:
    file, log = folder / "figures.json", folder / "bench.log"
    wrapped = [sys.executable, "-m", "tests.bench.children", str(file), *argv]
    with log.open("wb") as out:
        code = subprocess.run(
            wrapped, env={**environment(), **more}, stdout=out, stderr=out, check=False
        ).returncode
    if code:
        raise RuntimeError(f"{name} ended with {code}: {log.read_text()[-800:]}")
    told = json.loads(file.read_text())
    print(f"  {name}: {told['wall']:.1f} s, CPU {told['cpu']:.1f} s", flush=True)
    return Reading(name=name, devices=devices, wall=told["wall"], cpu=told["cpu"])


@contextmanager
def _routers(folder: Path) -> Iterator[dict[str, int]]:
    """Name -> port of devices that answer; known_hosts has their keys."""
    file = folder / "routers.json"
    argv = [sys.executable, "-m", "tests.servers.many_routers", str(DEVICES), str(file)]
    with (folder / "routers.log").open("wb") as log:
        server = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=log, stderr=log)
    try:
        ends = time.monotonic() + _PATIENCE
        while not file.exists():
            if server.poll() is not None or time.monotonic() > ends:
                raise RuntimeError((folder / "routers.log").read_text()[-600:])
            time.sleep(0.2)
        found = json.loads(file.read_text())
        (folder / "known_hosts").write_text(found["keys"])
        yield found["ports"]
    finally:
        server.kill()
        server.wait()


def _site(folder: Path, there: Mapping[str, int]) -> None:
    (folder / "storewarden.yml").write_text(_SETTINGS)
    (folder / "policies.yml").write_text(_POLICIES)
    secret = os.open(folder / "password", os.O_WRONLY | os.O_CREAT, 0o600)
    with os.fdopen(secret, "w") as file:
        file.write(PASSWORD)
    _hosts(folder / "hosts.yml", there, {})


def _hosts(file: Path, there: Mapping[str, int], variables: Mapping[str, object]) -> None:
    hosts = {
        name: {
            "ansible_host": "127.0.0.1",
            "ansible_port": port,
            "ansible_user": USER,
            "ansible_network_os": "cisco.ios.ios",
            "sw_role": "router",
            **variables,
        }
        for name, port in there.items()
    }
    file.write_text(json.dumps({"all": {"hosts": hosts}}))
