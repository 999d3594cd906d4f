# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One control on one system -> verdict, observed value, reason.

The logic has four values, ordered by what a reader must know first. In ``all`` a fail wins (one
violation is a violation whatever else could not be seen), then error, then manual; in ``any`` a
pass wins, then error, then manual. No node is skipped: the evidence shows every one.
"""

from __future__ import annotations

import hashlib
import json
import time
from typing import Any, NamedTuple

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.evidence import evidence
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getters import GETTERS
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.operators import (
    BadOperand,
    judge,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.probe_error import (
    OUTPUT,
    QUERY,
    ProbeError,
)

PASS, FAIL, NA, ERROR, MANUAL = "pass", "fail", "na", "error", "manual"
VERDICTS = (PASS, FAIL, NA, ERROR, MANUAL)
# how much of a leaf's value the evidence shows; the first is what a leaf does that says nothing
SHOWN = ("value", "distinct", "verdict", "nothing")
_ALL_ORDER = (FAIL, ERROR, MANUAL)
_ANY_ORDER = (PASS, ERROR, MANUAL)


class Outcome(NamedTuple):
    """What one node came to. ``parts`` are the labelled values of the leaves below it."""

    verdict: str
    parts: tuple[tuple[str, Any], ...] = ()
    reason: dict[str, str] | None = None
    composite: bool = False

    def value(self) -> Any:
        """One leaf: its value; several: label -> value."""
        if not self.composite:
            return self.parts[0][1] if self.parts else None
        named: dict[str, Any] = {}
        for label, value in self.parts:
            name, count = label, 1
            while name in named:
                count += 1
                name = "{0} ({1})".format(label, count)
            named[name] = value
        return named


def conjunction(verdicts: list[str]) -> str:
    """The verdict of ``all``."""
    return next((one for one in _ALL_ORDER if one in verdicts), PASS)


def disjunction(verdicts: list[str]) -> str:
    """The verdict of ``any``."""
    return next((one for one in _ANY_ORDER if one in verdicts), FAIL)


def negation(verdict: str) -> str:
    """The verdict of ``not``: what could not be seen stays unseen."""
    return {PASS: FAIL, FAIL: PASS}.get(verdict, verdict)


def audit(system: Any, controls: list[dict[str, Any]], content: str = "") -> dict[str, Any]:
    """Every control on ``system``: the report that the module returns as ``audit``."""
    started = time.monotonic()
    results = [evaluate_control(system, control) for control in controls]
    return report_of(controls, results, content, started)


def report_of(
    controls: list[dict[str, Any]], results: list[dict[str, Any]], content: str, started: float
) -> dict[str, Any]:
    """``{bundle, content, controls, counts, ms}``; ``started`` by the monotonic clock."""
    counts = dict.fromkeys(VERDICTS, 0)
    for result in results:
        counts[result["verdict"]] += 1
    return {
        "bundle": digest_of(controls),
        "content": content,
        "controls": results,
        "counts": counts,
        "ms": _milliseconds(started),
    }


def digest_of(controls: list[dict[str, Any]]) -> str:
    """sha256 over what was asked: controls with their parameters filled in."""
    text = json.dumps(controls, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def unreached(control: dict[str, Any], why: ProbeError) -> dict[str, Any]:
    """The result of a control that nobody looked at."""
    return {"id": control["id"], "verdict": ERROR, "reason": why.reason(), "ms": 0.0}


def evaluate_control(system: Any, control: dict[str, Any]) -> dict[str, Any]:
    """``{id, verdict, value?, reason?, ms}`` for one prepared control (no ``{param:}`` left)."""
    started = time.monotonic()
    outcome = _applied(system, control)
    result: dict[str, Any] = {"id": control["id"], "verdict": outcome.verdict}
    if outcome.parts:
        result["value"] = evidence(outcome.value())
    if outcome.reason and outcome.verdict in (NA, ERROR, MANUAL):
        result["reason"] = evidence(outcome.reason)
    result["ms"] = _milliseconds(started)
    return result


def _applied(system: Any, control: dict[str, Any]) -> Outcome:
    for condition in control.get("when") or ():
        outcome = evaluate_node(system, condition["check"])
        if outcome.verdict == FAIL:
            return outcome._replace(verdict=NA, reason=dict(condition["reason"]))
        if outcome.verdict != PASS:
            return outcome
    return evaluate_node(system, control["check"])


def evaluate_node(system: Any, node: dict[str, Any]) -> Outcome:
    """The outcome of a check expression."""
    if "all" in node:
        return _combined([evaluate_node(system, one) for one in node["all"]], conjunction)
    if "any" in node:
        return _combined([evaluate_node(system, one) for one in node["any"]], disjunction)
    if "not" in node:
        outcome = evaluate_node(system, node["not"])
        return outcome._replace(verdict=negation(outcome.verdict))
    if "manual" in node:
        return Outcome(MANUAL, (), dict(node["manual"]))
    return _leaf(system, node)


def _combined(outcomes: list[Outcome], rule: Any) -> Outcome:
    verdict = rule([one.verdict for one in outcomes])
    parts = tuple(part for one in outcomes for part in one.parts)
    reason = next((one.reason for one in outcomes if one.verdict == verdict), None)
    return Outcome(verdict, parts, reason, composite=True)


def _leaf(system: Any, node: dict[str, Any]) -> Outcome:
    label = label_of(node)
    try:
        value = picked(_look(system, node), node.get("field"))
        good = judge(node.get("expect") or {}, value, system.now())
    except BadOperand as error:
        return _unseen(label, ProbeError(QUERY, str(error)))
    except ProbeError as error:
        return _unseen(label, error)
    verdict = PASS if good else FAIL
    return Outcome(verdict, _shown(node.get("show", SHOWN[0]), label, value, verdict))


def _shown(show: str, label: str, value: Any, verdict: str) -> tuple[tuple[str, Any], ...]:
    """What the evidence tells of a leaf: two audits of an unchanged host must tell the same."""
    if show == "nothing":
        return ()
    if show == "verdict":
        return ((label, verdict),)
    return ((label, distinct(value) if show == "distinct" else value),)


def distinct(value: Any) -> Any:
    """Each element of a list once, in a fixed order; anything else as it is."""
    if not isinstance(value, list):
        return value
    texts = {json.dumps(one, sort_keys=True, default=str): one for one in value}
    return [texts[text] for text in sorted(texts)]


def _look(system: Any, node: dict[str, Any]) -> Any:
    getter = GETTERS.get(node.get("get", ""))
    if getter is None:
        raise ProbeError(QUERY, "no getter called {0}".format(node.get("get")))
    try:
        with system.deadline():
            return getter.look(system, node.get("q") or {})
    except ProbeError:
        raise
    except Exception as error:  # one broken getter must not take the other controls with it
        text = "{0}: {1}: {2}".format(node["get"], type(error).__name__, error)
        raise ProbeError(OUTPUT, text) from error


def _unseen(label: str, error: ProbeError) -> Outcome:
    return Outcome(ERROR, ((label, {"error": str(error)}),), error.reason())


def picked(value: Any, field: Any) -> Any:
    """``field`` (or the first of several that exists) of a mapping, or of each in a list."""
    if field is None:
        return value
    names = field if isinstance(field, list) else [field]
    if isinstance(value, list):
        return [_member(one, names) for one in value]
    return _member(value, names)


def _member(value: Any, names: list[str]) -> Any:
    if not isinstance(value, dict):
        return None
    return next((value[name] for name in names if name in value), None)


def label_of(node: dict[str, Any]) -> str:
    """The name of a leaf in the evidence: its ``label``, else the getter and what it asked for."""
    if node.get("label"):
        return str(node["label"])
    query = node.get("q") or {}
    for key in ("key", "name", "names", "path", "paths", "service", "view", "select", "files"):
        if query.get(key):
            asked = query[key]
            text = ",".join(map(str, asked)) if isinstance(asked, list) else str(asked)
            return "{0} {1}".format(node["get"], text)[:80]
    return str(node["get"])


def _milliseconds(started: float) -> float:
    return round((time.monotonic() - started) * 1000, 2)
