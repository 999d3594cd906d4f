# SPDX-License-Identifier: GPL-3.0-or-later
"""`storewarden audit --change`: the report of a real audit becomes evidence of a real change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.audit_cli import LOCAL, Done, Place
from tests.e2e.change_service import HOSTS, Service, lay_out, serving, standard

pytestmark = pytest.mark.slow

_HERE = "  vars: {" + LOCAL + ", ansible_become: false, "


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """The chain of the service's tests; this machine answers for its tills."""
    lay_out(tmp_path, "audit: {fail_under: 0}\n")
    (tmp_path / "hosts.yml").write_text(HOSTS.replace("  vars: {", _HERE, 1))
    with serving(tmp_path) as running:
        yield running


def _audit(service: Service, number: str, *more: str) -> Done:
    token = str(service.token_file("op.one"))
    words = ("--controls", "A16", "--limit", "pos01.000101", "--token-file", token, *more)
    return Place(service.folder).run("audit", "--quiet", "--change", number, *words)


def _opened(service: Service) -> str:
    return str(service.post("op.one", "/changes", standard()).json()["change"]["number"])


def test_a_report_is_attached_and_a_change_that_is_over_takes_none(service: Service) -> None:
    number = _opened(service)
    done = _audit(service, number)
    assert done.code == 0, done.err
    assert f"storewarden: the report is evidence of {number} now" in done.lines
    change = service.site.changes.change(number)
    assert change is not None
    (evidence,) = change.evidence
    audit = service.site.ledger.audit("last")
    assert audit is not None
    assert (evidence.name, evidence.by) == (f"{audit.id}.html", "op.one")
    page = service.site.evidence.get(evidence.digest).decode()
    assert "pos01.000101" in page
    assert "A16" in page

    assert service.post("op.one", f"/changes/{number}/cancel", {"reason": "no"}).status_code == 200
    refused = _audit(service, number)
    assert (refused.code, refused.out) == (3, "")
    assert f"{number}: is cancelled: it takes no evidence" in refused.err
    last = service.site.ledger.audit("last")
    assert last is not None
    assert last.id == audit.id  # told before a host was asked
