# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Named jobs of a host: what takes long runs by itself, and can be found again by its name.

A task that dies with its line leaves a package half installed. So the task only starts the job,
or finds the one that an earlier task of the same name has started, and waits. What holds:

- no ``begun.json``: the command has never run, and may be started
- ``begun.json``: it has been started once, and never is again under this name
- ``result.json``: this is how it ended, whoever was there to see it
"""

from __future__ import annotations

import contextlib
import fcntl
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
import time
from typing import Any, Iterator, NamedTuple

from ansible_collections.storewarden.ops.plugins.module_utils.payload import job_runner
from ansible_collections.storewarden.ops.plugins.module_utils.restore.disk import (
    digest_of,
    make_folder,
    read_json,
    sync_folder,
    write_bytes,
    write_json,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.failures import BadItem
from ansible_collections.storewarden.ops.plugins.module_utils.restore.store import checked_id
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

FOLDER = "/var/lib/storewarden/jobs"
_UNIT = "storewarden-job-"
_BEGIN_SECONDS = 20.0
_STOP_SECONDS = 75  # of a stop that lets a transaction end; restore's undo waits 90 s for a stop
_DAY = 86400.0
_LINES = 40
_BYTES = 16 * 1024
_SECRET = re.compile(r"pass|secret|token|key|credential", re.IGNORECASE)
# What a terminal obeys: escape sequences, control characters (C1 too), turned reading direction.
_CONTROL = re.compile(
    r"\x1b\[[0-9;?]*[ -/]*[@-~]"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)


class JobError(Exception):
    """A job that cannot be started or is not what was meant; one line."""


class Order(NamedTuple):
    """What is to run. ``wait``: seconds that an undo lets it end by itself; ``timeout``: seconds of
    running time (0: none); ``point``: the restore point it works under ("" for none)."""

    id: str
    argv: list[str]
    environment: dict[str, str]
    wait: float = 0.0
    timeout: float = 0.0
    point: str = ""


class Jobs:
    """All jobs of one host. JobError and BadItem for what cannot be meant."""

    def __init__(self, host: Host, folder: str = FOLDER) -> None:
        self._host = host
        self._folder = folder

    # -- looking -------------------------------------------------------------------------------

    def known(self, point: str = "") -> list[dict[str, Any]]:
        """All jobs, or those of one restore point, by name; see ``inspected``."""
        found = [self.inspected(one) for one in self._names()]
        return [one for one in found if not point or one.get("point") == point]

    def inspected(self, name: str) -> dict[str, Any]:
        """``{id, state, unit, point, wait, argv, rc, pid, seconds, began_at, ended_at, timed_out,
        log, left_out}``; what is not known yet is not in it."""
        found: dict[str, Any] = {"id": name, "state": "absent", "unit": self.unit(name)}
        job = self._read(name, "job.json")
        if job is None:
            return found
        found.update(point=job["point"], wait=job["wait"], argv=job["argv"])
        begun = self._read(name, "begun.json")
        alive = self._alive(name, begun)
        # Asked last: it is written before its process ends.
        result = self._read(name, "result.json")
        if begun is not None:
            found.update(pid=begun["pid"], began_at=begun["began_at"])
        if result is not None:
            found.update(result, state="finished")
        elif alive:
            found["state"] = "running"
        elif begun is not None:
            found["state"] = "lost"
        found["log"] = self._log(name, job)
        return found

    def unit(self, name: str) -> str:
        return "{0}{1}.service".format(_UNIT, checked_id(name))

    def has_units(self) -> bool:
        """Whether jobs are units of systemd here, which only root may make."""
        return os.geteuid() == 0 and self._host.has_systemd() and self._host.has("systemd-run")

    def stoppable(self, found: dict[str, Any]) -> dict[str, Any] | None:
        """The ``apply`` that an undo stops first: its unit, or its process."""
        if self.has_units():
            return {"unit": found["unit"], "wait": found.get("wait", 0)}
        if found.get("state") == "running" and found.get("pid"):
            return {"pid": found["pid"], "wait": found.get("wait", 0)}
        return None

    def awaited(self, name: str, seconds: float) -> dict[str, Any]:
        """As ``inspected``, after it ended or after so many seconds."""
        end = time.monotonic() + seconds
        pause = 0.1
        while True:
            found = self.inspected(name)
            if found["state"] != "running" or time.monotonic() >= end:
                return found
            time.sleep(min(pause, max(end - time.monotonic(), 0.05)))
            pause = min(pause * 1.5, 1.0)

    # -- acting --------------------------------------------------------------------------------

    def started(self, order: Order) -> tuple[bool, dict[str, Any]]:
        """Whether it was started now, and how it stands. JobError when the name is taken by
        another command, or when it does not begin."""
        checked_id(order.id)
        if not order.argv:
            raise BadItem("argv: a program and its words are meant")
        with self._locked():
            before = self._read(order.id, "job.json")
            if before is not None and before["digest"] != _digest(order):
                raise JobError(
                    "job {0} is another command's name already; forget it first, or take another "
                    "id".format(order.id)
                )
            begun = self._read(order.id, "begun.json")
            if begun is not None or (before is not None and self._alive(order.id, None)):
                return False, self.inspected(order.id)
            self._write(order)
            self._launch(order)
            self._must_begin(order.id)
        return True, self.inspected(order.id)

    def forgotten(self, name: str) -> bool:
        """Its folder is gone; False when there was none. JobError while it runs."""
        with self._locked():
            return self._forget(checked_id(name))

    def forget_point(self, point: str) -> list[str]:
        """Names of the ended jobs of a restore point, which are gone now; running ones stay."""
        with self._locked():
            gone = [one["id"] for one in self.known(point) if point and one["state"] != "running"]
            for name in gone:
                self._forget(name)
        return gone

    def forget_old(self, days: float) -> list[str]:
        """As ``forget_point``, for all jobs that were started so many days ago."""
        with self._locked():
            gone = [
                one["id"]
                for one in self.known()
                if one["state"] != "running" and self._age(one["id"]) >= days * _DAY
            ]
            for name in gone:
                self._forget(name)
        return gone

    # -- inside --------------------------------------------------------------------------------

    def _at(self, name: str, *part: str) -> str:
        return os.path.join(self._folder, name, *part)

    def _names(self) -> list[str]:
        try:
            names = os.listdir(self._folder)
        except OSError:
            return []
        return sorted(one for one in names if not one.startswith("."))

    def _read(self, name: str, part: str) -> Any:
        try:
            return read_json(self._at(checked_id(name), part))
        except (OSError, ValueError):
            return None

    def _age(self, name: str) -> float:
        with contextlib.suppress(OSError):
            return time.time() - os.stat(self._at(name)).st_mtime
        return 0.0

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        make_folder(self._folder)
        handle = os.open(self._at(".lock"), os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _write(self, order: Order) -> None:
        name = order.id
        shutil.rmtree(self._at(name), ignore_errors=True)
        make_folder(self._at(name))
        source = inspect.getsource(job_runner).encode("utf-8")
        write_bytes(self._at(name, "run.py"), source)
        job = {**order._asdict(), "digest": _digest(order)}
        job["environment"] = {
            **{"PATH": self._host.search, "LC_ALL": "C.UTF-8", "HOME": "/root"},
            **order.environment,
        }
        write_json(self._at(name, "job.json"), job)

    def _launch(self, order: Order) -> None:
        argv = [sys.executable, "-I", "-S", "-B", self._at(order.id, "run.py")]
        if self.has_units():
            self._launch_unit(order, argv)
        else:
            quiet = subprocess.DEVNULL
            # What a play of this very machine leaves behind is ended with it, but for jobs.
            own = {"PATH": self._host.search, "LC_ALL": "C.UTF-8", "STOREWARDEN_JOB": order.id}
            subprocess.run(
                [*argv, "--detach"], stdin=quiet, stdout=quiet, stderr=quiet, check=False, cwd="/",
                env=own,
            )  # fmt: skip

    def _launch_unit(self, order: Order, argv: list[str]) -> None:
        unit = self.unit(order.id)
        self._host.run(["systemctl", "reset-failed", unit])
        done = self._host.run(
            [
                *("systemd-run", "--quiet", "--no-ask-password", "--collect", "--unit=" + unit),
                "--description=storewarden job {0}".format(order.id),
                # TERM goes to the runner alone, which knows what may be cut off and what not.
                "--property=KillMode=mixed",
                "--property=TimeoutStopSec={0}".format(_STOP_SECONDS if order.wait else 15),
                "--property=OOMScoreAdjust=-500",
                "--",
                *argv,
            ]
        )
        if done.code != 0:
            raise JobError("job {0}: systemd did not take it: {1}".format(order.id, done.last))

    def _must_begin(self, name: str) -> None:
        end = time.monotonic() + _BEGIN_SECONDS
        while self._read(name, "begun.json") is None:
            if time.monotonic() >= end:
                raise JobError("job {0} did not begin (see journalctl -u {1})".format(
                    name, self.unit(name)
                ))  # fmt: skip
            time.sleep(0.05)

    def _alive(self, name: str, begun: Any) -> bool:
        """Whether its runner or its command lives; number and beginning never come twice."""
        if begun is None:
            if not self.has_units():
                return False
            said = self._host.run(["systemctl", "is-active", self.unit(name)]).out.strip()
            return said in ("active", "activating", "deactivating", "reloading")
        if begun["boot"] != job_runner.boot_id():
            return False
        known = [[begun["pid"], begun["born"]], begun.get("child") or [0, ""]]
        return any(pid and time_ and job_runner.born(pid) == time_ for pid, time_ in known)

    def _forget(self, name: str) -> bool:
        state = self.inspected(name)["state"]
        if state == "running":
            raise JobError("job {0} is running and cannot be forgotten".format(name))
        if not os.path.isdir(self._at(name)):
            return False
        shutil.rmtree(self._at(name))
        sync_folder(self._folder)
        return True

    def _log(self, name: str, job: dict[str, Any]) -> list[str]:
        """The last lines, without what the command was given as a secret."""
        given = job["environment"].items()
        secrets = [value for key, value in given if len(value) > 3 and _SECRET.search(key)]
        try:
            with open(self._at(name, "log"), "rb") as source:
                source.seek(0, os.SEEK_END)
                begin = max(0, source.tell() - _BYTES)
                source.seek(begin)
                data = source.read(_BYTES)
        except OSError:
            return []
        text = _without(secrets, data, cut=begin > 0)
        lines = [_CONTROL.sub("", line.rpartition("\r")[2]) for line in text.split("\n")]
        return [line[:500] for line in lines if line.strip()][-_LINES:]


def _without(secrets: list[str], data: bytes, cut: bool) -> str:
    """Text in which no secret is left, and not the rest of one either that was cut off before."""
    known = sorted((one.encode("utf-8") for one in secrets), key=len, reverse=True)
    for one in known:
        rests = (one[at:] for at in range(1, len(one))) if cut else ()
        data = data[max((len(rest) for rest in rests if data.startswith(rest)), default=0) :]
        data = data.replace(one, b"***")
    return data.decode("utf-8", "replace")


def _digest(order: Order) -> str:
    """What makes two orders the same; how long somebody is willing to wait does not."""
    return digest_of([order.argv, sorted(order.environment.items())])


def as_text(value: Any) -> str:
    """An environment value as the shell would have it."""
    return json.dumps(value) if isinstance(value, (bool, dict, list)) else str(value)
