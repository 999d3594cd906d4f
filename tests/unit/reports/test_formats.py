# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports for programs and for the shell: what their readers rely on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from rich.cells import cell_len

from storewarden.adapters.reports import renderer
from storewarden.adapters.reports.sarif import MOST_RESULTS
from storewarden.domain.baseline.finding import AuditState, Verdict
from storewarden.domain.errors import AdapterError
from storewarden.ports.reports import THIS_MACHINE, AuditReport, Format, Language, Page
from tests.unit.reports.sample import HOSTILE, rescored, sample

EN, ZH = Page(language=Language.EN), Page(language=Language.ZH)


def text(shape: Format, report: AuditReport, page: Page = EN) -> str:
    return renderer(shape)(report, page)


def verdicts(report: AuditReport, verdict: Verdict) -> int:
    return sum(f.verdict is verdict for host in report.audit.hosts for f in host.findings)


def with_hostile_values(report: AuditReport) -> AuditReport:
    hosts = tuple(
        replace(
            host,
            message=f"{HOSTILE}\ud800\ufffe",
            findings=tuple(replace(f, value=[HOSTILE, "\ud800"]) for f in host.findings),
        )
        for host in report.audit.hosts
    )
    return rescored(report, replace(report.audit, hosts=hosts))


@pytest.mark.parametrize("shape", list(Format))
@pytest.mark.parametrize("page", [EN, ZH])
def test_every_format_survives_what_hosts_may_say(shape: Format, page: Page) -> None:
    made = text(shape, with_hostile_values(sample()), page)
    assert "\x1b" not in made
    assert made.endswith("\n")
    made.encode("utf-8", "backslashreplace")


# -- JSON ------------------------------------------------------------------------


def test_json_counts_what_the_audit_holds() -> None:
    report = sample()
    data = json.loads(text(Format.JSON, report))
    assert data["schema"] == 1
    counts = data["fleet"]["counts"]
    assert counts["fail"] + counts["waived"] == verdicts(report, Verdict.FAIL)
    assert counts["waived"] > 0
    assert counts["error"] == verdicts(report, Verdict.ERROR)
    assert (data["fleet"]["registered"], data["fleet"]["audited"]) == (12, 11)
    assert data["below"] is True


def test_json_lists_every_host_with_every_finding() -> None:
    report = sample()
    data = json.loads(text(Format.JSON, report))
    assert [host["host"] for host in data["hosts"]] == [h.host for h in report.audit.hosts]
    (missed,) = [host for host in data["hosts"] if host["state"] != "audited"]
    assert missed["compliant"] is False
    assert "Connection timed out" in missed["message"]
    waived = [f["waived"] for host in data["hosts"] for f in host["findings"] if f["waived"]]
    assert set(waived) == {"GMBG-20260215-003"}


def test_json_never_rounds_up_over_a_bar() -> None:
    data = json.loads(text(Format.JSON, sample()))
    effective = sample().scores.fleet.score.effective
    assert effective is not None
    assert data["fleet"]["effective"] <= effective * 100
    assert data["fleet"]["effective"] == pytest.approx(float(effective * 100), abs=1e-4)


def test_json_without_findings_has_no_score() -> None:
    report = sample(hosts=1)
    host = replace(report.audit.hosts[0], state=AuditState.UNREACHABLE, findings=())
    data = json.loads(text(Format.JSON, rescored(report, replace(report.audit, hosts=(host,)))))
    assert data["fleet"]["effective"] is None
    assert data["fleet"]["rate"] == 0.0
    assert data["below"] is True


def test_json_of_drift_alone_has_no_hosts() -> None:
    data = json.loads(text(Format.JSON, sample(), replace(EN, drift_only=True)))
    assert "hosts" not in data
    assert [d["change"] for d in data["drift"]] == [None, "GMBG-20260301-002"]
    assert [d["worse"] for d in data["drift"]] == [True, False]


# -- JUnit -----------------------------------------------------------------------


def test_junit_has_a_suite_per_host_and_a_case_per_control() -> None:
    report = sample()
    root = ET.fromstring(text(Format.JUNIT, report))  # noqa: S314 - our own
    suites = {suite.get("name"): suite for suite in root}
    assert list(suites) == [host.host for host in report.audit.hosts]
    for host in report.audit.hosts:
        expected = len(host.findings) or 1
        assert len(suites[host.host].findall("testcase")) == expected


def test_junit_sorts_verdicts_as_ci_servers_count_them() -> None:
    report = sample()
    root = ET.fromstring(text(Format.JUNIT, report))  # noqa: S314 - our own
    counts = report.scores.fleet.score.counts
    assert int(root.get("failures", "")) == counts.fail == len(root.findall(".//failure"))
    missing = 1
    assert int(root.get("errors", "")) == counts.error + missing == len(root.findall(".//error"))
    assert int(root.get("skipped", "")) == counts.na + counts.manual + counts.waived


def test_junit_turns_a_missing_host_red() -> None:
    root = ET.fromstring(text(Format.JUNIT, sample()))  # noqa: S314 - our own
    (error,) = root.findall("./testsuite/testcase[@name='audit']/error")
    assert "Connection timed out" in error.get("message", "")
    assert "power" in (error.text or "")


# -- SARIF -----------------------------------------------------------------------


def sarif_results(document: dict[str, object]) -> list[dict[str, object]]:
    return [result for run in document["runs"] for result in run["results"]]  # type: ignore[attr-defined]


def test_sarif_has_what_code_scanning_requires() -> None:
    """https://docs.github.com/en/code-security/reference: SARIF support, required fields."""
    document = json.loads(text(Format.SARIF, sample()))
    assert document["version"] == "2.1.0"
    assert document["$schema"].endswith("sarif-2.1.0.json")
    (run,) = document["runs"]
    rules = run["tool"]["driver"]["rules"]
    for rule in rules:
        assert rule["shortDescription"]["text"]
        assert rule["help"]["text"]
        assert float(rule["properties"]["security-severity"]) > 0
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["message"]["text"]
        assert result["level"] in ("error", "warning", "note")
        place = result["locations"][0]["physicalLocation"]
        assert not place["artifactLocation"]["uri"].startswith("/")
        assert place["region"]["startLine"] >= 1
        assert result["partialFingerprints"]


def test_sarif_results_are_the_failures_and_errors() -> None:
    report = sample()
    results = sarif_results(json.loads(text(Format.SARIF, report)))
    expected = verdicts(report, Verdict.FAIL) + verdicts(report, Verdict.ERROR)
    assert len(results) == expected
    suppressed = [r for r in results if r.get("suppressions")]
    assert len(suppressed) == report.scores.fleet.score.counts.waived


def test_sarif_tells_hosts_apart_and_a_finding_keeps_its_fingerprint() -> None:
    first = sarif_results(json.loads(text(Format.SARIF, sample())))
    again = sarif_results(json.loads(text(Format.SARIF, sample(), ZH)))
    prints = [json.dumps(r["partialFingerprints"]) for r in first]
    assert len(set(prints)) == len(prints)
    assert prints == [json.dumps(r["partialFingerprints"]) for r in again]


@pytest.mark.slow
def test_sarif_splits_what_one_run_may_not_hold() -> None:
    report = sample(hosts=560, controls=50, bad_every=1, waivers_on=False)
    runs = json.loads(text(Format.SARIF, report))["runs"]
    assert [len(run["results"]) <= MOST_RESULTS for run in runs] == [True, True]
    assert len({run["automationDetails"]["id"] for run in runs}) == 2


# -- table -----------------------------------------------------------------------


@pytest.mark.parametrize("page", [EN, ZH, replace(EN, drift_only=True)])
def test_the_table_fits_a_hundred_columns(page: Page) -> None:
    made = text(Format.TABLE, sample(hosts=80, controls=50), page)
    assert max(cell_len(line) for line in made.splitlines()) <= 100


def test_the_table_is_short_for_a_large_fleet() -> None:
    assert len(text(Format.TABLE, sample(hosts=400, controls=50)).splitlines()) < 80


def test_the_table_begins_with_the_score_and_ends_with_what_to_do() -> None:
    made = text(Format.TABLE, sample())
    lines = made.splitlines()
    assert any("Effective score 76.9 %" in line for line in lines[:4])
    assert "not applicable 5" in made
    assert "error 1" in made
    assert "No connection: check power" in made
    assert made.index("Worst controls") < made.index("Worst stores") < made.index("What to do")
    assert "storewarden report audit-20260302T013000Z --format html" in made


def test_the_table_has_no_escape_codes_unless_asked() -> None:
    assert "\x1b[" not in text(Format.TABLE, sample())
    assert "\x1b[" in text(Format.TABLE, sample(), replace(EN, colour=True))


def test_no_text_of_a_control_is_lost_to_the_width() -> None:
    made = text(Format.TABLE, sample(), ZH)
    assert "…" not in made


def test_drift_alone_says_from_to_and_why() -> None:
    made = text(Format.TABLE, sample(), replace(EN, drift_only=True))
    assert "pass: no" in made
    assert "fail: yes" in made
    assert "GMBG-20260301-002" in made
    assert "unexplained" in made
    assert "Worst controls" not in made


@pytest.mark.parametrize("width", [80, 100])
def test_a_long_host_name_costs_neither_from_nor_to(width: int) -> None:
    host = "pos01.000101.shanghai-xuhui.stores.example-retail-chain.com.cn"
    report = sample()
    report = replace(report, drift=tuple(replace(each, host=host) for each in report.drift))
    shown = text(Format.TABLE, report, Page(width=width, drift_only=True))
    assert max(map(len, shown.splitlines())) <= width
    assert "From" in shown
    assert "pass: no" in shown
    assert "GMBG-20260301-002" in shown
    folded = "".join(line.split(" ")[0] for line in shown.splitlines())
    assert host in folded


@pytest.mark.parametrize("page", [EN, ZH])
def test_the_same_value_judged_otherwise_is_told_from_a_changed_host(page: Page) -> None:
    """Somebody raised a number of the baseline: no host has to be searched for what changed."""
    report = sample()
    same = replace(report.drift[0], value_from=["no"], value_to=["no"])
    mixed = replace(report, drift=(same, *report.drift))
    label, note = (
        ("unexplained,same value", "judged otherwise: 1;")
        if page is EN
        else ("无对应变更，实测值未变", "其中 1 处实测值未变而判定改变")
    )
    for shape, folded in ((Format.TABLE, replace(page, drift_only=True)), (Format.HTML, page)):
        made = text(shape, mixed, folded)
        assert note in made
        if shape is Format.HTML:
            assert label in made.replace("\n", "")  # in its row as well
        assert note not in text(shape, report, folded)
    told = json.loads(text(Format.JSON, mixed))["drift"]
    assert [each["remeasured"] for each in told] == [True, False, False]


def test_what_to_do_next_names_the_plan_of_the_fix() -> None:
    assert "storewarden harden plan\n" in text(Format.TABLE, sample())
    limited = text(Format.TABLE, sample(limit="store_000001:!pos2"), Page(width=300))
    assert "storewarden harden plan --limit 'store_000001:!pos2'" in limited
    clean = text(Format.TABLE, sample(bad_every=10**6))
    assert "harden plan" not in clean
    alone = text(Format.TABLE, sample(scope=f"{THIS_MACHINE} (laptop)"))
    assert "harden plan" not in alone  # a plan is for hosts of an inventory


def test_a_selection_of_controls_is_said_at_the_top() -> None:
    """100 % of two controls is no compliant fleet."""
    shown = text(Format.TABLE, sample(selected=True))
    assert "Controls 7 (selected)" in " ".join(shown[: shown.index("Effective")].split())
    assert "(selected)" not in text(Format.TABLE, sample())


def test_a_fleet_without_failures_is_told_so() -> None:
    report = sample(hosts=2, bad_every=10_000, waivers_on=False)
    hosts = tuple(
        replace(h, findings=tuple(replace(f, verdict=Verdict.PASS) for f in h.findings))
        for h in report.audit.hosts
    )
    made = text(
        Format.TABLE,
        replace(rescored(report, replace(report.audit, hosts=hosts)), drift=(), warnings=()),
    )
    assert "No control fails." in made
    assert "nothing; the next audit" in made


def test_an_unrecorded_audit_is_not_said_to_be_on_record() -> None:
    made = text(Format.TABLE, sample(unrecorded=AdapterError("no space left")))
    assert "Not recorded: no space left" in made
    assert "storewarden report audit" not in made


def test_every_json_field_is_documented(project_root: Path) -> None:
    page = (project_root / "docs/operators/audit.md").read_text()
    page = page[page.index("## JSON, for programs") :]
    data = json.loads(text(Format.JSON, sample()))
    keys = set(data) | set(data["audit"]) | set(data["fleet"]) | set(data["fleet"]["counts"])
    for name in ("controls", "stores", "hosts", "waivers", "drift"):
        keys |= {key for row in data[name] for key in row}
    keys |= {key for host in data["hosts"] for found in host["findings"] for key in found}
    assert {key for key in keys if f"`{key}`" not in page} == set()
