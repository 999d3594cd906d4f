# SPDX-License-Identifier: GPL-3.0-or-later
"""A hardening, planned or done, ready to be read; and what turns it into text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum
from fractions import Fraction
from typing import Protocol

from storewarden.domain.baseline.control import Control, Risk
from storewarden.domain.baseline.finding import Verdict
from storewarden.domain.baseline.harden import Conclusion, HostFix, conclude
from storewarden.domain.baseline.harden_choice import Choice
from storewarden.domain.baseline.restored import UndoRecord
from storewarden.ports.reports import AuditReport, Page


class Deed(StrEnum):
    """What a hardening report is about."""

    PLAN = "plan"  # only looked
    FIX = "fix"  # controls were fixed
    UNDO = "undo"  # what a change had fixed was taken back


class HardenFormat(StrEnum):
    """The shapes of a hardening report."""

    TABLE = "table"  # for a person at a shell
    JSON = "json"  # for programs; documented, versioned
    HTML = "html"  # for an auditor: one self-contained file


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A control of a host that is not after the undo what it was before the change."""

    host: str
    control: str
    before: Verdict
    now: Verdict
    value_before: object = None
    value_now: object = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HardenReport:
    """One plan, one hardening or one undo.

    ``session`` is like "GMBG-20260601-001.2" ("" for a plan, and when nothing had to be done);
    ``hosts`` are those of the change or the limit, in order; ``choices`` say per host what was
    to be done about each control; ``before`` and ``after`` are the audits around it;
    ``expected`` is the effective score that a plan promises; ``differences`` are what an undo
    left other than it was; ``earlier`` is the audit that an undo is compared with; ``left_over``
    are hosts of the change that still hold fixes; ``troubles`` are one line each; ``state`` is
    where the change stands now, ``outcome`` how it was closed.
    """

    deed: Deed
    at: datetime
    change: str = ""
    session: str = ""
    hosts: tuple[HostFix, ...] = ()
    choices: Mapping[str, tuple[Choice, ...]] = field(default_factory=dict)
    controls: tuple[Control, ...] = ()
    max_risk: Risk = Risk.R3
    before: AuditReport | None = None
    after: AuditReport | None = None
    expected: Fraction | None = None
    needs: timedelta | None = None
    earlier: str = ""
    differences: tuple[Difference, ...] = ()
    left_over: tuple[str, ...] = ()
    ended: datetime | None = None
    interrupted: bool = False
    troubles: tuple[str, ...] = ()
    state: str = ""
    outcome: str = ""
    site: str = ""
    by: str = ""
    version: str = ""
    zone: tzinfo = UTC

    @property
    def conclusion(self) -> Conclusion:
        """All hosts in short."""
        return conclude(self.hosts, back=self.deed is Deed.UNDO)

    @property
    def titles(self) -> Mapping[str, Control]:
        """Controls by id."""
        return {control.id: control for control in self.controls}


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionTale:
    """One hardening or undo of a change as the journal tells it; ``ended`` None while it is
    under way or was cut off."""

    number: int
    deed: Deed
    by: str
    at: datetime
    epoch: int
    hosts: tuple[HostFix, ...]
    verified: Mapping[str, Mapping[str, tuple[str, str]]] = field(default_factory=dict)
    """Host -> control -> verdicts before and after."""
    ended: datetime | None = None
    outcome: str = ""
    audits: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class HardenStatus:
    """Everything that was done on one change, oldest first, and where its hosts are now."""

    change: str
    state: str
    sessions: tuple[SessionTale, ...]
    hosts: tuple[HostFix, ...]
    records: tuple[UndoRecord, ...] = ()
    zone: tzinfo = UTC


class HardenRenderer(Protocol):
    """Turns a report into the text of one format."""

    def __call__(self, report: HardenReport, page: Page) -> str:
        """The whole text, ending with a line break."""
        ...
