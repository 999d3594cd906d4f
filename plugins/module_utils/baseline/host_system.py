# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The real host, with a deadline on everything.

A probe may take five seconds and the whole audit thirty. The alarm signal interrupts whatever is
running, a slow regular expression too; a command loses its whole process group. Commands get a
fixed environment, no input, and at most four megabytes of output.
"""

from __future__ import annotations

import contextlib
import errno
import grp
import os
import pwd
import select
import signal
import stat
import subprocess
import threading
import time
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.probe_error import (
    OUTPUT,
    PERMISSION,
    TIMEOUT,
    ProbeError,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.system import (
    CommandResult,
    FileStat,
    System,
)

_LIMIT = 4 * 1024 * 1024  # bytes of one file or one command's output
_DRAIN = 0.3  # seconds to wait for the rest of the output once the command itself has ended
SEARCH_PATH = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin"
_ENVIRONMENT = {
    "PATH": SEARCH_PATH,
    "LC_ALL": "C",
    "LANG": "C",
    "HOME": "/",
    "SYSTEMD_COLORS": "0",
    "SYSTEMD_PAGER": "",
    "PGCONNECT_TIMEOUT": "3",
}
# not there, or gone between two looks: logs are rotated, processes end (ESRCH is /proc's answer)
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ESRCH)
_KINDS = (
    (stat.S_ISREG, "file"),
    (stat.S_ISDIR, "dir"),
    (stat.S_ISLNK, "link"),
    (stat.S_ISSOCK, "socket"),
)


class HostSystem(System):
    """This host below ``root``; commands are not redirected, only files are."""

    def __init__(
        self,
        root: str = "/",
        probe_seconds: float = 5.0,
        total_seconds: float = 30.0,
        environment: dict[str, str] | None = None,
    ) -> None:
        super().__init__()
        self._root = root.rstrip("/")
        self._probe_seconds = probe_seconds
        self._total_seconds = total_seconds
        self._environment = dict(_ENVIRONMENT, **(environment or {}))
        self._end = time.monotonic() + total_seconds
        self._probe_end = self._end

    @contextlib.contextmanager
    def deadline(self) -> Any:
        """Everything inside must end within the probe's and the audit's time."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise ProbeError(TIMEOUT, "the audit's {0:g} s are used up".format(self._total_seconds))
        seconds = min(self._probe_seconds, left)
        self._probe_end = time.monotonic() + seconds
        with _alarm(seconds):
            yield

    # -- files --------------------------------------------------------------------------------

    def _lstat(self, path: str) -> FileStat | None:
        try:
            found = os.lstat(self._root + path)
        except OSError as error:
            if error.errno in _GONE:
                return None
            raise _refused(path, error) from None
        kind = next((name for test, name in _KINDS if test(found.st_mode)), "other")
        mode = stat.S_IMODE(found.st_mode)
        return FileStat(kind, mode, found.st_uid, found.st_gid, found.st_size, found.st_mtime)

    def _readlink(self, path: str) -> str:
        try:
            return os.readlink(self._root + path)
        except OSError as error:
            raise _refused(path, error) from None

    def _list(self, path: str) -> list[str]:
        try:
            return os.listdir(self._root + path)
        except OSError as error:
            if error.errno in _GONE:
                return []
            raise _refused(path, error) from None

    def _read(self, path: str) -> str | None:
        try:
            # O_NONBLOCK: a file that became a pipe after we looked must not hold the audit
            handle = os.open(self._root + path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                data = _all_of(handle)
            finally:
                os.close(handle)
        except OSError as error:
            if error.errno in _GONE:
                return None
            raise _refused(path, error) from None
        if len(data) > _LIMIT:
            raise ProbeError(OUTPUT, "{0} is larger than {1} bytes".format(path, _LIMIT))
        return data.decode("utf-8", "replace")

    def user_name(self, uid: int) -> str:
        name = super().user_name(uid)
        return _looked_up(pwd.getpwuid, uid, name) if not self._root else name

    def group_name(self, gid: int) -> str:
        name = super().group_name(gid)
        return _looked_up(grp.getgrgid, gid, name) if not self._root else name

    def local_path(self, path: str) -> str | None:
        resolved = self.resolve(path)
        return None if resolved is None else self._root + resolved

    # -- commands -----------------------------------------------------------------------------

    def _run(
        self, argv: tuple[str, ...], environment: dict[str, str] | None = None
    ) -> CommandResult:
        try:
            child = subprocess.Popen(
                _located(argv, self._environment["PATH"]),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**self._environment, **(environment or {})},
                cwd="/",
                start_new_session=True,
            )
        except FileNotFoundError:
            return CommandResult(127, "", "{0}: not found".format(argv[0]))
        except OSError as error:
            raise _refused(argv[0], error) from None
        try:
            out, err = _collect(child, argv[0], self._probe_end)
            return CommandResult(child.returncode, out, err)
        except subprocess.TimeoutExpired:
            raise ProbeError(TIMEOUT, "{0} did not answer in time".format(argv[0])) from None
        finally:
            _end_group(child)


def _all_of(handle: int) -> bytes:
    """Everything, in small pieces: /proc/sys refuses a large buffer with ENOMEM."""
    data = bytearray()
    while len(data) <= _LIMIT:
        piece = os.read(handle, 65536)
        if not piece:
            break
        data += piece
    return bytes(data)


def _located(argv: tuple[str, ...], path: str) -> list[str]:
    """The command with its full path; subprocess would look in our own PATH, not the child's."""
    if "/" in argv[0]:
        return list(argv)
    for folder in path.split(":"):
        candidate = os.path.join(folder, argv[0])
        if os.access(candidate, os.X_OK) and not os.path.isdir(candidate):
            return [candidate, *argv[1:]]
    raise FileNotFoundError(argv[0])


def _collect(child: Any, name: str, end: float) -> tuple[str, str]:
    """Both outputs; a grandchild that keeps the pipes open does not keep us."""
    buffers = {child.stdout.fileno(): bytearray(), child.stderr.fileno(): bytearray()}
    open_ends = set(buffers)
    ended = None
    while open_ends:
        now = time.monotonic()
        if now >= end:
            raise subprocess.TimeoutExpired(name, 0)
        if ended is None and child.poll() is not None:
            ended = now
        if ended is not None and now - ended > _DRAIN:
            break
        ready, _unused, _also = select.select(list(open_ends), [], [], min(0.05, end - now))
        for handle in ready:
            chunk = os.read(handle, 65536)
            buffers[handle] += chunk
            if not chunk:
                open_ends.discard(handle)
            if len(buffers[handle]) > _LIMIT:
                raise ProbeError(OUTPUT, "{0} wrote more than {1} bytes".format(name, _LIMIT))
    child.wait(timeout=max(0.01, end - time.monotonic()))
    out, err = (bytes(data).decode("utf-8", "replace") for data in buffers.values())
    return out, err


def _end_group(child: Any) -> None:
    with contextlib.suppress(OSError):
        os.killpg(child.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(timeout=1)
    child.stdout.close()
    child.stderr.close()


@contextlib.contextmanager
def _alarm(seconds: float) -> Any:
    """Raises ProbeError here after ``seconds``; signals reach the main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(_number: int, _frame: Any) -> None:
        raise ProbeError(TIMEOUT, "no answer within {0:g} s".format(seconds))

    before = signal.signal(signal.SIGALRM, ring)
    # the command's own deadline comes first: its message names the command
    signal.setitimer(signal.ITIMER_REAL, seconds + 0.2)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _refused(what: str, error: OSError) -> ProbeError:
    kind = PERMISSION if error.errno in (errno.EACCES, errno.EPERM) else OUTPUT
    return ProbeError(kind, "{0}: {1}".format(what, error.strerror or error))


def _looked_up(lookup: Any, number: int, fallback: str) -> str:
    """A user of a directory service is not in the local file; the system knows it."""
    if not fallback.isdigit():
        return fallback
    try:
        return str(lookup(number)[0])
    except (KeyError, OSError):
        return fallback
