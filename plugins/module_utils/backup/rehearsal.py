# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A restore that is rehearsed: in a scratch place that is made for it, measured, and gone
afterwards. That it failed is a result like any other, and is told."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import time
from typing import Any, Iterator

from .clearing import cleared
from .failures import BackupFailure, NoRoom, Unfit
from .method import Instance, Method, Restored
from .report import Drilled
from .work import Work

_PHASES = ("fetch", "restore", "start", "verify")
_LINES = 20  # differences that are told
KEPT = ".kept"


def scratch_of(work: Work) -> str:
    """Where scratch places of this order lie."""
    above = work.order.source.get("scratch") or os.path.join(
        os.path.dirname(work.order.repository), "scratch"
    )
    if not isinstance(above, str) or not os.path.isabs(above):
        raise Unfit("source.scratch is no absolute path", "source.scratch 不是绝对路径")
    return os.path.normpath(above)


def scratch_name(work: Work) -> str:
    """Short, because sockets may lie in there (107 bytes in all)."""
    return "{0}-{1}".format(target_digest(work), work.order.run)


def target_digest(work: Work) -> str:
    """The target in ten letters: what begins with it is of its jobs, alive or dead."""
    name = "{0}--{1}".format(work.order.host, work.order.policy)
    return hashlib.sha256(name.encode("ascii")).hexdigest()[:10]


@contextlib.contextmanager
def scratch_place(work: Work, method: Method, keep: bool = False) -> Iterator[str]:
    """An empty folder of 0700 that is gone afterwards, unless it is to be kept. Raises Unfit when
    it exists, or has to do with the source; NoRoom when the data would not fit."""
    above = scratch_of(work)
    path = os.path.join(above, scratch_name(work))
    _check_apart(work, path)
    if not os.path.isdir(above):
        os.makedirs(above, mode=0o700)
        os.chmod(above, 0o711)  # servers of other accounts pass to their own, and list nothing
    check_room(work, method, above)
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        raise Unfit(
            "the scratch place {0} exists".format(path), "演练目录 {0} 已存在".format(path)
        ) from None
    try:
        yield path
        if keep:
            with open(os.path.join(path, KEPT), "w", encoding="ascii"):
                pass
    finally:
        if not os.path.exists(os.path.join(path, KEPT)):
            cleared(path)


def _check_apart(work: Work, path: str) -> None:
    """A scratch place that holds production, or lies in it, would be removed with it."""
    mine = os.path.realpath(path)
    for each in (*_paths(work.order.source), work.order.repository):
        other = os.path.realpath(each)
        inside = mine == other or mine.startswith(other.rstrip("/") + "/")
        if inside or other.startswith(mine + "/"):
            raise Unfit(
                "the scratch place {0} and {1} lie in one another".format(path, each),
                "演练目录 {0} 与 {1} 相互包含".format(path, each),
            )


def _paths(source: Any) -> list[str]:
    """All absolute paths that the source names, but for the scratch place's, what it excludes, and
    the folder for the state of programs, of which a ledger is one file.
    The root itself stands for everything and is left out: a scratch place lies somewhere."""
    if isinstance(source, dict):
        beside = ("scratch", "exclude", "state")
        rest = [value for key, value in source.items() if key not in beside]
        return [path for value in rest for path in _paths(value)]
    if isinstance(source, (list, tuple)):
        return [path for value in source for path in _paths(value)]
    is_path = isinstance(source, str) and source.startswith("/") and source.strip("/")
    return [source] if is_path else []


def check_room(work: Work, method: Method, folder: str) -> None:
    """Raises NoRoom when what comes back would not fit below ``folder``."""
    wanted = method.needed(work) * work.order.limits.free_factor
    free = shutil.disk_usage(folder).free
    if free < wanted:
        mib = (int(wanted) >> 20, free >> 20, folder)
        raise NoRoom(
            "{0} MiB are wanted to restore, {1} MiB are free in {2}".format(*mib),
            "恢复需要 {0} MiB，{2} 仅剩 {1} MiB".format(*mib),
        )


def rehearsed(work: Work, method: Method, level: int) -> Drilled:
    """The set ``work.order.sets[-1]``, restored and looked at; at most ``level`` (3 or 4)."""
    began = time.time()
    seen = Seen()
    path = ""
    try:
        with scratch_place(work, method, work.order.keep) as path:
            with _phase(work, "restore"):
                restored = method.restored(work, path)
            _look(work, method, restored, path, level=level, seen=seen)
    except (NoRoom, Unfit):
        raise
    except BackupFailure as failure:
        if failure.end not in ("failed", "rejected"):
            raise
        seen.differences.append(failure.en)
    return _drilled(work, level, seen, began, path)


class Seen:
    """What a look at restored data came to: the ``level`` (0, 3 or 4), the newest moment of the
    data, and what differs."""

    def __init__(self) -> None:
        self.level = 0
        self.heartbeat: float | None = None
        self.differences: list[str] = []


def _look(
    work: Work, method: Method, restored: Restored, path: str, *, level: int, seen: Seen
) -> None:
    with _phase(work, "verify"):
        seen.differences += method.examined(work, restored.folders)
    began = time.monotonic()
    with method.opened(work, restored, path) as instance:
        work.phases["start"] = work.phases.get("start", 0.0) + time.monotonic() - began
        with _phase(work, "verify"):
            _verify(restored, instance, level, seen)


def _verify(restored: Restored, instance: Instance, level: int, seen: Seen) -> None:
    seen.differences += instance.structure()
    if seen.differences:
        return
    seen.level = 3
    seen.heartbeat = instance.heartbeat()
    if level < 4 or not restored.manifest:
        return
    seen.differences += compared(restored.manifest, instance.manifest())
    if not seen.differences:
        seen.level = 4


def looked_at(restored: Restored, instance: Instance) -> Seen:
    """Structure, and the data beside the manifest where the set has one."""
    seen = Seen()
    _verify(restored, instance, 4, seen)
    return seen


def _drilled(work: Work, level: int, seen: Seen, began: float, path: str) -> Drilled:
    phases = {name: round(work.phases.get(name, 0.0), 3) for name in _PHASES}
    disaster = work.order.disaster or began
    there = os.path.exists(os.path.join(path, KEPT)) if path else False
    return Drilled(
        set=work.order.sets[-1],
        level=seen.level,
        passed=not seen.differences and seen.level >= level,
        phases=phases,
        rto=round(sum(phases.values()), 3),
        rpo=-1.0 if seen.heartbeat is None else round(max(0.0, disaster - seen.heartbeat), 3),
        differences=tuple(one[:500] for one in seen.differences[:_LINES]),
        kept=path if there else "",
    )


@contextlib.contextmanager
def _phase(work: Work, name: str) -> Iterator[None]:
    """The rest of this time, after what a method laid to other phases itself."""
    began, before = time.monotonic(), sum(work.phases.values())
    try:
        yield
    finally:
        inner = sum(work.phases.values()) - before
        rest = max(0.0, time.monotonic() - began - inner)
        work.phases[name] = work.phases.get(name, 0.0) + rest


def compared(before: Any, after: Any, path: str = "") -> list[str]:
    """What differs between two manifests, a line each."""
    if isinstance(before, dict) and isinstance(after, dict):
        return [
            line
            for key in sorted(set(before) | set(after), key=str)
            for line in compared(before.get(key), after.get(key), "{0}/{1}".format(path, key))
        ]
    if before == after:
        return []
    return [
        "{0}: {1} before the backup, {2} now".format(path or "/", _short(before), _short(after))
    ]


def _short(value: Any) -> str:
    return str(value) if len(str(value)) <= 80 else str(value)[:77] + "..."
