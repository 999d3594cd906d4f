# SPDX-License-Identifier: GPL-3.0-or-later
"""A host begins nothing without a backup to fall back on.

Such a host waits, the others of its wave go on. When all that is left of a wave waits so, the
rollout is paused with the first of them named, and goes on by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from storewarden.domain.rollout.course import Course
from storewarden.domain.rollout.events import Moved
from storewarden.domain.rollout.facts import StoreWindow
from storewarden.domain.rollout.record import Hold, HostRecord, HostState, RolloutState

BACKUP_AGAIN = timedelta(minutes=5)
"""How often it is looked whether a backup has come: the quickest take minutes."""

_SHUT = StoreWindow(allowed=False)


def covered(course: Course, hosts: Iterable[HostRecord]) -> list[HostRecord]:
    """Those that may begin; the others are told, and looked at again soon."""
    there = list(hosts)
    lacking = [host for host in there if host.name in course.facts.uncovered]
    if lacking:
        course.wait(*_said(course, lacking))
        course.wake(course.now + BACKUP_AGAIN)
    return [host for host in there if host.name not in course.facts.uncovered]


def pause_uncovered(course: Course, wanting: Sequence[HostRecord]) -> bool:
    """Pause when nothing is under way and all that may begin lacks a backup."""
    lacking = lacking_all(course, wanting)
    if not lacking or course.rollout.dispatches:
        return False
    why, why_zh = _said(course, lacking)
    course.tell(Moved(to=RolloutState.PAUSED, reason=why, reason_zh=why_zh, hold=Hold.BACKUP))
    course.wake(course.now + BACKUP_AGAIN)
    return True


def lacking_all(course: Course, wanting: Sequence[HostRecord]) -> list[HostRecord]:
    """Hosts that lack a backup, when there is no other that may begin; else none."""
    windows, lacks = course.facts.windows, course.facts.uncovered
    may = [host for host in wanting if windows.get(host.store, _SHUT).allowed]
    if any(host.state is HostState.CAPTURED or host.name not in lacks for host in may):
        return []
    return may


def _said(course: Course, lacking: Sequence[HostRecord]) -> tuple[str, str]:
    first, many = lacking[0].name, len(lacking)
    why, why_zh = course.facts.uncovered[first]
    en = f"{many} hosts have no backup to fall back on" if many > 1 else "no backup to fall back on"
    zh = f"{many} 台主机没有可回退的备份" if many > 1 else "没有可回退的备份"
    return f"{en}: {first}: {why}", f"{zh}：{first}：{why_zh}"
