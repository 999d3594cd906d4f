# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What each verb of an order does, and what it leaves for the report."""

from __future__ import annotations

import os
from typing import Callable

from .clearing import cleared
from .failures import BackupFailure, Rejected, Unfit
from .method import Method, Restored
from .rehearsal import check_room, looked_at, rehearsed, scratch_place
from .report import Drilled, SetFacts
from .work import Work


class Outcome:
    """What is known at the end; ``failure`` when there is something to report all the same."""

    def __init__(self) -> None:
        self.sets: list[SetFacts] = []
        self.removed: list[str] = []
        self.bytes = 0
        self.immutable: bool | None = None
        self.drill: Drilled | None = None
        self.failure: BackupFailure | None = None


def _take(work: Work, method: Method) -> Outcome:
    """A set that is damaged from its beginning is told, and the job failed."""
    if work.order.kind not in method.kinds:
        raise Unfit(
            "{0} makes no {1} sets".format(method.name, work.order.kind),
            "{0} 不支持 {1} 备份".format(method.name, work.order.kind),
        )
    if work.order.place.kind != "host":
        raise Unfit("a set is taken on the host itself", "备份集只能先存放在本机")
    outcome = Outcome()
    made = method.take(work)
    outcome.sets, outcome.bytes = [made], made.size
    if made.damaged:
        outcome.failure = BackupFailure(
            "{0}: {1}".format(made.id, made.damaged), "{0}：{1}".format(made.id, made.damaged)
        )
        # Others may be damaged by the same: they are told too, the new one last.
        outcome.sets = [*(one for one in method.listed(work) if one.id != made.id), made]
    return outcome


def _list(work: Work, method: Method) -> Outcome:
    outcome = Outcome()
    outcome.sets = method.listed(work)
    return outcome


def _verify(work: Work, method: Method) -> Outcome:
    """Damage is a result, not a failure of the job: the sets say it."""
    if work.order.level >= 3:
        return _proven(work, method)
    outcome = Outcome()
    outcome.sets = method.read(work) if work.order.level == 2 else method.listed(work)
    return outcome


def _proven(work: Work, method: Method) -> Outcome:
    work = _with_set(work, method)
    outcome = Outcome()
    drilled = rehearsed(work, method, work.order.level)
    wrong = "; ".join(drilled.differences) or "only level {0} was reached".format(drilled.level)
    for one in method.listed(work):
        if one.id == drilled.set:
            damaged = one.damaged or ("" if drilled.passed else wrong[:500])
            outcome.sets = [one._replace(level=drilled.level, damaged=damaged)]
    return outcome


def _drill(work: Work, method: Method) -> Outcome:
    work = _with_set(work, method)
    outcome = Outcome()
    outcome.drill = rehearsed(work, method, work.order.level or 4)
    return outcome


def _restore(work: Work, method: Method) -> Outcome:
    """Into a folder of its own when the order says which, else to production."""
    _must_name_sets(work)
    if work.order.into:
        return _restored_into(work, method)
    with scratch_place(work, method) as scratch:
        restored = method.restored(work, scratch)
        wrong = method.examined(work, restored.folders)
        if wrong:
            raise Rejected("nothing was put back: " + wrong[0], "未写回任何内容：" + wrong[0])
        for line in method.put_back(work, restored, scratch):
            work.note(line, line)
        return _looked_at_in_place(work, method, restored)


def _looked_at_in_place(work: Work, method: Method, restored: Restored) -> Outcome:
    """Production has been replaced by now: what differs is told, and the job failed."""
    outcome = _named(work)
    with method.in_place(work, restored) as instance:
        if instance is None:
            work.note("production was not looked at afterwards", "写回后未检查生产数据")
            return outcome
        seen = looked_at(restored, instance)
    if seen.differences:
        wrong = "; ".join(seen.differences[:3])[:500]
        outcome.failure = BackupFailure(
            "production was replaced, and is not what the set holds: " + wrong,
            "生产数据已替换，但与备份集不一致：" + wrong,
        )
        return outcome
    outcome.sets = [SetFacts(id=work.order.sets[-1], level=seen.level)]
    _note_equal(work, seen.level)
    return outcome


def _note_equal(work: Work, level: int) -> None:
    if level >= 4:
        work.note(
            "production was looked at in place: its structure is sound, its data are equal to the"
            " manifest of the set (level 4)",
            "已在生产位置检查：结构完好，数据与备份集清单一致（4 级）",
        )
    else:
        work.note(
            "production was looked at in place: its structure is sound; the set has no manifest"
            " to compare its data with (level 3)",
            "已在生产位置检查：结构完好；备份集没有可比对的清单（3 级）",
        )


def _restored_into(work: Work, method: Method) -> Outcome:
    into = work.order.into
    if os.path.lexists(into):
        raise Unfit("{0} exists".format(into), "{0} 已存在".format(into))
    above = os.path.dirname(into.rstrip("/"))
    os.makedirs(above, mode=0o700, exist_ok=True)
    check_room(work, method, above)
    os.mkdir(into, 0o700)
    try:
        restored = method.restored(work, into)
        wrong = method.examined(work, restored.folders)
        if wrong:
            raise Rejected("what came back is damaged: " + wrong[0], "恢复内容已损坏：" + wrong[0])
    except BaseException:
        cleared(into)
        raise
    work.note("restored into " + into, "已恢复到 " + into)
    return _named(work)


def _named(work: Work) -> Outcome:
    outcome = Outcome()
    outcome.sets = [SetFacts(id=work.order.sets[-1])]
    return outcome


def _prune(work: Work, method: Method) -> Outcome:
    _must_name_sets(work)
    outcome = Outcome()
    outcome.removed = method.removed(work)
    return outcome


def _copy(work: Work, method: Method) -> Outcome:
    """What arrived is listed at the place: the copy's level 1."""
    from .places import push

    if work.order.place.kind == "host":
        raise Unfit("a copy goes to another place", "副本必须存放在其他位置")
    outcome = Outcome()
    outcome.bytes = push(work, work.order.repository, method.copy_rules()).bytes
    outcome.sets = method.listed(work)
    return outcome


def _canary(work: Work, _method: Method) -> Outcome:
    from .places import canary

    outcome = Outcome()
    outcome.immutable = canary(work)
    return outcome


def _must_name_sets(work: Work) -> None:
    if not work.order.sets:
        raise Unfit("the order names no set", "任务没有指定备份集")


def _with_set(work: Work, method: Method) -> Work:
    """The order's set, or the newest one that is not damaged."""
    if not work.order.sets:
        good = [one.id for one in method.listed(work) if not one.damaged]
        if not good:
            raise BackupFailure("there is no undamaged set", "没有完好的备份集")
        work.order = work.order._replace(sets=(good[-1],))
    return work


VERBS: dict[str, Callable[[Work, Method], Outcome]] = {
    "take": _take,
    "copy": _copy,
    "verify": _verify,
    "drill": _drill,
    "restore": _restore,
    "prune": _prune,
    "canary": _canary,
    "list": _list,
}
