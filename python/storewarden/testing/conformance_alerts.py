# SPDX-License-Identifier: GPL-3.0-or-later
"""What every inbox of alerts promises, as tests.

Inherit from ``InboxConformance`` in a pytest module and give one fixture: ``inbox``, an empty
``AlertInbox`` that decides about nothing by itself.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from storewarden.domain.healing.alert import Alert, Delivery, Signal
from storewarden.ports.alerts import AlertInbox, Received

NOW = datetime(2026, 11, 21, 19, 30, tzinfo=UTC)
_MINUTE = timedelta(minutes=1)


def alert(
    fingerprint: str = "63c2cf583b4982f5",
    *,
    source: str = "shop",
    signal: Signal = Signal.FIRING,
    began: datetime = NOW - _MINUTE,
    labels: Mapping[str, str] | None = None,
) -> Alert:
    """One alert of a till that does not answer."""
    return Alert(
        source=source,
        fingerprint=fingerprint,
        starts_at=began,
        signal=signal,
        name="PosEndpointDown",
        labels=labels or {"alertname": "PosEndpointDown", "host": "pos01.000101"},
        annotations={"summary": "POS-01 of store 000101 does not answer\n第二行 “引号” \ufffd"},
        ends_at=NOW if signal is Signal.RESOLVED else None,
        expression='probe_success{job="pos-http"} == 0',
        url="http://prometheus.example.com/graph",
    )


def delivery(*alerts: Alert, source: str = "shop") -> Delivery:
    """One request with these."""
    return Delivery(source=source, alerts=alerts)


class InboxConformance:
    """The suite."""

    def test_an_alert_is_new_once(self, inbox: AlertInbox) -> None:
        """However often it is sent, and from however many routes."""
        first = inbox.receive(delivery(alert()), NOW)
        assert first == Received(new=(alert().key,))
        for minute in range(1, 4):
            again = inbox.receive(delivery(alert()), NOW + minute * _MINUTE)
            assert again == Received(repeated=1)
        assert inbox.backlog() == 1

    def test_the_same_alert_later_is_another_one(self, inbox: AlertInbox) -> None:
        """It began again; so it is with another sender's."""
        inbox.receive(delivery(alert()), NOW)
        later = inbox.receive(delivery(alert(began=NOW)), NOW)
        other = inbox.receive(delivery(alert(source="other"), source="other"), NOW)
        assert (len(later.new), len(other.new)) == (1, 1)
        assert inbox.backlog() == 3

    def test_a_group_with_both_is_taken_apart(self, inbox: AlertInbox) -> None:
        """One is over, one still fires, one is new."""
        inbox.receive(delivery(alert("a"), alert("b")), NOW)
        told = inbox.receive(
            delivery(alert("a", signal=Signal.RESOLVED), alert("b"), alert("c")), NOW
        )
        assert told.resolved == (alert("a").key,)
        assert told.new == (alert("c").key,)
        assert told.repeated == 2
        assert {each.fingerprint for each in inbox.firing("shop")} == {"b", "c"}

    def test_it_is_over_once(self, inbox: AlertInbox) -> None:
        """The second word that it is over ends nothing."""
        inbox.receive(delivery(alert()), NOW)
        over = delivery(alert(signal=Signal.RESOLVED))
        assert inbox.receive(over, NOW).resolved == (alert().key,)
        assert inbox.receive(over, NOW).resolved == ()
        assert inbox.firing("shop") == ()

    def test_over_without_a_beginning_is_kept_and_never_fires(self, inbox: AlertInbox) -> None:
        """Nobody ever said that it was on; and a late repetition does not light it again."""
        told = inbox.receive(delivery(alert(signal=Signal.RESOLVED)), NOW)
        assert told == Received(new=(alert().key,))
        assert inbox.receive(delivery(alert()), NOW + _MINUTE) == Received(repeated=1)
        assert inbox.firing("shop") == ()

    def test_what_fires_long_after_its_end_is_not_over(self, inbox: AlertInbox) -> None:
        """The line to the sender was cut, and it called the alert over; it never was."""
        inbox.receive(delivery(alert()), NOW)
        inbox.receive(delivery(alert(signal=Signal.RESOLVED)), NOW + _MINUTE)
        told = inbox.receive(delivery(alert()), NOW + 4 * _MINUTE)
        assert told == Received(new=(alert().key,), repeated=1)
        assert len(inbox.firing("shop")) == 1
        assert inbox.backlog() == 1
        again = inbox.receive(delivery(alert()), NOW + 9 * _MINUTE)
        assert again == Received(repeated=1)

    def test_who_is_asked_is_believed_at_once(self, inbox: AlertInbox) -> None:
        inbox.receive(delivery(alert(signal=Signal.RESOLVED)), NOW)
        found = replace(delivery(alert()), polled=True)
        assert inbox.receive(found, NOW + timedelta(seconds=1)).new == (alert().key,)

    def test_an_event_with_a_number_of_its_own_begins_once(self, inbox: AlertInbox) -> None:
        """Its message was late; only its sender, asked, can say that it is on."""
        event = replace(alert(), once=True)
        over = replace(event, signal=Signal.RESOLVED)
        inbox.receive(delivery(over), NOW)
        assert inbox.receive(delivery(event), NOW + 9 * _MINUTE).new == ()
        found = replace(delivery(event), polled=True)
        assert inbox.receive(found, NOW + 9 * _MINUTE).new == (event.key,)

    def test_an_acknowledgement_is_no_alert(self, inbox: AlertInbox) -> None:
        """Neither of something unheard of, nor of what is known; nor does it end anything."""
        noted = delivery(alert(signal=Signal.NOTED))
        assert inbox.receive(noted, NOW).new == ()
        assert inbox.backlog() == 0
        inbox.receive(delivery(alert()), NOW)
        assert inbox.receive(noted, NOW).resolved == ()
        assert len(inbox.firing("shop")) == 1

    def test_twice_in_one_request_is_once(self, inbox: AlertInbox) -> None:
        """And "it is over" counts more than "it fires"."""
        assert len(inbox.receive(delivery(alert("a"), alert("a")), NOW).new) == 1
        both = delivery(alert("b"), alert("b", signal=Signal.RESOLVED))
        assert len(inbox.receive(both, NOW).new) == 1
        assert {each.fingerprint for each in inbox.firing("shop")} == {"a"}

    def test_nothing_is_nothing(self, inbox: AlertInbox) -> None:
        """A group without alerts."""
        assert inbox.receive(delivery(), NOW) == Received()
        assert inbox.backlog() == 0

    def test_what_fires_is_told_word_for_word(self, inbox: AlertInbox) -> None:
        """Of one source alone; the text is what it was."""
        inbox.receive(delivery(alert(labels={"alertname": "A", "k": "'; DROP \\ \" 中文 😀"})), NOW)
        inbox.receive(delivery(alert(source="other"), source="other"), NOW)
        (found,) = inbox.firing("shop")
        told = alert(labels={"alertname": "A", "k": "'; DROP \\ \" 中文 😀"})
        assert (found.key, dict(found.labels), dict(found.annotations), found.expression) == (
            told.key,
            dict(told.labels),
            dict(told.annotations),
            told.expression,
        )

    def test_any_time_is_kept(self, inbox: AlertInbox) -> None:
        """The first and the last day that there is."""
        first = datetime(1, 1, 2, tzinfo=UTC)
        last = datetime(9999, 12, 31, 23, 59, 59, 999000, tzinfo=UTC)
        told = inbox.receive(delivery(alert(began=first), alert(began=last)), NOW)
        assert len(told.new) == 2
        assert {each.starts_at for each in inbox.firing("shop")} == {first, last}

    def test_many_at_once(self, inbox: AlertInbox) -> None:
        """As many as one request may have."""
        many = delivery(*(alert(f"f{number}") for number in range(500)))
        assert len(inbox.receive(many, NOW).new) == 500
        assert inbox.receive(many, NOW) == Received(repeated=500)
        assert inbox.backlog() == 500

    def test_two_senders_of_one_alert_make_one(self, inbox: AlertInbox) -> None:
        """A pair of Alertmanagers, at the same moment."""
        new, start = list[str](), threading.Barrier(4)

        def send() -> None:
            start.wait(60)
            new.extend(inbox.receive(delivery(alert("a"), alert("b")), NOW).new)

        threads = [threading.Thread(target=send) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(new) == sorted([alert("a").key, alert("b").key])
