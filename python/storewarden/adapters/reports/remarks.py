# SPDX-License-Identifier: GPL-3.0-or-later
"""Remarks as sentences: a report is wholly in one language, so flows give data, not words."""

from __future__ import annotations

from collections.abc import Mapping

from storewarden.adapters.reports.values import clean
from storewarden.ports.reports import AuditReport, Remark


def remarks_of(report: AuditReport, words: Mapping[str, str]) -> tuple[str, ...]:
    """The remarks of a report as sentences in the language of ``words``."""
    return tuple(_sentence(remark, words) for remark in report.warnings)


def _sentence(remark: Remark, words: Mapping[str, str]) -> str:
    facts = {name: clean(fact) for name, fact in remark.facts.items()}
    todo = words[f"todo_{facts['variable']}"] if "variable" in facts else ""
    return words[f"remark_{remark.key}"].format(**facts, todo=todo)
