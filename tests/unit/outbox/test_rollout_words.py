# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of a rollout: on tickets, in notifications, to who watches."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from storewarden.domain.gates.verdict import Outcome, Verdict
from storewarden.domain.outbox import rollout_terms as terms
from storewarden.domain.outbox.notice import Context, Event, Severity
from storewarden.domain.outbox.rollout_words import note_of_rollout, story_line
from storewarden.domain.outbox.telling import notice_of
from storewarden.domain.outbox.ticket import Voice
from storewarden.domain.rollout import events as e
from storewarden.domain.rollout.authority import SUPERSEDE
from storewarden.domain.rollout.orders import ORDERS
from storewarden.domain.rollout.plain import KINDS, body_of, entry_kind
from storewarden.domain.rollout.record import (
    Cause,
    HostState,
    Phase,
    RolloutState,
    WaveState,
)

AT = datetime(2026, 6, 1, 14, 0, tzinfo=UTC)
NUMBER = "GMBG-20260601-001-R1"
ZONE = ZoneInfo("Asia/Shanghai")


def event(what: e.Happening, by: str = "storewarden") -> Event:
    told = e.RolloutEvent(number=NUMBER, at=AT, by=by, what=what)
    return Event(sequence=7, at=AT, kind=entry_kind(told), run=NUMBER, body=body_of(told))


def said(what: e.Happening, language: str = "en", by: str = "storewarden") -> str:
    return note_of_rollout(event(what, by), "ab" * 32, Voice(language=language, zone=ZONE))


def test_every_kind_of_entry_has_a_line_except_the_counting_of_trade() -> None:
    without = {kind for kind in KINDS if story_line(f"rollout {kind}", {}) is None}
    assert without == {"soak counted"}


@pytest.mark.parametrize(
    ("table", "members"),
    [
        (terms.STATES, RolloutState),
        (terms.WAVES, WaveState),
        (terms.HOSTS, HostState),
        (terms.PHASES, Phase),
        (terms.REPORTS, e.Report),
        (terms.OUTCOMES, Outcome),
    ],
)
def test_every_state_has_a_word_in_both_languages(table: dict[str, object], members: type) -> None:
    assert set(table) == {each.value for each in members}  # type: ignore[attr-defined]


def test_every_order_has_a_word() -> None:
    assert set(terms.ORDERS) == {*ORDERS, SUPERSEDE}


def test_a_judgement_is_told_gate_by_gate_with_its_reason_and_the_journal_entry() -> None:
    verdicts = (
        Verdict(gate="probe", outcome=Outcome.PASS, reason="12 of 12 hosts verified"),
        Verdict(gate="web", outcome=Outcome.FAIL, reason="4 % 5xx", reason_zh="5xx 占 4 %"),
    )
    note = said(e.Judged(wave=1, verdicts=verdicts))
    assert note.splitlines()[0] == f"2026-06-01 22:00:00 +08:00  {NUMBER}"
    assert "gates of wave 1: fail: 4 % 5xx" in note
    assert "  probe: pass: 12 of 12 hosts verified" in note
    assert note.endswith(f"[journal entry 7: {'ab' * 32}]")
    assert "  web：不通过：5xx 占 4 %" in said(e.Judged(wave=1, verdicts=verdicts), "zh")


def test_who_ordered_what_and_why_and_what_was_refused() -> None:
    given = said(e.Ordered(order="pause", reason="tills are slow"), by="wei")
    assert "(wei)" in given
    assert "order: pause: tills are slow" in given
    refused = said(e.Ordered(order="promote", reason="go", accepted=False, refusal="not held"))
    assert "order refused: promote: not held" in refused


def test_reports_of_a_shard_are_told_by_what_the_hosts_said() -> None:
    reports = (
        *(e.HostReport(host=f"pos{n}", report=e.Report.VERIFIED) for n in range(7)),
        e.HostReport(host="sv1", report=e.Report.RESTORED, reason="nginx is down"),
    )
    what = e.Reported(dispatch=f"{NUMBER}-d3", phase=Phase.JUDGE, reports=reports)
    line = story_line("rollout reported", event(what).body)
    assert line is not None
    assert line.en == (
        "verify: 7 hosts (pos0, pos1, pos2 ...) verified; sv1 restored: nginx is down"
    )


def test_what_holds_it_is_told_with_its_end_on_the_sites_clock() -> None:
    what = e.Moved(
        to=RolloutState.HELD_WINDOW, reason="stores are open", until=AT + timedelta(hours=2)
    )
    assert "waits for its window: stores are open; until 2026-06-02 00:00" in said(what)


@pytest.mark.parametrize(
    ("what", "severity"),
    [
        (e.RollbackBegan(cause=Cause.GATE, reason="4 % 5xx"), Severity.URGENT),
        (e.WaveMoved(wave=2, to=WaveState.HELD, reason="no trade"), Severity.WARNING),
        (e.Moved(to=RolloutState.PAUSED, reason="all silent"), Severity.URGENT),
        (e.Moved(to=RolloutState.COMPLETED), Severity.INFO),
        (e.Moved(to=RolloutState.ROLLED_BACK_WITH_DEBT), Severity.URGENT),
    ],
)
def test_people_hear_of_what_needs_them(what: e.Happening, severity: Severity) -> None:
    notice = notice_of(event(what), Context())
    assert notice is not None
    assert notice.words.severity is severity
    assert f"storewarden rollout status {NUMBER}" in notice.words.next.en
    assert notice.words.title.zh
    assert notice.words.title.zh != notice.words.title.en


@pytest.mark.parametrize(
    ("what", "by"),
    [
        (e.WaveBegan(wave=1), "storewarden"),
        (e.Moved(to=RolloutState.RUNNING), "storewarden"),
        (e.Moved(to=RolloutState.PAUSED, reason="look"), "wei"),  # who paused it knows
    ],
)
def test_people_do_not_hear_of_the_rest(what: e.Happening, by: str) -> None:
    assert notice_of(event(what, by), Context()) is None
