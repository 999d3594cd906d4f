# SPDX-License-Identifier: GPL-3.0-or-later
"""The coverage of a site's backups for a terminal, and as data.

A chain has thousands of targets: what is missing is listed, what is fine is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from storewarden.adapters.reports.backup_coverage_words import coverage_word, moment, word
from storewarden.domain.backup.freshness import Coverage, Standing
from storewarden.ports.backup_reports import (
    CoverageReport,
    CoverageRow,
    CoverageShare,
    DrillSample,
)
from storewarden.ports.reports import Language

_SHOWN = 50  # gaps on a screen
_SHARES = 10  # regions, and stores, with most gaps
_NAMED = 10

type Cells = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageTable:
    """``head`` lines first; then tables of parts and of targets, each with its head row or empty;
    ``tail`` lines last."""

    head: tuple[str, ...]
    shares: tuple[Cells, ...]
    rows: tuple[Cells, ...]
    tail: tuple[str, ...]


def coverage_table(
    report: CoverageReport, language: Language, zone: tzinfo, *, everything: bool = False
) -> CoverageTable:
    """What a terminal shows; ``everything`` lists what is fine as well."""
    rows = report.gaps
    if everything:
        rows = (*rows, *(each for each in report.rows if each.good))
    shown = rows if everything else rows[:_SHOWN]
    more = len(rows) - len(shown)
    tail = [word("more", language, n=more)] if more else []
    return CoverageTable(
        head=tuple(_head(report, language)),
        shares=_shares(report, language),
        rows=_rows(shown, language, zone),
        tail=(*tail, *_tail(report, language)),
    )


def coverage_data(report: CoverageReport, *, only_bad: bool = False) -> dict[str, Any]:
    """The report as JSON data (docs/operators/backup-coverage.md)."""
    rows = report.gaps if only_bad else report.rows
    return {
        "at": report.at.isoformat(),
        "whole": report.whole,
        "targets": len(report.rows),
        "gaps": len(report.gaps),
        "coverage": {each.value: many for each, many in report.words.items()},
        "rows": [_row_data(each) for each in rows],
        "drills": [_sample_data(each) for each in report.samples],
        "unbound": list(report.unbound),
        "policies_without_hosts": list(report.idle),
        **{
            f"by_{part}": [_share_data(each) for each in report.shares(part)]
            for part in ("tier", "region")
        },
    }


def _head(report: CoverageReport, language: Language) -> list[str]:
    zh = language is Language.ZH
    good, bad = report.words.get(Coverage.OK, 0), len(report.gaps)
    what = _counts(report.words, language)
    stores = sum(each.gaps > 0 for each in report.shares("store"))
    if zh:
        line = f"{len(report.rows)} 个目标：正常 {good}，缺口 {bad}"
        return [f"{line}（{what}），涉及 {stores} 家门店" if bad else line]
    line = f"{len(report.rows)} targets: {good} ok, {bad} gaps"
    return [f"{line} ({what}) in {stores} stores" if bad else line]


def _counts(words: Any, language: Language) -> str:
    told = (
        f"{coverage_word(each, language)} {many}"
        for each, many in words.items()
        if each is not Coverage.OK
    )
    return ("，" if language is Language.ZH else ", ").join(told)


def _shares(report: CoverageReport, language: Language) -> tuple[Cells, ...]:
    found = [
        (word(part, language), each)
        for part, most in (("tier", None), ("region", _SHARES), ("store", _SHARES))
        for each in [one for one in report.shares(part) if _tells(one, part)][:most]
    ]
    if not found or len(report.rows) == 1:
        return ()
    head = ("", "", word("targets", language), word("gaps", language), "")
    return (head, *(_share(kind, each, language) for kind, each in found))


def _tells(share: CoverageShare, part: str) -> bool:
    """A store with one gap is told by the gap itself."""
    return share.gaps > (1 if part == "store" else 0)


def _share(kind: str, share: CoverageShare, language: Language) -> Cells:
    counts = _counts(share.words, language)
    return kind, share.name or "-", str(share.targets), str(share.gaps), counts


def _rows(rows: Sequence[CoverageRow], language: Language, zone: tzinfo) -> tuple[Cells, ...]:
    if not rows:
        return ()
    names = ("host", "policy", "standing", "newest", "level", "why")
    head = tuple(word(name, language).upper() for name in names)
    return (head, *(_cells(each.standing, language, zone) for each in rows))


def _cells(found: Standing, language: Language, zone: tzinfo) -> Cells:
    also = ", ".join(coverage_word(each, language) for each in found.also)
    why = found.zh if language is Language.ZH else found.en
    return (
        found.target.host,
        found.target.policy,
        coverage_word(found.coverage, language),
        moment(found.newest, zone),
        str(found.level.value) if found.newest else "-",
        f"{why} (+ {also})" if also else why,
    )


def _tail(report: CoverageReport, language: Language) -> list[str]:
    colon = "：" if language is Language.ZH else ": "
    lines = [_drill(each, language) for each in report.samples]
    for name, hosts in (("unbound", report.unbound), ("idle", report.idle)):
        if hosts:
            left = f" +{len(hosts) - _NAMED}" if len(hosts) > _NAMED else ""
            lines.append(f"{word(name, language)}{colon}{', '.join(hosts[:_NAMED])}{left}")
    return lines


def _drill(sample: DrillSample, language: Language) -> str:
    days = sample.every.days
    state = "overdue" if sample.overdue else "fine" if sample.begun else "young"
    if language is Language.ZH:
        told = f"{days} 天内应演练 {sample.wanted}，通过 {sample.done}，未通过 {sample.failed}"
        return f"恢复演练 {sample.policy}：{told}（{word(state, language)}）"
    told = f"{sample.done} of {sample.wanted} restores passed within {days} days"
    failed = f", {sample.failed} failed" if sample.failed else ""
    return f"drills {sample.policy}: {told}{failed} ({word(state, language)})"


def _row_data(row: CoverageRow) -> dict[str, Any]:
    found = row.standing
    return {
        "host": found.target.host,
        "policy": found.target.policy,
        "tier": row.tier,
        "region": row.region,
        "store": row.store,
        "coverage": found.coverage.value,
        "also": [each.value for each in found.also],
        "newest": found.newest.isoformat() if found.newest else None,
        "level": found.level.value,
        "why": found.en,
        "why_zh": found.zh,
    }


def _share_data(share: CoverageShare) -> dict[str, Any]:
    return {
        "name": share.name,
        "targets": share.targets,
        "gaps": share.gaps,
        "coverage": {each.value: many for each, many in share.words.items()},
    }


def _sample_data(sample: DrillSample) -> dict[str, Any]:
    return {
        "policy": sample.policy,
        "targets": sample.targets,
        "wanted": sample.wanted,
        "passed": sample.done,
        "failed": sample.failed,
        "days": sample.every.days,
        "overdue": sample.overdue,
    }
