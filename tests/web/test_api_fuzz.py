# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever is sent, the service answers with an error of its own and never with a fault."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storewarden.testing.rollout_scenes import begin, open_rollout
from tests.e2e.change_service import Service, lay_out, serving, standard

pytestmark = pytest.mark.slow

KEYS = itertools.count()
FUZZ = settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
TEXT = st.text(max_size=40) | st.sampled_from(
    ["\ud800", "\x00", "\u202e", "GMBG-20260101-001", "pos01.000101", "all", "9" * 400, "{{ 7*7 }}"]
)
NUMBER = (
    st.integers() | st.floats() | st.sampled_from([10**400, -1, 2**63])
)  # also what JSON does not know
SCALAR = st.none() | st.booleans() | NUMBER | TEXT
ANY = st.recursive(
    SCALAR,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
MOMENT = st.datetimes().map(lambda at: f"{at.isoformat()}Z") | st.sampled_from(
    ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-06-01", "now"]
)
FIELDS = [
    *standard(),
    "file",
    "soak_minutes",
    "supersede",
    "window",
    "owner",
    "standing",
    "step",
    "text",
    "outcome",
    "left",
    "comment",
]
VERBS = [
    "approve", "reject", "cancel", "plan", "start", "pause", "resume", "step-done", "step-check",
    "note", "finish", "close", "settle", "runs", "evidence", "nothing",
    "override", "override/approve", "rollouts",
]  # fmt: skip
PLACES = [
    "changes", "debts", "changes/{0}", "changes/{1}", "rollouts", "rollouts/{0}", "rollouts/{1}",
    "rollouts/{0}/history",
]  # fmt: skip
WORDS = ["pause", "resume", "promote", "abort", "rollback", "release", "cancel", "stop"]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(lay_out(tmp_path_factory.mktemp("site"))) as running:
        yield running


@pytest.fixture(scope="module")
def http(service: Service) -> Iterator[httpx.Client]:
    with service.client("op.one") as client:
        yield client


@pytest.fixture(scope="module")
def number(service: Service) -> str:
    answer = service.post("op.one", "/changes", standard())
    return str(answer.json()["change"]["number"])


def new_key() -> str:
    """With a key that was used, only the first answer would come again."""
    return f"fuzz-{next(KEYS)}"


@pytest.fixture(scope="module")
def rollout(service: Service) -> str:
    """A rollout under way."""
    number = open_rollout(service.site.ledger)
    begin(service.site.ledger, number)
    return number


def sent(http: httpx.Client, path: str, body: object) -> httpx.Response:
    """Bytes of our own: libraries refuse to make JSON of some of this."""
    content = json.dumps(body).encode("utf-8", "surrogatepass")
    headers = {"Idempotency-Key": new_key(), "Content-Type": "application/json"}
    return http.post(f"/api/v1{path}", content=content, headers=headers)


def answered(answer: httpx.Response) -> None:
    assert answer.status_code < 500, answer.text
    if not answer.is_success:
        assert set(answer.json()) == {"error", "where", "hint", "kind"}


@FUZZ
@given(body=ANY)
def test_any_json_as_a_change(http: httpx.Client, body: object) -> None:
    answered(sent(http, "/changes", body))


@FUZZ
@given(field=st.sampled_from(FIELDS), value=ANY)
def test_a_good_body_with_one_odd_value(http: httpx.Client, field: str, value: object) -> None:
    answered(sent(http, "/changes", {**standard(), field: value}))


@FUZZ
@given(starts=MOMENT, ends=MOMENT, until=MOMENT, standing=st.booleans())
def test_moments_of_any_kind(
    http: httpx.Client, starts: str, ends: str, until: str, *, standing: bool
) -> None:
    more: dict[str, object] = {"window": {"starts": starts, "ends": ends}}
    if standing:
        more = {"standing": {"action": "restart", "until": until}}
    answered(sent(http, "/changes", {**standard(), **more}))


@FUZZ
@given(verb=st.sampled_from(VERBS), body=ANY | st.dictionaries(st.sampled_from(FIELDS), ANY))
def test_any_json_for_any_verb(http: httpx.Client, number: str, verb: str, body: object) -> None:
    answered(sent(http, f"/changes/{number}/{verb}", body))


@FUZZ
@given(
    verb=st.sampled_from(["orders", "history", "nothing", ""]),
    body=ANY
    | st.fixed_dictionaries(
        {"order": st.sampled_from(WORDS) | ANY, "reason": TEXT | ANY, "host": TEXT | ANY}
    ),
)
def test_any_json_as_an_order(http: httpx.Client, rollout: str, verb: str, body: object) -> None:
    answered(sent(http, f"/rollouts/{rollout}/{verb}", body))


@FUZZ
@given(verb=st.sampled_from(["stop", "go-on"]), reason=ANY)
def test_any_json_for_the_kill_switch(http: httpx.Client, verb: str, reason: object) -> None:
    answered(sent(http, f"/rollouts/{verb}", {"reason": reason}))


@FUZZ
@given(file=TEXT | st.text(alphabet="payload: wvs[1]\n-{}*&!%", max_size=60))
def test_any_text_as_a_rollout_file(http: httpx.Client, number: str, file: str) -> None:
    answered(sent(http, f"/changes/{number}/rollouts", {"file": file}))


@FUZZ
@given(
    place=st.sampled_from(
        ["/changes", "/changes/{}/note", "/changes/{}/evidence?name=x", "/changes/{}/rollouts"]
    ),
    content=st.binary(max_size=200),
    kind=st.sampled_from(["application/json", "", "x/y"]),
)
def test_any_bytes(http: httpx.Client, number: str, place: str, content: bytes, kind: str) -> None:
    headers = {"Idempotency-Key": new_key(), **({"Content-Type": kind} if kind else {})}
    answered(http.post(f"/api/v1{place.format(number)}", content=content, headers=headers))


@settings(FUZZ, max_examples=240)
@given(
    place=st.sampled_from(PLACES),
    path=st.text(st.characters(codec="utf-8"), max_size=30),
    query=st.dictionaries(
        st.sampled_from(["state", "host", "mine", "since", "limit", "after", "overdue", "change"]),
        st.text(st.characters(codec="utf-8"), max_size=20),
    ),
)
def test_any_path_and_query(
    http: httpx.Client, place: str, path: str, query: dict[str, str]
) -> None:
    whole = place.format(quote(path, safe=""), quote(path))  # as one word, and with its slashes
    answered(http.get(f"/api/v1/{whole}", params=query))


@FUZZ
@given(key=st.binary(max_size=120))
def test_any_key(http: httpx.Client, number: str, key: bytes) -> None:
    clean = bytes(byte for byte in key if byte not in b"\r\n\x00").strip()
    headers = [(b"Idempotency-Key", clean), (b"Content-Type", b"application/json")]
    try:
        answer = http.post(
            f"/api/v1/changes/{number}/note", content=b'{"text": "x"}', headers=headers
        )
    except httpx.LocalProtocolError:
        return  # no HTTP at all
    if answer.headers["content-type"] == "application/json":  # else the HTTP parser's own 400
        answered(answer)


def test_json_too_deep_and_too_odd(http: httpx.Client) -> None:
    deep = (b"[" * 100_000, b'{"a":' * 50_000)
    for content in (*deep, b"NaN", b'"\xff"', b"1e999", b"\xef\xbb\xbf{}"):
        headers = {"Idempotency-Key": new_key(), "Content-Type": "application/json"}
        answered(http.post("/api/v1/changes", content=content, headers=headers))


def test_the_ledger_is_still_explained_by_its_journal(service: Service, number: str) -> None:
    assert number
    assert service.site.verify_ledger().problems == ()
