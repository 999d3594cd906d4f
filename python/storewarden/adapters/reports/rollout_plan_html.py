# SPDX-License-Identifier: GPL-3.0-or-later
"""A planned rollout as one HTML file, for those who approve its change.

Every text is escaped by the template engine; the page has no script and loads nothing.
"""

from __future__ import annotations

from markupsafe import Markup

from storewarden.adapters.reports import rollout_plan_view as view
from storewarden.adapters.reports.rollout_plan_problems import problems, remarks
from storewarden.adapters.reports.rollout_plan_words import Words
from storewarden.adapters.reports.template import part, template
from storewarden.ports.reports import Page
from storewarden.ports.rollout_reports import RolloutPlanReport


def render(report: RolloutPlanReport, page: Page) -> str:
    """The whole document."""
    words, tale = Words(page.language), report.store
    return template("rollout_plan.html.j2").render(
        report=report,
        w=words,
        language=page.language.value,
        title=view.title(report, words),
        head=list(view.head(report, words)),
        columns=view.columns(words),
        waves=list(view.wave_rows(report, words)),
        ending=view.ending(report, words),
        assumptions=list(view.assumptions(report, words)),
        judged=view.judged(report, words),
        deadlines=list(view.deadlines(report, words)),
        problems=list(problems(report, words)),
        remarks=list(remarks(report, words)),
        refused=list(view.refused(report, words)),
        store_title=view.store_title(report, tale, words) if tale else "",
        store=list(view.tale_lines(report, tale, words)) if tale else [],
        style=Markup(part("report.css")),  # noqa: S704 - our own file
    )
