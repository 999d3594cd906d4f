# SPDX-License-Identifier: GPL-3.0-or-later
"""The desk over the service does what the desk in one's own process does."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from storewarden.domain.change.commands import (
    Approve,
    Close,
    Finish,
    Note,
    Reject,
    Run,
    Start,
    StepDone,
)
from storewarden.domain.change.record import EvidenceKind, Outcome, State
from storewarden.domain.errors import ConfigInvalid, Refused
from storewarden.flows.change_desk import Document
from storewarden.wiring.harden import service_desk, standing_refusal
from tests.e2e.change_service import Service, lay_out, serving, standard

pytestmark = pytest.mark.slow


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with serving(lay_out(tmp_path)) as running:
        yield running


def opened(service: Service, **more: object) -> str:
    number = str(service.post("op.one", "/changes", standard(**more)).json()["change"]["number"])
    assert service.post("head", f"/changes/{number}/approve", {}).status_code == 200
    return number


def test_every_word_that_a_hardening_says(service: Service) -> None:
    number = opened(service, steps=[{"name": "harden"}])
    environ = {"STOREWARDEN_SERVICE": service.url}
    with service_desk(service.site, environ, service.token_file("op.one")) as desk:
        assert desk.person.id == "op.one"
        assert desk.change(number) == service.site.changes.change(number)
        assert desk.act(number, "k1", Start()).state is State.IN_PROGRESS
        page = Document(
            kind=EvidenceKind.VERIFICATION, name="harden.html", media_type="text/html",
            content=b"<!DOCTYPE html>", note="1",
        )  # fmt: skip
        (evidence,) = desk.attach(number, "k2", page).evidence
        assert (evidence.name, evidence.by, evidence.note) == ("harden.html", "op.one", "1")
        desk.act(number, "k3", Note(text="2 hosts"))
        desk.act(number, "k4", StepDone(step="harden"))
        assert desk.act(number, "k5", Finish(note="done")).state is State.DONE
        closed = desk.act(number, "k6", Close(outcome=Outcome.ROLLED_BACK, reason="no"))
        assert (closed.outcome, closed.reason) == (Outcome.ROLLED_BACK, "no")
        assert desk.act(number, "k6", Close(outcome=Outcome.ROLLED_BACK, reason="no")) == closed
        with pytest.raises(Refused, match="it is closed"):
            desk.act(number, "k7", Note(text="late"))
        with pytest.raises(ConfigInvalid, match="no such change"):
            desk.change("GMBG-20200101-001")
        for foreign in (Approve(), Reject(reason="x")):
            with pytest.raises(ConfigInvalid, match="not asked for over the service"):
                desk.act(number, "k8", foreign)


def test_a_run_of_a_standing_change(service: Service) -> None:
    until = datetime.now(UTC) + timedelta(days=30)
    standing = {"action": "forced fix", "until": until.isoformat()}
    number = opened(service, standing=standing, operation="configuration")
    hosts = ("pos01.000101", "pos02.000101")
    assert standing_refusal(service.site, number, hosts) == ""
    assert "none of its" in standing_refusal(service.site, number, ("pos01.000102",))
    assert standing_refusal(service.site, "GMBG-20200101-001", hosts) == "there is no such change"
    environ = {"STOREWARDEN_SERVICE": service.url}
    with service_desk(service.site, environ, service.token_file("op.one")) as desk:
        run = Run(
            run=f"{number}.1", hosts=hosts, began=datetime.now(UTC), succeeded=True, note="fine"
        )
        found = desk.act(number, "k1", run).standing
    assert found is not None
    assert (found.runs, found.failures) == (1, 0)


def test_nobody_gets_a_desk_without_a_token(service: Service, tmp_path: Path) -> None:
    environ = {"STOREWARDEN_SERVICE": service.url, "HOME": str(tmp_path)}
    with (
        pytest.raises(ConfigInvalid, match="no token"),
        service_desk(service.site, environ, None),
    ):
        pass
