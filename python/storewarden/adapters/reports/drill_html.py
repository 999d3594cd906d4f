# SPDX-License-Identifier: GPL-3.0-or-later
"""Rehearsals of a span of time as one HTML file, on screen and on A4.

Every text is escaped by the template engine; the page has no script and loads nothing.
"""

from __future__ import annotations

from datetime import tzinfo

from markupsafe import Markup

from storewarden.adapters.reports import drill_words
from storewarden.adapters.reports.template import part, template
from storewarden.domain.backup.drill_report import DrillReport, PolicyDrills
from storewarden.ports.reports import Language


def render(report: DrillReport, language: Language, site: str, zone: tzinfo) -> str:
    """The whole document. ``site`` is its name, ``zone`` the one in which times are told."""
    by_id = {each.policy.id: each.policy for each in report.policies}
    summary = "good" if report.good else "bad"
    return template("drill.html.j2").render(
        site=site,
        language=language.value,
        w=lambda name: drill_words.word(name, language),
        since=drill_words.moment(report.since, zone),
        until=drill_words.moment(report.until, zone),
        zone=str(zone),
        good=report.good,
        summary=drill_words.word(summary if report.policies else "empty", language),
        rows=[_row(each, language) for each in report.policies],
        heads=drill_words.heads(language),
        result=drill_words.RESULT,
        lines=[
            drill_words.line(each, by_id.get(each.target.policy), language, zone)
            for each in report.drills
        ],
        style=Markup(part("report.css")),  # noqa: S704 - our own file
    )


def _row(found: PolicyDrills, language: Language) -> dict[str, object]:
    return {
        "policy": found.policy.id,
        "kept": found.kept,
        "told": drill_words.word("yes" if found.kept else "no", language),
        "numbers": (found.targets, found.wanted, found.rehearsed, found.proven),
        "rto": drill_words.beside(found.slowest, found.policy.rto),
        "rpo": drill_words.beside(found.widest, found.policy.rpo),
        "places": ", ".join(f"{place} {good}/{tried}" for place, tried, good in found.places),
    }
