# SPDX-License-Identifier: GPL-3.0-or-later
"""Rehearsals as cells of a table, in either language; for the terminal and for pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from storewarden.domain.backup.catalog import DrillRecord
from storewarden.domain.backup.drill import over
from storewarden.domain.backup.policy import Level, Policy
from storewarden.ports.reports import Language

type Pair = tuple[str, str]

HEADS: tuple[Pair, ...] = (
    ("BEGAN", "开始"),
    ("HOST", "主机"),
    ("POLICY", "策略"),
    ("FROM", "来源"),
    ("RESULT", "结果"),
    ("LEVEL", "级别"),
    ("RTO", "RTO"),
    ("RPO", "RPO"),
)
RESULT = 4  # the column that is shown as a chip
LEVELS: Mapping[Level, Pair] = {
    Level.CLAIMED: ("0 nothing seen", "0 未验证"),
    Level.PRESENT: ("1 present", "1 存在"),
    Level.READ: ("2 read", "2 已读取"),
    Level.STARTED: ("3 started", "3 已启动"),
    Level.PROVEN: ("4 data equal", "4 数据一致"),
}
_WORDS: Mapping[str, Pair] = {
    "title": ("Restore drills", "恢复演练报告"),
    "passed": ("passed", "通过"),
    "failed": ("FAILED", "失败"),
    "good": (
        "Every policy got the drills it asks for, and all of them passed.",
        "各策略均完成所需演练，且全部通过。",
    ),
    "bad": ("Not every policy is proven: see below.", "并非所有策略都得到证明，详见下文。"),
    "empty": ("No policy asks for drills.", "没有需要演练的策略。"),
    "all": ("All drills", "全部演练"),
    "gone": ("of policies that no longer exist", "策略已不存在"),
    "policy": ("Policy", "策略"),
    "kept": ("Kept", "达标"),
    "yes": ("yes", "是"),
    "no": ("NO", "否"),
    "targets": ("Targets", "目标数"),
    "wanted": ("Wanted", "应演练"),
    "rehearsed": ("Rehearsed", "已演练"),
    "proven": ("Proven", "已证明"),
    "worst": ("Slowest RTO / promised", "最长 RTO / 承诺"),
    "widest": ("Longest RPO / promised", "最长 RPO / 承诺"),
    "places": ("Places: passed of tried", "位置：通过/演练"),
    "drill": ("Drill", "演练"),
    "set": ("Set", "备份集"),
    "phases": ("Phases", "阶段"),
    "why": ("Why", "原因"),
    "differences": ("Differences", "差异"),
    "note": (
        "RTO and RPO are measured. RPO counts from the newest row that came back; where the data"
        " have no heartbeat, from when the set was taken.",
        "RTO 与 RPO 均为实测。RPO 自恢复出的最新数据起算；数据无心跳时，自备份时刻起算。",
    ),
    "signed": ("Read by (name, date)", "审阅人（姓名、日期）"),
}
_PHASES: Mapping[str, Pair] = {
    "fetch": ("fetch", "取回"),
    "restore": ("restore", "恢复"),
    "start": ("start", "启动"),
    "verify": ("verify", "验证"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One rehearsal: cells as ``HEADS`` has them, and what belongs below them."""

    cells: tuple[str, ...]
    passed: bool
    id: str
    set: str
    phases: str
    why: str
    differences: tuple[str, ...]


def word(name: str, language: Language) -> str:
    """A word of the report."""
    return _in(_WORDS[name], language)


def heads(language: Language) -> tuple[str, ...]:
    """The head of the table."""
    return tuple(_in(each, language) for each in HEADS)


def line(record: DrillRecord, policy: Policy | None, language: Language, zone: tzinfo) -> Line:
    """One rehearsal as it is shown."""
    return Line(
        cells=(
            moment(record.began, zone),
            record.target.host,
            record.target.policy,
            record.location,
            word("passed" if record.passed else "failed", language),
            _in(LEVELS[record.level], language),
            beside(record.rto, policy.rto if policy else None),
            beside(record.rpo, policy.rpo if policy else None),
        ),
        passed=record.passed,
        id=record.id,
        set=record.set,
        phases=", ".join(
            f"{_in(_PHASES.get(name, (name, name)), language)} {seconds:.1f} s"
            for name, seconds in record.phases.items()
        ),
        why=_why(record, policy, language),
        differences=record.differences,
    )


def beside(seen: timedelta | None, promised: timedelta | None) -> str:
    """ "2 m 3 s / 2 h": what was measured beside what was promised."""
    told = "-" if seen is None else span(seen)
    return told if promised is None else f"{told} / {span(promised)}"


def span(length: timedelta) -> str:
    """A length in its two largest units: "5.4 s", "2 m 3 s", "1 d 2 h"."""
    total = length.total_seconds()
    if total < 60:
        return f"{total:.1f} s".replace(".0 s", " s")
    whole = round(total)
    units = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
    first = next(place for place, (_name, size) in enumerate(units) if whole >= size)
    told = []
    for name, size in units[first : first + 2]:
        told.append(f"{whole // size} {name}")
        whole %= size
    return " ".join(each for each in told if not each.startswith("0 "))


def moment(at: datetime, zone: tzinfo) -> str:
    """A moment of the site's clock."""
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M}"


def _why(record: DrillRecord, policy: Policy | None, language: Language) -> str:
    """What its host said, as it said it; broken promises in the reader's language. Differences are
    told one by one, so that there are some is not told once more."""
    found = record.reason.split("; ") if record.reason else []
    found = [each for each in found if each != f"{len(record.differences)} differences"]
    if language is Language.ZH and policy is not None:
        known = dict(over(record, policy))
        found = [known.get(each, each) for each in found]
    return ("；" if language is Language.ZH else "; ").join(found)


def _in(pair: Pair, language: Language) -> str:
    return pair[1] if language is Language.ZH else pair[0]
