# SPDX-License-Identifier: GPL-3.0-or-later
"""The coverage of a site's backups as one HTML file, on screen and on A4.

Numbers first, then every gap, then where they are; what is fine is counted and not listed. Every
text is escaped by the template engine; the page has no script and loads nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from storewarden.adapters.reports.backup_coverage_words import coverage_word, moment, word
from storewarden.adapters.reports.template import part, template
from storewarden.domain.backup.freshness import Coverage
from storewarden.ports.backup_reports import (
    CoveragePlace,
    CoverageReport,
    CoverageRow,
    CoverageShare,
    DrillSample,
)
from storewarden.ports.reports import Language

_STORES = 20  # that are shown; a chain has thousands
_MOST = 2000  # gaps on a page; beyond that nobody reads one by one

_CHIPS = {
    Coverage.NEVER: "fail",
    Coverage.CHAIN_BROKEN: "fail",
    Coverage.FAILED: "fail",
    Coverage.LATE: "error",
    Coverage.UNVERIFIED: "waived",
    Coverage.COPY_SHORT: "waived",
    Coverage.DRILL_OVERDUE: "manual",
    Coverage.OK: "pass",
}


def render(report: CoverageReport, place: CoveragePlace, language: Language) -> str:
    """The whole document."""
    gaps = report.gaps
    return template("backup_coverage.html.j2").render(
        report=report,
        site=place.site,
        language=language.value,
        w=lambda name, **facts: word(name, language, **facts),
        at=moment(report.at, place.zone),
        good=report.words.get(Coverage.OK, 0),
        stores=sum(each.gaps > 0 for each in report.shares("store")),
        words=[
            (coverage_word(each, language), many, _CHIPS[each])
            for each, many in report.words.items()
            if each is not Coverage.OK
        ],
        gaps=[_gap(each, place, language) for each in gaps[:_MOST]],
        more=max(0, len(gaps) - _MOST),
        parts=_parts(report, language),
        samples=[_sample(each, language) for each in report.samples],
        style=Markup(part("report.css")),  # noqa: S704 - our own file
    )


def _gap(row: CoverageRow, place: CoveragePlace, language: Language) -> dict[str, object]:
    found = row.standing
    return {
        "host": found.target.host,
        "policy": found.target.policy,
        "store": row.store,
        "word": coverage_word(found.coverage, language),
        "chip": _CHIPS[found.coverage],
        "also": [coverage_word(each, language) for each in found.also],
        "newest": moment(found.newest, place.zone),
        "level": found.level.value if found.newest is not None else "-",
        "why": found.zh if language is Language.ZH else found.en,
    }


def _parts(report: CoverageReport, language: Language) -> list[dict[str, object]]:
    """Tiers and regions all of them, of stores those with several gaps."""
    stores = [each for each in report.shares("store") if each.gaps > 1]
    found: list[tuple[str, Sequence[CoverageShare]]] = [
        ("tier", report.shares("tier")),
        ("region", report.shares("region")),
        ("store", stores[:_STORES]),
    ]
    return [
        {
            "title": word(f"by_{name}", language),
            "head": word(name, language),
            "rows": [_share(each, language) for each in shares],
            "more": max(0, len(stores) - _STORES) if name == "store" else 0,
        }
        for name, shares in found
        if shares
    ]


def _share(share: CoverageShare, language: Language) -> dict[str, object]:
    return {
        "name": share.name or "-",
        "targets": share.targets,
        "gaps": share.gaps,
        "words": [
            (coverage_word(each, language), many, _CHIPS[each])
            for each, many in share.words.items()
            if each is not Coverage.OK
        ],
    }


def _sample(sample: DrillSample, language: Language) -> dict[str, object]:
    word_of = "overdue" if sample.overdue else "fine" if sample.begun else "young"
    return {
        "policy": sample.policy,
        "wanted": f"{sample.wanted}/{sample.targets}",
        "done": sample.done,
        "failed": sample.failed,
        "within": word("days", language, n=sample.every.days),
        "word": word(word_of, language),
        "chip": {"overdue": "fail", "fine": "pass", "young": "na"}[word_of],
    }
