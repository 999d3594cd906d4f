# SPDX-License-Identifier: GPL-3.0-or-later
"""`storewarden drift`, `compliance` and `waiver` over a real ledger, inventory and catalogue."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from storewarden.cli.guard import guarded
from storewarden.config.load import load_config
from storewarden.domain.baseline.finding import AuditState, HostAudit, Verdict
from storewarden.flows.audit_context import KIND, STEP
from storewarden.testing.conformance_ledger import audited
from storewarden.wiring.baseline import after_audit
from storewarden.wiring.site import Site

pytestmark = pytest.mark.slow  # Ansible resolves the inventory

PASS, FAIL = Verdict.PASS, Verdict.FAIL
_INVENTORY = """\
all:
  hosts:
    pos1: {sw_store: "000101", sw_region: east, sw_role: pos, sw_ci: POS-1}
    pos2: {sw_store: "000101", sw_region: east, sw_role: pos, sw_ci: POS-2}
"""
_WAIVER = """\
- control: B08
  scope: {{roles: [{role}]}}
  accepted: ["yes"]
  justification: the supplier's tunnel
  compensating: sources are limited
  ticket: CHG-1
  approvers: [an.other]
  approved: "{approved}"
  expires: "{expires}"
"""


class Desk:
    """A site in a folder, and its command line."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys
        (folder / "waivers").mkdir()
        (folder / "stores.yml").write_text(_INVENTORY)
        (folder / "storewarden.yml").write_text(
            "site: {name: chain, timezone: Asia/Shanghai}\ninventory: [stores.yml]\n"
            f"state_dir: {folder / 'state'}\naudit: {{waivers_dir: waivers}}\n"
        )
        self.config = load_config(folder / "storewarden.yml", {"HOME": str(folder)}, folder)

    def audit(self, days_ago: float, *hosts: HostAudit) -> str:
        """An audit that began so long ago, with what follows from it."""
        at = datetime.now(UTC) - timedelta(days=days_ago)
        ident = f"audit-{at:%Y%m%dT%H%M%S}.000Z"
        names = sorted({finding.control for host in hosts for finding in host.findings})
        with Site(self.config) as site:
            ledger = site.ledger
            ledger.begin_audit(ident, at, [host.host for host in hosts], names, "content")
            body = {"scope": "stores.yml", "zone": "Asia/Shanghai"}
            ledger.append(KIND, body, run=ident, step=STEP)
            for host in hosts:
                ledger.record_host(ident, host, at)
            ledger.end_audit(ident, at, "completed")
            report = after_audit(site, site.report(ident))
            assert report.warnings == ()
            assert ledger.verify().problems == ()
        return ident

    def run(self, *argv: str) -> tuple[int, str, str]:
        """One command: code, output, errors."""
        self._capsys.readouterr()
        code = guarded([*argv, "--config", str(self.folder / "storewarden.yml")])
        said = self._capsys.readouterr()
        return code, said.out, said.err

    def waiver(self, days: int, role: str = "pos") -> None:
        """A waiver that ends in so many days, counted where the site is."""
        today = datetime.now(ZoneInfo(self.config.site.timezone)).date()
        name = f"{role}{days}.yml"
        (self.folder / "waivers" / name).write_text(
            _WAIVER.format(
                role=role,
                approved=(today - timedelta(days=20)).isoformat(),
                expires=(today + timedelta(days=days)).isoformat(),
            )
        )


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Desk]:
    yield Desk(tmp_path, capsys)


def test_drift_shows_what_is_open_and_until_when(desk: Desk) -> None:
    assert desk.run("drift", "list")[0] == 2  # no ledger yet
    late = desk.audit(35, audited("pos1", B01=(FAIL, ["yes"]), A01=PASS))
    desk.audit(2, audited("pos1", B01=(FAIL, ["yes"]), A01=PASS), audited("pos2", B02=FAIL))
    code, out, _ = desk.run("drift", "list")
    head, first, second = out.splitlines()
    assert code == 1  # something is overdue
    assert head.startswith("DUE")
    assert "pos1" in first and "B01" in first and "late" in first
    assert "pos2" in second and "B02" in second and "in " in second
    code, out, _ = desk.run("drift", "list", "--json", "--host", "pos1")
    (ticket,) = json.loads(out)
    assert (ticket["host"], ticket["control"], ticket["severity"]) == ("pos1", "B01", "high")
    assert (ticket["opened_by"], ticket["overdue"], ticket["open"]) == (late, True, True)
    assert date.fromisoformat(ticket["due"]) > date.fromisoformat(ticket["number"][6:14])
    number = ticket["number"]
    code, out, _ = desk.run("drift", "show", number[:18])
    assert code == 0
    assert out.startswith(f"{number} pos1: B01 ")
    assert 'observed: ["yes"]' in out
    assert "journal entry" in out
    assert "严重程度: 高" in desk.run("drift", "show", number, "--lang", "zh")[1]
    assert desk.run("drift", "show", "drift-1")[0] == 2
    desk.audit(1, audited("pos1", B01=PASS, A01=PASS), audited("pos2", B02=FAIL))
    code, out, _ = desk.run("drift", "list")
    assert code == 0
    assert "pos1" not in out
    assert "closed" in desk.run("drift", "list", "--all")[1]


def test_drift_of_one_day_is_listed_host_by_host(desk: Desk) -> None:
    bad = {f"B0{n}": FAIL for n in (4, 1, 3, 2)}
    desk.audit(1, audited("pos2", **bad), audited("pos1", **bad))
    desk.audit(0, audited("pos2", **bad), audited("pos1", **bad))
    listed = json.loads(desk.run("drift", "list", "--json")[1])
    keys = [
        (each["due"], ("high", "medium", "low").index(each["severity"]), each["host"],
         each["control"]) for each in listed
    ]  # fmt: skip
    assert len(keys) > 2
    assert keys == sorted(keys)


def test_compliance_of_a_month_and_a_quarter(desk: Desk) -> None:
    lost = HostAudit(host="pos2", state=AuditState.UNREACHABLE, message="timed out")
    desk.audit(0, audited("pos1", A01=PASS, B01=PASS), lost)
    code, out, _ = desk.run("compliance")
    assert code == 1
    assert "50.0 % compliant: 1 of 2 registered devices (1 not audited)" in out
    assert "bad this month for the first time: pos2" in out
    now = datetime.now(UTC) + timedelta(hours=8)
    quarter = f"{now.year}-Q{(now.month + 2) // 3}"
    _, out, _ = desk.run("compliance", "--quarter", quarter, "--json")
    month = json.loads(out)["months"][-1]
    assert month["month"] == f"{now:%Y-%m}"
    assert (month["rate"], month["closed_at"], month["good_enough"]) == ("50.0", None, False)
    told = {each["host"]: (each["standing"], each["why"]) for each in month["devices"]}
    assert told == {"pos1": ("ok", None), "pos2": ("bad1", "unaudited")}
    _, out, _ = desk.run("compliance", "--lang", "zh", "--format", "html")
    assert '<html lang="zh-CN">' in out
    assert "本月首次不合规" in out
    assert "so far: the month is not over" in desk.run("compliance")[1]
    assert "(over, and not closed: " in desk.run("compliance", "--month", "1999-01")[1]
    assert desk.run("compliance", "--month", "2999-01")[0] == 2
    assert desk.run("compliance", "--month", "May")[0] == 2


def test_a_month_that_is_over_is_closed_by_the_next_audit(desk: Desk) -> None:
    desk.audit(40, audited("pos1", A01=PASS), audited("pos2", A01=PASS))
    desk.audit(0, audited("pos1", A01=PASS), audited("pos2", A01=PASS))
    over = (datetime.now(UTC) + timedelta(hours=8)).replace(day=1) - timedelta(days=1)
    _, out, _ = desk.run("compliance", "--month", f"{over:%Y-%m}", "--json")
    (month,) = json.loads(out)["months"]
    assert month["closed_at"] is not None
    assert month["registered"] == 2


def test_waivers_are_listed_with_what_needs_somebody_first(desk: Desk) -> None:
    assert desk.run("waiver", "check") == (0, "", "storewarden: no waivers to show\n")
    for days in (60, 3, -2):
        desk.waiver(days)
    code, out, _ = desk.run("waiver", "list")
    assert code == 0
    assert [line.split("  ")[0] for line in out.splitlines()[1:]] == [
        "expired",
        "expires soon",
        "active",
    ]
    code, out, _ = desk.run("waiver", "check", "--json")
    assert code == 1
    found = json.loads(out)
    assert [(each["state"], each["days_left"]) for each in found] == [
        ("expired", -2),
        ("expiring", 3),
    ]
    assert found[0]["hosts"] == ["pos1", "pos2"]
    desk.waiver(30, role="bastion")
    code, out, err = desk.run("waiver", "check", "--lang", "zh")
    assert code == 2
    assert "不覆盖任何设备" in out
    assert "covers no device of the inventory" in err
    (desk.folder / "waivers" / "bad.yml").write_text("- control: B08\n")
    code, _, err = desk.run("waiver", "list")
    assert (code, "bad.yml:1" in err) == (2, True)
