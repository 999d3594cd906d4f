# SPDX-License-Identifier: GPL-3.0-or-later
"""The report at a shell: what matters first, in a hundred columns.

It answers, in this order: how good is the fleet, what was not looked at, what
is worst, what changed, and what to do next. Evidence is for the HTML report.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence

from rich.table import Column, Table
from rich.text import Text

from storewarden.adapters.reports.catalogue import words
from storewarden.adapters.reports.html import moment, percent
from storewarden.adapters.reports.terminal import Terminal
from storewarden.adapters.reports.values import clean
from storewarden.adapters.reports.view import (
    KINDS,
    DriftRow,
    View,
    open_high,
    view_of,
    worst_controls,
    worst_stores,
)
from storewarden.domain.baseline.score import BAR, meets
from storewarden.domain.baseline.score import percent as percent_of
from storewarden.ports.reports import AuditReport, Page

MOST_ROWS = 8  # controls and stores
MOST_MISSED = 20  # hosts that were not audited
MOST_DRIFT = 60  # transitions

_STYLES = {"pass": "green", "fail": "red", "error": "yellow", "waived": "magenta"}


def render(report: AuditReport, page: Page) -> str:
    """The text; with escape codes only when ``page.colour``."""
    sheet = _Sheet(report, page)
    if page.drift_only:
        sheet.head()
        sheet.banners()
        sheet.drift()
    else:
        sheet.whole()
    return sheet.text()


class _Sheet(Terminal):
    """One report being written."""

    def __init__(self, report: AuditReport, page: Page) -> None:
        super().__init__(page)
        self._report = report
        self._words: Mapping[str, str] = words(page.language)
        self._view: View = view_of(report, self._words, page.language)
        self._language = page.language.value

    def whole(self) -> None:
        self.head()
        self.banners()
        self._scores()
        self._missed()
        self._controls()
        self._stores()
        self._drift_line()
        self._next()

    def _say(self, text: str | Text = "", style: str = "") -> None:
        self._console.print(text, style=style or None, soft_wrap=False)

    def _item(self, text: str) -> None:
        """One entry of a list, its further lines under its first word."""
        row = Table.grid(padding=0)
        row.add_row("- ", text)
        self._console.print(row)

    def _title(self, key: str, extra: str = "") -> None:
        self._say()
        self._say(Text(self._words[key] + extra, style="bold"))

    def _table(self, columns: Iterable[Column], rows: Iterable[Sequence[str | Text]]) -> None:
        table = Table(*columns, box=None, pad_edge=False, padding=(0, 2, 0, 0), show_edge=False)
        for row in rows:
            table.add_row(*row)
        self._console.print(table)

    def head(self) -> None:
        audit = self._report.audit
        at = moment(audit.at, self._report.zone)
        line = f"{self._words['fact_audit']} {audit.id} · {at} · {clean(self._report.scope)}"
        if self._report.limit:
            line += f" · {self._words['fact_limit']} {clean(self._report.limit)}"
        if self._report.selected:
            count = self._words["some_controls"].format(count=len(self._report.controls))
            line += f" · {self._words['fact_controls']} {count}"
        self._say(Text(line, style="bold"))

    def banners(self) -> None:
        if self._report.interrupted:
            self._say(self._words["partial_banner"], "yellow")
        if self._report.unrecorded:
            text = self._words["unrecorded_banner"].format(error=self._report.unrecorded)
            self._say(text, "yellow")

    def _scores(self) -> None:
        fleet, w = self._report.scores.fleet, self._words
        good = meets(fleet.score.effective, self._report.bar or BAR)
        self._say()
        line = Text()
        line.append(f"{w['score_effective']} ")
        line.append(self._percent(fleet.score.effective), "bold green" if good else "bold red")
        line.append(f"   {w['score_raw']} {self._percent(fleet.score.raw)}")
        line.append(f"   {w['compliant_hosts']} {fleet.compliant} / {fleet.registered}")
        line.append(f" ({self._percent(fleet.rate)})")
        self._say(line)
        self._say(self._counted())
        if self._report.bar is not None:
            met = w["bar_missed"] if self._report.below else w["bar_met"]
            bar = w["bar_note"].format(bar=percent_of(self._report.bar).removesuffix(".0"))
            self._say(f"{w['bar']}: {bar}: {met}", "red" if self._report.below else "green")

    def _counted(self) -> Text:
        line, w = Text(), self._words
        for kind in KINDS:
            style = _STYLES.get(kind, "") if self._view.counts[kind] else ""
            line.append(f"{w[f'verdict_{kind}']} {self._view.counts[kind]}   ", style)
        note = w["counts_note"].format(
            hosts=self._view.audited, controls=len(self._report.controls)
        )
        return line.append(f"({note})")

    def _percent(self, rate: object) -> str:
        return percent(rate, self._words["none_score"])  # type: ignore[arg-type]

    def _missed(self) -> None:
        missed, w = self._view.unaudited, self._words
        if not missed:
            return
        self._title("not_audited", f" ({len(missed)})")
        for row in missed[:MOST_MISSED]:
            state = w[f"audit_{row.audit.state.value}"]
            store = f" [{row.audit.store}]" if row.audit.store else ""
            why = clean(row.audit.message)
            self._say(Text(f"{clean(row.audit.host)}{store}: {state}: {why}", style="red"))
            self._say(f"    {w[f'advice_{row.advice}']}")
        if len(missed) > MOST_MISSED:
            self._say(w["not_audited_more"].format(count=len(missed) - MOST_MISSED))

    def _controls(self) -> None:
        worst, w = worst_controls(self._view), self._words
        if not worst:
            if self._view.audited:
                self._say()
                self._say(w["no_failures"])
            return
        self._title("worst_controls", self._of(MOST_ROWS, len(worst)))
        right = {"justify": "right", "no_wrap": True}
        columns = (
            Column(w["control"], no_wrap=True),
            Column(w["short_fail"], **right),  # type: ignore[arg-type]
            Column(w["short_error"], **right),  # type: ignore[arg-type]
            Column(w["severity"], no_wrap=True),
            Column(w["guide"], no_wrap=True),
            Column(w["control_title"], ratio=1, overflow="fold"),
        )
        rows = [
            (
                row.control.id,
                str(row.counts["fail"]),
                str(row.counts["error"]),
                w[f"severity_{row.control.severity.value}"],
                f"{row.control.guide_section} {w[f'mark_{row.control.guide_mark.value}']}",
                clean(row.control.titled(self._language)),
            )
            for row in worst[:MOST_ROWS]
        ]
        self._table(columns, rows)

    def _of(self, most: int, count: int) -> str:
        return f" ({most} / {count})" if count > most else f" ({count})"

    def _stores(self) -> None:
        worst, w = worst_stores(self._view), self._words
        if not worst or not any(row.store for row in worst):
            return
        self._title("worst_stores", self._of(MOST_ROWS, len(worst)))
        names = ("compliant", "score_effective", "score_raw", "high_failures", "short_error")
        columns = [Column(w["store"]), Column(w["region"])]
        columns += [Column(w[name], justify="right", no_wrap=True) for name in names]
        rows = [
            (
                clean(row.store) or w["no_store"],
                clean(row.region),
                f"{row.compliant} / {row.hosts}",
                self._percent(row.effective),
                self._percent(row.raw),
                str(row.high),
                str(row.counts["error"]),
            )
            for row in worst[:MOST_ROWS]
        ]
        self._table(columns, rows)

    def drift(self) -> None:
        """The drift alone: what changed, from, to, and by which change."""
        rows, w = self._report.drift, self._words
        since = w["drift_since"].format(since=self._report.since)
        self._title("drift", f" ({clean(since)})" if self._report.since else "")
        if self._report.first or not rows:
            self._say(w["drift_first" if self._report.first else "drift_none"])
            return
        self._say(self._drift_summary())
        same = sum(each.remeasured for each in rows)
        if same:
            self._say(w["drift_remeasured_note"].format(count=same))
        columns = (
            # A long host name is folded: from and to are what the table is for.
            Column(w["host"], max_width=self._console.width // 4, overflow="fold"),
            Column(w["control"], no_wrap=True),
            Column(w["drift_from"], ratio=1, overflow="fold"),
            Column(w["drift_to"], ratio=1, overflow="fold"),
            Column(w["drift_change"], no_wrap=True),
        )
        self._table(columns, [self._drift_row(row) for row in self._view.drift[:MOST_DRIFT]])
        if len(rows) > MOST_DRIFT:
            self._say(w["drift_more"].format(count=len(rows) - MOST_DRIFT))

    def _drift_row(self, row: DriftRow) -> tuple[str | Text, ...]:
        drift, w = row.drift, self._words
        before, after = drift.verdict_from.value, drift.verdict_to.value
        return (
            clean(drift.host),
            drift.control,
            Text(f"{w[f'verdict_{before}']}: {row.value_from}", style=_STYLES.get(before, "")),
            Text(f"{w[f'verdict_{after}']}: {row.value_to}", style=_STYLES.get(after, "")),
            drift.change or row.unexplained,
        )

    def _drift_summary(self) -> str:
        drift = self._report.drift
        return self._words["drift_summary"].format(
            total=len(drift),
            worse=sum(each.worse for each in drift),
            unexplained=len(self._report.unexplained),
        )

    def _limited(self) -> str:
        """The audit's own limit, as it is typed at a shell."""
        return f" --limit {shlex.quote(clean(self._report.limit))}" if self._report.limit else ""

    def _drift_line(self) -> None:
        if self._report.drift and not self._report.first:
            self._title("drift", f": {self._drift_summary()}")

    def _next(self) -> None:
        self._title("next")
        for line in self._advice() or [self._words["next_fine"]]:
            self._item(line)
        remarks = self._view.remarks
        if remarks:
            self._title("warnings", f" ({len(remarks)})")
            for line in remarks[:MOST_ROWS]:
                self._item(line)
            left = len(remarks) - MOST_ROWS
            if left > 0:
                self._item(self._words["warnings_more"].format(count=left))

    def _advice(self) -> list[str]:
        w, view, lines = self._words, self._view, []
        high = open_high(view)
        count = sum(row.counts["fail"] + row.counts["error"] for row in high)
        if view.unaudited:
            lines.append(w["next_unreached"].format(count=len(view.unaudited)))
        if high:
            first = ", ".join(row.control.id for row in high[:3])
            lines.append(w["next_high"].format(count=count, controls=first))
        if view.counts["error"]:
            lines.append(w["next_errors"].format(count=view.counts["error"]))
        if view.counts["fail"] and not self._report.local:
            lines.append(w["next_harden"].format(limit=self._limited()))
        if self._report.unexplained:
            lines.append(w["next_drift"].format(count=len(self._report.unexplained)))
        over = sum(row.state == "expired" for row in view.waivers)
        if over:
            lines.append(w["next_waivers"].format(count=over))
        if view.has_evidence and not self._report.unrecorded:
            lines.append(w["next_html"].format(audit=self._report.audit.id))
        return lines
