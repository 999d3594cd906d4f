# SPDX-License-Identifier: GPL-3.0-or-later
"""A hardening as one HTML file: the evidence of a change, on screen and on A4.

Every text is escaped by the template engine; the page has no script and loads nothing.
"""

from __future__ import annotations

from markupsafe import Markup

from storewarden.adapters.reports.harden_table import differences
from storewarden.adapters.reports.harden_view import host_rows, score_line
from storewarden.adapters.reports.harden_words import Words
from storewarden.adapters.reports.html import moment
from storewarden.adapters.reports.template import part, template
from storewarden.domain.baseline.harden_gate import minutes
from storewarden.ports.harden import Deed, HardenReport
from storewarden.ports.reports import Page


def render(report: HardenReport, page: Page) -> str:
    """The whole document."""
    words = Words(page.language)
    return template("harden.html.j2").render(
        report=report,
        w=words,
        language=page.language.value,
        planned=report.deed is Deed.PLAN,
        undone=report.deed is Deed.UNDO,
        score=score_line(report, words),
        needs=minutes(report.needs) if report.needs else None,
        hosts=host_rows(report, words),
        differences=differences(report, words),
        started=moment(report.at, report.zone),
        style=Markup(part("report.css")),  # noqa: S704 - our own file
    )
