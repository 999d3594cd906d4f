# SPDX-License-Identifier: GPL-3.0-or-later
"""Deletions, drills and coverage over HTTP, and the second person at a shell: a real service, a
real ledger, people with tokens in files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from storewarden.domain.backup.catalog import BackupSet, DrillRecord, Target
from storewarden.domain.backup.catalog_events import CopySeen, Drilled, SetFound
from storewarden.domain.backup.policy import Level, SetKind
from tests.e2e.audit_cli import Place
from tests.e2e.change_service import Service, lay_out, serving

pytestmark = pytest.mark.slow

DAY = timedelta(days=1)
TILL = Target(host="pos01.000101", policy="tills")
PLACES = ("store", "hub", "away")
SITE = """\
site: {timezone: Asia/Shanghai}
backup:
  policies: policies.yml
  secrets: {repository: "file:password"}
  locations:
    store: {medium: disk, credentials: store, point: [31.23, 121.47]}
    hub: {kind: path, folder: /srv/hub, medium: nas, credentials: hub, point: [31.30, 121.50]}
    away: {kind: path, folder: /srv/away, medium: tape, credentials: away, point: [39.90, 116.40]}
"""
POLICIES = """\
policies:
  - id: tills
    tier: ordinary
    method: sqlite
    source: {path: /var/lib/pos/pos.db}
    select: {roles: [pos]}
    copies: [{location: store}, {location: hub}, {location: away}]
"""


def now() -> datetime:
    return datetime.now(UTC)


def name(age: int) -> str:
    return f"{TILL.name}/{now() - age * DAY:%Y%m%d}-full"


def _fill(service: Service) -> None:
    events: list[SetFound | CopySeen | Drilled] = []
    for age in (400, 390, 2, 1):
        at = now() - age * DAY
        found = BackupSet(
            id=name(age), target=TILL, kind=SetKind.FULL, taken=at, received=at, size=1000
        )
        events.append(SetFound(set=found))
        events += [
            CopySeen(set=name(age), location=each, at=now(), level=Level.READ) for each in PLACES
        ]
    drill = DrillRecord(
        id="20260601T083000Z-drill-1",
        target=TILL,
        set=name(1),
        location="hub",
        began=now() - DAY,
        passed=False,
        reason="pack 4f1c does not match its checksum",
        phases={"fetch": 2.0},
    )
    service.site.ledger.backups.record([*events, Drilled(drill=drill)])


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("site")
    (folder / "policies.yml").write_text(POLICIES)
    with serving(lay_out(folder, SITE)) as service:
        _fill(service)
        yield service


def got(service: Service, path: str, **wanted: str | int) -> httpx.Response:
    with service.client("biz") as http:
        return http.get(f"/api/v1{path}", params=wanted)


def refused(answer: httpx.Response, status: int = 403) -> str:
    assert answer.status_code == status, answer.text
    return str(answer.json()["error"])


def test_one_proposes_and_another_one_approves(shared: Service) -> None:
    proposed = shared.post("lead", "/backups/deletions", {}).json()
    assert proposed["sets"] == [name(400), name(390)]
    assert shared.post("lead", "/backups/deletions", {}).json()["number"] == proposed["number"]
    path = f"/backups/deletions/{proposed['number']}"
    assert refused(shared.post("lead", f"{path}/approve", {})).startswith("lead proposed it")
    assert "none of the roles" in refused(shared.post("op.one", f"{path}/approve", {}))
    assert refused(shared.post("sec", f"{path}/refuse", {"reason": " "}), 400)
    yes = shared.post("sec", f"{path}/approve", {}).json()
    assert (yes["state"], yes["decided_by"], yes["digest"]) == (
        "approved",
        "sec",
        proposed["digest"],
    )
    assert refused(shared.post("head", f"{path}/refuse", {"reason": "no"})) == "it is approved"
    assert got(shared, path).json() == yes
    listed = got(shared, "/backups/deletions").json()["deletions"]
    assert [each["number"] for each in listed] == [proposed["number"]]
    assert shared.site.verify_ledger().problems == ()


def test_nobody_without_a_token_and_nothing_unknown(shared: Service) -> None:
    with shared.client() as http:
        for path in ("coverage", "drills", "deletions"):
            assert http.get(f"/api/v1/backups/{path}").status_code == 401
        assert http.post("/api/v1/backups/deletions", json={}).status_code == 401
    assert refused(got(shared, "/backups/deletions/DEL-1"), 404)
    assert refused(shared.post("sec", "/backups/deletions/DEL-1/approve", {}), 404)
    assert shared.post("lead", "/backups/deletions", {"sets": ["x"]}).status_code == 422


def test_drills_are_told_with_what_was_promised_failures_too(shared: Service) -> None:
    (drill,) = got(shared, "/backups/drills", host=TILL.host).json()["drills"]
    assert (drill["passed"], drill["reason"]) == (False, "pack 4f1c does not match its checksum")
    assert (drill["rto"], drill["rto_promised"]) == (None, 86400.0)
    assert got(shared, "/backups/drills", policy="other").json() == {"drills": []}
    assert got(shared, "/backups/drills", limit=0).status_code == 422


def test_coverage_is_the_command_lines(shared: Service) -> None:
    whole = got(shared, "/backups/coverage").json()
    assert {each["host"] for each in whole["rows"]} >= {TILL.host, "pos02.000101"}
    assert refused(got(shared, "/backups/coverage", host="nobody"), 400)


@pytest.mark.full
def test_at_a_shell_with_a_token(shared: Service) -> None:
    place = Place(shared.folder)
    lead = str(shared.token_file("lead"))
    sec = str(shared.token_file("sec"))
    done = place.run("backup", "expire", "propose", "--token-file", lead, "--json")
    number = json.loads(done.out)["number"]
    own = place.run("backup", "expire", "approve", number, "--token-file", lead)
    assert own.code == 3, own.err
    place.run("backup", "expire", "approve", number, "--token-file", sec)
    shown = place.run("backup", "expire", "show", number, "--lang", "en")
    assert "approved" in shown.out and name(400) in shown.out
    zh = place.run("backup", "expire", "list", "--lang", "zh")
    assert "已批准" in zh.out
    assert place.run("backup", "expire", "approve", "../../me").code == 2
    assert place.run("backup", "expire", "show", "DEL-1").code == 2
