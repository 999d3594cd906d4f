# SPDX-License-Identifier: GPL-3.0-or-later
"""The report for CI servers: JUnit XML, a test suite per host, a test case per control.

fail = failure, error = error, not applicable, manual and waived = skipped. A host
that was not audited is a suite with one test case in error, so that a missing
host turns the build red as surely as a failing one.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from xml.etree import ElementTree as ET

from storewarden.adapters.reports.advice import advice_for
from storewarden.adapters.reports.catalogue import words
from storewarden.adapters.reports.values import clean, shown
from storewarden.adapters.reports.view import kind_of, reason_in
from storewarden.domain.baseline.control import Control
from storewarden.domain.baseline.finding import AuditState, Finding, HostAudit
from storewarden.ports.reports import AuditReport, Language, Page

_TAGS = {
    "fail": "failure",
    "error": "error",
    "na": "skipped",
    "manual": "skipped",
    "waived": "skipped",
}


def render(report: AuditReport, page: Page) -> str:
    """The XML document."""
    writer = _Writer(report, words(page.language), page.language)
    root = writer.suites()
    ET.indent(root, " ")
    text = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


class _Writer:
    """Builds the tree of one report."""

    def __init__(self, report: AuditReport, texts: Mapping[str, str], language: Language) -> None:
        self._report = report
        self._texts = texts
        self._language = language
        self._controls = {control.id: control for control in report.controls}
        self._stamp = report.audit.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")

    def suites(self) -> ET.Element:
        root = ET.Element("testsuites", name=clean(f"storewarden audit {self._report.audit.id}"))
        for host in self._report.audit.hosts:
            root.append(self._suite(host))
        for name in ("tests", "failures", "errors", "skipped"):
            root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
        return root

    def _suite(self, host: HostAudit) -> ET.Element:
        seconds = sum(finding.milliseconds for finding in host.findings) / 1000
        suite = ET.Element(
            "testsuite",
            name=clean(host.host),
            hostname=clean(host.host),
            timestamp=self._stamp,
            time=f"{seconds:.3f}",
        )
        for name, value in (("store", host.store), ("role", host.role), ("item", host.item)):
            self._property(suite, name, value)
        if host.state is AuditState.AUDITED:
            suite.extend(self._case(host, finding) for finding in host.findings)
        else:
            suite.append(self._missing(host))
        _count(suite)
        return suite

    def _property(self, suite: ET.Element, name: str, value: str) -> None:
        if not value:
            return
        found = suite.find("properties")
        box = ET.SubElement(suite, "properties") if found is None else found
        ET.SubElement(box, "property", name=name, value=clean(value))

    def _case(self, host: HostAudit, finding: Finding) -> ET.Element:
        control = self._controls[finding.control]
        case = _named(host, f"{control.id} {control.titled(self._language.value)}")
        case.set("time", f"{finding.milliseconds / 1000:.3f}")
        kind, waiver = kind_of(self._report, host.host, finding)
        if kind in _TAGS:
            until = f" {waiver.ticket} {waiver.expires.isoformat()}" if waiver else ""
            note = ET.SubElement(case, _TAGS[kind])
            note.set("message", clean(self._message(control, finding, kind) + until))
            if kind in ("fail", "error"):
                note.set("type", control.severity.value)
                note.text = self._detail(control, finding)
        return case

    def _message(self, control: Control, finding: Finding, kind: str) -> str:
        severity = self._texts[f"severity_{control.severity.value}"]
        reason = reason_in(finding, self._language)
        word = self._texts[f"verdict_{kind}"]
        return f"{word} ({severity})" + (f": {reason}" if reason else "")

    def _detail(self, control: Control, finding: Finding) -> str:
        fix = control.fix_text.get(self._language.value) or control.fix_text.get("en", "")
        lines = [f"{self._texts['observed']}: {shown(finding.value, self._texts, limit=1500)}"]
        lines.append(f"{self._texts['guide']}: {control.guide_section}")
        if fix:
            lines.append(f"{self._texts['fix']}: {fix}")
        return "\n".join(clean(part) for line in lines for part in line.splitlines())

    def _missing(self, host: HostAudit) -> ET.Element:
        case = _named(host, "audit")
        word = self._texts[f"audit_{host.state.value}"]
        note = ET.SubElement(case, "error", type=host.state.value)
        note.set("message", clean(f"{word}: {host.message}"))
        note.text = self._texts[f"advice_{advice_for(host)}"]
        return case


def _named(host: HostAudit, name: str) -> ET.Element:
    place = ".".join(part for part in (host.store, host.host) if part)
    return ET.Element("testcase", classname=clean(place), name=clean(name))


def _count(suite: ET.Element) -> None:
    suite.set("tests", str(len(suite.findall("testcase"))))
    suite.set("failures", str(len(suite.findall("testcase/failure"))))
    suite.set("errors", str(len(suite.findall("testcase/error"))))
    suite.set("skipped", str(len(suite.findall("testcase/skipped"))))
