# SPDX-License-Identifier: GPL-3.0-or-later
"""One run on disk: what is where, and who may be believed.

::

    <state>/runs/<uuid>/            0700
        request.json                what was asked for: names and paths, never a value of a secret
        supervisor.lock             locked while the supervisor lives (a pid could be reused)
        events.jsonl                append-only, written mostly by the play itself
        lease.json                  which hosts the play got, and why not the others
        play.json                   pid and start time of the play
        cancel                      exists when somebody asked to stop
        result.json                 the end, by rename
        supervisor.log              what the supervisor had to say about itself
        work/                       inventory, variables, runner data: secrets, gone at the end
    <state>/leases/<host>.lock      locked by every part of the play that holds the host
    <state>/modules/                modules as they were built for earlier plays; see module_zips

Standard library only: the lease wrapper imports it in every run.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

LEASES = "leases"
RUNS = "runs"
ZIPS = "modules"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the supervisor needs to know. Secrets only as paths; data lie in ``work``."""

    run_id: str
    playbook: str
    hosts: tuple[str, ...]
    exclusive: bool
    owner: str
    label: str
    started: float  # seconds since the epoch, UTC
    timeout: float  # seconds
    forks: int
    check_mode: bool
    vault_password: str = ""
    become_password: str = ""
    connection_password: str = ""
    private_key: str = ""
    known_hosts: str = ""
    collections: tuple[str, ...] = ()  # search path, ours first
    bin_dir: str = ""
    config: str = ""  # the site's ansible.cfg

    @classmethod
    def read(cls, raw: Mapping[str, object]) -> Request:
        """From JSON. Raises ValueError.

        It may have been written by an older or newer version: what is not known is left out.
        """
        known: dict[str, Any] = {
            field.name: raw[field.name] for field in fields(cls) if field.name in raw
        }
        try:
            for name in ("hosts", "collections"):
                known[name] = tuple(known.get(name, ()))
            return cls(**known)
        except TypeError as error:
            raise ValueError(f"not a request: {error}") from error


@dataclass(frozen=True, slots=True)
class RunDir:
    """The files of one run."""

    path: Path

    @property
    def state(self) -> Path:
        """The state directory this run belongs to."""
        return self.path.parent.parent

    @property
    def request_file(self) -> Path:
        """See the module."""
        return self.path / "request.json"

    @property
    def lock_file(self) -> Path:
        """See the module."""
        return self.path / "supervisor.lock"

    @property
    def events(self) -> Path:
        """See the module."""
        return self.path / "events.jsonl"

    @property
    def lease_file(self) -> Path:
        """See the module."""
        return self.path / "lease.json"

    @property
    def play_file(self) -> Path:
        """See the module."""
        return self.path / "play.json"

    @property
    def cancel_file(self) -> Path:
        """See the module."""
        return self.path / "cancel"

    @property
    def result_file(self) -> Path:
        """See the module."""
        return self.path / "result.json"

    @property
    def log(self) -> Path:
        """See the module."""
        return self.path / "supervisor.log"

    @property
    def work(self) -> Path:
        """See the module."""
        return self.path / "work"

    @property
    def inventory(self) -> Path:
        """The frozen inventory: exactly the planned hosts."""
        return self.work / "inventory.yml"

    @property
    def variables(self) -> Path:
        """The variables of the run, every string unsafe."""
        return self.work / "variables.yml"

    @property
    def ahead_file(self) -> Path:
        """How hosts are reached that the play connects ahead; see ``ahead``."""
        return self.work / "ahead.json"

    @property
    def output(self) -> Path:
        """What ansible-playbook printed: warnings and fatal errors, never task results."""
        return self.work / "output.log"

    def request(self) -> Request:
        """Read the request back. Raises OSError or ValueError."""
        return Request.read(json.loads(self.request_file.read_text(encoding="utf-8")))

    def write_request(self, request: Request) -> None:
        """Write the request once."""
        write_json(self.request_file, asdict(request))

    def leader(self) -> int | None:
        """The pid of the play's first process, once it is known."""
        found = read_json(self.play_file)
        return int(str(found["pid"])) if found else None

    def supervised(self) -> bool:
        """Whether the supervisor lives, told by its lock."""
        try:
            handle = os.open(self.lock_file, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(handle)
        return False

    def forget_secrets(self) -> None:
        """Delete everything that may hold a secret."""
        shutil.rmtree(self.work, ignore_errors=True)
        shutil.rmtree(scratch_dir(self.path.name), ignore_errors=True)


def scratch_dir(run_id: str) -> Path:
    """The play's TMPDIR and its ssh sockets: short, since a socket path ends at 108 characters.

    A killed module leaves its unpacked code where TMPDIR says, so that is ours to delete.
    The name is as random as the run id, so nobody can be there first.
    """
    return Path("/tmp") / f"sw-{run_id[:18]}"  # noqa: S108 - random name, made with mkdir 0700


def read_json(path: Path) -> dict[str, object] | None:
    """A JSON object, or None when the file is not there (yet)."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found if isinstance(found, dict) else None


def write_json(path: Path, value: Mapping[str, object]) -> None:
    """Write by rename: a reader sees all of it or nothing. 0600."""
    part = path.with_name(path.name + ".part")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        json.dump(value, stream)
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(path)


def write_private(path: Path, text: str) -> None:
    """Write a new 0600 file; it is 0600 before the first byte."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(text)
