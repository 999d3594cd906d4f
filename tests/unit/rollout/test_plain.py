# SPDX-License-Identifier: GPL-3.0-or-later
"""Rollouts and events as JSON data and back."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import get_args

import pytest

from storewarden.domain.rollout import events as e
from storewarden.domain.rollout.plain import (
    KINDS,
    body_of,
    entry_kind,
    event_of,
    plain_head,
    plain_host,
    plain_spec,
    typed_host,
    typed_rollout,
    typed_spec,
    word_of,
)
from storewarden.domain.rollout.record import HostRecord
from storewarden.domain.rollout.spec import Soak
from tests.unit.rollout.chain import NIGHT, NUMBER, Driver, opened, spec


def test_every_happening_has_a_word_of_its_own() -> None:
    assert set(KINDS.values()) == set(get_args(e.Happening.__value__))
    assert word_of(e.WaveBegan) == word_of(e.WaveBegan(wave=1)) == "wave began"


def test_a_host_row_says_only_what_is_not_usual() -> None:
    host = HostRecord(name="a", store="1", wave=2)
    assert plain_host(host) == {"name": "a", "store": "1", "wave": 2}
    assert typed_host(plain_host(host)) == host


def test_a_spec_says_everything_so_that_defaults_may_change() -> None:
    half = spec(soak=Soak(wall=timedelta(seconds=90.5)))
    data = json.loads(json.dumps(plain_spec(half)))
    assert data["soak"] == {"wall": 90.5, "trading": 0}
    assert data["budgets"]["pos_share"] == "1/5"
    assert data["shard"] == 50
    assert typed_spec(data) == half


def test_the_head_has_no_hosts() -> None:
    driver = Driver()
    driver.tick()
    head = json.loads(json.dumps(plain_head(driver.rollout)))
    assert head["hosts"] == {}
    again = typed_rollout(head, driver.rollout.hosts.values())
    assert again == driver.rollout
    assert list(again.hosts) == list(driver.rollout.hosts)


def test_who_took_over_and_who_says_so_are_two_things() -> None:
    event = e.RolloutEvent(number=NUMBER, at=NIGHT, by="li", what=e.Superseded(by="X-R2"))
    body = body_of(event)
    assert (body["by"], body["rollout"]) == ("li", "X-R2")
    assert event_of(NUMBER, entry_kind(event), NIGHT, body) == event


@pytest.mark.parametrize(
    ("kind", "body", "says"),
    [
        ("rollout danced", {}, "nothing that happens"),
        ("rollout wave began", {}, "wave began.wave is missing"),
        ("rollout wave began", {"wave": "1"}, "not int"),
        ("rollout wave began", {"wave": True}, "not int"),
        ("rollout wave began", {"wave": 1, "colour": "red"}, "colour, which nobody knows"),
        ("rollout soak counted", {"wave": 1, "traded": "an hour"}, "not a number"),
        ("rollout moved", {"to": "elsewhere"}, "not one of draft"),
        ("rollout approved", {"at": "yesterday"}, "not a time"),
        ("rollout host moved", {"hosts": "a", "to": "final"}, "not a list"),
    ],
)
def test_what_somebody_edited_cannot_be_read(kind: str, body: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError) as caught:
        event_of(NUMBER, kind, NIGHT, body)
    assert says in str(caught.value)


def test_a_share_that_is_none_cannot_be_read() -> None:
    data = json.loads(json.dumps(plain_spec(spec())))
    data["coverage"] = "4/0"
    with pytest.raises(ValueError, match="not a fraction"):
        typed_spec(data)


def test_the_opening_is_small_where_there_are_many_hosts() -> None:
    event = opened(spec(), (100,))
    per_host = len(json.dumps(body_of(event))) / len(replace(event).what.hosts)  # type: ignore[union-attr]
    assert per_host < 100
