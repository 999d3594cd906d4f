# SPDX-License-Identifier: GPL-3.0-or-later
"""When a channel is told: nothing is lost, the order stays, a storm is one message."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storewarden.domain.outbox.bulletin import Bulletin
from storewarden.domain.outbox.digest import ChannelRules, Plan, hears, plan_messages
from storewarden.domain.outbox.notice import Notice, Severity
from storewarden.domain.outbox.quiet import quiet_hours
from tests.amount import examples
from tests.unit.outbox.outbox_words import NOW, SHANGHAI, notice

MINUTE = timedelta(minutes=1)
RULES = ChannelRules(name="ops", zone=SHANGHAI)
NIGHTLY = replace(RULES, quiet=quiet_hours("22:00-07:30", SHANGHAI))
MIDNIGHT = datetime(2026, 6, 1, 16, 0, tzinfo=UTC)  # 00:00 in Shanghai


def plan(
    notices: Sequence[Notice],
    now: datetime,
    *,
    rules: ChannelRules = RULES,
    through: int = 0,
    last_sent: datetime | None = None,
) -> Plan:
    last = through or max((each.sequence for each in notices), default=0)
    return plan_messages(notices, rules, through=last, last_sent=last_sent, now=now)


def sent(made: Plan) -> Bulletin:
    assert made.bulletin is not None
    return made.bulletin


def test_nothing_to_tell_moves_on() -> None:
    assert plan([], NOW, through=40) == Plan(bulletin=None, through=40)


def test_what_can_wait_is_collected_for_the_interval() -> None:
    notices = [notice(3), notice(5, at=NOW + MINUTE)]
    waiting = plan(notices, NOW + 4 * MINUTE, through=9)
    assert waiting == Plan(bulletin=None, through=2, wait_until=NOW + 5 * MINUTE)
    done = plan(notices, NOW + 5 * MINUTE, through=9)
    assert (sent(done).counted, done.through, done.wait_until) == ((3, 5), 9, None)


def test_the_next_message_keeps_its_distance() -> None:
    late = plan([notice(3)], NOW + 5 * MINUTE, last_sent=NOW + 3 * MINUTE)
    assert late.wait_until == NOW + 8 * MINUTE


def test_something_urgent_goes_at_once_and_takes_along_what_waits() -> None:
    made = plan([notice(3), notice(4, severity=Severity.URGENT)], NOW, through=6)
    assert sent(made).counted == (3, 4)
    assert sent(made).urgent
    assert made.through == 6


def test_more_urgent_news_within_a_minute_share_the_next_message() -> None:
    urgent = [notice(4, severity=Severity.URGENT)]
    made = plan(urgent, NOW + 10 * timedelta(seconds=1), last_sent=NOW)
    assert (made.bulletin, made.wait_until) == (None, NOW + MINUTE)
    assert sent(plan(urgent, NOW + MINUTE, last_sent=NOW)).counted == (4,)


def test_quiet_hours_hold_back_until_their_end() -> None:
    made = plan([notice(3, at=MIDNIGHT)], MIDNIGHT + timedelta(hours=1), rules=NIGHTLY)
    assert (made.bulletin, made.through) == (None, 2)
    assert made.wait_until == MIDNIGHT + timedelta(hours=7, minutes=30)
    assert sent(plan([notice(3, at=MIDNIGHT)], made.wait_until, rules=NIGHTLY)).counted == (3,)


def test_an_interval_that_ends_in_quiet_hours_waits_for_the_morning() -> None:
    evening = datetime(2026, 6, 1, 13, 58, tzinfo=UTC)  # 21:58 in Shanghai
    made = plan([notice(3, at=evening)], evening, rules=NIGHTLY)
    assert made.wait_until == MIDNIGHT + timedelta(hours=7, minutes=30)


def test_something_urgent_passes_quiet_hours() -> None:
    urgent = [notice(3, at=MIDNIGHT, severity=Severity.URGENT)]
    assert sent(plan(urgent, MIDNIGHT, rules=NIGHTLY)).urgent


def test_without_end_there_is_nothing_to_wait_for() -> None:
    silent = replace(RULES, quiet=quiet_hours("00:00-24:00", SHANGHAI))
    made = plan([notice(3)], NOW, rules=silent)
    assert made == Plan(bulletin=None, through=2, wait_until=None)


def test_a_clock_that_was_put_back_holds_nothing_back() -> None:
    tomorrow = NOW + timedelta(days=1)
    assert sent(plan([notice(3, at=tomorrow)], NOW, last_sent=tomorrow)).counted == (3,)


@pytest.mark.parametrize(
    ("rules", "heard"),
    [
        ({}, True),
        ({"severities": frozenset({Severity.WARNING})}, True),
        ({"severities": frozenset({Severity.INFO})}, False),
        ({"kinds": ("change",)}, True),
        ({"kinds": ("change paused", "audit")}, True),
        ({"kinds": ("change pause",)}, False),
        ({"kinds": ("audit",)}, False),
        ({"regions": frozenset({"华东", "西北"})}, True),
        ({"regions": frozenset({"西北"})}, False),
        ({"roles": frozenset({"it"})}, True),
        ({"roles": frozenset({"business"})}, False),
    ],
)
def test_what_a_channel_hears(rules: dict[str, object], heard: bool) -> None:
    told = notice(
        1, severity=Severity.WARNING, kind="change paused", regions=frozenset({"华东"}),
        roles=("it",),
    )  # fmt: skip
    assert hears(replace(RULES, **rules), told) is heard  # type: ignore[arg-type]


def test_what_concerns_no_region_goes_only_where_none_is_asked_for() -> None:
    assert not hears(replace(RULES, regions=frozenset({"华东"})), notice(1))


@dataclass
class Channel:
    """A channel with its cursor, as the controller keeps it."""

    rules: ChannelRules
    cursor: int = 0
    last_sent: datetime | None = None
    messages: list[tuple[datetime, Bulletin]] = field(default_factory=list)

    def tick(self, journal: Sequence[Notice], upto: int, now: datetime) -> Plan:
        waiting = [each for each in journal if self.cursor < each.sequence <= upto]
        made = plan_messages(
            waiting, self.rules, through=max(self.cursor, upto), last_sent=self.last_sent, now=now
        )
        if made.bulletin:
            self.messages.append((now, made.bulletin))
            self.last_sent = now
        assert made.through >= self.cursor
        self.cursor = made.through
        return made


entries = st.lists(
    st.tuples(
        st.integers(0, 3),  # how many entries that tell nothing lie before it
        st.integers(0, 40),  # minutes since the one before
        st.sampled_from([Severity.INFO, Severity.INFO, Severity.WARNING, Severity.URGENT]),
    ),
    max_size=60,
)


@settings(max_examples=examples(150), deadline=None)
@given(
    entries=entries,
    steps=st.lists(st.integers(1, 90), max_size=40),
    quiet=st.sampled_from(["", "22:00-07:30", "08:00-20:00"]),
    every=st.integers(0, 30),
    deaf=st.booleans(),
)
def test_nothing_is_lost_told_twice_or_out_of_order(
    entries: list[tuple[int, int, Severity]],
    steps: list[int],
    quiet: str,
    every: int,
    deaf: bool,
) -> None:
    journal: list[Notice] = []
    sequence, at = 0, NOW
    for gap, minutes, severity in entries:
        sequence, at = sequence + gap + 1, at + minutes * MINUTE
        journal.append(notice(sequence, severity=severity, at=at))
    rules = replace(RULES, every=every * MINUTE, quiet=quiet_hours(quiet, SHANGHAI))
    if deaf:
        rules = replace(rules, severities=frozenset({Severity.WARNING, Severity.URGENT}))
    channel = Channel(rules)
    now = NOW
    for step in steps:
        written = [each.sequence for each in journal if each.at <= now]
        made = channel.tick(journal, max(written, default=0), now)
        assert made.wait_until is None or made.wait_until > now
        now += step * MINUTE
    for _ in range(10):  # until everything has gone out
        now = max(now, at) + timedelta(days=1)
        made = channel.tick(journal, sequence, now)
        if made.wait_until:
            channel.tick(journal, sequence, made.wait_until)
    counted = [number for _, message in channel.messages for number in message.counted]
    assert counted == [each.sequence for each in journal if hears(rules, each)]
    assert channel.cursor == sequence


@settings(max_examples=examples(80), deadline=None)
@given(entries=entries, quiet=st.sampled_from(["22:00-07:30", "08:00-20:00"]))
def test_waking_at_the_time_that_was_said_is_enough(
    entries: list[tuple[int, int, Severity]], quiet: str
) -> None:
    """Ticking at every entry and at every wait_until: intervals and quiet hours are kept."""
    journal: list[Notice] = []
    at = NOW
    for number, (_, minutes, severity) in enumerate(entries, 1):
        at += minutes * MINUTE
        journal.append(notice(number, severity=severity, at=at))
    hours = quiet_hours(quiet, SHANGHAI)
    assert hours is not None
    channel = Channel(replace(RULES, quiet=hours))
    wake: datetime | None = None
    for each in journal:
        while wake is not None and wake < each.at:
            wake = channel.tick(journal, each.sequence - 1, wake).wait_until
        wake = channel.tick(journal, each.sequence, each.at).wait_until
    while wake is not None:
        wake = channel.tick(journal, len(journal), wake).wait_until
    assert sum(len(message.counted) for _, message in channel.messages) == len(journal)
    for now, message in channel.messages:
        assert message.urgent or not hours.quiet_at(now)
    times = [now for now, _ in channel.messages]
    assert all(b - a >= MINUTE for a, b in pairwise(times))


def test_a_storm_of_a_thousand_is_one_message() -> None:
    channel = Channel(RULES)
    journal = [notice(n, at=NOW + timedelta(milliseconds=n)) for n in range(1, 1001)]
    wake = NOW + timedelta(seconds=2)
    for _ in range(100):  # a tick every two seconds while it rages and after
        channel.tick(journal, 1000, wake)
        wake += timedelta(seconds=5)
    assert [len(message.counted) for _, message in channel.messages] == [1000]
