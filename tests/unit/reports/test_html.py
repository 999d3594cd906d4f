# SPDX-License-Identifier: GPL-3.0-or-later
"""The auditor's page: complete, self-contained, harmless, and bounded."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from storewarden.adapters.reports.html import render
from storewarden.adapters.reports.view import MOST_FINDINGS, MOST_GROUPS
from storewarden.domain.baseline.drift import Drift
from storewarden.domain.baseline.finding import Finding, Verdict
from storewarden.domain.errors import AdapterError
from storewarden.ports.reports import AuditReport, Language, Page, Remark
from tests.unit.reports.sample import HOSTILE, rescored, sample

EN, ZH = Page(language=Language.EN), Page(language=Language.ZH)
_VOID = {"meta", "input", "br"}


class _Reader(HTMLParser):
    """Collects tags, their attributes and the visible text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


def read(page: str) -> _Reader:
    reader = _Reader()
    reader.feed(page)
    assert reader.wrong == []
    assert reader.open == []
    return reader


def hostile_everywhere(report: AuditReport) -> AuditReport:
    """Every text that may come from a host, an inventory or a file is an attack."""
    hosts = tuple(
        replace(
            host,
            host=f"{host.host}{HOSTILE}",
            message=HOSTILE,
            store=HOSTILE,
            region=HOSTILE,
            role=HOSTILE,
            item=HOSTILE,
            findings=tuple(
                replace(f, value=HOSTILE, reason={"en": HOSTILE}) for f in host.findings
            ),
        )
        for host in report.audit.hosts
    )
    audit = replace(report.audit, hosts=hosts, content=HOSTILE)
    drift = tuple(replace(d, host=HOSTILE, value_from={HOSTILE: HOSTILE}) for d in report.drift)
    return replace(
        rescored(report, audit),
        drift=drift,
        scope=HOSTILE,
        site=HOSTILE,
        limit=HOSTILE,
        by=HOSTILE,
        since=HOSTILE,
        warnings=(
            Remark(key="malformed", facts={"host": "h", "variable": "sw_tz", "value": HOSTILE}),
        ),
        unrecorded=AdapterError(HOSTILE),
    )


@pytest.mark.parametrize("page", [EN, ZH])
def test_nothing_from_a_host_becomes_markup(page: Page) -> None:
    reader = read(render(hostile_everywhere(sample()), page))
    scripts = [tag for tag, _ in reader.tags if tag == "script"]
    assert scripts == ["script"]  # our own
    assert "<script>alert(1)</script>" in reader.text
    handlers = [name for _, attrs in reader.tags for name in attrs if name.startswith("on")]
    assert handlers == []


def test_a_script_that_slipped_in_would_not_run() -> None:
    """The policy names the digest of our script and allows nothing else."""
    text = render(sample(), EN)
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', text)
    assert policy.startswith("default-src 'none'")
    assert "script-src 'sha256-" in policy
    assert "unsafe-inline" not in policy.split("script-src")[1]


@pytest.mark.parametrize("page", [EN, ZH])
def test_the_file_needs_nothing_else(page: Page) -> None:
    reader = read(render(sample(), page))
    assert not [tag for tag, _ in reader.tags if tag in ("link", "img", "iframe", "object")]
    targets = [value for _, attrs in reader.tags for key, value in attrs.items() if key == "href"]
    ids = {attrs.get("id") for _, attrs in reader.tags}
    assert targets
    assert all(target and target[0] == "#" and target[1:] in ids for target in targets)


def test_an_auditor_finds_everything_that_was_promised() -> None:
    report = sample()
    text = read(render(report, EN)).text
    for promised in (
        "audit-20260302T013000Z",  # which audit
        "2026-03-02 09:30:00 +08:00",  # when, in the site's zone
        "wang@ops",  # by whom
        "0.1.0",  # with what
        report.audit.content,  # over which controls
        "not reached",  # who is missing and why
        "Connection timed out",
        "§ 1.1.4",  # guide section and mark
        "stated by the guide",
        "5.3.3.2.2",  # CIS
        "rule_a08",  # scanner
        "GMBG-20260215-003",  # waiver, its expiry and state
        "2026-04-30",
        "expired",
        "GMBG-20260301-002",  # drift and the change that explains it
        "unexplained",
        "reading the file took longer than 5 s",  # why a check could not be made
        "port=23",  # evidence
    ):
        assert promised in text, promised


def test_a_chinese_report_has_no_english_words_of_ours() -> None:
    text = read(render(sample(), ZH)).text
    for word in ("fail", "medium", "Guide", "Controls", "not audited", "unexplained", "expired"):
        assert word not in text, word
    assert "连续 5 次登录失败后锁定账户" in text
    assert "读取文件超过 5 秒" in text


def test_counts_of_na_and_error_are_always_shown() -> None:
    clean = sample(controls=1, bad_every=10_000, hosts=1, waivers_on=False)
    text = read(render(clean, EN)).text
    assert "error 0" in text
    assert "not applicable 0" in text


def test_a_partial_or_unrecorded_report_says_so_at_the_top() -> None:
    text = read(render(sample(interrupted=True, unrecorded=AdapterError("disk full")), EN)).text
    assert text.index("stopped early") < text.index("Result ")
    assert text.index("Not recorded: disk full") < text.index("Result ")


def test_the_same_evidence_stands_once() -> None:
    """Hosts that share an observed value share a line, and large groups are folded."""
    report = sample(hosts=60, bad_every=1, waivers_on=False)
    text = render(report, EN)
    evidence = text[text.index('id="evidence"') : text.index('id="hosts"')]
    assert evidence.count("port=23") == 1
    assert re.search(r"<summary>on 5\d hosts</summary>", evidence)


def test_a_control_with_countless_values_is_cut_and_counted() -> None:
    report = sample(hosts=100, controls=1, bad_every=1, waivers_on=False)
    hosts = tuple(
        replace(h, findings=tuple(replace(f, value=h.host) for f in h.findings))
        for h in report.audit.hosts
    )
    report = rescored(report, replace(report.audit, hosts=hosts))
    text = read(render(report, EN)).text
    left = report.scores.fleet.audited - MOST_GROUPS
    assert f"{left} more observed values on {left} hosts" in text


@pytest.mark.slow
def test_a_thousand_bad_hosts_stay_readable() -> None:
    report = sample(hosts=1000, controls=50, bad_every=2)
    failing = sum(f.verdict is Verdict.FAIL for h in report.audit.hosts for f in h.findings)
    assert failing > MOST_FINDINGS
    text = render(report, EN)
    assert len(text.encode()) < 5_000_000
    assert "names the controls only" in text


def test_a_huge_value_is_cut_for_its_host_and_for_its_control() -> None:
    report = sample(hosts=1, controls=1, bad_every=1, waivers_on=False)
    huge = Finding(control="A01", verdict=Verdict.FAIL, value="x" * 100_000)
    host = replace(report.audit.hosts[0], findings=(huge,))
    report = rescored(report, replace(report.audit, hosts=(host,)))
    assert len(render(report, EN)) < 40_000


def test_the_first_audit_has_nothing_to_compare_with() -> None:
    assert "first audit on record" in read(render(sample(first=True, drift=()), EN)).text


def test_many_transitions_are_cut_and_counted() -> None:
    one = sample().drift[0]
    many: tuple[Drift, ...] = tuple(replace(one, host=f"h{n}") for n in range(2100))
    text = read(render(sample(drift=many), EN)).text
    assert "transitions: 2100" in text
    assert "and 100 more" in text
