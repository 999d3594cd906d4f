# SPDX-License-Identifier: GPL-3.0-or-later
"""What a webhook lost is found by asking, and nothing is called over too early."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from storewarden.domain.errors import AdapterError, Refused
from storewarden.domain.healing.alert import Alert, Delivery, Signal
from storewarden.flows.alert_intake import AlertIntake, IntakeParts, TooManyWait
from storewarden.flows.alert_poll import AlertPoll, PollParts
from storewarden.ports.alerts import AlertsMalformed
from storewarden.testing.alerts import MemoryInbox, MemorySource
from storewarden.testing.conformance_alerts import NOW, alert, delivery
from storewarden.testing.engine import ManualEngine
from storewarden.testing.ledger import ManualClock
from tests.unit.alerts import payloads

MINUTE = timedelta(minutes=1)


class Place:
    """A source, an inbox and the duty between them."""

    def __init__(self) -> None:
        self.inbox = MemoryInbox()
        self.source = MemorySource(name="shop")
        self.duty = AlertPoll(PollParts(source=self.source, inbox=self.inbox))
        self.now = NOW

    def polls(self, times: int = 1) -> None:
        """So many minutes go by."""
        for _ in range(times):
            self.duty.tick(self.now)
            self.now += MINUTE

    def firing(self) -> set[str]:
        return {each.fingerprint for each in self.inbox.firing("shop")}


@pytest.fixture
def place() -> Place:
    return Place()


def test_what_was_lost_is_found_once(place: Place) -> None:
    place.source.alerts = [alert("a"), alert("b", signal=Signal.NOTED)]
    place.inbox.receive(delivery(alert("a")), NOW)
    place.source.alerts.append(alert("c"))
    place.polls(3)
    assert place.firing() == {"a", "c"}
    assert place.inbox.kept[alert("a").key].seen == 1  # a poll is no repetition


def test_what_is_gone_for_three_minutes_is_over(place: Place) -> None:
    place.inbox.receive(delivery(alert("a"), alert("b")), NOW)
    place.source.alerts = [alert("b")]
    place.polls(3)
    assert place.firing() == {"a", "b"}
    place.polls()
    assert place.firing() == {"b"}
    (told,) = place.inbox.deliveries[-1].alerts
    assert (told.signal, told.ends_at) == (Signal.RESOLVED, NOW + 3 * MINUTE)


def test_what_was_called_over_and_fires_there_is_told_again(place: Place) -> None:
    place.source.alerts = [alert("a")]
    place.inbox.receive(delivery(alert("a")), NOW)
    place.inbox.receive(delivery(alert("a", signal=Signal.RESOLVED)), NOW)
    place.polls()
    assert place.firing() == {"a"}


def test_while_too_many_wait_nothing_new_is_taken(place: Place) -> None:
    place.inbox.receive(delivery(alert("gone")), NOW)
    place.source.alerts = [alert("a")]
    place.inbox.extra = 10_001
    place.polls(4)
    assert place.firing() == set(), "what is over is taken all the same"
    place.inbox.extra = 0
    place.polls()
    assert place.firing() == {"a"}


def test_what_was_found_is_decided_about_at_once() -> None:
    woken, source = list[str](), MemorySource(name="shop", alerts=[alert("a")])
    parts = PollParts(source=source, inbox=MemoryInbox(), decides=lambda: woken.append("healing"))
    duty = AlertPoll(parts)
    duty.tick(NOW)
    duty.tick(NOW + MINUTE)
    assert woken == ["healing"]


def test_an_alertmanager_that_was_restarted_ends_nothing(place: Place) -> None:
    """It knows nothing until it is told again."""
    place.inbox.receive(delivery(alert("a")), NOW)
    for _ in range(5):
        place.source.alerts = []
        place.polls(2)
        place.source.alerts = [alert("a")]
        place.polls()
    assert place.firing() == {"a"}


def test_silenced_is_not_over(place: Place) -> None:
    place.inbox.receive(delivery(alert("a")), NOW)
    place.source.alerts = [alert("a", signal=Signal.NOTED)]
    place.polls(10)
    assert place.firing() == {"a"}


def test_a_source_that_is_away_ends_nothing_and_the_duty_comes_again(place: Place) -> None:
    place.inbox.receive(delivery(alert("a")), NOW)
    engine = ManualEngine(ManualClock(NOW))
    place.source.trouble = AdapterError("not reached", where="am:9093", retryable=True)
    engine.start([place.duty])
    engine.pass_time(timedelta(hours=1))
    told = engine.status()["alerts:shop"]
    assert told["last_error"] == "am:9093: not reached"
    assert place.firing() == {"a"}
    place.source.trouble = None
    place.source.alerts = [alert("a"), alert("b")]
    engine.pass_time(2 * MINUTE)
    assert place.firing() == {"a", "b"}
    assert engine.status()["alerts:shop"]["failures"] == 0


def test_other_sources_are_left_alone(place: Place) -> None:
    place.inbox.receive(delivery(alert("a", source="other"), source="other"), NOW)
    place.polls(10)
    assert len(place.inbox.firing("other")) == 1


def test_thousands_come_in_portions(place: Place) -> None:
    place.source.alerts = [alert(f"f{number}") for number in range(1234)]
    place.polls()
    assert [len(each.alerts) for each in place.inbox.deliveries] == [500, 500, 234]
    place.source.alerts = []
    place.polls(4)
    assert place.firing() == set()


# What a request goes through before the poll is needed.


class Woken(list[str]):
    """The duties that were woken."""


class Said:
    """A reader that says what a test wants."""

    kind = "said"

    def __init__(self, *alerts: Alert, missing: int = 0) -> None:
        self._alerts, self._missing = alerts, missing

    def read(self, source: str, body: bytes, now: object) -> Delivery:
        return Delivery(source=source, alerts=self._alerts, missing=self._missing)


def intake(inbox: MemoryInbox, woken: Woken, said: Said, backlog: int = 10) -> AlertIntake:
    return AlertIntake(
        IntakeParts(
            readers={"shop": said, "quiet": said},
            inbox=inbox,
            clock=ManualClock(NOW),
            polled={"shop"},
            wake=woken.append,
            backlog=backlog,
        )
    )


def test_what_was_left_out_is_asked_for_at_once_where_that_is_possible() -> None:
    woken, inbox = Woken(), MemoryInbox()
    cut = intake(inbox, woken, Said(alert("a"), missing=3))
    cut.take("quiet", b"")
    assert woken == []
    cut.take("shop", b"")
    assert woken == ["alerts:shop"]


def test_of_very_many_all_are_kept_those_that_fire_first() -> None:
    """Whoever cannot be asked has no other way to say them again."""
    woken, inbox = Woken(), MemoryInbox()
    over = [alert(f"o{number}", signal=Signal.RESOLVED) for number in range(400)]
    on = [alert(f"f{number}") for number in range(300)]
    taken = intake(inbox, woken, Said(*over, *on, missing=7)).take("shop", b"")
    assert len(taken.received.new) == 700
    assert taken.delivery.missing == 7
    assert [len(each.alerts) for each in inbox.deliveries] == [500, 200]
    assert len(inbox.firing("shop")) == 300
    assert woken == ["alerts:shop"]


def test_of_very_many_the_end_of_one_alert_is_not_turned_round() -> None:
    woken, inbox = Woken(), MemoryInbox()
    filler = [alert(f"f{number}") for number in range(600)]
    both = (alert("a"), replace(alert("a"), signal=Signal.RESOLVED))
    intake(inbox, woken, Said(*both, *filler)).take("shop", b"")
    assert "a" not in {each.fingerprint for each in inbox.firing("shop")}
    assert len(inbox.firing("shop")) == 600


def test_above_the_backlog_only_what_is_over_is_taken() -> None:
    woken, inbox = Woken(), MemoryInbox()
    inbox.extra = 11
    with pytest.raises(TooManyWait) as refused:
        intake(inbox, woken, Said(alert("a"))).take("shop", b"")
    assert refused.value.retryable
    over = replace(alert("a"), signal=Signal.RESOLVED)
    assert len(intake(inbox, woken, Said(over)).take("shop", b"").received.new) == 1
    inbox.extra = 9
    assert len(intake(inbox, woken, Said(alert("b"))).take("shop", b"").received.new) == 1


def test_a_source_that_is_none_is_refused() -> None:
    with pytest.raises(Refused):
        intake(MemoryInbox(), Woken(), Said()).take("other", b"")


def test_a_body_that_is_none_reaches_no_inbox() -> None:
    inbox = MemoryInbox()
    reader = payloads.alert_reader("alertmanager", {}, "healing.sources.shop")
    parts = IntakeParts(readers={"shop": reader}, inbox=inbox, clock=ManualClock(NOW))
    with pytest.raises(AlertsMalformed):
        AlertIntake(parts).take("shop", b"{}")
    assert inbox.deliveries == []
