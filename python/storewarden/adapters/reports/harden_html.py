# SPDX-License-Identifier: GPL-3.0-or-later
"""A hardening as one HTML file: the evidence of a change, on screen and on A4.

Every text is escaped by the template engine; the page has no script and loads nothing.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from storewarden.adapters.reports.harden_table import differences
from storewarden.adapters.reports.harden_view import host_rows, score_line
from storewarden.adapters.reports.harden_words import Words
from storewarden.adapters.reports.html import moment
from storewarden.adapters.reports.values import clean
from storewarden.domain.baseline.harden_gate import minutes
from storewarden.ports.harden import Deed, HardenReport
from storewarden.ports.reports import Page


def render(report: HardenReport, page: Page) -> str:
    """The whole document."""
    words = Words(page.language)
    return _template().render(
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
        finalize=_harmless,
    )
    return environment.from_string(_part("harden.html.j2"))


def _harmless(value: object) -> object:
    """Control characters spelled out in whatever is not markup of our own."""
    if type(value) is not str:
        return value
    return "\n".join(clean(line) for line in value.split("\n"))


@cache
def _part(name: str) -> str:
    return (files(__package__) / "page" / name).read_text(encoding="utf-8")
