# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A database server over restored data: on a unix socket in its own folder, as the account of the
real one, gone when the rehearsal ends."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from typing import Any, Callable, Iterator, Sequence

from .failures import BackupFailure, Interrupted, Unfit
from .way import way_made
from .work import Work, leave, search_path

_PATIENCE = 120.0  # seconds until it has to answer; recovery after a crash is part of it
_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of linux/prctl.h


def owner_of(path: str, other: str) -> str:
    """The account that a folder belongs to, ``other`` where there is no such folder; "" when we are
    not root and so are it ourselves."""
    if os.geteuid() != 0:
        return ""
    with contextlib.suppress(OSError, KeyError):
        return pwd.getpwuid(os.stat(path).st_uid).pw_name
    try:
        return pwd.getpwnam(other).pw_name
    except KeyError:
        raise Unfit("there is no account " + other, "没有账户 " + other) from None


def given_to(account: str, folder: str, top: str) -> None:
    """``folder`` belongs to the account, which also gets through the folders that the engine made
    above it: the rehearsal's own, ``top``, and the one of all rehearsals. Raises Unfit when it does
    not get there all the same."""
    if not account:
        return
    entry = pwd.getpwnam(account)
    for at, names, files in os.walk(folder):
        for each in (at, *(os.path.join(at, name) for name in (*names, *files))):
            os.chown(each, entry.pw_uid, entry.pw_gid, follow_symlinks=False)
    for above in {os.path.dirname(folder), top, os.path.dirname(top)}:
        if os.stat(above).st_uid == os.geteuid():
            os.chmod(above, os.stat(above).st_mode | 0o011)
    way_made(folder, account)
    if not _gets_to(entry, folder):
        raise Unfit(
            "account {0} does not get to {1}; name another place as source.scratch".format(
                account, folder
            ),
            "账户 {0} 无法进入 {1}；请用 source.scratch 指定其他位置".format(account, folder),
        )


def _gets_to(entry: pwd.struct_passwd, folder: str) -> bool:
    words: dict[str, Any] = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    return subprocess.run(["test", "-x", folder + "/."], check=False, **words).returncode == 0


def moved_in(path: str, scratch: str, name: str) -> str:
    """A fresh folder ``scratch``/``name`` with a restored file in it; the file is linked, not
    copied, where the filesystem can."""
    home = os.path.join(scratch, name)
    os.mkdir(home, 0o700)
    target = os.path.join(home, os.path.basename(path))
    try:
        os.link(path, target)
    except OSError:
        shutil.copyfile(path, target)
    return home


def unix_connection(path: str, seconds: float) -> socket.socket:
    """A connection by way of the socket's folder: a path of a socket has 107 bytes at most, and
    scratch places have longer ones. Raises OSError."""
    found = socket.socket(socket.AF_UNIX)
    found.settimeout(seconds)
    try:
        folder = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        found.close()
        raise
    try:
        found.connect("/proc/self/fd/{0}/{1}".format(folder, os.path.basename(path)))
    except OSError:
        found.close()
        raise
    finally:
        os.close(folder)
    return found


@contextlib.contextmanager
def running(
    work: Work, argv: Sequence[str], account: str, cwd: str, ready: Callable[[], bool]
) -> Iterator[None]:
    """The server runs inside, and answers; its output is ``cwd``/server.log. Raises BackupFailure
    with the end of that when it does not start, Interrupted when the job's time is over."""
    log = os.path.join(cwd, "server.log")
    with open(log, "wb") as out:
        child = _child(argv, account, cwd, out)
        try:
            _awaited(work, child, log, ready)
            yield
        finally:
            leave(child)


def _child(argv: Sequence[str], account: str, cwd: str, out: Any) -> subprocess.Popen[bytes]:
    words: dict[str, Any] = {}
    if account:
        entry = pwd.getpwnam(account)
        words = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    library = ctypes.CDLL(None)
    try:
        return subprocess.Popen(
            list(argv), stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=cwd,
            env={"PATH": search_path(), "LC_ALL": "C", "HOME": cwd}, start_new_session=True,
            **words,
            # A server must not outlive a job that was killed.
            preexec_fn=lambda: library.prctl(_DEATH_SIGNAL, signal.SIGKILL),  # noqa: PLW1509
        )  # fmt: skip
    except FileNotFoundError:
        raise Unfit(argv[0] + " is not installed", argv[0] + " 未安装") from None


def _awaited(
    work: Work, child: subprocess.Popen[bytes], log: str, ready: Callable[[], bool]
) -> None:
    ends = time.monotonic() + min(_PATIENCE, work.left())
    while not ready():
        if child.poll() is not None:
            raise BackupFailure(
                "the scratch server did not start: " + _end_of(log),
                "临时服务器未能启动：" + _end_of(log),
            )
        if time.monotonic() > ends:
            raise Interrupted("the scratch server did not answer in time", "临时服务器超时未应答")
        time.sleep(0.02)


def _end_of(log: str) -> str:
    with open(log, encoding="utf-8", errors="replace") as source:
        lines = [line.strip() for line in source if line.strip()]
    told = [line for line in lines if "ERROR" in line or "rror" in line] or lines
    return told[-1][:300] if told else "it said nothing"
