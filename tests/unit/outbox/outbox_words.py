# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes, entries and notices for tests of what is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from storewarden.domain.change.record import (
    Change,
    Draft,
    Item,
    Kind,
    Risk,
    Span,
    State,
)
from storewarden.domain.outbox.notice import Context, Event, Notice, Severity, Text, Words
from storewarden.domain.outbox.telling import notice_of

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 6, 1, 10, 0, tzinfo=UTC)  # 18:00 in Shanghai
NUMBER = "GMBG-20260601-001"
LEADS_ROLES = ("operations_lead", "security_lead")


def must(made: Notice | None) -> Notice:
    """The notice that has to be there."""
    assert made is not None
    return made


def change(**more: Any) -> Change:
    """A major change on ten hosts of five stores in two regions."""
    items = tuple(
        Item(host=f"pos{n:02d}.{store}", store=store, region=region, role="pos")
        for store, region in (
            ("000101", "华东"), ("000102", "华东"), ("000103", "华东"),
            ("000104", "华南"), ("000105", "华南"),
        )
        for n in (1, 2)
    )  # fmt: skip
    draft = Draft(
        summary="POS 终端 6 月安全补丁",
        kind=Kind.MAJOR,
        risk=Risk.HIGH,
        reason="CVE",
        items=items,
        window=Span(starts=NOW + timedelta(hours=5), ends=NOW + timedelta(hours=11)),
    )
    facts: dict[str, Any] = {
        "number": NUMBER,
        "version": 1,
        "state": State.REQUESTED,
        "draft": draft,
        "requester": "li.na",
        "opened_at": NOW,
        "owner": "wang.fang",
        **more,
    }
    return Change(**facts)


def told(
    kind: str,
    body: dict[str, object] | None = None,
    *,
    waiting: tuple[str, ...] = (),
    subject: Change | None = None,
    sequence: int = 7,
) -> Notice | None:
    """What the entry of one event of a change tells."""
    event = Event(
        sequence=sequence,
        at=NOW,
        kind=f"change {kind}",
        run=NUMBER,
        body={"by": "zhang.wei", "at": NOW.isoformat(), **(body or {})},
    )
    context = Context(change=subject or change(), waiting=waiting, zone=SHANGHAI)
    return notice_of(event, context)


def notice(
    sequence: int,
    *,
    severity: Severity = Severity.INFO,
    at: datetime = NOW,
    kind: str = "change opened",
    regions: frozenset[str] = frozenset(),
    roles: tuple[str, ...] = (),
    run: str = "",
    report: bool = False,
) -> Notice:
    """A notice with words of no meaning."""

    def both(text: str) -> Text:
        return Text(en=text, zh=f"中{text}")

    words = Words(
        severity=severity,
        label=both(f"label {severity.name}"),
        title=both(f"title {sequence}"),
        what=both(f"what {sequence}"),
        where=both(f"where {sequence}"),
        done=both(f"done {sequence}"),
        next=both(f"next {sequence}"),
        roles=roles,
        regions=regions,
        report=report,
    )
    return Notice(sequence=sequence, at=at, kind=kind, run=run or f"run-{sequence}", words=words)
