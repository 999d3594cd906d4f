# SPDX-License-Identifier: GPL-3.0-or-later
"""The auditor's report: one HTML file that needs nothing else, on screen and on A4.

Every text is escaped by the template engine, and a content security policy with
the digest of our own few lines of script keeps anything that got through from
running: the values come from hosts.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime, tzinfo
from fractions import Fraction

from markupsafe import Markup

from storewarden.adapters.reports.catalogue import words
from storewarden.adapters.reports.template import part, template
from storewarden.adapters.reports.view import KINDS, view_of
from storewarden.domain.baseline.score import BAR, meets
from storewarden.domain.baseline.score import percent as percent_of
from storewarden.ports.reports import AuditReport, Page


def render(report: AuditReport, page: Page) -> str:
    """The whole document."""
    texts = words(page.language)
    drift = report.drift
    same = sum(each.remeasured for each in drift)
    return template("report.html.j2").render(
        report=report,
        w=texts,
        language=page.language.value,
        view=view_of(report, texts, page.language),
        score=_Headline(report),
        tone="good" if meets(report.scores.fleet.score.effective, report.bar or BAR) else "bad",
        bar_met=not report.below,
        kinds=KINDS,
        shown_kinds=KINDS,
        style=Markup(part("report.css")),  # noqa: S704 - our own file
        script=Markup(part("report.js")),  # noqa: S704 - our own file
        script_digest=_digest(part("report.js")),
        percent=lambda rate: percent(rate, texts["none_score"]),
        number=lambda rate: percent_of(rate).removesuffix(".0"),
        started=moment(report.audit.at, report.zone),
        ended=moment(report.ended, report.zone),
        count_hosts=lambda count: texts["on_hosts"].format(count=count),
        drift_summary=texts["drift_summary"].format(
            total=len(drift),
            worse=sum(each.worse for each in drift),
            unexplained=len(report.unexplained),
        ),
        drift_remeasured=texts["drift_remeasured_note"].format(count=same) if same else "",
    )


class _Headline:
    """The fleet's figures under short names."""

    def __init__(self, report: AuditReport) -> None:
        fleet = report.scores.fleet
        self.effective = fleet.score.effective
        self.raw = fleet.score.raw
        self.rate = fleet.rate
        self.compliant = fleet.compliant
        self.registered = fleet.registered
        self.unaudited = report.unaudited


def percent(rate: Fraction | None, none: str) -> str:
    """``rate`` as "94.9 %", or ``none``."""
    return none if rate is None else f"{percent_of(rate)} %"


def moment(at: datetime | None, zone: tzinfo) -> str:
    """A moment in the site's time zone, with its offset (a zone's short name says little)."""
    return at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S %:z") if at else ""


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
