# SPDX-License-Identifier: GPL-3.0-or-later
"""An audit, ready to be read: everything a report shows, and what turns it into text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from enum import StrEnum
from fractions import Fraction
from typing import Protocol

from storewarden.domain.baseline.control import Control
from storewarden.domain.baseline.drift import Drift
from storewarden.domain.baseline.finding import Audit, Verdict
from storewarden.domain.baseline.score import Scores, meets
from storewarden.domain.baseline.waiver import WaiverBook
from storewarden.domain.errors import StorewardenError

THIS_MACHINE = "this machine"
"""What the scope of an audit with ``--local`` begins with: it is no audit of the estate."""


class Language(StrEnum):
    """The languages of reports."""

    EN = "en"  # English
    ZH = "zh"  # Chinese


class Format(StrEnum):
    """The shapes of a report."""

    TABLE = "table"  # for a person at a shell
    JSON = "json"  # for programs; documented, versioned
    HTML = "html"  # for an auditor: one self-contained file
    JUNIT = "junit"  # for CI servers: a test suite per host
    SARIF = "sarif"  # for code scanning services: SARIF 2.1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """Something an auditor should know beside the findings, said in the report's language.

    ``key`` names the sentence (``remark_<key>`` among the words of reports), ``facts``
    fill it in. Data and not a sentence, since one audit is reported in several languages.
    """

    key: str
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """One audit with its scores, waivers and drift.

    ``drift`` is what changed since ``since`` (words for people; empty when this
    is the ``first`` audit). ``unrecorded`` says why the ledger does not have it
    all, or is None; ``trouble`` why runs never became plays. ``site`` names the
    chain, ``scope`` the inventory sources, ``limit`` the pattern that narrowed
    them; ``selected`` is true when only some controls were asked for; ``by`` is
    who ran it; ``zone`` is the site's; ``bar`` is the effective score that was
    asked for, 0.95 for 95 %, or None.
    """

    audit: Audit
    controls: tuple[Control, ...]
    scores: Scores
    waivers: WaiverBook
    drift: tuple[Drift, ...] = ()
    since: str = ""
    first: bool = False
    ended: datetime | None = None
    interrupted: bool = False
    unrecorded: StorewardenError | None = None
    trouble: str = ""
    warnings: tuple[Remark, ...] = ()
    site: str = ""
    scope: str = ""
    limit: str = ""
    selected: bool = False
    by: str = ""
    version: str = ""
    zone: tzinfo = UTC
    bar: Fraction | None = None

    @property
    def below(self) -> bool:
        """Whether a bar was given and the fleet's effective score does not reach it."""
        return self.bar is not None and not meets(self.scores.fleet.score.effective, self.bar)

    @property
    def local(self) -> bool:
        """Whether it looked at the machine it ran on, and at no inventory."""
        return self.scope.startswith(THIS_MACHINE)

    @property
    def unaudited(self) -> int:
        """How many registered hosts have no findings."""
        return self.scores.fleet.registered - self.scores.fleet.audited

    @property
    def unexplained(self) -> tuple[Drift, ...]:
        """Transitions away from a pass that no change explains."""
        return tuple(d for d in self.drift if d.worse and not d.change)

    def failures(self, verdict: Verdict = Verdict.FAIL) -> int:
        """Findings with ``verdict`` over the fleet, waived ones included."""
        found = (f.verdict for host in self.audit.hosts for f in host.findings)
        return sum(each is verdict for each in found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """How a report is to look: ``width`` in terminal columns, ``colour`` for a terminal."""

    language: Language = Language.EN
    width: int = 100
    colour: bool = False
    drift_only: bool = False


class Renderer(Protocol):
    """Turns a report into the text of one format."""

    def __call__(self, report: AuditReport, page: Page) -> str:
        """The whole text, ending with a line break."""
        ...
