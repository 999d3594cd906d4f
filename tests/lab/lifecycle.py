# SPDX-License-Identifier: GPL-3.0-or-later
"""The birth and the end of a lab, so that no death in between leaves anything that matters.

Everything a lab will own is written down before it is made. Taking a lab down is therefore the
same as clearing away a dead one: end what the plan names, delete the folder. There is no other
way out, so the way out is always tried.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.lab import cgroups, network, repository, shape, watches
from tests.lab import host as hosts
from tests.lab.mounts import remove_tree
from tests.lab.places import MACHINE_LOCK, LabError, Places, locked, owner, places, state_root
from tests.lab.processes import Identity, environment, last_line, replace_text, run
from tests.lab.shape import LabPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What `up` is asked for. `owner_pid`: the lab ends when that process does (0: never)."""

    name: str
    stores: int = 3
    pos: int = 3
    owner_pid: int = 0


def load_plan(here: Places) -> LabPlan:
    """The plan of an existing lab; LabError when there is none."""
    try:
        return LabPlan(**json.loads(here.plan.read_text()))
    except FileNotFoundError as error:
        raise LabError(
            f"lab {here.name} is not up; start it: python -m tests.lab up --name {here.name}"
        ) from error
    except (ValueError, TypeError) as error:
        raise LabError(f"{here.plan} is damaged: take the lab down") from error


def alive(name: str) -> bool:
    """Whether the lab's supervisor runs."""
    recorded = Identity.load(places(name).supervisor)
    return recorded is not None and recorded.alive()


def names() -> list[str]:
    """Labs that have a folder, alive or dead."""
    root = state_root()
    found = sorted(path.name for path in root.iterdir()) if root.is_dir() else []
    return [name for name in found if (root / name).is_dir()]


def sweep(name: str) -> bool:
    """Remove lab `name`, alive, dead or half made, and all it owns; False when there was none.

    The caller holds the lab's lock. Never interrupted by Ctrl-C half-way.
    """
    here = places(name)
    if not here.root.exists():
        return False
    with _deaf():
        _end_supervisor(here)
        with contextlib.suppress(LabError):
            _release(load_plan(here))
        repository.stop_agent(here.repository)
        remove_tree(here.root)
    return True


def _end_supervisor(here: Places) -> None:
    recorded = Identity.load(here.supervisor)
    if recorded is None or recorded.pid == os.getpid():
        return
    # Asked first: it collects its children, which a first process that does not would keep as
    # zombies. Its hosts end with it in either way.
    for number, patience in ((signal.SIGTERM, 60.0), (signal.SIGKILL, 20.0)):
        recorded.send(number)
        deadline = time.monotonic() + patience
        while recorded.alive() and time.monotonic() < deadline:
            time.sleep(0.01)


def _release(plan: LabPlan) -> None:
    cgroups.end(plan.key)
    for host in plan.hosts:
        hosts.forget(host)
    with locked(MACHINE_LOCK):
        network.delete_bridge(plan.octet, plan.key)
        watches.release(plan.key)


@contextlib.contextmanager
def _deaf() -> Iterator[None]:
    """Ignore Ctrl-C and SIGTERM while clearing up (only the main thread can)."""
    try:
        before = {
            number: signal.signal(number, signal.SIG_IGN)
            for number in (signal.SIGINT, signal.SIGTERM)
        }
    except ValueError:
        before = {}
    try:
        yield
    finally:
        for number, action in before.items():
            signal.signal(number, action)


def create(wish: Wish, image: Path) -> tuple[LabPlan, str]:
    """Write the plan down, then make what belongs to it; the supervisor comes after.

    Returns the plan and a warning (empty when all is well). The caller holds the lab's lock.
    """
    here = places(wish.name)
    with locked(MACHINE_LOCK):
        plan = _reserve(wish, here, image)
        network.create_bridge(plan.octet, plan.key)
        watches.keep_only({other.key for other in _plans()})
        warning = watches.reserve(plan.key, len(plan.hosts))
    hosts.ensure_keys(len(plan.hosts))
    _write_access(plan, here)
    repository.create(here.repository)
    return plan, warning


def _reserve(wish: Wish, here: Places, image: Path) -> LabPlan:
    taken = {other.octet for other in _plans()}
    plan = LabPlan(
        name=wish.name,
        key=f"{wish.name}-{secrets.token_hex(3)}",
        octet=network.free_octet(taken),
        stores=wish.stores,
        pos=wish.pos,
        image=str(image),
    )
    here.root.mkdir(parents=True)
    # Others may read the inventory; what hosts keep on their disks is root's alone.
    here.root.chmod(0o755)
    here.hosts.mkdir(mode=0o700)
    replace_text(here.plan, json.dumps(asdict(plan), indent=2))
    return plan


def _plans() -> list[LabPlan]:
    found = []
    for name in names():
        with contextlib.suppress(LabError):
            found.append(load_plan(places(name)))
    return found


def _write_access(plan: LabPlan, here: Places) -> None:
    """Key, known hosts and inventories, for the person who asked for the lab."""
    run(["ssh-keygen", "-q", "-N", "", "-C", plan.key, "-t", "ed25519", "-f", here.private_key])
    replace_text(here.known_hosts, hosts.known_hosts(plan))
    replace_text(here.hosts_file, json.dumps(shape.hosts_file(plan, here), indent=2) + "\n")
    replace_text(here.inventory, json.dumps(shape.script_output(plan, here)))
    for path in (here.private_key, here.private_key.with_suffix(".pub"), here.known_hosts):
        os.chown(path, *owner())


def start_supervisor(wish: Wish) -> None:
    """Start the lab's supervisor in a session of its own; returns once it takes requests."""
    here = places(wish.name)
    command = [sys.executable, "-m", "tests.lab.supervisor", wish.name]
    with here.supervisor_log.open("ab") as log:
        process = subprocess.Popen(
            [*command, "--owner", str(wish.owner_pid)],
            cwd=Path(__file__).resolve().parents[2],
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    deadline = time.monotonic() + 120.0
    while not here.control.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            reason = last_line(here.supervisor_log.read_text(errors="replace"))
            raise LabError(f"lab {wish.name}: its supervisor did not start: {reason}")
        time.sleep(0.02)
