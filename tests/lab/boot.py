# SPDX-License-Identifier: GPL-3.0-or-later
"""`up` and `down`: from nothing (or a dead lab) to hosts that answer, and back.

A lab is up when every host has let us log in, not when it was started. When that fails, or
somebody presses Ctrl-C, nothing is left behind and the consoles' last lines say why.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from tests.lab import image, lifecycle
from tests.lab.fleet import Lab, LabHost
from tests.lab.lifecycle import Wish
from tests.lab.places import LabError, lab_lock, locked, places
from tests.lab.shape import check_size
from tests.lab.tools import ensure_tools

Say = Callable[[str], None]
BOOT_PATIENCE = 400.0
_CONSOLE_LINES = 8


def up(wish: Wish, say: Say = print) -> Lab:
    """Bring the lab up as wished and return it; one that is up already in this size is kept.

    Raises LabError when it is up in another size, or hosts did not boot (then it is removed).
    """
    check_size(wish.stores, wish.pos)
    ensure_tools(say)
    tree = image.ensure(say)
    with locked(lab_lock(wish.name), patience=600.0):
        if lifecycle.alive(wish.name):
            return _join(wish, say)
        if lifecycle.sweep(wish.name):
            say(f"lab {wish.name}: cleared away what a dead one had left")
        before = signal.signal(signal.SIGTERM, _as_interrupt)
        try:
            return _raise(wish, tree, say)
        except BaseException:
            say(f"lab {wish.name}: clearing up")
            lifecycle.sweep(wish.name)
            raise
        finally:
            signal.signal(signal.SIGTERM, before)


def _as_interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _join(wish: Wish, say: Say) -> Lab:
    lab = Lab(wish.name)
    if (lab.plan.stores, lab.plan.pos) != (wish.stores, wish.pos):
        raise LabError(
            f"lab {wish.name} is up with {lab.plan.stores} stores x {lab.plan.pos} terminals; "
            "take it down first, or choose another --name"
        )
    say(f"lab {wish.name}: is up already")
    _await_all(lab, say)
    return lab


def _raise(wish: Wish, tree: Path, say: Say) -> Lab:
    begun = time.monotonic()
    plan, warning = lifecycle.create(wish, tree)
    if warning:
        say(f"warning: {warning}")
    say(f"lab {wish.name}: {len(plan.hosts)} hosts on {plan.bridge} ({plan.bridge_address}/24)")
    lifecycle.start_supervisor(wish)
    lab = Lab(wish.name)
    _await_all(lab, say)
    say(f"lab {wish.name}: {len(plan.hosts)} hosts answer after {time.monotonic() - begun:.1f} s")
    return lab


def _await_all(lab: Lab, say: Say) -> None:
    begun = time.monotonic()
    silent: list[LabHost] = []
    pool = ThreadPoolExecutor(max_workers=len(lab.hosts))
    try:
        waiting = {pool.submit(_await, host, begun): host for host in lab.hosts}
        for done in as_completed(waiting):
            host = waiting[done]
            if done.result():
                seconds = time.monotonic() - begun
                say(f"  {host.name:14} {host.address:15} answers [{seconds:.1f} s]")
            else:
                silent.append(host)
    finally:
        # Ctrl-C must not wait for hosts that will not answer.
        pool.shutdown(wait=False, cancel_futures=True)
    if silent:
        _explain(lab, silent, say)
        raise LabError(f"these hosts did not boot: {', '.join(host.name for host in silent)}")


def _await(host: LabHost, begun: float) -> bool:
    """Wait for one host; False when it is down for good or patience is over."""
    while time.monotonic() - begun < BOOT_PATIENCE:
        try:
            host.wait(timeout=2.0)
            return True
        except LabError:
            if host.lab.status()[host.name]["state"] not in ("new", "stopping", "running"):
                return False
    return False


def _explain(lab: Lab, silent: list[LabHost], say: Say) -> None:
    states = lab.status()
    for host in silent:
        say(f"{host.name} ({states[host.name]['state']}), last lines of its console:")
        try:
            lines = host.console().splitlines()[-_CONSOLE_LINES:]
        except OSError:
            lines = []
        for line in lines or ["(nothing)"]:
            say(f"    {line}")


def down(name: str, say: Say = print) -> None:
    """Remove the lab and all it owns; fine when there is none."""
    lock = lab_lock(name)
    with locked(lock, patience=600.0):
        begun = time.monotonic()
        if lifecycle.sweep(name):
            say(f"lab {name}: gone [{time.monotonic() - begun:.1f} s]")
        else:
            say(f"lab {name}: there is none")
        lock.unlink(missing_ok=True)


def names() -> list[str]:
    """Labs on this machine with their state, one line each."""
    found = []
    for name in lifecycle.names():
        state = "up" if lifecycle.alive(name) else "dead"
        try:
            plan = lifecycle.load_plan(places(name))
            found.append(f"{name} {state}: {plan.stores} stores x {plan.pos} terminals")
        except LabError:
            # Killed before it had made anything; `down` removes the empty folder.
            found.append(f"{name} {state}")
    return found
