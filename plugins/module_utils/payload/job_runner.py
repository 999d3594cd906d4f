# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs one job to its end, whoever is listening: ``python3 -I -S -B FOLDER/run.py [--detach]``.

A copy of this file lies in the job's folder, so it stands alone. ``begun.json`` is on the disk
before the command starts: without it, the command has never run. ``result.json`` is on the disk
before this process ends: whoever comes later reads there how it ended.

The log is the command's own file and no pipe through here: it does not suffer when this
process dies. Its beginning and its end are kept: a command that goes wild does not fill the disk.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from typing import Any, BinaryIO

_GENTLE = 10.0  # seconds between TERM and KILL
_LOOK = 0.2
_ROOM = 16 * 1024  # for the result and the folder's entry
_MIB = 1024 * 1024
_HEAD, _TAIL = 1 * _MIB, 3 * _MIB  # bytes of a log that are kept
_HOLE = 0x01 | 0x02  # FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE of linux/falloc.h


def write_json(path: str, value: Any) -> None:
    """Replace a file in one step, durably."""
    beside = path + ".new"
    with open(beside, "w", encoding="utf-8") as target:
        json.dump(value, target)
        target.flush()
        os.fsync(target.fileno())
    os.replace(beside, path)
    handle = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def stamp() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def running_time() -> float:
    """Seconds that do not jump with the wall clock."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def boot_id() -> str:
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as source:
        return source.read().strip()


def born(pid: int) -> str:
    """When a process began, in the kernel's count; empty when there is none, or only its shell."""
    try:
        with open("/proc/{0}/stat".format(pid), encoding="utf-8", errors="replace") as source:
            words = source.read().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if words[0] in ("Z", "X") else words[19]


class Log:
    """The command's output in a file of limited size.

    While the command writes, the middle is given back to the disk: no byte is moved, nothing that
    is written meanwhile is lost. When it has ended, the file is closed up, and says so.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._given = _HEAD  # back to the disk, up to here
        self._can = True

    def limited(self) -> None:
        """A file system that cannot do it has the whole log until the command ends."""
        try:
            end = (os.stat(self._path).st_size - _TAIL) // _MIB * _MIB
            if self._can and end > self._given:
                _give_back(self._path, self._given, end - self._given)
                self._given = end
        except (OSError, ImportError, AttributeError):
            self._can = False

    def closed_up(self) -> int:
        """Bytes that were left out between the first lines and the last ones."""
        try:
            if os.stat(self._path).st_size <= _HEAD + _TAIL:
                return 0
            with open(self._path, "r+b") as log:
                return _closed_up(log)
        except OSError:
            return self._given - _HEAD


def _give_back(path: str, begin: int, length: int) -> None:
    """OSError where the file system has no holes; ImportError, AttributeError without the call."""
    import ctypes  # rarely needed, and not part of the smallest Pythons

    library = ctypes.CDLL(None, use_errno=True)
    handle = os.open(path, os.O_WRONLY)
    try:
        place, size = ctypes.c_int64(begin), ctypes.c_int64(length)
        if library.fallocate64(handle, _HOLE, place, size) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), path)
    finally:
        os.close(handle)


def _closed_up(log: BinaryIO) -> int:
    head = log.read(_HEAD)
    head = head[: head.rfind(b"\n") + 1] or head
    size = log.seek(0, os.SEEK_END)
    log.seek(size - _TAIL)
    tail = log.read()
    tail = tail[tail.find(b"\n") + 1 :]
    left_out = size - len(head) - len(tail)
    line = "storewarden: {0} bytes left out here: a log keeps its first {1} and its last {2} MiB\n"
    log.seek(len(head))
    log.write(b"" if head.endswith(b"\n") else b"\n")
    log.write(line.format(left_out, _HEAD // _MIB, _TAIL // _MIB).encode("ascii"))
    log.write(tail)
    log.truncate()
    return left_out


class Run:
    """One job's folder and its command."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        with open(self._at("job.json"), encoding="utf-8") as source:
            self._job = json.load(source)
        self._child: subprocess.Popen[bytes] | None = None
        self._since = running_time()
        self._log = Log(self._at("log"))

    def _at(self, name: str) -> str:
        return os.path.join(self._folder, name)

    def _alone(self) -> bool:
        """Nobody else runs it, now or before; the lock ends with this process."""
        handle = os.open(self._at("lock"), os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        os.set_inheritable(handle, False)
        return not os.path.exists(self._at("begun.json"))

    def whole(self) -> int:
        """Begin, wait, write down how it ended."""
        if not self._alone():
            return 0
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, self._told_to_end)
        began = {
            **{"pid": os.getpid(), "born": born(os.getpid())},
            **{"boot": boot_id(), "began_at": stamp()},
        }
        self._hold_room()
        write_json(self._at("begun.json"), began)
        result: dict[str, Any] = {"timed_out": False}
        try:
            self._child = self._started()
        except OSError as error:
            result.update(rc=127, error=error.strerror or str(error))
            self._note("{0}: {1}".format(self._job["argv"][0], result["error"]))
        else:
            began["child"] = [self._child.pid, born(self._child.pid)]
            # Only useful should this process be killed; the disk may be full by now.
            with contextlib.suppress(OSError):
                write_json(self._at("begun.json"), began)
            result.update(self._awaited(self._child))
        result.update(ended_at=stamp(), seconds=round(running_time() - self._since, 3))
        result["left_out"] = self._log.closed_up()
        self._give_room()
        write_json(self._at("result.json"), result)
        return 0

    def _hold_room(self) -> None:
        """The command may fill the disk, and its result has to be written all the same."""
        with open(self._at("reserve"), "wb") as target:
            target.write(os.urandom(_ROOM))
            target.flush()
            os.fsync(target.fileno())

    def _give_room(self) -> None:
        with contextlib.suppress(OSError):
            os.unlink(self._at("reserve"))

    def _started(self) -> subprocess.Popen[bytes]:
        with open(self._at("log"), "ab") as log:
            return subprocess.Popen(
                self._job["argv"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._job["environment"],
                cwd="/",
                # Our files are for root alone; what the command makes may be for others.
                umask=0o022,
                # Its own group: it can be ended with all its children, and without us.
                start_new_session=True,
            )

    def _awaited(self, child: subprocess.Popen[bytes]) -> dict[str, Any]:
        limit = self._job["timeout"]
        timed_out = False
        while child.poll() is None:
            if not timed_out and limit and running_time() - self._since > limit:
                timed_out = True
                self._note("not ended after {0:g} s: stopped".format(limit))
                self._end(child)
            self._log.limited()
            time.sleep(_LOOK)
        return {"rc": child.returncode, "timed_out": timed_out}

    def _end(self, child: subprocess.Popen[bytes]) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            self._signal(child, number)
            end = time.monotonic() + _GENTLE
            while child.poll() is None and time.monotonic() < end:
                self._log.limited()
                time.sleep(_LOOK)

    def _told_to_end(self, number: int, _frame: Any) -> None:
        """The host goes down, or an undo stops us. What must not be cut off is let end."""
        if not self._job["wait"] and self._child is not None:
            self._signal(self._child, number)

    def _signal(self, child: subprocess.Popen[bytes], number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, number)

    def _note(self, text: str) -> None:
        with contextlib.suppress(OSError), open(self._at("log"), "a", encoding="utf-8") as log:
            log.write("storewarden: {0}\n".format(text))


def detach() -> None:
    """The child of a child: nobody has to wait for it, and no login ends it."""
    for last in (False, True):
        if os.fork() != 0:
            os._exit(0)
        if not last:
            os.setsid()


def main() -> int:
    folder = os.path.dirname(os.path.abspath(sys.argv[0]))
    os.umask(0o077)
    if sys.argv[1:] == ["--detach"]:
        detach()
    return Run(folder).whole()


if __name__ == "__main__":
    sys.exit(main())
