# SPDX-License-Identifier: GPL-3.0-or-later
"""What was done on a change: its sessions, and where each host and apply group is now."""

from __future__ import annotations

import json

from rich.table import Column

from storewarden.adapters.reports.harden_json import host_data
from storewarden.adapters.reports.harden_table import Sheet
from storewarden.adapters.reports.harden_view import group_row, stands
from storewarden.adapters.reports.harden_words import Words
from storewarden.adapters.reports.html import moment
from storewarden.adapters.reports.values import clean
from storewarden.ports.harden import Deed, HardenStatus, SessionTale
from storewarden.ports.reports import Page

SCHEMA = "storewarden-harden-status-1"


def render(found: HardenStatus, page: Page) -> str:
    """The text for a shell."""
    sheet = Sheet(page)
    words = sheet.words
    sheet.say(words("title_status", change=found.change, state=words.state(found.state)))
    if not found.sessions:
        sheet.say(words["no_sessions"])
        return sheet.text()
    for tale in found.sessions:
        sheet.say(_session(tale, found, words))
    sheet.title(words["where_now"])
    _hosts(sheet, found)
    if found.records:
        sheet.title(words["records"])
        for record in found.records:
            sheet.say(clean(f"{record.host} {record.point} {record.ended}: {record.reason}"))
    return sheet.text()


def _session(tale: SessionTale, found: HardenStatus, words: Words) -> str:
    ended = moment(tale.ended, found.zone) if tale.ended else words["open_session"]
    head = f"{found.change}.{tale.number} {words[f'deed_{tale.deed.value}']}"
    line = f"{head}: {moment(tale.at, found.zone)} - {ended}, {words['by']} {clean(tale.by)}"
    pairs = [pair for verdicts in tale.verified.values() for pair in verdicts.values()]
    moved = sum(before != "pass" and after == "pass" for before, after in pairs)
    return f"{line}, {words('verified', moved=moved, all=len(pairs))}" if pairs else line


def _hosts(sheet: Sheet, found: HardenStatus) -> None:
    words, rows = sheet.words, []
    back = found.sessions[-1].deed is Deed.UNDO
    for host in found.hosts:
        first = (clean(host.host), stands(host, words, back=back))
        if not host.groups:
            rows.append((*first, "", "", clean(host.message), ""))
        for group in host.groups:
            row = group_row(group, words)
            rows.append((*first, row.group, row.outcome, row.reason, row.point))
            first = ("", "")
    columns = (
        Column(words["host"], overflow="fold"),
        Column("", overflow="fold"),
        Column(words["group"], no_wrap=True),
        Column(words["outcome"], no_wrap=True),
        Column(words["reason"], ratio=1, overflow="fold"),
        Column(words["point"], no_wrap=True, overflow="fold"),
    )
    sheet.table(columns, rows)


def as_json(found: HardenStatus) -> str:
    """The document for programs."""
    data = {
        "schema": SCHEMA,
        "change": found.change,
        "state": found.state,
        "sessions": [
            {
                "number": tale.number,
                "deed": tale.deed.value,
                "by": tale.by,
                "at": tale.at.isoformat(),
                "ended": tale.ended.isoformat() if tale.ended else None,
                "outcome": tale.outcome,
                "epoch": tale.epoch,
                "audits": {"before": tale.audits[0], "after": tale.audits[1]},
                "hosts": [host_data(host) for host in tale.hosts],
                "verified": {
                    host: {control: list(pair) for control, pair in verdicts.items()}
                    for host, verdicts in tale.verified.items()
                },
            }
            for tale in found.sessions
        ],
        "hosts": [host_data(host) for host in found.hosts],
        "restored_by_themselves": [
            {
                "host": each.host,
                "restore_point": each.point,
                "number": each.number,
                "outcome": each.outcome,
                "cause": each.cause,
                "reason": each.reason,
                "ended": each.ended,
                "overdue": each.overdue,
                "residue": list(each.residue),
            }
            for each in found.records
        ],
    }
    return json.dumps(data, ensure_ascii=False, indent=2) + "\n"
