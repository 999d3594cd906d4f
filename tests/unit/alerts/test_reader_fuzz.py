# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever is sent, a reader brings alerts that can be kept, or says that the body is none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storewarden.domain.healing.alert import Delivery
from storewarden.domain.plain_data import plain_record
from storewarden.ports.alerts import AlertsMalformed
from tests.unit.alerts import payloads
from tests.unit.alerts.test_generic import EVENT, MAPPING

TEXT = st.text(max_size=30) | st.sampled_from(
    ["\ud800", "\x00\x1b[2J", "\u202e", "{{ 7*7 }}", "{EVENT.ID}", "0001-01-01T00:00:00Z",
     "9999-12-31T23:59:59-23:59", "firing", "resolved", "x" * 5000, "[{\"tag\": \"a\"}]"]
)  # fmt: skip
NUMBER = st.integers() | st.floats() | st.sampled_from([10**400, -(10**40), 2**63, 1e308])
ANY = st.recursive(
    st.none() | st.booleans() | NUMBER | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
KINDS: dict[str, tuple[Any, dict[str, Any]]] = {
    "alertmanager": (payloads.data(payloads.PARTIAL), {}),
    "grafana": (payloads.data(payloads.GRAFANA), {}),
    "zabbix": (payloads.data(payloads.PROBLEM), {"timezone": "America/St_Johns"}),
    "generic": ({"events": [EVENT, EVENT]}, {"mapping": MAPPING}),
}


def judged(kind: str, body: bytes) -> Delivery | None:
    """What came of it, when it can be kept; None when it was refused in one line."""
    try:
        delivery = payloads.read(kind, body, **KINDS[kind][1])
    except AlertsMalformed as error:
        assert "\n" not in str(error)
        assert len(str(error)) < 200
        return None
    for alert in delivery.alerts:
        json.dumps(plain_record(alert), ensure_ascii=False).encode()  # as the ledger keeps it
        assert len(alert.key) == 64
        assert alert.starts_at.tzinfo is not None
        names = (alert.name, alert.fingerprint, alert.url, *alert.labels, *alert.labels.values())
        assert not any(letter in text for text in names for letter in "\n\r\0\x1b\u202e")
    assert all(line.isprintable() and len(line) < 300 for line in delivery.ignored)
    return delivery


def sent(data: object) -> bytes:
    """JSON, also of what JSON does not know."""
    return json.dumps(data).encode("utf-8", "surrogatepass")


@pytest.mark.parametrize("kind", sorted(KINDS))
@given(body=st.binary(max_size=60))
def test_any_bytes(kind: str, body: bytes) -> None:
    judged(kind, body)


@pytest.mark.parametrize("kind", sorted(KINDS))
@given(data=ANY)
def test_any_json(kind: str, data: object) -> None:
    judged(kind, sent(data))


@pytest.mark.parametrize("kind", sorted(KINDS))
@given(data=st.data(), value=ANY)
def test_a_good_body_with_one_odd_value_anywhere(
    kind: str, data: st.DataObject, value: object
) -> None:
    body = json.loads(sent(KINDS[kind][0]))
    places = list(_places(body))
    holder, key = places[data.draw(st.integers(0, len(places) - 1))]
    holder[key] = value
    judged(kind, sent(body))


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_bodies_that_were_changed_are_good_ones(kind: str) -> None:
    delivery = judged(kind, sent(KINDS[kind][0]))
    assert delivery is not None
    assert delivery.alerts


def _places(data: Any) -> Any:
    """Every place in a body that can be changed, as its holder and key."""
    inside = data.items() if isinstance(data, dict) else enumerate(data)
    for key, value in inside:
        yield data, key
        if isinstance(value, dict | list):
            yield from _places(value)
