# SPDX-License-Identifier: GPL-3.0-or-later
"""A control as the reports need it: its words and its weight, not its check.

The check itself stays in the collection; Python only reads the catalogue that
the collection's own loader prints.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class Severity(Enum):
    """How much a failed control matters (reference: hardening, scoring)."""

    HIGH = "high"  # an attacker or an auditor stops here; a host with one open is not compliant
    MEDIUM = "medium"  # weakens a defence that something else still backs
    LOW = "low"  # good housekeeping

    @property
    def weight(self) -> int:
        """Points in the score: 5, 3 or 1."""
        return {"high": 5, "medium": 3, "low": 1}[self.value]


class Risk(Enum):
    """What applying the fix may cost."""

    R0 = "R0"  # nothing
    R1 = "R1"  # low
    R2 = "R2"  # may break a service
    R3 = "R3"  # may lock people out


class GuideMark(Enum):
    """How the number relates to the field's guide."""

    STATED = "S"  # the guide gives this rule or number itself
    DERIVED = "D"  # we derive it from a rule of the guide
    OUTSIDE = "X"  # the guide does not speak of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """One control of the catalogue.

    ``title`` and ``fix_text`` map a language ("en", "zh") to text, with
    parameters filled in at their defaults; ``references`` maps "mlps" and
    "cis_debian12" to clause ids; ``scanners`` maps "openscap" and "lynis" to
    rule ids; ``fix_manual`` says that only a person can fix it; ``digest`` is the
    sha256 of the control's file.
    """

    id: str
    family: str
    title: Mapping[str, str]
    severity: Severity
    risk: Risk
    guide_section: str
    guide_mark: GuideMark
    references: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    scanners: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    fix_group: str = ""
    fix_text: Mapping[str, str] = field(default_factory=dict)
    fix_manual: bool = False
    digest: str = ""

    def titled(self, language: str) -> str:
        """The title in ``language``, else in English."""
        return self.title.get(language) or self.title["en"]
