# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One order, one report: the lock of the target, room, limits, the verb, and what came of it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import glob
import os
import shutil
import signal
import sys
import time
import traceback
from typing import Any, Iterator, NamedTuple

from .clearing import cleared
from .failures import BackupFailure, Busy, Interrupted, NoRoom
from .order import BESIDE, Order
from .rehearsal import KEPT, scratch_name, scratch_of, target_digest
from .report import Report
from .verbs import VERBS, Outcome
from .work import Work

_TRAIL = 1 << 20  # bytes
_OURS = "storewarden"  # the folder of all our state, above the jobs'
_FLOOR = 8 << 20  # bytes that have to be free before anything is written


class Root(NamedTuple):
    """Where orders, reports and locks of this host lie (/var/lib/storewarden/backup)."""

    path: str

    def lock(self, order: Order) -> str:
        return os.path.join(self.path, "locks", target_of(order) + ".lock")

    def trail(self, order: Order) -> str:
        """Processes that jobs on this target started, since the last one came to its end."""
        return os.path.join(self.path, "locks", target_of(order) + ".trail")


def target_of(order: Order) -> str:
    return "{0}--{1}".format(order.host, order.policy)


def carried_out(order: Order, root: Root) -> Report:
    """The report of an order, whatever happens; nothing is raised."""
    began, clock = time.time(), time.monotonic()
    work = Work(order, "", root.trail(order))
    outcome, end, reason = Outcome(), "done", {"en": "", "zh": ""}
    try:
        with _limited(order), _locked(order, root), _folder(work):
            _let_through(root, work)
            outcome = _done(work)
    except BaseException as error:
        failure = _failure(error)
        end, reason = failure.end, {"en": failure.en, "zh": failure.zh}
    else:
        if outcome.failure is not None:
            end = outcome.failure.end
            reason = {"en": outcome.failure.en, "zh": outcome.failure.zh}
    return Report(
        run=order.run, verb=order.verb, host=order.host, policy=order.policy, end=end,
        reason=reason, began=began, ended=time.time(),
        seconds=round(time.monotonic() - clock, 3), tool_seconds=round(work.tool_seconds, 3),
        tool=work.tool, sets=tuple(outcome.sets), place=order.place.name, bytes=outcome.bytes,
        immutable=outcome.immutable, drill=outcome.drill, removed=tuple(outcome.removed),
        notes=tuple(work.notes),
    )  # fmt: skip


def _done(work: Work) -> Outcome:
    from .methods import method_of

    method = method_of(work.order.method)
    if work.order.verb == "take":
        method.fits(work)
        _check_room(work, method.expected(work))
    return VERBS[work.order.verb](work, method)


def _check_room(work: Work, expected: int) -> None:
    """Twice the same room: what is produced lies beside the repository until it is in it."""
    wanted = max(_FLOOR, int(expected * work.order.limits.free_factor))
    free = shutil.disk_usage(work.folder).free
    if free < wanted:
        mib = (wanted >> 20, free >> 20)
        raise NoRoom(
            "{0} MiB are wanted for the backup, {1} MiB are free".format(*mib),
            "备份需要 {0} MiB，仅剩 {1} MiB".format(*mib),
        )


def _failure(error: BaseException) -> BackupFailure:
    if isinstance(error, BackupFailure):
        return error
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoRoom("the disk became full", "磁盘已满")
    if isinstance(error, KeyboardInterrupt):
        return Interrupted("interrupted", "已被中断")
    # The log has the rest; the report has one line.
    traceback.print_exc(file=sys.stderr)
    line = "{0}: {1}".format(type(error).__name__, str(error)[:300])
    return BackupFailure("the job broke off: " + line, "任务异常中断：" + line)


@contextlib.contextmanager
def _limited(order: Order) -> Iterator[None]:
    """TERM and the job's own deadline end it in order; what hangs in a system call as well."""

    def told(_number: int, _frame: Any) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise Interrupted("the job was told to stop", "任务被要求停止")

    def late(_number: int, _frame: Any) -> None:
        text = "the job did not end within {0:.0f} s".format(order.limits.seconds)
        raise Interrupted(text, "任务未在 {0:.0f} 秒内结束".format(order.limits.seconds))

    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, told)
    signal.signal(signal.SIGALRM, late)
    try:
        signal.setitimer(signal.ITIMER_REAL, order.limits.seconds)
        # A word that came before we could listen is heard now (packing.py).
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


@contextlib.contextmanager
def _locked(order: Order, root: Root) -> Iterator[None]:
    """One job per target. Whoever comes second is not in trouble, only too early."""
    path = root.lock(order)
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        who = os.read(handle, 200).decode("ascii", "replace").strip()
        os.close(handle)
        raise Busy(
            "another job works on this target: {0}".format(who or "unknown"),
            "该对象上已有任务在运行：{0}".format(who or "未知"),
        ) from None
    try:
        os.ftruncate(handle, 0)
        os.write(handle, order.run.encode("ascii"))
        _shorten(root.trail(order))
        yield
    finally:
        os.close(handle)


def _shorten(trail: str) -> None:
    """Methods without locks of their own never read it."""
    with contextlib.suppress(OSError):
        if os.stat(trail).st_size > _TRAIL:
            os.unlink(trail)


@contextlib.contextmanager
def _folder(work: Work) -> Iterator[None]:
    """A folder of the job's own beside the repository; what dead jobs left goes first."""
    above = os.path.join(os.path.dirname(work.order.repository.rstrip("/")), "work")
    os.makedirs(above, mode=0o700, exist_ok=True)
    _clean(above, work)
    with contextlib.suppress(BackupFailure):
        _clean(scratch_of(work), work)
    work.folder = os.path.join(above, scratch_name(work))
    os.mkdir(work.folder, 0o700)
    try:
        yield
    finally:
        cleared(work.folder)


def _let_through(root: Root, work: Work) -> None:
    """Servers of rehearsals run as other accounts: they may pass our own folders on the way to
    their scratch place, and list none. What lies in them is for root alone (0700)."""
    top, at = root.path.rstrip("/"), work.folder
    while top and at.startswith(top + "/"):
        at = os.path.dirname(at)
        if os.path.basename(at) not in BESIDE and os.stat(at).st_uid == os.geteuid():
            os.chmod(at, 0o711)
    above = os.path.dirname(top)
    if at == top and os.path.basename(above) == _OURS and os.stat(above).st_uid == os.geteuid():
        os.chmod(above, 0o711)


def _clean(above: str, work: Work) -> None:
    """The target's lock is held, so nobody uses these any more; kept ones are somebody's."""
    for path in glob.glob(os.path.join(glob.escape(above), target_digest(work) + "-*")):
        if not os.path.lexists(os.path.join(path, KEPT)):
            cleared(path)
