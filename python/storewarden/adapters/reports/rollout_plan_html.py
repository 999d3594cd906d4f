# SPDX-License-Identifier: GPL-3.0-or-later
"""A planned rollout as one HTML file, for those who approve its change.

Every text is escaped by the template engine; the page has no script and loads nothing.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from storewarden.adapters.reports import rollout_plan_view as view
from storewarden.adapters.reports.rollout_plan_problems import problems, remarks
from storewarden.adapters.reports.rollout_plan_words import Words
from storewarden.ports.reports import Page
from storewarden.ports.rollout_reports import RolloutPlanReport


def render(report: RolloutPlanReport, page: Page) -> str:
    """The whole document."""
    words, tale = Words(page.language), report.store
    return _template().render(
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
        style=Markup(_part("report.css")),  # noqa: S704 - our own file
    )


@cache
def _template() -> Template:
    environment = Environment(
        autoescape=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.from_string(_part("rollout_plan.html.j2"))


@cache
def _part(name: str) -> str:
    return (files(__package__) / "page" / name).read_text(encoding="utf-8")
