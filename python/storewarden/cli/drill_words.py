# SPDX-License-Identifier: GPL-3.0-or-later
"""What `storewarden drill` shows, in either language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from storewarden.adapters.reports import drill_words
from storewarden.cli.tabular import table
from storewarden.domain.backup.catalog import DrillRecord
from storewarden.domain.backup.drill_report import DrillReport, drill_data
from storewarden.domain.backup.policy import Policy
from storewarden.flows.drill import TargetDrill
from storewarden.flows.drill_record import Rehearsal
from storewarden.ports.reports import Language

_WORDS = {
    "running": ("{0} from {1}: {2}", "{0}，来源 {1}：{2}"),
    "passed": ("passed", "通过"),
    "failed": ("FAILED: {0}", "失败：{0}"),
    "open": ("not rehearsed: {0}", "未演练：{0}"),
    "other": ("{0}: another copy of it came back, from {1}", "{0}：已从 {1} 恢复另一份副本"),
    "none": ("no drills", "没有演练记录"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """How records are shown here."""

    policies: Mapping[str, Policy]
    language: Language
    zone: tzinfo

    @property
    def none(self) -> str:
        """There are no records."""
        return _word("none", self.language)

    def table(self, records: Sequence[DrillRecord]) -> str:
        """One line each, what went wrong at its end."""
        head = drill_words.word("why", self.language).upper()
        rows = [("ID", *drill_words.heads(self.language), head)]
        for each in records:
            line = self._line(each)
            rows.append((each.id, *line.cells, line.why))
        return table(rows)

    def below(self, record: DrillRecord) -> list[str]:
        """What does not fit into a line."""
        line = self._line(record)
        parts = [("set", line.set), ("phases", line.phases)]
        parts += [("differences", each) for each in line.differences]
        return [f"{drill_words.word(name, self.language)}: {text}" for name, text in parts if text]

    def data(self, records: Sequence[DrillRecord]) -> list[dict[str, Any]]:
        """For programs."""
        return [drill_data(each, self.policies.get(each.target.policy)) for each in records]

    def _line(self, record: DrillRecord) -> drill_words.Line:
        policy = self.policies.get(record.target.policy)
        return drill_words.line(record, policy, self.language, self.zone)


def rehearsed(found: Rehearsal, language: Language) -> str:
    """One rehearsal that has just ended."""
    reason = found.reason_zh if language is Language.ZH else found.reason
    word = "open" if found.record is None else "passed" if found.passed else "failed"
    told = _word(word, language).format(reason)
    order = found.order
    return _word("running", language).format(order.target.name, order.location, told)


def left(done: Sequence[TargetDrill], language: Language) -> list[str]:
    """Targets of which no copy, or only another one, came back."""
    found = []
    for each in done:
        name = each.target.name
        if each.lack is not None:
            why = each.lack.zh if language is Language.ZH else each.lack.en
            found.append(f"{name}: {_word('failed', language).format(why)}")
        elif each.restorable and not each.passed:
            good = next(one.order.location for one in each.rehearsals if one.passed)
            found.append(_word("other", language).format(name, good))
    return found


def whole(report: DrillReport, language: Language, zone: tzinfo) -> str:
    """The quarter: a line per policy, and what it comes to."""
    word = drill_words.word
    names = ("policy", "kept", "targets", "wanted", "rehearsed", "proven", "worst", "widest")
    rows = [tuple(word(name, language).upper() for name in (*names, "places"))]
    for each in report.policies:
        counts = (each.targets, each.wanted, each.rehearsed, each.proven)
        rows.append(
            (
                each.policy.id,
                word("yes" if each.kept else "no", language),
                *map(str, counts),
                drill_words.beside(each.slowest, each.policy.rto),
                drill_words.beside(each.widest, each.policy.rpo),
                ", ".join(f"{place} {good}/{tried}" for place, tried, good in each.places),
            )
        )
    span = f"{drill_words.moment(report.since, zone)} - {drill_words.moment(report.until, zone)}"
    if not report.policies:
        return f"{span}\n{word('empty', language)}"
    told = word("good" if report.good else "bad", language)
    return f"{span}\n{table(rows)}\n{told}"


def _word(name: str, language: Language) -> str:
    return _WORDS[name][language is Language.ZH]
