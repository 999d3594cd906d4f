# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's findings as stored evidence: JSON, compressed, with a digest over what is stored.

About 6 KB per host shrink to about 1.5. The digest covers the compressed bytes,
so that not even a padding bit can change unseen.
"""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Mapping
from typing import Any, cast

from storewarden.domain.baseline.finding import AuditState, Finding, HostAudit, Verdict
from storewarden.domain.errors import AdapterError, LedgerConflict
from storewarden.ports.journal import canonical

_LARGEST = 64 * 1024 * 1024  # bytes of JSON; a result is some KB, a bomb is not unpacked


def packed(host: HostAudit) -> bytes:
    """The evidence as stored.

    Raises AdapterError when a value is no JSON or a control is answered twice.
    """
    _require_single_answers(host)
    try:
        return zlib.compress(canonical(_plain(host)), 6)
    except AdapterError as refusal:
        raise AdapterError(
            f"the result cannot be recorded: {refusal.what}", where=host.host
        ) from refusal


def unpacked(evidence: bytes, where: str) -> HostAudit:
    """The findings again. Raises LedgerConflict naming ``where`` when the bytes are damaged."""
    try:
        engine = zlib.decompressobj()
        data = engine.decompress(evidence, _LARGEST)
        if not engine.eof:
            raise ValueError("cut off or too large")
        return _typed(json.loads(data))
    except (ValueError, KeyError, TypeError, zlib.error) as failure:
        raise LedgerConflict(
            f"the evidence cannot be read: {failure}",
            where=where,
            hint="run storewarden ledger verify",
        ) from failure


def deleted(host: str) -> HostAudit:
    """What is left to tell of a host whose evidence was deleted after its retention."""
    message = "its evidence was deleted after the retention time"
    return HostAudit(host=host, state=AuditState.UNKNOWN, message=message)


def counts(host: HostAudit) -> Mapping[str, int]:
    """How many findings of each verdict: every verdict is named, also with 0."""
    found = Counter(finding.verdict for finding in host.findings)
    return {verdict.value: found[verdict] for verdict in Verdict}


def _require_single_answers(host: HostAudit) -> None:
    answers = Counter(finding.control for finding in host.findings)
    twice = sorted(control for control, number in answers.items() if number > 1)
    if twice:
        raise AdapterError(f"answered more than once: {', '.join(twice)}", where=host.host)


def _plain(host: HostAudit) -> dict[str, object]:
    texts = {
        name: getattr(host, name)
        for name in ("host", "message", "store", "region", "role", "item", "bundle")
    }
    findings = [_plain_finding(finding) for finding in host.findings]
    return {**texts, "state": host.state.value, "findings": findings}


def _plain_finding(finding: Finding) -> dict[str, object]:
    return {
        "control": finding.control,
        "verdict": finding.verdict.value,
        "value": finding.value,
        "reason": finding.reason,
        "ms": finding.milliseconds,
    }


def _typed(data: dict[str, Any]) -> HostAudit:
    rest = {key: value for key, value in data.items() if key not in ("state", "findings")}
    findings = tuple(_finding(each) for each in data["findings"])
    return HostAudit(state=AuditState(data["state"]), findings=findings, **rest)


def _finding(data: dict[str, object]) -> Finding:
    return Finding(
        control=cast(str, data["control"]),
        verdict=Verdict(data["verdict"]),
        value=data["value"],
        reason=cast(Mapping[str, str], data["reason"]),
        milliseconds=cast(float, data["ms"]),
    )
