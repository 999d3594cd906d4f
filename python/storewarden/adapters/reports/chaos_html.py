# SPDX-License-Identifier: GPL-3.0-or-later
"""An experiment as one HTML file, on screen and on A4.

Every text is escaped by the template engine; the page has no script and loads nothing.
"""

from __future__ import annotations

from datetime import tzinfo

from markupsafe import Markup

from storewarden.adapters.reports import chaos_view
from storewarden.adapters.reports.html import moment
from storewarden.adapters.reports.template import part, template
from storewarden.domain.chaos.experiment import Experiment
from storewarden.ports.reports import Language

_HEAD_OF_RESULT = 2  # the column that is shown as a chip


def render(experiment: Experiment, language: Language, site: str, zone: tzinfo) -> str:
    """The whole document. ``site`` is its name, ``zone`` the one in which times are told."""
    return template("chaos.html.j2").render(
        experiment=experiment,
        site=site,
        language=language.value,
        w=lambda name: chaos_view.word(name, language),
        fault=chaos_view.fault_line(experiment, language),
        summary=chaos_view.summary(experiment, language),
        heads=chaos_view.heads(language),
        lines=chaos_view.lines(experiment, language),
        result=_HEAD_OF_RESULT,
        seconds=chaos_view.seconds(experiment.span),
        begun=moment(experiment.begun_at, zone),
        ended=moment(experiment.ended_at, zone),
        style=Markup(part("report.css")),  # noqa: S704 - our own file
    )
