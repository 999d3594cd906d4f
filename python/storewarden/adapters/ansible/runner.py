# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting, finding and ending runs. See ``rundir`` for what a run is on disk.

A controller may die at any moment, so nothing about a run is kept in memory:
``start`` writes the request, takes the run's lock and hands it to a detached
supervisor; everything else reads the run's directory. A run whose lock is held
is live, one with a result is finished, and one with neither is lost.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import stat
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from storewarden.adapters.ansible import (
    ahead,
    collection,
    environment,
    eventlog,
    processes,
    yamlfiles,
)
from storewarden.adapters.ansible.announced import Coming
from storewarden.adapters.ansible.evidence import gathered
from storewarden.adapters.ansible.results import lost_result, read_result
from storewarden.adapters.ansible.rundir import LEASES, RUNS, Request, RunDir, write_private
from storewarden.adapters.ansible.verdict import Ending
from storewarden.adapters.ansible.warm_start import WarmStart
from storewarden.domain.errors import AdapterError, ConfigInvalid, Refused, StorewardenError
from storewarden.ports.clock import Clock
from storewarden.ports.runner import (
    FoundRun,
    LeaseMode,
    PlaybookRun,
    RunEvent,
    RunPhase,
    RunResult,
)

_POLL = 0.05
_HALF_MADE = 60.0  # seconds after which a directory without a request is a dead attempt
_LAST_WORDS = 10.0  # seconds a supervisor gets to exit after it has left its result


class _SystemClock:
    def now(self) -> datetime:
        """The present moment in UTC."""
        return datetime.now(UTC)


class PlaybookRunner:
    """The Runner port over ansible-runner. One state directory per controller.

    ``bin_dir`` is where ansible-playbook is looked for first: this Python's own
    directory unless told otherwise.
    """

    def __init__(
        self, state_dir: Path, *, clock: Clock | None = None, bin_dir: Path | None = None
    ) -> None:
        self._state = state_dir.absolute()
        self._clock = clock or _SystemClock()
        self._bin = bin_dir or environment.bin_directory()
        self._warm: WarmStart | None = None
        self._coming = Coming()
        try:
            for folder in (self._state / RUNS, self._state / LEASES):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigInvalid(
                f"cannot use the state directory: {error.strerror}", where=str(self._state)
            ) from error
        for folder in (self._state, self._state / RUNS, self._state / LEASES):
            _check_ours(folder)

    def keep_warm(self, known_hosts: Path | None = None, collections: Sequence[Path] = ()) -> None:
        """Have a process that has Ansible loaded, for runs with these settings; see ADR 0018.

        For programs that stay: it takes a second to be of use. It ends with this process.
        """

        def places() -> environment.PlayPlaces:
            config = environment.site_config()
            return environment.PlayPlaces(
                bin_dir=str(self._bin),
                collections=collection.search_path(collections, config),
                config=config,
                known_hosts=environment.secret_file(known_hosts, "known_hosts"),
            )

        self._warm = self._warm or WarmStart(places, self._state / RUNS)
        self._warm.begin()

    @property
    def warm_pid(self) -> int | None:
        """The warm process, when it is there and has loaded everything."""
        return self._warm.pid if self._warm else None

    def close(self) -> None:
        """Let the warm process go, if there is one; runs live on."""
        if self._warm:
            self._warm.close()
            self._warm = None

    def announce(self, run: PlaybookRun) -> None:
        """``start`` is likely to be called with this run in a moment: a warm process then leases
        its hosts and begins to connect them, those of ``connect_ahead``. Nothing else happens, and
        without a start within two seconds all of it is given back. Never raises.
        """
        if self._warm is None or not run.connect_ahead:
            return
        try:
            request = self._request(run)
            _ssh, _args, noted = _connections(run, request)
        except (StorewardenError, OSError):  # start will say it
            return
        if noted:
            path = self._state / RUNS / request.run_id
            self._coming.add(request)
            self._warm.announce(path, request, json.loads(noted))

    def start(self, run: PlaybookRun) -> str:
        """Start detached; the run id. Everything that can be refused is refused before."""
        if not run.inventory.hosts:
            raise Refused("the inventory has no hosts", where=run.inventory.source or "inventory")
        environment.tool("ansible-playbook", environment.base(self._bin))
        request = self._coming.known(self._request(run))
        ssh, site_args, noted = _connections(run, request)
        directory = RunDir(self._state / RUNS / request.run_id)
        texts = {
            directory.inventory: yamlfiles.inventory_text(run.inventory, site_args),
            directory.variables: yamlfiles.variables_text(run.variables, ssh),
            directory.ahead_file: noted,
        }
        try:
            self._lay_out(directory, request, texts)
        except OSError as error:
            shutil.rmtree(directory.path, ignore_errors=True)
            raise AdapterError(
                f"cannot prepare a run: {error.strerror}", where=str(directory.path)
            ) from error
        except BaseException:  # Ctrl-C: the caller will never know the run's id
            _abandon(directory)
            raise
        return request.run_id

    def _request(self, run: PlaybookRun) -> Request:
        secrets, config = run.secrets, environment.site_config()
        return Request(
            run_id=str(uuid.uuid4()),
            playbook=collection.playbook_argument(run.playbook),
            hosts=tuple(run.inventory.hosts),
            exclusive=run.lease is LeaseMode.EXCLUSIVE,
            owner=run.owner,
            label=run.label,
            started=self._clock.now().timestamp(),
            timeout=run.timeout.total_seconds(),
            forks=run.forks,
            check_mode=run.check_mode,
            vault_password=environment.secret_file(secrets.vault_password, "vault password"),
            become_password=environment.secret_file(secrets.become_password, "become password"),
            connection_password=environment.secret_file(
                secrets.connection_password, "connection password"
            ),
            private_key=environment.secret_file(secrets.private_key, "private key"),
            known_hosts=environment.secret_file(run.known_hosts, "known_hosts"),
            collections=collection.search_path(run.collections, config),
            bin_dir=str(self._bin),
            config=config,
        )

    def _lay_out(self, run: RunDir, request: Request, texts: Mapping[Path, str]) -> None:
        """Write the run down, then set its supervisor going under a lock that never lapses."""
        run.path.mkdir(mode=0o700)
        run.work.mkdir(mode=0o700)
        (run.work / "tmp").mkdir(mode=0o700)
        for path, text in texts.items():
            if text:
                write_private(path, text)
        eventlog.append(run.events, "started", request.started, message=request.label)
        lock = os.open(run.lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            # The supervisor inherits this very lock, so there is no moment at which a
            # living run could be taken for a lost one.
            fcntl.flock(lock, fcntl.LOCK_EX)
            run.write_request(request)
            _detach(run, lock, warm=self._warm)
        finally:
            os.close(lock)

    def follow(self, run_id: str) -> Iterator[RunEvent]:
        """Every event from the beginning, as it is written, until the run is over."""
        run = self._find(run_id)
        # Until the supervisor is gone, not until there is a result: its last line comes after.
        for record in eventlog.follow(run.events, lambda: not run.supervised()):
            if record["kind"] in eventlog.PUBLIC:
                yield eventlog.event(record)

    def result(self, run_id: str) -> RunResult:
        """Blocks until the run has ended; a lost run is told from its events alone."""
        run = self._find(run_id)
        while _phase(run) is RunPhase.LIVE:
            time.sleep(_POLL)
        found = read_result(run)
        if found:
            return found
        request = run.request()
        evidence = gathered(run, request, Ending.LOST)
        if not evidence.playing:
            run.forget_secrets()
        return lost_result(run, request, evidence, self._clock.now())

    def cancel(self, run_id: str) -> None:
        """Ask the supervisor to stop; a play that lost its supervisor is swept by a new one."""
        run = self._find(run_id)
        try:
            run.cancel_file.touch(mode=0o600)
        except OSError as error:
            raise AdapterError(
                f"cannot ask the run to stop: {error.strerror}", where=str(run.cancel_file)
            ) from error
        if _phase(run) is RunPhase.LOST and processes.marked(run_id):
            _detach(run, None, "--sweep")

    def recover(self) -> tuple[FoundRun, ...]:
        """Every run of this state directory, oldest first."""
        try:
            directories = [RunDir(path) for path in (self._state / RUNS).iterdir()]
        except OSError as error:
            raise AdapterError(
                f"cannot look for earlier runs: {error.strerror}", where=str(self._state / RUNS)
            ) from error
        found = [self._found(directory) for directory in directories]
        return tuple(sorted((run for run in found if run), key=lambda run: run.started))

    def _found(self, run: RunDir) -> FoundRun | None:
        try:
            request = run.request()
        except (OSError, ValueError):
            self._drop_half_made(run)
            return None
        return FoundRun(
            run_id=request.run_id,
            phase=_phase(run),
            owner=request.owner,
            label=request.label,
            hosts=request.hosts,
            started=eventlog.moment(request.started),
        )

    def _drop_half_made(self, run: RunDir) -> None:
        """A controller that died while preparing, or while releasing: secrets may lie there."""
        if run.request_file.exists():
            return  # damaged, or of a version that wrote it otherwise: not ours to judge
        try:
            age = time.time() - run.path.stat().st_mtime
        except OSError:
            return
        if age > _HALF_MADE and not run.supervised():
            shutil.rmtree(run.path, ignore_errors=True)

    def release(self, run_id: str) -> None:
        """Delete a run that has ended. Refuses while anything of it lives."""
        run = self._find(run_id)
        phase = _phase(run)
        if phase is RunPhase.FINISHED:
            _await_exit(run)
        elif phase is RunPhase.LIVE:
            raise Refused("the run is live", where=run_id, hint="cancel it, or wait for its result")
        elif processes.marked(run_id):
            raise Refused(
                "the run lost its supervisor but its play still runs", where=run_id,
                hint="cancel it, or wait until the play has ended",
            )  # fmt: skip
        run.forget_secrets()
        # First what makes it a run: one that died half-way through must not look like a lost run.
        run.request_file.unlink(missing_ok=True)
        shutil.rmtree(run.path, ignore_errors=True)

    def _find(self, run_id: str) -> RunDir:
        try:
            name = str(uuid.UUID(run_id))
        except ValueError:
            name = ""
        run = RunDir(self._state / RUNS / name)
        if not name or not run.request_file.exists():
            raise ConfigInvalid("no such run", where=run_id)
        return run


def _check_ours(folder: Path) -> None:
    """Files of a run hold secrets, and root would write where somebody else may lay links."""
    found = folder.stat()
    if found.st_uid != os.geteuid():
        raise ConfigInvalid(
            f"the state directory belongs to user {found.st_uid}, not to {os.geteuid()}",
            where=str(folder), hint="run as its owner, or name a state directory of your own",
        )  # fmt: skip
    if found.st_mode & stat.S_IWOTH:
        raise ConfigInvalid(
            "anybody may write to the state directory", where=str(folder), hint="chmod o-w"
        )


def _phase(run: RunDir) -> RunPhase:
    """The lock is looked at first: a result is always written before it is let go."""
    supervised = run.supervised()
    if run.result_file.exists():
        return RunPhase.FINISHED
    return RunPhase.LIVE if supervised else RunPhase.LOST


def _abandon(run: RunDir) -> None:
    """Nobody will ask for this run: it goes if nothing was started, else it is to stop."""
    with contextlib.suppress(OSError):
        run.cancel_file.touch(mode=0o600)
    if not run.supervised():
        shutil.rmtree(run.path, ignore_errors=True)


def _await_exit(run: RunDir) -> None:
    """The supervisor has a last line to write after its result."""
    deadline = time.monotonic() + _LAST_WORDS
    while run.supervised() and time.monotonic() < deadline:
        time.sleep(_POLL)


def _connections(run: PlaybookRun, request: Request) -> tuple[str, str, str]:
    """What we and the site give to ssh, and what a play must know to connect its hosts ahead."""
    ssh = environment.ssh_arguments(request.known_hosts)
    own = environment.site_setting(request.config, "ssh_connection", "ssh_args")
    site_args = own[0] if own else ""
    return ssh, site_args, ahead.noted(run, ssh, site_args)


def _detach(run: RunDir, lock: int | None, *options: str, warm: WarmStart | None = None) -> None:
    """Start a supervisor in a session of its own, with nothing of ours but the lock."""
    log = os.open(run.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        if warm is not None and lock is not None and warm.start(run.path, lock, log):
            return
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", f"{__package__}.supervisor", str(run.path), *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=run.path,
            env=environment.base(environment.bin_directory()),
            start_new_session=True,
            pass_fds=() if lock is None else (lock,),
        )
    finally:
        os.close(log)
    # Reaps it when it ends while we live; when we end first, init does.
    threading.Thread(target=process.wait, name="reap", daemon=True).start()
