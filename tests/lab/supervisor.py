# SPDX-License-Identifier: GPL-3.0-or-later
"""The process that keeps one lab alive: parent of all its hosts, server of its packages.

It starts a host again when, and only when, the host rebooted itself; a host that switched itself
off or broke stays as it is, so that a test sees it. It ends with its lab: on SIGTERM, or when
the process the lab was made for has ended (also by SIGKILL), it removes the whole lab.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from tests.lab import host as hosts
from tests.lab import lifecycle, network, repository
from tests.lab.places import LabError, lab_lock, locked, owner, places
from tests.lab.processes import Identity
from tests.lab.shape import HostPlan

# A cable that was cut is looked after for so long: until it is there, and while the host's start
# may still raise it.
_CABLE_PATIENCE, _CUT_WATCH = 120.0, 4.0


class Keeper:
    """One host's process: started, watched, restarted after a reboot, stopped, reset."""

    def __init__(self, host: HostPlan, lab: hosts.Surroundings) -> None:
        self.host = host
        self.state = "new"
        self.boots = 0
        self.cut = False
        self._lab = lab
        self._process: asyncio.subprocess.Process | None = None
        self._lock = asyncio.Lock()
        self._watches: set[asyncio.Task[None]] = set()

    async def reset(self, *, disk_mb: int = 0, above: Path | None = None) -> None:
        """A fresh disk, the line mended, and a new start."""
        async with self._lock:
            await self._end()
            self.cut = False
            await asyncio.to_thread(
                hosts.prepare, self.host, self._lab, disk_mb=disk_mb, above=above
            )
            await self._spawn()

    async def start(self) -> None:
        """Start a host that is off; one that runs is left alone."""
        async with self._lock:
            if self._process is None:
                await self._spawn()

    async def stop(self) -> None:
        """Pull the plug: the disk stays as it is."""
        async with self._lock:
            await self._end()
            self.state = "off"

    async def connect(self, *, up: bool) -> None:
        """Cut or mend the host's line."""
        if self._process is None:
            raise LabError(f"{self.host.name} is {self.state}: it has no line to cut or mend")
        self.cut = not up
        await asyncio.to_thread(network.set_link, self.host.link, up=up)

    def describe(self) -> dict[str, Any]:
        """For `status`: state, number of boots, whether the line is cut."""
        return {"state": self.state, "boots": self.boots, "cut": self.cut}

    async def _spawn(self) -> None:
        command = await asyncio.to_thread(hosts.command, self.host, self._lab)
        await asyncio.to_thread(network.remove_link, self.host.link)
        with hosts.console(self._lab.places, self.host).open("ab") as console:
            # Started from the main thread: the host's "kill me when my parent ends" means the
            # thread that made it.
            self._process = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.DEVNULL, stdout=console, stderr=console
            )
        self.state = "running"
        self.boots += 1
        self._keep(self._watch(self._process))
        if self.cut:
            self._keep(self._cut_again())

    def _keep(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._watches.add(task)
        task.add_done_callback(self._watches.discard)

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        status = await process.wait()
        async with self._lock:
            if process is not self._process:
                return
            self._process = None
            self.state = f"ended with status {status}" if status else "off"
            if status == hosts.REBOOT_STATUS:
                await self._spawn()

    async def _cut_again(self) -> None:
        """A reboot brings a new cable: a line that was cut is cut again as soon as it exists."""
        found, deadline = False, time.monotonic() + _CABLE_PATIENCE
        while self.cut and time.monotonic() < deadline:
            with contextlib.suppress(LabError):
                await asyncio.to_thread(network.set_link, self.host.link, up=False)
                if not found:
                    found, deadline = True, time.monotonic() + _CUT_WATCH
            await asyncio.sleep(0.1)

    async def _end(self) -> None:
        process, self._process = self._process, None
        self.state = "stopping"
        await asyncio.to_thread(hosts.end, self.host, self._lab)
        if process is not None:
            await process.wait()


class Supervisor:
    """All keepers of a lab and the socket that takes requests for them."""

    def __init__(self, lab: hosts.Surroundings) -> None:
        self._lab = lab
        self.keepers = {host.name: Keeper(host, lab) for host in lab.plan.hosts}
        self.over = asyncio.Event()

    async def start_hosts(self) -> None:
        """Start them all, a few at a time: more at once only wait for the processors."""
        turns = asyncio.Semaphore(max(2, os.cpu_count() or 2))

        async def one(keeper: Keeper) -> None:
            async with turns:
                try:
                    await keeper.reset()
                except LabError as error:
                    keeper.state = f"not started: {error}"

        await asyncio.gather(*(one(keeper) for keeper in self.keepers.values()))

    async def stop_hosts(self) -> None:
        """Stop them all and collect their processes."""
        await asyncio.gather(*(keeper.stop() for keeper in self.keepers.values()))

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request line (JSON) in, one answer line out."""
        try:
            request = json.loads(await reader.readline())
            reply = {"ok": True, **await self._do(request)}
        except (LabError, KeyError, ValueError, TypeError, OSError) as error:
            reply = {"ok": False, "error": str(error)}
        with contextlib.suppress(ConnectionError):
            writer.write(json.dumps(reply).encode() + b"\n")
            await writer.drain()
        writer.close()

    async def _do(self, request: dict[str, Any]) -> dict[str, Any]:
        verb = request["verb"]
        if verb == "status":
            hosts_now = {name: keeper.describe() for name, keeper in self.keepers.items()}
            return {"hosts": hosts_now, "repository_port": self._lab.repository_port}
        if verb == "publish":
            await asyncio.to_thread(repository.publish, self._lab.places.repository)
            return {}
        await self._act(verb, self._keeper(request["host"]), request)
        return {}

    def _keeper(self, name: str) -> Keeper:
        if name not in self.keepers:
            raise LabError(f"no host {name}; there are {', '.join(self.keepers)}")
        return self.keepers[name]

    async def _act(self, verb: str, keeper: Keeper, request: dict[str, Any]) -> None:
        actions: dict[str, Callable[[], Awaitable[None]]] = {
            "reset": lambda: keeper.reset(
                disk_mb=int(request.get("disk_mb", 0)),
                above=Path(request["above"]) if request.get("above") else None,
            ),
            "start": keeper.start,
            "stop": keeper.stop,
            "cut": lambda: keeper.connect(up=False),
            "mend": lambda: keeper.connect(up=True),
        }
        if verb not in actions:
            raise LabError(f"no such request: {verb}")
        await actions[verb]()


async def serve(name: str, owner_pid: int) -> None:
    """Run lab `name` until it is told to end or its owner is gone."""
    here = places(name)
    plan = lifecycle.load_plan(here)
    port = repository.serve(here.repository, plan.bridge_address)
    lab = hosts.Surroundings(plan=plan, places=here, repository_port=port)
    supervisor = Supervisor(lab)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, supervisor.over.set)
    # The terminal that started us may close; that is not the lab's end.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    _watch_owner(owner_pid, supervisor.over)
    server = await asyncio.start_unix_server(supervisor.answer, path=here.control)
    os.chown(here.control, *owner())
    here.control.chmod(0o600)
    async with server:
        starting = asyncio.ensure_future(supervisor.start_hosts())
        await supervisor.over.wait()
        starting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await starting
        await supervisor.stop_hosts()


def _watch_owner(pid: int, over: asyncio.Event) -> None:
    if not pid:
        return
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        over.set()
        return
    asyncio.get_running_loop().add_reader(handle, over.set)


def main() -> None:
    """``python -m tests.lab.supervisor NAME [--owner PID]``: started by `up`, not by people."""
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("--owner", type=int, default=0)
    options = parser.parse_args()
    me = Identity.of(os.getpid())
    assert me is not None
    me.save(places(options.name).supervisor)
    asyncio.run(serve(options.name, options.owner))
    try:
        with locked(lab_lock(options.name), patience=0.0):
            lifecycle.sweep(options.name)
    except LabError as error:
        # `up` or `down` of this lab is at work and removes what is left itself.
        sys.exit(str(error))


if __name__ == "__main__":
    main()
