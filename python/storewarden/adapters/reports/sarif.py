# SPDX-License-Identifier: GPL-3.0-or-later
"""The report for code scanning services: SARIF 2.1.0.

Rules are controls, results are failures and errors; the host is the logical
location. GitHub shows no result without a physical one, so each also has an
artifact ``hosts/<name>``. Its limits hold: at most 25,000 results per run (more
become further runs with an id of their own) and ``security-severity`` as text.
A waived failure stays a result, with an accepted suppression.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC
from itertools import batched
from urllib.parse import quote

from storewarden.adapters.reports.catalogue import words
from storewarden.adapters.reports.values import clean, shown
from storewarden.adapters.reports.view import TROUBLE, kind_of, reason_in
from storewarden.domain.baseline.control import Control, Severity
from storewarden.domain.baseline.finding import AuditState, Finding, HostAudit
from storewarden.domain.baseline.waiver import Waiver
from storewarden.ports.reports import AuditReport, Language, Page

MOST_RESULTS = 25_000

_LEVEL = {Severity.HIGH: "error", Severity.MEDIUM: "warning", Severity.LOW: "note"}
_SECURITY = {Severity.HIGH: "8.0", Severity.MEDIUM: "5.0", Severity.LOW: "2.0"}


def render(report: AuditReport, page: Page) -> str:
    """The JSON document."""
    texts, language = words(page.language), page.language
    rules = [_rule(control, language) for control in report.controls]
    chunks = list(batched(_results(report, texts, language), MOST_RESULTS)) or [()]
    document = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            _run(report, rules, list(results), number)
            for number, results in enumerate(chunks, start=1)
        ],
    }
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def _run(
    report: AuditReport, rules: Sequence[object], results: Sequence[object], number: int
) -> dict[str, object]:
    invocation: dict[str, object] = {
        "executionSuccessful": not (report.interrupted or report.unrecorded),
        "startTimeUtc": report.audit.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    if number == 1:
        invocation["toolExecutionNotifications"] = [
            {
                "level": "error",
                "message": {"text": clean(f"{h.host}: {h.state.value}: {h.message}")},
            }
            for h in report.audit.hosts
            if h.state is not AuditState.AUDITED
        ]
    return {
        "tool": {
            "driver": {
                "name": "storewarden",
                "semanticVersion": report.version,
                "rules": rules,
            }
        },
        "automationDetails": {"id": f"storewarden/audit/{number}"},
        "columnKind": "unicodeCodePoints",
        "invocations": [invocation],
        "results": results,
    }


def _rule(control: Control, language: Language) -> dict[str, object]:
    title = control.titled(language.value)
    fix = control.fix_text.get(language.value) or control.fix_text.get("en") or title
    return {
        "id": control.id,
        "name": control.id,
        "shortDescription": {"text": title},
        "fullDescription": {"text": title},
        "help": {"text": fix},
        "defaultConfiguration": {"level": _LEVEL[control.severity]},
        "properties": {
            "tags": ["security", f"guide-{control.guide_section}"],
            "problem.severity": _LEVEL[control.severity].replace("note", "recommendation"),
            "security-severity": _SECURITY[control.severity],
            "risk": control.risk.value,
            "references": {name: list(ids) for name, ids in control.references.items()},
        },
    }


def _results(
    report: AuditReport, texts: Mapping[str, str], language: Language
) -> Iterator[dict[str, object]]:
    order = {control.id: (number, control) for number, control in enumerate(report.controls)}
    for host in report.audit.hosts:
        for finding in host.findings:
            kind, waiver = kind_of(report, host.host, finding)
            if kind in TROUBLE:
                number, control = order[finding.control]
                result = _result(host, finding, control, _said(finding, kind, texts, language))
                result["ruleIndex"] = number
                if waiver is not None:
                    result["suppressions"] = [_suppression(waiver)]
                yield result


def _said(finding: Finding, kind: str, texts: Mapping[str, str], language: Language) -> str:
    reason = reason_in(finding, language)
    observed = f"{texts['observed']}: {shown(finding.value, texts)}"
    return f"{texts[f'verdict_{kind}']}. {observed}" + (f" ({reason})" if reason else "")


def _result(host: HostAudit, finding: Finding, control: Control, text: str) -> dict[str, object]:
    place = "/".join(part for part in (host.region, host.store, host.host) if part)
    return {
        "ruleId": control.id,
        "level": _LEVEL[control.severity],
        "message": {"text": f"{control.id} {host.host}: {text}"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": f"hosts/{quote(host.host, safe='')}"},
                    "region": {"startLine": 1},
                },
                "logicalLocations": [
                    {"name": host.host, "kind": "resource", "fullyQualifiedName": place}
                ],
            }
        ],
        "partialFingerprints": {"hostControl/v1": _fingerprint(host.host, finding.control)},
        "properties": {"verdict": finding.verdict.value},
    }


def _suppression(waiver: Waiver) -> dict[str, object]:
    text = f"{waiver.ticket}: {waiver.justification} (until {waiver.expires.isoformat()})"
    return {"kind": "external", "status": "accepted", "justification": clean(text)}


def _fingerprint(host: str, control: str) -> str:
    return hashlib.sha256(f"{host}\0{control}".encode()).hexdigest()
