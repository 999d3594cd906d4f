# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets of senders: several at once, exchanged while both are in use, away for a while."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from storewarden.config.healing import AuthConfig, SourceConfig
from storewarden.ports.secrets import Secret
from storewarden.testing.conformance_alerts import NOW
from storewarden.testing.ledger import ManualClock
from storewarden.testing.secrets import MemorySecrets
from storewarden.web.hook_keys import Entry, HookKeys
from tests.web.hook_place import signed

AUTH = AuthConfig(type="bearer", secrets=("file:new", "file:old"))
SIGNED = AuthConfig(type="hmac", secrets=("file:new", "file:old"), timestamp_header="X-Time")
NAMES = ("X-Storewarden-Signature", "X-Time")
A_WHILE = timedelta(seconds=31)


class Place:
    """One source whose secrets a test changes."""

    def __init__(self, auth: AuthConfig = AUTH) -> None:
        self.clock = ManualClock(NOW)
        self.secrets = MemorySecrets({"file:new": "n" * 20, "file:old": "o" * 20})
        sources = {"shop": SourceConfig(kind="generic", auth=auth)}
        self.keys = HookKeys(sources, self.secrets, self.clock)

    def entry(self, token: str, source: str = "shop") -> Entry:
        headers = [(b"authorization", f"Bearer {token}".encode())]
        return self.keys.admit(source, headers).entry

    def confirmed(self, key: str, body: bytes = b"{}") -> bool:
        made = signed(body, key, at=self.clock.now().timestamp(), names=NAMES)
        headers = [(name.lower().encode(), value.encode()) for name, value in made.items()]
        return self.keys.admit("shop", headers).confirms(body)


def test_each_of_several_secrets_opens() -> None:
    place = Place()
    assert [place.entry(letter * 20) for letter in "nox"] == [Entry.OPEN, Entry.OPEN, Entry.CLOSED]
    both = Place(SIGNED)
    assert [both.confirmed(letter * 20) for letter in "nox"] == [True, True, False]


def test_an_exchanged_secret_counts_within_half_a_minute() -> None:
    place = Place()
    place.entry("n" * 20)
    place.secrets.values["file:old"] = "z" * 20
    assert place.entry("z" * 20) is Entry.CLOSED
    place.clock.advance(A_WHILE)
    assert place.entry("z" * 20) is Entry.OPEN
    assert place.entry("o" * 20) is Entry.CLOSED


def test_a_vault_that_is_away_changes_nothing_for_those_who_were_known() -> None:
    place = Place()
    assert place.entry("n" * 20) is Entry.OPEN
    place.secrets.away = True
    place.clock.advance(A_WHILE)
    assert place.entry("n" * 20) is Entry.OPEN
    assert place.entry("x" * 20) is Entry.CLOSED
    assert place.entry("n" * 20, "nobody") is Entry.CLOSED


def test_before_the_first_reading_nobody_can_say_who_anybody_is() -> None:
    place = Place()
    place.secrets.away = True
    assert place.entry("n" * 20) is Entry.UNKNOWN
    assert place.entry("n" * 20, "nobody") is Entry.UNKNOWN
    place.secrets.away = False
    place.clock.advance(A_WHILE)
    assert place.entry("n" * 20) is Entry.OPEN


def test_strangers_cause_no_more_questions_to_the_vault_than_others() -> None:
    place = Place()
    for name in ("shop", "nobody", "a", "b"):
        place.entry("x", name)
    assert place.secrets.reads == ["file:new", "file:old"]


def test_an_admission_shows_no_key() -> None:
    place = Place(SIGNED)
    made = signed(b"{}", "n" * 20, at=NOW.timestamp(), names=NAMES)
    headers = [(name.lower().encode(), value.encode()) for name, value in made.items()]
    admission = place.keys.admit("shop", headers)
    assert admission.entry is Entry.SIGNED
    assert "n" * 20 not in repr(admission)


@pytest.mark.parametrize("token", ["", " ", "ä" * 20, "n" * 20 + "n", "N" * 20])
def test_nearly_right_is_wrong(token: str) -> None:
    assert Place().entry(token) is Entry.CLOSED


def test_a_vault_that_is_slow_holds_up_nobody_but_who_asks_it() -> None:
    """Strangers' requests must not take all threads of the service."""
    place = Place()
    assert place.entry("n" * 20) is Entry.OPEN
    place.clock.advance(A_WHILE)
    slow = _SlowSecrets(place.secrets)
    keys = HookKeys({"shop": SourceConfig(kind="generic", auth=AUTH)}, slow, place.clock)
    header = [(b"authorization", b"Bearer " + b"n" * 20)]
    slow.open.set()
    assert keys.admit("shop", header).entry is Entry.OPEN
    slow.open.clear()
    place.clock.advance(A_WHILE)
    reader = threading.Thread(target=keys.admit, args=("shop", header))
    reader.start()
    try:
        assert slow.asked.wait(30)
        assert keys.admit("shop", header).entry is Entry.OPEN, "judged by what is known"
    finally:
        slow.open.set()
        reader.join(30)
    assert not reader.is_alive()


class _SlowSecrets:
    """Answers when ``open`` is set; ``asked`` as soon as somebody waits for it."""

    def __init__(self, kept: MemorySecrets) -> None:
        self._kept = kept
        self.open, self.asked = threading.Event(), threading.Event()

    def read(self, reference: str) -> Secret:
        """The secret, late."""
        if not self.open.is_set():
            self.asked.set()
        assert self.open.wait(30)
        return self._kept.read(reference)
