# SPDX-License-Identifier: GPL-3.0-or-later
"""iCalendar: what other programs write is read, what is not understood is refused, and a round
trip changes nothing that matters."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import icalendar
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storewarden.adapters.calendars.folder import CalendarFolder
from storewarden.adapters.calendars.ics import IcsExchange
from storewarden.domain.errors import ConfigInvalid, Refused
from storewarden.domain.maintenance.calendar import Rule, RuleKind, Scope, default_operations
from storewarden.domain.maintenance.grounds import NEEDS_WINDOW, OperationClass
from storewarden.domain.maintenance.interval import Interval, Intervals
from storewarden.domain.maintenance.recurrence import Recurrence, read_rule

WALL = datetime(2026, 1, 1)  # noqa: DTZ001 - a time on the wall
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
SHANGHAI, BERLIN = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")
YEAR = Interval(starts=datetime(2026, 1, 1, tzinfo=UTC), ends=datetime(2027, 1, 1, tzinfo=UTC))

HEAD = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//y//EN\r\n"
TAIL = "END:VCALENDAR\r\n"


def calendar(*lines: str, name: str = "Night work") -> bytes:
    body = [
        "BEGIN:VEVENT", "UID:1@x", "DTSTAMP:20260101T000000Z", f"SUMMARY:{name}", *lines,
        "END:VEVENT",
    ]  # fmt: skip
    return (HEAD + "".join(f"{line}\r\n" for line in body) + TAIL).encode()


def read(data: bytes, kind: RuleKind | None = None) -> tuple[Rule, ...]:
    return IcsExchange().read(data, "night.ics", kind)


def one(*lines: str) -> Rule:
    (rule,) = read(calendar("CATEGORIES:WINDOW", *lines))
    return rule


def expanded(rule: Rule, zone: ZoneInfo = SHANGHAI) -> Intervals:
    return rule.recurrence.expand(ZoneInfo(rule.zone) if rule.zone else zone, YEAR)


# -- reading -----------------------------------------------------------------------


def test_a_time_without_a_zone_is_each_stores_own() -> None:
    rule = one("DTSTART:20260601T230000", "DTEND:20260602T050000", "RRULE:FREQ=DAILY;COUNT=2")
    assert (rule.name, rule.kind, rule.zone, rule.source) == (
        "Night work", RuleKind.WINDOW, "", "night.ics:4",
    )  # fmt: skip
    assert expanded(rule)[0].starts == datetime(2026, 6, 1, 15, tzinfo=UTC)
    assert expanded(rule, BERLIN)[0].starts == datetime(2026, 6, 1, 21, tzinfo=UTC)
    assert rule.operations == NEEDS_WINDOW


def test_zones_by_name_by_outlooks_name_and_utc() -> None:
    for line, zone in (
        ("DTSTART;TZID=Europe/Berlin:20260601T230000", "Europe/Berlin"),
        ("DTSTART;TZID=China Standard Time:20260601T230000", "Asia/Shanghai"),
        ("DTSTART:20260601T230000Z", "UTC"),
    ):
        assert one(line, "DURATION:PT1H").zone == zone


def test_an_end_is_on_the_wall_and_hours_of_a_duration_really_pass() -> None:
    start = "DTSTART;TZID=Europe/Berlin:20260328T230000"  # summer time begins in this night
    (wall,) = expanded(one(start, "DTEND;TZID=Europe/Berlin:20260329T050000"))
    (passing,) = expanded(one(start, "DURATION:PT6H"))
    (day,) = expanded(one("DTSTART;TZID=Europe/Berlin:20260329T000000", "DURATION:P1DT1H"))
    assert (wall.length, passing.length) == (timedelta(hours=5), timedelta(hours=6))
    assert day.length == timedelta(hours=24)  # a day of 23 hours, and one hour


def test_whole_days_and_an_until_in_utc() -> None:
    (rule,) = read(calendar("CATEGORIES:Blackout", "DTSTART;VALUE=DATE:20260630"))
    assert rule.kind is RuleKind.BLACKOUT
    assert expanded(rule)[0].length == timedelta(days=1)
    zoned = one(
        "DTSTART;TZID=Asia/Shanghai:20260601T230000", "DURATION:PT1H",
        "RRULE:FREQ=DAILY;UNTIL=20260603T150000Z",
    )  # fmt: skip
    assert len(expanded(zoned)) == 3


def test_days_left_out_and_added() -> None:
    rule = one(
        "DTSTART;TZID=Asia/Shanghai:20260601T230000", "DURATION:PT1H",
        "RRULE:FREQ=DAILY;COUNT=4", "EXDATE;TZID=Asia/Shanghai:20260602T230000",
        "EXDATE:20260603T150000Z", "RDATE;TZID=Asia/Shanghai:20260610T220000",
    )  # fmt: skip
    days = [f"{each.starts.astimezone(SHANGHAI):%d %H}" for each in expanded(rule)]
    assert days == ["01 23", "04 23", "10 22"]


def test_cancelled_events_are_none_and_what_a_foreign_calendar_is_can_be_said() -> None:
    cancelled = calendar("STATUS:CANCELLED", "DTSTART:20260601T230000", "DURATION:PT1H")
    assert read(cancelled) == ()
    (rule,) = read(calendar("DTSTART;VALUE=DATE:20260630"), RuleKind.CAMPAIGN)
    assert rule.kind is RuleKind.CAMPAIGN


def test_two_events_of_one_name_are_told_apart() -> None:
    event = "BEGIN:VEVENT\r\nUID:{0}\r\nSUMMARY:Work\r\nCATEGORIES:WINDOW\r\n" \
            "DTSTART:202606{0}T230000\r\nDURATION:PT1H\r\nEND:VEVENT\r\n"  # fmt: skip
    data = HEAD + event.format("01") + event.format("08") + TAIL
    rules = read(data.encode())
    assert [rule.name for rule in rules] == ["Work 2026-06-01", "Work 2026-06-08"]
    assert [rule.source for rule in rules] == ["night.ics:4", "night.ics:11"]


GOOD = ("CATEGORIES:WINDOW", "DTSTART:20260601T230000", "DURATION:PT1H")


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (GOOD[1:], "CATEGORIES does not say what it is (one of WINDOW, BLACKOUT, CAMPAIGN, "
         "HOLIDAY, MONTH-END)"),
        (("CATEGORIES:WINDOW,BLACKOUT", *GOOD[1:]), "CATEGORIES says both window and blackout"),
        ((*GOOD, "RRULE:FREQ=HOURLY"), "FREQ=HOURLY is not followed"),
        ((*GOOD, "RRULE:FREQ=WEEKLY;BYDAY=FR"), "DTSTART is not one of the days of its RRULE"),
        ((*GOOD, "RRULE:FREQ=DAILY", "RRULE:FREQ=WEEKLY"), "has more than one RRULE"),
        ((*GOOD, "RRULE:FREQ=DAILY;BYHOUR=1,2"), "BYHOUR is not followed"),
        ((*GOOD, "RECURRENCE-ID:20260601T230000"), "RECURRENCE-ID is not followed"),
        ((*GOOD, "EXRULE:FREQ=DAILY"), "EXRULE is not followed"),
        ((*GOOD, "DTEND:20260602T050000"), "has both DTEND and DURATION"),
        (GOOD[:2], "has no end"),
        ((GOOD[0], GOOD[2]), "has no DTSTART"),
        ((*GOOD[:2], "DTEND:20260601T220000"), "it must end after it starts"),
        ((*GOOD[:2], "DTEND:20260602T050000Z"), "DTSTART and DTEND are in different zones"),
        ((GOOD[0], "DTSTART;TZID=Mars/X:20260601T230000", GOOD[2]),
         "TZID=Mars/X is not a time zone"),
        ((*GOOD, "RDATE;VALUE=PERIOD:20260601T230000/PT1H"), "RDATE with a PERIOD"),
        ((*GOOD, "EXDATE:20260601T230000Z"), "EXDATE has a zone, DTSTART has none"),
        ((*GOOD, "X-STOREWARDEN-SHOP:1"), "X-STOREWARDEN-SHOP is not known"),
        ((*GOOD, "X-STOREWARDEN-OPERATION:painting"), "'painting' is not one"),
        ((GOOD[0], "DTSTART:tonight", GOOD[2]), "DTSTART"),
    ],
)  # fmt: skip
def test_what_is_not_understood_names_file_line_and_event(
    lines: tuple[str, ...], says: str
) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        read(calendar(*lines))
    line = str(caught.value)
    assert line.startswith('night.ics:4: event "Night work": ')
    assert says in line
    assert "\n" not in line


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n",
        b"\xff\xfe\x00",
        b"BEGIN:VTODO\r\nEND:VTODO\r\n",
    ],
)
def test_what_is_no_calendar_is_one_line(data: bytes) -> None:
    with pytest.raises(ConfigInvalid, match=r"^night\.ics: is not iCalendar"):
        read(data)


def test_other_components_are_refused() -> None:
    data = HEAD + "BEGIN:VTODO\r\nUID:1\r\nSUMMARY:Paint\r\nEND:VTODO\r\n" + TAIL
    with pytest.raises(ConfigInvalid, match="VTODO is not followed"):
        read(data.encode())


# -- writing -----------------------------------------------------------------------


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    starts = draw(st.datetimes(WALL, WALL + timedelta(days=360))).replace(
        day=draw(st.integers(1, 28)), second=0, microsecond=0
    )
    texts = ("", "FREQ=DAILY", "FREQ=WEEKLY;BYDAY=MO,FR", "FREQ=MONTHLY;BYMONTHDAY=-2,-1,1",
             "FREQ=DAILY;COUNT=5", "FREQ=WEEKLY;INTERVAL=2;BYDAY=SU;UNTIL=21000101T000000Z",
             "FREQ=DAILY;UNTIL=21000101")  # fmt: skip
    text = draw(st.sampled_from(texts))
    rrule, until = read_rule(text, starts) if text else ("", None)
    length = timedelta(minutes=draw(st.integers(1, 4000)))
    kind = draw(st.sampled_from(list(RuleKind)))
    return Rule(
        name=draw(st.sampled_from(["nights", "夜间, 维护", "a;b\\c", "6.18"])),
        kind=kind,
        recurrence=Recurrence(
            starts=starts,
            rrule=rrule,
            until=until,
            exdates=frozenset(draw(st.sets(st.just(starts + timedelta(days=7))))),
            rdates=frozenset(draw(st.sets(st.just(starts + timedelta(days=3, hours=1))))),
            **{draw(st.sampled_from(["wall", "elapsed"])): length},
        ),
        zone=draw(st.sampled_from(["", "UTC", "Europe/Berlin", "Asia/Shanghai"])),
        scope=Scope(
            stores=frozenset(draw(st.sets(st.sampled_from(["000101", "淮海路店", "a,b"])))),
            roles=frozenset(draw(st.sets(st.sampled_from(["pos", "server"])))),
        ),
        operations=draw(
            st.sampled_from([default_operations(kind), frozenset({OperationClass.PATCH})])
        ),
        note=draw(st.sampled_from(["", "agreed, with the night shift", "与夜班约定"])),
    )


@settings(deadline=None, max_examples=80)
@given(rules())
def test_a_round_trip_changes_nothing(rule: Rule) -> None:
    (back,) = IcsExchange().read(IcsExchange().write([rule], NOW), "back.ics")
    for field in ("name", "kind", "zone", "scope", "operations", "note"):
        assert getattr(back, field) == getattr(rule, field)
    assert back.recurrence.starts == rule.recurrence.aligned().starts
    for zone in (SHANGHAI, BERLIN):
        assert expanded(back, zone) == expanded(rule, zone)


def test_other_programs_can_read_it(tmp_path: Path) -> None:
    begin = WALL.replace(month=6, hour=23)
    rule = Rule(
        name="nights",
        kind=RuleKind.WINDOW,
        recurrence=Recurrence(starts=begin, rrule="FREQ=DAILY", wall=timedelta(hours=6)),
        zone="Europe/Berlin",
        operations=default_operations(RuleKind.WINDOW),
    )
    parsed = icalendar.Calendar.from_ical(IcsExchange().write([rule], NOW))
    (event,) = parsed.walk("VEVENT")
    assert event.decoded("dtstart").utcoffset() == timedelta(hours=2)
    assert event["rrule"].to_ical() == b"FREQ=DAILY"
    assert {"UID", "DTSTAMP", "SUMMARY", "CATEGORIES"} <= set(event)
    assert [str(each["TZID"]) for each in parsed.walk("VTIMEZONE")] == ["Europe/Berlin"]


def test_a_calendar_of_the_folder_is_kept_once(tmp_path: Path) -> None:
    folder = CalendarFolder()
    path = folder.keep(tmp_path / "windows", "night", calendar(*GOOD))
    assert path.name == "night.ics"
    assert [rule.name for rule in folder.read(tmp_path / "windows").rules] == ["Night work"]
    with pytest.raises(Refused, match="is there already"):
        folder.keep(tmp_path / "windows", "night", b"other")
    assert path.read_bytes() == calendar(*GOOD)
