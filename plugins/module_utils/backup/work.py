# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a method works with: the order, a place of its own, and programs that end in time."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from typing import Any, Callable, Iterator, NamedTuple, Sequence

from .clock import boot_id, born
from .failures import Interrupted, Unfit
from .order import Order

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_KEPT = 1 << 20  # bytes of each stream that a Ran holds
_LONG = 1e6  # seconds that fit into a poll's milliseconds
_GENTLE = 5.0  # seconds between TERM and KILL
_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of linux/prctl.h


class Ran(NamedTuple):
    """A program that has ended. ``out`` and ``err`` are at most their last MiB, as text."""

    rc: int
    out: str
    err: str
    seconds: float

    @property
    def cut(self) -> bool:
        """Whether it may have said more than what is held here."""
        return max(len(self.out.encode("utf-8", "surrogateescape")), len(self.err)) >= _KEPT

    @property
    def last(self) -> str:
        """The last line that was said, for a reason."""
        lines = (self.err.strip() or self.out.strip()).splitlines()
        return lines[-1][:300] if lines else "status {0}".format(self.rc)


class Work:
    """One job at work. ``folder`` is empty, 0700, on the repository's filesystem, and gone
    afterwards. ``trail``: a file that gets a line for each program that is started, so that a
    later job can prove what is dead ("" for none)."""

    def __init__(self, order: Order, folder: str, trail: str = "") -> None:
        self.order = order
        self.folder = folder
        self.trail = trail
        self.tool = ""
        self.tool_seconds = 0.0
        self.phases: dict[str, float] = {}
        self.notes: list[dict[str, str]] = []
        self._ends = time.monotonic() + order.limits.seconds

    def left(self) -> float:
        """Seconds until the job has to end by itself."""
        return max(0.0, self._ends - time.monotonic())

    def note(self, en: str, zh: str) -> None:
        """Something that whoever reads the report should know."""
        self.notes.append({"en": en, "zh": zh})

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """What happens inside counts as this phase of a rehearsal, and not as the one around."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.phases[name] = self.phases.get(name, 0.0) + time.monotonic() - began

    def secret(self, name: str) -> str:
        """The file that holds a secret. Raises Unfit when the order names none."""
        path = self.order.secrets.get(name, "")
        if not path or not os.path.isfile(path):
            raise Unfit(
                "the secret {0!r} did not come with the order".format(name),
                "任务没有带来密钥 {0!r}".format(name),
            )
        return path

    def has(self, program: str) -> bool:
        return shutil.which(program, path=search_path()) is not None

    def run(
        self,
        argv: Sequence[str],
        *,
        env: dict[str, str] | None = None,
        stdin: str | None = None,
        cwd: str | None = None,
        user: str = "",
        seconds: float = 0.0,
        into: str = "",
    ) -> Ran:
        """Run a program to its end; its time counts as the tool's. ``stdin`` and ``env`` may hold
        secrets, argv never. ``user``: as this account. ``into``: a file that gets all the output.
        Raises Unfit for a program that is not there, Interrupted when its time, or the job's, is
        over."""
        began = time.monotonic()
        try:
            with _Streams(self.folder, stdin, into) as streams:
                child = self._start(argv, env, cwd, user, streams)
                rc = self._ended(child, argv[0], seconds)
                out = "" if into else streams.tail(streams.out)
                return Ran(rc, out, streams.tail(streams.err), time.monotonic() - began)
        finally:
            self.tool_seconds += time.monotonic() - began

    def _start(
        self,
        argv: Sequence[str],
        env: dict[str, str] | None,
        cwd: str | None,
        user: str,
        streams: _Streams,
    ) -> subprocess.Popen[bytes]:
        found = shutil.which(argv[0], path=search_path())
        if found is None:
            raise Unfit("{0} is not installed".format(argv[0]), "{0} 未安装".format(argv[0]))
        child = subprocess.Popen(
            [found, *argv[1:]],
            stdin=streams.given, stdout=streams.out, stderr=streams.err,
            cwd=cwd or ("/" if user else self.folder),
            env=_environment(user, env),
            start_new_session=True,
            preexec_fn=_dies_with_us(),  # noqa: PLW1509 (this program has one thread)
            **_account(user),
        )  # fmt: skip
        self._remember(child.pid)
        return child

    def _remember(self, pid: int) -> None:
        if self.trail:
            with open(self.trail, "a", encoding="ascii") as trail:
                trail.write("{0} {1} {2}\n".format(pid, born(pid) or "-", boot_id()))

    def _ended(self, child: subprocess.Popen[bytes], name: str, seconds: float) -> int:
        limit = min(seconds, self.left()) if seconds else self.left()
        try:
            return _waited(child, limit)
        except subprocess.TimeoutExpired:
            text = "{0} did not end within {1:.0f} s and was stopped"
            zh = "{0} 在 {1:.0f} 秒内没有结束，已停止"
            base = os.path.basename(name)
            raise Interrupted(text.format(base, limit), zh.format(base, limit)) from None
        finally:
            leave(child)


def _waited(child: subprocess.Popen[bytes], limit: float) -> int:
    """Its status, the moment it has ended: Popen looks only every 50 ms, and most programs of a job
    need less. Raises subprocess.TimeoutExpired."""
    ends = time.monotonic() + limit
    try:
        handle = os.pidfd_open(child.pid)  # type: ignore[attr-defined, unused-ignore]
    except (AttributeError, OSError):  # Linux before 5.3, or a Python that was built for one
        return child.wait(limit)
    try:
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        poll.poll(min(limit, _LONG) * 1000.0)
    finally:
        os.close(handle)
    return child.wait(max(0.0, ends - time.monotonic()))


def leave(child: subprocess.Popen[bytes]) -> None:
    """End a program with all that it started, if it still runs: TERM, and KILL after 5 s."""
    if child.poll() is not None:
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(OSError):
            os.killpg(child.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(_GENTLE)
            return


def search_path() -> str:
    """Where programs are looked for: what this program was started with."""
    return os.environ.get("PATH") or PATH


class _Streams:
    """What a program reads and writes, as files: a pipe that nobody empties stops it."""

    def __init__(self, folder: str, stdin: str | None, into: str) -> None:
        self.out: Any = open(into, "wb") if into else tempfile.TemporaryFile(dir=folder)
        self.err: Any = tempfile.TemporaryFile(dir=folder)
        self._input: Any = None
        if stdin is not None:
            # Unlinked from the beginning, in a folder that is root's: it may be a secret.
            self._input = tempfile.TemporaryFile(dir=folder)
            self._input.write(stdin.encode("utf-8", "surrogateescape"))
            self._input.seek(0)

    @property
    def given(self) -> Any:
        return self._input if self._input is not None else subprocess.DEVNULL

    @staticmethod
    def tail(stream: Any) -> str:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - _KEPT))
        return str(stream.read().decode("utf-8", "surrogateescape"))

    def __enter__(self) -> _Streams:
        return self

    def __exit__(self, *_gone: object) -> None:
        for stream in (self.out, self.err, self._input):
            if stream is not None:
                stream.close()


def _environment(user: str, env: dict[str, str] | None) -> dict[str, str]:
    home = os.environ.get("HOME") or "/root"
    if user:
        import pwd

        home = pwd.getpwnam(user).pw_dir
    return {"PATH": search_path(), "LC_ALL": "C", "HOME": home, **(env or {})}


def _account(user: str) -> dict[str, Any]:
    """What Popen needs to run as somebody else. Raises Unfit for one that is not there."""
    if not user:
        return {}
    import pwd

    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise Unfit("there is no account " + user, "没有账户 " + user) from None
    groups = os.getgrouplist(user, entry.pw_gid)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": groups}


def _dies_with_us() -> Callable[[], None] | None:
    """A tool that outlives a killed job would still write into the repository."""
    try:
        import ctypes

        library = ctypes.CDLL(None)
    except (ImportError, OSError):
        return None
    return lambda: library.prctl(_DEATH_SIGNAL, signal.SIGKILL)
