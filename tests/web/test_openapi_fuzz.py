# SPDX-License-Identifier: GPL-3.0-or-later
"""Every operation of our OpenAPI document, asked with what Schemathesis makes of it: no fault.

Bodies of webhooks are described as any JSON, so it makes any JSON; people's operations get what
their models allow and what they forbid.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.amount import examples
from tests.e2e.change_service import token_for
from tests.web.hook_place import OWN_KEY, Hooked, bearer, hooked, lay_out_hooks, signed
from tests.web.incident_scenes import incident

pytestmark = pytest.mark.slow

schemathesis = pytest.importorskip("schemathesis")
KEYS = itertools.count()
FUZZ = settings(max_examples=examples(150), deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hooked]:
    with hooked(lay_out_hooks(tmp_path_factory.mktemp("site"))) as running:
        yield running


@pytest.fixture(scope="module")
def operations(service: Hooked) -> list[Any]:
    schema = schemathesis.openapi.from_url(f"{service.url}/api/v1/openapi.json")
    return [each.ok() for each in schema.get_all_operations()]


@pytest.fixture(scope="module")
def token(service: Hooked) -> str:
    return token_for(service.site, "op.one")


@FUZZ
@given(data=st.data())
def test_no_operation_answers_with_a_fault(
    service: Hooked, operations: list[Any], token: str, data: st.DataObject
) -> None:
    ours = [each for each in operations if not each.path.startswith("/hooks/")]
    case = data.draw(data.draw(st.sampled_from(ours)).as_strategy())
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": f"s{next(KEYS)}"}
    answer = case.call(base_url=service.url, headers=headers)
    assert answer.status_code != 500, (case.operation.label, answer.text)


@settings(FUZZ, max_examples=examples(60))
@given(data=st.data())
def test_no_word_about_an_incident_that_is_there_answers_with_a_fault(
    service: Hooked, operations: list[Any], token: str, data: st.DataObject
) -> None:
    """Of numbers that are made up none is an incident's, so half of them are one's here."""
    numbers = [each.number for each in service.site.ledger.incidents.open_ones()]
    if not numbers:
        numbers = [incident(service.site.ledger, datetime.now(UTC), name=f"rule:x@{next(KEYS)}")]
    ours = [each for each in operations if "/incidents/{number}" in each.path]
    assert len(ours) == 6
    case = data.draw(data.draw(st.sampled_from(ours)).as_strategy())
    if data.draw(st.booleans()):
        case.path_parameters = {"number": numbers[-1]}
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": f"i{next(KEYS)}"}
    answer = case.call(base_url=service.url, headers=headers)
    assert answer.status_code != 500, (case.operation.label, answer.text)


@FUZZ
@given(data=st.data())
def test_no_webhook_answers_with_a_fault(
    service: Hooked, operations: list[Any], data: st.DataObject
) -> None:
    (hook,) = [each for each in operations if each.path.startswith("/hooks/")]
    case = data.draw(hook.as_strategy())
    source = data.draw(st.sampled_from(["alertmanager", "own", "nobody"]))
    case.path_parameters = {"source": source}
    headers = {**bearer(), **signed(b"", OWN_KEY)}
    answer = case.call(base_url=service.url, headers=headers)
    expected = (200, 400) if source == "alertmanager" else (401,)
    assert answer.status_code in expected, (source, answer.text)
