# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of the coverage report, in both languages."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, tzinfo

from storewarden.domain.backup.freshness import Coverage
from storewarden.ports.reports import Language

type Pair = tuple[str, str]

COVERAGE: Mapping[Coverage, Pair] = {
    Coverage.NEVER: ("never", "从未备份"),
    Coverage.CHAIN_BROKEN: ("chain broken", "备份链断裂"),
    Coverage.FAILED: ("failed", "失败"),
    Coverage.LATE: ("late", "逾期"),
    Coverage.UNVERIFIED: ("unverified", "未验证"),
    Coverage.COPY_SHORT: ("copies short", "副本不足"),
    Coverage.DRILL_OVERDUE: ("drill overdue", "演练逾期"),
    Coverage.OK: ("ok", "正常"),
}

_WORDS: Mapping[str, Pair] = {
    "title": ("Backup coverage", "备份覆盖报告"),
    "whole": ("Nothing is missing.", "没有缺口。"),
    "not_whole": ("Something is missing.", "存在缺口。"),
    "targets": ("targets", "目标"),
    "gaps": ("gaps", "缺口"),
    "gaps_head": ("Gaps", "缺口"),
    "ok": ("ok", "正常"),
    "stores": ("stores with gaps", "有缺口的门店"),
    "tier": ("Tier", "数据等级"),
    "region": ("Region", "区域"),
    "store": ("Store", "门店"),
    "by_tier": ("By tier", "按数据等级"),
    "by_region": ("By region", "按区域"),
    "by_store": ("Stores with most gaps", "缺口最多的门店"),
    "host": ("Host", "主机"),
    "policy": ("Policy", "策略"),
    "standing": ("Standing", "状态"),
    "also": ("Also", "另有"),
    "newest": ("Newest set", "最新备份集"),
    "level": ("Level", "验证级别"),
    "why": ("Why", "原因"),
    "drills": ("Drills", "恢复演练"),
    "wanted": ("Wanted", "应演练"),
    "passed": ("Passed", "已通过"),
    "failed": ("Failed", "未通过"),
    "within": ("Within", "周期"),
    "days": ("{n} days", "{n} 天"),
    "overdue": ("overdue", "逾期"),
    "fine": ("in time", "按期"),
    "young": ("first period", "首个周期"),
    "unbound": ("Hosts that no policy binds", "没有任何策略的主机"),
    "idle": ("Policies that bind no host", "未绑定任何主机的策略"),
    "more": ("{n} more; --json has all", "另有 {n} 项；--json 列出全部"),
    "none": ("none", "无"),
}


def word(name: str, language: Language, **facts: object) -> str:
    """A word or sentence of the report."""
    return said(_WORDS[name], language).format(**facts)


def said(pair: Pair, language: Language) -> str:
    """One of the two."""
    return pair[1] if language is Language.ZH else pair[0]


def coverage_word(coverage: Coverage, language: Language) -> str:
    """How a target stands."""
    return said(COVERAGE[coverage], language)


def moment(at: datetime | None, zone: tzinfo) -> str:
    """A time at the site; "-" for none."""
    return "-" if at is None else f"{at.astimezone(zone):%Y-%m-%d %H:%M}"
